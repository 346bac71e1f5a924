"""How a photograph becomes the input of a network."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gamlib.images import open_image, upright


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

    Raises
    ------
    TypeError, ValueError
        For other numbers than these.

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

    def __post_init__(self) -> None:
        a_channel = (float, "one number a channel, e.g. (0.5, 0.5, 0.5)")
        numbers = {"input_size": (operator.index, "(H, W), e.g. (224, 224)"), "mean": a_channel, "std": a_channel}
        for name, (kind, wanted) in numbers.items():
            given = getattr(self, name)
            try:
                object.__setattr__(self, name, tuple(map(kind, given)))
            except (TypeError, ValueError):
                raise TypeError(f"{name}: got {given!r}; give {wanted}") from None
        if len(self.input_size) != 2 or min(self.input_size) < 1:
            raise ValueError(f"input_size: got {self.input_size}; give (H, W) in pixels, e.g. (224, 224)")
        finite = all(map(math.isfinite, (*self.mean, *self.std)))
        if len(self.mean) != len(self.std) or not self.mean or not finite or min(self.std) <= 0:
            raise ValueError(
                f"mean, std: got {self.mean} and {self.std}; give one number a channel each, and deviations above 0"
            )
        # other numbers of channels are no photographs, and their pixels may lie anywhere
        if len(self.mean) in (1, 3) and not 0 <= min(self.mean) <= max(self.mean) <= 1:
            raise ValueError(f"mean: got {self.mean}; pixels lie in [0, 1], so divide numbers for 0 to 255 by 255")
        if not 0 < self.crop_fraction <= 1:
            raise ValueError(f"crop_fraction: got {self.crop_fraction}; give a share of the shorter side in (0, 1]")

    def __call__(self, image: Image.Image | str | Path, crop: bool = False) -> Tensor:
        """Photograph, a PIL image or the path of one, to (C, H, W) float32, normalised.

        Either is read as by `open_image`: turned as the camera says, what is transparent becomes white, 16 bits are
        stretched to 8; a path's alone is scaled down first where it has more than 2048 pixels a side. By default the
        whole image is squeezed to the input size, so maps and boxes cover all of it.
        crop=True resizes the shorter side and takes the centre, as ImageNet evaluations do.
        """
        if len(self.mean) not in (1, 3):
            raise ValueError(
                f"image: a photograph has 1 or 3 channels, this network's input {len(self.mean)}; put x (B, C, H, W) "
                "together yourself, pixels in [0, 1] through `normalize`"
            )
        if isinstance(image, str | Path):
            image = open_image(image)
        if not isinstance(image, Image.Image):
            raise TypeError(f"image: expected a PIL image or a path, got {type(image).__name__}")
        try:
            image = upright(image).convert("RGB" if len(self.mean) == 3 else "L")
        # Pillow has an error of another kind for each way in which an image can be damaged
        except Exception as error:
            raise ValueError(f"image: cannot be read ({error}); save it as PNG with 8 bits a channel") from error
        height, width = self.input_size
        if crop:
            least, short = min(image.size), round(max(height, width) / self.crop_fraction)
            image = image.resize([short * side // least for side in image.size], self.resample)
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
