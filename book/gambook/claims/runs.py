"""Ledgers as the page of verdicts takes them: a run of one profile and network, just made or committed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pandas as pd

from gambook.claims.ledger import claim_verdicts
from gambook.claims.rule import NOT_RUN

# Columns of committed tables that hold words even where they look like numbers or are empty.
MAYBE_EMPTY = ("needs", "model", "dataset", "a", "b", "paper_rows", "cluster_kind")
TEXT = (*MAYBE_EMPTY, "id", "claim", "subset", "cut")


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

    def verdicts(self) -> pd.DataFrame:
        """One row a claim, indexed by its id: those of `claim_verdicts`, joined over the run's networks.

        rows: the ledger rows that ran, one for each difference and data set.
        """
        found = claim_verdicts(self.rows, by=()).set_index("claim")
        return found.assign(rows=self.rows[self.rows["verdict"] != NOT_RUN].groupby("claim").size())


def statements() -> pd.Series:
    """What the paper says, in our words: claim -> sentence."""
    return pd.read_csv(files("gambook.claims") / "statements.csv", index_col="claim")["says"]


def read_reference(folder: str | Path, name: str) -> dict[str, pd.DataFrame]:
    """The committed table of each profile that has it: <folder>/<profile>/<name>.csv, as profile -> rows."""
    found = {}
    for path in sorted(Path(folder).glob(f"*/{name}.csv")):
        rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
        # what is empty text in a ledger reads back as missing
        empty = [column for column in rows if column in MAYBE_EMPTY]
        found[path.parent.name] = rows.assign(**{column: rows[column].fillna("") for column in empty})
    return found


def committed_runs(ledgers: dict[str, pd.DataFrame]) -> list[Run]:
    """A Run for each profile and backbone of committed ledgers. Rows of other networks (LeNet-5) belong to each."""
    found = []
    for profile, rows in ledgers.items():
        backbones = sorted(set(rows.loc[rows["claim"] == "C4", "model"]) - {""})
        for model in backbones:
            own = rows[(rows["model"] == model) | ~rows["model"].isin(backbones)]
            found.append(Run(profile, model, own, committed=True))
    return found
