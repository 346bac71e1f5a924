"""Tables of results in the shape of the paper's: rows are tests, columns are methods, depths and controls.

A table is HTML of its own that scrolls sideways where the screen is narrow; the first column stays in view.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

import gamlib
from gambook.claims.paper import relative_gain
from gamlib.controls import CONTROLS
from gamlib.plots import title_of

# those with a column of their own
METHODS = tuple(name for name, method in gamlib.METHODS.items() if method.column)
DEPTHS = (1, 2)
STRATA = {100: "all", 25: "25%", 10: "10%"}
# In percent: of a smaller mean a relative change is noise.
SMALL = 1.0

# The paper's names for data sets and networks, by ours.
PRINTED = {
    "imagenet_val": "VRC",
    "chestx_ray8": "XRAY",
    "coco": "COCO",
    "voc2012": "VOC",
    "densenet201": "DenseNet",
    "resnet101": "ResNet",
    "chexnet": "CheXNet",
    "tresnet_l_coco": "TResNet",
    "tresnet_xl_voc": "TResNet",
}
NEEDS = {
    "VRC": "the ImageNet validation images and boxes (imagenet_root)",
    "XRAY": "ChestX-ray8 (chest_root)",
    "COCO": "COCO and a TResNet checkpoint (coco_root, weights_root)",
    "VOC": "Pascal VOC and a TResNet checkpoint (voc_root, weights_root)",
}
CSS = """<style>
.gam-table {overflow-x: auto; margin: 0.5em 0 1em}
.gam-table table {border-collapse: collapse; font-size: 0.85em; line-height: 1.25; width: max-content}
.gam-table th, .gam-table td {padding: 0.25em 0.55em; text-align: right; white-space: nowrap; vertical-align: top}
.gam-table thead th {text-align: center; border-bottom: 1px solid #888}
.gam-table tr:not(.second) > th:first-child {text-align: left; position: sticky; left: 0; white-space: normal;
  max-width: 9.5em; background: var(--pst-color-background, #fff); z-index: 1; font-weight: normal}
.gam-table small {display: block; opacity: 0.75}
.gam-table tr[data-first] > * {border-top: 1px solid #888}
.gam-table .printed {font-style: italic}
.gam-table .absent {text-align: left; white-space: normal}
.gam-table .absent span {display: inline-block; max-width: 14em}
@media (min-width: 700px) {.gam-table .absent span {max-width: 34em}}
.gam-table .start {border-left: 1px solid #8886}
</style>"""


class Table:
    """A finished table: shows itself in a notebook."""

    def __init__(self, html: str):
        self.html = html

    def _repr_html_(self) -> str:
        return f'{CSS}<div class="gam-table" tabindex="0">{self.html}</div>'

    def __repr__(self) -> str:
        return f"Table({self.html.count('<tr')} lines)"


def folded(summary: str, tables: Sequence[tuple[str, Table]]) -> Table:
    """Tables with their titles, behind a line that unfolds them."""
    inside = "".join(f"<p><strong>{escape(title)}</strong></p>{table.html}" for title, table in tables)
    return Table(f"<details><summary>{escape(summary)}</summary>{inside}</details>")


def listing(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table of texts, the first of each row being its label.

    >>> listing(["object", "IoU"], [["cat", "43.2"]])
    Table(2 lines)
    """
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{escape(text)}</td>' for text in texts)}</tr>"
        for label, *texts in rows
    )
    return Table(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def comparison(cells: pd.DataFrame, printed: pd.DataFrame, better: int) -> Table:
    """One task and one measure: our cells and the paper's numbers, stratum by stratum.

    cells: rows of `results.cell_means` for one task. printed: rows of `paper.load_table` for that task and measure.
    better: +1 where higher is better, -1 where lower is. "change" is the relative change from n = 1 to n = 2,
    positive where n = 2 is better; of our means below 1 it says nothing and is a dash. A printed row whose data was
    not run says what it needs. The best control stands first (where lower is better, all-ones aside) and all of them
    last. Bold: the best method of the row; underlined: a control that scores better than that.
    """
    body = []
    for percentile, stratum in STRATA.items():
        lines = []
        here = cells[cells["percentile"] == percentile]
        seen = set()
        for (dataset, model), rows in here.groupby(["dataset", "model"], sort=False):
            seen.add((PRINTED.get(dataset), PRINTED.get(model)))
            lines.append(_line(f"{stratum}: {dataset}, {model}", _ours(rows, better), note=_counts(rows)))
        there = printed[printed["area_percentile"] == percentile].assign(network=_network(printed))
        for (dataset, network), rows in there.groupby(["dataset", "network"], sort=False):
            lines.append(_line(f"{stratum}: paper, {dataset}, {network}", _theirs(rows, better), kind="printed"))
            if (dataset, network) not in seen:
                text = f"<span>not run: needs {NEEDS[dataset]}; see Data and weights</span>"
                columns = 1 + 3 * len(METHODS) + len(CONTROLS)
                absent = f'<td class="absent" colspan="{columns}">{text}</td>'
                lines.append(f"<tr><th>{stratum}: here, {dataset}, {network}</th>{absent}</tr>")
        if lines:
            body += [lines[0].replace("<tr", '<tr data-first="1"', 1), *lines[1:]]
    return Table(f"<table>{_head()}<tbody>{''.join(body)}</tbody></table>")


def _ours(rows: pd.DataFrame, better: int) -> list[str]:
    found = rows.set_index(["method", "n"])
    means = found["mean"]
    of_methods = [(name, n) for name in METHODS for n in DEPTHS if (name, n) in means]
    best = max((better * means[key] for key in of_methods), default=np.nan)
    # an unmasked image loses nothing, by construction
    trivial = ["all_ones"] if better < 0 else []
    controls = [key for key in means.index if key[0] in CONTROLS and key[0] not in trivial]
    blind = max(controls, key=lambda key: better * means[key], default=None)
    texts = [_cell(found, blind, better * means[blind] > best, "u", title_of(blind[0])) if blind else ""]
    for name in METHODS:
        for n in DEPTHS:
            texts.append(_cell(found, (name, n), better * means.get((name, n), np.nan) == best, "b"))
        one, two = means.get((name, 1)), means.get((name, 2))
        texts.append("–" if one is not None and one < SMALL else _change(one, two, better))
    for name in CONTROLS:
        texts.append(_cell(found, (name, 0), better * means.get((name, 0), np.nan) > best, "u"))
    return texts


def _theirs(rows: pd.DataFrame, better: int) -> list[str]:
    value = rows.set_index(["method", "n"])["value"]
    texts = [""]
    for name in METHODS:
        one, two = value.get((name, 1)), value.get((name, 2))
        texts += ["" if one is None else f"{one:g}", "" if two is None else f"{two:g}", _change(one, two, better)]
    return texts + [""] * len(CONTROLS)


def _cell(found: pd.DataFrame, key: tuple[str, int], marked: bool, tag: str, name: str = "") -> str:
    """One cell; `name` stands in the place of the interval."""
    if key not in found.index:
        return ""
    cell = found.loc[key]
    mean = f"<{tag}>{cell['mean']:.1f}</{tag}>" if marked else f"{cell['mean']:.1f}"
    lost = f"<small>{cell['nonfinite']:.0f} not finite</small>" if cell["nonfinite"] else ""
    return f"{mean}<small>{name or f'[{cell.low:.1f}, {cell.high:.1f}]'}</small>{lost}"


def _change(one: float | None, two: float | None, better: int) -> str:
    if one is None or two is None or not one:
        return ""
    return f"{better * relative_gain(one, two):+.1f}%"


def _counts(rows: pd.DataFrame) -> str:
    excluded = int(rows["excluded"].max())
    return f"{int(rows['maps'].max())} maps" + (f", {excluded} excluded" if excluded else "")


def _network(printed: pd.DataFrame) -> pd.Series | str:
    return printed["model"] if "model" in printed else "ResNet"


def _line(label: str, texts: Sequence[str], note: str = "", kind: str = "") -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    starts = {0, *range(1, 3 * len(METHODS) + 2, 3)}
    cells = "".join(f"<td{' class=start' if i in starts else ''}>{text}</td>" for i, text in enumerate(texts))
    return f'<tr class="{kind}"><th>{escape(label)}{small}</th>{cells}</tr>'


def _head() -> str:
    methods = "".join(f'<th colspan="3" class="start">{title_of(name)}</th>' for name in METHODS)
    depths = '<th class="start">n = 1</th><th>n = 2</th><th>change</th>' * len(METHODS)
    blind = "".join(f"<th>{title_of(name)}</th>" for name in CONTROLS)
    return (
        '<thead><tr><th rowspan="2">objects: data, network</th><th rowspan="2" class="start">best<br>control</th>'
        f"{methods}"
        f'<th colspan="{len(CONTROLS)}" class="start">controls</th></tr><tr class="second">{depths}{blind}</tr></thead>'
    )
