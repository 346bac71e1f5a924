"""Parts of a data set, the units that folds and shards never divide, and the labels that a pair has in common."""

import importlib
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from gamlib.data import Dataset, Subset
from gamlib.evaluation import Settings
from gamlib.evaluation.plan import ROWS, make_plan


class Listed(Dataset):
    """Ten images: labels a to j, areas 0.0 to 0.9, five fixed pairs and folds."""

    name = "listed"
    classes = {}
    cluster = "label"
    pairs = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
    folds = (0, 0, 1, 1, 0, 0, 1, 1, 0, 0)

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return f"sample {index}"

    def labels(self, index):
        return ("abcdefghij"[index],)

    def areas(self, index):
        return (index / 10,)


def test_a_subset_has_the_images_in_the_order_given_with_their_own_folds_and_whole_pairs():
    part = Subset(Listed(), [7, 2, 3, 0, 6])
    assert list(part) == [f"sample {i}" for i in (7, 2, 3, 0, 6)] and len(part) == 5
    assert [part.labels(i) for i in range(5)] == [("h",), ("c",), ("d",), ("a",), ("g",)]
    assert [part.areas(i) for i in range(5)] == [(0.7,), (0.2,), (0.3,), (0.0,), (0.6,)]
    assert part.folds == (1, 1, 1, 0, 1)
    # pair (6, 7) stands at 4 and 0, pair (2, 3) at 1 and 2; image 0 has lost its partner
    assert part.pairs == ((1, 2), (4, 0))
    assert (part.name, part.cluster) == ("listed", "label")


def test_a_subset_of_a_subset():
    part = Subset(Subset(Listed(), [7, 2, 3, 0, 6]), [4, 3, 0])
    assert list(part) == ["sample 6", "sample 0", "sample 7"]
    assert (part.folds, part.pairs) == ((1, 0, 1), ((0, 2),))


def test_a_subset_of_a_data_set_that_fixes_nothing():
    data = Listed()
    data.pairs = data.folds = None
    assert (Subset(data, [1, 0]).pairs, Subset(data, [1, 0]).folds) == (None, None)


@pytest.mark.parametrize("indices", [[0, 10], [-1], [1, 1]])
def test_a_subset_refuses_what_is_not_there(indices):
    with pytest.raises(ValueError, match="indices: expected different numbers from 0 to 9, got"):
        Subset(Listed(), indices)


# --- units ---


@pytest.fixture(scope="module")
def tiny():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        yield importlib.import_module("tiny_evaluation")


def plan_of(data, tasks=("class", "cosine"), seed=0, **options):
    settings = Settings(tasks, "gam", 1, seed=seed, **options)
    return make_plan("tiny_evaluation:network", data, settings)


def units_of(*arguments, **options):
    return [unit for shard in plan_of(*arguments, **options).shards for unit in shard]


def test_every_image_is_in_one_unit_and_a_pair_in_one_fold(tiny):
    # labels take turns: 14, 13 and 13 images of three labels, so 7 + 6 + 6 pairs and two images alone
    units = units_of(tiny.Tiny(40))
    assert sorted(image for unit in units for image in unit.images) == list(range(40))
    assert [unit.rounds() for unit in units] == [[[unit.images]] for unit in units[:19]] + [[]] * 2
    assert all(unit.images[0] % 3 == unit.images[1] % 3 for unit in units[:19])
    assert [len(unit.images) for unit in units[19:]] == [1, 1]
    assert sorted(unit.fold for unit in units) == [0] * 11 + [1] * 10
    assert units == units_of(tiny.Tiny(40))
    assert units != units_of(tiny.Tiny(40), seed=1)
    # without a class task nothing is alone
    assert [len(unit.images) for unit in units_of(tiny.Tiny(40), tasks=("dot",))] == [2] * 19


def test_shards_divide_no_pair_and_hold_no_more_than_a_batch(tiny):
    shards = plan_of(tiny.Tiny(39), tasks=("cosine",)).shards  # 6 pairs of each label, three images are left out
    assert [sum(len(unit.images) for unit in shard) for shard in shards] == [ROWS, ROWS, 36 - 2 * ROWS]
    alone = plan_of(tiny.Tiny(20), tasks=("class",)).shards
    assert [[unit.images for unit in shard] for shard in alone] == [
        [(i,) for i in range(16)], [(i,) for i in range(16, 20)],
    ]  # fmt: skip


def test_fixed_pairs_and_folds_are_kept(tiny):
    data = tiny.Tiny(8)
    data.pairs, data.folds = ((0, 3), (4, 1)), (1, 0, 0, 1, 0, 1, 1, 0)
    assert units_of(data) == [((0, 3), 1), ((4, 1), 0), ((2,), 0), ((5,), 1), ((6,), 1), ((7,), 0)]
    assert units_of(data, seed=5) == units_of(data) == units_of(data, partners=5)


