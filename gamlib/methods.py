"""The saliency methods. Each is a formula from one layer's (A, G) to a raw map; the rest is shared.

A: activations (B, C, h, w). G: gradients of the score s, same shape. s: (B,). k numbers channels.
A method is one entry of METHODS: tables, charts, explorers and the functions `gamlib.NAME` follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gamlib.maps import aggregate, min_max, resize
from gamlib.names import check_name
from gamlib.traces import Trace


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
    denominator = (positive * a.sum(dim=(2, 3), keepdim=True)).add_(2).mul_(second)
    # 1 - |sign| is 1 where it is zero; to compare and fill would take twice the time of all the rest
    denominator += 1 - denominator.sign().abs_()
    return _weighted(second.div_(denominator), first, a)


def _grad_cam_pp_stable(a: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """Eq. 6 in closed form, e^s cancelled: alpha = [G > 0] / (2 + G sum_ij A), so alpha is in (0, 1/2].

    That needs sum_ij A >= 0, which holds after a ReLU; elsewhere the sum is clamped at 0.
    """
    positive = g.relu()
    # sign is [G > 0] in the gradient's own dtype: a comparison would have to be converted, at twice the time
    alpha = positive.sign() / (2 + positive * a.sum(dim=(2, 3), keepdim=True).relu())
    return _weighted(alpha, positive, a)


def _weighted(alpha: Tensor, positive: Tensor, a: Tensor) -> Tensor:
    """[ sum_k w_k A_k ]_+ with w_k = sum_ij alpha positive, alpha divided by its sum over the pixels."""
    total = alpha.sum(dim=(2, 3), keepdim=True)
    # divided before it is summed, as in the original: the other way round overflows earlier
    weights = alpha.div_(torch.where(total == 0, 1, total)).mul_(positive).sum(dim=(2, 3))
    return torch.einsum("bk,bkij->bij", weights, a).relu()


@dataclass(frozen=True)
class Method:
    """A saliency method; called with a trace it gives the map (Eq. 1 and 2).

    Parameters
    ----------
    formula : callable
        (A, G, s) -> raw map (B, h, w) of one layer.
    title, short : str
        What figures and tables call it, in full and where space is scarce.
    color : str
        Its colour in every chart.
    n : int
        The usual number of layers.
    tabled : bool
        Whether Tables 1 and 2 have a row for it.

    Examples
    --------
    >>> from gamlib import METHODS, load_model, trace_class
    >>> trace = trace_class(load_model("efficientnet_lite0"), torch.zeros(1, 3, 224, 224))
    >>> METHODS["gam"](trace, n=2).shape
    torch.Size([1, 224, 224])
    """

    formula: Callable[[Tensor, Tensor, Tensor], Tensor]
    title: str
    short: str
    color: str
    n: int = 1
    tabled: bool = True

    def __call__(self, trace: Trace, n: int | None = None) -> Tensor:
        """Map of the last n layers (default: the usual number, or all there are): (B, H, W) float32 in [0, 1]."""
        _check(trace, 1 if n is None else n)
        n = min(self.n, len(trace.layers)) if n is None else n
        return aggregate([_enlarged(raw, trace.size) for raw in _raw(self, trace, n)])


METHODS: dict[str, Method] = {
    "gam": Method(_gam, "GAM", "GAM", "#0072b2", n=2),
    "grad_cam": Method(_grad_cam, "Grad-CAM", "GC", "#d55e00"),
    "grad_cam_pp": Method(_grad_cam_pp, "Grad-CAM++", "GC++", "#009e73"),
    "grad_cam_pp_stable": Method(_grad_cam_pp_stable, "Grad-CAM++, closed form", "GC++ closed", "#cc79a7"),
    # equal to GAM where activations are >= 0
    "layer_cam": Method(_layer_cam, "LayerCAM", "LayerCAM", "#56b4e9", tabled=False),
}

# Other ways from GAM's layers to one map, for claims that compare them. Each takes the raw maps (B, h, w) of n layers
# and the same enlarged and normalised (B, H, W), last layer first.
VARIANTS: dict[str, Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]] = {
    "gam_layer": lambda raw, drawn: drawn[-1],
    # the earliest layer as coarse as the last: what it knows without its finer grid
    "gam_pooled": lambda raw, drawn: _enlarged(adaptive_avg_pool2d(raw[-1], _size(raw[0])), _size(drawn[0])),
    "gam_max": lambda raw, drawn: aggregate(drawn, how="max"),
    "gam_product": lambda raw, drawn: aggregate(drawn, how="product"),
    # three times as much weight for the last layer, or for the earliest
    "gam_last_3": lambda raw, drawn: aggregate(drawn, [3.0] + [1.0] * (len(drawn) - 1)),
    "gam_first_3": lambda raw, drawn: aggregate(drawn, [1.0] * (len(drawn) - 1) + [3.0]),
}


def layer_maps(trace: Trace, method: str, n: int) -> list[Tensor]:
    """Raw maps of single layers, before RSZ and NRM.

    Parameters
    ----------
    trace : Trace
    method : str
        A name in METHODS.
    n : int
        How many layers, counted from the last.

    Returns
    -------
    list of Tensor
        (B, h, w) of each layer, last first.

    Raises
    ------
    ValueError
        For an unknown method or a depth that the trace does not have.
    """
    check_name("method", method, METHODS)
    _check(trace, n)
    return _raw(METHODS[method], trace, n)


def saliency_maps(
    trace: Trace, methods: str | Sequence[str], depths: int | Sequence[int]
) -> dict[tuple[str, int], Tensor]:
    """Maps of several methods and depths (Eq. 1 and 2); what they share is computed once.

    Parameters
    ----------
    trace : Trace
    methods : str or sequence of str
        Names in METHODS or VARIANTS.
    depths : int or sequence of int
        Numbers of layers n, counted from the last.

    Returns
    -------
    dict
        (method, n) -> (B, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        For an unknown method or a depth that the trace does not have.

    Examples
    --------
    >>> from gamlib import load_model, trace_class
    >>> trace = trace_class(load_model("efficientnet_lite0"), torch.zeros(1, 3, 224, 224))
    >>> [*saliency_maps(trace, ["gam", "grad_cam"], depths=[1, 2])]
    [('gam', 1), ('gam', 2), ('grad_cam', 1), ('grad_cam', 2)]
    """
    methods = [methods] if isinstance(methods, str) else methods
    depths = depths if isinstance(depths, Sequence) else [depths]
    if not depths:
        raise ValueError("depths: got none; give at least one number of layers")
    for method in methods:
        check_name("method", method, [*METHODS, *VARIANTS])
    for n in depths:
        _check(trace, n)
    raw: dict[str, list[Tensor]] = {}
    drawn: dict[str, list[Tensor]] = {}
    maps = {}
    for method in methods:
        base = "gam" if method in VARIANTS else method
        if base not in drawn:
            raw[base] = _raw(METHODS[base], trace, max(depths))
            drawn[base] = [_enlarged(each, trace.size) for each in raw[base]]
        for n in depths:
            layers = drawn[base][:n]
            maps[method, n] = VARIANTS[method](raw[base][:n], layers) if method in VARIANTS else aggregate(layers)
    return maps


def _raw(method: Method, trace: Trace, n: int) -> list[Tensor]:
    given = [(layer.activation, layer.gradient, trace.score) for layer in trace.layers[:n]]
    if trace.score.device.type != "cpu":
        return [method.formula(*layer) for layer in given]
    # image by image: what a formula writes and reads again is still in the processor's cache
    images = [zip(*(each.split(1) for each in layer), strict=True) for layer in given]
    return [torch.cat([method.formula(*image) for image in layer]) for layer in images]


def _enlarged(raw: Tensor, size: tuple[int, int]) -> Tensor:
    return min_max(resize(raw, size)).float()


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]


def _check(trace: Trace, n: int) -> None:
    """TypeError or ValueError for what is no trace, or a depth that it does not have."""
    if not isinstance(trace, Trace):
        hint = "; trace and trace_pair return several, take one of them" if isinstance(trace, list | tuple) else ""
        raise TypeError(f"trace: got a {type(trace).__name__}, expected a gamlib.Trace{hint}")
    if not isinstance(n, Integral):
        raise TypeError(f"n: got a {type(n).__name__}; give how many layers, such as 2")
    if not 1 <= n <= len(trace.layers):
        raise ValueError(f"n: {n} is out of range; the trace holds 1 to {len(trace.layers)} layers, trace more of them")
