"""The page of verdicts: committed ledgers, the matrix of all claims, and each claim to unfold."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup

from gambook.claims.charts import forest
from gambook.claims.notes import data_name, difference_name, measure_name, network_name, signed, stratum_name
from gambook.claims.paper import load_claims, statements
from gambook.claims.rule import DATA_KINDS, FAILS, HOLDS, MIXED, MOSTLY, NOT_RUN, TOO_FEW, claim_words, counted
from gambook.claims.tables import page, rendered

# What the dot of a word looks like; the other words leave it hollow, and its colour to the means.
DOTS = {HOLDS: ("for", "●"), MOSTLY: ("for", "●"), FAILS: ("against", "●"), MIXED: ("mixed", "◐")}
# Columns of committed tables that hold words even where they look like numbers or are empty.
MAYBE_EMPTY = ("needs", "model", "dataset", "kind", "a", "b", "paper_rows", "same_as")
TEXT = (*MAYBE_EMPTY, "id", "claim", "subset", "cut")


def read_reference(folder: str | Path, name: str) -> dict[str, pd.DataFrame]:
    """The committed table of each profile that has it: <folder>/<profile>/<name>.csv or .csv.gz, as profile -> rows."""
    found = {}
    for path in sorted(Path(folder).glob(f"*/{name}.csv*")):
        rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
        # what is empty text in a ledger reads back as missing
        found[path.parent.name] = rows.fillna({key: "" for key in MAYBE_EMPTY if key in rows})
    return found


def matrix(rows: pd.DataFrame, where: str = "") -> HTML:
    """Claims as rows, data sets as columns, a dot for each network: colour for direction, filled where firm.

    A dot stands for a claim's primary differences on one data set with one network. Filled: `rule.word` says that they
    (mostly) hold, or fail. Half filled: some are firmly for and some firmly against. Hollow: none of these; the colour
    is that of the side on which more of the means lie.

    rows: of ledgers, `corrected` together. where: address of the page of `claim_blocks`, as seen from the page that
    shows the matrix; "" for the same page.
    """
    ran = rows[(rows["role"] == "primary") & (rows["state"] != NOT_RUN) & (rows["same_as"] == "")]
    places = ran[["kind", "dataset"]].drop_duplicates()
    places = places.sort_values("kind", key=lambda kinds: kinds.map(DATA_KINDS.index))
    titles = dict(zip(rows["claim"], rows["title"], strict=True))
    dots = {
        place: Markup(" ").join(_dot(model, part) for model, part in own.groupby("model"))
        for place, own in ran.groupby(["claim", "dataset"])
    }
    link = Markup('<a href="{}#claim-{}">{}</a> {}')
    links = [link.format(where, claim.lower(), claim, title) for claim, title in titles.items()]
    cells = [[dots.get((claim, dataset), "") for dataset in places["dataset"]] for claim in titles]
    head = pd.Index(map(data_name, places["dataset"]), name="claim")
    frame = pd.DataFrame(cells, pd.Index(links, dtype=object), head, dtype=object)
    return page(rendered(frame, kind="dots"))


def _dot(model: str, own: pd.DataFrame) -> Markup:
    """One network's primary differences of a claim on a data set."""
    found = counted(own)
    hollow = "for" if 2 * found["that_way"] >= len(own) else "against", "○"
    side, sign = DOTS.get(found["word"], hollow)
    text = (
        f"{network_name(model)}: {found['word']}; of {len(own)} differences {found['firm_for']} firmly for, "
        f"{found['firm_against']} firmly against"
    )
    return Markup('<span class="{}" title="{}" role="img" aria-label="{}">{}</span>').format(side, text, text, sign)


def claim_blocks(rows: pd.DataFrame) -> HTML:
    """A block to unfold for each claim: what the paper says, its words and counts, its forest and its numbers.

    rows: of ledgers, `corrected` together. A claim that they do not have is not run.
    """
    says, words = statements(), claim_words(rows)
    titles = pd.concat([load_claims(), rows]).drop_duplicates("claim").set_index("claim")["title"]
    blocks = []
    for claim, title in titles.items():
        own = rows[rows["claim"] == claim]
        found = words[(words["claim"] == claim) & (words["word"] != NOT_RUN)].to_dict("records")
        shown = "; ".join(f"{one['word']} on {one['kind']}" for one in found)
        counts = "".join(
            f"<li><b>{escape(one['kind'])}: {one['word']}</b>; points that way {one['that_way']} of "
            f"{one['differences']}, firmly {one['firm_for']}, firmly against {one['firm_against']}, "
            f"no effect {one['no_effect']}</li>"
            for one in found
        )
        said = escape(says.get(claim, ""))
        whose = "The paper" if claim.startswith("C") else "Ours"
        drawn = own[(own["role"] == "primary") & own["mean"].notna() & (own["same_as"] == "")]
        alt = f"{claim}: the primary differences with their 95% intervals, as in the table below"
        picture = "" if drawn.empty else forest(drawn).html(alt)
        blocks.append(
            f'<details class="gam-claim" id="claim-{claim.lower()}"><summary><b>{claim}</b> {escape(title)}: '
            f"{escape(shown) or NOT_RUN}</summary><p>{whose}: {said}</p>{picture}"
            f"<ul>{counts}</ul>{_numbers(own)}</details>"
        )
    return page("".join(blocks) + OPEN_LINKED)


# a link to a claim opens it
OPEN_LINKED = """<script>(() => {
  const open = () => { const block = document.querySelector(location.hash || null); if (block?.matches?.("details"))
    { block.open = true; block.scrollIntoView(); } };
  addEventListener("hashchange", open); addEventListener("load", open);
})();</script>"""


def _said(row: Mapping) -> str:
    """What a difference says, and why an interval that does not hold zero may say nothing."""
    if row["state"] != row["alone"]:
        return f"{row['alone']}, not firm after Holm's correction"
    between = row["sign"] == 0 and row["state"] == TOO_FEW
    return f"{row['state']}: neither within the margin nor beyond it" if between else row["state"]


def _numbers(own: pd.DataFrame) -> str:
    """The table of one claim: a line a difference and data set, a column a network."""
    ran = own[own["state"] != NOT_RUN]
    if ran.empty:
        why = "; ".join(dict.fromkeys(own["needs"])) or "not in these runs"
        return f"<p>Not run: {escape(why)}.</p>"
    texts: dict[str, dict[str, str]] = {network_name(model): {} for model in sorted(ran["model"].unique())}
    for row in ran.to_dict("records"):
        value = "" if pd.isna(row["paper_value"]) else f"\npaper {signed(row['paper_value'])}"
        same = f"\nthe same number as {row['same_as']}" if row["same_as"] else ""
        line = (
            f"{row['id']} {difference_name(row)}\n{row['task']}, {measure_name(row['metric'])}{stratum_name(row)}; "
            f"{data_name(row['dataset'])}; {row['role']}, {'below' if row['sign'] < 0 else 'above'} 0"
            f"{' by no more than the margin' if row['sign'] == 0 else ''}{value}{same}"
        )
        texts[network_name(row["model"])][line] = (
            f"{signed(row['mean'])}\n[{signed(row['low'])}, {signed(row['high'])}]\n{_said(row)}; "
            f"{int(row['n'])} maps, {int(row['clusters'])} clusters"
            + (f", {int(row['excluded'])} left out" if row["excluded"] else "")
        )
    frame = pd.DataFrame(texts).fillna("")
    return rendered(frame.rename_axis(columns="difference"), kind="text")