def test_five_partners_make_groups_of_six(tiny):
    # 14, 13 and 13 images of three labels
    units = units_of(tiny.Tiny(40), partners=5)
    assert sorted(len(unit.images) for unit in units) == [4, 4, 4, 4, 4, 5, 5, 5, 5]
    assert all(len({image % 3 for image in unit.images}) == 1 for unit in units)
    assert sorted(image for unit in units for image in unit.images) == list(range(40))
    assert {len(unit.images): len(unit.rounds()) for unit in units} == {4: 3, 5: 5}
    pairs = [{frozenset(pair) for one in unit.rounds() for pair in one} for unit in units]
    assert pairs == [{frozenset(pair) for pair in combinations(unit.images, 2)} for unit in units]


@pytest.mark.parametrize(
    ("pairs", "folds", "message"),
    [
        (((0, 1),), None, "pairs: images \\(0, 1\\) of 'tiny' share no label, so they are no pair"),
        (((0, 3), (3, 6)), None, "pairs: an image of 'tiny' is in two pairs"),
        (((0, 3),), (0, 0, 0, 1, 1, 1, 0, 0), "folds: images 0 and 3 of 'tiny' are a pair in two folds"),
        (((0, 3), (1, 4)), (1,) * 8, "folds: the 6 pairs or images of 'tiny' are all in one fold"),
    ],
)
def test_pairs_and_folds_that_do_not_fit(tiny, pairs, folds, message):
    data = tiny.Tiny(8)
    data.pairs, data.folds = pairs, folds
    with pytest.raises(ValueError, match=message):
        plan_of(data)


# --- labels as clusters ---


class Shown(Listed):
    """One image for each group of labels; every group of labels twice, so that each has a partner."""

    name, pairs, folds = "shown", None, None

    def __init__(self, *shown):
        self.shown = shown * 2

    def __len__(self):
        return len(self.shown)

    def labels(self, index):
        return tuple(self.shown[index])


@pytest.mark.parametrize("tasks", [("class",), ("cosine",), ("class", "cosine")])
@pytest.mark.parametrize("shown", [("ab", "bc", "d", "e"), ("a", "b", "ab", "cd", "d"), ("ac", "bd", "b", "ca", "e")])
def test_labels_that_meet_in_an_image_are_in_one_fold(tiny, tasks, shown):
    data = Shown(*shown)
    data.classes = dict.fromkeys("abcde")
    for seed in range(5):
        units = units_of(data, tasks, seed)
        folds = {
            label: {unit.fold for unit in units for i in unit.images if label in data.labels(i)} for label in "abcde"
        }
        assert all(len(each) <= 1 for each in folds.values()) and {unit.fold for unit in units} == {0, 1}


def test_labels_that_all_meet_leave_no_part_to_tune_on(tiny):
    with pytest.raises(ValueError, match="folds: all 3 labels of 'shown' meet in its images, one with the next, so no"):
        units_of(Shown("ab", "bc"), ("cosine",))


@pytest.mark.parametrize("other", [1, 30])
def test_two_samples_of_one_id_are_refused_as_soon_as_they_are_read(tiny, tmp_path, other):
    class Twice(tiny.Tiny):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample if index != other else replace(sample, id="tiny-0")

    for _ in range(2):
        with pytest.raises(ValueError, match="data set 'tiny': two samples have the id 'tiny-0'; give each its own"):
            tiny.run(tmp_path, Twice(40), tasks=("class",), methods=("all_ones",), fill=())


# --- labels of a pair ---


def test_a_pair_is_judged_by_the_labels_that_both_images_have(tiny, tmp_path):
    # every image shows a green object beside its own: 0 and 3 share red and green, 1 and 2 green alone
    data = tiny.Tiny(6, two=True)
    data.pairs = ((0, 3), (1, 2))
    frame = tiny.run(tmp_path, data, methods=("gam",), n=1, fill=None)
    found = frame.groupby(["task", "sample"])["label"].agg(list).to_dict()
    for task in ("cosine", "dot"):
        assert {sample: labels for (t, sample), labels in found.items() if t == task} == {
            "tiny-0": ["green", "red"], "tiny-3": ["green", "red"], "tiny-1": ["green"], "tiny-2": ["green"],
        }  # fmt: skip
    # a class row has every label of its own image
    assert found["class", "tiny-1"] == ["blue", "green"] and found["class", "tiny-5"] == ["green", "shadow"]
    # rows of one image differ by the object, not by the map: both have the share of the same map above 1/2
    both = frame[(frame["task"] == "dot") & (frame["sample"] == "tiny-0")]
    assert both["area_0.50"].nunique() == 1 and both["mass_box"].nunique() == 2
