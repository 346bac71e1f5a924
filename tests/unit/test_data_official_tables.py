"""The user's own copies that are annotated in one table, ChestX-ray8 and COCO: small trees in the official formats."""

import gzip
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gamlib.data import BrokenImage, load_dataset

pytest.importorskip("pycocotools", reason='needs the extra "paper"')


def write_image(path, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def chest(tmp_path):
    write_image(tmp_path / "images_001/images/00000001_000.png", (1024, 1024), "L")
    write_image(tmp_path / "images_002/images/00000002_000.png", (512, 512), "L")
    rows = [
        "00000001_000.png,Infiltrate,10.5,20,30,40,,,",
        "00000001_000.png,Effusion,1000,1000,100,100,,,",
        "00000002_000.png,Mass,2000,0,10,10,,,",
        "00000003_000.png,Nodule,0,0,512,512,,,",
    ]
    write(tmp_path / "BBox_List_2017.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_chest_boxes_and_several_findings(chest):
    data = load_dataset("chestx_ray8", chest)
    assert [data.labels(i) for i in range(3)] == [("Infiltrate", "Effusion"), (), ("Nodule",)]
    assert [o.box for o in data[0].objects] == [(10.5, 20, 40.5, 60), (1000, 1000, 1024, 1024)]
    assert (data.areas(2), data.dropped) == ((0.25,), {"box outside the image": 1})
    assert data[0].image.mode == "RGB"
    assert data.classes["Infiltrate"] == "Infiltration"


def test_chest_published_list(tmp_path):
    package = pytest.importorskip("torchxrayvision", reason='needs the extra "paper"')
    published = Path(package.__file__).parent / "data" / "BBox_List_2017.csv.gz"
    write(tmp_path / "BBox_List_2017.csv", gzip.decompress(published.read_bytes()).decode())
    write_image(tmp_path / "images/00013118_008.png", (1024, 1024), "L")
    data = load_dataset("chestx_ray8", tmp_path)
    assert (len(data), sum(len(data.labels(i)) for i in range(len(data))), data.dropped) == (880, 984, {})
    index = [record.id for record in data.records].index("00013118_008")
    assert data[index].objects[0].box == pytest.approx((225.085, 547.019, 311.864, 626.206), abs=1e-3)


def test_chest_broken_images(chest):
    data = load_dataset("chestx_ray8", chest)
    with pytest.raises(BrokenImage, match="'00000002_000' cannot be read: it has 512 x 512 pixels, .* 1024 x 1024"):
        data[1]
    with pytest.raises(BrokenImage, match="'00000003_000' cannot be read: .*No such file"):
        data[2]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("a.png,Mass,1,2,x,4", "line 2: could not convert string to float: 'x'"),
        ("a.png,Mass,1,2", "line 2: 4 fields, expected image, finding, x, y, width, height"),
        ("a.png,Mas,1,2,3,4", "line 2: unknown finding 'Mas'; accepted: Atelectasis"),
        ("a.png,Mass,1,2,nan,4", "line 2: the box .* is not finite"),
    ],
)
def test_chest_table_errors_name_file_and_line(chest, row, text):
    write(chest / "BBox_List_2017.csv", f"Image Index,Finding Label,Bbox [x,y,w,h],,,\n{row}\n")
    with pytest.raises(ValueError, match=f"BBox_List_2017.csv', {text}"):
        load_dataset("chestx_ray8", chest)


