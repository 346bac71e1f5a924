import itertools

import numpy as np
import pandas as pd
import pytest
from gambook.claims.ledger import claim_verdicts, ledger

from gamlib.evaluation.results import cell_means, grid_columns, measures, thresholds
from gamlib.statistics import bootstrap

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
    with pytest.raises(ValueError, match="no column cluster, fold; see gamlib.evaluation.results"):
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
    # maps that are not finite count where the measure is missing, too
    assert cell_means(scored, "adp_black_both").iloc[0]["nonfinite"] == 3
    assert cell_means(scored, "mask_iou").empty


def test_the_interval_of_a_cell_is_that_of_its_clusters():
    values = [0.1, 0.9, 0.3, 0.2, 0.8, 0.5, 0.4, 0.7, 0.6, 0.1, 0.9, 0.2]
    results = rows("gam", 1, [[value, 0] for value in values for _ in range(2)])
    cell = cell_means(measures(results), "box_iou").iloc[0]
    clusters = sorted(str(number) for number in range(12))
    expected = bootstrap([100 * values[int(number)] for number in clusters], clusters)
    assert cell[["mean", "low", "high"]].tolist() == pytest.approx(list(expected))


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


def objects(names, values, method, n, percentile, **columns):
    """Four maps of each source object, all with the object's IoU."""
    ious = [[value, value / 2] for value in values for _ in range(4)]
    clusters = [name for name in names for _ in range(4)]
    return rows(method, n, ious, kind="label", cluster=clusters, percentile=percentile, **columns)


def gain_of(names, small, large, names_large=None, **options):
    """C6.3 (10% against 25%): small and large are the IoUs of GAM(1) and GAM(2), an object each."""
    parts = [
        objects(own, values, "gam", n, percentile)
        for percentile, pair, own in ((10, small, names), (25, large, names_large or names))
        for n, values in enumerate(pair, start=1)
    ]
    return row_of(ledger(join(*parts), "test", **options), "C6.3")


def test_strata_are_resampled_separately():
    # In both strata object x gains nothing and y 100%: draws xx, xy, yx, yy gain 0, 50, 50, 100. Drawn separately,
    # 100 - 0 and 0 - 100 are one case in 16 each; drawn together, the difference would always be 0.
    row = gain_of("xy", ([0.4, 0.4], [0.4, 0.8]), ([0.4, 0.4], [0.4, 0.8]))
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([0, -100, 100])
    assert row[["n", "clusters", "verdict"]].tolist() == [16, 2, "undecided"]


def test_both_ends_of_the_interval_of_a_gain_leave_a_fortieth():
    # ten of fifteen objects double, so a draw with k of them gains k / 15, k binomial: P(k <= 5) = 0.9% and
    # P(k <= 6) = 3.1%; P(k <= 12) = 92.1% and P(k <= 13) = 98.1%
    small = ([0.4] * 15, [0.8] * 10 + [0.4] * 5)
    row = gain_of("abcdefghijklmno", small, ([0.4] * 15, [0.4] * 15))
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([200 / 3, 40, 260 / 3])


def test_the_gain_of_a_stratum_is_that_of_its_mean():
    # from 0.2 + 0.8 to 0.4 + 0.8 are 20%, not the mean of 100% and 0%; drawn twice, one object has its own gain
    row = gain_of("xy", ([0.2, 0.8], [0.4, 0.8]), ([0.5, 0.5], [0.5, 0.5]))
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([20, 0, 100])


def test_the_interval_of_a_gain_holds_95_percent():
    # of three objects of the larger stratum one gains 100%: drawn three times in 1 case of 27 (3.7%), never in 8
    row = gain_of("xyz", ([0.4] * 3, [0.4] * 3), ([0.4] * 3, [0.4, 0.8, 0.4]))
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([-100 / 3, -100, 0])


SIX = [0.4] * 6


@pytest.mark.parametrize(
    ("last", "verdict"),
    [(0.48, "reproduced"), (0.40, "undecided"), (0.44, "undecided")],  # +20%, +0%, +10% against +10%
)
def test_objects_must_agree_on_a_gain_of_gains(last, verdict):
    # 10%: five objects gain 50%; 25%: all gain 10%
    row = gain_of("abcdef", (SIX, [0.6] * 5 + [last]), (SIX, [0.44] * 6))
    assert row["low"] > 0.5
    assert row[["clusters", "verdict"]].tolist() == [6, verdict]


def test_an_object_counts_where_both_strata_have_its_gain():
    # g is in the larger stratum only, f is never hit in the smaller one (0 to 0): five are left
    row = gain_of("abcdef", ([0.4] * 5 + [0], [0.6] * 5 + [0]), ([0.4] * 7, [0.44] * 7), "abcdefg")
    assert row[["n", "clusters", "verdict"]].tolist() == [24 + 28, 5, "reproduced"]
    assert row["mean"] == pytest.approx(40)


