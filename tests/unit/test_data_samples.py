"""A sample's truth at the size of a network's input, and images that a data set cannot read."""

import pickle

import numpy as np
import pytest
from PIL import Image

from gamlib.data import BrokenImage, Dataset, Object, Sample, Subset
from gamlib.data.subset import read_sample


def mask(*pixels):
    """(4, 8) bool with these (row, column) set."""
    drawn = np.zeros((4, 8), dtype=bool)
    drawn[tuple(zip(*pixels, strict=True))] = True
    return drawn


def test_boxes_and_masks_are_squeezed_with_the_image():
    objects = (
        Object("dog", (2, 1, 6, 3), mask((0, 0))),
        Object("cat", (0, 0, 8, 4), mask((3, 7))),
        Object("dog", None, mask((3, 5))),
        Object("bird", (4, 0, 8, 4)),
    )
    # 8 x 4 pixels to 4 x 8: half as wide, twice as high
    truths = Sample("a", Image.new("RGB", (8, 4)), objects).truths((8, 4))
    assert list(truths) == ["bird", "cat", "dog"]
    assert truths["dog"].boxes == ((1, 2, 3, 6),)
    assert truths["cat"].boxes == ((0, 0, 4, 8),)
    # the centre of column 0 of 4 lies on column 1 of 8, so columns 1, 3, 5, 7 are kept and each row twice
    assert np.argwhere(truths["dog"].mask).tolist() == [[6, 2], [7, 2]]
    assert np.argwhere(truths["dog"].other).tolist() == np.argwhere(truths["cat"].mask).tolist() == [[6, 3], [7, 3]]
    assert truths["bird"].mask is None
    assert np.argwhere(truths["bird"].other).tolist() == [[6, 2], [6, 3], [7, 2], [7, 3]]


def test_an_image_without_objects_has_no_truth_and_one_label_no_other():
    image = Image.new("RGB", (8, 4))
    assert Sample("a", image).truths((2, 2)) == {}
    assert Sample("a", image, (Object("cat", None, mask((0, 0))),)).truths((4, 8))["cat"].other is None


class Files(Dataset):
    name = "files"
    classes = {"cat": None}

    def __len__(self):
        return 2

    def __getitem__(self, index):
        if index == 0:
            raise BrokenImage("first", "it is cut short")
        raise OSError("image file is truncated")

    def labels(self, index):
        return ("cat",)


def test_whatever_a_reader_raises_is_a_broken_image():
    with pytest.raises(BrokenImage, match="image 'first' cannot be read: it is cut short"):
        read_sample(Files(), 0)
    with pytest.raises(BrokenImage, match=r"image 'files\[1\]' cannot be read: OSError: image file is truncated"):
        read_sample(Files(), 1)


def test_a_broken_image_comes_whole_from_another_process():
    error = pickle.loads(pickle.dumps(BrokenImage("first", "it is cut short")))
    assert (error.sample_id, error.reason) == ("first", "it is cut short")
    assert str(error) == "image 'first' cannot be read: it is cut short"


@pytest.mark.parametrize("box", [(50, 50, 20, 20), (0, 0, 0, 5), (0, 0, float("nan"), 5), (0, 0, 5), (0, 0, 5, 5, 1)])
def test_a_box_that_encloses_nothing_is_refused(box):
    with pytest.raises(ValueError, match=r"object 'cat': got box \(.*\); give \(x0, y0, x1, y1\) with x0 < x1"):
        Object("cat", box)


def test_a_mask_of_zeros_and_ones_or_255_is_one_of_truth_values():
    for value in (1, 255):
        mask = np.zeros((4, 6), np.uint8)
        mask[1, 2] = value
        truth = Sample("a", Image.new("RGB", (6, 4)), (Object("cat", None, mask),)).truths((4, 6))["cat"]
        assert truth.mask.dtype == bool and truth.mask.sum() == 1 and truth.mask[1, 2]


@pytest.mark.parametrize("mask", [np.full((4, 6), 0.5), np.ones((4, 6, 3), bool), np.full((4, 6), 2)])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ValueError, match=r"object 'cat': got a mask \(.*\) of .*; give \(H, W\) bool"):
        Object("cat", None, mask)


def test_a_mask_of_another_size_than_its_image_is_named():
    sample = Sample("a", Image.new("RGB", (6, 4)), (Object("cat", None, np.ones((6, 4), bool)),))
    with pytest.raises(ValueError, match=r"sample 'a': the mask of 'cat' has \(6, 4\) pixels .*, its image \(4, 6\)"):
        sample.truths((4, 4))


def test_a_broken_image_of_a_part_is_named_by_its_number_in_the_whole():
    class Broken(Dataset):
        name, classes = "whole", {}

        def __len__(self):
            return 5

        def labels(self, index):
            return ()

        def __getitem__(self, index):
            raise OSError("no such luck")

    with pytest.raises(BrokenImage, match=r"image 'whole\[3\]' cannot be read: OSError: no such luck"):
        read_sample(Subset(Subset(Broken(), [1, 3]), [1]), 0)
