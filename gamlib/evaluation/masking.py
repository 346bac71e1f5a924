"""Scores on explanation maps: what is left of a score when an image is masked by its saliency map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from gamlib.evaluation.explained import Batch, Explained
from gamlib.metrics import explanation_map
from gamlib.models import Model
from gamlib.scores import SIMILARITIES

# Masked images a forward: more gain nothing on a CPU and cost memory.
ROWS_AT_ONCE = 16

# The same image scores differently by this share in a batch of another size (float32), and that is no change.
NOISE = 1e-5

Key = TypeVar("Key", bound=Hashable)


def masked_embeddings(model: Model, x: Tensor, maps: Mapping[Key, Tensor], fill: str) -> dict[Key, Tensor]:
    """Embeddings (B, D) of the images x (B, C, H, W) masked by each map (B, H, W).

    The masked images of all maps form one batch, cut so that memory does not grow with the number of maps.
    """
    keys = list(maps)
    group = max(1, ROWS_AT_ONCE // len(x))
    embeddings: dict[Key, Tensor] = {}
    for start in range(0, len(keys), group):
        part = keys[start : start + group]
        masked = torch.cat([explanation_map(model, x, maps[key], fill) for key in part])
        embeddings |= zip(part, model.embed(masked).split(len(x)), strict=True)
    return embeddings


def scores_after(model: Model, batch: Batch, explained: Explained, plain: Tensor, masked: Tensor, side: str) -> Tensor:
    """The score of each image (B,) once it is masked. plain, masked: (B, D) embeddings before and after.

    side: "both" masks all images of the score, "one" leaves the partner as it is.
    """
    with torch.inference_mode():
        if explained.classes is not None:
            after = model.activate(model.head(masked)).gather(1, explained.classes[:, None])[:, 0]
        else:
            partner = masked if side == "both" else plain
            after = SIMILARITIES[explained.task].similarity(masked, partner[batch.partner])
        noise = (after - explained.before).abs() <= NOISE * explained.before.abs()
        return torch.where(noise, explained.before, after)
