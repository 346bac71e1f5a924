"""Networks of one's own: layers that hand on other layouts, and each mistake with the sentence that answers it."""

import copy
import pickle
import threading

import pytest
import timm
import torch
import torchvision
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

import gamlib
from gamlib.data.classes import class_index
from gamlib.models.checkpoints import load_state
from gamlib.scores import PairScore

HALF = gamlib.Preprocess((64, 64), (0.5,) * 3, (0.5,) * 3)


def images(batch: int, *size: int) -> Tensor:
    return torch.randn(batch, 3, *(size or (64, 64)), generator=torch.Generator().manual_seed(1))


def from_timm(net: nn.Module, layers, **options) -> gamlib.Model:
    def features(x):
        return net.forward_head(net.forward_features(x), pre_logits=True)

    return gamlib.Model(net.eval(), layers, features, net.get_classifier(), HALF, **options)


def same_layer(model: gamlib.Model, x: Tensor, activation: Tensor, logits: Tensor, arrange) -> gamlib.Trace:
    """The trace of class 1 against the gradient of a forward that is written out; `arrange` gives (B, C, h, w)."""
    trace = gamlib.trace_class(model, x, 1, layers=1)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), activation)
    torch.testing.assert_close(trace.layers[0].activation, arrange(activation).detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(trace.layers[0].gradient, arrange(gradient), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(trace.score, logits[:, 1].detach(), rtol=1e-5, atol=1e-5)
    return trace


@pytest.fixture
def seeded():
    torch.manual_seed(0)


# --- layouts ---


@pytest.mark.parametrize(
    ("layout", "options", "ahead"),
    [
        ("BNC+1", {}, 1),
        ("BNC+5", {"reg_tokens": 4}, 5),
        ("BNC", {"class_token": False, "global_pool": "avg"}, 0),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_tokens_of_a_vision_transformer(seeded, layout, options, ahead, size):
    net = VisionTransformer(size, 16, num_classes=3, embed_dim=24, depth=2, num_heads=2, **options).eval()
    model, x = from_timm(net, ["blocks.1.norm1"], layout=layout), images(2, *size)
    # written out: the last block, whose attention sees the normalised tokens
    before = net.blocks[0](net.norm_pre(net._pos_embed(net.patch_embed(x)))).detach()
    tokens = net.blocks[1].norm1(before).requires_grad_()
    after = before + net.blocks[1].attn(tokens)
    after = net.norm(after + net.blocks[1].mlp(net.blocks[1].norm2(after)))
    pooled = net.fc_norm(after[:, 0] if options.get("global_pool") is None else after.mean(dim=1))
    height, width = size[0] // 16, size[1] // 16
    trace = same_layer(
        model,
        x,
        tokens,
        net.head(pooled),
        lambda t: torch.stack([t[:, ahead + width * row : ahead + width * (row + 1)] for row in range(height)], 1)
        .movedim(-1, 1),
    )  # fmt: skip
    assert gamlib.gam(trace).shape == (2, *size)


def test_stages_of_swin_keep_channels_last(seeded):
    net = timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, img_size=64, window_size=2).eval()
    model, x = from_timm(net, ["layers.3", "layers.2"], layout="BHWC"), images(2)
    stage = net.layers[:3](net.patch_embed(x)).detach()
    last = net.layers[3](stage).requires_grad_()
    logits = net.head.fc(net.norm(last).mean(dim=(1, 2)))
    same_layer(model, x, last, logits, lambda t: t.movedim(-1, 1))
    with pytest.raises(ValueError, match=r"'layers.3' is no \(B, C, h, w\) activation .* layout=\"BHWC\""):
        gamlib.trace_class(from_timm(net, ["layers.3"]), x)


def test_the_inside_of_a_convnext_block_is_named_alone(seeded):
    net = timm.create_model("convnext_tiny", num_classes=3, depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)).eval()
    inner = "stages.3.blocks.0.mlp"
    model, x = from_timm(net, [inner, "stages.2"], layout={inner: "BHWC"}), images(2)
    stage, block = net.stages[3], net.stages[3].blocks[0]
    shortcut = stage.downsample(net.stages[:3](net.stem(x))).detach()
    inside = block.mlp(block.norm(block.conv_dw(shortcut).permute(0, 2, 3, 1))).detach().requires_grad_()
    out = shortcut + inside.permute(0, 3, 1, 2) * block.gamma.reshape(1, -1, 1, 1)
    same_layer(model, x, inside, net.head(out), lambda t: t.permute(0, 3, 1, 2))
    assert [layer.activation.shape[1] for layer in gamlib.trace_class(model, x).layers] == [32, 24]


def test_sequence_first_and_what_a_wrong_layout_is_told(seeded):
    class Sequence(nn.Module):
        """16 tokens of 8 numbers, sequence first, behind one more."""

        def __init__(self):
            super().__init__()
            self.patch, self.turn, self.head = nn.Conv2d(3, 8, 16, 16), nn.Identity(), nn.Linear(8, 2)

        def features(self, x):
            tokens = self.patch(x).flatten(2).permute(2, 0, 1)
            return self.turn(torch.cat([tokens[:1] * 0, tokens])).relu().mean(dim=0)

    net, x = Sequence(), images(2)
    right, wrong = (gamlib.Model(net, ["turn"], net.features, net.head, HALF, layout=f) for f in ("NBC+1", "NBC+2"))
    expected = net.patch(x).detach()
    assert torch.equal(gamlib.trace_class(right, x, 1).layers[0].activation, expected)
    message = r"'turn' hands on 17 tokens, which fill no 64 x 64 image with 2 of them ahead; .* layout='BNC\+1'"
    with pytest.raises(ValueError, match=message):
        gamlib.trace_class(wrong, x, 1)


class Turned(nn.Module):
    """A convolution whose channels go last, and a linear layer on them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, channels, 4, stride=4), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convolution(x).permute(0, 2, 3, 1))


# of 64 pixels a side there are 16 positions a side: as many as there are channels, a few less, many less
@pytest.mark.parametrize("channels", [16, 14, 13, 20, 4])
def test_channels_last_are_not_taken_for_a_grid_of_nearly_their_number(channels):
    torch.manual_seed(0)
    net = nn.ModuleDict({"body": Turned(channels), "head": nn.Linear(channels, 2)})

    def features(x: Tensor) -> Tensor:
        return net["body"](x).mean(dim=(1, 2))

    with pytest.raises(ValueError, match=r"'body' is no \(B, C, h, w\) activation .*layout=\"BHWC\""):
        gamlib.trace_class(gamlib.Model(net, ["body"], features, net["head"], HALF), images(1))
    trace = gamlib.trace_class(gamlib.Model(net, ["body"], features, net["head"], HALF, layout="BHWC"), images(1))
    assert trace.layers[0].activation.shape == (1, channels, 16, 16)
    # what has been called channels last is looked at, too
    turned = gamlib.Model(net, ["body.convolution"], features, net["head"], HALF, layout="BHWC")
    if channels == 4:
        with pytest.raises(ValueError, match=r"hands on \(1, 4, 16, 16\), which as BHWC is no activation of a 64 x 64"):
            gamlib.trace_class(turned, images(1))


def test_a_convolution_may_have_as_many_channels_as_positions():
    net = nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2)
    )
    model = gamlib.Model(net, ["1"], net[:4], net[4], HALF)
    assert gamlib.trace_class(model, images(1)).layers[0].activation.shape == (1, 16, 16, 16)


@pytest.mark.parametrize("layout", ["BCWH", "BHWC+1", "BNC+", {"two": "NCHW"}])
def test_an_unknown_layout(layout):
    with pytest.raises(ValueError, match="layout: unknown .*; accepted: BCHW, BHWC, BNC, NBC, BNC\\+1 and the like"):
        plain(layout=layout)


def test_sides_in_another_ratio_are_taken_where_the_model_says_so():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, (8, 1), 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    options = {"head": nn.Linear(4, 2), "transform": HALF}
    with pytest.raises(ValueError, match=r'of a 64 x 64 input but \(1, 4, 8, 64\); .*Then layout="BCHW"'):
        gamlib.trace_class(gamlib.Model(net, ["1"], net, **options), images(1))
    trace = gamlib.trace_class(gamlib.Model(net, ["1"], net, layout="BCHW", **options), images(1))
    assert trace.layers[0].activation.shape == (1, 4, 8, 64)


@pytest.mark.parametrize("size", [(32, 100), (48, 480), (17, 300), (224, 224), (5, 5)])
def test_rounding_of_sizes_is_no_other_ratio(size):
    net = nn.Sequential(*(nn.Conv2d(c, 4, 3, 2, 1) for c in (3, 4, 4, 4)), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    model = gamlib.Model(net, ["4", "2", "0"], net, nn.Linear(4, 2), HALF)
    assert gamlib.gam(gamlib.trace_class(model, images(1, *size), layers=3), n=3).shape == (1, *size)


# --- mistakes ---


class Plain(nn.Module):
    """Two convolutions, one auxiliary layer, a pool, a linear layer."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.one, self.two, self.aux = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 4, 1)
        self.fc = nn.Linear(8, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.two(self.one(x).relu()).relu()
        self.side = self.aux(x)
        return x.mean(dim=(2, 3))


def plain(layers=("two", "one"), features=None, head=None, classes=4, **options) -> gamlib.Model:
    net = Plain(classes)
    made = net.features if features is None else features(net)
    options = {"transform": HALF} | options
    return gamlib.Model(net, layers, made, net.fc if head is None else head(net), **options)


def spoilt(change):
    return lambda net: lambda x: change(net.features(x))


FEATURES = {
    "(2, 8), None": (lambda h: (h, None), r"features: returned a tuple, expected the embeddings \(B, D\)"),
    "dict": (lambda h: {"pooled": h}, "features: returned a dict with pooled, .*; return the one tensor"),
    "(B,)": (lambda h: h[:, 0], r"features: returned \(2,\) for 2 images, .*give each image a row"),
    "(B, h, w, C)": (lambda h: h[:, None, None].expand(-1, 3, 3, -1), r"returned \(2, 3, 3, 8\).*pool it"),
    "(B, N, C)": (lambda h: h[:, None].expand(-1, 3, -1), r"features: returned \(2, 3, 8\) for 2 images.*pool it"),
    "other rows": (lambda h: h.repeat(3, 1), r"features: returned \(6, 8\) for 2 images"),
    "integers": (lambda h: h.long(), "features: returned a tensor of torch.int64"),
    "detached": (lambda h: h.detach(), "no gradient of the score comes to 'two'.* cut the graph"),
}


@pytest.mark.parametrize(("change", "message"), FEATURES.values(), ids=FEATURES.keys())
@pytest.mark.parametrize("explain", [gamlib.trace_class, lambda model, x: gamlib.trace_pair(model, x[:1], x[1:])])
def test_what_features_return(change, message, explain):
    with pytest.raises(ValueError, match=message):
        explain(plain(features=spoilt(change)), images(2))


HEADS = {
    "dict": (lambda h: {"logits": h}, r"head: returned a dict with logits, expected the logits \(B, K\)"),
    "(B,)": (lambda h: h[:, 0], r"head: returned \(2,\) for 2 images"),
    "segmentation": (lambda h: h[:, :, None, None].expand(-1, -1, 9, 9), r"head: returned \(2, 4, 9, 9\).*pool it"),
    "detached": (lambda h: h.detach(), "no gradient of the score comes to 'two'"),
}


@pytest.mark.parametrize(("change", "message"), HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("target", [None, 1])
def test_what_head_returns(change, message, target):
    with pytest.raises(ValueError, match=message):
        gamlib.trace_class(plain(head=lambda net: lambda h: change(net.fc(h))), images(2), target)


def test_what_fails_inside_head_is_named():
    model = plain(head=lambda net: nn.Conv2d(8, 4, 1))
    with pytest.raises(RuntimeError) as error:
        gamlib.trace_class(model, images(2))
    assert error.value.__notes__ == ["This was head of gamlib.Model(custom), given embeddings (2, 8)."]


def test_pixels_of_size_one_are_flattened():
    model, spread = plain(), plain(features=spoilt(lambda h: h[:, :, None, None]))
    spread.module.load_state_dict(model.module.state_dict())
    assert torch.equal(model.embed(images(2)), spread.embed(images(2)))
    assert torch.equal(gamlib.trace_class(model, images(2)).score, gamlib.trace_class(spread, images(2)).score)


@pytest.mark.parametrize("wrap", [torch.no_grad, torch.inference_mode])
def test_features_without_gradients(wrap):
    with pytest.raises(ValueError, match="features: 'one' runs under torch.no_grad or torch.inference_mode"):
        gamlib.trace_class(plain(features=lambda net: wrap()(net.features)), images(1))


@pytest.mark.parametrize("layers", [["aux"], ["aux", "two"]])
def test_a_layer_beside_the_way_to_the_score(layers):
    with pytest.raises(ValueError, match="no gradient of the score comes to 'aux'. Either it lies beside the way"):
        gamlib.trace_class(plain(layers), images(1))


@pytest.mark.parametrize("explained", [1, 2, ["one", "two"]])
def test_layers_in_the_network_s_own_order(explained):
    message = r"layers: expected last first, \['two', 'one'\], got \['one', 'two'\]"
    with pytest.raises(ValueError, match=message):
        gamlib.trace_class(plain(["one", "two"]), images(1), layers=explained)
    # one that is named alone is what was asked for
    assert gamlib.trace_class(plain(["one", "two"]), images(1), layers=["two"]).layers[0].name == "two"


def test_a_layer_that_sees_other_rows_than_the_batch():
    views = plain(features=lambda net: lambda x: net.features(torch.cat([x, x.flip(-1), x.flip(-2)])).view(3, 2, 8)[0])
    with pytest.raises(ValueError, match="layers: 'one' saw 6 rows for 2 images; name a layer that sees each image"):
        gamlib.trace_class(views, images(2))


@pytest.mark.parametrize(
    ("layers", "kind", "message"),
    [
        (2.0, TypeError, "layers: got a float; give how many, such as 2, or a list of names"),
        ({"two"}, TypeError, "layers: got a set; give how many"),
        ([nn.ReLU()], TypeError, "layers: got a ReLU; give names"),
    ],
)
def test_layers_that_are_neither_a_number_nor_names(layers, kind, message):
    with pytest.raises(kind, match=message):
        gamlib.trace_class(plain(), images(1), layers=layers)


def test_a_layer_that_returns_a_tuple():
    class Two(nn.Module):
        def forward(self, x):
            return x, None

    net = nn.Sequential(nn.Conv2d(3, 4, 3), Two())
    model = gamlib.Model(net, ["1"], lambda x: net(x)[0].mean(dim=(2, 3)), nn.Linear(4, 2), HALF)
    with pytest.raises(ValueError, match="the output of '1' is no .* activation but a tuple"):
        gamlib.trace_class(model, images(1))


def test_one_layer_is_enough():
    model = plain(["two"])
    trace = gamlib.trace_class(model, images(1))
    assert [layer.name for layer in trace.layers] == ["two"]
    assert torch.equal(gamlib.gam(trace), gamlib.gam(trace, n=1))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_torchscript():
    net = torch.jit.script(torchvision.models.resnet18(num_classes=2))
    with pytest.raises(ValueError, match="layers: 'layer4' is TorchScript, which no hook can read"):
        gamlib.Model(net, ["layer4"], net, net.fc, HALF)


MODELS = {
    "two heads": (dict(head=lambda net: (net.fc, net.fc)), TypeError, "head: got a tuple; give one function or module"),
    "features": (dict(features=lambda net: None), TypeError, "features: got a NoneType; give one function or module"),
    "dict of names": (dict(categories={0: "cat", 1: "dog"}), TypeError, "categories: got a dict; give a list of names"),
    "numbers": (dict(categories=[0, 1]), TypeError, "categories: got a list; give a list of names"),
    "text": (dict(categories="abcd"), TypeError, "categories: got a str"),
    "torchvision": (
        dict(transform=torchvision.transforms.ToTensor()),
        TypeError,
        "transform: got a ToTensor",
    ),
}


@pytest.mark.parametrize(("options", "kind", "message"), MODELS.values(), ids=MODELS.keys())
def test_what_a_model_is_made_of(options, kind, message):
    with pytest.raises(kind, match=message):
        plain(**options)


@pytest.mark.parametrize("given", [["cat"], ["a"] * 5])
def test_as_many_categories_as_logits(given):
    with pytest.raises(ValueError, match=f"categories: {len(given)} names for 4 classes; give one a class"):
        gamlib.trace_class(plain(categories=given), images(1))
    with pytest.raises(ValueError, match="categories"):
        plain(categories=given).probabilities(images(1))


PREPROCESS = {
    "a side": ((224, (0.5,) * 3, (0.5,) * 3), TypeError, r"input_size: got 224; give \(H, W\), e.g. \(224, 224\)"),
    "three": (((3, 224, 224), (0.5,) * 3, (0.5,) * 3), ValueError, r"input_size: got \(3, 224, 224\)"),
    "a mean": (((8, 8), 0.5, 0.5), TypeError, "mean: got 0.5; give one number a channel"),
    "lengths": (((8, 8), (0.5,) * 3, (0.5,)), ValueError, "mean, std: got .*one number a channel each"),
    "zero": (((8, 8), (0.5,), (0,)), ValueError, "deviations above 0"),
}


@pytest.mark.parametrize(("given", "kind", "message"), PREPROCESS.values(), ids=PREPROCESS.keys())
def test_numbers_that_are_no_preprocessing(given, kind, message):
    with pytest.raises(kind, match=message):
        gamlib.Preprocess(*given)


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_a_photograph_for_other_channels(channels):
    transform = gamlib.Preprocess((16, 16), (0.0,) * channels, (1.0,) * channels)
    with pytest.raises(ValueError, match=f"a photograph has 1 or 3 channels, this network's input {channels}; put x"):
        transform(Image.new("RGB", (20, 20)))
    net = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    model = gamlib.Model(net, ["1"], net, nn.Linear(4, 2), transform)
    assert gamlib.gam(gamlib.trace_class(model, torch.rand(1, channels, 16, 16))).shape == (1, 16, 16)


def test_pairs_of_two_sizes():
    with pytest.raises(ValueError, match="pair: the sides have 64 x 64 and 64 x 96 pixels; bring them to one size"):
        gamlib.trace_pair(plain(), images(2), images(2, 64, 96))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_input_that_is_not_finite(value):
    x = images(3)
    x[1, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r"x: images \[1\] hold values that are not finite"):
        gamlib.trace_class(plain(), x)


# --- targets, classes, heads ---


NAMES = ["tabby", "tiger cat", "coffee mug", "Cat flap"]


def test_a_target_by_name():
    model, x = plain(categories=NAMES), images(2)
    assert torch.equal(gamlib.trace_class(model, x, "coffee mug").score, gamlib.trace_class(model, x, 2).score)
    assert gamlib.trace_class(model, x, ["tabby", 3]).target.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("tabbby", ValueError, "did you mean 'tabby'"),
        ("cat", ValueError, "did you mean 'tiger cat', 'Cat flap'"),
        (["tabby", "dog"], ValueError, "class 'dog' is not one of the model's 4 categories"),
        ([None, 1], TypeError, "target: expected class indices .integers. or names"),
    ],
)
def test_a_target_that_is_no_class(target, kind, message):
    with pytest.raises(kind, match=message):
        gamlib.trace_class(plain(categories=NAMES), images(2), target)


def test_a_name_where_there_are_none():
    with pytest.raises(ValueError, match="class 'tabby': the model has no category names; give it `categories`"):
        gamlib.trace_class(plain(), images(1), "tabby")
    with pytest.raises(TypeError, match="class: got 1.5; give an index"):
        class_index(1.5, NAMES)


def test_one_logit_has_two_classes():
    model, x = plain(classes=1, categories=["no", "yes"]), images(3)
    logit = model.logits(x)[:, 0]
    torch.testing.assert_close(model.probabilities(x), torch.stack([1 - logit.sigmoid(), logit.sigmoid()], 1))
    yes, no, top = (gamlib.trace_class(model, x, target) for target in ("yes", "no", None))
    torch.testing.assert_close(yes.score, logit)
    assert torch.equal(no.score, -yes.score)
    assert torch.equal(no.layers[0].gradient, -yes.layers[0].gradient)
    assert torch.equal(top.target, (logit > 0).long())
    assert yes.logits.shape == (3, 1)
    with pytest.raises(ValueError, match="class 2 is out of range; the model has classes 0 to 1"):
        gamlib.trace_class(plain(classes=1), x, 2)


def test_one_label_of_a_multilabel_network_stays_one():
    model, x = plain(classes=1, multilabel=True), images(2)
    torch.testing.assert_close(model.probabilities(x), model.logits(x).sigmoid())
    torch.testing.assert_close(gamlib.trace_class(model, x, 0).score, model.logits(x)[:, 0])


@pytest.mark.parametrize(
    "ask", [gamlib.trace_class, gamlib.Model.logits, gamlib.Model.probabilities], ids=["trace", "logits", "probability"]
)
def test_a_network_without_classes(ask):
    model = gamlib.Model(plain().module, ["two"], lambda x: x.mean(dim=(2, 3)), None, HALF, name="embedder")
    with pytest.raises(ValueError, match="head: embedder has none, so there are no classes; explain a similarity"):
        ask(model, images(2))
    assert model.embed(images(2)).shape == (2, 3)


# --- precision, modes, threads, copies ---


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_input_is_brought_to_the_network_s_precision(dtype):
    model, x = plain(), images(2)
    model.module.to(dtype)
    made = [model.embed(x), model.logits(x), model.probabilities(x)]
    assert {each.dtype for each in made} == {dtype}
    with pytest.raises(TypeError, match="x: expected a dense float tensor"):
        model.embed(x.byte())


@pytest.mark.parametrize("training", [True, False])
def test_a_model_leaves_the_mode_alone(training):
    net = torchvision.models.resnet18(num_classes=4).train(training)
    model = gamlib.Model(net, ["layer4"], lambda x: net.maxpool(net.bn1(net.conv1(x))).mean((2, 3)), None, HALF)
    before = net.bn1.running_mean.clone()
    model.embed(images(2))
    assert {part.training for part in net.modules()} == {training}
    assert torch.equal(net.bn1.running_mean, before)


def test_several_threads_at_once():
    model, x, made = plain(), images(1), []
    expected = gamlib.gam(gamlib.trace_class(model, x, 1))

    def work():
        for _ in range(10):
            model.embed(x)
            made.append(torch.equal(gamlib.gam(gamlib.trace_class(model, x, 1)), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [True] * 40


@pytest.mark.parametrize("twice", [copy.deepcopy, pickle.dumps])
def test_a_model_is_not_copied(twice):
    with pytest.raises(TypeError, match=r"Model\(custom\) cannot be copied or pickled: its features refer to the one"):
        twice(plain())


def test_a_network_with_a_3d_convolution(tmp_path, monkeypatch):
    (tmp_path / "volume.py").write_text("""
import gamlib
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.deep, self.flat, self.fc = nn.Conv3d(1, 4, 3, padding=1), nn.Conv2d(12, 8, 3, 2, 1), nn.Linear(8, 3)

    def features(self, x):
        return self.flat(self.deep(x[:, None]).flatten(1, 2)).relu().mean((2, 3))

def make():
    net = Net()
    return gamlib.Model(net, ["flat"], net.features, net.fc, gamlib.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3))
""")
    monkeypatch.syspath_prepend(tmp_path)
    model = gamlib.load_model("volume:make")
    assert gamlib.gam(gamlib.trace_class(model, images(2, 32, 32))).shape == (2, 32, 32)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (dict(name=None), TypeError, "model, weights: got None and 'default'; give a name"),
        (dict(name="lenet5", weights=3), TypeError, "model, weights: got 'lenet5' and 3"),
        (dict(name="lenet5", device="gpu"), ValueError, "device: unknown 'gpu'; accepted: cpu, cuda"),
    ],
)
def test_what_load_model_is_given(given, kind, message):
    with pytest.raises(kind, match=message):
        gamlib.load_model(**given)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor(float("nan")), "tensor 'fc.bias' holds values that are not finite"),
        (torch.tensor(float("inf")), "tensor 'fc.bias' holds values that are not finite"),
        (torch.tensor(3), "tensor 'fc.bias' is torch.int64, expected floating point"),
        (torch.tensor(1j), "tensor 'fc.bias' is torch.complex64, expected floating point"),
    ],
)
def test_weights_that_are_no_numbers(value, message):
    net = Plain()
    state = net.state_dict() | {"fc.bias": value.expand(4)}
    with pytest.raises(ValueError, match=f"weights: 'a.pt': {message}"):
        load_state(net, state, "a.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {"0.weight": state["0.weight"].to_sparse()}, 'does not fit: .*"0.weight".*sparse'),
        (lambda state: {"0.weight": state["0.weight"].to("meta")}, 'does not fit: .*"0.weight".*no data'),
        (lambda state: {"1.running_var": -state["1.running_var"]}, "tensor '1.running_var' holds a variance below 0"),
        (lambda state: {key: torch.zeros_like(value) for key, value in state.items()}, "holds zeros alone"),
    ],
)
def test_weights_that_no_network_has(change, message):
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match=f"weights: 'a.pt'.*{message}"):
        load_state(net, net.state_dict() | change(net.state_dict()), "a.pt")


