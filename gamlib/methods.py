"""The saliency methods. Each is a formula from one layer's (A, G) to a raw map; the rest is shared.

A: activations (B, C, h, w). G: gradients of the score s, same shape. s: (B,). k numbers channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gamlib.maps import aggregate, min_max, resize
from gamlib.traces import Trace

LayerFormula = Callable[[Tensor, Tensor, Tensor], Tensor]


def _gam(a: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """Eq. 1: sum_k [A_k]_+ o [G_k]_+."""
    return (a.relu() * g.relu()).sum(dim=1)


def _grad_cam(a: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """Eq. 3: [ sum_k mean(G_k) A_k ]_+ (Selvaraju et al. 2017)."""
    return torch.einsum("bk,bkij->bij", g.mean(dim=(2, 3)), a).relu()


def _layer_cam(a: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """[ sum_k [G_k]_+ o A_k ]_+ (Jiang et al. 2021)."""
    return (g.relu() * a).sum(dim=1).relu()


def _grad_cam_pp(a: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """Eq. 6 as the original code computes it (Chattopadhay et al. 2018), with exp(s) left in.

    alpha = e^s G^2 / (2 e^s G^2 + e^s G^3 sum_ij A), a zero denominator replaced by 1; divided by its sum over
    the pixels where G > 0; w_k = sum_ij alpha [e^s G]_+. In exact arithmetic e^s only scales the map. In
    float32 it is infinite above s = 88.72, and the products overflow a little earlier.
    """
    # Only G > 0 counts, in the weights and in alpha's sum; elsewhere alpha becomes 0 / 1.
    positive = g.relu()
    first = s.exp()[:, None, None, None] * positive
    second = first * positive
    denominator = second * (2 + positive * a.sum(dim=(2, 3), keepdim=True))
    denominator += denominator == 0
    return _weighted(second / denominator, first, a)


def _grad_cam_pp_stable(a: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """Eq. 6 with e^s cancelled: alpha = [G > 0] / (2 + G sum_ij A), so alpha is in (0, 1/2].

    That needs sum_ij A >= 0, which holds after a ReLU; elsewhere the sum is clamped at 0.
    """
    positive = g.relu()
    alpha = (positive > 0) / (2 + positive * a.sum(dim=(2, 3), keepdim=True).relu())
    return _weighted(alpha, positive, a)


def _weighted(alpha: Tensor, positive: Tensor, a: Tensor) -> Tensor:
    """[ sum_k w_k A_k ]_+ with w_k = sum_ij alpha positive, alpha divided by its sum over the pixels."""
    total = alpha.sum(dim=(2, 3), keepdim=True)
    weights = (alpha / torch.where(total == 0, 1, total) * positive).sum(dim=(2, 3))
    return torch.einsum("bk,bkij->bij", weights, a).relu()


FORMULAS: dict[str, LayerFormula] = {
    "gam": _gam,
    "grad_cam": _grad_cam,
    "grad_cam_pp": _grad_cam_pp,
    "grad_cam_pp_stable": _grad_cam_pp_stable,
    "layer_cam": _layer_cam,
}


def layer_maps(trace: Trace, method: str, n: int) -> list[Tensor]:
    """Raw maps (B, h, w) of the last n layers, last first, before RSZ and NRM. method: a name in METHODS."""
    if method not in FORMULAS:
        raise ValueError(f"method: unknown '{method}'; accepted: {', '.join(FORMULAS)}")
    _check_depth(trace, n)
    formula = FORMULAS[method]
    return [formula(layer.activation, layer.gradient, trace.score) for layer in trace.layers[:n]]


def _check_depth(trace: Trace, n: int) -> None:
    if not 1 <= n <= len(trace.layers):
        raise ValueError(f"n: {n} is out of range; the trace holds 1 to {len(trace.layers)} layers, trace more of them")


def saliency_maps(trace: Trace, methods: Sequence[str], depths: Sequence[int]) -> dict[tuple[str, int], Tensor]:
    """Maps (B, H, W) float32 in [0, 1] for every method and every depth n (Eq. 1, 2); shared work is done once.

    >>> maps = saliency_maps(trace, ["gam", "grad_cam"], depths=[1, 2])  # doctest: +SKIP
    >>> maps["gam", 2].shape                                             # doctest: +SKIP
    torch.Size([8, 224, 224])
    """
    for n in depths:
        _check_depth(trace, n)
    maps = {}
    for method in methods:
        layers = [min_max(resize(raw, trace.size)).float() for raw in layer_maps(trace, method, max(depths))]
        for n in depths:
            maps[method, n] = aggregate(layers[:n])
    return maps


def gam(trace: Trace, n: int = 2) -> Tensor:
    """GAM (Barkan et al. 2021), Eq. 1 and 2, over the last n layers: (B, H, W) float32 in [0, 1].

    >>> from gamlib import load_model, trace_class
    >>> model = load_model("efficientnet_lite0")
    >>> gam(trace_class(model, torch.zeros(1, 3, 224, 224)), n=2).shape
    torch.Size([1, 224, 224])
    """
    return saliency_maps(trace, ["gam"], [n])["gam", n]


def grad_cam(trace: Trace, n: int = 1) -> Tensor:
    """Grad-CAM, Eq. 3: (B, H, W) float32 in [0, 1]. For n > 1 layers are aggregated as in Eq. 2."""
    return saliency_maps(trace, ["grad_cam"], [n])["grad_cam", n]


def grad_cam_pp(trace: Trace, n: int = 1, exponent: bool = True) -> Tensor:
    """Grad-CAM++, Eq. 6: (B, H, W) float32.

    exponent=True follows the original code, so maps of large scores hold non-finite values; they stay.
    exponent=False is the closed form in which e^s has cancelled: always finite, in [0, 1].
    """
    method = "grad_cam_pp" if exponent else "grad_cam_pp_stable"
    return saliency_maps(trace, [method], [n])[method, n]


def grad_cam_pp_stable(trace: Trace, n: int = 1) -> Tensor:
    """Grad-CAM++ in closed form; see grad_cam_pp."""
    return grad_cam_pp(trace, n, exponent=False)


def layer_cam(trace: Trace, n: int = 1) -> Tensor:
    """LayerCAM (Jiang et al. 2021): (B, H, W) float32 in [0, 1]; equal to GAM where activations are >= 0."""
    return saliency_maps(trace, ["layer_cam"], [n])["layer_cam", n]


METHODS: dict[str, Callable[..., Tensor]] = {
    "gam": gam,
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "grad_cam_pp_stable": grad_cam_pp_stable,
    "layer_cam": layer_cam,
}
