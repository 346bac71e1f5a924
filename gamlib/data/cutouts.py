"""What scenes are composed of: objects cut out of the photographs, before colour backgrounds that hold none of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion, distance_transform_edt

from gamlib.data.photos import outline_mask, outlines, photograph

SCENE_SIDE = 384  # pixels along each side of a scene
# Subpixels along each side of a pixel when an outline is drawn: alpha has 64 steps.
SUBPIXELS = 8


@dataclass(frozen=True)
class Cutout:
    """How one object stands in a scene; everything that decides its pixels.

    `photo`: photograph it is cut from. `flip`: mirrored left to right. `angle`: rotation in radians, clockwise on the
    screen. `scale`: scene pixels per photograph pixel. `shift`: (x, y) in scene pixels, added after both. `gains`:
    factors on red, green and blue.
    """

    photo: str
    flip: bool
    angle: float
    scale: float
    shift: tuple[float, float]
    gains: tuple[float, float, float]

    def linear(self) -> np.ndarray:
        """(2, 2) matrix from photograph to scene coordinates, without the shift."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        mirror = -1.0 if self.flip else 1.0
        return self.scale * np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])

    def polygons(self) -> list[np.ndarray]:
        """The outline in scene coordinates, border first, then holes; (N, 2) arrays of x and y."""
        return [polygon @ self.linear().T + self.shift for polygon in outlines()[outline_name(self.photo)]]

    def alpha(self) -> np.ndarray:
        """(384, 384) uint8 coverage of each pixel, 255 = inside. Reads no photograph."""
        fine = Image.new("L", (SCENE_SIDE * SUBPIXELS, SCENE_SIDE * SUBPIXELS))
        draw = ImageDraw.Draw(fine)
        for number, polygon in enumerate(self.polygons()):
            draw.polygon([tuple(point) for point in polygon * SUBPIXELS - 0.5], fill=0 if number else 255)
        return np.asarray(fine.reduce(SUBPIXELS))

    def mask(self) -> np.ndarray:
        """(384, 384) bool: pixels covered at least by half."""
        return self.alpha() >= 128

    def paste(self, scene: np.ndarray) -> np.ndarray:
        """A new (384, 384, 3) uint8 image: the scene with the object in front."""
        source = Image.fromarray(_bled(self.photo))
        # Shrink with an averaging filter first: rotation alone would sample the photograph too sparsely.
        shrink = min(self.scale, 1.0)
        small = source.resize((round(source.width * shrink), round(source.height * shrink)), Image.Resampling.LANCZOS)
        back = np.linalg.inv(self.linear())
        to_small = np.array([small.width / source.width, small.height / source.height])[:, None]
        offset = -back @ np.array(self.shift)
        rows = np.hstack([back * to_small, offset[:, None] * to_small])
        size = (SCENE_SIDE, SCENE_SIDE)
        moved = small.transform(size, Image.Transform.AFFINE, rows.ravel().tolist(), Image.Resampling.BICUBIC)
        front = np.clip(np.asarray(moved, dtype=np.float32) * np.array(self.gains, dtype=np.float32), 0, 255)
        weight = self.alpha().astype(np.float32)[..., None] / 255
        return np.round(weight * front + (1 - weight) * scene).astype(np.uint8)


def outline_name(photo: str) -> str:
    """The outline that scenes cut along: the cat's photograph ends at its ears and chest, so only its head is used."""
    return "cat_head" if photo == "cat" else photo


@cache
def _bled(photo: str) -> np.ndarray:
    """The photograph with every pixel outside the object replaced by the nearest one inside, (H, W, 3) uint8.

    Otherwise resampling at the border would carry a rim of the old background into the scene.
    """
    pixels = photograph(photo)
    inside = binary_erosion(outline_mask(outline_name(photo), *pixels.shape[:2]), border_value=1)
    rows, columns = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return pixels[rows, columns]


@dataclass(frozen=True)
class Background:
    """A square region of a photograph or texture, (x, y) its top left pixel.

    `tint`: dark and light RGB colour of a two-colour tone for textures that are grey in the package.
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


@cache
def background_pixels(name: str) -> np.ndarray:
    """The whole region `name`, (side, side, 3) uint8, tinted where its texture is grey."""
    region = BACKGROUNDS[name]
    x, y = region.corner
    pixels = photograph(region.origin)[y : y + region.side, x : x + region.side]
    if region.tint is None:
        return pixels
    dark, light = np.array(region.tint, dtype=np.float32)
    # Textures use only a part of the grey scale; their own extremes become the two colours of the tone.
    low, high = np.percentile(pixels, (1, 99))
    grey = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
    return np.round(dark + grey[..., None] * (light - dark)).astype(np.uint8)


@dataclass(frozen=True)
class Scene:
    """The plan of one scene: `background` and how it is seen, and the cut-outs with their labels and boxes.

    `window`: left, top and side of the square view, in parts of the background's side. `flip`: mirrored left to right.
    `gain`: factor on all channels.
    """

    background: str
    window: tuple[float, float, float]
    flip: bool
    gain: float
    labels: tuple[str, ...]
    cutouts: tuple[Cutout, ...]
    boxes: tuple[tuple[int, int, int, int], ...]

    def pixels(self) -> np.ndarray:
        """(384, 384, 3) uint8."""
        region = background_pixels(self.background)
        left, top, side = (part * len(region) for part in self.window)
        box = (left, top, left + side, top + side)
        view = Image.fromarray(region).resize((SCENE_SIDE, SCENE_SIDE), Image.Resampling.BICUBIC, box=box)
        shown = np.asarray(view, dtype=np.float32)[:, :: -1 if self.flip else 1]
        pixels = np.round(np.clip(shown * self.gain, 0, 255)).astype(np.uint8)
        for cutout in self.cutouts:
            pixels = cutout.paste(pixels)
        return pixels
