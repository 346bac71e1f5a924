"""The specification curve: the same claims under every choice that the paper leaves open (Simonsohn et al. 2020).

Localisation takes the full grid of choices: how a map is resized, whether it is normalised before or after that,
how two layers are joined, how the threshold is chosen. Each is made after the trace, so one forward serves all.
ADP and PIC need a masked forward for every map, so there one choice at a time leaves the paper's own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from gambook.claims import choices
from gambook.claims.choices import AGGREGATES, ORDERS, RESIZES, SINGLE_CHOICES, Choice, chosen_map, draw, join_layers
from gambook.claims.ledger import ledger
from gambook.claims.protocol import Evaluation, evaluations
from gambook.claims.rule import NOT_RUN
from gamlib.boxes import THRESHOLDS, box_ious
from gamlib.evaluation import SIDES, Settings
from gamlib.evaluation.batch import Batch, Explained, load_shard, trace_batch
from gamlib.evaluation.engine import one_thread
from gamlib.evaluation.measure import masked_embeddings, row_key, scores_after
from gamlib.evaluation.plan import Plan, make_plan
from gamlib.evaluation.results import grid_columns
from gamlib.evaluation.store import digest
from gamlib.maps import min_max, resize
from gamlib.methods import layer_maps
from gamlib.metrics import FILLS
from gamlib.models import Model
from gamlib.traces import Trace

CUTS = ("tuned", "0.15")
CLAIMS = ("C2", "C3", "C4", "C5", "C6", "C7", "C15")
# Where it is finite the printed Grad-CAM++ equals its closed form, so only the closed form is drawn.
STABLE = "grad_cam_pp_stable"
METHODS = ("gam", "grad_cam", STABLE)
DEPTHS = (1, 2)
# What C2 and C3 compare GAM with once images are masked.
RIVALS = {"cosine": [("grad_cam", 1)], "dot": [("grad_cam_pp", 1)]}
IOUS = grid_columns("iou", THRESHOLDS)
# A plan's key does not know how these modules make and join maps.
SOURCES = [Path(path).read_text() for path in (__file__, choices.__file__)]


def specification(
    profile: str, model_name: str, out: str | Path, n_images: int = 60, seed: int = 0, masked: int = 60
) -> pd.DataFrame:
    """Every signed difference of CLAIMS under every choice, as ledger rows.

    Columns: resize, order, join, cut, fill, side (the choices), and those of `gambook.claims.ledger.ledger`; rows that
    did not run are left out. masked: images of the first stratum whose masked scores are taken. out: folder of the
    finished parts; a rerun with the same sources computes only what is missing.
    """
    kept = [one for one in evaluations(profile, n_images, seed) if one.options.get("kind", "single") == "single"]
    boxes = [_stored(Path(out), _plan(one, model_name, seed), "boxes", _localisation) for one in kept]
    results = _completed(pd.concat(boxes, ignore_index=True))
    parts = []
    for choice, cell in results.groupby(list(Choice._fields), sort=False):
        for cut in CUTS:
            fixed = cell if cut == "tuned" else _at_one_threshold(cell, cut)
            parts.append(_judged(fixed, profile, dict(zip(Choice._fields, choice, strict=True)) | {"cut": cut}, seed))
    shown = _stored(Path(out), _plan(kept[0], model_name, seed), f"masked{masked}", _Masked(masked))
    for names, cell in shown.groupby([*Choice._fields, "fill", "side"], sort=False):
        named = dict(zip([*Choice._fields, "fill", "side"], names, strict=True))
        # the ledger knows the paper's variant by this name
        parts.append(_judged(cell.rename(columns={"after": "after_black_both"}), profile, named, seed))
    return pd.concat(parts, ignore_index=True)


def _plan(one: Evaluation, model_name: str, seed: int) -> Plan:
    settings = Settings(
        one.tasks, METHODS, DEPTHS, FILLS, SIDES, seed,
        percentile=one.percentile, least_probability=one.least_probability,
    )  # fmt: skip
    return make_plan(model_name, one.load(), settings)


def _stored(out: Path, plan: Plan, what: str, compute) -> pd.DataFrame:
    """A part from its file, or computed and written whole."""
    path = out / f"{what}-{digest([plan.key, SOURCES])}.parquet"
    if not path.is_file():
        frame = pd.DataFrame(list(compute(plan)))
        out.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path.with_suffix(f".{os.getpid()}"))
        os.replace(path.with_suffix(f".{os.getpid()}"), path)
    return pd.read_parquet(path)


def _batches(plan: Plan, limit: int | None = None) -> Iterator[tuple[Model, Batch]]:
    model = plan.model()
    with one_thread():
        seen = 0
        for index in tqdm(range(len(plan.shards)), desc=f"choices, {plan.name} {plan.percentile}%", disable=None):
            if limit is not None and seen >= limit:
                return
            for batch in load_shard(plan, model, index)[0]:
                seen += len(batch.items)
                yield model, batch


def _localisation(plan: Plan) -> Iterator[dict]:
    """Results' rows for each choice; n = 1 needs no joining and has rows for the first of AGGREGATES only."""
    joins = [(1, AGGREGATES[0]), *((2, join) for join in AGGREGATES)]
    for model, batch in _batches(plan):
        for score in trace_batch(plan, model, batch):
            trace = score.trace
            finite = {n: _printed_is_finite(trace, n).tolist() for n in DEPTHS}
            for method, how, order in itertools.product(METHODS, RESIZES, ORDERS):
                layers = [draw(raw, trace.size, how, order) for raw in layer_maps(trace, method, max(DEPTHS))]
                for n, join in joins:
                    maps = join_layers(layers[:n], join).numpy()
                    for row, label in _labelled(score):
                        ious = box_ious(maps[row], batch.items[row].truths[label].boxes)
                        yield (
                            row_key(plan, batch, score, row, label, (method, n))
                            | {"finite": finite[n][row] or method != STABLE}
                            | Choice(how, order, join)._asdict()
                            | dict(zip(IOUS, ious.tolist(), strict=True))
                        )


