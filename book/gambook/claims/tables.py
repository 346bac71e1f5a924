"""Tables of results: methods as rows, strata and depths as columns, the paper's number small beside ours.

The best method of a test and the best control stand out; intervals are shown on demand and in print.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup
from pandas.io.formats.style import Styler

from gambook.claims.notes import NAMES
from gamlib.controls import CONTROLS
from gamlib.methods import METHODS
from gamlib.plots import title_of

# those with a row of their own
TABLE_METHODS = tuple(name for name, method in METHODS.items() if method.tabled)
TABLE_DEPTHS = (1, 2)
STRATA = {100: "all", 25: "25%", 10: "10%"}
TASK_TITLES = {"class": "class", "cosine": "cosine", "dot": "dot product"}
CSS = f"<style>\n{(Path(__file__).parent / 'style.css').read_text('utf-8')}</style>\n"


def page(html: str) -> HTML:
    """What shows itself in a notebook, in the style of style.css."""
    return HTML(CSS + html)


def rendered(frame: pd.DataFrame, classes: pd.DataFrame | None = None, caption: str = "", kind: str = "") -> str:
    """A table as HTML.

    Parameters
    ----------
    frame : DataFrame
        Texts, escaped unless they are `markupsafe.Markup`; its index holds the labels of the rows, of several levels
        the last, and the columns' name is what stands above them.
    classes : DataFrame, optional
        Classes of style.css for cells, in the shape of frame.
    caption, kind : str
        Title, also for those who hear the page; "text" for cells of words, which begin at the left.
    """
    styler = Styler(frame, cell_ids=False, uuid=f"{zlib.crc32(frame.to_csv().encode()):08x}")
    styler.format(escape="html").format_index(escape="html", axis=0).format_index(escape="html", axis=1)
    for level in range(frame.index.nlevels - 1):
        styler.hide(axis=0, level=level)
    if classes is not None:
        styler.set_td_classes(classes)
    if caption:
        styler.set_caption(escape(caption))
    # the class by which themes know a table of data
    table = styler.set_table_attributes('class="dataframe"').to_html()
    label = escape(caption or str(frame.columns.names[0]))
    return f'<div class="gam-table {kind}" role="region" tabindex="0" aria-label="{label}">{table}</div>'


def listing(frame: pd.DataFrame, kind: str = "") -> HTML:
    """A plain table of a frame's values, its first column being the labels of the rows; the rest as in `rendered`.

    Examples
    --------
    >>> table = listing(pd.DataFrame([["cat", "43.2"]], columns=["object", "IoU"]))
    >>> "cat</th>" in table.data, "43.2</td>" in table.data
    (True, True)
    """
    first = frame.columns[0]
    labelled = frame.astype(str).set_index(first).rename_axis(index=None, columns=first)
    return page(rendered(labelled, kind=kind))


def folded(summary: str, tables: Sequence[HTML]) -> HTML:
    """Tables behind a line that unfolds them."""
    inside = "".join(str(table.data).removeprefix(CSS) for table in tables)
    return page(f"<details><summary>{escape(summary)}</summary>{inside}</details>")


def comparison(cells: pd.DataFrame, printed: pd.DataFrame, better: int, caption: str = "") -> HTML:
    """The table of one measure on one data set with one network, in the paper's order of tests.

    Rows: methods and the best control, score by score. Columns: one and two layers, stratum by stratum. Small: the
    paper's own numbers on VRC. Bold: the best method of a test; underlined: a control that scores better than that.
    Where lower is better, the unmasked image is no control: it loses nothing by definition.

    Parameters
    ----------
    cells, printed : DataFrame
        Rows of `results.cell_means` of one data set and network; of `paper.load_table` for the same measure.
    better : int
        +1 where higher is better, -1 where lower is.
    caption : str
    """
    strata = [percentile for percentile in STRATA if (cells["percentile"] == percentile).any()]
    tasks = [task for task in TASK_TITLES if (cells["task"] == task).any()]
    lines = [*map(title_of, TABLE_METHODS), "best control"]
    side = pd.MultiIndex.from_tuples([(task, name) for task in tasks for name in (TASK_TITLES[task], *lines)])
    head = pd.MultiIndex.from_product([[STRATA[p] for p in strata], [f"n = {n}" for n in TABLE_DEPTHS]])
    texts, classes = (pd.DataFrame("", side, head, dtype=object) for _ in range(2))
    # of its networks one after the other
    theirs = printed[printed["dataset"] == "VRC"].groupby(["our_task", "area_percentile", "method", "n"])["value"]
    beside = theirs.agg(lambda values: " / ".join(f"{value:g}" for value in values))
    classes.loc[[(task, TASK_TITLES[task]) for task in tasks]] = "score"
    for (task, percentile), found in cells[cells["percentile"].isin(strata)].groupby(["task", "percentile"]):
        ours = found[found["method"].isin(TABLE_METHODS) & found["n"].isin(TABLE_DEPTHS)]
        best = (better * ours["mean"]).max()
        for _, cell in ours.iterrows():
            at = (task, title_of(cell["method"])), (STRATA[percentile], f"n = {cell['n']}")
            texts.loc[at] = _cell(cell, beside.get((task, percentile, cell["method"], cell["n"]), ""))
            classes.loc[at] = "best" if f"{cell['mean']:.1f}" == f"{better * best:.1f}" else ""
        fair = found[found["method"].isin(CONTROLS) & ((found["method"] != "all_ones") | (better > 0))]
        if len(fair):
            control = fair.loc[(better * fair["mean"]).idxmax()]
            at = (task, "best control"), (STRATA[percentile], f"n = {TABLE_DEPTHS[0]}")
            texts.loc[at] = _cell(control, title_of(control["method"]))
            classes.loc[at] = "ahead" if better * control["mean"] > best else ""
    shown = rendered(texts, classes, caption, kind="compared")
    return page(f"{SWITCH}{shown}{download(cells, caption)}")


# Intervals are there in print, and where the reader asks for them.
SWITCH = '<label class="gam-switch"><input type="checkbox"> 95% intervals</label>'


def _cell(cell: pd.Series, beside: str) -> Markup:
    lost = f"<br><small>{int(cell['nonfinite'])} not finite</small>" if cell["nonfinite"] else ""
    interval = f"[{cell['low']:.1f}, {cell['high']:.1f}]"
    return Markup(
        f'<span title="{interval}">{cell["mean"]:.1f}</span><br><small>{escape(beside)}</small>'
        f'<small class="interval">{interval}</small>{lost}'
    )


def download(frame: pd.DataFrame, name: str) -> str:
    """A link that holds the numbers as a CSV file."""
    data = base64.b64encode(frame.to_csv(index=False, float_format="%.3f").encode()).decode()
    file = "".join(letter if letter.isalnum() else "_" for letter in name.lower()).strip("_") or "table"
    return f'<p class="gam-download"><a download="{file}.csv" href="data:text/csv;base64,{data}">CSV</a></p>'


def not_run(names: Sequence[str]) -> HTML:
    """What the paper's rows on other data need, said once."""
    needed = "; ".join(f"{name} needs {NAMES['copy', name]}" for name in names)
    return HTML(f"<p>Not run here: {needed}.</p>")
