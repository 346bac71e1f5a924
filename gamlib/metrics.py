"""Average drop, increase in confidence and explanation maps (Chattopadhay et al. 2018; the paper's section 4.4).

Y is a score on the image, O the same score on the explanation map, the image masked by its saliency map. For a
class it is a probability, for a pair the similarity. A relative drop means nothing where Y <= 0: such scores are
left out of both measures, and whoever reports a mean counts them with `(before <= 0).sum()`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gamlib.models.model import Model
from gamlib.names import check_name

FILLS = ("black", "mean")


def drops(before: ArrayLike, after: ArrayLike) -> np.ndarray:
    """Drop of each score in percent, 100 max(0, Y - O) / Y: (N,) float64 in [0, inf).

    NaN where Y <= 0, and where Y or O is NaN.

    Examples
    --------
    >>> drops([0.8, 0.5, 0.0], [0.6, 0.9, 0.1]).round(6)
    array([25.,  0., nan])
    """
    before, after = _scores(before, after)
    valid = before > 0
    return np.where(valid, 100 * np.maximum(0, before - after) / np.where(valid, before, 1), np.nan)


def increases(before: ArrayLike, after: ArrayLike) -> np.ndarray:
    """100 where the explanation map scores strictly higher (O > Y), else 0: (N,) float64.

    NaN where Y <= 0, and where Y or O is NaN.

    Examples
    --------
    >>> increases([0.8, 0.5, 0.0], [0.6, 0.9, 0.1])
    array([  0., 100.,  nan])
    """
    before, after = _scores(before, after)
    return np.where((before > 0) & ~np.isnan(after), 100.0 * (after > before), np.nan)


def average_drop(before: ArrayLike, after: ArrayLike) -> float:
    """ADP in percent: the mean of `drops` over Y > 0. Lower is better.

    Parameters
    ----------
    before, after : array_like or Tensor
        (N,) scores Y and O.

    Returns
    -------
    float
        In [0, inf); NaN where no score is above 0.

    Raises
    ------
    ValueError
        Where their lengths differ or one is not finite.

    Examples
    --------
    >>> average_drop([0.8, 0.5], [0.4, 0.9])
    25.0
    """
    return _mean(drops(*_finite_scores(before, after)))


def increase_in_confidence(before: ArrayLike, after: ArrayLike) -> float:
    """PIC in percent: the mean of `increases` over Y > 0. Higher is better.

    Parameters, errors and NaN as for `average_drop`.

    Examples
    --------
    >>> increase_in_confidence([0.8, 0.5], [0.6, 0.9])
    50.0
    """
    return _mean(increases(*_finite_scores(before, after)))


def explanation_map(model: Model, x: Tensor, saliency: Tensor, fill: str = "black") -> Tensor:
    """Image o saliency as the network sees it.

    Parameters
    ----------
    model : Model
        Only its pixels and normalize are used.
    x : Tensor
        (B, C, H, W) normalised images.
    saliency : Tensor
        (B, H, W) in [0, 1]; a map with a non-finite value counts as the all-zero map.
    fill : {"black", "mean"}
        The colour where the map is 0: "black" multiplies the pixels, as the measure's authors describe it; "mean"
        multiplies the normalised image, as most libraries do, so that the fill is the normalisation's mean.

    Returns
    -------
    Tensor
        (B, C, H, W) normalised.

    Raises
    ------
    ValueError
        For another fill, a map that does not fit the images, or one with values far outside of [0, 1].

    Examples
    --------
    >>> import gamlib
    >>> model = gamlib.load_model("efficientnet_lite0", weights=None)
    >>> explanation_map(model, torch.zeros(1, 3, 224, 224), torch.zeros(1, 224, 224)).unique()  # (0 - 0.5) / 0.5
    tensor([-1.])
    """
    check_name("fill", fill, FILLS)
    saliency = torch.as_tensor(saliency)
    if saliency.shape != (x.shape[0], *x.shape[2:]):
        raise ValueError(
            f"saliency: got {tuple(saliency.shape)} for images {tuple(x.shape)}; expected one (H, W) map an image"
        )
    finite = saliency.isfinite().flatten(1).all(dim=1)
    mask = torch.where(finite[:, None, None], saliency, 0).to(x)[:, None]
    # resizing by bicubic interpolation overshoots by less than this
    if len(mask) and (mask.min() < -0.5 or mask.max() > 1.5):
        raise ValueError(
            f"saliency: values from {mask.min():.3g} to {mask.max():.3g}; expected [0, 1], as min_max brings them"
        )
    return x * mask if fill == "mean" else model.normalize(model.pixels(x) * mask)


def _scores(before: ArrayLike, after: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    before, after = (np.asarray(v.detach().cpu() if isinstance(v, Tensor) else v, float) for v in (before, after))
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(
            f"scores: before is {before.shape} and after is {after.shape}; expected one (N,) shape for both"
        )
    return before, after


def _finite_scores(before: ArrayLike, after: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    before, after = _scores(before, after)
    bad = [np.count_nonzero(~np.isfinite(scores)) for scores in (before, after)]
    if any(bad):
        raise ValueError(
            f"scores: {bad[0]} of the {len(before)} before and {bad[1]} after are not finite, so there is no mean; "
            "leave those images out and report their number"
        )
    return before, after


def _mean(values: np.ndarray) -> float:
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")
