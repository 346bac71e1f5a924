"""What each profile evaluates: the one place that the chapters with numbers and `gam results` share.

Two parts, so that a chapter about boxes need not wait for masked images. "boxes" has every method, variant and
control that a claim about boxes or masks names, without masked forwards. "masking" has what stands in Table 1. "all" is
both; it finds the shards of either that are there already.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gamlib.controls import CONTROLS
from gamlib.data import Dataset, load_dataset, smallest_objects
from gamlib.evaluation import TASKS, Settings, evaluate
from gamlib.evaluation.plan import cached_model
from gamlib.evaluation.results import KEY, REQUIRED
from gamlib.methods import VARIANTS
from gamlib.metrics import FILLS
from gamlib.models import Model

PROFILES = ("embedded", "open", "paper")
PARTS = ("boxes", "masking", "all")
STRATA = (100, 25, 10)

# The columns of the tables, the paper's three and the closed form of the third.
METHODS = ("gam", "grad_cam", "grad_cam_pp", "grad_cam_pp_stable")
# (names, depths), each one `evaluate`: Table 1; Table 2 with the single layer of C13; C11 and C16
MASKING = ((*METHODS, *CONTROLS), (1, 2))
BOXES = ((*METHODS, "gam_layer", *CONTROLS), (1, 2))
DEPTHS = (("gam", *VARIANTS), (2, 3, 4))

# The reader's own copies, with the parameter that names their folder and the networks that the paper pairs them with.
OWN_COPIES = {
    "imagenet_val": "imagenet_root",
    "chestx_ray8": "chest_root",
    "coco": "coco_root",
    "voc2012": "voc_root",
}
IMAGENET_NETWORKS = ("densenet201", "resnet101")


@dataclass(frozen=True)
class Evaluation:
    """One data set in one stratum.

    options: for load_dataset. tasks: scores. fills: of the masked images, () where the stratum has boxes only.
    model: the network that goes with the data set, None for the one that the chapter was given.
    checkpoint: whether that network's weights are the reader's, <weights_root>/<model>.pth.
    depths: whether more layers and other aggregations are evaluated, too.
    least_probability: below it the top-1 class is explained; 0 where each label is asked for by name, as with several
    objects in one image.
    """

    dataset: str
    percentile: int = 100
    tasks: tuple[str, ...] = TASKS
    fills: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    checkpoint: bool = False
    depths: bool = False
    least_probability: float = 0.05

    def load(self) -> Dataset:
        return load_dataset(self.dataset, **self.options)


def evaluations(
    profile: str, n_images: int = 48, seed: int = 0, roots: Mapping[str, str] | None = None
) -> list[Evaluation]:
    """The evaluations of a profile, in the order of the tables.

    n_images: scenes a stratum (embedded; the other profiles take all images they have); with a multiple of 24 each
        label is equally frequent in both folds. seed: of the scenes.
    roots: parameter of OWN_COPIES -> folder; a data set without one is left out, and `missing` lists it.
    Error: ValueError for an unknown profile.

    >>> [(e.dataset, e.percentile) for e in evaluations("open")]
    [('raccoon', 100)]
    """
    if profile not in PROFILES:
        raise ValueError(f"profile: unknown '{profile}'; accepted: {', '.join(PROFILES)}")
    if profile == "open":
        # Raccoons fill their photographs: the smallest tenth holds no small objects.
        return [Evaluation("raccoon", fills=FILLS[:1], depths=True)]
    if profile == "embedded":
        single = [
            Evaluation("scenes", percentile, fills=FILLS if percentile == 100 else FILLS[:1],
                       options={"kind": "single", "n": n_images, "percentile": percentile, "seed": seed},
                       depths=percentile == 100)
            for percentile in STRATA
        ]  # fmt: skip
        two = {"kind": "two", "n": n_images, "seed": seed}
        return [*single, Evaluation("scenes", tasks=("class",), options=two, least_probability=0)]
    return [one for name, parameter in OWN_COPIES.items() if (roots or {}).get(parameter)
            for one in _own_copy(name, str(roots[parameter]))]  # fmt: skip


def _own_copy(name: str, root: str) -> list[Evaluation]:
    options = {"root": root}
    if name == "imagenet_val":
        cells = [(network, percentile) for network in IMAGENET_NETWORKS for percentile in STRATA]
        return [
            Evaluation(name, p, fills=FILLS[:1], options=options, model=network, depths=p == 100)
            for network, p in cells
        ]
    if name == "chestx_ray8":
        return [Evaluation(name, tasks=("class",), options=options, model="chexnet", least_probability=0)]
    network = {"coco": "tresnet_l_coco", "voc2012": "tresnet_xl_voc"}[name]
    options |= {"masks": True} if name == "voc2012" else {}
    return [
        Evaluation(name, p, ("class",), options=options, model=network, checkpoint=True, least_probability=0)
        for p in STRATA
    ]


def run(
    profile: str,
    model: str,
    out: str | Path,
    part: str = "all",
    n_images: int = 48,
    seed: int = 0,
    device: str = "cpu",
    roots: Mapping[str, str] | None = None,
    map: Callable[..., Any] | str = builtins.map,
) -> pd.DataFrame:
    """The per-map results of a profile, as gamlib.evaluation.results describes them.

    attrs: "skipped" names broken images; "dropped" counts, for each data set, the annotations that were left out, by
        reason.
    part: "boxes", "masking" or "all". out: folder; shards lie in <out>/shards and are shared by all chapters that
    name it. roots: as in `evaluations`; "weights_root" is the folder of the reader's checkpoints. map: as in
    `evaluate`. A stratum without boxes is left out, and so are pairs where no class has two images.
    Errors: those of `evaluations`, `load_dataset` and `evaluate`, ValueError for an unknown part and
    FileNotFoundError for a missing checkpoint. Every data set is opened before the first is evaluated.
    """
    if part not in PARTS:
        raise ValueError(f"part: unknown '{part}'; accepted: {', '.join(PARTS)}")
    opened: dict[tuple, Dataset] = {}
    ready = []
    for one in evaluations(profile, n_images, seed, roots):
        weights = _weights(one, roots)
        source = (one.dataset, *sorted(one.options.items()))
        if source not in opened:
            opened[source] = one.load()
        ready.append((one, opened[source], weights))
    frames, skipped, dropped = [], [], {}
    for one, data, weights in ready:
        wanted = [(*MASKING, one.fills)] if part != "boxes" and one.fills else []
        wanted += [(*BOXES, ())] if part != "masking" else []
        wanted += [(*DEPTHS, ())] if part != "masking" and one.depths else []
        name = one.model or model
        # a network of your own may have fewer layers
        layers = len(network(one, model, device, seed, roots).layers)
        tasks = _possible(one, data)
        parts = [
            evaluate(
                name, data,
                Settings(tasks, names, [n for n in depths if n <= layers], fills, seed=seed, weights=weights,
                         device=device, percentile=one.percentile, least_probability=one.least_probability),
                Path(out) / "shards", map,
            )
            for names, depths, fills in wanted if tasks
        ]  # fmt: skip
        if parts:
            dropped[one.dataset] = getattr(data, "dropped", {})
            skipped += [{"dataset": one.dataset, "model": name} | entry for entry in parts[0].attrs["skipped"]]
            frames += parts
    for frame in frames:
        frame.attrs = {}
    results = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=REQUIRED)
    # what several lists have is kept from the first, which alone may have masked scores
    results = results.drop_duplicates(KEY, ignore_index=True)
    results.attrs = {"skipped": skipped, "dropped": dropped}
    return results


def network(
    one: Evaluation, model: str, device: str = "cpu", seed: int = 0, roots: Mapping[str, str] | None = None
) -> Model:
    """The network of an evaluation, with the weights that `run` gives it; parameters and errors as there."""
    return cached_model(one.model or model, _weights(one, roots), device, seed)


def _weights(one: Evaluation, roots: Mapping[str, str] | None) -> str:
    """Either "default" or the path of the reader's checkpoint."""
    if not one.checkpoint:
        return "default"
    folder = (roots or {}).get("weights_root", "")
    path = Path(folder) / f"{one.model}.pth"
    if not path.is_file():
        given = f"no file '{path}'" if folder else "not given"
        raise FileNotFoundError(
            f"weights_root: {given}; the evaluation of {one.dataset} needs the folder with {path.name}, see the "
            "chapter on data and weights"
        )
    return str(path)


def _possible(one: Evaluation, data: Dataset) -> tuple[str, ...]:
    """The tasks that the images of a stratum allow: none without boxes to sort by, no pairs where no class has two."""
    indices: Sequence[int] = range(len(data))
    if one.percentile != 100 and data.percentile is None:
        if not any(data.areas(index) for index in indices):
            return ()
        indices = smallest_objects(data, one.percentile)
    images = Counter(label for index in indices for label in set(data.labels(index)))
    pairs = data.pairs or max(images.values(), default=0) > 1
    return tuple(task for task in one.tasks if task == "class" or pairs)