# --- scores of one's own ---


def test_a_pair_score_of_one_s_own(seeded):
    compare = nn.Linear(8, 1)

    with pytest.raises(TypeError, match="abstract class PairScore .*similarity"):
        PairScore([(0, 1)])

    class Same(PairScore):
        @staticmethod
        def similarity(a, b):
            return compare((a - b).abs())[:, 0]

    model, xa, xb = plain(), images(2), images(2).flip(0)
    net = model.module
    one, other = gamlib.trace_pair(model, xa, xb, Same, layers=1)
    held = [net.two(net.one(x).relu()).detach().requires_grad_() for x in (xa, xb)]
    score = compare((held[0].relu().mean((2, 3)) - held[1].relu().mean((2, 3))).abs())[:, 0]
    for side, gradient in zip((one, other), torch.autograd.grad(score.sum(), held), strict=True):
        torch.testing.assert_close(side.score, score.detach())
        torch.testing.assert_close(side.layers[0].gradient, gradient)


@pytest.mark.parametrize("scores", [gamlib.ClassScore(1), [lambda model, h: h], [gamlib.Dot, "cosine"]])
def test_scores_that_are_none(scores):
    with pytest.raises(TypeError, match="scores: give a list of scores, each with check and __call__"):
        gamlib.trace(plain(), images(2), scores)


def test_a_score_gives_a_value_an_image():
    class Total(gamlib.ClassScore):
        def __call__(self, model, embedding):
            return embedding.sum(), embedding.detach().sum()[None], None

    with pytest.raises(ValueError, match=r"score: Total gave values \(1,\); give one an image"):
        gamlib.trace(plain(), images(2), [Total()])
