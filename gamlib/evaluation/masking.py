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

# Maps that differ by less than this everywhere mask alike. Identities such as GAM = Grad-CAM++ at n = 1 hold to 1e-6.
SAME = 1e-5

Key = TypeVar("Key", bound=Hashable)


def masked_embeddings(model: Model, x: Tensor, maps: Mapping[Key, Tensor], fill: str) -> dict[Key, Tensor]:
    """Embeddings (B, D) of the images x (B, C, H, W) masked by each map (B, H, W).

    The masked images of all maps form one list, cut into batches so that memory does not grow with the number of
    maps; an image that several methods mask alike goes through the network once.
    """
    alike: dict[tuple[Key, int], int] = {}
    masks: list[tuple[int, Tensor]] = []
    for row in range(len(x)):
        first = len(masks)
        for key, saliency in maps.items():
            mask = torch.where(saliency[row].isfinite().all(), saliency[row], 0)
            place = next((i for i in range(first, len(masks)) if (masks[i][1] - mask).abs().max() < SAME), len(masks))
            if place == len(masks):
                masks.append((row, mask))
            alike[key, row] = place
    parts = []
    for start in range(0, len(masks), ROWS_AT_ONCE):
        rows, chunk = zip(*masks[start : start + ROWS_AT_ONCE], strict=True)
        parts.append(model.embed(explanation_map(model, x[list(rows)], torch.stack(chunk), fill)))
    if not parts:
        return {}
    embeddings = torch.cat(parts)
    return {key: embeddings[[alike[key, row] for row in range(len(x))]] for key in maps}


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
