"""Networks by name, their weights and preprocessing, and what each mistake is answered with."""

import pickle
import re
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms

import gamlib
from gamlib.models.checkpoints import read_checkpoint

GREY = gamlib.Preprocess((4, 6), (0.5,), (0.25,))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet5", "did you mean 'resnet50'"),
        ("efficientnet_lite", "did you mean 'efficientnet_lite"),
        ("vgg", "accepted: efficientnet_lite0"),
    ],
)
def test_unknown_model_names_the_nearest(name, hint):
    with pytest.raises(ValueError, match=f"model: unknown '{name}'; {hint}"):
        gamlib.load_model(name)


@pytest.mark.parametrize(
    ("name", "size", "crop"), [("efficientnet_lite0", 224, 0.875), ("efficientnet_lite1", 240, 0.882)]
)
def test_default_lite_weights_need_no_network(name, size, crop, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", None)
    model = gamlib.load_model(name)
    assert model.input_size == (size, size)
    assert (model.transform.mean, model.transform.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert model.transform.crop_fraction == crop
    assert not model.module.training
    assert len(model.categories) == 1000
    assert not torch.equal(model.module.conv_stem.weight, gamlib.load_model(name, weights=None).module.conv_stem.weight)


def test_weights_that_were_cut_short_when_they_were_fetched(monkeypatch):
    def cut(*_args, **_options):
        raise RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central directory")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", cut)
    with pytest.raises(
        ValueError, match=r"the file of https://.*resnet50.* below '.*hub' is damaged \(Pytorch.*delete it"
    ):
        gamlib.load_model("resnet50")


@pytest.mark.parametrize("name", ["resnet50", "densenet201"])
@pytest.mark.parametrize(
    "error", [URLError("no route to host"), RuntimeError('invalid hash value (expected "0676ba61"')]
)
def test_default_weights_that_cannot_be_fetched(name, error, monkeypatch):
    def no_network(*_args, **_options):
        raise error

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", no_network)
    with pytest.raises(ConnectionError, match=r"from https://.*\((<.*no route to host|invalid hash).*weights=None"):
        gamlib.load_model(name)


def test_published_densenet_tensors_are_renamed(monkeypatch):
    # torchvision's file still has the dot of an older version: denselayer1.norm.1.weight.
    torch.manual_seed(1)
    state = torchvision.models.densenet201(weights=None).state_dict()
    published = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in published
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda *_args, **_options: published)
    model = gamlib.load_model("densenet201")
    key = "features.denseblock4.denselayer32.conv2.weight"
    assert torch.equal(model.module.state_dict()[key], state[key])


@pytest.fixture(scope="module")
def resnet_state() -> dict[str, torch.Tensor]:
    return torchvision.models.resnet50(weights=None).state_dict()


def load_resnet(folder: Path, content: object) -> gamlib.Model:
    path = folder / "weights.pt"
    torch.save(content, path)
    return gamlib.load_model("resnet50", weights=path)


def test_checkpoint_that_fits(tmp_path, resnet_state):
    # as training scripts leave it: nested, with DataParallel's prefix, and without the batch counters
    state = {f"module.{key}": value for key, value in resnet_state.items() if not key.endswith("num_batches_tracked")}
    model = load_resnet(tmp_path, {"epoch": 3, "state_dict": state})
    assert torch.equal(model.module.fc.weight, resnet_state["fc.weight"])


def test_checkpoint_with_a_missing_tensor(tmp_path, resnet_state):
    state = {key: value for key, value in resnet_state.items() if key not in ("layer1.0.conv1.weight", "fc.bias")}
    with pytest.raises(ValueError, match=r"weights\.pt' does not fit: tensor 'layer1\.0\.conv1\.weight' is missing"):
        load_resnet(tmp_path, state)


def test_checkpoint_with_a_tensor_of_another_shape(tmp_path, resnet_state):
    state = {**resnet_state, "fc.weight": torch.zeros(10, 2048), "fc.bias": torch.zeros(10)}
    expected = (
        r"weights\.pt' does not fit: size mismatch for fc\.weight: .* shape .*\[10, 2048\].* model .*\[1000, 2048\]"
    )
    with pytest.raises(ValueError, match=expected):
        load_resnet(tmp_path, state)


def test_checkpoint_with_a_tensor_left_over(tmp_path, resnet_state):
    with pytest.raises(ValueError, match="does not fit: the network has no tensor 'head.weight'"):
        load_resnet(tmp_path, {**resnet_state, "head.weight": torch.zeros(1)})


