"""The one shape in which every method sees a network, and how a photograph becomes its input."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn


@dataclass(frozen=True)
class Preprocess:
    """How a network wants its images: size, normalisation, and its ImageNet evaluation crop.

    Parameters
    ----------
    input_size : (int, int)
        (H, W) in pixels.
    mean, std : tuple of float
        One number a channel, on pixels in [0, 1]; as many as the network has channels (1: greyscale).
    crop_fraction : float
        Share of the resized shorter side that the evaluation crop keeps.
    resample : PIL.Image.Resampling
        Filter of the resizing.

    Examples
    --------
    >>> preprocess = Preprocess((224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    >>> preprocess(Image.new("RGB", (640, 480), "white")).max().item()
    1.0
    """

    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_fraction: float = 0.875
    resample: Image.Resampling = Image.Resampling.BICUBIC

    def __call__(self, image: Image.Image, crop: bool = False) -> Tensor:
        """PIL image to (C, H, W) float32, normalised.

        By default the whole image is squeezed to the input size, so maps and boxes cover all of it.
        crop=True resizes the shorter side and takes the centre, as ImageNet evaluations do.
        """
        if not isinstance(image, Image.Image):
            raise TypeError(f"image: expected a PIL image, got {type(image).__name__}; open it with gamlib.open_image")
        image = image.convert("RGB" if len(self.mean) == 3 else "L")
        height, width = self.input_size
        if crop:
            scale = max(height, width) / self.crop_fraction / min(image.size)
            image = image.resize([max(1, round(side * scale)) for side in image.size], self.resample)
            left, top = (image.width - width) // 2, (image.height - height) // 2
            image = image.crop((left, top, left + width, top + height))
        else:
            image = image.resize((width, height), self.resample)
        pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)
        return self.normalize(pixels.reshape(height, width, -1).permute(2, 0, 1).contiguous())

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised (..., C, H, W) to pixels in [0, 1], same shape and dtype."""
        return x * self._column(self.std, x) + self._column(self.mean, x)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (..., C, H, W) to the normalised input, same shape and dtype."""
        return (pixels - self._column(self.mean, pixels)) / self._column(self.std, pixels)

    @staticmethod
    def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)


class Model:
    """A network split into features and head, with the layers that saliency maps may read.

    Parameters
    ----------
    module : nn.Module
        The network.
    layers : sequence of str
        Names of its submodules, last first; layers[0] is the paper's L. A name's output is a (B, C, h, w)
        activation, and the submodule is called once in a forward.
    features : callable
        x (B, C, H, W) -> embedding (B, D), the input of the last linear layer.
    head : callable
        Embedding (B, D) -> logits (B, K).
    transform : Preprocess
        From a photograph to x; `model.transform(image)` is (C, H, W).
    categories : sequence of str, optional
        K class names.
    name : str
    multilabel : bool
        Probabilities are sigmoids, not a softmax.

    Raises
    ------
    ValueError
        Where the network has no submodule of a layer's name.

    Examples
    --------
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
    ) -> None:
        known = dict(module.named_modules())
        for layer in layers:
            if layer not in known:
                raise ValueError(f"layers: the network has no submodule '{layer}'; see module.named_modules()")
        self.name = name
        self.module = module.eval()
        self.layers = tuple(layers)
        self.features = features
        self.head = head
        self.transform = transform
        self.categories = list(categories) if categories is not None else None
        self.multilabel = multilabel

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of its parameters."""
        return next(self.module.parameters()).dtype

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the input in pixels."""
        return self.transform.input_size

    def batch(self, images: Sequence[Image.Image]) -> Tensor:
        """Photographs as one input (B, C, H, W), normalised, on the network's device."""
        return torch.stack([self.transform(image) for image in images]).to(self.device)

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised (B, C, H, W) -> pixels in [0, 1]."""
        return self.transform.pixels(x)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (B, C, H, W) -> normalised."""
        return self.transform.normalize(pixels)

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

    def __init__(self, module: nn.Module) -> None:
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

    return tuple(ResNet50_Weights["IMAGENET1K_V1"].meta["categories"])
