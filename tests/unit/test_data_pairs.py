"""load_dataset, pairs, small objects and class names."""

import numpy as np
import pytest

from gamlib.data import Dataset, load_dataset, make_pairs, smallest_objects
from gamlib.data.classes import class_index
from gamlib.data.pairs import make_groups, rounds


class Table(Dataset):
    """Labels and box areas from lists; no images."""

    name = "table"

    def __init__(self, labels, areas=None):
        self._labels, self._areas = labels, areas or [() for _ in labels]

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, index):
        raise AssertionError("annotations must not need an image")

    def labels(self, index):
        return self._labels[index]

    def areas(self, index):
        return self._areas[index]


def test_pairs_share_a_label_and_no_image():
    data = Table([("a",), ("b",)] * 10)
    pairs = make_pairs(data, per_class=3, seed=1)
    assert len(pairs) == 6
    assert all(data.labels(i) == data.labels(j) for i, j in pairs)
    assert len({index for pair in pairs for index in pair}) == 12


def test_pairs_repeat_with_the_seed_only():
    data = Table([("a",)] * 40)
    assert make_pairs(data, 10, seed=3) == make_pairs(data, 10, seed=3)
    assert make_pairs(data, 10, seed=3) != make_pairs(data, 10, seed=4)


def test_a_small_class_gives_fewer_pairs_and_an_image_of_two_labels_serves_once():
    assert len(make_pairs(Table([("a",)] * 5 + [("b",)]), per_class=10, seed=0)) == 2
    assert len(make_pairs(Table([("a", "b"), ("a", "b", "b")]), per_class=None, seed=0)) == 1


def test_pairs_errors():
    with pytest.raises(ValueError, match="'table': no class has two images"):
        make_pairs(Table([("a",), ("b",)]), 1, seed=0)
    with pytest.raises(ValueError, match="per_class: 0, expected at least 1"):
        make_pairs(Table([("a",)] * 2), 0, seed=0)


def test_groups_share_a_label_and_leave_no_image_alone_where_there_are_others():
    data = Table([("a",)] * 13 + [("b",)] * 7 + [("c",)])
    groups = make_groups(data, 6, seed=2)
    assert sorted(len(group) for group in groups) == [3, 4, 4, 4, 5]
    assert all(len({data.labels(index) for index in group}) == 1 for group in groups)
    assert sorted(index for group in groups for index in group) == list(range(20))
    assert make_groups(data, 6, seed=2) == groups != make_groups(data, 6, seed=3)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_in_rounds_every_two_meet_once(count):
    found = rounds(count)
    assert len(found) == count - 1 + count % 2
    assert all(len({place for pair in pairs for place in pair}) == 2 * len(pairs) for pairs in found)
    met = [frozenset(pair) for pairs in found for pair in pairs]
    assert len(met) == len(set(met)) == count * (count - 1) // 2
    assert rounds(1) == []


def test_smallest_objects_take_an_image_by_its_largest_box():
    # largest boxes .5 .1 .2 .4 (the image without a box is left out); their 25th percentile is .1 + .75 * .1
    data = Table([("a",)] * 5, [(0.01, 0.5), (0.1,), (), (0.2, 0.05), (0.4,)])
    assert smallest_objects(data, 25) == [1]
    assert smallest_objects(data, 34) == [1, 3]
    assert smallest_objects(data, 100) == [0, 1, 3, 4]


def test_smallest_objects_errors():
    with pytest.raises(ValueError, match=r"percentile: 0, expected a number in \(0, 100\]"):
        smallest_objects(Table([("a",)], [(0.5,)]), 0)
    with pytest.raises(ValueError, match="'table' has no boxes"):
        smallest_objects(Table([("a",)]), 25)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: load_dataset("racoon"), ValueError, "data set: unknown 'racoon'; did you mean 'raccoon'.*voc2012"),
        (lambda: load_dataset("photos", "folder"), TypeError, "'photos' has no option 'root'; accepted: none"),
        (
            lambda: load_dataset("coco", ".", spilt="x"),
            TypeError,
            "'coco' has no option 'spilt'; accepted: root, split",
        ),
        (lambda: load_dataset("coco"), ValueError, "(?s)your own copy: give root, the folder with.*000000000139.jpg"),
        (
            lambda: class_index("Mas", ["Mass", "Hernia"]),
            ValueError,
            "class 'Mas' .* 2 categories; did you mean 'Mass'",
        ),
        (lambda: class_index("mass", None), ValueError, "class 'mass': the model has no category names"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_class_index():
    assert class_index("Hernia", ["Mass", "Hernia"]) == 1
    assert class_index(281, None) == 281
    assert class_index(None, ["Mass"]) is None


def test_a_class_may_be_a_number_of_numpy_s():
    found = class_index(np.int64(3), None)
    assert found == 3 and type(found) is int
