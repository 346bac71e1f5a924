"""The one shape in which every method sees a network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor, nn

from gamlib.models.preprocess import Preprocess


class Model:
    """A network split into features and head, with the layers that saliency maps may read.

    module: the network. layers: names of its submodules, last first; layers[0] is the paper's L. A name's
    output is a (B, C, h, w) activation, and the submodule is called once in a forward.
    features: x (B, C, H, W) -> embedding (B, D), the input of the last linear layer.
    head: embedding (B, D) -> logits (B, K). transform: a Preprocess. categories: K class names or None.
    multilabel: probabilities are sigmoids, not a softmax.

    A network of your own:

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    >>> transform = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    >>> model = Model(net, layers=["1"], features=net[:4], head=net[4], transform=transform)
    >>> model.logits(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str],
        features: Callable[[Tensor], Tensor],
        head: Callable[[Tensor], Tensor],
        transform: Preprocess,
        categories: Sequence[str] | None = None,
        name: str = "custom",
        multilabel: bool = False,
    ):
        known = dict(module.named_modules())
        for layer in layers:
            if layer not in known:
                raise ValueError(f"layers: the network has no submodule '{layer}'; see module.named_modules()")
        self.name = name
        self.module = module.eval()
        self.layers = tuple(layers)
        self.features = features
        self.head = head
        self.preprocess = transform
        self.categories = list(categories) if categories is not None else None
        self.multilabel = multilabel

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.module.parameters()).dtype

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the input in pixels."""
        return self.preprocess.input_size

    def transform(self, image: Image.Image, crop: bool = False) -> Tensor:
        """PIL image -> (C, H, W) float32, normalised; see Preprocess."""
        return self.preprocess(image, crop)

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised (B, C, H, W) -> pixels in [0, 1]."""
        return self.preprocess.pixels(x)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (B, C, H, W) -> normalised."""
        return self.preprocess.normalize(pixels)

    def embed(self, x: Tensor) -> Tensor:
        """Embedding h(x), (B, D), without a graph."""
        with torch.inference_mode(), evaluation(self.module):
            return self.features(x)

    def logits(self, x: Tensor) -> Tensor:
        """Class logits, (B, K), without a graph."""
        with torch.inference_mode(), evaluation(self.module):
            return self.head(self.features(x))

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (B, K) -> probabilities in [0, 1]: softmax, or sigmoid for a multi-label network."""
        return logits.sigmoid() if self.multilabel else logits.softmax(dim=1)

    def probabilities(self, x: Tensor) -> Tensor:
        """Class probabilities, (B, K), without a graph."""
        return self.activate(self.logits(x))

    def __repr__(self) -> str:
        return f"Model({self.name}, layers={list(self.layers)}, input {self.input_size[0]}x{self.input_size[1]})"


class evaluation:
    """Context: the network in evaluation mode; every submodule's own mode comes back at the end."""

    def __init__(self, module: nn.Module):
        self.module = module

    def __enter__(self) -> None:
        self.training = [part for part in self.module.modules() if part.training]
        if self.training:
            self.module.eval()

    def __exit__(self, *error: object) -> None:
        for part in self.training:
            part.training = True


@functools.cache
def imagenet_categories() -> tuple[str, ...]:
    """The 1000 ImageNet-1k class names as torchvision spells them, in index order."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
