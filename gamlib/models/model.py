"""The one shape in which every method sees a network."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from gamlib.models.checks import check_layers, check_layouts, check_parts, listed, one_row_an_image
from gamlib.models.parts import reached
from gamlib.models.preprocess import Preprocess


class Model:
    """A network split into features and head, with the layers that saliency maps may read.

    The network's training mode is left as it is; traces, embeddings and logits are those of evaluation mode.

    Parameters
    ----------
    module : nn.Module
        The network.
    layers : sequence of str
        Names of its submodules, last first; layers[0] is the paper's L. A name's output is a (B, C, h, w)
        activation, or what `layout` says, and the submodule is called once in a forward.
    features : callable
        x (B, C, H, W) -> embedding (B, D), the input of the last linear layer; (B, D, 1, 1) is flattened.
    head : callable or None
        Embedding (B, D) -> logits (B, K); None for a network without classes. K = 1 is a binary network, unless it is
        multilabel: the logit l is the score of class 1, -l that of class 0, and probabilities are sigmoids.
    transform : Preprocess
        From a photograph to x; `model.transform(image)` is (C, H, W).
    categories : sequence of str, optional
        K class names (binary: 2).
    name : str
    multilabel : bool
        Probabilities are sigmoids, not a softmax.
    layout : str or mapping, optional
        How layers hand on their activation: "BCHW", "BHWC" (channels last), "BNC" or "NBC" (tokens that fill the
        image row by row), with the number of class and register tokens before those: "BNC+1". One for all layers, or
        layer -> layout. Default: "BCHW", refused where height and width are not those of an image of the input's
        shape.

    Raises
    ------
    TypeError, ValueError
        For parts that do not fit together. What features and head return is checked in each forward.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    >>> transform = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    >>> model = Model(net, layers=["1"], features=net[:4], head=net[4], transform=transform)
    >>> model.logits(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str],
        features: Callable[[Tensor], Tensor],
        head: Callable[[Tensor], Tensor] | None,
        transform: Preprocess,
        categories: Sequence[str] | None = None,
        name: str = "custom",
        multilabel: bool = False,
        layout: str | Mapping[str, str] | None = None,
    ) -> None:
        self.layers = listed(layers)
        self._layouts, self._layout = (dict(layout), None) if isinstance(layout, Mapping) else ({}, layout)
        check_layers(module, (*self.layers, *self._layouts))
        check_layouts((self._layout, *self._layouts.values()))
        check_parts(features, head, transform, categories)
        self.module = module
        own = set(module.modules())
        # a neck or a head may lie beside the network
        outside = [part for part in reached([features, head]) if part not in own]
        self.parts = (module, *(part for part in outside if isinstance(part, nn.Module)))
        self.tensors = tuple(part for part in outside if isinstance(part, Tensor))
        self.features = features
        self.head = head
        self.transform = transform
        self.categories = None if categories is None else list(categories)
        self.name = name
        self.multilabel = multilabel

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return self._weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of its parameters."""
        return self._weight.dtype

    @property
    def _weight(self) -> Tensor:
        return next((each for each in self.module.parameters() if each.is_floating_point()), torch.empty(0))

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the input in pixels."""
        return self.transform.input_size

    def layout_of(self, layer: str) -> str | None:
        """How a layer hands on its activation; None where nothing was said of it."""
        return self._layouts.get(layer, self._layout)

    def batch(self, images: Iterable[Image.Image | str | Path]) -> Tensor:
        """Photographs or their paths as one input (B, C, H, W), normalised, on the network's device."""
        if isinstance(images, Image.Image | str | Path) or not (images := list(images)):
            raise TypeError("images: give a list of photographs or their paths, at least one")
        return torch.stack([self.transform(image) for image in images]).to(self.device)

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised (B, C, H, W) -> pixels in [0, 1]."""
        return self.transform.pixels(x)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (B, C, H, W) -> normalised."""
        return self.transform.normalize(pixels)

    def checked_input(self, x: Tensor) -> Tensor:
        """The input as the network wants it: its device, its precision; TypeError or ValueError for no (B, C, H, W)."""
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.layout != torch.strided or x.is_meta:
            raise TypeError("x: expected a dense float tensor (B, C, H, W); see model.transform")
        channels = len(self.transform.mean)
        if x.ndim != 4 or x.shape[1] != channels or len(x) == 0:
            raise ValueError(
                f"x: expected (B, {channels}, H, W) with B >= 1, got {tuple(x.shape)}; see model.transform"
            )
        return x.to(device=self.device, dtype=self.dtype)

    def forward_features(self, x: Tensor) -> Tensor:
        """Embedding h(x), (B, D), of a checked input, with whatever graph there is; ValueError for another shape."""
        return one_row_an_image("features", "the embeddings (B, D)", self.features(x), len(x))

    def forward_head(self, embedding: Tensor) -> Tensor:
        """Logits (B, K) of embeddings (B, D), with whatever graph there is; ValueError for another shape."""
        head = self.needed_head()
        try:
            output = head(embedding)
        except Exception as error:
            # torch says which numbers do not fit, not whose they are
            error.add_note(f"This was head of gamlib.Model({self.name}), given embeddings {tuple(embedding.shape)}.")
            raise
        logits = one_row_an_image("head", "the logits (B, K)", output, len(embedding))
        classes = self.scores_of(logits[:1]).shape[1]
        if self.categories is not None and len(self.categories) != classes:
            raise ValueError(f"categories: {len(self.categories)} names for {classes} classes; give one a class")
        return logits

    def needed_head(self) -> Callable[[Tensor], Tensor]:
        """The head; ValueError where there is none."""
        if self.head is None:
            raise ValueError(
                f"head: {self.name} has none, so there are no classes; explain a similarity (trace_pair, Cosine, Dot; "
                'tasks of Settings: "cosine", "dot"), or give gamlib.Model a head'
            )
        return self.head

    def embed(self, x: Tensor) -> Tensor:
        """Embedding h(x), (B, D), without a graph."""
        x = self.checked_input(x)
        with torch.inference_mode(), evaluation(*self.parts):
            return self.forward_features(x)

    def logits(self, x: Tensor) -> Tensor:
        """Class logits, (B, K), without a graph."""
        self.needed_head()
        x = self.checked_input(x)
        with torch.inference_mode(), evaluation(*self.parts):
            return self.forward_head(self.forward_features(x))

    def scores_of(self, logits: Tensor) -> Tensor:
        """Logits (B, K) -> the score of each class: the logits; a binary network's one logit l gives (-l, l)."""
        return torch.cat([-logits, logits], dim=1) if self._binary(logits) else logits

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (B, K) -> the probability of each class in [0, 1].

        A softmax; sigmoids for a multi-label network, and for the one logit of a binary network: (B, 2).
        """
        sigmoid = self.multilabel or self._binary(logits)
        return self.scores_of(logits).sigmoid() if sigmoid else logits.softmax(dim=1)

    def probabilities(self, x: Tensor) -> Tensor:
        """Class probabilities, (B, K), without a graph; (B, 2) of a binary network."""
        return self.activate(self.logits(x))

    def _binary(self, logits: Tensor) -> bool:
        return logits.shape[1] == 1 and not self.multilabel

    def __reduce__(self) -> str:
        raise TypeError(
            f"Model({self.name}) cannot be copied or pickled: its features refer to the one network that they were "
            "written for, and a copy's would, too; build it a second time, or keep module.state_dict()"
        )

    def __repr__(self) -> str:
        return f"Model({self.name}, layers={list(self.layers)}, input {self.input_size[0]}x{self.input_size[1]})"


# Modes, flags and hooks belong to the network, not to a thread: a second forward meanwhile would meet the first's.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def evaluation(*parts: nn.Module) -> Generator[None]:
    """The network in evaluation mode, for one thread; every submodule's own mode comes back at the end."""
    with _ONE_AT_A_TIME:
        training = [each for part in parts for each in part.modules() if each.training]
        for each in training:
            each.training = False
        try:
            yield
        finally:
            for each in training:
                each.training = True
