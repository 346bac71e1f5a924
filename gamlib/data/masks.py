"""Masks in files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def read_mask(path: Path, size: tuple[int, int], binary: bool = False) -> np.ndarray:
    """A mask, (H, W) bool: True where its file is not black.

    Parameters
    ----------
    path : path
    size : (int, int)
        Width and height in pixels of the image that it belongs to.
    binary : bool
        Whether the file may hold black (0) and white (255) only.

    Raises
    ------
    ValueError
        For a file that cannot be read, has another size, another value, or no object; names it.
    """
    try:
        with Image.open(path) as file:
            # as colours: grey is too coarse for a dark blue, and pixels of more than 8 bits would be cut
            values = np.asarray(file if file.mode.startswith("I") else file.convert("RGB"))
    # Pillow has an error of another kind for each way in which a file can be damaged
    except Exception as error:
        raise ValueError(f"mask '{path}': it is missing or damaged ({error}); save it again as PNG") from error
    mask = np.asarray(np.atleast_3d(values).any(axis=2))
    if mask.shape != size[::-1]:
        raise ValueError(f"mask '{path}': it has {mask.shape[::-1]} pixels (width, height), its image {size}")
    if binary and not np.isin(values, (0, 255)).all():
        raise ValueError(f"mask '{path}': expected black (0) and white (255) only")
    if not mask.any():
        raise ValueError(f"mask '{path}': it is black; an object has at least one pixel")
    return mask
