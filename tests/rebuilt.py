"""The networks of the live page, put together again in PyTorch from the files that the page loads."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pad

import gamlib


def rebuilt(files: Mapping[str, bytes], name: str) -> gamlib.Model:
    """The network that NAME.js describes, with the weights that NAME-0.js, NAME-1.js, ... hold."""
    described = json.loads(re.fullmatch(r"GamLive\.network\((.*)\);\n", files[f"{name}.js"].decode())[1])
    parts = []
    for number in range(described["parts"]):
        text = files[f"{name}-{number}.js"].decode()
        parts.append(base64.b64decode(re.fullmatch(rf'GamLive\.weights\("{name}", {number}, "(.*)"\);\n', text)[1]))
    numbers = np.frombuffer(b"".join(parts), "<f2" if described["precision"] == "float16" else "<f4")
    net = Listed(described, torch.from_numpy(numbers.astype(np.float32)))
    preprocess = gamlib.Preprocess(
        (described["side"],) * 2,
        described["mean"],
        described["std"],
        resample=Image.Resampling[described["filter"].upper()],
    )
    read = [f"steps.{number}" for number in described["read"]]
    return gamlib.Model(net, read, net.features, net.steps[described["logits"]], preprocess, described["categories"])


class Listed(nn.Module):
    def __init__(self, described: dict, weights: Tensor):
        super().__init__()
        self.described = described
        sides = [layer["side"] for layer in described["layers"]]
        self.steps = nn.ModuleList(Step(layer, sides, weights) for layer in described["layers"])

    def features(self, x: Tensor) -> Tensor:
        made = [x]
        for layer, step in list(zip(self.described["layers"], self.steps, strict=True))[1:-1]:
            made.append(step(*(made[number] for number in layer["from"])))
        return made[self.described["embedding"]].flatten(1)


class Step(nn.Module):
    """One layer of the list, with the ReLU after it."""

    def __init__(self, layer: dict, sides: list[int], weights: Tensor):
        super().__init__()
        self.layer = layer
        if "kernel" in layer:
            # what the last window reaches beyond the input
            reach = (layer["side"] - 1) * layer["stride"] + layer["kernel"] - sides[layer["from"][0]]
            self.edge = (layer["pad"], reach - layer["pad"]) * 2
        if "weight" in layer:
            kernel, outputs = layer.get("kernel", 1), layer["channels"]
            weight = weights[layer["weight"] : layer["bias"]]
            if layer["op"] == "depthwise":
                weight = weight.reshape(kernel, kernel, 1, outputs).permute(3, 2, 0, 1)
            else:
                weight = weight.reshape(outputs, kernel, kernel, -1).permute(0, 3, 1, 2)
            self.weight = nn.Parameter(weight.contiguous())
            self.bias = nn.Parameter(weights[layer["bias"] : layer["bias"] + outputs])

    def forward(self, *inputs: Tensor) -> Tensor:
        (x, *_), op = inputs, self.layer["op"]
        if op == "linear":
            y = torch.nn.functional.linear(x, self.weight.flatten(1), self.bias)
        elif op == "mean":
            y = x.mean(dim=(2, 3))
        elif op == "maxpool":
            y = max_pool2d(pad(x, self.edge, value=-torch.inf), self.layer["kernel"], self.layer["stride"])
        elif op == "add":
            y = inputs[0] + inputs[1]
        elif op == "concat":
            y = torch.cat(inputs, dim=1)
        else:
            groups = self.layer["channels"] if op == "depthwise" else 1
            y = conv2d(pad(x, self.edge), self.weight, self.bias, self.layer["stride"], groups=groups)
        return {"relu": torch.relu, "relu6": nn.functional.relu6, None: lambda y: y}[self.layer["relu"]](y)
