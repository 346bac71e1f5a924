"""The committed reference numbers: a fresh run of the embedded book gives its maps again, and they give the ledger."""

import json

import numpy as np
import pandas as pd
import pytest
from gambook.claims.ledger import ledger
from gambook.claims.protocol import CURVED
from gambook.claims.rule import claim_words
from gambook.publish.project import Project
from scipy import stats

from gamlib.boxes import THRESHOLDS
from gamlib.evaluation.results import KEY

PROFILES = ("embedded", "open")


@pytest.fixture(scope="module")
def folder(root):
    found = root / "book" / "results"
    if not (found / "embedded" / "ledger.csv").is_file():
        pytest.skip("no reference: book/results/embedded/ledger.csv is not there; `make results` makes it")
    return found


def models(folder):
    return json.loads((folder / "provenance.json").read_text())["models"]


def test_a_fresh_run_gives_the_committed_maps_again(book, folder):
    """Of the scenes that both have: the IoU curve of each map to a percent, its masses and masked scores to a tenth."""
    fresh = pd.read_parquet(Project(book.root).results("embedded") / "maps.parquet")
    committed = pd.read_parquet(folder / "embedded" / "maps_efficientnet_lite0.parquet")
    both = fresh.merge(committed, on=[*KEY, "part"], suffixes=("", "_committed"))
    # the first scenes are the same, however many there are
    assert len(both) == len(fresh) > 5000
    curves = [c for c in fresh if c.startswith(("iou_", "mask_iou_")) and f"{c}_committed" in both]
    exact = ["mass_box", "mass_mask", "mass_other", *(c for c in fresh if c.startswith("adp_"))]
    for column, tolerance in [*((c, 1) for c in curves), *((c, 0.1) for c in exact)]:
        gap = (both[column].astype(float) - both[f"{column}_committed"].astype(float)).abs().dropna()
        assert len(gap) > 0, column
        # another processor adds up in another order, and a pixel at the threshold may change sides
        assert (gap > tolerance).mean() < 0.002, column


@pytest.mark.parametrize("profile", PROFILES)
def test_committed_rows_follow_from_the_committed_maps(folder, profile):
    """C4.2 of every network and data set, from the published measures of single maps, without gamlib."""
    rows = pd.read_csv(folder / profile / "ledger.csv").query("id == 'C4.2' and state != 'not run'")
    assert set(rows["model"]) == set(models(folder / profile))
    for row in rows.to_dict("records"):
        maps = pd.read_parquet(folder / profile / f"maps_{row['model']}.parquet")
        chosen = maps[(maps["part"] == "boxes") & (maps["percentile"] == 100) & (maps["dataset"] == row["dataset"])]
        gam = chosen[(chosen["task"] == "cosine") & (chosen["method"] == "gam")]
        wide = gam.pivot(index=["cluster", "sample", "label", "pair"], columns="n", values="box_iou").astype(float)
        gain = (wide[2] - wide[1]).dropna()
        off = (gain - gain.mean()).groupby("cluster").sum() / len(gain)
        reach = stats.t.ppf(0.975, len(off) - 1) * np.sqrt(len(off) / (len(off) - 1) * (off**2).sum())
        assert (len(gain), len(off)) == (row["n"], row["clusters"])
        expected = [gain.mean(), gain.mean() - reach, gain.mean() + reach]
        assert [row["mean"], row["low"], row["high"]] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_committed_ledger_and_words_follow_from_the_committed_maps(folder, profile):
    maps = [pd.read_parquet(folder / profile / f"maps_{name}.parquet") for name in models(folder / profile)]
    gradients, sanity = (pd.read_csv(folder / profile / f"{name}.csv") for name in ("gradients", "sanity"))
    made = ledger(pd.concat(maps, ignore_index=True), profile, gradients, sanity)
    committed = pd.read_csv(folder / profile / "ledger.csv", keep_default_na=False)
    assert made[["id", "model", "dataset", "state"]].to_numpy().tolist() == (
        committed[["id", "model", "dataset", "state"]].to_numpy().tolist()
    )
    for end in ("mean", "low", "high"):
        assert made[end].to_numpy(float) == pytest.approx(
            pd.to_numeric(committed[end]).to_numpy(float), abs=0.005, nan_ok=True
        )
    words = pd.read_csv(folder / profile / "verdicts.csv", keep_default_na=False)
    assert claim_words(made)["word"].tolist() == words["word"].tolist()


@pytest.mark.parametrize("profile", PROFILES)
def test_thresholds_can_be_tuned_anew_from_the_committed_curves(folder, profile):
    maps = pd.read_parquet(folder / profile / "maps_efficientnet_lite0.parquet")
    maps = maps[(maps["part"] == "boxes") & (maps["percentile"] == 100) & maps["n"].isin([1, 2])]
    curves = sorted(column for column in maps if column.startswith("iou_"))
    for _, cell in maps[maps["method"].isin(CURVED)].groupby(["dataset", "task", "method", "n"]):
        cell = cell.dropna(subset=curves)
        for fold, own in cell.groupby("fold"):
            place = np.abs(np.array(THRESHOLDS) - own["threshold"].unique().item()).argmin()
            # curves are kept in whole percent: the best threshold of the other fold may be its neighbour there
            other = cell.loc[cell["fold"] != fold, curves].astype(float).mean()
            assert other.iloc[place] == pytest.approx(other.max(), abs=0.2)
            assert own[curves[place]].astype(float).mean() == pytest.approx(own["box_iou"].mean(), abs=0.2)


@pytest.mark.parametrize("profile", PROFILES)
def test_tuned_thresholds_seldom_lie_at_an_end_of_the_grid_and_lose_little_there(folder, profile):
    at_end = cells = curved = 0
    by = ["dataset", "percentile", "task", "method", "n"]
    for name in models(folder / profile):
        maps = pd.read_parquet(folder / profile / f"maps_{name}.parquet")
        maps = maps[(maps["part"] == "boxes") & (maps["n"] > 0) & maps["threshold"].notna() & (maps["nonfinite"] == 0)]
        curves = sorted(column for column in maps if column.startswith("iou_"))
        cells += maps.groupby(by).ngroups
        # thresholds are kept as float32
        low, high = (np.isclose(maps["threshold"], THRESHOLDS[place]) for place in (0, -1))
        at_end += maps[low | high].groupby(by).ngroups
        for at, end, beside in ((low, curves[0], curves[1]), (high, curves[-1], curves[-2])):
            for key, known in maps[at].dropna(subset=curves).groupby(by):
                curved += 1
                assert known[end].astype(float).mean() - known[beside].astype(float).mean() < 0.5, key
    assert at_end < 0.05 * cells
    # none of the embedded profile does
    assert bool(at_end) == bool(curved) == (profile == "open")
