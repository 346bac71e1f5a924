"""Colour backgrounds that hold none of the annotated objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import skimage.data
from PIL import Image

from gamlib.data.photos import photograph


@dataclass(frozen=True)
class Background:
    """A square region of a photograph.

    origin: the photograph or texture it is taken from. corner: (x, y) of the top left pixel, side: pixels.
    tint: dark and light RGB colour of a two-colour tone for textures that are grey in the package.
    """

    origin: str
    corner: tuple[int, int]
    side: int
    tint: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None


# Regions were chosen by eye: each ends before the object of its photograph (checked by a test).
BACKGROUNDS = {
    "grass": Background("grass", (0, 0), 512, ((22, 38, 10), (176, 196, 98))),
    "brick": Background("brick", (0, 0), 512, ((58, 24, 16), (226, 156, 122))),
    "gravel": Background("gravel", (0, 0), 512, ((44, 30, 18), (236, 208, 170))),
    "galaxies": Background("galaxies", (0, 0), 512),
    "sky": Background("temple", (374, 0), 168),
    "lake": Background("temple", (376, 163), 264),
    "wood": Background("coffee", (482, 210), 118),
    "leaf": Background("flower", (0, 40), 164),
    "leaves": Background("flower", (450, 60), 190),
    "dusk": Background("rocket", (346, 0), 120),
}

_TEXTURES: dict[str, Callable[[], np.ndarray]] = {
    "grass": skimage.data.grass,
    "brick": skimage.data.brick,
    "gravel": skimage.data.gravel,
    "galaxies": skimage.data.hubble_deep_field,
}


@cache
def background_pixels(name: str) -> np.ndarray:
    """The whole region `name`, (side, side, 3) uint8, tinted where its texture is grey."""
    region = BACKGROUNDS[name]
    source = _TEXTURES[region.origin]() if region.origin in _TEXTURES else photograph(region.origin)
    x, y = region.corner
    pixels = np.asarray(source)[y : y + region.side, x : x + region.side]
    if region.tint is None:
        return pixels
    dark, light = np.array(region.tint, dtype=np.float32)
    # Textures use only a part of the grey scale; their own extremes become the two colours of the tone.
    low, high = np.percentile(pixels, (1, 99))
    grey = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
    return np.round(dark + grey[..., None] * (light - dark)).astype(np.uint8)


def render_background(name: str, window: tuple[float, float, float], flip: bool, gain: float, size: int) -> np.ndarray:
    """A (size, size, 3) uint8 view of the region.

    window: left, top and side of the square view, in parts of the region's side. flip: mirrored left to right.
    gain: factor on all channels.
    """
    pixels = background_pixels(name)
    left, top, side = (part * pixels.shape[0] for part in window)
    view = Image.fromarray(pixels).resize(
        (size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
    )
    shown = np.asarray(view, dtype=np.float32)[:, ::-1] if flip else np.asarray(view, dtype=np.float32)
    return np.round(np.clip(shown * gain, 0, 255)).astype(np.uint8)
