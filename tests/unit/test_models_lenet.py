"""LeNet-5 and its training."""

import pytest
import torch

from gamlib.data import load_dataset
from gamlib.models import load_model
from gamlib.models.lenet import train_lenet


def test_architecture():
    model = load_model("lenet5", weights=None)
    # weights and biases of C1, C3 (all maps), C5, F6 and the output
    assert sum(p.numel() for p in model.module.parameters()) == 156 + 2416 + 48120 + 10164 + 850
    shapes = {}
    for name in model.layers:
        part = model.module.get_submodule(name)
        part.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape)}))
    x = model.transform(load_dataset("mnist5k")[0].image)[None]
    assert x.shape == (1, 1, 32, 32)
    assert model.embed(x).shape == (1, 84)
    assert shapes == {"relu3": (1, 16, 10, 10), "relu1": (1, 6, 28, 28)}
    torch.testing.assert_close(model.logits(x), model.module(x))


@pytest.fixture(scope="module")
def digits():
    data, model = load_dataset("mnist5k"), load_model("lenet5", weights=None)
    images = torch.stack([model.transform(data[index].image) for index in range(600)])
    return images, torch.tensor([int(data.labels(index)[0]) for index in range(600)])


def test_training_learns_and_repeats(digits):
    images, labels = digits
    state = torch.random.get_rng_state()
    one, two = (train_lenet(images[:400], labels[:400], epochs=20, seed=0) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.logits(images), two.logits(images))
    accuracy = (one.logits(images[400:]).argmax(1) == labels[400:]).float().mean()
    assert accuracy > 0.8
    assert not one.module.training
    assert one.categories[3] == "3"


def test_checkpoint(digits, tmp_path):
    model = train_lenet(digits[0][:8], digits[1][:8], epochs=1, seed=1)
    torch.save(model.module.state_dict(), tmp_path / "lenet.pt")
    loaded = load_model("lenet5", tmp_path / "lenet.pt")
    ours, theirs = loaded.module.state_dict(), model.module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    torch.testing.assert_close(loaded.logits(digits[0][:4]), model.logits(digits[0][:4]), rtol=0, atol=1e-6)


def test_errors(digits):
    images, labels = digits
    with pytest.raises(ValueError, match="'lenet5' has no published weights; train it with"):
        load_model("lenet5")
    with pytest.raises(ValueError, match=r"images: shape \(600, 32, 32\), expected \(N, 1, 32, 32\)"):
        train_lenet(images[:, 0], labels, 1, 0)
    with pytest.raises(ValueError, match=r"labels: shape \(5,\), expected \(600,\)"):
        train_lenet(images, labels[:5], 1, 0)
    with pytest.raises(ValueError, match="epochs: 0, expected at least 1"):
        train_lenet(images, labels, 0, 0)
