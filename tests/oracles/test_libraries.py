"""Raw maps against three saliency libraries, in float64. Where conventions differ, the difference is spelled out.

No library explains a pair of images or follows the original Grad-CAM++: for pairs the library is given a network
whose output is the similarity to a fixed embedding, and both libraries' Grad-CAM++ are shown to be other formulas.
"""

import captum.attr
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
import torchvision
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

import gamlib

EXACT = {"rtol": 0, "atol": 1e-12}
TARGETS = [1, 4, 0]
# GAM is LayerCAM after a ReLU
SAME = [("GradCAM", "grad_cam"), ("LayerCAM", "layer_cam"), ("LayerCAM", "gam")]


def small_network() -> gamlib.Model:
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(6, 9, 3, stride=2, padding=1), nn.ReLU(inplace=True)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(9, 5)),
    ).double()
    transform = gamlib.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)
    return gamlib.Model(net, ["3", "1"], net[:6], net[6], transform)


def residual_network() -> gamlib.Model:
    net = torchvision.models.resnet18(weights=None, num_classes=5).double().eval()
    features = nn.Sequential(*list(net.children())[:-1], nn.Flatten())
    transform = gamlib.Preprocess((64, 64), (0.5,) * 3, (0.5,) * 3)
    return gamlib.Model(net, ["layer4", "layer3"], features, net.fc, transform)


@pytest.fixture(scope="module", params=[small_network, residual_network])
def model(request) -> gamlib.Model:
    torch.manual_seed(0)
    return request.param()


@pytest.fixture(scope="module")
def x(model) -> Tensor:
    return torch.randn(3, 3, *model.input_size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def trace(model, x) -> gamlib.Trace:
    return gamlib.trace_class(model, x, TARGETS)


def parts(model: gamlib.Model) -> list[nn.Module]:
    return [model.module.get_submodule(name) for name in model.layers]


# captum


def test_captum_grad_cam(model, x, trace):
    for part, raw in zip(parts(model), gamlib.layer_maps(trace, "grad_cam", 2), strict=True):
        theirs = captum.attr.LayerGradCam(model.module, part).attribute(x, TARGETS, relu_attributions=True)
        torch.testing.assert_close(raw, theirs[:, 0].detach(), **EXACT)


def test_captum_gradient_times_activation(model, x, trace):
    for part, layer in zip(parts(model), trace.layers, strict=True):
        theirs = captum.attr.LayerGradientXActivation(model.module, part).attribute(x, TARGETS)
        torch.testing.assert_close(layer.activation * layer.gradient, theirs.detach(), **EXACT)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_captum_grad_cam_of_a_pair(model, x, similarity):
    other = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(2))
    fixed = model.embed(other).clone()

    def to_fixed(images: Tensor) -> Tensor:
        h = model.features(images)
        return cosine_similarity(h, fixed) if similarity == "cosine" else (h * fixed).sum(dim=1)

    side, _ = gamlib.trace_pair(model, x, other, similarity)
    for part, layer, raw in zip(parts(model), side.layers, gamlib.layer_maps(side, "grad_cam", 2), strict=True):
        theirs = captum.attr.LayerGradCam(to_fixed, part).attribute(x, relu_attributions=True)
        torch.testing.assert_close(raw, theirs[:, 0].detach(), **EXACT)
        theirs = captum.attr.LayerGradientXActivation(to_fixed, part).attribute(x)
        torch.testing.assert_close(layer.activation * layer.gradient, theirs.detach(), **EXACT)


# torch-cam


@pytest.mark.parametrize(("library", "method"), SAME)
def test_torch_cam(model, x, trace, library, method):
    with getattr(torchcam.methods, library)(model.module, target_layer=list(model.layers)) as extractor:
        theirs = extractor(TARGETS, model.module(x), normalized=False)
    for raw, their in zip(gamlib.layer_maps(trace, method, 2), theirs, strict=True):
        torch.testing.assert_close(raw, their, **EXACT)


