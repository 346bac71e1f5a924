"""The rows of the results: every map of a batch against what is true of its image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gamlib.boxes import THRESHOLDS, areas, box_ious, mask_ious, mass_in_boxes, mass_in_mask
from gamlib.controls import CONTROLS
from gamlib.evaluation.explained import Batch, Explained, Maps, explain
from gamlib.evaluation.loading import Truth
from gamlib.evaluation.masking import masked_embeddings, scores_after
from gamlib.evaluation.plan import Plan
from gamlib.evaluation.results import grid_columns
from gamlib.models import Model

Row = dict[str, Any]
MapName = tuple[str, int]


def measure(plan: Plan, model: Model, batch: Batch) -> list[Row]:
    """One row for each image, label, task, method and depth, as gamlib.evaluation.results describes them."""
    plain, explained = explain(plan, model, batch)
    # Controls do not depend on the score, so their masked images and boxes serve all tasks.
    controls = {(name, 0): CONTROLS[name](batch.ids, model.input_size).to(plain.device) for name in plan.controls}
    fits: dict[Any, Row] = {}
    for key, maps in controls.items():
        _fit(batch, [tuple(item.truths) for item in batch.items], {key: maps}, fits)
    x = torch.stack([item.x for item in batch.items]).to(plain.device)
    masked_controls = {fill: masked_embeddings(model, x, controls, fill) for fill in plan.fills}
    rows: list[Row] = []
    for score in explained:
        own = dict(fits)
        _fit(batch, score.labels, score.maps, own)
        after: dict[str, dict[MapName, Tensor]] = {}
        for fill in plan.fills:
            masked = masked_embeddings(model, x, score.maps, fill) | masked_controls[fill]
            for side in plan.sides if score.classes is None else ("both",):
                after[f"after_{fill}_{side}"] = {
                    key: scores_after(model, batch, score, plain, value, side).cpu() for key, value in masked.items()
                }
        for key in (*score.maps, *controls):
            values = {column: value[key].tolist() for column, value in after.items()}
            rows += _rows(plan, batch, score, key, values, own)
    return rows


def _rows(
    plan: Plan, batch: Batch, score: Explained, key: MapName, after: dict[str, list[float]], fits: dict[Any, Row]
) -> list[Row]:
    return [
        row_key(plan, batch, score, row, label, key)
        | fits[key, row, label]
        | {"before": float(score.before[row]), **{column: values[row] for column, values in after.items()}}
        for row in range(len(batch.items))
        for label in score.labels[row]
    ]


def row_key(plan: Plan, batch: Batch, score: Explained, row: int, label: str, map_name: MapName) -> Row:
    """What names a row of the results: the columns up to `n` of gamlib.evaluation.results."""
    item, unit = batch.items[row], batch.units[row]
    return {
        "dataset": plan.name, "percentile": plan.percentile, "model": plan.model_name, "task": score.task,
        "sample": item.id, "label": label, "pair": -1 if score.task == "class" else unit.number,
        "cluster": label if plan.dataset.cluster == "label" else _pair_name(unit.number, item.id),
        "cluster_kind": plan.dataset.cluster, "fold": unit.fold,
        "target": score.targets[row], "method": map_name[0], "n": map_name[1],
    }  # fmt: skip


def _pair_name(number: int, sample: str) -> str:
    return f"pair {number}" if number >= 0 else f"image {sample}"


def _fit(batch: Batch, labels: list[tuple[str, ...]], maps: Maps, into: dict[Any, Row]) -> None:
    """Add what each map is worth as a box and a mask, under (method, n), row and label."""
    for key, stack in maps.items():
        for row, saliency in enumerate(stack.cpu().numpy()):
            for label in labels[row]:
                into[key, row, label] = _fit_one(saliency, batch.items[row].truths[label])


def _fit_one(saliency: np.ndarray, truth: Truth) -> Row:
    finite = bool(np.isfinite(saliency).all())
    fit: Row = {"finite": finite}
    fit |= zip(grid_columns("area", THRESHOLDS), areas(saliency).tolist(), strict=True)
    if truth.boxes:
        fit |= zip(grid_columns("iou", THRESHOLDS), box_ious(saliency, truth.boxes).tolist(), strict=True)
        fit["mass_box"] = mass_in_boxes(saliency, truth.boxes)
    if truth.mask is not None:
        fit |= zip(grid_columns("mask_iou", THRESHOLDS), mask_ious(saliency, truth.mask).tolist(), strict=True)
        fit["mass_mask"] = mass_in_mask(saliency, truth.mask)
    if truth.other is not None:
        fit["mass_other"] = mass_in_mask(saliency, truth.other)
    return fit
