"""Seeded scenes: objects of the photographs on other backgrounds, with exact boxes and masks."""

from __future__ import annotations

from itertools import combinations
from numbers import Integral

import numpy as np
from PIL import Image

from gamlib.boxes import box_iou
from gamlib.data.cutouts import BACKGROUNDS, SCENE_SIDE, Cutout, Scene
from gamlib.data.pairs import rounds
from gamlib.data.photos import class_indices, photo_table, tight_box
from gamlib.data.samples import Dataset, Object, Sample
from gamlib.names import check_name

SCENE_MARGIN = 4  # pixels between an object's box and the border

# Box areas are log-uniform over this range, relative to the scene. Two objects must fit beside each other.
SMALLEST_AREA = 0.03
LARGEST_AREA = {"single": 0.5, "two": 0.2, "shared": 0.2}

TILT = 10.0  # degrees from the upright, at most, either side


def area_bounds(kind: str, percentile: int) -> tuple[float, float]:
    """Smallest and largest box area of a scene's objects, relative to the image.

    The upper bound is that percentile of the log-uniform distribution over 3%..50% (25: 6.06%, 10: 3.97%); scenes
    with two objects also stay below 20%.
    """
    widest = LARGEST_AREA["single"]
    return SMALLEST_AREA, min(SMALLEST_AREA * (widest / SMALLEST_AREA) ** (percentile / 100), LARGEST_AREA[kind])


