"""Sanity checks of saliency maps (Adebayo et al. 2018; the paper's section 4.2, Fig. 7)."""

from __future__ import annotations

import copy
import itertools
import math
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import spearmanr
from skimage.feature import hog
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from gamlib.models.model import Model
from gamlib.names import check_name

MODES = ("cascading", "independent")
Stage = str | Sequence[str]


def randomise(model: Model, stages: Sequence[Stage], mode: str = "cascading", seed: int = 0) -> Iterator[Stage]:
    """Parameter randomisation: yields each stage while the network's weights are redrawn.

    Parameters
    ----------
    model : Model
        Its own network is changed in place, because its features refer to it, and has its trained weights back when
        the loop goes on, ends, breaks or fails.
    stages : sequence of str or of sequences of str
        Submodules of model.module, last first, each a name or several names.
    mode : {"cascading", "independent"}
        Redraw all stages so far, or this one alone.
    seed : int
        A submodule's new weights depend on it and on the submodule's name only.

    Raises
    ------
    ValueError
        For an unknown mode or name, or for a submodule without an initialiser.

    Examples
    --------
    >>> import gamlib
    >>> model = gamlib.load_model("efficientnet_lite0")
    >>> for stage in randomise(model, ["classifier", ("bn2", "conv_head")]):
    ...     model.logits(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 1000])
    torch.Size([1, 1000])
    """
    check_name("mode", mode, MODES)
    known = dict(model.module.named_modules())
    named = [[stage] if isinstance(stage, str) else list(stage) for stage in stages]
    for name in itertools.chain(*named):
        if name not in known:
            raise ValueError(f"stages: the network has no submodule '{name}'; see model.module.named_modules()")
        _check(known[name], name)
    for number, stage in enumerate(stages):
        first = 0 if mode == "cascading" else number
        with redrawn(model.module, [*itertools.chain(*named[first : number + 1])], seed):
            yield stage


@contextmanager
def redrawn(module: nn.Module, layer_names: Sequence[str], seed: int = 0) -> Generator[None]:
    """Inside the context the named submodules have new weights.

    Convolutions are drawn as ResNet, DenseNet and EfficientNet start (He et al. 2015: normal, variance 2 / fan-out),
    everything else by its own `reset_parameters`. The running statistics of batch normalisation stay as trained;
    its scale and shift go back to 1 and 0.
    """
    trained = {key: value.clone() for key, value in module.state_dict().items()}
    try:
        for name in layer_names:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(zlib.crc32(f"{seed}:{name}".encode()))
                for part in module.get_submodule(name).modules():
                    _redraw(part)
        yield
    finally:
        module.load_state_dict(trained)


def _redraw(part: Any) -> None:
    """Draws the weights of one module, not those of its children."""
    if not hasattr(part, "reset_parameters"):
        return
    # A copy on the CPU in float64: device and layout in memory do not matter, and rounded to float32 the draw is the
    # same on every processor. A draw in float32 differs in the last digit between instruction sets, and a network of
    # random weights makes a map a hundred thousand times as different out of that.
    drawn = copy.deepcopy(part).to("cpu", torch.float64)
    drawn.reset_parameters()
    if isinstance(drawn, nn.Conv2d):
        # PyTorch's own default has a sixth of this variance for square layers: a deep network with the statistics
        # of normalisation kept would answer the same for every image
        fan_out = drawn.kernel_size[0] * drawn.kernel_size[1] * drawn.out_channels // drawn.groups
        drawn.weight.data = torch.empty(drawn.weight.shape, dtype=torch.float64).normal_(std=math.sqrt(2 / fan_out))
    with torch.no_grad():
        for weight, new in zip(part.parameters(recurse=False), drawn.parameters(recurse=False), strict=True):
            weight.copy_(new)


def _check(module: nn.Module, name: str) -> None:
    for path, part in module.named_modules(prefix=name):
        if part._parameters and not hasattr(part, "reset_parameters"):
            raise ValueError(f"stages: '{path}' has weights but no reset_parameters() to draw them anew")
        # weight_norm and spectral_norm make `weight` of these at each forward, and reset_parameters knows nothing of it
        if made := [each for each in part._parameters if each.endswith(("_g", "_v", "_orig"))]:
            raise ValueError(
                f"stages: the weights of '{path}' are made of {', '.join(made)}; take weight or spectral norm away "
                "first, with torch.nn.utils.remove_weight_norm or remove_spectral_norm"
            )


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two (H, W) maps, in [-1, 1]; 0 where one of them is constant or not finite."""
    return _rank_correlation(*(m.ravel() for m in _maps(a, b)))


def ssim(a: ArrayLike, b: ArrayLike) -> float:
    """Structural similarity of two (H, W) maps in [0, 1] (7x7 windows, so no side below 7; data range 1), in [-1, 1].

    Smooth maps are alike whatever they show: read it beside the value for `controls.random_7x7`. 0 where a map
    is not finite.
    """
    a, b = _maps(a, b, least=7)
    return float(structural_similarity(a, b, data_range=1)) if np.isfinite(a).all() and np.isfinite(b).all() else 0.0


def hog_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of the histograms of oriented gradients of two (H, W) maps, H and W at least 8.

    Cells have 16x16 pixels; on maps smaller than 128 pixels, an eighth of the shorter side.
    """
    a, b = _maps(a, b, least=8)
    side = min(16, min(a.shape) // 8)
    return _rank_correlation(*(hog(m, pixels_per_cell=(side, side)) for m in (a, b)))


MAP_SIMILARITIES = {"spearman": spearman, "ssim": ssim, "hog": hog_correlation}


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def _maps(a: ArrayLike, b: ArrayLike, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.asarray(m.detach().cpu() if isinstance(m, Tensor) else m, float) for m in (a, b))
    if a.shape != b.shape or a.ndim != 2 or min(a.shape) < least:
        raise ValueError(
            f"maps: got {a.shape} and {b.shape}; expected one (H, W) shape for both, at least {least} pixels a side"
        )
    return a, b
