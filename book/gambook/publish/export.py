"""A network as the list of layers that the page in the browser runs (`book/_static/live/network.js`).

PyTorch exports it as a list of operations; batch norms are folded into the convolutions before them, and the ReLU after
a layer is noted at it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.fx.node import map_arg

from gamlib.models import Model


class _Layer(int):
    """Number of a layer, told from the other numbers of a call."""


class _Whole(torch.nn.Module):
    """Features and head as one network."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module, self.model = model.module, model

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.model.features(x).flatten(1)
        return embedding, self.model.needed_head()(embedding)


def export(model: Model) -> tuple[dict[str, Any], np.ndarray]:
    """A network as the page runs it.

    Parameters
    ----------
    model : Model
        Made of convolutions (depthwise or in one group), batch norms, ReLU or ReLU6, sums, concatenations, maximum
        and global average pooling, and a linear head; square inputs.

    Returns
    -------
    description : dict
        `layers`, each with `op`, `from` (numbers of layers; 0 is the image), `side`, `channels`, `relu` and what its op
        needs, `weight` and `bias` being places in the weights; `read`, `embedding`, `logits`: numbers of layers.
    weights : ndarray
        (N,) float64. A convolution's are in the order (output, row, column, input), a depthwise one's (row, column,
        channel).

    Raises
    ------
    ValueError
        For an operation that the page does not have.
    """
    side, transform = model.input_size[0], model.transform
    with torch.no_grad():
        reader = _Reader(torch.export.export(_Whole(model), (torch.zeros(1, 3, side, side),)))
    weights = reader.placed()
    embedding, logits = reader.outputs
    description = {
        "name": model.name,
        "side": side,
        "mean": transform.mean,
        "std": transform.std,
        "filter": transform.resample.name.lower(),
        "categories": model.categories,
        "read": [reader.modules[f"module.{name}"] for name in model.layers],
        "embedding": embedding,
        "logits": logits,
        "layers": reader.layers,
    }
    return description, weights


class _Reader:
    """The operations of an exported program, one after the other, as layers."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        names = program.graph_signature.inputs_to_parameters | program.graph_signature.inputs_to_buffers
        self.layers: list[dict[str, Any]] = []
        self.weights: dict[int, list[torch.Tensor]] = {}
        self.modules: dict[str, int] = {}  # name of a module -> the layer of its output
        at: dict[Any, Any] = {}  # operation -> its layer, or a tensor that the network keeps
        for node in program.graph.nodes:
            values = map_arg(node.args, at.__getitem__)
            if node.op == "placeholder" and node.name in names:
                at[node] = program.state_dict[names[node.name]].detach().double()
            elif node.op == "placeholder":
                at[node] = self._add(node, "image", [])
            elif node.op == "output":
                self.outputs = values[0]
            else:
                # whatever the call leaves out, as PyTorch fills it in
                left_out = node.target._schema.arguments[len(values) :]
                options = [node.kwargs.get(each.name, each.default_value) for each in left_out]
                at[node] = self._read(node, str(node.target).split(".")[1].rstrip("_"), *values, *options)
                self.modules |= dict.fromkeys((name for name, _ in node.meta["nn_module_stack"].values()), at[node])

    def _read(self, node: torch.fx.Node, kind: str, *values: Any) -> Any:
        """The layer that an operation is or becomes part of; with the margin that it adds, for padding."""
        linear = [number for number in self.weights if not self.layers[number]["relu"]]
        match kind, *values:
            case "flatten", torch.Tensor() as weight, *_:
                # a convolution's weight that a head takes as a matrix
                return weight.flatten(1)
            case "flatten" | "dropout" | "contiguous" | "clone" | "view" | "reshape", _Layer(source), *_:
                return source
            case "pad", _Layer(source), [pad, *_], "constant", None | 0:
                return source, pad
            case "batch_norm", _Layer(source), scale, shift, mean, var, False, _, eps, _ if source in linear:
                # (x - mean) / sqrt(var + eps) * scale + shift
                weight, bias = self.weights[source]
                factor = scale / (var + eps).sqrt()
                self.weights[source] = [weight * factor[:, None, None, None], (bias - mean) * factor + shift]
                return source
            case ("relu" | "relu6", _Layer(source)) | ("hardtanh", _Layer(source), 0, 6):
                self.layers[source]["relu"] = "relu" if kind == "relu" else "relu6"
                return source
            case "conv2d", source, weight, bias, [stride, *_], [pad, *_], [1, *_], groups:
                source, margin = source if isinstance(source, tuple) else (source, 0)
                op, sizes = "conv" if groups == 1 else "depthwise", {"kernel": weight.shape[-1], "stride": stride}
                if groups in (1, self.layers[source]["channels"]):
                    return self._add(node, op, [source], weight, bias, **sizes, pad=margin + pad)
            case "linear", _Layer(source), weight, bias:
                return self._add(node, "linear", [source], weight[:, :, None, None], bias)
            case "max_pool2d", _Layer(source), [kernel, *_], [stride, *_], [pad, *_], [1, *_], _:
                return self._add(node, "maxpool", [source], kernel=kernel, stride=stride, pad=pad)
            case "add", _Layer(one), _Layer(other), 1 if one != other:
                return self._add(node, "add", [one, other])
            case "cat", sources, 1:
                return self._add(node, "concat", sources)
            case ("adaptive_avg_pool2d", _Layer(source), [1, 1]) | ("mean", _Layer(source), [2, 3] | [-1, -2], *_):
                return self._add(node, "mean", [source])
        raise ValueError(
            f"network: the page has no {kind}{node.args[1:]}; see network.js for what it has, and add it there"
        )

    def _add(self, node: Any, op: str, sources: Any, weight: Any = None, bias: Any = None, **more: int) -> _Layer:
        _, channels, *sides = node.meta["val"].shape
        layer = {"op": op, "from": list(sources), "relu": None, **more}
        self.layers.append(layer | {"channels": channels, "side": sides[0] if sides else 1})
        number = _Layer(len(self.layers) - 1)
        if weight is not None:
            self.weights[number] = [weight, torch.zeros(len(weight)) if bias is None else bias]
        return number

    def placed(self) -> np.ndarray:
        """All weights in order, their places noted in the layers."""
        tensors, place = [], 0
        for number, (weight, bias) in self.weights.items():
            depthwise = self.layers[number]["op"] == "depthwise"
            self.layers[number] |= {"weight": place, "bias": place + weight.numel()}
            tensors += [weight.permute((2, 3, 1, 0) if depthwise else (0, 2, 3, 1)).flatten(), bias]
            place += weight.numel() + len(bias)
        return torch.cat(tensors).numpy()
