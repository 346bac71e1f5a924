"""One evaluation of a profile: which data set, with which methods, depths and fills, on which of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gambook.claims.tables import STRATA, TABLE_METHODS
from gamlib.controls import CONTROLS
from gamlib.data import Dataset, Subset, load_dataset, make_pairs
from gamlib.evaluation import TASKS
from gamlib.methods import VARIANTS
from gamlib.metrics import FILLS
from gamlib.models import Model

# (methods, depths), each one `evaluate`: Table 2 with C13; C11; C16
BOXES = ((*TABLE_METHODS, "gam_layer", *CONTROLS), (1, 2))
DEEPER = (("gam",), (3, 4))
JOINED = (tuple(name for name in VARIANTS if name != "gam_layer"), (2,))
MASKING = ((*TABLE_METHODS, *CONTROLS), (1, 2))
# Images that are masked, at most.
MASKED = 400


@dataclass(frozen=True)
class Evaluation:
    """One data set.

    Parameters
    ----------
    dataset, options
        For `load_dataset`.
    strata : tuple of int
        Percentiles of the objects' sizes that are strata of their own, see `gamlib.evaluation.results.strata`.
    tasks, fills : tuple of str
        Scores, and what masks the images; no fill where no image is masked.
    model : str, optional
        The network that goes with the data set; default: the one that the chapter was given.
    checkpoint : bool
        Whether that network's weights are the reader's, <weights_root>/<model>.pth.
    depths : bool
        Whether more layers and other aggregations are evaluated, too.
    n_images : int, optional
        Images taken, at most, all of a label before those of the next; default: all.
    """

    dataset: str
    strata: tuple[int, ...] = ()
    tasks: tuple[str, ...] = TASKS
    fills: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    checkpoint: bool = False
    depths: bool = False
    n_images: int | None = None

    def load(self, seed: int) -> Dataset:
        """The data set, cut to n_images."""
        data = load_dataset(self.dataset, **self.options)
        if self.n_images is None or len(data) <= self.n_images:
            return data
        shuffled = np.random.default_rng(seed).permutation(len(data)).tolist()
        rank = {label: place for place, label in enumerate(dict.fromkeys(data.labels(i)[0] for i in shuffled))}
        shuffled.sort(key=lambda index: rank[data.labels(index)[0]])
        return Subset(data, sorted(shuffled[: self.n_images]))


SMALL_STRATA = tuple(percentile for percentile in STRATA if percentile != 100)
# The reader's own copies, by the parameter that names their folder, with the networks that the paper pairs them with.
OWN_COPIES = {
    "imagenet_root": [
        Evaluation("imagenet_val", SMALL_STRATA, fills=FILLS[:1], model=network, depths=True)
        for network in ("densenet201", "resnet101")
    ],
    "chest_root": [Evaluation("chestx_ray8", tasks=("class",), model="chexnet")],
    "coco_root": [Evaluation("coco", SMALL_STRATA, ("class",), model="tresnet_l_coco", checkpoint=True)],
    "voc_root": [
        Evaluation(
            "voc2012", SMALL_STRATA, ("class",), options={"masks": True}, model="tresnet_xl_voc", checkpoint=True
        )
    ],
}


def lists(one: Evaluation, part: str) -> list[tuple[Sequence[str], Sequence[int], Sequence[str]]]:
    """(methods, depths, fills) of each `evaluate` of a part."""
    if part == "masking":
        return [(*MASKING, one.fills)] if one.fills else []
    return [(*each, ()) for each in ((BOXES, DEEPER, JOINED) if one.depths else (BOXES,))]


def to_mask(one: Evaluation, data: Dataset, seed: int) -> Dataset:
    """The images that are masked: at most MASKED, and a third of what a quick run takes, in pairs where there are."""
    limit = min(MASKED, len(data) if one.n_images is None else one.n_images // 3)
    if data.pairs is not None or len(data) <= limit:
        return data
    try:
        pairs = make_pairs(data, None, seed)
    except ValueError:
        pairs = []
    order = np.random.default_rng(seed).permutation(len(pairs))
    chosen = [index for place in order for index in pairs[place]] or list(range(len(data)))
    return Subset(data, sorted(chosen[:limit]))


def possible_tasks(one: Evaluation, data: Dataset, network: Model) -> tuple[str, ...]:
    """The tasks that data and network allow: no pairs where no class has two images, no classes of an embedder."""
    images = Counter(label for index in range(len(data)) for label in set(data.labels(index)))
    pairs = data.pairs or max(images.values(), default=0) > 1
    return tuple(t for t in one.tasks if (network.head is not None if t == "class" else pairs))
