"""The reader's own photographs: any image file to an RGB image that stands upright."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF"
# By Pillow's names; nothing else is tried, since to read PostScript is to run it.
_READ = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_PHOTOMETRIC = 262  # a TIFF's tag
# Networks see a few hundred pixels a side; what a photograph has beyond this only costs memory.
LONGEST_SIDE = 2048
# Pillow refuses larger files, which may be small on disk and fill the memory when they are decoded.
MOST_PIXELS = 178_956_970


def open_image(path: str | Path) -> Image.Image:
    """Read an image file as RGB, upright, with at most 2048 pixels a side.

    The rotation that a camera notes in EXIF is applied. What is transparent becomes white. Greyscale, palette,
    CMYK and 16 bits a pixel become 8-bit RGB; 16-bit greyscale is stretched from its own darkest to its own brightest
    pixel, since such files often hold 10 or 12 bits. Of an animation the first frame is taken. A colour profile is not
    applied, as it is not where networks are trained.

    Parameters
    ----------
    path : path
        JPEG, PNG, WebP, GIF, BMP or TIFF. Larger images are scaled down, up to a limit of 178 million pixels.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    TypeError, FileNotFoundError, ValueError
        For no path; for no file; for one that cannot be read or is too large. Both name it.

    Examples
    --------
    >>> from importlib.resources import files
    >>> open_image(files("sklearn.datasets.images") / "china.jpg").size
    (640, 427)
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"image: got a {type(path).__name__}; give the path of a photograph")
    given, path = path, Path(path).expanduser()
    # os.path takes a name that no file can have, too long for the system, as one of no file
    if not os.path.isfile(path):
        fault = f"'{given}' is a folder" if os.path.isdir(path) else f"there is no file '{given}'"
        raise FileNotFoundError(f"image: {fault}; give the path of a photograph ({FORMATS})")
    try:
        # Pillow also warns at half its limit; below the limit the image is scaled down here
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_READ) as image:
                # a JPEG can be decoded at 1/2, 1/4 or 1/8; other formats ignore this
                image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
                image = upright(image)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"image: '{path}' is too large; at most {MOST_PIXELS // 10**6} million pixels are accepted, scale it down"
        ) from error
    # Pillow has an error of another kind for each way in which a file can be damaged
    except Exception as error:
        raise ValueError(
            f"image: '{path}' cannot be read ({error}); accepted: {FORMATS}; convert it to one of these"
        ) from error
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def upright(image: Image.Image) -> Image.Image:
    """RGB of an image that was opened with Pillow, as `open_image` has it but for the size."""
    rgb = _rgb(image)
    rgb.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return ImageOps.exif_transpose(rgb)


def stored(image: Image.Image) -> Image.Image:
    """Its pixels as they are stored, decoded, in RGB or grey, without a note of the camera's that could turn them."""
    image.load()
    if image.mode not in ("RGB", "L"):
        image = _rgb(image)
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = Image.frombytes(image.mode, image.size, image.tobytes())
    return image


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of an image in any mode; transparent pixels over white."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose scale is not known")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Greyscale of 16 bits as 8 bits, from its own darkest to its own brightest pixel; Pillow itself would cut at 255.

    Scanners and cameras keep 10, 12 or 14 bits in such files, and nothing in them says how many.
    """
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"values {values.min()} to {values.max()} are no 16-bit greyscale")
    low, span = (float(values.min()), float(np.ptp(values))) if np.ptp(values) else (0.0, 65535.0)
    grey = Image.fromarray(np.round((values - low) * (255 / span)).astype(np.uint8))
    # of 16 bits Pillow does not look at which end is white
    return ImageOps.invert(grey) if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0 else grey
