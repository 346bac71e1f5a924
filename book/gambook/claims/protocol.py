"""What each profile evaluates: the one place that the chapters with numbers and `gam results` share.

Two parts, so that a chapter about boxes need not wait for masked images. "boxes" has every method, variant and
control that a claim about boxes or masks names, without masked forwards. "masking" has what stands in Table 1. "all" is
both; it finds the shards of either that are there already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from gambook.claims.tables import STRATA, TABLE_METHODS
from gamlib.controls import CONTROLS
from gamlib.data import Dataset, load_dataset, smallest_objects
from gamlib.evaluation import TASKS, Settings, evaluate
from gamlib.evaluation.plan import cached_model
from gamlib.evaluation.results import KEY, REQUIRED
from gamlib.methods import VARIANTS
from gamlib.metrics import FILLS
from gamlib.models import Model

KNOWN_PROFILES = ("embedded", "open", "paper")
PARTS = ("boxes", "masking", "all")

# (names, depths), each one `evaluate`: Table 1; Table 2 with the single layer of C13; C11 and C16
MASKING = ((*TABLE_METHODS, *CONTROLS), (1, 2))
BOXES = ((*TABLE_METHODS, "gam_layer", *CONTROLS), (1, 2))
DEEPER = (("gam", *VARIANTS), (2, 3, 4))


@dataclass(frozen=True)
class Evaluation:
    """One data set in one stratum.

    Parameters
    ----------
    dataset, options
        For `load_dataset`.
    percentile : int
        Of the objects' sizes.
    tasks, fills : tuple of str
        Scores, and what masks the images; no fill where the stratum has boxes only.
    model : str, optional
        The network that goes with the data set; default: the one that the chapter was given.
    checkpoint : bool
        Whether that network's weights are the reader's, <weights_root>/<model>.pth.
    depths : bool
        Whether more layers and other aggregations are evaluated, too.
    least_probability : float
        Below it the top-1 class is explained; 0 where each label is asked for by name.
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


# What is asked of one class at a time, by name.
BY_NAME: dict[str, Any] = {"tasks": ("class",), "least_probability": 0}
# The reader's own copies, by the parameter that names their folder, with the networks that the paper pairs them with.
OWN_COPIES = {
    "imagenet_root": [
        Evaluation("imagenet_val", percentile, fills=FILLS[:1], model=network, depths=percentile == 100)
        for network in ("densenet201", "resnet101")
        for percentile in STRATA
    ],
    "chest_root": [Evaluation("chestx_ray8", model="chexnet", **BY_NAME)],
    "coco_root": [
        Evaluation("coco", percentile, model="tresnet_l_coco", checkpoint=True, **BY_NAME) for percentile in STRATA
    ],
    "voc_root": [
        Evaluation("voc2012", percentile, options={"masks": True}, model="tresnet_xl_voc", checkpoint=True, **BY_NAME)
        for percentile in STRATA
    ],
}


