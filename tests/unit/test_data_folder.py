"""A folder of one's own photographs: boxes in a CSV or XML files, or masks; and what is refused, in which words."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gamlib.data import BrokenImage, load_dataset

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


def test_masks(tmp_path):
    photograph(tmp_path / "dogs" / "one.jpg")
    mask = np.zeros((30, 40), np.uint8)
    mask[5:10, 3:20] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "one.png")
    data = load_dataset("folder", tmp_path)
    (thing,) = data[0].objects
    assert (thing.label, thing.box) == ("dogs", (3, 5, 20, 10)) and (thing.mask == (mask > 0)).all()


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


def test_a_folder_of_nothing_and_a_label_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="(?s)boxes.csv, annotations or masks not found in .*boxes.csv   "):
        load_dataset("folder", tmp_path)
    root = csv_folder(tmp_path, ["a.png,cat,0,0,20,15"])
    with pytest.raises(ValueError, match="classes: no object has the label 'cats'; did you mean 'cat'?"):
        load_dataset("folder", root, classes={"cats": 281})


def test_a_photograph_that_is_missing_or_cut_short_is_skipped_and_named(tmp_path):
    root = csv_folder(tmp_path, ["a.png,cat,0,0,20,15", "gone.png,cat,0,0,4,4", "pets/b.png,cat,0,0,4,4"])
    (root / "pets" / "b.png").write_bytes((root / "pets" / "b.png").read_bytes()[:100])
    data = load_dataset("folder", root)
    for index, name in ((1, "gone.png"), (2, "pets/b.png")):
        with pytest.raises(BrokenImage, match=f"image '{name}' cannot be read"):
            data[index]


def test_it_evaluates(tmp_path):
    lines = [f"{number}.png,cat,{number},{number},{number + 12},{number + 9}" for number in range(8)]
    for number in range(8):
        photograph(tmp_path / f"{number}.png", number)
    csv_folder(tmp_path, lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        tiny = importlib.import_module("tiny_evaluation")
        frame = tiny.run(tmp_path / "out", load_dataset("folder", tmp_path, classes={"cat": 1}), methods="gam", n=2)
    assert frame.groupby("task").size().to_dict() == {"class": 8, "cosine": 8, "dot": 8}
    assert set(frame.loc[frame["task"] == "class", "target"]) == {"label"}
