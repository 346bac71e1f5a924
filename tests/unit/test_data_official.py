"""The user's own copies: small trees written in the official formats."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from gamlib.data import BrokenImage, load_dataset

SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"
pytest.importorskip("pycocotools", reason='needs the extra "paper"')


def xml(*objects):
    return f"<annotation>\n{SIZE}\n{''.join(objects)}</annotation>\n"


def xml_object(name, *corners, **tags):
    box = "".join(f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False))
    box = f"<bndbox>{box}</bndbox>" if corners else ""
    return f"<object><name>{name}</name>{''.join(f'<{k}>{v}</{k}>' for k, v in tags.items())}{box}</object>\n"


def write_image(path, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def imagenet(tmp_path):
    for number in (1, 2, 3):
        write_image(tmp_path / f"val/ILSVRC2012_val_{number:08d}.JPEG")
    boxes = tmp_path / "Annotations/CLS-LOC/val"
    one, two = xml_object("n02123045", 0, 0, 39, 14), xml_object("n02123045", 10, 5, 60, 24)
    write(boxes / "ILSVRC2012_val_00000001.xml", xml(one, two, xml_object("n02099601", 0, 0, 9, 9)))
    write(boxes / "ILSVRC2012_val_00000002.xml", xml(xml_object("n02099601", 80, 0, 99, 14)))
    devkit = tmp_path / "ILSVRC2012_devkit_t12/data"
    # the devkit's ids are not in the order of the class indices; 1001 is a synset above the classes
    write(devkit / "ILSVRC2012_validation_ground_truth.txt", "2\n1\n2\n")
    fields = [("ILSVRC2012_ID", "i4"), ("WNID", "U9")]
    rows = [(1, "n02099601"), (2, "n02123045"), (1001, "n02084071")]
    savemat(devkit / "meta.mat", {"synsets": np.array(rows, dtype=fields)})
    return tmp_path


def test_imagenet_val_flat_with_devkit(imagenet):
    data = load_dataset("imagenet_val", imagenet)
    assert data.classes == {"n02099601": 207, "n02123045": 281}
    assert [data.labels(i) for i in range(3)] == [("n02123045",) * 2, ("n02099601",), ("n02123045",)]
    # 0-based, both ends inside: 0..39 x 0..14 is 40 x 15 pixels; the second is clipped to the image
    assert [o.box for o in data[0].objects] == [(0, 0, 40, 15), (10, 5, 40, 25)]
    assert data.areas(0) == pytest.approx((0.5, 0.5))
    assert (data.areas(1), data.areas(2)) == ((), ())
    assert data.dropped == {"box of another class": 1, "box outside the image": 1, "image without boxes": 1}


def test_imagenet_val_in_class_folders(imagenet):
    for number, wnid in ((1, "n02123045"), (2, "n02099601"), (3, "n02123045")):
        (imagenet / "val" / wnid).mkdir(exist_ok=True)
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        (imagenet / "val" / name).rename(imagenet / "val" / wnid / name)
    data = load_dataset("imagenet_val", imagenet)
    assert [data[i].id[-1] + data.labels(i)[0] for i in range(3)] == ["1n02123045", "2n02099601", "3n02123045"]


def test_imagenet_val_errors(imagenet, tmp_path):
    truth = imagenet / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    write(truth, "2\n7\n2\n")
    with pytest.raises(ValueError, match=r"ground_truth.txt', line 2: '7' is not an ILSVRC2012_ID"):
        load_dataset("imagenet_val", imagenet)
    write(truth, "2\n1\n")
    with pytest.raises(ValueError, match=r"has 2 lines, none for image 'ILSVRC2012_val_00000003.JPEG'"):
        load_dataset("imagenet_val", imagenet)
    (imagenet / "val/n00000000").mkdir()
    write_image(imagenet / "val/n00000000/ILSVRC2012_val_00000004.JPEG")
    with pytest.raises(ValueError, match="'n00000000' is not one of the 1000 WordNet ids"):
        load_dataset("imagenet_val", imagenet)
    (imagenet / "Annotations").rename(imagenet / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"(?s)the folder of boxes not found in .*ILSVRC/Annotations/CLS-LOC"):
        load_dataset("imagenet_val", imagenet)


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
    with pytest.raises(ValueError, match="not a COCO instances file: KeyError 'categories'"):
        load_dataset("coco", coco)
    with pytest.raises(FileNotFoundError, match=r"(?s)annotations/instances_val2014.json not found .*val2014/0000"):
        load_dataset("coco", coco, split="val2014")
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(ImportError, match=r"'coco' needs pycocotools: pip install \"gamlib\[paper\]\""):
        load_dataset("coco", coco)


def write_palette(path, indices):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices)
    image.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    image.save(path)


@pytest.fixture
def voc(tmp_path):
    folder = tmp_path / "VOCdevkit/VOC2012"
    write_image(folder / "JPEGImages/2007_000001.jpg")
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    objects = (
        xml_object("person", 1, 1, 10, 30, difficult=0, truncated=1).replace("<bndbox>", part + "<bndbox>", 1),
        xml_object("cat", 21, 11, 30, 20, difficult=1),
        xml_object("dog", 41, 1, 50, 5),
        xml_object("sheep"),
    )
    write(folder / "Annotations/2007_000001.xml", xml(*objects))
    for task in ("Main", "Segmentation"):
        write(folder / f"ImageSets/{task}/val.txt", "2007_000001\n")
    instances, classes = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    instances[0:30, 0:10], classes[0:30, 0:10] = 1, 15
    instances[10:20, 20:30], classes[10:20, 20:30] = 2, 8
    instances[10, 20:30] = classes[10, 20:30] = 255
    write_palette(folder / "SegmentationObject/2007_000001.png", instances)
    write_palette(folder / "SegmentationClass/2007_000001.png", classes)
    return tmp_path


def test_voc_boxes_without_difficult_objects(voc):
    data = load_dataset("voc2012", voc)
    # counted from 1, both ends inside: 1..10 x 1..30
    assert [(o.label, o.box, o.mask) for o in data[0].objects] == [("person", (0, 0, 10, 30), None)]
    assert data.areas(0) == (0.25,)
    assert data.dropped == {"difficult": 1, "box outside the image": 1, "object without a box": 1}


def test_voc_masks_leave_out_void_and_keep_difficult_objects(voc):
    person, cat = load_dataset("voc2012", voc / "VOCdevkit", masks=True)[0].objects
    assert (person.label, cat.label, cat.box) == ("person", "cat", (20, 10, 30, 20))
    assert (person.mask.sum(), cat.mask.sum(), cat.mask[10].any()) == (300, 90, False)


def test_voc_masks_that_contradict_each_other_are_broken(voc):
    write_palette(voc / "VOCdevkit/VOC2012/SegmentationClass/2007_000001.png", np.zeros((30, 40), np.uint8))
    with pytest.raises(BrokenImage, match="SegmentationObject 1 is no person in SegmentationClass"):
        load_dataset("voc2012", voc, masks=True)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<size></annotation>", r"2007_000001.xml' is not well-formed XML: mismatched tag: line 2"),
        ("<annotation></annotation>", r"2007_000001.xml': tag <size/width> is missing in <annotation>"),
        (xml(xml_object("cat", 1, 1, 5)), r"tag <bndbox/ymax> is missing in <object>"),
        (xml(xml_object("cat", 1, 1, 5, "b")), r"tag <bndbox/ymax> holds 'b', expected a number"),
        (xml().replace("40", "0"), r"tag <size/width> holds '0', expected at least 1"),
        (xml(xml_object("catt", 1, 1, 5, 5)), r"unknown class 'catt'; did you mean 'cat'\? accepted: aeroplane"),
    ],
)
def test_voc_annotation_errors_name_file_and_tag(voc, text, message):
    write(voc / "VOCdevkit/VOC2012/Annotations/2007_000001.xml", text)
    with pytest.raises(ValueError, match=message):
        load_dataset("voc2012", voc)


@pytest.mark.parametrize("name", ["imagenet_val", "chestx_ray8", "coco", "voc2007", "voc2012"])
def test_missing_root_and_wrong_layout_show_the_layout(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=rf"(?s)'{name}': no folder '.*nowhere'; give the folder with\n  "):
        load_dataset(name, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=rf"(?s)'{name}': .* not found in .*; looked for this layout:\n  "):
        load_dataset(name, tmp_path)
