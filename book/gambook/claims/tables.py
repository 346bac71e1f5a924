"""Tables of results in the shape of the paper's: rows are tests, columns are methods, depths and controls.

A table scrolls sideways where the screen is narrow; its first column stays in view. The first line of a cell is the
number, small print stands below it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML
from pandas.io.formats.style import Styler

from gambook.claims.paper import relative_gain
from gamlib.controls import CONTROLS
from gamlib.methods import METHODS
from gamlib.plots import title_of

# those with a column of their own
TABLE_METHODS = tuple(name for name, method in METHODS.items() if method.column)
TABLE_DEPTHS = (1, 2)
STRATA = {100: "all", 25: "25%", 10: "10%"}
# In percent: of a smaller mean a relative change is noise.
SMALL = 1.0
HEAD, BEST_CONTROL = "objects: data, network", ("best control", "")
OF_METHOD = ("n = 1", "n = 2", "change")
TABLE_COLUMNS = [BEST_CONTROL, *((title_of(name), part) for name in TABLE_METHODS for part in OF_METHOD)]
TABLE_COLUMNS += [("controls", title_of(name)) for name in CONTROLS]

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
CSS = f"<style>\n{(Path(__file__).parent / 'style.css').read_text()}</style>\n"


def page(html: str) -> HTML:
    """What shows itself in a notebook, in the style of style.css."""
    return HTML(CSS + html)


def rendered(frame: pd.DataFrame, classes: pd.DataFrame | None = None, caption: str = "", kind: str = "") -> str:
    """A table as HTML.

    Parameters
    ----------
    frame : DataFrame
        Texts; its index holds the labels of the rows, the columns' name what stands above them. What is no
        `markupsafe.Markup` is escaped.
    classes : DataFrame, optional
        Classes of style.css for cells, in the shape of frame.
    caption : str
        Title, also for those who hear the page.
    kind : str
        "text" for cells of words, which begin at the left.
    """
    styler = Styler(frame, cell_ids=False, uuid=f"{zlib.crc32(frame.to_csv().encode()):08x}")
    styler.format(escape="html").format_index(escape="html", axis=0).format_index(escape="html", axis=1)
    if classes is not None:
        styler.set_td_classes(classes)
    if caption:
        styler.set_caption(escape(caption))
    # the class by which themes know a table of data
    table = styler.set_table_attributes('class="dataframe"').to_html()
    label = escape(caption or str(frame.columns.names[0]))
    return f'<div class="gam-table {kind}" role="region" tabindex="0" aria-label="{label}">{table}</div>'


def listing(frame: pd.DataFrame, caption: str = "", kind: str = "") -> HTML:
    """A plain table of a frame's values, its first column being the labels of the rows; the rest as in `rendered`.

    Examples
    --------
    >>> table = listing(pd.DataFrame([["cat", "43.2"]], columns=["object", "IoU"]))
    >>> "cat</th>" in table.data, "43.2</td>" in table.data
    (True, True)
    """
    first = frame.columns[0]
    labelled = frame.astype(str).set_index(first).rename_axis(index=None, columns=first)
    return page(rendered(labelled, None, caption, kind))


def folded(summary: str, tables: Sequence[HTML]) -> HTML:
    """Tables behind a line that unfolds them."""
    inside = "".join(str(table.data).removeprefix(CSS) for table in tables)
    return page(f"<details><summary>{escape(summary)}</summary>{inside}</details>")


def comparison(cells: pd.DataFrame, printed: pd.DataFrame, better: int, caption: str = "") -> HTML:
    """One task and one measure: our cells and the paper's numbers, stratum by stratum.

    The best control stands first (where lower is better, all-ones aside) and all of them last. "change" is relative,
    from n = 1 to n = 2, positive where n = 2 is better; of our means below 1 it says nothing and is a dash. Bold: the
    best method of the row; underlined: a control that scores better than that.

    Parameters
    ----------
    cells : DataFrame
        Rows of `results.cell_means` for one task, in percent.
    printed : DataFrame
        Rows of `paper.load_table` for that task and measure; what of them was not run here is said.
    better : int
        +1 where higher is better, -1 where lower is.
    caption : str
        Title.
    """
    texts: dict[str, dict] = {}
    marks: dict[str, dict] = {}
    absent = []
    for percentile, stratum in STRATA.items():
        seen, here = set(), cells[cells["percentile"] == percentile]
        for (dataset, model), rows in here.groupby(["dataset", "model"], sort=False):
            seen.add((PRINTED.get(dataset), PRINTED.get(model)))
            excluded = f", {rows['excluded'].max():.0f} excluded" if rows["excluded"].max() else ""
            label = f"{stratum}: {dataset}, {model}\n{rows['maps'].max():.0f} maps{excluded}"
            texts[label], marks[label] = _ours(rows.set_index(["method", "n"]), better)
        there = printed[printed["area_percentile"] == percentile]
        network = there["model"] if "model" in there else pd.Series("ResNet", index=there.index)
        for (dataset, name), rows in there.groupby([there["dataset"], network], sort=False):
            ran = (dataset, name) in seen
            absent += [] if ran else [dataset]
            label = f"{stratum}: paper, {dataset}, {name}" + ("" if ran else "\nnot run here")
            value = rows.set_index(["method", "n"])["value"]
            numbers = {(title_of(method), f"n = {n}"): f"{one:g}" for (method, n), one in value.items()}
            texts[label] = numbers | _changes(value, better, smallest=0)
            marks[label] = dict.fromkeys(TABLE_COLUMNS, "printed")
    columns = pd.MultiIndex.from_tuples(TABLE_COLUMNS, names=[HEAD, None])
    frame, classes = (pd.DataFrame(found, index=columns, dtype=str).T.fillna("") for found in (texts, marks))
    for column in (
        BEST_CONTROL,
        *((title_of(name), OF_METHOD[0]) for name in TABLE_METHODS),
        TABLE_COLUMNS[-len(CONTROLS)],
    ):
        classes[column] = classes[column].astype(str) + " start"
    needs = [f"{name} needs {NEEDS[name]}" for name in dict.fromkeys(absent)]
    note = f"<p>Not run here: {'; '.join(needs)}; see Data and weights.</p>" if needs else ""
    return page(rendered(frame, classes, caption) + note)


def _ours(found: pd.DataFrame, better: int) -> tuple[dict, dict]:
    """Texts and classes of a row of our own; found: indexed by method and n."""
    score = better * found["mean"]
    keys: list[Any] = list(score.index)
    best = score[[method in TABLE_METHODS and n in TABLE_DEPTHS for method, n in keys]].max()
    texts, classes = {}, {}
    for key, cell in zip(keys, found.to_dict("records"), strict=True):
        name = title_of(key[0])
        column = ("controls", name) if key[0] in CONTROLS else (name, f"n = {key[1]}")
        lost = f"\n{cell['nonfinite']:.0f} not finite" if cell["nonfinite"] else ""
        if column in TABLE_COLUMNS:
            texts[column] = f"{cell['mean']:.1f}\n[{cell['low']:.1f}, {cell['high']:.1f}]{lost}"
            classes[column] = _mark(key[0], score[key], best)
    # an unmasked image loses nothing, by construction
    fair = [key for key in keys if key[0] in CONTROLS and not (key[0] == "all_ones" and better < 0)]
    if fair:
        first: Any = score[fair].idxmax()
        texts[BEST_CONTROL] = f"{found['mean'][first]:.1f}\n{title_of(first[0])}"
        classes[BEST_CONTROL] = _mark(first[0], score[first], best)
    return texts | _changes(found["mean"], better, SMALL), classes


def _mark(method: str, score: float, best: float) -> str:
    if method in CONTROLS:
        return "ahead" if score > best else ""
    return "best" if score == best else ""


def _changes(value: pd.Series, better: int, smallest: float) -> dict:
    both = [name for name in TABLE_METHODS if (name, 1) in value and (name, 2) in value]
    return {
        (title_of(name), OF_METHOD[2]): "–"
        if value[name, 1] < smallest
        else f"{better * relative_gain(value[name, 1], value[name, 2]):+.1f}%"
        for name in both
    }
