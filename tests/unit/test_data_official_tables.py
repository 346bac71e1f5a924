"""The user's own copies that are annotated in one table, ChestX-ray8 and COCO: small trees in the official formats."""

import gzip
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gamlib.data import BrokenImage, load_dataset
from gamlib.data.chest import ChestXray8
from gamlib.data.coco import Coco
from gamlib.data.imagenet import ImagenetVal
from gamlib.data.voc import Voc

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
    write(tmp_path / "BBox_List_2017.csv", "\ufeffImage Index,Finding Label,Bbox [x,y,w,h],,,\n" + "\n".join(rows))
    return tmp_path


def test_chest_boxes_and_several_findings(chest):
    data = load_dataset("chestx_ray8", chest)
    assert [data.labels(i) for i in range(3)] == [("Infiltrate", "Effusion"), (), ("Nodule",)]
    assert [o.box for o in data[0].objects] == [(10.5, 20, 40.5, 60), (1000, 1000, 1024, 1024)]
    assert (data.areas(2), data.dropped) == ((0.25,), {"box outside the image": 1})
    assert data[0].image.mode == "RGB"
    assert (len(data.classes), data.classes["Infiltrate"], data.classes["Mass"]) == (8, "Infiltration", "Mass")


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
    with pytest.raises(
        BrokenImage, match=r"'00000002_000' cannot be read: it has \(512, 512\) pixels .* \(1024, 1024\)"
    ):
        data[1]
    with pytest.raises(BrokenImage, match="'00000003_000' cannot be read: .*No such file"):
        data[2]
    write_image(chest / "images_001/images/00000001_000.png", (1024, 1024), "I;16")
    with pytest.raises(BrokenImage, match=r"more than 8 bits \(mode I;16\); save it with 8 bits a channel"):
        data[0]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("a.png,Mass,1,2,3,4\n", "ValueError: Usecols do not match columns.*Image Index"),
        (
            "Image Index,Finding Label,Bbox [x,y,w,h],,,\na.png,Mass,1,2,,4\n",
            "'a.png', 'Mass', '1', '2', nan, '4'.*expected image, finding",
        ),
        ("Image Index,Finding Label,Bbox [x,y,w,h],,,\na.png,Mas,1,2,3,4\n", "'Mas', .*findings: Atelectasis, "),
    ],
)
def test_chest_damaged_table(chest, table, fault):
    write(chest / "BBox_List_2017.csv", table)
    with pytest.raises(
        ValueError, match=rf"BBox_List_2017.csv' is damaged or not as published \(.*{fault}.*\); unpack"
    ):
        load_dataset("chestx_ray8", chest)


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
    # the third has a polygon of two points, which has no area
    assert (person.mask.sum(), person.mask[:, 3].all(), corner.mask.sum()) == (30, True, 0)
    assert data.dropped == {"crowd": 1, "box outside the image": 1, "object without a box": 1}
    assert data.classes == {"person": "person", "cat": "cat"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"images": [],\n "annotations": [}', "JSONDecodeError: .*line 2"),
        ('{"images": [{"id": 1, "width": 40}]}', "KeyError: 'height'"),
    ],
)
def test_coco_damaged_table(coco, content, fault):
    write(coco / "annotations/instances_val2017.json", content)
    text = rf"instances_val2017.json' is damaged or not as published \({fault}.*\); unpack"
    with pytest.raises(ValueError, match=text):
        load_dataset("coco", coco)


def test_coco_missing_package(coco, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError, match=r"'coco' needs pycocotools: pip install \"gamlib\[paper\]\""):
        load_dataset("coco", coco)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [("hello", "Invalid RLE"), ([90, 30], "annotation 2: its run lengths do not add up to the \\(30, 40\\)")],
)
def test_coco_broken_run_lengths_are_a_broken_image(coco, counts, reason):
    path = coco / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"][1]["segmentation"]["counts"] = counts
    write(path, json.dumps(content))
    data = load_dataset("coco", coco)
    assert data[1].objects == ()
    with pytest.raises(BrokenImage, match=f"'000000000001' cannot be read: {reason}"):
        data[0]


@pytest.mark.parametrize("name", ["imagenet_val", "chestx_ray8", "coco", "voc2007", "voc2012"])
def test_missing_root_and_wrong_layout_show_the_layout(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=rf"(?s)'{name}': no folder '.*nowhere'; give the folder with\n  "):
        load_dataset(name, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=rf"(?s)'{name}': .* not found in .*; looked for this layout:\n  "):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("data", [ImagenetVal, ChestXray8, Coco, Voc])
def test_the_page_on_data_shows_the_layout(data):
    page = (Path(__file__).parents[2] / "book" / "data.md").read_text(encoding="utf-8")
    layout = data.layout.format(year="VOC2012", task="Segmentation", split="val" if data is Voc else "val2017")
    paths = [word.rstrip("/") for word in re.split(r"[\s,():]+", layout) if re.search(r"\w[/.]\w|\w/", word)]
    assert len(paths) >= 2 and [path for path in paths if path not in page] == []
