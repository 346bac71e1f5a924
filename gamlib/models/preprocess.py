"""From a photograph to a network's input, and back to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Preprocess:
    """How a network wants its images: size, normalisation, and its ImageNet evaluation crop.

    input_size: (H, W) in pixels. mean, std: one number a channel, on pixels in [0, 1]; their length is the
    number of channels (1: greyscale). crop_fraction: the share of the resized shorter side that the
    evaluation crop keeps. resample: PIL filter.

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
        """(C, H, W) float32, normalised.

        By default the whole image is squeezed to the input size, so maps and boxes cover all of it.
        crop=True resizes the shorter side and takes the centre, as ImageNet evaluations do.
        """
        if not isinstance(image, Image.Image):
            raise TypeError(f"image: expected a PIL image, got {type(image).__name__}; open it with PIL.Image.open")
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
