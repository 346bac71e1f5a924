"""CheXNet and TResNet, with random weights and with files in the published formats."""

import pickle
import re

import pytest
import requests
import timm
import torch
from PIL import Image

from gamlib.models import load_model
from gamlib.models.multilabel import read_pickled_network

xrv = pytest.importorskip("torchxrayvision", reason='needs the extra "paper"')

NIH = [
    "Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema", "Fibrosis", "Effusion",
    "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass", "Hernia",
]  # fmt: skip


@pytest.fixture(scope="module")
def xray_net():
    """torchxrayvision's own network, with running statistics that differ from the initial ones."""
    torch.manual_seed(0)
    net = xrv.models.DenseNet().eval()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
    return net


@pytest.fixture(scope="module")
def radiograph():
    return Image.effect_noise((300, 200), 60)


def check_against_torchxrayvision(model, net, image):
    x = model.transform(image)[None]
    pixels = torch.frombuffer(
        bytearray(image.resize((224, 224), Image.Resampling.BICUBIC).tobytes()), dtype=torch.uint8
    )
    # torchxrayvision's own scaling of 0..255
    theirs = torch.as_tensor(xrv.datasets.normalize(pixels.numpy().astype("float32"), 255)).reshape(1, 1, 224, 224)
    torch.testing.assert_close(x, theirs, rtol=0, atol=1e-3)
    with torch.inference_mode():
        expected = net(theirs)[:, :14].sigmoid()
    torch.testing.assert_close(model.probabilities(x), expected, rtol=0, atol=1e-5)


def test_chexnet_reads_a_checkpoint_of_tensors(xray_net, radiograph, tmp_path):
    torch.save(xray_net.state_dict(), tmp_path / "nih.pt")
    model = load_model("chexnet", tmp_path / "nih.pt")
    assert model.categories == NIH
    assert model.layers[0] == "relu"
    check_against_torchxrayvision(model, xray_net, radiograph)


@pytest.mark.parametrize("zipped", [True, False])
def test_chexnet_reads_the_pickled_network_that_is_published(xray_net, radiograph, tmp_path, monkeypatch, zipped):
    # before torch 1.6 the format was another, and modules lacked an attribute
    path = tmp_path / "published.pt"
    if not zipped:
        for part in xray_net.modules():
            monkeypatch.delitem(part.__dict__, "_non_persistent_buffers_set")
    torch.save(xray_net, path, _use_new_zipfile_serialization=zipped)
    monkeypatch.undo()
    monkeypatch.setattr(xrv.models, "get_weights", lambda name: str(path))
    check_against_torchxrayvision(load_model("chexnet"), xray_net, radiograph)


class Harmful:
    def __reduce__(self):
        return (print, ("this must not be called",))