def _completed(boxes: pd.DataFrame) -> pd.DataFrame:
    """Rows for the printed Grad-CAM++, and those of n = 1 under every way to join layers."""
    printed = boxes[boxes["method"] == STABLE].assign(method="grad_cam_pp")
    printed.loc[~printed["finite"], IOUS] = 0.0
    boxes = pd.concat([boxes.assign(finite=True), printed])
    joined = [boxes[boxes["n"] == 1].assign(join=join) for join in AGGREGATES]
    return pd.concat([boxes[boxes["n"] > 1], *joined], ignore_index=True)


def _printed_is_finite(trace: Trace, n: int) -> Tensor:
    maps = [min_max(resize(raw, trace.size)) for raw in layer_maps(trace, "grad_cam_pp", n)]
    return torch.stack(maps).isfinite().all(dim=0).flatten(1).all(dim=1)


class _Masked:
    """Scores on explanation maps of the first `limit` images: one choice at a time leaves the paper's own."""

    def __init__(self, limit: int):
        self.limit = limit

    def __call__(self, plan: Plan) -> Iterator[dict]:
        for model, batch in _batches(plan, self.limit):
            for score in trace_batch(plan, model, batch):
                trace = score.trace
                wanted = [("gam", 1), ("gam", 2), *RIVALS.get(score.task, ())]
                raw = {name: layer_maps(trace, *name) for name in wanted}
                maps = {
                    (name, choice): chosen_map(raw[name], trace.size, choice)
                    for name, choice in itertools.product(wanted, SINGLE_CHOICES)
                }
                for fill in FILLS:
                    # another fill, and one side masked, are choices of their own: only the paper's maps take them
                    shown = maps if fill == FILLS[0] else {key: maps[key] for key in maps if key[1] == Choice()}
                    for (name, choice), masked in masked_embeddings(model, batch.x, shown, fill).items():
                        for side in SIDES if choice == Choice() and score.task != "class" else SIDES[:1]:
                            after = scores_after(model, batch, score, masked, side)
                            finite = maps[name, choice].isfinite().flatten(1).all(dim=1)
                            for row, label in _labelled(score):
                                yield (
                                    row_key(plan, batch, score, row, label, name)
                                    | {"finite": bool(finite[row]), "after": float(after[row])}
                                    | choice._asdict() | {"fill": fill, "side": side}
                                )  # fmt: skip


def _labelled(score: Explained) -> Iterator[tuple[int, str]]:
    return ((row, label) for row, labels in enumerate(score.labels) for label in labels)


def _at_one_threshold(results: pd.DataFrame, cut: str) -> pd.DataFrame:
    return results.drop(columns=[column for column in IOUS if not column.endswith(f"_{float(cut):.2f}")])


def _judged(results: pd.DataFrame, profile: str, chosen: dict, seed: int) -> pd.DataFrame:
    # masked scores have no boxes and boxes no masked scores: what a difference lacks is "not run" and dropped here
    rows = ledger(results.drop(columns=list(chosen), errors="ignore"), profile, seed=seed)
    rows = rows[rows["claim"].isin(CLAIMS) & (rows["verdict"] != NOT_RUN)]
    return rows.assign(**chosen)
