import itertools

import numpy as np
import pandas as pd
import pytest

from gamlib.results import cell_means, grid_columns, measures, thresholds
from gamlib.verdicts import claim_verdicts, ledger

GRID = (0.2, 0.5)


def rows(method, n, ious, task="cosine", percentile=100, dataset="made", kind="pair", **columns):
    """One row a map: `ious` (N, 2) over GRID; items 2i and 2i + 1 are a pair, folds alternate by pair."""
    ious = np.asarray(ious, float)
    count = len(ious)
    frame = pd.DataFrame(
        {
            "dataset": dataset,
            "percentile": percentile,
            "model": "net",
            "task": task,
            "sample": [f"image {i}" for i in range(count)],
            "label": "thing",
            "pair": np.arange(count) // 2,
            "cluster": [str(i // 2) for i in range(count)],
            "cluster_kind": kind,
            "fold": np.arange(count) // 2 % 2,
            "method": method,
            "n": n,
            "finite": True,
            "before": 0.5,
        }
    )
    frame[grid_columns("iou", GRID)] = ious
    return frame.assign(**columns)


def join(*frames):
    return pd.concat(frames, ignore_index=True)


def flat(value, count=24):
    """The same IoU for all maps, better at the first threshold than at the second."""
    return np.tile([value, value / 2], (count, 1))


def row_of(table, claim_id, **where):
    found = table[table["id"] == claim_id]
    for column, value in where.items():
        found = found[found[column] == value]
    assert len(found) == 1, found
    return found.iloc[0]


def test_grid_columns_round_trip():
    assert grid_columns("iou", GRID) == ["iou_0.20", "iou_0.50"]
    assert thresholds(rows("gam", 1, flat(0.5)), "iou") == [0.2, 0.5]
    assert thresholds(rows("gam", 1, flat(0.5)), "mask_iou") == []


def test_threshold_comes_from_the_other_fold():
    # pairs 0 (fold 0) and 1 (fold 1): fold 0 is better at 0.2, fold 1 at 0.5, so each is read at the other's choice
    results = rows("gam", 1, [[0.9, 0.3], [0.7, 0.1], [0.2, 0.6], [0.4, 0.8]])
    results[grid_columns("area", GRID)] = [[0.4, 0.2]] * 4
    scored = measures(results)
    assert scored["box_iou"].tolist() == pytest.approx([30, 10, 20, 40])
    assert scored["threshold"].tolist() == [0.5, 0.5, 0.2, 0.2]
    assert scored["area"].tolist() == pytest.approx([20, 20, 40, 40])
    assert scored["mask_iou"].isna().all()


def test_every_cell_is_tuned_by_itself():
    results = join(rows("gam", 1, [[0.6, 0.4]] * 4), rows("gam", 2, [[0.4, 0.6]] * 4))
    assert measures(results)["threshold"].tolist() == [0.2] * 4 + [0.5] * 4


def test_confidence_measures_and_excluded_rows():
    results = rows("gam", 1, flat(0.5, 4), before=[0.8, 0.5, 0.0, 0.4], after_black_both=[0.6, 0.9, 0.1, np.nan])
    scored = measures(results)
    np.testing.assert_allclose(
        scored["adp_black_both"], [25, 0, np.nan, np.nan]
    )  # 0.2 of 0.8; risen; Y = 0; not masked
    np.testing.assert_allclose(scored["pic_black_both"], [0, 100, np.nan, np.nan])


def test_discrimination_and_failures():
    results = rows("gam", 1, flat(0.5, 4), mass_mask=0.6, mass_other=0.1, finite=[True, False, True, True])
    scored = measures(results)
    assert scored["discrimination"].tolist() == pytest.approx([50] * 4)
    assert scored["nonfinite"].tolist() == [0, 100, 0, 0]


def test_bad_results_are_refused():
    good = rows("gam", 1, flat(0.5, 4))
    with pytest.raises(ValueError, match="no column cluster, fold; the format is described in gamlib.results"):
        measures(good.drop(columns=["cluster", "fold"]))
    with pytest.raises(ValueError, match="8 rows share their key.*give each map once"):
        measures(join(good, good))
    with pytest.raises(ValueError, match="row labels occur twice"):
        measures(pd.concat([good, rows("gam", 2, flat(0.5, 4))]))
    with pytest.raises(ValueError, match=r"cluster_kind \['image'\]; accepted: pair, label"):
        measures(good.assign(cluster_kind="image"))
    with pytest.raises(ValueError, match="'method': 'gam', 'n': 1} has 4 maps in one fold, so none is held out"):
        measures(good.assign(fold=0))


def test_cell_means():
    results = rows("gam", 2, flat(0.6), before=0.5, after_black_both=0.25, finite=[False] * 3 + [True] * 21)
    results.loc[:1, "before"] = 0
    scored = measures(results)
    iou = cell_means(scored, "box_iou").iloc[0]
    assert iou[["n", "mean", "low", "high"]].tolist() == pytest.approx([2, 60, 60, 60])
    assert iou[["maps", "excluded", "nonfinite"]].tolist() == [24, 0, 3]
    assert cell_means(scored, "adp_black_both").iloc[0][["mean", "maps", "excluded"]].tolist() == [50, 22, 2]
    assert cell_means(scored, "mask_iou").empty


def test_a_difference_in_the_ledger():
    # twelve pairs, GAM(1) 60 and Grad-CAM(1) 50 everywhere: 10 points, without spread
    table = ledger(join(rows("gam", 1, flat(0.6)), rows("grad_cam", 1, flat(0.5))), "test")
    row = row_of(table, "C2.1")
    assert (row["n"], row["clusters"], row["cluster_kind"], row["excluded"]) == (24, 12, "pair", 0)
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([10, 10, 10])
    assert (row["verdict"], row["dataset"], row["profile"]) == ("reproduced", "made", "test")
    assert row["paper_value"] == pytest.approx(11.3)
    swapped = ledger(join(rows("gam", 1, flat(0.5)), rows("grad_cam", 1, flat(0.6))), "test")
    assert row_of(swapped, "C2.1")["verdict"] == "contradicted"


def test_differences_are_paired_by_image_whatever_the_order():
    gam = rows("gam", 1, [[0.01 * i + 0.1, 0] for i in range(24)])
    other = rows("grad_cam", 1, [[0.01 * i, 0] for i in range(24)]).iloc[::-1]
    row = row_of(ledger(join(gam, other), "test"), "C2.1")
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([10, 10, 10])


def test_few_pairs_and_disagreeing_objects_stay_undecided():
    few = ledger(join(rows("gam", 1, flat(0.6, 18)), rows("grad_cam", 1, flat(0.5, 18))), "test")
    assert row_of(few, "C2.1")[["clusters", "verdict"]].tolist() == [9, "undecided"]
    six = {"kind": "label", "cluster": list("abcdef") * 4}
    better, base = flat(0.6), flat(0.5)
    agree = ledger(join(rows("gam", 1, better, **six), rows("grad_cam", 1, base, **six)), "test")
    assert row_of(agree, "C2.1")[["clusters", "verdict"]].tolist() == [6, "reproduced"]
    better[0::6, 0] = 0.49  # object a: one point worse, the other five ten better; the interval stays above 0
    one_off = ledger(join(rows("gam", 1, better, **six), rows("grad_cam", 1, base, **six)), "test")
    row = row_of(one_off, "C2.1")
    assert row["low"] > 0 and row[["verdict", "agree"]].tolist() == ["undecided", 5]


def test_rows_with_no_score_above_zero_are_excluded_and_counted():
    before = np.where(np.arange(24) < 2, -0.1, 0.5)
    gam = rows("gam", 1, flat(0.6), before=before, after_black_both=0.5)
    other = rows("grad_cam", 1, flat(0.6), before=before, after_black_both=0.25)
    row = row_of(ledger(join(gam, other), "test"), "C2.2")
    # Grad-CAM loses half, GAM nothing: -50, lower is better
    assert row[["n", "excluded", "mean", "verdict"]].tolist() == [22, 2, -50, "reproduced"]


def test_relative_gain_of_strata():
    # 10%: 0.2 -> 0.4 (+100%), 25%: 0.4 -> 0.6 (+50%), all: 0.5 -> 0.5 (0%)
    strata = {10: (0.2, 0.4), 25: (0.4, 0.6), 100: (0.5, 0.5)}
    results = join(
        *(
            rows("gam", n + 1, flat(ious[n]), percentile=percentile)
            for (percentile, ious), n in itertools.product(strata.items(), range(2))
        )
    )
    table = ledger(results, "test")
    assert row_of(table, "C6.3")[["mean", "low", "high"]].tolist() == pytest.approx([50, 50, 50])
    assert row_of(table, "C6.4")["mean"] == pytest.approx(50)
    assert row_of(table, "C6.4")["verdict"] == "reproduced"


def test_a_data_set_without_small_objects_says_so():
    results = join(rows("gam", 1, flat(0.6), dataset="raccoon"), rows("gam", 2, flat(0.6), dataset="raccoon"))
    row = row_of(ledger(results, "test"), "C6.3")
    assert row["verdict"] == "not run" and row["dataset"] == "raccoon"
    assert row["needs"].startswith("raccoon has no small objects; needs true boxes and strata")


def test_two_object_scenes_decide_class_discrimination_only():
    where = {"dataset": "scenes_two", "task": "class", "mass_other": 0.1}
    results = join(
        rows("gam", 2, flat(0.6), mass_mask=0.5, **where), rows("grad_cam", 1, flat(0.5), mass_mask=0.3, **where)
    )
    table = ledger(results, "test")
    assert row_of(table, "C14.1")["mean"] == pytest.approx(20)
    assert set(table.loc[table["claim"] == "C15", "verdict"]) == {"not run"}


def test_gradients_are_judged_exactly():
    gradients = pd.DataFrame(
        {
            "model": "net",
            "dataset": "made",
            "task": ["cosine"] * 3 + ["dot"] * 3,
            "sample": list("abcabc"),
            "share_negative": [0.2, 0.4, 0.3, 0, 0, 0],
        }
    )
    table = ledger(None, "test", gradients=gradients)
    row = row_of(table, "C1.1")
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([30, 20, 40])
    assert row["verdict"] == "reproduced"
    assert row_of(table, "C1.2")["verdict"] == "reproduced"
    gradients.loc[5, "share_negative"] = 0.01
    assert row_of(ledger(None, "test", gradients=gradients), "C1.2")["verdict"] == "mixed"


def test_sanity_takes_the_last_stage():
    stages = [
        pd.DataFrame(
            {
                "model": "net",
                "dataset": "photos",
                "test": "cascading",
                "stage": stage,
                "layer": f"layer {stage}",
                "image": [f"image {i}" for i in range(12)],
                "cluster": [f"image {i}" for i in range(12)],
                "cluster_kind": "pair",
                "metric": "box_iou",
                "value": value,
                "baseline": 0.7,
            }
        )
        for stage, value in ((1, 0.7), (2, 0.3))
    ]
    row = row_of(ledger(None, "test", sanity=join(*stages)), "C9.1")
    assert row[["mean", "n", "verdict"]].tolist() == [pytest.approx(40), 12, "reproduced"]


def test_nothing_given_is_not_run_with_what_it_needs():
    table = ledger(None, "test")
    assert set(table["verdict"]) == {"not run"}
    assert row_of(table, "C1.1")["needs"] == "needs the last layer's gradients under cosine (gradients.csv)"
    assert row_of(table, "C4.1")["needs"] == "needs true boxes for gam:2 and gam:1, task class, percentile 100"
    verdicts = claim_verdicts(table)
    assert verdicts["claim"].tolist() == [f"C{i}" for i in range(1, 18)]
    assert set(verdicts["verdict"]) == {"not run"} and (verdicts["ran"] == 0).all()


def test_one_verdict_a_claim():
    both = ("cosine", "dot", "class")
    results = join(
        *(rows("gam", n, flat(0.5 + 0.1 * n), task=task) for task in both for n in (1, 2)),
        rows("grad_cam", 1, flat(0.5)),
    )
    verdicts = claim_verdicts(ledger(results, "test")).set_index("claim")
    assert verdicts.loc["C4", ["verdict", "listed", "ran", "reproduced"]].tolist() == ["reproduced", 3, 3, 3]
    # C2 also wants ADP and PIC, which these results lack
    assert verdicts.loc["C2", ["verdict", "listed", "ran"]].tolist() == ["undecided", 3, 1]
    assert "needs masked scores for gam:1 and grad_cam:1, task cosine" in verdicts.loc["C2", "needs"]
    mixed = results.copy()
    mixed.loc[(mixed["task"] == "dot") & (mixed["n"] == 2), "iou_0.20"] = 0.3
    assert claim_verdicts(ledger(mixed, "test")).set_index("claim").loc["C4", "verdict"] == "mixed"


def test_backbones_are_judged_apart_or_together():
    good = join(*(rows("gam", n, flat(0.5 + 0.1 * n), task=t) for t in ("class", "cosine", "dot") for n in (1, 2)))
    bad = join(*(rows("gam", n, flat(0.8 - 0.1 * n), task=t) for t in ("class", "cosine", "dot") for n in (1, 2)))
    table = ledger(join(good, bad.assign(model="other")), "test")
    c4 = claim_verdicts(table)
    assert c4[c4["claim"] == "C4"].set_index("model")["verdict"].to_dict() == {
        "net": "reproduced",
        "other": "contradicted",
    }
    together = claim_verdicts(table, by=("profile",)).set_index("claim")
    assert together.loc["C4", "verdict"] == "mixed"
