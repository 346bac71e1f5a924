"""The specification curve: the same claims under every choice that the paper leaves open (Simonsohn et al. 2020).

Choices lie between a raw layer map and the map of Eq. 1 and 2: how a map is resized, whether it is normalised before or
after that, how two layers are joined; then how the threshold is chosen, and what is masked with what. (The sum in place
of the mean of Eq. 2 is none of them: it ranks pixels alike and so cannot change a tuned box.)
Localisation takes the full grid: each choice is made after the trace, so one forward serves all. ADP and PIC need a
masked forward for every map, so there one choice at a time leaves the paper's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor
from tqdm import tqdm

from gambook.claims.choices import CUTS, JOINS, ONE_CHANGED, ORDERS, RESIZES, SHARES, Choice, chosen_map, combined, draw
from gambook.claims.differences import groups
from gambook.claims.evaluations import Evaluation
from gambook.claims.ledger import ledger
from gambook.claims.paper import load_claims
from gambook.claims.protocol import Protocol
from gambook.claims.rule import NOT_RUN
from gambook.claims.tables import TABLE_DEPTHS
from gamlib.boxes import THRESHOLDS, box_ious
from gamlib.evaluation import SIDES, Settings, save
from gamlib.evaluation.batch import Batch, Explained, load_shard, trace_batch
from gamlib.evaluation.engine import repeatable
from gamlib.evaluation.measure import masked_embeddings, row_key, scores_after
from gamlib.evaluation.plan import Plan, make_plan
from gamlib.evaluation.results import grid_columns, measures, strata
from gamlib.evaluation.store import digest
from gamlib.methods import METHODS, layer_maps
from gamlib.metrics import FILLS
from gamlib.models import Model

# Scenes a stratum, a quarter of the photographs; and those of the first data set that are masked.
CURVE_IMAGES = 32
CURVE_CLAIMS = ("C2", "C3", "C4", "C5", "C6", "C7", "C15", "C18", "F2")
# What these claims compare. Where it is finite the printed Grad-CAM++ equals its closed form, so only that is drawn.
STABLE = "grad_cam_pp_stable"
COMPARED = ("gam", "grad_cam", STABLE)
# What C2 and C3 compare GAM with once images are masked.
RIVALS = {"cosine": [("grad_cam", 1)], "dot": [("grad_cam_pp", 1)]}
IOUS, BY_SHARE = grid_columns("iou", THRESHOLDS), grid_columns("share", SHARES)
# A plan's key does not know how maps are made and joined here.
SOURCE = [Path(__file__).with_name(name).read_text("utf-8") for name in ("curve.py", "choices.py")]


def specification(profile: str, model_name: str, out: str | Path) -> pd.DataFrame:
    """Every signed difference of CURVE_CLAIMS under every choice, as rows of `ledger.ledger` that ran.

    Parameters
    ----------
    profile, model_name : str
        As in `protocol.Protocol`.
    out : str or Path
        Folder of the finished parts; a rerun with the same sources computes only what is missing.

    Returns
    -------
    DataFrame
        The choices, resize, order, join, cut, fill and side, are columns.
    """
    found = Protocol(profile, model_name, CURVE_IMAGES).evaluations()
    # scenes of one object; of photographs the first data set
    single = [one for one in found if one.options.get("kind") == "single"] or found[:1]
    plans = [_plan(one, model_name) for one in single]
    boxes = [
        strata(_stored(Path(out), plan, "boxes", _localisation(plan)), one.strata)
        for one, plan in zip(single, plans, strict=True)
    ]
    parts = [
        _judged(_cut(cell, cut), profile, Choice(*choice)._asdict() | {"cut": cut})
        for choice, cell in groups(_completed(pd.concat(boxes, ignore_index=True)), Choice._fields)
        for cut in CUTS
    ]
    # the ledger knows the paper's variant by this name
    shown = _stored(Path(out), plans[0], "masked", _masked(plans[0])).rename(columns={"after": "after_black_both"})
    keys = [*Choice._fields, "fill", "side"]
    parts += [_judged(cell, profile, dict(zip(keys, names, strict=True))) for names, cell in groups(shown, keys)]
    return pd.concat(parts, ignore_index=True)


def _cut(cell: pd.DataFrame, cut: str) -> pd.DataFrame:
    """Rows with the IoUs that a way to choose the threshold tunes over, under the names that the measures know."""
    if cut == CUTS[2]:
        return cell.drop(columns=IOUS).rename(columns=dict(zip(BY_SHARE, grid_columns("iou", SHARES), strict=True)))
    other = [] if cut == CUTS[0] else [column for column in IOUS if not column.endswith(f"_{float(cut):.2f}")]
    return cell.drop(columns=[*other, *BY_SHARE])


def _plan(one: Evaluation, model_name: str) -> Plan:
    return make_plan(model_name, one.load(seed=0), Settings(one.tasks, COMPARED, TABLE_DEPTHS, FILLS, SIDES))


def _stored(out: Path, plan: Plan, what: str, rows: Iterable[dict]) -> pd.DataFrame:
    """A part from its file, or computed and written whole."""
    path = out / f"{what}-{digest([plan.key, SOURCE])}.parquet"
    if not path.is_file():
        save(pd.DataFrame(list(rows)), path)
    return pd.read_parquet(path)


def _scores(plan: Plan, limit: float = np.inf) -> Iterator[tuple[Model, Batch, Explained]]:
    """Every score of the shards, until these have as many images."""
    model, seen = plan.model(), 0
    with repeatable():
        for index in tqdm(range(len(plan.shards)), desc=f"choices, {plan.dataset.name}", disable=None):
            if seen >= limit:
                return
            batch, _ = load_shard(plan, model, index)
            seen += len(batch.items)
            for score in trace_batch(plan, model, batch) if batch.items else ():
                yield model, batch, score


def _localisation(plan: Plan) -> Iterator[dict]:
    """Results' rows for each choice; n = 1 needs no joining and has rows for the first of JOINS only."""
    joins = [(1, JOINS[0]), *((2, join) for join in JOINS)]
    for _, batch, score in _scores(plan):
        trace = score.trace
        finite = {n: _finite(METHODS["grad_cam_pp"](trace, n)) for n in TABLE_DEPTHS}
        for method, how, order in itertools.product(COMPARED, RESIZES, ORDERS):
            layers = [draw(raw, trace.size, how, order) for raw in layer_maps(trace, method, max(TABLE_DEPTHS))]
            for n, join in joins:
                maps = combined(layers[:n], join).numpy()
                for row, label in _labelled(score):
                    # at least the share of pixels, of equal values all
                    cuts = np.quantile(maps[row], 1 - np.array(SHARES), method="lower")
                    ious = box_ious(maps[row], batch.items[row].truths[label].boxes, [*THRESHOLDS, *cuts.tolist()])
                    yield (
                        row_key(plan, batch, score, row, label, (method, n))
                        | {"finite": finite[n][row] or method != STABLE}
                        | Choice(how, order, join)._asdict()
                        | dict(zip(IOUS + BY_SHARE, ious.tolist(), strict=True))
                    )


