"""The page of verdicts: ledgers just made or committed, all claims at a glance, and each claim to unfold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup

from gambook.claims.ledger import claim_verdicts
from gambook.claims.notes import difference_name, measure_name, signed
from gambook.claims.paper import statements
from gambook.claims.rule import CONTRADICTED, EQUIVALENT, FEWEST, MIXED, NOT_RUN, REPRODUCED, UNDECIDED, combine
from gambook.claims.tables import page, rendered

# Columns of committed tables that hold words even where they look like numbers or are empty.
MAYBE_EMPTY = ("needs", "model", "dataset", "a", "b", "paper_rows", "cluster_kind")
TEXT = (*MAYBE_EMPTY, "id", "claim", "subset", "cut")


class Look(NamedTuple):
    """How a verdict is shown, apart for readers with any colour vision; the word always stands beside."""

    sign: str
    color: str
    marker: str


LOOKS = {
    REPRODUCED: Look("✓", "#009e73", "o"),
    CONTRADICTED: Look("✗", "#d55e00", "X"),
    MIXED: Look("±", "#f0e442", "P"),
    EQUIVALENT: Look("=", "#0072b2", "s"),
    UNDECIDED: Look("?", "#8a8a8a", "D"),
    NOT_RUN: Look("–", "transparent", "."),
}
# the class of a verdict is its first word
GROUNDS = [
    f".gam-{word.split()[0]} {{background: color-mix(in srgb, {look.color} 28%, transparent)}}"
    for word, look in LOOKS.items()
]
GROUND_CSS = "\n".join(["<style>", *GROUNDS, "</style>\n"])
SUBSETS = {
    "10": "smallest 10%",
    "25": "smallest 25%",
    "10-25": "smallest 10% minus smallest 25%",
    "25-100": "smallest 25% minus all",
}
KINDS = {"label": "objects", "pair": "clusters"}


@dataclass(frozen=True)
class Run:
    """The ledger rows of one profile and backbone; `committed` where they come from book/results."""

    profile: str
    model: str
    rows: pd.DataFrame
    committed: bool

    @property
    def label(self) -> str:
        return f"{self.profile}, {self.model.removeprefix('efficientnet_')}"

    @property
    def head(self) -> str:
        return f"{self.label}\n{'committed' if self.committed else 'this run'}"

    def verdicts(self) -> pd.DataFrame:
        """One row a claim, indexed by its id: those of `claim_verdicts`, joined over the run's networks.

        rows: the ledger rows that ran, one for each difference and data set.
        """
        found = claim_verdicts(self.rows, by=()).set_index("claim")
        return found.assign(rows=self.rows[self.rows["verdict"] != NOT_RUN].groupby("claim").size())


def read_reference(folder: str | Path, name: str) -> dict[str, pd.DataFrame]:
    """The committed table of each profile that has it: <folder>/<profile>/<name>.csv or .csv.gz, as profile -> rows."""
    found = {}
    for path in sorted(Path(folder).glob(f"*/{name}.csv*")):
        rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
        # what is empty text in a ledger reads back as missing
        found[path.parent.name] = rows.fillna(dict.fromkeys(MAYBE_EMPTY, ""))
    return found


def committed_runs(ledgers: Mapping[str, pd.DataFrame]) -> list[Run]:
    """A Run for each profile and backbone of committed ledgers. Rows of other networks (LeNet-5) belong to each."""
    found = []
    for profile, rows in ledgers.items():
        backbones = sorted(set(rows.loc[rows["claim"] == "C4", "model"]) - {""})
        for model in backbones:
            own = rows[(rows["model"] == model) | ~rows["model"].isin(backbones)]
            found.append(Run(profile, model, own, committed=True))
    return found


def overview(runs: Sequence[Run]) -> HTML:
    """Claims as rows, runs as columns; each cell the verdict, and how many of the claim's rows are for and against."""
    texts, words = {}, {}
    for run in runs:
        # every ledger lists every claim
        found = run.verdicts().reindex(_claims(runs)).fillna({"verdict": NOT_RUN})
        texts[run.head], words[run.head] = [], list(found["verdict"])
        for row in found.to_dict("records"):
            ran = f"\n{row['reproduced']:.0f} for, {row['contradicted']:.0f} against, of {row['rows']:.0f}"
            texts[run.head].append(signed_word(row["verdict"]) + ran * (row["verdict"] != NOT_RUN))
    links = [Markup('<a href="#claim-{}">{}</a> {}').format(c.lower(), c, title) for c, title in _claims(runs).items()]
    return page(GROUND_CSS + _verdicts(pd.DataFrame(texts, pd.Index(links, dtype=object)), words, "claim"))