def test_a_pickled_network_cannot_run_code(tmp_path, capsys):
    torch.save({"net": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(pickle.UnpicklingError, match="'__builtin__.print' has no place in a file of weights"):
        read_pickled_network(tmp_path / "harmful.pt", xrv.models)
    with pytest.raises(ValueError, match="harmful.pt' is not a checkpoint that holds only tensors"):
        load_model("chexnet", tmp_path / "harmful.pt")
    assert capsys.readouterr().out == ""


def test_chexnet_offline(monkeypatch):
    def offline(name):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(xrv.models, "get_weights", offline)
    with pytest.raises(ConnectionError, match=r"could not be fetched from https://.*\.pt \(no route\).*weights=None"):
        load_model("chexnet")


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_download_of_chexnet_that_was_cut_short(xray_net, tmp_path, monkeypatch, share):
    path = tmp_path / "published.pt"
    torch.save(xray_net, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    monkeypatch.setattr(xrv.models, "get_weights", lambda name: str(path))
    with pytest.raises(ValueError, match=r"published.pt' is damaged \(.*\); delete it, and it is fetched anew"):
        load_model("chexnet")


def test_chexnet_layers():
    model = load_model("chexnet", weights=None)
    shapes = {}
    for name in model.layers:
        part = model.module.get_submodule(name)
        part.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    model.logits(torch.zeros(1, 1, 224, 224))
    assert [shapes[name] for name in model.layers] == [(1024, 7, 7), (1024, 14, 14), (512, 28, 28), (256, 56, 56)]


def published_names(state):
    """timm's tensor names of TResNet to those of the original code, in which a convolution and its activated
    normalisation are numbered, one level deeper where an anti-aliasing layer follows."""
    renamed = {}
    for key, value in state.items():
        blurred = re.match(r"body\.(layer2\.0\.conv1|layer[34]\.0\.conv2)\.", key)
        inner = ".0" if blurred else ""
        key = re.sub(r"(conv\d|downsample\.\d)\.conv\.", rf"\g<1>{inner}.0.", key)
        renamed[re.sub(r"(conv\d|downsample\.\d)\.bn\.", rf"\g<1>{inner}.1.", key)] = value
    return renamed


@pytest.fixture(scope="module")
def tresnet(tmp_path_factory):
    """A TResNet-L of three classes and its checkpoint in the published format."""
    torch.manual_seed(0)
    net = timm.create_model("tresnet_l", num_classes=3).eval()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    norms = [key for key in state if key.endswith("bn.weight")]
    for number, key in enumerate(norms):
        # the activated normalisation uses the size of its weight plus 1e-5; in the file the sign is open
        state[key] = torch.full_like(state[key], 0.5 if number % 2 else -0.5)
    net.load_state_dict({**state, **{key: state[key].abs() + 1e-5 for key in norms}})
    names = {2: "zebra", 0: "person", 1: "cat"}
    path = tmp_path_factory.mktemp("tresnet") / "MS_COCO_TRresNet_L_448.pth"
    torch.save({"model": published_names(state), "num_classes": 3, "idx_to_class": names}, path)
    return net, path


def test_tresnet_reads_the_published_format(tresnet):
    net, path = tresnet
    names = torch.load(path, weights_only=True)["model"]
    assert {"body.conv1.0.weight", "body.layer2.0.conv1.0.1.weight", "body.layer3.0.downsample.1.1.bias"} <= set(names)
    model = load_model("tresnet_l_coco", path)
    assert model.categories == ["person", "cat", "zebra"]
    assert model.input_size == (448, 448)
    x = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(x), net(x))
        torch.testing.assert_close(model.probabilities(x), net(x).sigmoid())


def test_tresnet_random(tresnet):
    model = load_model("tresnet_l_coco", weights=None)
    assert (model.categories, model.module.num_classes) == (None, 80)
    white = model.transform(Image.new("RGB", (60, 40), "white"))
    assert (white.shape, white.min().item()) == ((3, 448, 448), 1.0)
    with torch.inference_mode():
        shapes = [tuple(f.shape[2:]) for f in model.module.forward_intermediates(torch.zeros(1, 3, 448, 448))[1]]
    assert shapes[:0:-1] == [(14, 14), (28, 28), (56, 56), (112, 112)]


def test_tresnet_errors(tresnet, tmp_path):
    with pytest.raises(ValueError, match=r"'tresnet_l_coco' has no weights that are fetched .* give the path"):
        load_model("tresnet_l_coco")
    content = torch.load(tresnet[1], weights_only=True)
    del content["model"]["head.fc.bias"]
    torch.save(content, tmp_path / "headless.pth")
    with pytest.raises(ValueError, match=r"headless.pth' does not fit: tensor 'head.fc.bias' is missing"):
        load_model("tresnet_l_coco", tmp_path / "headless.pth")
    torch.save({**content, "idx_to_class": {1: "person", 3: "cat"}}, tmp_path / "gap.pth")
    with pytest.raises(ValueError, match="gap.pth': the indices of idx_to_class are not 0 to 1"):
        load_model("tresnet_l_coco", tmp_path / "gap.pth")
    for names in ("person", {"person": 0}, 3):
        torch.save({**content, "idx_to_class": names}, tmp_path / "names.pth")
        with pytest.raises(ValueError, match=r"names.pth': idx_to_class is .*, expected index -> class name"):
            load_model("tresnet_l_coco", tmp_path / "names.pth")


def test_tresnet_takes_a_list_of_names(tresnet, tmp_path):
    content = torch.load(tresnet[1], weights_only=True)
    torch.save({**content, "idx_to_class": ["person", "cat", "zebra"]}, tmp_path / "list.pth")
    assert load_model("tresnet_l_coco", tmp_path / "list.pth").categories == ["person", "cat", "zebra"]