def _completed(boxes: pd.DataFrame) -> pd.DataFrame:
    """Rows for the printed Grad-CAM++, and those of n = 1 under every way to join layers."""
    printed = boxes[boxes["method"] == STABLE].assign(method="grad_cam_pp")
    printed.loc[~printed["finite"], IOUS + BY_SHARE] = 0.0
    boxes = pd.concat([boxes.assign(finite=True), printed])
    joined = [boxes[boxes["n"] == 1].assign(join=join) for join in JOINS]
    return pd.concat([boxes[boxes["n"] > 1], *joined], ignore_index=True)


def _finite(maps: Tensor) -> list[bool]:
    return maps.isfinite().flatten(1).all(dim=1).tolist()


def _masked(plan: Plan) -> Iterator[dict]:
    """Scores on explanation maps of the first CURVE_IMAGES: one choice at a time leaves the paper's own."""
    for model, batch, score in _scores(plan, CURVE_IMAGES):
        trace = score.trace
        maps = {
            (name, choice): chosen_map(raw, trace.size, choice)
            for name in [("gam", 1), ("gam", 2), *RIVALS.get(score.task, ())]
            for raw in [layer_maps(trace, *name)]
            for choice in ONE_CHANGED
        }
        for fill in FILLS:
            # another fill, and one side masked, are choices of their own: only the paper's maps take them
            shown = maps if fill == FILLS[0] else {key: maps[key] for key in maps if key[1] == Choice()}
            for (name, choice), masked in masked_embeddings(model, batch.x, shown, fill).items():
                finite = _finite(maps[name, choice])
                for side in SIDES if choice == Choice() and score.task != "class" else SIDES[:1]:
                    after = scores_after(model, score, masked, side)
                    for row, label in _labelled(score):
                        yield (
                            row_key(plan, batch, score, row, label, name)
                            | {"finite": finite[row], "after": float(after[row])}
                            | choice._asdict() | {"fill": fill, "side": side}
                        )  # fmt: skip


def _labelled(score: Explained) -> Iterator[tuple[int, str]]:
    return ((row, label) for row, labels in enumerate(score.labels) for label in labels)


def _judged(results: pd.DataFrame, profile: str, chosen: dict) -> pd.DataFrame:
    claims = load_claims()
    # masked scores have no boxes and boxes no masked scores: what a difference lacks is "not run" and dropped here
    rows = ledger(measures(results), profile, claims=claims[claims["claim"].isin(CURVE_CLAIMS)])
    return rows[rows["state"] != NOT_RUN].assign(**chosen)
