"""The user's own copies that are annotated in XML, ImageNet and VOC: small trees in the official formats."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from gamlib.data import BrokenImage, load_dataset

SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"


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
    write(tmp_path / "val/._ILSVRC2012_val_00000001.JPEG", "left by another system")
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
    assert [data.labels(i) for i in range(len(data))] == [("n02123045",) * 2, ("n02099601",), ("n02123045",)]
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
    write_image(imagenet / "val/n02099601/ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(ValueError, match="'ILSVRC2012_val_00000001' is there twice; give each a name of its own"):
        load_dataset("imagenet_val", imagenet)
    write_image(imagenet / "val/n00000000/ILSVRC2012_val_00000004.JPEG")
    with pytest.raises(ValueError, match="'n00000000' is not one of the 1000 WordNet ids"):
        load_dataset("imagenet_val", imagenet)


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("ILSVRC2012_devkit_t12/data/meta.mat", b"MATLAB 5.0 MAT-file", "Error"),
        # a blank line would move all labels below it
        ("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", b"2\n\n1\n2\n", "ValueError: .*''"),
        ("Annotations/CLS-LOC/val/ILSVRC2012_val_00000002.xml", b"<annotation>\n<size></a>", "ParseError: .* line 2"),
    ],
)
def test_imagenet_val_damaged_file(imagenet, file, content, fault):
    (imagenet / file).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"{file}' is damaged or not as published \(\w*{fault}.*\); unpack or fetch it anew"
    ):
        load_dataset("imagenet_val", imagenet)


def test_imagenet_val_without_a_file_or_any_box(imagenet):
    (imagenet / "Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml").unlink()
    with pytest.raises(ValueError, match="is empty: none of its 3 images has an object .*image without boxes: 2"):
        load_dataset("imagenet_val", imagenet)
    (imagenet / "ILSVRC2012_devkit_t12/data/meta.mat").unlink()
    with pytest.raises(FileNotFoundError, match="no file '.*meta.mat'; unpack or fetch it anew"):
        load_dataset("imagenet_val", imagenet)


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
        write(folder / f"ImageSets/{task}/val.txt", "2007_000001\n\n")
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


@pytest.mark.parametrize(
    ("indices", "reason"),
    [
        (np.zeros((30, 40), np.uint8), "object 1 of SegmentationObject is no person in SegmentationClass"),
        (np.zeros((30, 41), np.uint8), "is not a palette image of the photograph's size"),
    ],
)
def test_voc_masks_that_contradict_each_other_are_broken(voc, indices, reason):
    write_palette(voc / "VOCdevkit/VOC2012/SegmentationClass/2007_000001.png", indices)
    with pytest.raises(BrokenImage, match=f"'2007_000001' cannot be read: .*{reason}"):
        load_dataset("voc2012", voc, masks=True)[0]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Annotations/2007_000001.xml", xml(xml_object("cat", 1, 1, 5)), "is damaged .*could not convert .* ''.*anew"),
        (
            "Annotations/2007_000001.xml",
            xml(xml_object("catt", 1, 1, 5, 5)),
            "class: unknown 'catt'; did you mean 'cat'\\? accepted: aero",
        ),
        ("ImageSets/Main/val.txt", "2007_000001 yes\n", r"is damaged or not as published \(KeyError: 'yes'\)"),
    ],
)
def test_voc_damaged_file(voc, file, content, message):
    write(voc / "VOCdevkit/VOC2012" / file, content)
    with pytest.raises(ValueError, match=f"{file}'.* {message}"):
        load_dataset("voc2012", voc)


def test_voc_list_of_a_class_means_its_images(voc):
    lists = voc / "VOCdevkit/VOC2012/ImageSets/Main"
    write(lists / "person_val.txt", "2007_000002 -1\n2007_000001  1\n2007_000003  0\n")
    data = load_dataset("voc2012", voc, split="person_val")
    assert [record.id for record in data.records] == ["2007_000001"]
    assert (data.dropped["image of another class"], data.dropped["image of difficult objects only"]) == (1, 1)


def test_voc_missing_files(voc):
    folder = voc / "VOCdevkit/VOC2012"
    (folder / "SegmentationClass/2007_000001.png").unlink()
    with pytest.raises(
        FileNotFoundError, match="'voc2012': SegmentationClass/ with a mask of a listed image not found"
    ):
        load_dataset("voc2012", voc, masks=True)
    (folder / "JPEGImages/2007_000001.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="none of its 1 annotated images is there; looked for '.*1.jpg'"):
        load_dataset("voc2012", voc)
    (folder / "Annotations/2007_000001.xml").unlink()
    with pytest.raises(FileNotFoundError, match="no file '.*2007_000001.xml'; unpack or fetch it anew"):
        load_dataset("voc2012", voc)


def test_voc_of_another_year_is_not_taken(voc):
    folder = (voc / "VOCdevkit/VOC2012").rename(voc / "VOC2007")
    assert len(load_dataset("voc2007", folder)) == 1
    with pytest.raises(FileNotFoundError, match=r"'voc2012': VOC2012 not found in '.*VOC2007'"):
        load_dataset("voc2012", folder)


def test_no_object_at_all(voc):
    write(voc / "VOCdevkit/VOC2012/Annotations/2007_000001.xml", xml(xml_object("cat", 1, 1, 5, 5, difficult=1)))
    text = r"'voc2012' is empty: none of its 1 images has an object \(left out: difficult: 1"
    with pytest.raises(ValueError, match=text):
        load_dataset("voc2012", voc)
