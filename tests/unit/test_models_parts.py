"""Networks whose neck or head lies beside the module: their mode, their gradients, their weights in the digest."""

import functools

import pytest
import torch
from torch import nn

import gamlib
from gamlib.evaluation.store import model_digest
from gamlib.models.parts import reached

TRANSFORM = gamlib.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)


class Beside:
    """A body as the module, with a neck and a head that lie outside of it, in training mode as they are made."""

    def __init__(self):
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        self.neck = nn.BatchNorm1d(8)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 4))

    def features(self, x):
        return self.neck(self.body(x).mean(dim=(2, 3)))

    def model(self, features=None):
        return gamlib.Model(self.body, ["1"], features or self.features, self.head, TRANSFORM)


@pytest.fixture
def beside():
    return Beside()


def test_all_parts_are_in_evaluation_mode_and_as_before_afterwards(beside):
    model, x = beside.model(), torch.rand(4, 3, 16, 16)
    mean, running = beside.neck.running_mean.clone(), [model.logits(x) for _ in range(2)]
    trace = gamlib.trace_class(model, x, 1, layers=1)
    assert torch.equal(*running)
    torch.testing.assert_close(trace.logits, running[0])
    torch.testing.assert_close(trace.score, running[0][:, 1])
    assert torch.equal(beside.neck.running_mean, mean)
    assert not trace.logits.requires_grad and all(each.grad is None for each in beside.head.parameters())
    assert beside.neck.training and beside.head.training and all(p.requires_grad for p in beside.head.parameters())
    # one image is explained as it is among others
    torch.testing.assert_close(gamlib.trace_class(model, x[:1], 1, layers=1).score, trace.score[:1])


WAYS = {
    "a method": lambda b: b.features,
    "a closure": lambda b: lambda x, body=b.body: b.neck(body(x).mean(dim=(2, 3))),
    "a partial": lambda b: functools.partial(lambda neck, x: neck(b.body(x).mean(dim=(2, 3))), b.neck),
    "a module": lambda b: nn.Sequential(b.body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), b.neck),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_digest_holds_what_lies_beside_the_network(beside, way):
    before = model_digest(beside.model(WAYS[way](beside)))
    assert model_digest(beside.model(WAYS[way](beside))) == before
    beside.neck.running_mean += 1
    changed = model_digest(beside.model(WAYS[way](beside)))
    beside.head[1].weight.data += 1
    assert len({before, changed, model_digest(beside.model(WAYS[way](beside)))}) == 3


def test_a_digest_holds_a_tensor_that_a_head_has_kept(beside):
    digests = set()
    for scale in (1.0, 2.0):
        weights = torch.full((8, 4), scale)
        model = gamlib.Model(beside.body, ["1"], beside.features, lambda h, weights=weights: h @ weights, TRANSFORM)
        assert weights is model.tensors[0]
        digests.add(model_digest(model))
    assert len(digests) == 2


LOST = nn.Linear(2, 2)


def _through(x):
    return LOST(x)


def test_functions_are_followed_through_those_of_their_module():
    assert reached([lambda x: _through(x)]) == [LOST]
    # but not into those of a library
    assert reached([lambda x: torch.nn.functional.relu(x)]) == []


def test_a_function_that_names_what_is_not_there_yet(beside):
    def features(x):
        return later(x)

    with pytest.raises(ValueError, match="features' names a variable that has no value yet; give it one before gamlib"):
        beside.model(features)
    later = beside.features
    assert beside.neck in reached([features])


def test_a_network_that_looks_at_its_tensors_by_view(tmp_path, monkeypatch):
    (tmp_path / "viewed.py").write_text(
        "import gamlib\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 2)\n"
        "    def features(self, x):\n"
        "        return self.conv(x).relu().view(-1, 4 * 14 * 14)\n"
        "def factory():\n"
        "    net = Net()\n"
        "    transform = gamlib.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)\n"
        "    return gamlib.Model(net, ['conv'], net.features, net.fc, transform)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = gamlib.load_model("viewed:factory")
    assert gamlib.gam(gamlib.trace_class(model, torch.rand(2, 3, 16, 16))).shape == (2, 16, 16)


def test_one_layout_is_that_of_layers_named_later_too():
    class Tokens(nn.Module):
        def forward(self, x):
            return x.flatten(2).transpose(1, 2)

    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Tokens(), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
    model = gamlib.Model(net, ["4"], lambda x: net(x).mean(dim=1), nn.Linear(8, 2), TRANSFORM, layout="BNC")
    trace = gamlib.trace_class(model, torch.rand(1, 3, 16, 16), 0, layers=["4", "2"])
    assert [layer.activation.shape for layer in trace.layers] == [(1, 8, 4, 4)] * 2
