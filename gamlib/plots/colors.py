"""The colours of a map over its grey photograph."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from PIL import Image
from torch import Tensor

COLORS = "inferno"
# Share of the colour over the grey photograph: enough to read the scale, little enough to recognise the object.
ALPHA = 0.7
MID_GREY = 0.6


def overlay(image: Tensor | Image.Image | None, saliency: Tensor) -> np.ndarray:
    """The colours of a map over its grey photograph, as every grid shows it.

    Parameters
    ----------
    image : Tensor or PIL image, optional
        Photograph, (3, H, W) with pixels in [0, 1]; None lays the map over an even grey.
    saliency : Tensor
        Finite map (h, w) in [0, 1], resized to the photograph.

    Returns
    -------
    ndarray
        (H, W, 3) float64 in [0, 1].

    Raises
    ------
    ValueError
        For what is not one map, and for a map that is not finite, which has no colours.

    Examples
    --------
    >>> import torch
    >>> overlay(None, torch.zeros(7, 7)).shape
    (7, 7, 3)
    """
    check_map(saliency)
    values = saliency.detach().cpu().float().numpy()
    if not np.isfinite(values).all():
        raise ValueError("saliency: the map is not finite and has no colours; keep its numbers instead")
    if image is None:
        return _blend(MID_GREY, values)
    photograph = pixels_of(image)
    # bilinear: no value lies outside of the map's own range
    resized = Image.fromarray(values).resize(photograph.shape[1::-1], Image.Resampling.BILINEAR)
    # luminance by the weights of ITU-R BT.709
    return _blend(photograph @ np.repeat([[0.2126], [0.7152], [0.0722]], 3, axis=1), np.asarray(resized))


def check_map(saliency: object) -> None:
    """ValueError where it is not one map."""
    if not isinstance(saliency, Tensor) or saliency.ndim != 2:
        given = f"a tensor {tuple(saliency.shape)}" if isinstance(saliency, Tensor) else f"a {type(saliency).__name__}"
        raise ValueError(f"saliency: got {given}; give one map as a tensor (h, w), such as maps[0] of a batch")


def scale_colors(count: int) -> np.ndarray:
    """Colours (count, 3) of evenly spaced values from 0 to 1 as they look over mid-grey: the scale of every grid."""
    return _blend(MID_GREY, np.linspace(0, 1, count))


def pixels_of(image: Tensor | Image.Image) -> np.ndarray:
    """(H, W, 3) float64 in [0, 1]."""
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("RGB")) / 255
    if image.ndim != 3 or len(image) not in (1, 3):
        raise ValueError(
            f"image: expected (3, H, W) or (1, H, W), got {tuple(image.shape)}; choose the channels to show"
        )
    return image.detach().cpu().clamp(0, 1).double().permute(1, 2, 0).expand(-1, -1, 3).numpy()


def _blend(under: np.ndarray | float, values: np.ndarray) -> np.ndarray:
    """Colour of `values` in [0, 1] over the grey `under`: (..., 3), or one for all."""
    colour = mpl.colormaps[COLORS](np.clip(values, 0, 1))[..., :3]
    return (1 - ALPHA) * under + ALPHA * colour
