"""evaluate: a data set through a network, in shards that survive an interruption."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from gamlib.data import Dataset, load_dataset
from gamlib.data.samples import BrokenImage
from gamlib.evaluation import cluster
from gamlib.evaluation.compute import compute_shard
from gamlib.evaluation.plan import Plan, make_plan
from gamlib.evaluation.results import KEY
from gamlib.evaluation.shards import ShardFolder, Skipped, unpack


def evaluate(
    model_name: str,
    dataset: Dataset | str,
    tasks: Sequence[str],
    methods: Sequence[str],
    n: int | Sequence[int],
    fill: str | Sequence[str] | None,
    mask_side: str | Sequence[str],
    seed: int,
    out: str | Path,
    map: Callable[..., Any] | str = builtins.map,
    *,
    weights: str | Path | None = "default",
    device: str = "cpu",
    percentile: int | None = None,
    least_probability: float = 0.05,
) -> pd.DataFrame:
    """Localisation and masking scores of every image, as rows that gamlib.evaluation.results describes.

    model_name: as in load_model, also "package.module:factory". dataset: a Dataset or the name of one.
    tasks: "class", "cosine", "dot"; all share one forward. methods: names in METHODS, VARIANTS and CONTROLS.
    n: depths. fill: "black", "mean", both, or None for localisation only, without masked forwards.
    mask_side: "both", "one" or both of them, which cost no more than one; it concerns pairs.
    seed: of the pairs (unless the data set fixes them), of the two folds, and of random weights.
    out: folder; shards go to <out>/<key>/shards, what was skipped to <out>/<key>/skipped.csv.
    map: computes the shards. builtins.map, the map of a concurrent.futures.ProcessPoolExecutor, a Dask client's
        `client.map`, or the address of a Dask scheduler, "tcp://...". Rows do not depend on it.
    percentile: 25 or 10 keeps the images with the smallest objects; None is all of them, or what the data set was made
        with. least_probability: a class is explained where the network gives it this much, else top-1.

    The key is a digest of all that decides a row, so a rerun computes only what is missing, damaged, or was
    skipped and can now be read. Images that cannot be decoded are named in frame.attrs["skipped"]; the partner of
    one keeps its class rows. A map with a non-finite value has finite = False and counts as the all-zero map.
    A shard uses one thread: for more processors give a `map` that has them.
    Errors, before any work: ValueError for an unknown task, method, fill, side, depth or class name, for another
    percentile than the data set's own, and for data too small for two folds; after it: ValueError where no image at
    all could be read.

    >>> import gamlib
    >>> frame = gamlib.evaluate("efficientnet_lite0", "photos", ["class"], ["gam"], 2, None, "both",
    ...                         seed=0, out="results")  # doctest: +SKIP
    """
    if isinstance(dataset, str):
        dataset = load_dataset(dataset)
    plan = make_plan(
        model_name, dataset, tasks, methods, n, fill, mask_side, seed,
        weights if weights is None else str(weights), device, percentile, least_probability,
    )  # fmt: skip
    folder = ShardFolder(out, plan.key)
    parts = {index: folder.read(index) for index in range(len(plan.shards))}
    missing = [index for index, part in parts.items() if part is None or _mended(plan.dataset, part[1])]
    # disable=None: a bar on a terminal, silence in notebooks and logs
    bar = tqdm(total=len(parts), initial=len(parts) - len(missing), desc=plan.name, unit="shard", disable=None)
    with bar:
        for index, content in _computed(plan, missing, map):
            folder.write(index, content)
            parts[index] = unpack(content)
            bar.update()
    skipped = [entry for index in sorted(parts) for entry in parts[index][1]]
    folder.write_skipped(skipped)
    if skipped and not any(len(rows) for rows, _ in parts.values()):
        first = skipped[0]
        raise ValueError(
            f"data set '{plan.name}': none of {len(skipped)} images can be read; the first is '{first['sample']}': "
            f"{first['reason']}"
        )
    return _frame([parts[index][0] for index in sorted(parts)], skipped, plan)


def _computed(plan: Plan, missing: Sequence[int], mapper: Callable[..., Any] | str) -> Iterator[tuple[int, bytes]]:
    if not missing:
        return
    if isinstance(mapper, str):
        with cluster.connect(mapper) as client:
            yield from cluster.run(client, compute_shard, plan, missing)
    elif cluster.is_client(mapper):
        yield from cluster.run(mapper.__self__, compute_shard, plan, missing)
    else:
        yield from mapper(functools.partial(compute_shard, plan), missing)


def _mended(dataset: Dataset, skipped: Sequence[Skipped]) -> bool:
    """Whether an image that could not be read now can."""
    for entry in skipped:
        try:
            dataset.read(entry["index"])
            return True
        except BrokenImage:
            continue
    return False


def _frame(parts: Sequence[pd.DataFrame], skipped: Sequence[Skipped], plan: Plan) -> pd.DataFrame:
    frame = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=KEY)], ignore_index=True)
    frame = frame.sort_values(KEY, kind="stable", ignore_index=True)
    frame.attrs = {"key": plan.key, "skipped": list(skipped)}
    return frame
