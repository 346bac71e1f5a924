"""The rows of the results: every map of a batch against what is true of its image, and the scores of masked images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gamlib.boxes import THRESHOLDS, areas, box_ious, in_boxes, mask_ious, mass_in_mask
from gamlib.controls import CONTROLS
from gamlib.data.samples import Truth
from gamlib.evaluation.batch import Batch, Explained, Maps
from gamlib.evaluation.plan import Plan
from gamlib.evaluation.results import grid_columns
from gamlib.metrics import explanation_map
from gamlib.models import Model
from gamlib.scores import SIMILARITIES

# Masked images a forward: more gain nothing on a CPU and cost memory.
ROWS_AT_ONCE = 16

# The same image scores differently by this share in a batch of another size (float32), and that is no change.
NOISE = 1e-5

# Maps that differ by less than this everywhere mask alike. Identities such as GAM = Grad-CAM++ at n = 1 hold to 1e-6.
SAME = 1e-5

Row = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)
Fits = dict[tuple[tuple[str, int], int, str], Row]


def measure(plan: Plan, model: Model, batch: Batch, explained: list[Explained]) -> list[Row]:
    """One row for each image, label, task, method and depth, as gamlib.evaluation.results describes them."""
    x = batch.x.to(model.device)
    # Controls do not depend on the score, so their masked images and boxes serve all tasks.
    controls = {(name, 0): CONTROLS[name](batch.ids, model.input_size).to(x.device) for name in plan.settings.controls}
    fits = _fits(batch, [tuple(item.truths) for item in batch.items], controls)
    masked_controls = {fill: masked_embeddings(model, x, controls, fill) for fill in plan.settings.fill}
    rows: list[Row] = []
    for score in explained:
        own = fits | _fits(batch, score.labels, score.maps)
        after = {}
        for fill in plan.settings.fill:
            masked = masked_embeddings(model, x, score.maps, fill) | masked_controls[fill]
            for side in ("both",) if score.task == "class" else plan.settings.mask_side:
                scores = {key: scores_after(model, score, value, side) for key, value in masked.items()}
                after[f"after_{fill}_{side}"] = {key: value.tolist() for key, value in scores.items()}
        rows += [
            row_key(plan, batch, score, row, label, key)
            | own[key, row, label]
            | {column: values[key][row] for column, values in after.items()}
            for key in (*score.maps, *controls)
            for row in range(len(batch.items))
            for label in score.labels[row]
        ]
    return rows


def row_key(plan: Plan, batch: Batch, score: Explained, row: int, label: str, map_name: tuple[str, int]) -> Row:
    """What names a row of the results: the columns up to `n` of gamlib.evaluation.results, and the score."""
    item, unit = batch.items[row], batch.units[row]
    pair = "" if score.partner is None else " | ".join(sorted([item.id, batch.items[score.partner[row]].id]))
    # the images of a group are paired with each other, so their pairs are not independent
    alone = item.id if score.partner is None else batch.items[batch.units.index(unit)].id
    x_size = item.x.shape[-1] * item.x.shape[-2]
    areas = [(x1 - x0) * (y1 - y0) / x_size for x0, y0, x1, y1 in item.truths[label].boxes]
    return {
        "dataset": plan.dataset.name, "percentile": plan.dataset.percentile or 100, "model": plan.model_name,
        "task": score.task, "sample": item.id, "label": label, "pair": pair,
        "cluster": label if plan.dataset.cluster == "label" else alone, "fold": unit.fold,
        "object_area": max(areas, default=np.nan),
        "target": score.targets[row], "method": map_name[0], "n": map_name[1], "before": float(score.before[row]),
    }  # fmt: skip


def _fits(batch: Batch, labels: list[tuple[str, ...]], maps: Maps) -> Fits:
    """What each map is worth as a box and a mask."""
    return {
        (key, row, label): _fit(saliency, batch.items[row].truths[label])
        for key, stack in maps.items()
        for row, saliency in enumerate(stack.cpu().numpy())
        for label in labels[row]
    }


def _fit(saliency: np.ndarray, truth: Truth) -> Row:
    finite = bool(np.isfinite(saliency).all())
    fit: Row = {"finite": finite}
    fit |= zip(grid_columns("area", THRESHOLDS), areas(saliency).tolist(), strict=True)
    # of equal peaks the first, as a reader of the rows meets them
    peak = np.unravel_index(int(saliency.argmax()), saliency.shape) if finite and saliency.max() > 0 else None
    if truth.boxes:
        fit |= zip(grid_columns("iou", THRESHOLDS), box_ious(saliency, truth.boxes).tolist(), strict=True)
    if truth.mask is not None:
        fit |= zip(grid_columns("mask_iou", THRESHOLDS), mask_ious(saliency, truth.mask).tolist(), strict=True)
    boxes = in_boxes(saliency.shape, truth.boxes) if truth.boxes else None
    for name, place in {"box": boxes, "mask": truth.mask, "other": truth.other}.items():
        if place is not None:
            fit[f"mass_{name}"] = mass_in_mask(saliency, place)
            fit[f"peak_{name}"] = float(peak is not None and place[peak])
    return fit


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
            # the sum is finite where all values are, and a tenth of the work of looking at each
            mask = torch.where(saliency[row].sum().isfinite(), saliency[row], 0)
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


def scores_after(model: Model, explained: Explained, masked: Tensor, side: str) -> Tensor:
    """The score of each image (B,), on the CPU, once it is masked. masked: (B, D) embeddings.

    side: "both" masks all images of the score, "one" leaves the partner as it is.
    """
    trace = explained.trace
    with torch.inference_mode():
        if trace.target is not None:
            after = model.activate(model.forward_head(masked)).gather(1, trace.target[:, None])[:, 0]
        else:
            others = masked if side == "both" or trace.embedding is None else trace.embedding
            after = SIMILARITIES[explained.task].similarity(masked, others[explained.partner])
        noise = (after - explained.before).abs() <= NOISE * explained.before.abs()
        return torch.where(noise, explained.before, after).cpu()
