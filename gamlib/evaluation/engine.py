"""evaluate: a data set through a network, in shards that survive an interruption."""

from __future__ import annotations

import builtins
import contextlib
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from gamlib.data import BrokenImage, Dataset, load_dataset
from gamlib.data.subset import read_sample
from gamlib.evaluation.batch import explain, load_shard, same_id
from gamlib.evaluation.measure import measure
from gamlib.evaluation.plan import Plan, make_plan
from gamlib.evaluation.results import KEY
from gamlib.evaluation.settings import Settings
from gamlib.evaluation.store import ShardFolder, layers_of
from gamlib.evaluation.workers import spread

# Threads of a worker share one network, and a trace hangs hooks on it.
_ONE_AT_A_TIME = threading.Lock()


def evaluate(
    model_name: str,
    dataset: Dataset | str,
    settings: Settings,
    out: str | Path,
    map: Callable[..., Any] | str = builtins.map,
) -> pd.DataFrame:
    """Localisation and masking scores of every image.

    A rerun computes only what is missing, damaged, or was skipped and can now be read; with a network or data set from
    a notebook's cell it computes all anew. A shard uses one thread: for more processors give a `map` that has them.

    Parameters
    ----------
    model_name : str
        As in `load_model`, also "package.module:factory", or "__main__:factory" of a notebook's cell.
    dataset : Dataset or str
        A data set or the name of one.
    settings : Settings
        Which scores, maps and measures.
    out : str or Path
        Folder; shards go to <out>/<key>/shards, what was skipped to <out>/<key>/skipped.csv. The key is a digest of all
        that decides a row.
    map : callable or str
        What computes the shards: builtins.map, the map of a concurrent.futures.ProcessPoolExecutor, a Dask client's
        `client.map`, or the address of a Dask scheduler, ``tcp://host:port``. Rows do not depend on it.

    Returns
    -------
    DataFrame
        Rows as gamlib.evaluation.results describes them. attrs["skipped"] names the images that cannot be decoded; the
        partners of one keep their class rows. A map with a non-finite value has finite = False and counts as the
        all-zero map.

    Raises
    ------
    ValueError
        Before any work: for a depth or class that the network does not have, data too small for two folds or whose
        labels all meet in its images, and a network or data set of a notebook with a `map` of other processes.
        As soon as it is seen: for two samples of one id.
        After it: where no image at all could be read.

    Examples
    --------
    >>> import gamlib
    >>> settings = Settings(tasks="class", methods="gam", n=2)
    >>> frame = gamlib.evaluate("efficientnet_lite0", "photos", settings, out="results")  # doctest: +SKIP
    """
    for name, given, kind, wanted in (
        ("model_name", model_name, str, 'a name, or "package.module:factory" of a function that builds the network'),
        ("dataset", dataset, Dataset | str, "a gamlib.data.Dataset or a name"),
        ("settings", settings, Settings, "gamlib.evaluation.Settings"),
        ("out", out, Path | str, "a folder"),
    ):
        if not isinstance(given, kind):
            raise TypeError(f"{name}: got a {type(given).__name__}; give {wanted}")
    dataset = load_dataset(dataset) if isinstance(dataset, str) else dataset
    if not str(out):
        raise ValueError("out: got ''; name a folder for the results, or '.' for this one")
    _check_map(model_name, dataset, map)
    plan = make_plan(model_name, dataset, settings)
    folder = ShardFolder(out, plan.key)
    found = {index: folder.read(index) for index in range(len(plan.shards))}
    parts = {index: part for index, part in found.items() if part is not None and not _mended(plan.dataset, part)}
    missing = [index for index in found if index not in parts]
    shard_of: dict[str, int] = {}
    for index, part in parts.items():
        _check_ids(plan, shard_of, index, part)
    # disable=None: a bar on a terminal, silence in notebooks and logs
    with tqdm(total=len(found), initial=len(parts), desc=dataset.name, unit="shard", disable=None) as bar:
        for index, content in spread(compute_shard, plan, missing, map) if missing else ():
            parts[index] = folder.write(index, content)
            _check_ids(plan, shard_of, index, parts[index])
            bar.update()
    rows = [parts[index] for index in sorted(parts) if len(parts[index])]
    skipped = [entry for index in sorted(parts) for entry in parts[index].attrs["skipped"]]
    pd.DataFrame(skipped, columns=["sample", "reason"]).to_csv(folder.folder / "skipped.csv", index=False)
    if skipped and not rows:
        raise ValueError(
            f"data set '{dataset.name}': none of {len(skipped)} images can be read; the first is "
            f"'{skipped[0]['sample']}': {skipped[0]['reason']}"
        )
    frame = pd.concat(rows or [pd.DataFrame(columns=KEY)], ignore_index=True)
    # all rows once more; the copy that sorting makes takes their place
    del parts, rows
    frame = frame.sort_values(KEY, kind="stable", ignore_index=True)
    frame.attrs = {"key": plan.key, "skipped": skipped}
    return frame


def _check_map(model_name: str, dataset: Dataset, mapper: Callable[..., Any] | str) -> None:
    """ValueError where worker processes would look for what only this notebook has."""
    own = [f"network '{model_name}'"] * model_name.startswith("__main__:")
    own += [f"data set '{dataset.name}'"] * any(type(one).__module__ == "__main__" for one in layers_of(dataset))
    if not isinstance(mapper, str) and not callable(mapper):
        raise TypeError(f"map: got a {type(mapper).__name__}; give the map of a pool or the address of a scheduler")
    here = mapper is builtins.map or isinstance(getattr(mapper, "__self__", None), ThreadPoolExecutor)
    if own and not here and not hasattr(sys.modules["__main__"], "__file__"):
        raise ValueError(
            f"map: {' and '.join(own)} defined in a notebook, which other processes cannot import; leave "
            "map out, or move them to a file"
        )


def compute_shard(plan: Plan, index: int) -> tuple[int, bytes]:
    """The number of a shard and the content of its file, the same wherever and in whatever order it is computed."""
    with _ONE_AT_A_TIME, repeatable():
        model = plan.model()
        batch, skipped = load_shard(plan, model, index)
        rows = pd.DataFrame(measure(plan, model, batch, explain(plan, model, batch)) if batch.items else [])
        rows.attrs["skipped"] = skipped
        return index, rows.to_parquet(index=False)


@contextlib.contextmanager
def repeatable() -> Generator[None]:
    """One thread, since the order of a sum depends on their number, and whole float32 in NVIDIA's convolutions.

    For more processors there is `map`. In shortened float32 (TF32) the word of a claim moved.
    """
    threads, shortened = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = shortened


def _check_ids(plan: Plan, shard_of: dict[str, int], index: int, shard: pd.DataFrame) -> None:
    """ValueError where another shard has a sample of the same id; notes where each is."""
    for sample in shard["sample"].unique() if len(shard) else ():
        if shard_of.setdefault(sample, index) != index:
            raise ValueError(same_id(plan, sample))


def _mended(dataset: Dataset, shard: pd.DataFrame) -> bool:
    """Whether an image that could not be read now can."""
    for entry in shard.attrs["skipped"]:
        try:
            read_sample(dataset, entry["index"])
            return True
        except BrokenImage:
            continue
    return False
