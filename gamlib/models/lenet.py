"""LeNet-5 and its training, for the data randomisation test."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gamlib.models.checkpoints import load_state, read_checkpoint
from gamlib.models.model import Model
from gamlib.models.preprocess import Preprocess

# C5 is left out: its maps have one pixel
LENET_LAYERS = ("relu3", "relu1")
LENET_SIZE = (32, 32)
_BATCH = 32
_LEARNING_RATE = 2e-3


def _network() -> nn.Sequential:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B), (B, 1, 32, 32) -> logits (B, 10).

    C1 6 x 28 x 28, S2, C3 16 x 10 x 10, S4, C5 120, F6 84, 10 classes. As is usual today, activations are ReLUs
    (so A >= 0, as the saliency methods assume; the original has tanh), S2 and S4 average without weights, C3 sees all
    maps of S2 and the output is linear.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5),
            relu1=nn.ReLU(),
            pool2=nn.AvgPool2d(2),
            conv3=nn.Conv2d(6, 16, 5),
            relu3=nn.ReLU(),
            pool4=nn.AvgPool2d(2),
            conv5=nn.Conv2d(16, 120, 5),
            relu5=nn.ReLU(),
            flat=nn.Flatten(),
            linear6=nn.Linear(120, 84),
            relu6=nn.ReLU(),
            output=nn.Linear(84, 10),
        )
    )


def lenet5(name: str, weights: str | Path | None) -> Model:
    """LeNet-5 with random weights (None) or those of a checkpoint; layers: C3 (10x10) and C1 (28x28), after ReLU."""
    if weights == "default":
        raise ValueError(
            "weights: 'lenet5' has no published weights; train it with gamlib.models.lenet.train_lenet, "
            "or give weights=None (random) or a checkpoint's path"
        )
    net = _network()
    if weights is not None:
        load_state(net, read_checkpoint(weights), weights)
    return _model(net)


def train_lenet(images: Tensor, labels: Tensor, epochs: int, seed: int) -> Model:
    """A LeNet-5 trained with Adam and cross entropy.

    images: (N, 1, 32, 32) float32, as `load_model("lenet5", weights=None).transform` makes them. labels: (N,) long
    in 0..9. The learning rate falls to 0 along a half cosine. Computed in float64, since hundreds of steps make a
    large difference of a rounding error in float32: the same input and seed give the same float32 weights on every
    processor. The global random state is left as it was.

    >>> model = train_lenet(torch.zeros(8, 1, 32, 32), torch.arange(8), epochs=1, seed=0)
    >>> model.logits(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """
    if images.ndim != 4 or images.shape[1:] != (1, *LENET_SIZE):
        raise ValueError(f"images: shape {tuple(images.shape)}, expected (N, 1, {LENET_SIZE[0]}, {LENET_SIZE[1]})")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels: shape {tuple(labels.shape)}, expected ({len(images)},), one an image")
    if epochs < 1:
        raise ValueError(f"epochs: {epochs}, expected at least 1")
    images = images.double()
    with torch.random.fork_rng(devices=[]):
        net = _network().double().train()
        torch.manual_seed(seed)
        for part in net.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                part.reset_parameters()
    net.to(images.device)
    order = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(images) // _BATCH)
    optimizer = torch.optim.Adam(net.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=order).split(_BATCH):
            loss = functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    return _model(net.float().eval())


def _model(net: nn.Sequential) -> Model:
    categories = [str(digit) for digit in range(10)]
    transform = Preprocess(LENET_SIZE, (0.5,), (0.5,), 1.0)
    return Model(net, LENET_LAYERS, net[:-1], net[-1], transform, categories, "lenet5")