def test_checkpoint_of_another_network(tmp_path):
    path = tmp_path / "lite.pt"
    torch.save(gamlib.load_model("efficientnet_lite0", weights=None).module.state_dict(), path)
    with pytest.raises(ValueError, match=r"lite\.pt' does not fit: size mismatch for bn1\.weight: .*\[32\].*\[64\]"):
        gamlib.load_model("resnet50", weights=path)


NO_STATES = [([1, 2], "list"), (torch.zeros(2), "Tensor"), ({0: torch.zeros(1)}, "dict")]


@pytest.mark.parametrize(("content", "kind"), NO_STATES)
def test_checkpoint_that_is_no_dictionary_of_tensors(tmp_path, content, kind):
    with pytest.raises(ValueError, match=f"holds a {kind}, expected a dictionary of named tensors"):
        load_resnet(tmp_path, content)


@pytest.mark.parametrize(("key", "value", "kind"), [("epoch", 3, "int"), ("model_state_dict", {}, "dict")])
def test_checkpoint_with_something_that_is_no_tensor(tmp_path, key, value, kind):
    text = rf"holds a {kind} under '{key}', expected tensors only; they may be nested under \"state_dict\" or \"model\""
    with pytest.raises(ValueError, match=text):
        load_resnet(tmp_path, {"fc.bias": torch.zeros(1), key: value})


def test_checkpoint_that_could_run_code(tmp_path):
    text = r"only tensors: it holds a torch.nn.modules.linear.Linear; save it again with torch.save\("
    with pytest.raises(ValueError, match=text):
        load_resnet(tmp_path, nn.Linear(1, 1))