HEADER = b"Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a.png,Mass,1,2,3,4\n", "line 1: 'a.png,Mass,1,2,3,4', expected the header Image Index,Finding Label,..."),
        (HEADER.replace(b",", b";"), "line 1: 'Image Index;Finding Label;.*', expected the header"),
        (b"", "line 1: '', expected the header"),
        (HEADER + b"a.png,M\xe4ss,1,2,3,4\n", "line 2: byte 0xe4 is not UTF-8; save the file as UTF-8"),
        (HEADER + b'"a.png,Mass,1,2,3,4\n', r"line 2: not valid CSV \(unexpected end of data\)"),
        (HEADER + b"x" * 200_000, r"line 2: not valid CSV \(field larger than field limit"),
    ],
)
def test_chest_damaged_table(chest, content, text):
    (chest / "BBox_List_2017.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"BBox_List_2017.csv', {text}"):
        load_dataset("chestx_ray8", chest)


def test_chest_table_with_a_byte_order_mark(chest):
    path = chest / "BBox_List_2017.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_dataset("chestx_ray8", chest).labels(0) == ("Infiltrate", "Effusion")


def test_more_than_8_bits_are_not_cut(chest):
    write_image(chest / "images_001/images/00000001_000.png", (1024, 1024), "I;16")
    with pytest.raises(BrokenImage, match=r"more than 8 bits \(mode I;16\); save it with 8 bits a channel"):
        load_dataset("chestx_ray8", chest)[0]


@pytest.fixture
def coco(tmp_path):
    for number in (1, 2):
        write_image(tmp_path / f"val2017/{number:012d}.jpg")
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": 40, "height": 30} for n in (1, 2)]
    common = {"iscrowd": 0, "image_id": 1}
    square = [[10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]]
    # column-major runs: 3 columns of 30 empty, then 30 set, then the rest
    runs = {"size": [30, 40], "counts": [90, 30, 1080]}
    annotations = [
        {**common, "id": 1, "category_id": 17, "bbox": [10, 10, 10, 10], "segmentation": square},
        {**common, "id": 2, "category_id": 1, "bbox": [3, 0, 1, 30], "segmentation": runs},
        {**common, "id": 3, "category_id": 1, "bbox": [0, 0, 40, 30], "segmentation": runs, "iscrowd": 1},
        {**common, "id": 4, "category_id": 1, "bbox": [45, 0, 5, 5], "segmentation": square},
        {**common, "id": 5, "category_id": 1, "bbox": [35, 25, 10, 10], "segmentation": [[1, 1, 2, 2]]},
        {**common, "id": 6, "category_id": 1, "segmentation": square},
    ]
    categories = [{"id": 1, "name": "person"}, {"id": 17, "name": "cat"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write(tmp_path / "annotations/instances_val2017.json", json.dumps(content, indent=1))
    return tmp_path


def test_coco_boxes_polygons_and_runs(coco):
    data = load_dataset("coco", coco)
    assert (data.labels(0), data.labels(1)) == (("cat", "person", "person"), ())
    cat, person, corner = data[0].objects
    assert (cat.box, person.box, corner.box) == ((10, 10, 20, 20), (3, 0, 4, 30), (35, 25, 40, 30))
    expected = np.zeros((30, 40), dtype=bool)
    expected[10:20, 10:20] = True
    np.testing.assert_array_equal(cat.mask, expected)
    assert (person.mask.sum(), person.mask[:, 3].all(), corner.mask.sum()) == (30, True, 0)
    assert data.dropped == {"crowd": 1, "box outside the image": 1, "object without a box": 1}
    assert data.classes == {"person": "person", "cat": "cat"}


def test_coco_errors(coco, monkeypatch):
    table = coco / "annotations/instances_val2017.json"
    write(table, '{"images": [],\n "annotations": [}')
    with pytest.raises(ValueError, match=r"instances_val2017.json', line 2: not valid JSON"):
        load_dataset("coco", coco)
    write(table, '{"images": []}')
    with pytest.raises(ValueError, match="not a COCO instances file: it has no list 'categories'"):
        load_dataset("coco", coco)
    with pytest.raises(FileNotFoundError, match=r"(?s)annotations/instances_val2014.json not found .*val2014/0000"):
        load_dataset("coco", coco, split="val2014")
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(ImportError, match=r"'coco' needs pycocotools: pip install \"gamlib\[paper\]\""):
        load_dataset("coco", coco)


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        ("annotations", {"bbox": [10, 10, 10]}, r"bbox is \[10, 10, 10\], expected four numbers x, y, width, height"),
        ("annotations", {"bbox": [10, 10, "10", 10]}, "bbox is .*, expected four numbers"),
        ("annotations", {"bbox": [10, 10, float("nan"), 10]}, r"bbox is \[10, 10, NaN, 10\], expected four numbers"),
        ("annotations", {"image_id": 7}, "image_id is 7, no image of the file has this id"),
        ("annotations", {"category_id": [1]}, r"category_id is \[1\], no category of the file has this id"),
        ("annotations", {"segmentation": None}, "segmentation is null, expected polygons, or run lengths with size"),
        ("annotations", {"segmentation": [1, 2, 3, 4, 5, 6]}, r"holds 1, expected polygons \[x, y, x, y, ...\]"),
        ("annotations", {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, r"holds \[1, .* 7\], expected polygons"),
        # both would make pycocotools fill the memory
        ("annotations", {"segmentation": [[1, 2, 3, float("nan"), 5, 6]]}, r"holds \[1, .* 6\], expected polygons"),
        ("annotations", {"segmentation": [[1, 2, 3e9, 4, 5, 6]]}, r"of size 3e\+09, far outside the 40 x 30 pixels"),
        ("annotations", {"segmentation": {"size": [40, 30], "counts": []}}, r"run lengths with size \[30, 40\]"),
        ("annotations", {"segmentation": {"size": [30, 40], "counts": [90, 30]}}, "that add up to the 1200 pixels"),
        ("annotations", {"segmentation": {"size": [30, 40]}}, "has counts null, expected run lengths"),
        ("images", {"id": 2}, "a second image with this id"),
        ("images", {"width": "40"}, r"width and height are \[\"40\", 30\], expected two numbers of at least 1"),
        ("images", {"file_name": None}, "file_name is null, expected a text"),
        ("categories", {"name": 5}, "name is 5, expected a text"),
    ],
)
def test_coco_errors_name_file_and_entry(coco, kind, change, text):
    path = coco / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    content[kind][0] |= change
    number = 1 if "id" in change else 0
    write(path, json.dumps(content))
    with pytest.raises(
        ValueError, match=rf"instances_val2017.json', {kind}\[{number}\] with id {number + 1}: .*{text}"
    ):
        load_dataset("coco", coco)
    content[kind][0] = 5
    write(path, json.dumps(content))
    with pytest.raises(ValueError, match=rf"instances_val2017.json', {kind}\[0\]: 5, expected an object with an id"):
        load_dataset("coco", coco)


def test_coco_run_lengths_that_pycocotools_refuses_are_broken(coco):
    path = coco / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"][1]["segmentation"] = {"size": [30, 40], "counts": "hello"}
    write(path, json.dumps(content))
    data = load_dataset("coco", coco)
    with pytest.raises(BrokenImage, match=r"'000000000001' .*annotations\[1\] with id 2: segmentation: Invalid RLE"):
        data[0]


def test_coco_without_any_image(coco):
    for path in (coco / "val2017").iterdir():
        path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"'coco': none of its 2 annotated images is there; looked for '.*1.jpg'"
    ):
        load_dataset("coco", coco)


@pytest.mark.parametrize("name", ["imagenet_val", "chestx_ray8", "coco", "voc2007", "voc2012"])
def test_missing_root_and_wrong_layout_show_the_layout(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=rf"(?s)'{name}': no folder '.*nowhere'; give the folder with\n  "):
        load_dataset(name, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=rf"(?s)'{name}': .* not found in .*; looked for this layout:\n  "):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("module", ["imagenet_val", "chest", "coco", "voc"])
def test_the_page_on_data_shows_the_layout(module):
    page = (Path(__file__).parents[2] / "book" / "data.md").read_text(encoding="utf-8")
    layout = importlib.import_module(f"gamlib.data.{module}").LAYOUT
    layout = layout.format(year="VOC2012", task="Segmentation", split="val" if module == "voc" else "val2017")
    paths = [word.rstrip("/") for word in re.split(r"[\s,():]+", layout) if re.search(r"\w[/.]\w|\w/", word)]
    assert len(paths) >= 2 and [path for path in paths if path not in page] == []