@pytest.mark.filterwarnings("error")
def test_a_gain_over_nothing_is_undecided():
    row = gain_of("abcdef", ([0] * 6, [0.5] * 6), (SIX, SIX))
    assert not np.isfinite(row[["mean", "low", "high"]].astype(float)).any() and row["verdict"] == "undecided"


@pytest.mark.parametrize(("small", "verdict"), [(20, "reproduced"), (18, "undecided")])
def test_of_pairs_the_smaller_stratum_counts(small, verdict):
    # ten or nine pairs gain 50% or (one of them) nothing, twelve pairs nothing; pairs need not agree
    after = flat(0.6, small)
    after[:2] = flat(0.4, 2)
    before = rows("gam", 1, flat(0.4, small), percentile=10), rows("gam", 2, after, percentile=10)
    others = [f"other {i // 2}" for i in range(24)]
    large = [rows("gam", n, flat(0.4, 24), percentile=25, cluster=others) for n in (1, 2)]
    row = row_of(ledger(join(*before, *large), "test"), "C6.3")
    assert row[["n", "clusters", "cluster_kind", "verdict"]].tolist() == [small + 24, small // 2, "pair", verdict]


def test_images_without_a_true_box_have_no_gain():
    small = [rows("gam", n, flat(0.2 + 0.1 * n, 24), percentile=10) for n in (1, 2)]
    for part in small:
        part.loc[:3, grid_columns("iou", GRID)] = np.nan
    large = [rows("gam", n, flat(0.4, 24), percentile=25) for n in (1, 2)]
    row = row_of(ledger(join(*small, *large), "test"), "C6.3")
    # 0.3 to 0.4 is a third
    assert row["mean"] == pytest.approx(100 / 3)
    assert row[["n", "clusters"]].tolist() == [20 + 24, 10]


def test_a_stratum_that_is_missing_is_not_run_once_where_others_are_there():
    parts = [rows("gam", n, flat(0.6), percentile=percentile) for n in (1, 2) for percentile in (100, 25)]
    row = row_of(ledger(join(*parts), "test"), "C6.3")
    assert row[["verdict", "dataset", "needs"]].tolist() == [
        "not run", "", "needs true boxes and strata of small objects for gam:2 and gam:1, task cosine, percentile 10-25"
    ]  # fmt: skip


def test_the_interval_of_a_difference_is_over_clusters():
    # two objects, 0 and 20 points: a draw is one of them twice in half of all cases
    base, better = objects("ab", [0.5, 0.5], "grad_cam", 1, 100), objects("ab", [0.5, 0.7], "gam", 1, 100)
    row = row_of(ledger(join(base, better), "test"), "C2.1")
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([10, 0, 20])
    assert row[["n", "clusters"]].tolist() == [8, 2]


def test_only_maps_that_both_methods_have_are_compared():
    gam, other = rows("gam", 1, flat(0.6)), rows("grad_cam", 1, flat(0.5))
    gam["after_black_both"] = other["after_black_both"] = 0.25
    other.loc[:1, "after_black_both"] = np.nan
    table = ledger(join(gam[:22], other), "test")
    assert row_of(table, "C2.1")[["n", "excluded", "clusters"]].tolist() == [22, 0, 11]
    assert row_of(table, "C2.2")[["n", "excluded", "clusters"]].tolist() == [20, 2, 10]
    table = ledger(join(gam, other[2:]), "test")
    assert row_of(table, "C2.2")[["n", "excluded", "clusters"]].tolist() == [22, 0, 11]


def test_the_ledger_s_intervals_are_those_of_its_seed():
    steps = [[0.3 + 0.5 * (0.618 * i % 1), 0] for i in range(24)]
    strata = [rows("gam", n, steps[::step], percentile=p) for n, step in ((1, 1), (2, -1)) for p in (10, 25)]
    results = join(*strata, rows("gam", 1, steps), rows("grad_cam", 1, flat(0.3)))
    diffs = [50 * (0.618 * i % 1) for i in range(24)]
    for seed in (0, 1):
        row = row_of(ledger(results, "test", seed=seed), "C2.1")
        expected = bootstrap(diffs, [str(i // 2) for i in range(24)], seed)
        assert row[["mean", "low", "high"]].tolist() == pytest.approx(list(expected))
    assert bootstrap(diffs, [str(i // 2) for i in range(24)], 0) != expected
    gains = [row_of(ledger(results, "test", seed=seed), "C6.3") for seed in (0, 0, 1)]
    assert gains[0]["low"] == gains[1]["low"] != gains[2]["low"]


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


@pytest.mark.parametrize(
    ("cosine", "dot", "verdicts"),
    [
        ([0.1, 0, 0.1], [0, 0, 0], ["mixed", "reproduced"]),  # claimed of cosine: every sample has some
        ([0, 0, 0], [0.1, 0.1, 0.1], ["contradicted", "contradicted"]),
        ([0.1, 0.1, 0.1], [0, 0.2, 0], ["reproduced", "mixed"]),  # claimed of the dot product: no sample has any
    ],
)
def test_each_sample_s_gradients_count(cosine, dot, verdicts):
    shares = {"model": "net", "dataset": "made", "task": ["cosine"] * 3 + ["dot"] * 3, "sample": list("abcabc")}
    first = pd.DataFrame(shares | {"share_negative": cosine + dot})
    other = pd.DataFrame(shares | {"share_negative": [1.0] * 3 + [0.0] * 3, "dataset": "other"})
    table = ledger(None, "test", gradients=join(first, other))
    found = [row_of(table, name, dataset="made") for name in ("C1.1", "C1.2")]
    assert [row["verdict"] for row in found] == verdicts
    assert found[1][["mean", "high"]].tolist() == pytest.approx([100 * np.mean(dot), 100 * max(dot)])
    assert [row_of(table, name, dataset="other")["verdict"] for name in ("C1.1", "C1.2")] == ["reproduced"] * 2


def starts(value, baseline, **columns):
    """Two images for each of six starts of a network; `value` and `baseline` are those of each start."""
    frame = pd.DataFrame({
        "model": "net", "dataset": "digits", "test": "labels", "stage": 1, "layer": "c2",
        "image": list("ab") * 6, "cluster": np.repeat(list("uvwxyz"), 2), "cluster_kind": "label",
        "metric": "spearman", "value": np.repeat(value, 2), "baseline": np.repeat(baseline, 2),
    })  # fmt: skip
    return frame.assign(**columns)


def test_labels_are_compared_start_by_start():
    falls = starts([0.1, 0.2, 0.3, 0.1, 0.2, 0.3], [0.6] * 6)
    # other tests, measures and data say nothing of this row
    noise = [
        starts([0.9] * 6, [0.1] * 6, test="cascading"), starts([0.9] * 6, [0.1] * 6, metric="ssim"),
        starts([0.6] * 6, [0.1] * 6, dataset="other"),
    ]  # fmt: skip
    table = ledger(None, "test", sanity=join(falls, *noise), seed=2)
    row = row_of(table, "C10.1", dataset="digits")
    expected = bootstrap([50.0, 40, 30, 50, 40, 30], list("uvwxyz"), seed=2)  # a start counts once, not each image
    assert row[["mean", "low", "high"]].tolist() == pytest.approx(list(expected))
    assert row[["n", "clusters", "cluster_kind", "verdict"]].tolist() == [12, 6, "label", "reproduced"]
    assert row_of(table, "C10.1", dataset="other")["verdict"] == "contradicted"
    one_off = join(starts([0.1, 0.2, 0.3, 0.1, 0.2, 0.61], [0.6] * 6))
    assert row_of(ledger(None, "test", sanity=one_off), "C10.1")["verdict"] == "undecided"


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


def test_a_difference_that_ran_is_not_held_against_a_claim_for_the_data_that_lack_it():
    strata = {10: 0.8, 25: 0.6, 100: 0.5}  # from 0.4: +100%, +50%, +25%
    scenes = [
        rows("gam", n, flat(0.4 if n == 1 else value), task=task, percentile=percentile)
        for task in ("class", "cosine", "dot") for percentile, value in strata.items() for n in (1, 2)
    ]  # fmt: skip
    raccoon = [rows("gam", n, flat(0.5), dataset="raccoon") for n in (1, 2)]
    table = ledger(join(*scenes, *raccoon), "test")
    assert table[table["claim"] == "C6"].groupby("dataset")["verdict"].agg(list).to_dict() == {
        "made": ["reproduced"] * 6, "raccoon": ["not run"] * 6,
    }  # fmt: skip
    c6 = claim_verdicts(table).set_index("claim").loc["C6"]
    assert c6[["verdict", "listed", "ran", "reproduced", "contradicted", "needs"]].tolist() == [
        "reproduced", 6, 6, 6, 0, "",
    ]  # fmt: skip
    # C4 ran on both, and GAM(2) is no better on raccoons: six differences would be too many to list
    c4 = claim_verdicts(table).set_index("claim").loc["C4"]
    assert c4[["verdict", "listed", "ran", "reproduced"]].tolist() == ["undecided", 3, 3, 3]


def test_what_is_missing_is_named_once():
    verdicts = claim_verdicts(ledger(join(rows("gam", 1, flat(0.6)), rows("gam", 2, flat(0.7))), "test"))
    needs = verdicts.set_index("claim").loc["C9", "needs"]
    assert needs == "needs box_iou of the test 'cascading' (sanity.csv)"
    assert verdicts.set_index("claim").loc["C4", "needs"].split("; ") == [
        f"needs true boxes for gam:2 and gam:1, task {task}, percentile 100" for task in ("class", "dot")
    ]
    # ADP and PIC lack the same
    assert verdicts.set_index("claim").loc["C2", "needs"].split("; ") == [
        "needs true boxes for gam:1 and grad_cam:1, task cosine, percentile 100",
        "needs masked scores for gam:1 and grad_cam:1, task cosine, percentile 100",
    ]