@dataclass(frozen=True)
class Protocol:
    """The evaluations of a profile with one network.

    Parameters
    ----------
    profile : str
        "embedded", "open" or "paper"; ValueError for another.
    model : str
        As in `load_model`, for data sets that have no network of their own.
    n_images : int
        Scenes a stratum (embedded; the other profiles take all images they have); with a multiple of 24 each label is
        equally frequent in both folds.
    seed, device
        As in `Settings`; the seed is that of the scenes, too.
    roots : mapping
        Parameter of OWN_COPIES -> folder; a data set without one is left out. "weights_root" is the folder of the
        reader's checkpoints.

    Examples
    --------
    >>> [(one.dataset, one.percentile) for one in Protocol("open", "efficientnet_lite0").evaluations()]
    [('raccoon', 100)]
    """

    profile: str
    model: str
    n_images: int = 48
    seed: int = 0
    device: str = "cpu"
    roots: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.profile not in KNOWN_PROFILES:
            raise ValueError(f"profile: unknown '{self.profile}'; accepted: {', '.join(KNOWN_PROFILES)}")

    def evaluations(self) -> list[Evaluation]:
        """In the order of the tables."""
        if self.profile == "open":
            # Raccoons fill their photographs: the smallest tenth holds no small objects.
            return [Evaluation("raccoon", fills=FILLS[:1], depths=True)]
        if self.profile == "embedded":
            scenes = {"n": self.n_images, "seed": self.seed}
            single = [
                Evaluation("scenes", percentile, fills=FILLS if percentile == 100 else FILLS[:1],
                           options={"kind": "single", "percentile": percentile, **scenes}, depths=percentile == 100)
                for percentile in STRATA
            ]  # fmt: skip
            return [*single, Evaluation("scenes", options={"kind": "two", **scenes}, **BY_NAME)]
        return [
            replace(one, options={"root": str(self.roots[parameter]), **one.options})
            for parameter, own in OWN_COPIES.items() if self.roots.get(parameter)
            for one in own
        ]  # fmt: skip

    def network(self, one: Evaluation) -> Model:
        """The network of an evaluation, with the weights that `run` gives it; errors as there."""
        return cached_model(one.model or self.model, self._weights(one), self.device, self.seed)

    def run(self, part: str, out: str | Path, scheduler: str = "") -> pd.DataFrame:
        """The per-map results of the profile, as gamlib.evaluation.results describes them.

        A stratum without boxes is left out, and so are pairs where no class has two images.

        Parameters
        ----------
        part : str
            "boxes", "masking" or "all".
        out : str or Path
            Folder; shards lie in <out>/shards and are shared by all chapters that name it.
        scheduler : str
            Address of a Dask scheduler; empty: this process.

        Returns
        -------
        DataFrame
            attrs: "skipped" names broken images; "dropped" counts, for each data set, the annotations that were left
            out, by reason.

        Raises
        ------
        ValueError, FileNotFoundError
            For an unknown part, and a missing checkpoint; as in `load_dataset` and `evaluate`. Every data set is opened
            before the first is evaluated.
        """
        if part not in PARTS:
            raise ValueError(f"part: unknown '{part}'; accepted: {', '.join(PARTS)}")
        opened: dict[tuple, Dataset] = {}
        ready = []
        for one in self.evaluations():
            weights, source = self._weights(one), (one.dataset, *sorted(one.options.items()))
            opened[source] = opened.get(source) or one.load()
            ready.append((one, weights, opened[source]))
        frames, skipped, dropped = [], [], {}
        for one, weights, data in ready:
            tasks, layers = possible_tasks(one, data), len(self.network(one).layers)
            for methods, depths, fills in _lists(one, part):
                # a network of your own may have fewer layers
                depths = [n for n in depths if n <= layers]
                if not tasks or not depths:
                    continue
                settings = Settings(
                    tasks, methods, depths, fills, seed=self.seed, weights=weights, device=self.device,
                    percentile=one.percentile, least_probability=one.least_probability,
                )  # fmt: skip
                frame = evaluate(one.model or self.model, data, settings, Path(out) / "shards", scheduler or map)
                named = {"dataset": one.dataset, "model": one.model or self.model}
                skipped += [named | entry for entry in frame.attrs["skipped"] if named | entry not in skipped]
                dropped[one.dataset] = getattr(data, "dropped", {})
                frames.append(frame)
        results = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=REQUIRED)
        # what several lists have is kept from the first, which alone may have masked scores
        results = results.drop_duplicates(KEY, ignore_index=True)
        results.attrs = {"skipped": skipped, "dropped": dropped}
        return results

    def _weights(self, one: Evaluation) -> str:
        """Either "default" or the path of the reader's checkpoint."""
        if not one.checkpoint:
            return "default"
        folder = self.roots.get("weights_root", "")
        path = Path(folder) / f"{one.model}.pth"
        if not path.is_file():
            given = f"no file '{path}'" if folder else "not given"
            raise FileNotFoundError(
                f"weights_root: {given}; the evaluation of {one.dataset} needs the folder with {path.name}, see the "
                "chapter on data and weights"
            )
        return str(path)


def _lists(one: Evaluation, part: str) -> list[tuple[Sequence[str], Sequence[int], Sequence[str]]]:
    """(methods, depths, fills) of each `evaluate` of a part."""
    masking = [(*MASKING, one.fills)] if one.fills and part != "boxes" else []
    boxes = [(*BOXES, ()), *([(*DEEPER, ())] if one.depths else [])] if part != "masking" else []
    return [*masking, *boxes]


def possible_tasks(one: Evaluation, data: Dataset) -> tuple[str, ...]:
    """The tasks that the images of a stratum allow: none without boxes to sort by, no pairs where no class has two."""
    indices: Sequence[int] = range(len(data))
    if one.percentile != 100 and data.percentile is None:
        if not any(data.areas(index) for index in indices):
            return ()
        indices = smallest_objects(data, one.percentile)
    images = Counter(label for index in indices for label in set(data.labels(index)))
    pairs = data.pairs or max(images.values(), default=0) > 1
    return tuple(task for task in one.tasks if task == "class" or pairs)