class Scenes(Dataset):
    """Square scenes (384 pixels) made of 16 objects and ten backgrounds, composed when asked for.

    By construction, not by chance: both scenes of a pair show the same photograph of the shared object, once
    mirrored and once not, at another place, size, tilt and colour gain (for the motorcycle and the jeep: two
    photographs). Their backgrounds come from different photographs, and never from the object's own. So pairs are
    closer to each other than two photographs of one class would be, and there are 16 source objects however large n is:
    `cluster` is "label". ImageNet has a class for each of them.

    Labels take turns, so each is equally frequent when n is a multiple of 32, and equally frequent in both folds
    when n is a multiple of 64. Masks hold the pixels covered at least by half; boxes are tight around masks.

    Parameters
    ----------
    kind : {"single", "two", "shared"}
        "single": one object a scene; scenes 2p and 2p + 1 are pair p and show the same label. "two": two different
        objects; no pairs. "shared": two objects a scene; scenes 2p and 2p + 1 share
        objects[0] and nothing else.
    n : int
        Number of scenes, even.
    percentile : {100, 25, 10}
        100 for all sizes, 25 or 10 for small objects only, see `area_bounds`.
    seed : int
        Scenes with the same kind, percentile and seed are the same, whatever n is. Half of the pairs are drawn from
        `seed` and half from `seed + 1`; `folds` says which, so a threshold for the scenes of one seed is tuned on
        those of the other.

    Examples
    --------
    >>> scenes = Scenes("single", n=4)
    >>> scenes.pairs, scenes[0].image.size, scenes.labels(0) == scenes.labels(1)
    (((0, 1), (2, 3)), (384, 384), True)
    """

    cluster = "label"

    def __init__(self, kind: str = "single", n: int = 64, percentile: int = 100, seed: int = 0) -> None:
        check_name("kind of scenes", kind, LARGEST_AREA)
        if percentile not in (100, 25, 10):
            raise ValueError(f"percentile {percentile} is not accepted; choose one of 100 (all sizes), 25, 10")
        if not isinstance(n, Integral) or n < 2 or n % 2:
            raise ValueError(f"n = {n} scenes cannot be paired; give an even number of at least 2")
        if not isinstance(seed, Integral) or seed < 0:
            raise ValueError(f"seed = {seed} is not accepted; give a whole number of at least 0")
        self.name = "scenes" if kind == "single" else f"scenes_{kind}"
        self.kind, self.percentile, self.seed = kind, int(percentile), seed
        self._bounds = area_bounds(kind, percentile)
        self.classes = {label: index for label, index in class_indices().items() if index is not None}
        self.pairs = None if kind == "two" else tuple((index, index + 1) for index in range(0, n, 2))
        self.folds = tuple(_fold(index // 2) for index in range(n))
        self._n = n
        self._plans: dict[int, tuple[Scene, Scene]] = {}
        rows = photo_table()
        self._photos = {label: [row["photo"] for row in rows if row["label"] == label] for label in self.classes}

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Sample:
        scene = self.plan(index)
        masks = (cutout.mask() for cutout in scene.cutouts)
        objects = map(Object, scene.labels, scene.boxes, masks)
        sample_id = f"{self.kind}-{self.percentile}-{self.seed}-{index:05d}"
        return Sample(sample_id, Image.fromarray(scene.pixels()), tuple(objects))

    def labels(self, index: int) -> tuple[str, ...]:
        return self.plan(index).labels

    def areas(self, index: int) -> tuple[float, ...]:
        return tuple(map(_area, self.plan(index).boxes))

    def plan(self, index: int) -> Scene:
        """Everything that decides scene `index`, without reading a photograph; IndexError past the end."""
        if not 0 <= index < self._n:
            raise IndexError(f"scene {index} does not exist; there are {self._n}, counted from 0")
        couple, side = divmod(index, 2)
        if couple not in self._plans:
            self._plans[couple] = self._plan_couple(couple)
        return self._plans[couple][side]

    def _plan_couple(self, couple: int) -> tuple[Scene, Scene]:
        """Plans of scenes 2 * couple and 2 * couple + 1."""
        # All of the state goes into the seed, so that a scene does not depend on the ones drawn before it.
        kind = list(LARGEST_AREA).index(self.kind)
        rng = np.random.default_rng([self.seed + _fold(couple), kind, self.percentile, couple])
        labels = self._draw_labels(couple, rng)
        mirrored = bool(rng.integers(2))
        photos = {label: list(rng.permutation(names)) for label, names in self._photos.items()}
        scenes: list[Scene] = []
        for side in range(2):
            chosen = [photos[label][side % len(photos[label])] for label in labels[side]]
            flips = [mirrored != bool(side)] + [bool(rng.integers(2)) for _ in chosen[1:]]
            taken = {BACKGROUNDS[scene.background].origin for scene in scenes} | set(chosen)
            free = [name for name, region in BACKGROUNDS.items() if region.origin not in taken]
            background = free[rng.integers(len(free))]
            part = rng.uniform(0.75, 1.0)
            window = (rng.uniform(0, 1 - part), rng.uniform(0, 1 - part), part)
            background_flip, gain = bool(rng.integers(2)), rng.uniform(0.9, 1.1)
            cutouts, boxes = self._place(chosen, flips, rng)
            scenes.append(Scene(background, window, background_flip, gain, labels[side], cutouts, boxes))
        return scenes[0], scenes[1]

    def _draw_labels(self, couple: int, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
        every = list(self.classes)
        turn = every[couple % len(every)]
        if self.kind == "single":
            return (turn,), (turn,)
        if self.kind == "shared":
            others = rng.permutation([label for label in every if label != turn])
            return (turn, str(others[0])), (turn, str(others[1]))
        # in each round every object is shown once
        met = [(every[a], every[b]) for pairs in rounds(len(every)) for a, b in pairs]
        return met[2 * couple % len(met)], met[(2 * couple + 1) % len(met)]

    def _place(
        self, photos: list[str], flips: list[bool], rng: np.random.Generator
    ) -> tuple[tuple[Cutout, ...], tuple[tuple[int, int, int, int], ...]]:
        """Cut-outs of `photos` with their boxes: inside the scene, areas within bounds, boxes apart."""
        smallest, largest = self._bounds
        # Sizes and places are drawn anew as a whole until they fit; with two large objects, one draw in two does.
        while True:
            drawn = [self._draw_cutout(photo, flip, rng) for photo, flip in zip(photos, flips, strict=True)]
            cutouts = tuple(cutout for cutout in drawn if cutout is not None)
            if len(cutouts) < len(drawn):
                continue
            boxes = tuple(tight_box(cutout.mask()) for cutout in cutouts)
            # boxes in whole pixels must keep the bounds, too, that their outlines keep
            fit = all(smallest <= _area(box) <= largest for box in boxes)
            if fit and not any(box_iou(a, b) for a, b in combinations(boxes, 2)):
                return cutouts, boxes

    def _draw_cutout(self, photo: str, flip: bool, rng: np.random.Generator) -> Cutout | None:
        """A cut-out of drawn size, tilt, colour and place, or None where that size and tilt do not fit."""
        area = float(np.exp(rng.uniform(*np.log(self._bounds)))) * SCENE_SIDE**2
        angle = float(np.deg2rad(rng.uniform(0, TILT) * rng.choice((-1, 1))))
        red, green, blue = (rng.uniform(0.9, 1.1) * rng.uniform(0.95, 1.05, size=3)).tolist()
        border = Cutout(photo, flip, angle, 1.0, (0.0, 0.0), (red, green, blue)).polygons()[0]
        low, extent = border.min(axis=0), np.ptp(border, axis=0)
        scale = float(np.sqrt(area / extent.prod()))
        room = SCENE_SIDE - 2 * SCENE_MARGIN - scale * extent
        if (room < 0).any():
            return None
        x, y = SCENE_MARGIN + rng.uniform(0, 1, size=2) * room - scale * low
        return Cutout(photo, flip, angle, scale, (float(x), float(y)), (red, green, blue))


def _fold(couple: int) -> int:
    """Folds alternate, and start with the other one in each round of the 16 labels."""
    return (couple + couple // 16) % 2


def _area(box: tuple[int, int, int, int]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) / SCENE_SIDE**2
