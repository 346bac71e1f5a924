"""A folder of one's own photographs: boxes in a CSV or XML files, or masks; and what is refused, in which words."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gamlib.data import BrokenImage, load_dataset
from gamlib.data.folder import Folder
from gamlib.evaluation.store import dataset_digest

XML = """<annotation><size><width>40</width><height>30</height></size>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>10</ymax></bndbox></object></annotation>"""


def photograph(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)


def csv_folder(root, lines, head="image,label,x_min,y_min,x_max,y_max"):
    for number, name in enumerate(("a.png", "pets/b.png")):
        photograph(root / name, number)
    (root / "boxes.csv").write_text("\n".join([head, *lines]) + "\n")
    return root


def test_boxes_in_a_csv(tmp_path):
    root = csv_folder(tmp_path, ["a.png,cat,0,0,20,15", "pets/b.png,cat,5,5,40,30", "pets/b.png,dog,0,0,4,3"])
    data = load_dataset("folder", root, classes={"cat": 281})
    assert [sample.id for sample in data] == ["a.png", "pets/b.png"]
    assert data.labels(1) == ("cat", "dog") and data.classes == {"cat": 281, "dog": None}
    assert data[1].objects[0].box == (5, 5, 40, 30)
    assert data.areas(0) == (20 * 15 / (40 * 30),)


def test_boxes_in_xml_files(tmp_path):
    photograph(tmp_path / "dogs" / "one.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "one.xml").write_text(XML)
    data = load_dataset("folder", tmp_path)
    # pixels count from 1 there, and both ends lie in the box
    assert data[0].objects[0].box == (0, 0, 20, 10) and data.labels(0) == ("dog",)


def test_xml_files_beside_the_photographs(tmp_path):
    for folder in ("cats", "dogs"):
        photograph(tmp_path / folder / "one [1].v2.JPG")
        (tmp_path / folder / "one [1].v2.xml").write_text(XML.replace("dog", folder))
    # of another program
    (tmp_path / "settings.xml").write_text("<settings/>")
    data = load_dataset("folder", tmp_path)
    assert [sample.id for sample in data] == ["cats/one [1].v2", "dogs/one [1].v2"]
    assert data.labels(1) == ("dogs",) and data.records[1].path.parent == tmp_path / "dogs"


def test_photographs_of_one_name(tmp_path):
    for number, folder in enumerate(("images/cats", "images/dogs")):
        photograph(tmp_path / folder / "one.png", number)
    mask = np.zeros((30, 40), np.uint8)
    mask[5:10, 3:20] = 255
    photograph(tmp_path / "masks" / "one.png")
    Image.fromarray(mask).save(tmp_path / "masks" / "one.png")
    with pytest.raises(ValueError, match="one.png': of 'images/cats/one.png' or of 'images/dogs/one.png'. Rename one"):
        load_dataset("folder", tmp_path)
    (tmp_path / "masks" / "dogs").mkdir()
    (tmp_path / "masks" / "one.png").rename(tmp_path / "masks" / "dogs" / "one.png")
    data = load_dataset("folder", tmp_path)
    assert (len(data), data[0].id, data.labels(0)) == (1, "dogs/one", ("dogs",))
    assert data.records[0].path == tmp_path / "images" / "dogs" / "one.png"


def test_masks(tmp_path):
    photograph(tmp_path / "dogs" / "one.jpg")
    mask = np.zeros((30, 40), np.uint8)
    mask[5:10, 3:20] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "one.png")
    data = load_dataset("folder", tmp_path)
    (thing,) = data[0].objects
    assert (thing.label, thing.box) == ("dogs", (3, 5, 20, 10)) and (thing.mask == (mask > 0)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_a_mask_of_any_kind_of_png(tmp_path, mode):
    photograph(tmp_path / "one.jpg")
    (tmp_path / "masks").mkdir()
    mask = np.zeros((30, 40), np.uint8)
    # the darkest that is not black
    mask[5:10, 3:20] = 255 if mode == "1" else 1
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette([0, 0, 0, 0, 0, 1])
    elif mode == "I;16":
        image = Image.fromarray(mask.astype(np.uint16))
    else:
        image = image.convert(mode)
    assert image.mode == mode
    image.save(tmp_path / "masks" / "one.png")
    (thing,) = load_dataset("folder", tmp_path)[0].objects
    assert (thing.label, thing.box) == ("object", (3, 5, 20, 10)) and (thing.mask == (mask > 0)).all()


def test_a_folder_whose_labels_have_other_names(tmp_path):
    class Renamed(Folder):
        def __init__(self, root):
            super().__init__(root)
            self.names = {"object": "thing"}

        def labels(self, index):
            return tuple(self.names[label] for label in super().labels(index))

    photograph(tmp_path / "one.jpg")
    photograph(tmp_path / "masks" / "one.png")
    assert Renamed(tmp_path).labels(0) == ("thing",)


def test_another_mask_of_the_same_box_is_another_data_set(tmp_path):
    photograph(tmp_path / "one.jpg")
    mask = np.full((30, 40), 255, np.uint8)
    photograph(tmp_path / "masks" / "one.png")
    states = []
    for second, value in enumerate((255, 0)):
        mask[9, 9] = value
        Image.fromarray(mask).save(tmp_path / "masks" / "one.png")
        os.utime(tmp_path / "masks" / "one.png", (second, second))
        data = load_dataset("folder", tmp_path)
        assert data[0].objects[0].box == (0, 0, 40, 30)
        states.append(dataset_digest(data))
    assert states[0] != states[1]


def test_classes_in_the_table_and_before_them_those_given(tmp_path):
    lines = ["a.png,cat,0,0,20,15,281.0", "pets/b.png,dog,5,5,40,30,beagle", "pets/b.png,NA,0,0,4,3,"]
    root = csv_folder(tmp_path, lines, "image,label,x_min,y_min,x_max,y_max,class")
    assert load_dataset("folder", root).classes == {"cat": 281, "dog": "beagle", "NA": None}
    given = load_dataset("folder", root, classes={"dog": 162, "NA": 3}).classes
    assert given == {"cat": 281, "dog": 162, "NA": 3}


@pytest.mark.parametrize(
    ("lines", "head", "message"),
    [
        (["a.png,cat,0,0,41,15"], None, r"box \(0, 0, 41, 15\) of 'a.png' does not lie in its \(40, 30\) pixels"),
        (["a.png,cat,9,0,9,15"], None, r"box \(9, 0, 9, 15\) of 'a.png' does not lie in its"),
        (
            ["a.png,cat,0,0,4,4"],
            "image,label,xmin,y_min,x_max,y_max",
            "no column 'x_min'; rename 'xmin'; expected image",
        ),
        (["a.png,cat,0,0,4,4"], "photo,label,x_min,y_min,x_max,y_max", "no column 'image'; expected image, label"),
        ([], None, "boxes.csv': nothing below its first line; expected one line a box"),
        (["a.png,cat,0,0,4,4", "a.png,,0,0,4,4"], None, "boxes.csv', line 3: no label"),
        ([",cat,0,0,4,4"], None, "boxes.csv', line 2: no image"),
        (["a.png,cat,0,0,four,4"], None, "boxes.csv', line 2: x_max is 'four', expected a number of pixels"),
        (["a.png,cat,0,0,4"], None, "boxes.csv', line 2: y_max is '', expected a number of pixels"),
        (
            ["a.png,cat,0,0,4,4,281", "pets/b.png,cat,0,0,4,4,282"],
            "image,label,x_min,y_min,x_max,y_max,class",
            "boxes.csv': label 'cat' has classes 281 and 282",
        ),
    ],
)
def test_a_table_that_is_wrong(tmp_path, lines, head, message):
    root = csv_folder(tmp_path, lines, *([head] if head else []))
    with pytest.raises(ValueError, match=message):
        load_dataset("folder", root)


def test_a_mask_of_another_size_or_of_nothing(tmp_path):
    photograph(tmp_path / "one.jpg")
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.full((20, 40), 255, np.uint8)).save(tmp_path / "masks" / "one.png")
    with pytest.raises(ValueError, match=r"mask '.*one.png': it has \(40, 20\) pixels \(width, height\), its image"):
        load_dataset("folder", tmp_path)
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(tmp_path / "masks" / "one.png")
    with pytest.raises(ValueError, match="mask '.*one.png': it is black"):
        load_dataset("folder", tmp_path)
    photograph(tmp_path / "masks" / "one.png")
    (tmp_path / "masks" / "one.png").write_bytes((tmp_path / "masks" / "one.png").read_bytes()[:1000])
    with pytest.raises(ValueError, match="mask '.*one.png': it is missing or damaged .*save it again as PNG"):
        load_dataset("folder", tmp_path)


def test_a_folder_of_nothing_and_a_label_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="(?s)boxes.csv, annotations or masks not found in .*boxes.csv   "):
        load_dataset("folder", tmp_path)
    root = csv_folder(tmp_path, ["a.png,cat,0,0,20,15"])
    with pytest.raises(ValueError, match="classes: unknown 'cats'; did you mean 'cat'?"):
        load_dataset("folder", root, classes={"cats": 281})


def test_a_photograph_that_is_missing_or_cut_short_is_skipped_and_named(tmp_path):
    root = csv_folder(tmp_path, ["a.png,cat,0,0,20,15", "gone.png,cat,0,0,4,4", "pets/b.png,cat,0,0,4,4"])
    (root / "pets" / "b.png").write_bytes((root / "pets" / "b.png").read_bytes()[:100])
    data = load_dataset("folder", root)
    for index, name in ((1, "gone.png"), (2, "pets/b.png")):
        with pytest.raises(BrokenImage, match=f"image '{name}' cannot be read"):
            data[index]


def test_a_folder_whose_photographs_are_all_missing(tmp_path):
    root = csv_folder(tmp_path, ["A.png,cat,0,0,20,15", "B.png,cat,0,0,20,15"])
    with pytest.raises(FileNotFoundError, match="none of its 2 annotated images is there; looked for '.*A.png'"):
        load_dataset("folder", root)


def test_a_class_that_the_network_does_not_have(tmp_path, tiny):
    for number in range(8):
        photograph(tmp_path / f"{number}.png", number)
    root = csv_folder(tmp_path, [f"{number}.png,cat,0,0,20,15" for number in range(8)])
    for given, message in (
        (3, "class 3 of label 'cat' is out of range; tiny knows classes 0 to 2"),
        ("gren", "class 'gren' is not one of the model's 3 categories; did you mean 'green'"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny.run(tmp_path / "out", load_dataset("folder", root, classes={"cat": given}), methods="gam", n=1)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("tiny_evaluation")


def test_it_evaluates(tmp_path, tiny):
    lines = [f"{number}.png,cat,{number},{number},{number + 12},{number + 9}" for number in range(8)]
    for number in range(8):
        photograph(tmp_path / f"{number}.png", number)
    csv_folder(tmp_path, lines)
    frame = tiny.run(tmp_path / "out", load_dataset("folder", tmp_path, classes={"cat": 1}), methods="gam", n=2)
    assert frame.groupby("task").size().to_dict() == {"class": 8, "cosine": 8, "dot": 8}
    assert set(frame.loc[frame["task"] == "class", "target"]) == {"label"}
