"""What the methods have in common (I1 to I9 of the book), with the difference each identity is allowed."""

import math

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

import gamlib
from gamlib import Layer, Trace


@pytest.fixture(scope="module")
def by_class(lite0, photographs) -> Trace:
    return gamlib.trace_class(lite0, photographs)


@pytest.fixture(scope="module")
def pairs(lite0, photographs) -> dict[str, Trace]:
    """Cat with rocket and coffee with astronaut, from one forward."""
    scores = [gamlib.Dot([(0, 1), (2, 3)]), gamlib.Cosine([(0, 1), (2, 3)])]
    return dict(zip(("dot", "cosine"), gamlib.trace(lite0, photographs, scores), strict=True))


def difference(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


@pytest.fixture(params=["class", "dot", "cosine"])
def any_trace(request, by_class, pairs) -> Trace:
    return {"class": by_class, **pairs}[request.param]


@pytest.mark.parametrize("n", [1, 2])
def test_gam_is_layer_cam_where_activations_are_not_negative(any_trace, n):
    assert all((layer.activation >= 0).all() for layer in any_trace.layers)
    assert difference(gamlib.gam(any_trace, n), gamlib.layer_cam(any_trace, n)) == 0


def test_gam_is_grad_cam_pp_on_a_pooled_linear_head(any_trace):
    # alpha is the same at every pixel of a channel, so its normalised form averages and w_k = [G_k]_+.
    # float32, and exp(s) multiplied in: 1e-5.
    assert (any_trace.score < 80).all()
    gam = gamlib.gam(any_trace, n=1)
    assert difference(gam, gamlib.grad_cam_pp(any_trace, n=1)) < 1e-5
    assert difference(gam, gamlib.grad_cam_pp_stable(any_trace, n=1)) < 1e-5


def test_gam_is_not_grad_cam_pp_one_layer_earlier(any_trace):
    assert difference(gamlib.gam(any_trace, n=2), gamlib.grad_cam_pp_stable(any_trace, n=2)) > 0.01


def test_gam_is_grad_cam_under_dot_product(pairs):
    # h >= 0, so G >= 0 and constant over the pixels: nothing for either ReLU to cut.
    trace = pairs["dot"]
    assert (trace.layers[0].gradient >= 0).all()
    assert difference(gamlib.gam(trace, n=1), gamlib.grad_cam(trace, n=1)) < 1e-5


def test_gam_is_not_grad_cam_under_cosine(pairs):
    trace = pairs["cosine"]
    assert 0 < (trace.layers[0].gradient < 0).float().mean().item() < 1
    assert difference(gamlib.gam(trace, n=1), gamlib.grad_cam(trace, n=1)) > 0.1


def explosive(score: float) -> Trace:
    """Two channels with activations large enough that the sum over channels overflows before exp does.

    Small gradients: e^s g^2 (2 + g sum(A)) stays far below e^s.
    """
    a = torch.tensor([[[[1.0, 2], [0, 1]], [[0, 1], [3, 0]]]]) * 100
    g = torch.tensor([[[[1.0, 0], [-1, 2]], [[-1, 1], [0.5, 0.5]]]]) / 100
    return Trace(torch.tensor([score]), (Layer("last", a, g),), (2, 2))


def test_where_grad_cam_pp_overflows():
    # Both channels sum to 400. Channel 1: alpha = 1/6 at g = 1/100 and 1/10 at g = 2/100, normalised 5/8 and 3/8,
    # w_1 = 11/800. Channel 2: 1/6 at g = 1/100, 1/4 at both g = 1/200; w_2 = (1/6 + 1/4) / (2/3) / 100 = 5/800.
    # The peak is 200 w_1 + 100 w_2 = 27/8.
    peak = 27 / 8
    assert gamlib.layer_maps(explosive(0), "grad_cam_pp", 1)[0].max().item() == pytest.approx(peak, rel=1e-6)
    limit = math.log(torch.finfo(torch.float32).max) - math.log(peak)
    assert limit == pytest.approx(88.7228 - 1.2164, abs=1e-4)
    assert gamlib.grad_cam_pp(explosive(limit - 1e-3)).isfinite().all()
    assert not gamlib.grad_cam_pp(explosive(limit + 1e-3)).isfinite().all()
    # at exp's own limit nothing is left
    assert not gamlib.grad_cam_pp(explosive(88.73)).isfinite().any()
    # in float64 and in closed form nothing happens
    wide, closed = gamlib.grad_cam_pp(explosive(100).to(torch.float64)), gamlib.grad_cam_pp_stable(explosive(100))
    assert difference(wide, closed) < 1e-6


def test_dot_product_of_an_image_with_itself_explodes(lite0, photographs):
    # Dot products of near-duplicates pass 88.72; those of different photographs mostly do not.
    trace, _ = gamlib.trace_pair(lite0, photographs[:1], photographs[:1], "dot")
    assert trace.score.item() > 88.73
    assert not gamlib.grad_cam_pp(trace).isfinite().any()
    assert gamlib.grad_cam_pp_stable(trace).isfinite().all()
    assert difference(gamlib.grad_cam_pp(trace.to(torch.float64)), gamlib.grad_cam_pp_stable(trace)) < 1e-5


def test_normalising_alpha_is_what_makes_grad_cam_pp_equal_gam(by_class):
    # The formula as printed, alpha not divided by its sum, weighs each channel by hw [G]_+ / (2 + [G]_+ sum A).
    layer = by_class.layers[0]
    g = layer.gradient.double().relu()
    sums = layer.activation.double().sum(dim=(2, 3), keepdim=True)
    weights = (g / (2 + g * sums)).sum(dim=(2, 3), keepdim=True)
    printed = (weights * layer.activation).sum(dim=1).relu()
    printed = gamlib.min_max(gamlib.resize(printed, by_class.size)).float()
    assert difference(printed, gamlib.gam(by_class, n=1)) > 1e-3


class OpenBottleneck(Bottleneck):
    """The same block with its last sum as a module, so that it can be read on both sides of the ReLU."""

    def __init__(self, block: Bottleneck):
        nn.Module.__init__(self)
        self.block = block
        self.sum = nn.Identity()
        self.last_relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        b = self.block
        y = b.relu(b.bn1(b.conv1(x)))
        y = b.relu(b.bn2(b.conv2(y)))
        return self.last_relu(self.sum(b.bn3(b.conv3(y)) + x))


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_gam_does_not_depend_on_the_side_of_a_relu(similarity):
    torch.manual_seed(0)
    net = torchvision.models.resnet50(weights=None)
    net.layer4[2] = OpenBottleneck(net.layer4[2])
    features = nn.Sequential(*list(net.children())[:-1], nn.Flatten(1))
    transform = gamlib.Preprocess((96, 96), (0.5,) * 3, (0.5,) * 3)
    model = gamlib.Model(net, ["layer4.2.last_relu", "layer4.2.sum"], features, net.fc, transform)
    x = torch.randn(4, 3, 96, 96)
    trace, _ = gamlib.trace_pair(model, x[:2], x[2:], similarity)
    post, pre = (Trace(trace.score, (layer,), trace.size) for layer in trace.layers)
    assert (pre.layers[0].activation < 0).any()
    assert torch.equal(pre.layers[0].gradient, post.layers[0].gradient * (pre.layers[0].activation > 0))
    # exact: the same products, and zeros elsewhere
    assert difference(gamlib.gam(pre, 1), gamlib.gam(post, 1)) == 0
    assert difference(gamlib.grad_cam(pre, 1), gamlib.grad_cam(post, 1)) > 0.01


def test_gam_does_depend_on_the_side_of_a_relu6(lite0, photographs):
    # ReLU6 also cuts the gradient where it cuts the activation, at 6.
    trace = gamlib.trace_class(lite0, photographs, layers=["bn2", "bn2.drop"])
    post, pre = trace.layers
    between = (pre.activation > 0) & (pre.activation < 6)
    assert torch.equal(pre.gradient, post.gradient * between)
    at_six = (post.activation == 6).sum() / (post.activation > 0).sum()
    assert 0.01 < at_six.item() < 0.2
    maps = [gamlib.gam(Trace(trace.score, (layer,), trace.size), 1) for layer in (post, pre)]
    assert difference(*maps) > 0.05


def test_pooled_head_has_no_gradient_localisation(any_trace):
    gradient = any_trace.layers[0].gradient
    assert torch.equal(gradient, gradient[:, :, :1, :1].expand_as(gradient))
    # so at n = 1 GAM and Grad-CAM differ only by where the ReLU stands
    weights, activation = gradient[:, :, 0, 0], any_trace.layers[0].activation
    gam = torch.einsum("bk,bkij->bij", weights.relu(), activation)
    grad_cam = torch.einsum("bk,bkij->bij", weights, activation).relu()
    for method, expected in (("gam", gam), ("grad_cam", grad_cam)):
        torch.testing.assert_close(gamlib.layer_maps(any_trace, method, 1)[0], expected, rtol=1e-4, atol=1e-7)


def test_earlier_layers_do_have_it(any_trace):
    gradient = any_trace.layers[1].gradient
    assert gradient.std(dim=(2, 3)).max().item() > 0


def test_vdsn_is_grad_cam_under_dot_product(lite0, photographs, pairs):
    # Stylianou et al. 2019: pixels of one image weighed with the other's pooled channels; 49 pixels at 7x7.
    trace, h = pairs["dot"], lite0.embed(photographs)
    vdsn = torch.einsum("bk,bkij->bij", h[[1, 0, 3, 2]], trace.layers[0].activation)
    torch.testing.assert_close(49 * gamlib.layer_maps(trace, "grad_cam", 1)[0], vdsn, rtol=1e-5, atol=1e-5)


def test_cosine_evidence_adds_up_to_nothing(pairs):
    # Euler: sum_k h_k ds/dh_k = 0; pooled, it is the sum of A o G over channels and pixels.
    layer = pairs["cosine"].layers[0]
    product = (layer.activation * layer.gradient).double()
    balance = product.sum(dim=(1, 2, 3)).abs() / product.abs().sum(dim=(1, 2, 3))
    assert balance.max().item() < 1e-5


def test_dot_evidence_adds_up_to_the_score(pairs):
    layer = pairs["dot"].layers[0]
    evidence = (layer.activation * layer.gradient).sum(dim=(1, 2, 3))
    torch.testing.assert_close(evidence, pairs["dot"].score, rtol=1e-4, atol=0)


@pytest.mark.parametrize("method", ["gam", "grad_cam", "layer_cam"])
@pytest.mark.parametrize("factor", [0.01, 30.0])
def test_scale_of_the_score_does_not_matter(by_class, method, factor):
    layers = tuple(Layer(layer.name, layer.activation, factor * layer.gradient) for layer in by_class.layers)
    scaled = Trace(factor * by_class.score, layers, by_class.size, by_class.target)
    assert difference(gamlib.METHODS[method](scaled, 2), gamlib.METHODS[method](by_class, 2)) < 1e-5


def test_grad_cam_pp_does_not_depend_on_the_scale_of_the_score_at_the_last_layer(by_class):
    layers = tuple(Layer(layer.name, layer.activation, 0.01 * layer.gradient) for layer in by_class.layers)
    scaled = Trace(0.01 * by_class.score, layers, by_class.size, by_class.target)
    assert difference(gamlib.grad_cam_pp_stable(scaled, 1), gamlib.grad_cam_pp_stable(by_class, 1)) < 1e-5


@pytest.mark.parametrize("shift", [-40.0, 40.0])
def test_exponential_cancels_where_it_stays_in_range(by_class, shift):
    shifted = Trace(by_class.score + shift, by_class.layers, by_class.size, by_class.target)
    assert difference(gamlib.grad_cam_pp(shifted, 2), gamlib.grad_cam_pp_stable(by_class, 2)) < 1e-5
