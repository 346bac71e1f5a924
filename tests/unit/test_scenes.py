import hashlib
from collections import Counter

import numpy as np
import pytest

from gamlib.data.cutouts import BACKGROUNDS, SCENE_SIDE, Cutout, background_pixels
from gamlib.data.photos import outline_mask, photo_table
from gamlib.data.scenes import Scenes, area_bounds

KINDS = ("single", "two", "shared")


def digest(dataset, index):
    sample = dataset[index]
    state = hashlib.sha256(sample.image.tobytes())
    for thing in sample.objects:
        state.update(repr((thing.label, thing.box)).encode() + thing.mask.tobytes())
    return state.hexdigest()


def shoelace(polygon):
    x, y = polygon.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def tight(mask):
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("kind", KINDS)
def test_two_builds_are_equal_whatever_the_order_and_number(kind):
    forward, backward = Scenes(kind, n=4), Scenes(kind, n=12)
    last_first = {index: digest(backward, index) for index in (3, 2, 1, 0)}
    assert [digest(forward, index) for index in range(4)] == [last_first[index] for index in range(4)]
    assert len(set(last_first.values())) == 4


def test_another_seed_gives_other_scenes_with_the_same_labels():
    first, second = Scenes(n=12, seed=0), Scenes(n=12, seed=1)
    assert [first.labels(i) for i in range(12)] == [second.labels(i) for i in range(12)]
    assert all(first.plan(i).boxes != second.plan(i).boxes for i in range(12))


def test_percentiles_of_the_log_uniform_areas():
    # Percentile q of a log-uniform distribution over [a, b] is a^(1 - q) b^q.
    assert area_bounds("single", 100) == pytest.approx((0.03, 0.5))
    assert area_bounds("single", 25) == pytest.approx((0.03, 0.03**0.75 * 0.5**0.25))
    assert area_bounds("single", 10) == pytest.approx((0.03, 0.03**0.9 * 0.5**0.1))
    assert area_bounds("two", 100) == pytest.approx((0.03, 0.2))


def test_a_percentile_with_a_decimal_point_is_the_same():
    assert Scenes(n=2, percentile=25.0).plan(1) == Scenes(n=2, percentile=25).plan(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("percentile", "low", "high"), [(100, 0.03, 0.5), (25, 0.03, 0.0607), (10, 0.03, 0.0398)])
def test_areas_stay_within_the_stratum(kind, percentile, low, high):
    scenes = Scenes(kind, n=24, percentile=percentile)
    areas = [area for index in range(24) for area in scenes.areas(index)]
    assert len(areas) == (24 if kind == "single" else 48)
    assert low <= min(areas) and max(areas) <= high


def test_areas_of_all_sizes_are_log_uniform():
    scenes = Scenes(n=240)
    areas = np.sort([scenes.areas(index)[0] for index in range(240)])
    position = np.log(areas / 0.03) / np.log(0.5 / 0.03)
    # Largest gap to the uniform distribution (Kolmogorov-Smirnov); 0.105 is its 1% point for 240 values.
    assert np.abs(position - (np.arange(240) + 0.5) / 240).max() < 0.105


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_tight_around_masks_and_inside_the_scene(kind):
    scenes = Scenes(kind, n=12)
    for index, sample in enumerate(scenes):
        assert sample.image.size == (SCENE_SIDE, SCENE_SIDE) and sample.image.mode == "RGB"
        assert tuple(thing.label for thing in sample.objects) == scenes.labels(index)
        for thing, area in zip(sample.objects, scenes.areas(index), strict=True):
            assert thing.mask.shape == (SCENE_SIDE, SCENE_SIDE) and thing.mask.dtype == bool
            assert thing.box == tight(thing.mask)
            x0, y0, x1, y1 = thing.box
            assert area == (x1 - x0) * (y1 - y0) / SCENE_SIDE**2
            assert min(x0, y0) >= 3 and max(x1, y1) <= SCENE_SIDE - 3


def test_masks_have_the_area_that_the_shoelace_formula_gives():
    scenes = Scenes(n=24)
    for index in range(24):
        (cutout,) = scenes.plan(index).cutouts
        border, *holes = cutout.polygons()
        expected = shoelace(border) - sum(shoelace(hole) for hole in holes)
        length = np.linalg.norm(border - np.roll(border, 1, axis=0), axis=1).sum()
        # A bias of a tenth of a pixel all along the border would break this.
        assert abs(int(cutout.mask().sum()) - expected) < 0.1 * length


def test_only_the_objects_differ_from_the_background():
    scenes = Scenes(n=2)
    sample, cutout = scenes[0], scenes.plan(0).cutouts[0]
    flat = np.full((SCENE_SIDE, SCENE_SIDE, 3), 7, dtype=np.uint8)
    pasted = cutout.paste(flat)
    assert (pasted[cutout.alpha() == 0] == 7).all()
    full = cutout.alpha() == 255
    assert np.array_equal(pasted[full], np.asarray(sample.image)[full])