DAMAGED = {
    "text": b"weights",
    "page": b"<!DOCTYPE html><html></html>",
    "empty": b"",
    "other zip": b"PK\x05\x06" + bytes(18),
    "other pickle": pickle.dumps({"a": 1}, protocol=4),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_checkpoint(path)
    text = rf"weights: '{path}' is not a checkpoint that holds only tensors: it is damaged, or torch.save .* \(\w+\)"
    assert re.fullmatch(text, str(error.value))
    # torch's own page of advice is not shown above it
    assert error.value.__cause__ is None and error.value.__suppress_context__


def test_checkpoint_that_ends_early(tmp_path, resnet_state):
    torch.save(resnet_state, tmp_path / "weights.pt")
    content = (tmp_path / "weights.pt").read_bytes()
    (tmp_path / "weights.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"weights.pt' is not a .*: it is damaged, or torch.save did not write it"):
        read_checkpoint(tmp_path / "weights.pt")


def test_missing_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights: no file '.*nothing.pt'; give \"default\", None"):
        gamlib.load_model("resnet50", weights=tmp_path / "nothing.pt")


FACTORY = """
import torch
from torch import nn
from torchvision import transforms
import gamlib

def make(weights=None):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    transform = gamlib.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)
    return gamlib.Model(net, ["1"], net[:4], net[4], transform, categories=["a", "b"], name=f"own {weights}")

def wrong():
    return nn.ReLU()
"""


@pytest.fixture
def factory(tmp_path, monkeypatch) -> str:
    (tmp_path / "own_network.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_network:make"


def test_network_of_one_s_own(factory):
    model = gamlib.load_model(factory)
    assert model.name == "own None"
    assert gamlib.load_model(factory, weights="some.pt").name == "own some.pt"
    x = torch.rand(2, 3, 8, 8)
    assert gamlib.gam(gamlib.trace_class(model, x, layers=1), n=1).shape == (2, 8, 8)
    torch.testing.assert_close(model.probabilities(x).sum(dim=1), torch.ones(2))
    assert model.embed(x).shape == (2, 4)
    assert not model.logits(x).requires_grad


def test_factory_that_returns_something_else(factory):
    with pytest.raises(TypeError, match="'own_network:wrong' returned a ReLU, expected a gamlib.Model"):
        gamlib.load_model("own_network:wrong")


def test_weights_for_a_factory_that_takes_none(factory):
    with pytest.raises(ValueError, match="weights: 'own_network:wrong' takes no weights= and has its own"):
        gamlib.load_model("own_network:wrong", weights="some.pt")


@pytest.mark.parametrize("name", ["no_such_package:make", "own_network:nothing", ":make"])
def test_factory_that_cannot_be_imported(factory, name):
    with pytest.raises(ValueError, match=f"model: '{name}' cannot be imported .* is its folder on PYTHONPATH"):
        gamlib.load_model(name)


def test_model_of_a_layer_it_does_not_have():
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(ValueError, match="layers: the network has no submodule 'relu'"):
        gamlib.Model(net, ["relu"], net, net, GREY)


def test_multilabel_probabilities_are_sigmoids():
    net = nn.Sequential(nn.Identity(), nn.Linear(2, 2))
    model = gamlib.Model(net, ["0"], net[0], nn.Identity(), GREY, multilabel=True)
    torch.testing.assert_close(model.activate(torch.tensor([[0.0, 2.0]])), torch.tensor([[0.5, 0.880797]]))


# Preprocessing


def test_white_black_and_grey(lite0):
    for colour, expected in (("white", 1.0), ("black", -1.0), ((51, 51, 51), -0.6)):
        x = lite0.transform(Image.new("RGB", (31, 47), colour))
        assert x.shape == (3, 224, 224)
        assert x.dtype == torch.float32
        torch.testing.assert_close(x, torch.full_like(x, expected))


def test_torchvision_normalisation_by_hand():
    x = gamlib.load_model("resnet50", weights=None).transform(Image.new("RGB", (9, 9), (255, 0, 51)))
    # (1 - 0.485)/0.229, (0 - 0.456)/0.224, (0.2 - 0.406)/0.225
    expected = torch.tensor([0.515 / 0.229, -0.456 / 0.224, -0.206 / 0.225])
    torch.testing.assert_close(x[:, 100, 100], expected)


def test_pixels_is_the_inverse_of_normalize(lite0):
    p = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(lite0.pixels(lite0.normalize(p)), p)
    assert lite0.normalize(torch.ones(1, 3, 1, 1)).flatten().tolist() == [1, 1, 1]


def test_whole_image_is_squeezed_by_default(lite0):
    # left half black, right half white: the edge stays in the middle whatever the shape
    image = Image.new("RGB", (640, 320), "black")
    image.paste("white", (320, 0, 640, 320))
    row = lite0.transform(image)[0, 112]
    assert (row[:109] == -1).all()
    assert (row[115:] == 1).all()


def test_crop_takes_the_centre(lite0):
    # 640 x 320 becomes 512 x 256; the crop keeps columns 144..368 of 512, that is 180..460 of 640.
    image = Image.new("RGB", (640, 320), "black")
    image.paste("white", (200, 0, 440, 320))
    x = lite0.transform(image, crop=True)
    assert x.shape == (3, 224, 224)
    row = x[0, 112]
    # 200 -> (200 * 0.8) - 144 = 16 and 440 -> 208; two pixels of blur
    assert (row[:14] == -1).all()
    assert (row[18:206] == 1).all()
    assert (row[210:] == -1).all()


@pytest.mark.parametrize("size", [(333, 503), (501, 335), (299, 299), (257, 640)])
def test_crop_is_that_of_torchvision(size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8))
    ours = gamlib.Preprocess((224, 224), (0.5,) * 3, (0.5,) * 3, 0.875, Image.Resampling.BILINEAR)(image, crop=True)
    cropped = transforms.CenterCrop(224)(transforms.Resize(256)(image))
    torch.testing.assert_close(ours, 2 * transforms.ToTensor()(cropped) - 1)


def test_crop_of_an_upright_image_takes_the_middle_rows(lite0):
    # 100 x 200 becomes 256 x 512, rows 144..368: the top 0..144 (56 of 200 rows) is gone
    image = Image.new("RGB", (100, 200), "white")
    image.paste("black", (0, 0, 100, 50))
    assert (lite0.transform(image, crop=True) == 1).all()


def test_greyscale_network_gets_one_channel():
    x = GREY(Image.new("RGB", (12, 8), (255, 255, 255)))
    assert x.shape == (1, 4, 6)
    assert (x == 2).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_other_image_modes_become_rgb(lite0, mode):
    x = lite0.transform(Image.new("RGB", (20, 20), "white").convert(mode))
    assert x.mean().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("image", [None, np.zeros((4, 4, 3)), torch.zeros(3, 4, 4)])
def test_what_is_no_image(lite0, image):
    with pytest.raises(TypeError, match="image: expected a PIL image or a path, got "):
        lite0.transform(image)


def test_default_model_knows_thirty_photographs(lite0, open_data):
    # The file names hold the class; top-1 is about 90% (27 of 30), and 25 leaves room for other decoders.
    folder = open_data / "imagenet-samples"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    names = {name.lower().replace(" ", "_"): index for index, name in enumerate(lite0.categories)}
    paths = sorted(folder.glob("*.JPEG"))
    targets = [names[path.stem.split("_", 1)[1].lower()] for path in paths]
    x = torch.stack([lite0.transform(Image.open(path), crop=True) for path in paths])
    found = lite0.logits(x).argmax(dim=1).tolist()
    assert len(paths) == 30
    assert sum(a == b for a, b in zip(found, targets, strict=True)) >= 25
