"""Traces: the right gradients, from one forward, and nothing left behind in the network."""

import pytest
import torch
from torch import Tensor, nn

import gamlib
from gamlib import ClassScore, Cosine, Dot


def images(batch: int, size: int = 8, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, 3, size, size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def split_tiny(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both activations and the embedding of a TinyNet, written out without modules in place and without hooks."""
    conv = torch.nn.functional.conv2d
    first = conv(x, net.conv1.weight, net.conv1.bias, padding=1).relu()
    last = conv(first, net.conv2.weight, net.conv2.bias, padding=1, stride=2).relu()
    return last, first, last.mean(dim=(2, 3))


def close(a: Tensor, b: Tensor, atol: float = 1e-14) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def same_trace(a: gamlib.Trace, b: gamlib.Trace, atol: float = 1e-14) -> None:
    close(a.score, b.score, atol)
    for one, other in zip(a.layers, b.layers, strict=True):
        close(one.activation, other.activation, atol)
        close(one.gradient, other.gradient, atol)


def test_class_gradients_are_those_of_a_full_backward(tiny):
    model, x = tiny(), images(3)
    trace = gamlib.trace_class(model, x, [4, 0, 2])
    last, first, embedding = split_tiny(model.module, x)
    logits = model.module.head(embedding)
    total = logits[0, 4] + logits[1, 0] + logits[2, 2]
    close(trace.score, torch.stack([logits[0, 4], logits[1, 0], logits[2, 2]]).detach())
    assert trace.target.tolist() == [4, 0, 2]
    assert trace.size == (8, 8)
    assert [layer.name for layer in trace.layers] == ["relu2", "relu1"]
    for layer, activation, gradient in zip(
        trace.layers, (last, first), torch.autograd.grad(total, (last, first)), strict=True
    ):
        close(layer.activation, activation.detach())
        close(layer.gradient, gradient)


def test_last_gradient_is_the_head_s_weight_over_the_pixels(tiny):
    model = tiny()
    trace = gamlib.trace_class(model, images(2), 3)
    expected = (model.module.head.weight[3].detach() / 16)[None, :, None, None].expand(2, 6, 4, 4)
    close(trace.layers[0].gradient, expected)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_pair_gradients_are_those_with_the_other_side_held_fixed(tiny, similarity):
    model, xa, xb = tiny(), images(3, seed=1), images(3, seed=2)
    sides = gamlib.trace_pair(model, xa, xb, similarity)
    for trace, x, y in ((sides[0], xa, xb), (sides[1], xb, xa)):
        last, first, h = split_tiny(model.module, x)
        other = split_tiny(model.module, y)[2].detach()
        score = (h * other).sum(dim=1)
        if similarity == "cosine":
            score = score / (h.norm(dim=1) * other.norm(dim=1))
        close(trace.score, score.detach())
        assert trace.target is None
        gradients = torch.autograd.grad(score.sum(), (last, first))
        for layer, gradient in zip(trace.layers, gradients, strict=True):
            close(layer.gradient, gradient)


def test_dot_gradient_is_the_other_embedding_over_the_pixels(tiny):
    model, xa, xb = tiny(), images(2, seed=1), images(2, seed=2)
    side, _ = gamlib.trace_pair(model, xa, xb, "dot")
    close(side.layers[0].gradient, (model.embed(xb) / 16)[:, :, None, None].expand(2, 6, 4, 4))


def test_batch_is_single_calls(tiny):
    model, x = tiny(), images(4)
    together = gamlib.trace_class(model, x)
    for row in range(4):
        same_trace(together[row : row + 1], gamlib.trace_class(model, x[row : row + 1]))
        assert together[row : row + 1].target.tolist() == [together.target[row].item()]


def test_batch_of_pairs_is_single_pairs(tiny):
    model, xa, xb = tiny(), images(3, seed=1), images(3, seed=2)
    together = gamlib.trace_pair(model, xa, xb)
    for row in range(3):
        alone = gamlib.trace_pair(model, xa[row : row + 1], xb[row : row + 1])
        for side in (0, 1):
            same_trace(together[side][row : row + 1], alone[side])


def test_several_scores_are_separate_calls(tiny):
    model, x = tiny(), images(4)
    scores = [ClassScore(2), ClassScore(), Dot([(0, 3), (1, 2)]), Cosine([(3, 0), (2, 1)])]
    for together, score in zip(gamlib.trace(model, x, scores), scores, strict=True):
        same_trace(together, gamlib.trace(model, x, [score])[0], atol=0)


def test_several_scores_share_one_forward(tiny):
    model, x, calls = tiny(), images(2), []
    model.module.conv1.register_forward_hook(lambda *_: calls.append(1))
    gamlib.trace(model, x, [ClassScore(0), ClassScore(1), Cosine([(0, 1)])])
    assert len(calls) == 1


def leaves(node: torch.autograd.graph.Node) -> set[Tensor]:
    """The tensors at which a graph begins."""
    if hasattr(node, "variable"):
        return {node.variable}
    return set().union(*(leaves(before) for before, _ in node.next_functions if before is not None))


class Watched(ClassScore):
    """Notes the shapes of the tensors at which its graph begins."""

    def __call__(self, model: gamlib.Model, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        made = super().__call__(model, embedding)
        object.__setattr__(self, "begins", [tuple(leaf.shape) for leaf in leaves(made[0].grad_fn)])
        return made


@pytest.mark.parametrize(("layers", "leaf"), [(["relu1"], (2, 4, 8, 8)), (["relu2"], (2, 6, 4, 4)), (2, (2, 4, 8, 8))])
def test_the_graph_begins_at_the_earliest_layer_and_holds_no_parameter(tiny, layers, leaf):
    score = Watched(1)
    gamlib.trace(tiny(), images(2).requires_grad_(), [score], layers)
    assert score.begins == [leaf]


def test_an_input_made_in_inference_mode_may_be_used_behind_a_traced_layer(tiny):
    model = tiny()
    # the gradient of the product needs the input again
    net = model.module
    model.features = lambda x: net.conv2(net.conv1(x).relu() * x[:, :1]).mean(dim=(2, 3))
    expected = gamlib.trace_class(model, images(2), 1, layers=["conv1"])
    with torch.inference_mode():
        made_inside = images(2) + 0
    same_trace(gamlib.trace_class(model, made_inside, 1, layers=["conv1"]), expected, atol=0)


def test_layers_by_name_and_by_number(tiny):
    model, x = tiny(), images(2)
    both = gamlib.trace_class(model, x, 0, layers=2)
    same_trace(both, gamlib.trace_class(model, x, 0, layers=["relu2", "relu1"]), atol=0)
    only = gamlib.trace_class(model, x, 0, layers=["relu1"])
    close(only.layers[0].gradient, both.layers[1].gradient)
    same_trace(only, gamlib.trace_class(model, x, 0, layers="relu1"), atol=0)
    assert [layer.name for layer in gamlib.trace_class(model, x, 0, layers=1).layers] == ["relu2"]


def test_the_size_is_height_and_width(tiny):
    trace = gamlib.trace_class(tiny(), images(1)[:, :, :6], 0)
    assert trace.size == (6, 8)
    assert gamlib.gam(trace).shape == (1, 6, 8)


def test_operation_in_place_after_a_traced_layer_does_not_overwrite_it(tiny):
    model, x = tiny(), images(2)
    before = gamlib.trace_class(model, x, 1, layers=["conv2", "conv1"])
    after = gamlib.trace_class(model, x, 1, layers=["relu2", "relu1"])
    for pre, post in zip(before.layers, after.layers, strict=True):
        assert (pre.activation < 0).any()
        close(pre.activation.relu(), post.activation)
        close(pre.gradient, post.gradient * (pre.activation > 0))


class Swollen(nn.Module):
    """An operation in place on the output of a module that is held: y *= 2 after the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def features(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y *= 2
        return y.mean(dim=(2, 3))


def test_functional_operation_in_place():
    net = Swollen().double()
    model = gamlib.Model(net, ["conv"], net.features, net.head, gamlib.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3))
    x = images(2)
    trace = gamlib.trace_class(model, x, 1, layers=1)
    close(trace.layers[0].activation, net.conv(x).detach())
    # the score is head . mean(2 conv), 36 pixels
    close(trace.layers[0].gradient, (2 * net.head.weight[1].detach() / 36)[None, :, None, None].expand(2, 4, 6, 6))


class Aside(Swollen):
    """A layer that hands on its own input, which is changed in place on the way beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout()

    def features(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z = self.drop(y)
        y *= 2
        return (y + z).mean(dim=(2, 3))


def test_an_output_that_is_changed_in_place_beside_the_layer_is_refused():
    net = Aside().double()
    model = gamlib.Model(net, ["conv"], net.features, net.head, gamlib.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3))
    x = images(2)
    with pytest.raises(ValueError, match="the output of 'drop' is changed in place later; name the layer before it"):
        gamlib.trace_class(model, x, 1, layers="drop")
    # y and z are one tensor there: 2 conv + 2 conv
    trace = gamlib.trace_class(model, x, 1, layers="conv")
    close(trace.layers[0].activation, net.conv(x).detach())
    close(trace.layers[0].gradient, (4 * net.head.weight[1].detach() / 36)[None, :, None, None].expand(2, 4, 6, 6))


# every architecture, with random weights, at 64x64
NETWORKS = ["efficientnet_lite0", "resnet50", "resnet101", "densenet201"]


@pytest.fixture(scope="module", params=NETWORKS)
def network(request) -> gamlib.Model:
    torch.manual_seed(0)
    return gamlib.load_model(request.param, weights=None)


def state(model: gamlib.Model) -> dict[str, list]:
    """All that a trace could leave behind."""
    module = model.module
    parts, parameters = list(module.modules()), list(module.parameters())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": [len(getattr(part, kind)) for part in parts for kind in hooks],
        "training": [part.training for part in parts],
        "requires_grad": [parameter.requires_grad for parameter in parameters],
        "grad": [None if parameter.grad is None else parameter.grad.sum().item() for parameter in parameters],
        "buffers": [buffer.double().sum().item() for buffer in module.buffers()],
        "parameters": [parameter.double().sum().item() for parameter in parameters],
        "modes": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
    }


class RaisingScore(ClassScore):
    def __call__(self, model: gamlib.Model, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        raise RuntimeError("a score that fails")


@pytest.fixture(scope="module", params=[*NETWORKS, "lenet5", "chexnet", "tresnet_l_coco"])
def any_network(request) -> gamlib.Model:
    torch.manual_seed(0)
    return gamlib.load_model(request.param, weights=None)


@pytest.fixture
def marked(any_network: gamlib.Model) -> gamlib.Model:
    """A network half in training mode, half frozen, with one gradient and one hook of its user's."""
    parts, parameters = list(any_network.module.modules()), list(any_network.module.parameters())
    for part in parts[::2]:
        part.training = True
    for parameter in parameters[::3]:
        parameter.requires_grad = False
    parameters[0].grad = torch.ones_like(parameters[0])
    handle = parts[1].register_forward_hook(lambda *_: None)
    yield any_network
    handle.remove()
    parameters[0].grad = None
    for parameter in parameters:
        parameter.requires_grad = True
    any_network.module.eval()


def small_input(model: gamlib.Model) -> Tensor:
    size = min(64, model.input_size[0])
    return images(2, size, dtype=torch.float32)[:, : len(model.transform.mean)]


def test_trace_leaves_nothing_behind(marked):
    before, x = state(marked), small_input(marked)
    trace, _ = gamlib.trace(marked, x, [ClassScore(), Cosine([(0, 1)])], layers=len(marked.layers))
    assert state(marked) == before
    assert all(layer.gradient.isfinite().all() and layer.gradient.any() for layer in trace.layers)
    assert not any(t.requires_grad for layer in trace.layers for t in (layer.activation, layer.gradient))
    assert not trace.score.requires_grad


@pytest.mark.parametrize("failing", ["score", "features", "target"])
def test_trace_leaves_nothing_behind_after_an_error(marked, monkeypatch, failing):
    x = small_input(marked)
    score = RaisingScore() if failing == "score" else ClassScore(1000 if failing == "target" else None)
    if failing == "features":
        monkeypatch.setattr(marked, "features", lambda x: marked.module.get_submodule("no_such_part"))
    if failing == "target":
        monkeypatch.setattr(marked, "categories", None)  # found only once the logits are there
    before = state(marked)
    with pytest.raises((RuntimeError, AttributeError, ValueError)):
        gamlib.trace(marked, x, [ClassScore(), score])
    assert state(marked) == before


def test_activations_are_halved_layer_by_layer_and_end_with_a_relu(network):
    trace = gamlib.trace_class(network, images(1, 64, dtype=torch.float32), layers=4)
    sizes = [tuple(layer.activation.shape[-2:]) for layer in trace.layers]
    assert sizes == [(2, 2), (4, 4), (8, 8), (16, 16)]
    assert all((layer.activation >= 0).all() for layer in trace.layers)


def test_embedding_is_the_pooled_last_layer(network):
    x = images(2, 64, dtype=torch.float32)
    trace = gamlib.trace_class(network, x, layers=1)
    torch.testing.assert_close(network.embed(x), trace.layers[0].activation.mean(dim=(2, 3)), rtol=1e-5, atol=1e-6)


def test_scores_are_those_of_the_plain_network(network):
    x = images(2, 64, dtype=torch.float32)
    with torch.no_grad():
        logits = network.module.eval()(x)
    torch.testing.assert_close(network.logits(x), logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gamlib.trace_class(network, x).score, logits.amax(dim=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_switched_off(tiny, mode):
    model, x = tiny(), images(2)
    expected = gamlib.trace_class(model, x, 1)
    with mode():
        same_trace(gamlib.trace_class(model, x, 1), expected, atol=0)
        made_inside = x + 0  # an inference tensor under inference_mode
        same_trace(gamlib.trace_class(model, made_inside, 1), expected, atol=0)
        gamlib.trace_pair(model, made_inside, made_inside)
        assert gamlib.gam(gamlib.trace_class(model, made_inside.float(), 1)).shape == (2, 8, 8)
    same_trace(gamlib.trace_class(model, made_inside, 1), expected, atol=0)


def test_works_with_frozen_parameters(tiny):
    model, x = tiny(), images(2)
    expected = gamlib.trace_class(model, x, 1)
    model.module.requires_grad_(False)
    same_trace(gamlib.trace_class(model, x, 1), expected, atol=0)
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_input_that_wants_gradients_gets_none(tiny):
    x = images(2).requires_grad_()
    gamlib.trace_class(tiny(), x, 1)
    assert x.grad is None
    assert x.requires_grad


def test_precision_is_the_network_s(tiny):
    trace = gamlib.trace_class(tiny(), images(1, dtype=torch.float32), 1)
    assert {trace.score.dtype, trace.layers[0].activation.dtype, trace.layers[1].gradient.dtype} == {torch.float64}
    single = trace.to(torch.float32)
    assert {single.score.dtype, single.layers[0].activation.dtype, single.layers[1].gradient.dtype} == {torch.float32}
    assert gamlib.gam(trace).dtype == torch.float32


def test_half_precision_is_widened(tiny):
    model = tiny()
    model.module.bfloat16()
    trace = gamlib.trace_class(model, images(1), 1)
    assert {trace.score.dtype, trace.layers[0].activation.dtype, trace.layers[0].gradient.dtype} == {torch.float32}


def test_module_called_twice(tiny):
    model = tiny()
    model.features = lambda x: model.module.relu1(model.module.relu1(model.module.conv1(x))).mean(dim=(2, 3))
    with pytest.raises(ValueError, match="layers: 'relu1' is called more than once in a forward"):
        gamlib.trace_class(model, images(1), layers=["relu1"])


def test_module_not_called(tiny):
    model = tiny()
    with pytest.raises(ValueError, match="layers: 'head' took no part in the forward; name another layer"):
        gamlib.trace_class(model, images(1), layers=["head"])


def test_layer_without_a_spatial_output(lite0):
    with pytest.raises(ValueError, match=r"layers: the output of 'global_pool' is no \(B, C, h, w\) activation"):
        gamlib.trace_class(lite0, images(1, 64), layers=["global_pool"])


@pytest.mark.parametrize("layers", [0, 3, -1])
def test_number_of_layers_out_of_range(tiny, layers):
    with pytest.raises(ValueError, match=f"layers: {layers} is out of range; custom offers 1 to 2"):
        gamlib.trace_class(tiny(), images(1), layers=layers)


def test_unknown_layer_names_the_nearest(tiny):
    with pytest.raises(ValueError, match="no submodule 'relu3'; did you mean 'relu[12]'\\? see module.named_modules"):
        gamlib.trace_class(tiny(), images(1), layers=["relu3"])


@pytest.mark.parametrize(("layers", "message"), [([], "give at least one name"), (["relu2"] * 2, "name none twice")])
def test_no_layer_or_one_twice(tiny, layers, message):
    with pytest.raises(ValueError, match=f"layers: .*{message}"):
        gamlib.trace_class(tiny(), images(1), layers=layers)


def test_pair_of_different_batch_sizes(tiny):
    with pytest.raises(ValueError, match="pair: the sides have 2 and 3 images; give batches of the same size"):
        gamlib.trace_pair(tiny(), images(2), images(3))


def test_unknown_similarity(tiny):
    with pytest.raises(ValueError, match="similarity: unknown 'euclidean'; accepted: cosine, dot"):
        gamlib.trace_pair(tiny(), images(1), images(1), "euclidean")


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (0, 3, 8, 8)])
def test_input_of_the_wrong_shape(tiny, shape):
    with pytest.raises(ValueError, match=r"x: expected \(B, 3, H, W\) with B >= 1, got"):
        gamlib.trace_class(tiny(), torch.zeros(shape))


@pytest.mark.parametrize("x", [torch.zeros(1, 3, 8, 8, dtype=torch.uint8), [[0.0]]])
def test_input_that_is_no_float_tensor(tiny, x):
    with pytest.raises(TypeError, match=r"x: expected a dense float tensor \(B, C, H, W\)"):
        gamlib.trace_class(tiny(), x)