def test_torch_cam_normalises_before_it_resizes(model, x, trace):
    # Theirs has an epsilon of 1e-8 in the denominator; without it the formula is ours.
    with torchcam.methods.GradCAM(model.module, target_layer=model.layers[0]) as extractor:
        (theirs,) = extractor(TARGETS, model.module(x))
    raw = gamlib.layer_maps(trace, "grad_cam", 1)[0]
    span = (raw.amax(dim=(1, 2)) - raw.amin(dim=(1, 2)))[:, None, None]
    torch.testing.assert_close(gamlib.min_max(raw) * span / (span + 1e-8), theirs, **EXACT)


def test_torch_cam_grad_cam_pp_is_no_oracle(model, x, trace):
    # It divides a copy, so alpha stays G^2 and the weights are sum [G]_+^3: another method, whatever its name.
    with torchcam.methods.GradCAMpp(model.module, target_layer=list(model.layers)) as extractor:
        theirs = extractor(TARGETS, model.module(x), normalized=False)
    differences = []
    for layer, their, raw in zip(trace.layers, theirs, gamlib.layer_maps(trace, "grad_cam_pp", 2), strict=True):
        weights = layer.gradient.relu().pow(3).sum(dim=(2, 3), keepdim=True)
        cubic = (weights * layer.activation).sum(dim=1).relu()
        torch.testing.assert_close(their, cubic, rtol=1e-12, atol=1e-30)
        differences.append((gamlib.min_max(their) - gamlib.min_max(raw)).abs().max().item())
    assert max(differences) > 0.01


# pytorch-grad-cam


def their_chain(raw_maps: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Its order, which is not Eq. 1's: normalise, bilinear, mean over the layers, normalise; 1e-7 in both."""

    def normalise(maps: Tensor) -> Tensor:
        maps = maps - maps.amin(dim=(1, 2), keepdim=True)
        return maps / (1e-7 + maps.amax(dim=(1, 2), keepdim=True))

    resized = [gamlib.resize(normalise(raw), size, mode="bilinear") for raw in raw_maps]
    return normalise(gamlib.aggregate(resized)).float()


@pytest.mark.parametrize(("library", "method"), SAME)
@pytest.mark.parametrize("n", [1, 2])
def test_pytorch_grad_cam(model, x, trace, library, method, n):
    targets = [ClassifierOutputTarget(target) for target in TARGETS]
    # its layers go in the order of the forward
    with getattr(pytorch_grad_cam, library)(model=model.module, target_layers=parts(model)[:n][::-1]) as cam:
        theirs = torch.from_numpy(cam(input_tensor=x, targets=targets))
        seen = cam.activations_and_grads
        for layer, activation, gradient in zip(
            trace.layers[:n], seen.activations[::-1], seen.gradients[::-1], strict=True
        ):
            torch.testing.assert_close(layer.activation, activation, **EXACT)
            torch.testing.assert_close(layer.gradient, gradient, **EXACT)
    ours = their_chain(gamlib.layer_maps(trace, method, n), trace.size)
    # it resizes and adds in float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)


def test_pytorch_grad_cam_grad_cam_pp_has_an_epsilon(model, x, trace):
    # Its alpha has 1e-6 in the denominator and is not divided by its sum.
    targets = [ClassifierOutputTarget(target) for target in TARGETS]
    with pytorch_grad_cam.GradCAMPlusPlus(model=model.module, target_layers=parts(model)[:1]) as cam:
        theirs = torch.from_numpy(cam(input_tensor=x, targets=targets))
    a, g = trace.layers[0].activation, trace.layers[0].gradient
    alpha = g**2 / (2 * g**2 + a.sum(dim=(2, 3), keepdim=True) * g**3 + 1e-6)
    weights = (alpha * g.relu()).sum(dim=(2, 3), keepdim=True)
    raw = (weights * a).sum(dim=1).relu()
    torch.testing.assert_close(their_chain([raw], trace.size), theirs, rtol=0, atol=2e-6)
    ours = their_chain(gamlib.layer_maps(trace, "grad_cam_pp", 1), trace.size)
    assert (ours - theirs).abs().max().item() > 1e-4