def claim_blocks(runs: Sequence[Run]) -> HTML:
    """A block to unfold for each claim: what the paper says, then one line a signed difference, one column a run."""
    says, first = statements(), runs[0].verdicts()["verdict"]
    blocks = []
    for claim, title in _claims(runs).items():
        word = first.get(claim, NOT_RUN)
        listed = pd.concat([run.rows[run.rows["claim"] == claim] for run in runs]).drop_duplicates("id")
        blocks.append(
            f'<details class="gam-claim" id="claim-{claim.lower()}"><summary><b>{claim}</b> {escape(title)} '
            f'<span class="gam-{word.split()[0]}">{signed_word(word)}</span> {escape(runs[0].label)}</summary>'
            f"<p>The paper: {escape(says[claim])}</p>{_differences(listed, runs)}</details>"
        )
    return page(GROUND_CSS + "".join(blocks))


def _claims(runs: Sequence[Run]) -> dict[str, str]:
    """Ids and titles in the order of the ledger, which lists every claim."""
    return dict(zip(runs[0].rows["claim"], runs[0].rows["title"], strict=True))


def _differences(listed: pd.DataFrame, runs: Sequence[Run]) -> str:
    """The table of one claim; listed: a ledger row for each of its differences."""
    names, texts, words = [], {"claimed": [], "paper": []}, {}
    for row in listed.to_dict("records"):
        names.append(
            f"{difference_name(row)}\n{row['id']} · {row['task']}, {measure_name(row['metric'])}"
            + (f", {SUBSETS[row['subset']]}" if row["subset"] in SUBSETS else "")
        )
        value = "" if pd.isna(row["paper_value"]) else f"{signed(row['paper_value'])}\n{row['paper_rows']}"
        texts["claimed"].append({1: "above 0", -1: "below 0", 0: "0"}[int(row["sign"])])
        texts["paper"].append(value.replace("; ", "\n"))
        for run in runs:
            rows = run.rows[run.rows["id"] == row["id"]].to_dict("records")
            # what several data sets lack alike is said once
            lines = dict.fromkeys(_measured(one, run.committed) for one in rows)
            texts.setdefault(run.head, []).append("\n".join(lines))
            words.setdefault(run.head, []).append(combine([one["verdict"] for one in rows]))
    return _verdicts(pd.DataFrame(texts, names), words, "difference")


def _verdicts(frame: pd.DataFrame, words: Mapping[str, Sequence[str]], head: str) -> str:
    """A table whose columns of verdicts have their colours."""
    classes = pd.DataFrame("", index=frame.index, columns=frame.columns)
    for name, found in words.items():
        classes[name] = [f"wrapped gam-{word.split()[0]}" for word in found]
    return rendered(frame.rename_axis(columns=head), classes, kind="text")


def _measured(row: Mapping, committed: bool) -> str:
    """One difference on one data set."""
    if row["verdict"] == NOT_RUN:
        return signed_word(NOT_RUN) + ("" if committed else f"\n{row['needs']}")
    mean = f"{signed(row['mean'])} [{signed(row['low'])}, {signed(row['high'])}]"
    excluded = f", {int(row['excluded'])} excluded" if row["excluded"] else ""
    counted = f"{int(row['n'])} maps, {int(row['clusters'])} {KINDS.get(row['cluster_kind'], 'images')}{excluded}"
    return f"{mean} {signed_word(row['verdict'])}\n{row['dataset']}: {counted}{_held_back(row)}"


def _held_back(row: Mapping) -> str:
    """Why an interval that is clear of zero decides nothing."""
    kind = row["cluster_kind"]
    if row["verdict"] != UNDECIDED or kind not in FEWEST or row["low"] <= 0 <= row["high"]:
        return ""
    if row["clusters"] < FEWEST[kind]:
        return f"; too few, the rule asks for {FEWEST[kind]}"
    return f"; {int(row['agree'])} of {int(row['clusters'])} agree in sign" if kind == "label" else ""


def signed_word(verdict: str) -> str:
    """The verdict with its sign: "✓ reproduced"."""
    return f"{LOOKS[verdict].sign} {verdict}"
