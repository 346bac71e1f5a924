import json
from importlib.resources import files

import numpy as np
import pytest
import torch

import gamlib
from gamlib.data.photos import (
    Photos,
    class_indices,
    outline_mask,
    outlines,
    photo_table,
    photograph,
    tight_box,
)
from gamlib.packaged import packaged

LABELS = {
    "cat": "cat", "coffee": "coffee", "rocket": "rocket", "motorcycle_left": "motorcycle",
    "motorcycle_right": "motorcycle", "temple": "temple", "flower": "flower", "bull_mastiff": "bull mastiff",
    "buckeye": "buckeye", "strawberry": "strawberry", "jeep_front": "jeep", "jeep_side": "jeep",
    "bottlecap": "bottlecap", "drum": "drum", "spoonbill": "spoonbill", "goose": "goose", "dalmatian": "dalmatian",
    "eagle": "bald eagle", "leafhopper": "leafhopper", "beetle": "dung beetle",
}  # fmt: skip
PHOTOS = list(LABELS)


def shoelace(polygon):
    x, y = polygon.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_twenty_photographs_with_one_labelled_object_each():
    photos = Photos()
    assert [sample.id for sample in photos] == PHOTOS
    assert [photos.labels(index) for index in range(20)] == [(label,) for label in LABELS.values()]
    assert [[thing.label for thing in sample.objects] for sample in photos] == [[label] for label in LABELS.values()]
    assert photos.pairs == ((3, 4), (10, 11))
    assert photos.cluster == "label"


def test_classes_are_imagenet_indices_or_none():
    assert class_indices() == {
        "cat": 285, "coffee": 967, "rocket": None, "motorcycle": 665, "temple": None, "flower": 985,
        "bull mastiff": 243, "buckeye": 990, "strawberry": 949, "jeep": 609, "bottlecap": 455, "drum": 541,
        "spoonbill": 129, "goose": 99, "dalmatian": 251, "bald eagle": 22, "leafhopper": 317, "dung beetle": 305,
    }  # fmt: skip
    assert Photos().classes == class_indices()


@pytest.mark.parametrize("row", photo_table(), ids=PHOTOS)
def test_table_knows_size_author_and_licence(row):
    assert photograph(row["photo"]).shape == (int(row["height"]), int(row["width"]), 3)
    assert photograph(row["photo"]).dtype == np.uint8
    assert row["author"] and row["licence"] and row["source"]


@pytest.mark.parametrize("index", range(20), ids=PHOTOS)
def test_box_is_tight_and_area_follows_from_it(index):
    photos = Photos()
    sample = photos[index]
    (thing,) = sample.objects
    rows, columns = np.nonzero(thing.mask)
    assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert thing.mask.shape == (sample.image.height, sample.image.width)
    x0, y0, x1, y1 = thing.box
    assert photos.areas(index) == ((x1 - x0) * (y1 - y0) / (sample.image.width * sample.image.height),)


@pytest.mark.parametrize("name", [*PHOTOS, "cat_head"])
def test_mask_has_the_area_that_the_shoelace_formula_gives(name):
    row = next(row for row in photo_table() if row["photo"] in (name, name.removesuffix("_head")))
    height, width = int(row["height"]), int(row["width"])
    border, *holes = outlines()[name]
    expected = shoelace(border) - sum(shoelace(hole) for hole in holes)
    # Pixel centres sample the outline: the error is a small part of its length, largest for the slender rocket.
    assert outline_mask(name, height, width).sum() == pytest.approx(expected, rel=0.01)
    assert (border >= 0).all() and (border <= [width, height]).all()


def test_outlines_file_stays_small_and_complete():
    text = (files("gamlib.data") / "outlines.json").read_text(encoding="utf-8")
    assert len(text) < 60_000
    assert set(json.loads(text)) == {*PHOTOS, "cat_head"}


def test_head_lies_within_the_cat():
    head, cat = outline_mask("cat_head", 300, 451), outline_mask("cat", 300, 451)
    assert (head & ~cat).sum() < 0.002 * head.sum()


def test_tight_box_by_hand():
    mask = np.zeros((4, 6), dtype=bool)
    mask[1, 2] = mask[2, 4] = True
    assert tight_box(mask) == (2, 1, 5, 3)


def test_index_past_the_end():
    with pytest.raises(IndexError):
        Photos()[20]


def test_model_finds_the_class_or_a_near_synonym_wherever_imagenet_has_one():
    # five kinds of cats; coffee mug, espresso and cup; moped and motor scooter; custard apple; convertible; white stork
    near = {"cat": range(281, 286), "coffee": (504, 967, 968), "motorcycle": (665, 670), "buckeye": (990, 956),
            "jeep": (609, 511), "spoonbill": (129, 127)}  # fmt: skip
    model, photos = gamlib.load_model("efficientnet_lite0"), Photos()
    known = [index for index in range(20) if photos.classes[photos.labels(index)[0]] is not None]
    top = model.logits(torch.stack([model.transform(photos[index].image) for index in known])).argmax(dim=1)
    for index, best in zip(known, top.tolist(), strict=True):
        (label,) = photos.labels(index)
        assert best in near.get(label, (photos.classes[label],))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (
            None,
            FileNotFoundError,
            "package 'foolbox' .* has no file 'foolbox/data/imagenet_00_243.jpg'; install it again",
        ),
        (b"another", ValueError, "imagenet_00_243.jpg' is not as published: its SHA-256 is another; install it again"),
    ],
)
def test_a_package_s_file_that_is_missing_or_another_is_said(monkeypatch, tmp_path, content, error, message):
    class Installed:
        version = "3.3.4"

        def locate_file(self, name):
            return tmp_path / "file"

    if content is not None:
        (tmp_path / "file").write_bytes(content)
    monkeypatch.setattr("gamlib.packaged.distribution", lambda name: Installed())
    row = next(row for row in photo_table() if row["photo"] == "bull_mastiff")
    with pytest.raises(error, match=message.replace("imagenet_00_243.jpg' is", "file' is")):
        packaged(row["package"], row["file"], row["sha256"])


def test_a_package_that_is_not_installed_is_said():
    with pytest.raises(ImportError, match="package 'no-such-package' is not installed; install it again: pip install"):
        packaged("no-such-package", "file", "0")
