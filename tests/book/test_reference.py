"""The committed reference numbers: a fresh run of the embedded book gives them again."""

import pandas as pd
import pytest

from gamlib.publish.project import Project

KEY = ["id", "model", "dataset"]
# Percentage points; another processor adds up floating point numbers in another order.
TOLERANCE = 0.5


@pytest.fixture(scope="module")
def ledgers(book, root) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ledger of the book just built and the committed one of the same networks, both indexed by KEY."""
    reference = root / "book" / "results" / "embedded" / "ledger.csv"
    if not reference.is_file():
        pytest.skip("no reference: book/results/embedded/ledger.csv is not there; `make results` makes it")
    fresh = pd.read_csv(Project(book.root).results("embedded") / "ledger.csv", keep_default_na=False)
    committed = pd.read_csv(reference, keep_default_na=False)
    committed = committed[committed["model"].isin(fresh["model"])]
    return fresh.set_index(KEY), committed.set_index(KEY)


def test_the_same_rows(ledgers):
    fresh, committed = ledgers
    assert fresh.index.is_unique and committed.index.is_unique
    assert sorted(fresh.index) == sorted(committed.index)


def test_means_and_verdicts_agree(ledgers):
    fresh, committed = ledgers
    fresh = fresh.loc[committed.index]
    for end in ("mean", "low", "high"):
        distance = (pd.to_numeric(fresh[end]) - pd.to_numeric(committed[end])).abs()
        assert distance[distance > TOLERANCE].to_dict() == {}
        assert (fresh[end] == "").equals(committed[end] == "")
    differ = fresh["verdict"] != committed["verdict"]
    assert fresh.loc[differ, "verdict"].to_dict() == {}
