"""The page of verdicts: its tables as HTML that fits a phone, from ledger rows of this run and of committed ones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from gambook.claims.rule import CONTRADICTED, EQUIVALENT, FEWEST, MIXED, NOT_RUN, REPRODUCED, UNDECIDED
from gambook.claims.runs import Run, statements
from gambook.claims.tables import CSS as TABLE_CSS
from gamlib.plots import title_of

# A sign and a ground for each verdict; the word always stands beside them.
SIGNS = {REPRODUCED: "✓", CONTRADICTED: "✗", MIXED: "±", EQUIVALENT: "=", UNDECIDED: "?", NOT_RUN: "–"}
GROUNDS = {
    REPRODUCED: "#bfe5d5",
    CONTRADICTED: "#f8cfb5",
    MIXED: "#f4e6a6",
    EQUIVALENT: "#cfe0f2",
    UNDECIDED: "#e4e4e4",
    NOT_RUN: "#ffffff",
}
VARIANTS = {
    "gam_layer": "GAM, one layer alone",
    "gam_max": "GAM, maximum",
    "gam_product": "GAM, product",
    "gam_weighted": "GAM, weighted",
}
MEASURES = {
    "box_iou": "box IoU",
    "mask_iou": "mask IoU",
    "nonfinite": "maps not finite",
    "gain": "gain in box IoU",
    "area": "area above threshold",
    "mass_box": "mass in the box",
    "discrimination": "mass on own minus other object",
    "share_negative": "negative entries",
    "spearman": "rank correlation",
}
STRATA = {
    "10": "smallest 10%",
    "25": "smallest 25%",
    "10-25": "smallest 10% minus smallest 25%",
    "25-100": "smallest 25% minus all",
}
KINDS = {"label": "objects", "pair": "clusters"}
CSS = f"""{TABLE_CSS}<style>
.gam-claim {{border: 1px solid #8888; border-radius: 4px; margin: 0.4em 0; padding: 0.3em 0.7em}}
.gam-claim summary {{cursor: pointer}}
.gam-verdicts td {{text-align: left}}
.gam-verdicts .narrow {{white-space: normal; max-width: 7em}}
.gam-verdict {{color: #111; padding: 0.05em 0.45em; border-radius: 3px; border: 1px solid #888; white-space: nowrap}}
.gam-verdicts .wide {{white-space: normal; min-width: 13em}}
{"".join(f".gam-{word.replace(' ', '-')} {{background: {ground}}}" for word, ground in GROUNDS.items())}
</style>"""


class Page:
    """HTML that shows itself in a notebook."""

    def __init__(self, html: str):
        self.html = html

    def _repr_html_(self) -> str:
        return CSS + self.html

    def __repr__(self) -> str:
        return f"Page({len(self.html)} characters)"


def badge(verdict: str) -> str:
    """The verdict as a word with its sign on its ground."""
    return f'<span class="gam-verdict gam-{verdict.replace(" ", "-")}">{SIGNS[verdict]} {verdict}</span>'


def overview(runs: Sequence[Run]) -> Page:
    """Claims as rows, runs as columns; each cell the verdict, and how many of the claim's rows are for and against."""
    heads = _heads(runs)
    verdicts = [run.verdicts() for run in runs]
    lines = []
    for claim, title in _claims(runs):
        cells = "".join(f'<td class="narrow">{_summary(found, claim)}</td>' for found in verdicts)
        lines.append(f'<tr><th><a href="#claim-{claim.lower()}">{claim}</a> {escape(title)}</th>{cells}</tr>')
    return Page(_table(f"<tr><th>claim</th>{heads}</tr>", lines))


def _summary(found: pd.DataFrame, claim: str) -> str:
    if claim not in found.index:
        return badge(NOT_RUN)
    row = found.loc[claim]
    if row["verdict"] == NOT_RUN:
        return badge(NOT_RUN)
    ran = f"{row['reproduced']} for, {row['contradicted']} against, of {int(row['rows'])}"
    return f"{badge(row['verdict'])}<small>{ran}</small>"


def claim_blocks(runs: Sequence[Run]) -> Page:
    """A block to unfold for each claim: what the paper says, then one line a signed difference, one column a run."""
    says = statements()
    first = runs[0].verdicts()
    return Page("".join(_block(claim, title, says[claim], first, runs) for claim, title in _claims(runs)))


def _claims(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Ids and titles in the order of the ledger, which lists every claim."""
    return list(dict.fromkeys(zip(runs[0].rows["claim"], runs[0].rows["title"], strict=True)))


def _heads(runs: Sequence[Run]) -> str:
    kinds = ["committed" if run.committed else "this run" for run in runs]
    return "".join(f"<th>{escape(run.label)}<small>{kind}</small></th>" for run, kind in zip(runs, kinds, strict=True))


def _block(claim: str, title: str, says: str, first: pd.DataFrame, runs: Sequence[Run]) -> str:
    word = first.loc[claim, "verdict"] if claim in first.index else NOT_RUN
    heads = _heads(runs)
    listed = pd.concat([run.rows[run.rows["claim"] == claim] for run in runs]).drop_duplicates("id")
    lines = [_difference_line(row, runs) for row in listed.to_dict("records")]
    table = _table(f"<tr><th>difference</th><th>claimed</th><th>paper</th>{heads}</tr>", lines)
    return (
        f'<details class="gam-claim" id="claim-{claim.lower()}"><summary><b>{claim}</b> {escape(title)} '
        f"{badge(word)} {escape(runs[0].label)}"
        f"</summary><p>The paper: {escape(says)}</p>{table}</details>"
    )


def _difference_line(row: dict, runs: Sequence[Run]) -> str:
    where = f"{row['id']} · {row['task']}, {measure_name(row['metric'])}{_stratum(row['subset'])}"
    claimed = {1: "above 0", -1: "below 0", 0: "0"}[int(row["sign"])]
    value = row["paper_value"]
    paper = "" if pd.isna(value) else f'<span title="{escape(row["paper_rows"])}">{signed(value)}</span>'
    cells = "".join(f'<td class="wide">{_cell(run, row["id"])}</td>' for run in runs)
    name = f"{escape(difference_name(row))}<small>{escape(where)}</small>"
    return f"<tr><th>{name}</th><td>{claimed}</td><td>{paper}</td>{cells}</tr>"


def _cell(run: Run, claim_id: str) -> str:
    texts = []
    for row in run.rows[run.rows["id"] == claim_id].to_dict("records"):
        if row["verdict"] == NOT_RUN:
            needs = "" if run.committed else f"<small>{escape(row['needs'])}</small>"
            texts.append(badge(NOT_RUN) + needs)
            continue
        kind = KINDS.get(row["cluster_kind"], "images")
        excluded = f", {int(row['excluded'])} excluded" if row["excluded"] else ""
        counted = f"{row['dataset']}: {int(row['n'])} maps, {int(row['clusters'])} {kind}{excluded}"
        texts.append(f"{interval_text(row)} {badge(row['verdict'])}<small>{escape(counted + _held_back(row))}</small>")
    # what several data sets lack alike is said once
    return "".join(dict.fromkeys(texts))


def _held_back(row: dict) -> str:
    """Why an interval that is clear of zero decides nothing."""
    kind = row["cluster_kind"]
    if row["verdict"] != UNDECIDED or kind not in FEWEST or row["low"] <= 0 <= row["high"]:
        return ""
    if row["clusters"] < FEWEST[kind]:
        return f"; too few, the rule asks for {FEWEST[kind]}"
    return f"; {int(row['agree'])} of {int(row['clusters'])} agree in sign" if kind == "label" else ""


def interval_text(row) -> str:
    """Mean with its interval, in percentage points.

    >>> interval_text({"mean": 3.04, "low": -1, "high": 7})
    '+3.0 [−1.0, +7.0]'
    """
    return f"{signed(row['mean'])} [{signed(row['low'])}, {signed(row['high'])}]"


def signed(value: float) -> str:
    """A difference with its sign and one decimal, e.g. "+3.0"."""
    return f"{value:+.1f}".replace("-", "−")


def frame_page(frame: pd.DataFrame) -> Page:
    """A small table as it is, its column names as heads."""
    heads = "".join(f"<th>{escape(str(name))}</th>" for name in frame)
    lines = [
        f"<tr><th>{escape(str(first))}</th>" + "".join(f"<td>{escape(str(value))}</td>" for value in rest) + "</tr>"
        for first, *rest in frame.itertuples(index=False)
    ]
    return Page(_table(f"<tr>{heads}</tr>", lines))


def difference_name(row) -> str:
    """What is subtracted from what: "GAM (2) − Grad-CAM (1)"."""
    return f"{_side(row['a'])} − {_side(row['b'])}" if row["b"] else _side(row["a"])


def _side(name: str) -> str:
    method, _, n = name.partition(":")
    return f"{VARIANTS.get(method) or title_of(method)} ({n})" if n else name


def measure_name(metric: str) -> str:
    """A measure's name for readers: "ADP, both masked" for "adp_black_both"."""
    if metric in MEASURES:
        return MEASURES[metric]
    kind, fill, side = metric.split("_")
    return f"{kind.upper()}, {side} masked" + ("" if fill == "black" else f", {fill}")


def _stratum(subset: str) -> str:
    return f", {STRATA[subset]}" if subset in STRATA else ""


def _table(head: str, lines: Sequence[str]) -> str:
    content = f"<thead>{head}</thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="gam-table gam-verdicts" tabindex="0"><table>{content}</table></div>'