def test_polygon_by_hand_mirrored_and_turned():
    # The nose tip of the rocket in its photograph is (322.6, 127); mirrored: (-322.6, 127); a quarter turn
    # clockwise on the screen takes (x, y) to (-y, x): (-127, -322.6); halved and moved by (100, 200).
    cutout = Cutout("rocket", True, np.pi / 2, 0.5, (100.0, 200.0), (1.0, 1.0, 1.0))
    assert cutout.polygons()[0][0] == pytest.approx([100 - 63.5, 200 - 161.3])


def test_single_pairs_share_the_label_only():
    scenes = Scenes("single", n=24)
    assert scenes.pairs == tuple((index, index + 1) for index in range(0, 24, 2))
    for a, b in scenes.pairs:
        first, second = scenes.plan(a), scenes.plan(b)
        assert first.labels == second.labels and len(first.labels) == 1
        assert BACKGROUNDS[first.background].origin != BACKGROUNDS[second.background].origin
        assert first.cutouts[0].flip != second.cutouts[0].flip
        assert first.boxes != second.boxes and first.cutouts[0].gains != second.cutouts[0].gains
        photos = {first.cutouts[0].photo, second.cutouts[0].photo}
        assert len(photos) == (2 if first.labels[0] in ("motorcycle", "jeep") else 1)


def test_single_labels_are_equally_frequent():
    scenes = Scenes("single", n=96)
    counts = Counter(scenes.labels(index)[0] for index in range(96))
    assert len(counts) == 16 and set(counts.values()) == {6}
    assert {"rocket", "temple"}.isdisjoint(counts)


def test_two_objects_differ_are_known_to_imagenet_and_stand_apart():
    scenes = Scenes("two", n=24)
    assert scenes.pairs is None
    counts = Counter(label for index in range(24) for label in scenes.labels(index))
    assert len(counts) == 16 and set(counts.values()) == {3}
    # 240 scenes show every two of them twice
    whole = Scenes("two", n=240)
    assert Counter(Counter(frozenset(whole.labels(index)) for index in range(240)).values()) == {2: 120}
    for sample in scenes:
        first, second = sample.objects
        assert first.label != second.label
        assert scenes.classes[first.label] is not None and scenes.classes[second.label] is not None
        assert not (first.mask & second.mask).any()


def test_shared_pairs_share_exactly_the_first_object():
    scenes = Scenes("shared", n=64)
    for a, b in scenes.pairs:
        first, second = scenes.labels(a), scenes.labels(b)
        assert first[0] == second[0]
        assert set(first) & set(second) == {first[0]}
        assert len(set(first)) == len(set(second)) == 2
    assert set(Counter(scenes.labels(a)[0] for a, _ in scenes.pairs).values()) == {2}


def test_folds_are_drawn_from_two_seeds(monkeypatch):
    seeds = []
    draw = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda entropy: seeds.append(entropy[0]) or draw(entropy))
    scenes = Scenes(n=36, seed=7)
    for index in range(0, 36, 2):
        scenes.plan(index)
    assert seeds == [7, 8] * 8 + [8, 7]
    assert scenes.folds[::2] == tuple(seed - 7 for seed in seeds)


@pytest.mark.parametrize("kind", KINDS)
def test_folds_never_divide_a_pair_and_hold_each_label_equally_often(kind):
    scenes = Scenes(kind, n=128)
    assert scenes.folds[::2] == scenes.folds[1::2]
    assert Scenes(kind, n=4).folds == scenes.folds[:4] and set(scenes.folds[:4]) == {0, 1}
    firsts = Counter((scenes.folds[index], scenes.labels(index)[0]) for index in range(128))
    if kind != "two":
        assert set(firsts.values()) == {4} and len(firsts) == 32
    else:
        both = Counter((scenes.folds[index], label) for index in range(128) for label in scenes.labels(index))
        # a round of all pairs falls on couples of both folds
        assert set(both.values()) <= {7, 8, 9} and len(both) == 32


@pytest.mark.parametrize("kind", KINDS)
def test_background_never_comes_from_a_photograph_of_the_scene(kind):
    scenes = Scenes(kind, n=60)
    used = set()
    for index in range(60):
        scene = scenes.plan(index)
        used.add(scene.background)
        assert BACKGROUNDS[scene.background].origin not in {cutout.photo for cutout in scene.cutouts}
    assert len(used) >= 6


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_backgrounds_are_coloured_and_free_of_objects(name):
    region = BACKGROUNDS[name]
    pixels = background_pixels(name)
    assert pixels.shape == (region.side, region.side, 3)
    assert np.ptp(pixels.astype(int), axis=2).mean() > 4
    for row in photo_table():
        if row["photo"] == region.origin:
            x, y = region.corner
            mask = outline_mask(row["photo"], int(row["height"]), int(row["width"]))
            assert not mask[y : y + region.side, x : x + region.side].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "triple"}, "kind of scenes: unknown 'triple'; accepted: single, two, shared"),
        ({"n": 7}, "n = 7 scenes cannot be paired; give an even number of at least 2"),
        ({"n": 0}, "n = 0 scenes cannot be paired"),
        ({"percentile": 50}, "percentile 50 is not accepted; choose one of 100"),
        ({"seed": -1}, "seed = -1 is not accepted; give a whole number of at least 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Scenes(**options)


def test_index_past_the_end():
    with pytest.raises(IndexError, match="scene 4 does not exist; there are 4"):
        Scenes(n=4)[4]
