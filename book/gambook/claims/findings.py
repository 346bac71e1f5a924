"""Sentences that state a finding: written by a person, and held to the committed results.

Each stands beside the condition under which it is true. Where the results no longer meet it, the build fails with the
sentence: it has to be written anew, never the condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from IPython.display import Markdown

from gambook.claims.pages import read_reference
from gambook.claims.rule import claim_words, corrected


class Reference:
    """The committed results of all profiles in a folder, book/results, as conditions ask for them."""

    def __init__(self, folder: str | Path) -> None:
        ledgers = read_reference(folder, "ledger")
        if not ledgers:
            raise FileNotFoundError(f"reference_dir: no */ledger.csv in '{folder}'; give the folder book/results")
        self.rows = corrected(pd.concat(ledgers.values(), ignore_index=True))
        self.cells = pd.concat(read_reference(folder, "cells").values(), ignore_index=True)
        self.words = claim_words(self.rows).set_index(["claim", "kind"])["word"]

    def _ran(self, asked: pd.Series, dataset: str | None, model: str | None) -> pd.DataFrame:
        rows = self.rows[asked & (self.rows["state"] != "not run")]
        rows = rows if dataset is None else rows[rows["dataset"] == dataset]
        return rows if model is None else rows[rows["model"] == model]

    def means(self, id: str, dataset: str | None = None, model: str | None = None) -> pd.Series:
        """The means of a difference that ran, one a data set and network; ValueError where there is none."""
        rows = self._ran(self.rows["id"] == id, dataset, model)
        if rows.empty:
            raise ValueError(f"results: no row '{id}' on {dataset or 'any data'} with {model or 'any network'}")
        return rows["mean"]

    def cell(
        self, metric: str, task: str, method: str, n: int, dataset: str, percentile: int = 100, model: str | None = None
    ) -> float:
        """The mean of a cell of the tables, by default with EfficientNet-Lite0; ValueError where there is none."""
        asked = {"metric": metric, "task": task, "method": method, "n": n, "dataset": dataset, "percentile": percentile}
        asked["model"] = model or "efficientnet_lite0"
        rows = self.cells[(self.cells[list(asked)] == pd.Series(asked)).all(axis=1)]
        if len(rows) != 1:
            raise ValueError(f"results: {len(rows)} cells for {asked}")
        return float(rows["mean"].iloc[0])

    def states(self, claim: str, dataset: str | None = None, model: str | None = None) -> list[str]:
        """What the primary differences of a claim, or that of one id, say that ran."""
        primary = (self.rows["claim"] == claim) & (self.rows["role"] == "primary")
        rows = self._ran(primary | (self.rows["id"] == claim), dataset, model)
        return list(rows.loc[rows["same_as"] == "", "state"])

    def word(self, claim: str, kind: str) -> str:
        """The word of a claim on a kind of data."""
        return self.words[claim, kind]


def said(sentences: Iterable[tuple[str, bool]], ours: bool = True) -> Markdown:
    """A list of sentences; ValueError with the first whose condition is not met.

    ours: whether the results are the book's own. Of a reader's network or photographs, what does not hold is left out.

    Examples
    --------
    >>> said([("Two is more than one.", 2 > 1)]).data
    '- Two is more than one.'
    """
    lines = []
    for sentence, holds in sentences:
        if ours and not holds:
            raise ValueError(f"the results no longer say: '{sentence}'; write the sentence anew, as they are now")
        lines += [f"- {sentence}"] * bool(holds)
    return Markdown("\n".join(lines))
