"""The committed reference numbers: a fresh run of the embedded book gives them again."""

import json

import pandas as pd
import pytest
from gambook.claims.ledger import ledger
from gambook.publish.project import Project

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


@pytest.mark.parametrize("profile", ["embedded", "open"])
def test_committed_rows_follow_from_the_committed_maps(root, profile):
    """C4.2 of every network, from the published measures of single maps, without gamlib."""
    folder = root / "book" / "results" / profile
    models = json.loads((folder / "provenance.json").read_text())["models"]
    rows = pd.read_csv(folder / "ledger.csv").query("id == 'C4.2'").set_index("model")
    assert list(rows.index) == models == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    for model in models:
        maps = pd.read_parquet(folder / f"maps_{model}.parquet")
        gam = maps.query("percentile == 100 and task == 'cosine' and method == 'gam' and n <= 2")
        one, two = (gam[gam["n"] == n].set_index(["sample", "label"]) for n in (1, 2))
        difference = (two["box_iou"] - one["box_iou"]).to_numpy()
        row = rows.loc[model]
        assert len(difference) == row["n"] and one["cluster"].nunique() == row["clusters"]
        assert difference.mean() == pytest.approx(row["mean"], abs=0.005)


def test_the_committed_ledger_follows_from_the_committed_maps(root, monkeypatch):
    """Every row of one network, made anew by the rule from the measures of single maps; these are kept to 3 digits."""
    folder, network = root / "book" / "results" / "embedded", "efficientnet_lite0"
    monkeypatch.setattr("gambook.claims.ledger.measures", lambda scored: scored)
    tables = (pd.read_csv(folder / f"{name}.csv") for name in ("gradients", "sanity"))
    gradients, sanity = (table[table["model"].isin([network, "lenet5"])] for table in tables)
    seed = json.loads((folder / "provenance.json").read_text())["seed"]
    made = ledger(pd.read_parquet(folder / f"maps_{network}.parquet"), "embedded", gradients, sanity, seed)
    committed = pd.read_csv(folder / "ledger.csv", keep_default_na=False).set_index(KEY)
    made = made.set_index(KEY)
    committed = committed.loc[made.index]
    for end in ("mean", "low", "high"):
        assert pd.to_numeric(made[end]).to_numpy() == pytest.approx(
            pd.to_numeric(committed[end]).to_numpy(), abs=0.005, nan_ok=True
        )
    assert made["verdict"].tolist() == committed["verdict"].tolist()
