"""A network as the list of layers that the page in the browser runs (`book/_static/live/network.js`).

PyTorch exports it as a list of operations; batch norms are folded into the convolutions before them, and the ReLU after
a layer is noted at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gamlib.models import Model

_SAME = ("flatten", "dropout", "contiguous", "clone", "view", "reshape")
_ACTIVATIONS = {("relu", ()): "relu", ("hardtanh", (0.0, 6.0)): "relu6", ("relu6", ()): "relu6"}


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
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = model.module

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            embedding = model.features(x).flatten(1)
            return embedding, model.needed_head()(embedding)

    side = model.input_size[0]
    with torch.no_grad():
        program = torch.export.export(Whole(), (torch.zeros(1, 3, side, side),))
    reader = _Reader(program)
    embedding, logits = (reader.at[node] for node in reader.outputs)
    transform = model.transform
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
    return description, np.concatenate([tensor.ravel() for tensor in reader.placed()])


class _Reader:
    """The operations of an exported program, one after the other, as layers."""

    def __init__(self, program: Any) -> None:
        names = program.graph_signature.inputs_to_parameters | program.graph_signature.inputs_to_buffers
        self.tensors = {node: program.state_dict[name].detach().double().numpy() for node, name in names.items()}
        self.layers: list[dict[str, Any]] = []
        self.weights: dict[int, list[np.ndarray]] = {}
        self.at: dict[Any, int] = {}  # operation -> its layer
        self.modules: dict[str, int] = {}  # name of a module -> the layer of its output
        pads: dict[Any, tuple[Any, int]] = {}
        for node in program.graph.nodes:
            if node.op == "placeholder" and node.name not in self.tensors:
                self._add(node, "image", [])
            elif node.op == "output":
                self.outputs = node.args[0]
            elif node.op == "call_function":
                kind = str(node.target).split(".")[1].rstrip("_")
                if kind == "flatten" and node.args[0].name in self.tensors:
                    # a convolution's weight that a head takes as a matrix
                    self.tensors[node.name] = self.tensors[node.args[0].name].reshape(len(node.meta["val"]), -1)
                    continue
                if kind == "pad":
                    pads[node] = node.args[0], node.args[1][0]
                    continue
                source, pad = pads.get(node.args[0], (node.args[0], 0)) if kind != "cat" else (None, 0)
                self._read(node, kind, source, pad)
                for name, _ in node.meta["nn_module_stack"].values():
                    self.modules[name] = self.at[node]

    def _read(self, node: Any, kind: str, source: Any, pad: int) -> None:
        rest = node.args[1:]
        if kind in _SAME:
            self.at[node] = self.at[source]
        elif kind == "batch_norm":
            self._fold(self.at[source], rest)
            self.at[node] = self.at[source]
        elif (kind, rest) in _ACTIVATIONS:
            self.at[node] = self.at[source]
            self.layers[self.at[node]]["relu"] = _ACTIVATIONS[kind, rest]
        elif kind == "conv2d" and (len(rest) < 6 or rest[5] in (1, self.layers[self.at[source]]["channels"])):
            given = dict(zip(("weight", "bias", "stride", "pad", "dilation", "groups"), rest, strict=False))
            weight, stride, own = self.tensors[given["weight"].name], given.get("stride", [1]), given.get("pad", [0])
            added = {"kernel": weight.shape[-1], "stride": stride[0], "pad": pad + own[0]}
            op = "conv" if given.get("groups", 1) == 1 else "depthwise"
            self._add(node, op, [source], weight, given.get("bias"), **added)
        elif kind == "linear":
            self._add(node, "linear", [source], self.tensors[rest[0].name][:, :, None, None], *rest[1:])
        elif kind == "max_pool2d":
            kernel, stride, own = (*rest, [0])[:3]
            self._add(node, "maxpool", [source], kernel=kernel[0], stride=stride[0], pad=own[0])
        elif kind == "add" and node.args[0] is not node.args[1]:
            self._add(node, "add", node.args)
        elif kind == "cat" and rest == (1,):
            self._add(node, "concat", node.args[0])
        elif (kind, rest) in (("adaptive_avg_pool2d", ([1, 1],)), ("mean", ([2, 3],)), ("mean", ([-1, -2], True))):
            self._add(node, "mean", [source])
        else:
            raise ValueError(f"network: the page has no {kind}{rest}; see network.js for what it has, and add it there")

    def _add(self, node: Any, op: str, sources: Any, weight: Any = None, bias: Any = None, **more: int) -> None:
        shape = tuple(node.meta["val"].shape)
        self.at[node] = len(self.layers)
        layer = {"op": op, "from": [self.at[each] for each in sources], "relu": None, **more}
        self.layers.append(layer | {"channels": shape[1], "side": shape[2] if len(shape) == 4 else 1})
        if weight is not None:
            given = np.zeros(len(weight)) if bias is None else self.tensors[bias.name]
            self.weights[self.at[node]] = [weight, given]

    def _fold(self, layer: int, arguments: Any) -> None:
        """Batch norm, (x - mean) / sqrt(var + eps) * scale + shift, into the convolution before it."""
        scale, shift, mean, var = (self.tensors[each.name] for each in arguments[:4])
        weight, bias = self.weights[layer]
        factor = scale / np.sqrt(var + arguments[6])
        self.weights[layer] = [weight * factor[:, None, None, None], (bias - mean) * factor + shift]

    def placed(self) -> list[np.ndarray]:
        """All weights in order, their places noted in the layers."""
        tensors, place = [], 0
        for number, (weight, bias) in self.weights.items():
            depthwise = self.layers[number]["op"] == "depthwise"
            weight = weight.transpose((2, 3, 1, 0) if depthwise else (0, 2, 3, 1))
            self.layers[number] |= {"weight": place, "bias": place + weight.size}
            tensors += [weight, bias]
            place += weight.size + bias.size
        return tensors
