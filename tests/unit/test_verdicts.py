import numpy as np
import pandas as pd
import pytest
from gambook.claims.ledger import ledger as judge
from gambook.claims.rule import claim_words, corrected

from gamlib.evaluation.results import cell_means, grid_columns, measures, strata, thresholds
from gamlib.statistics import mean_interval

GRID = (0.2, 0.5)


def ledger(results, profile, **tables):
    return judge(None if results is None else measures(results), profile, **tables)


def rows(method, n, ious, task="cosine", percentile=100, dataset="made", **columns):
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
            "pair": [f"pair {i // 2}" for i in range(count)],
            "cluster": [str(i // 2) for i in range(count)],
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
    expected = mean_interval([100 * value for value in values], range(12))
    assert cell[["mean", "low", "high", "clusters"]].tolist() == pytest.approx([*expected[:3], 12])


def test_a_class_that_is_hardly_seen_has_no_drop():
    before = [0.04, 0.05, 0.9, 0.9]
    results = rows("gam", 1, flat(0.5, 4), task="class", before=before, after_black_both=0.01)
    assert measures(results)["adp_black_both"].isna().tolist() == [True, False, False, False]
    # a similarity of 0.04 is one
    assert measures(results.assign(task="cosine"))["adp_black_both"].notna().all()


def test_peaks():
    scored = measures(
        rows("gam", 1, flat(0.5, 4), peak_box=[1, 0, 1, 1], peak_mask=[1, 0, 0, 1], peak_other=[0, 1, 0, 0])
    )
    assert scored["peak_box"].tolist() == [100, 0, 100, 100]
    assert scored["peak_discrimination"].tolist() == [100, -100, 0, 100]


def test_strata_are_the_images_with_the_smallest_objects():
    # areas .1 .2 .3 .4: their 25th percentile is .175, their 50th .25; image 3 has two labels, the larger one counts
    results = rows("gam", 1, flat(0.5, 4), object_area=[0.1, 0.2, 0.3, 0.05])
    results = join(results, results[3:].assign(label="other", object_area=0.4))
    found = strata(results, (25, 50))
    assert found["percentile"].tolist() == [100] * 5 + [25] + [50] * 2
    assert found["sample"].tolist()[5:] == ["image 0", "image 0", "image 1"]
    assert len(strata(results.assign(object_area=np.nan), (25,))) == 5


def test_a_difference_in_the_ledger():
    # twelve pairs, GAM(1) 60 and Grad-CAM(1) 50 everywhere: 10 points, without spread
    table = ledger(join(rows("gam", 1, flat(0.6)), rows("grad_cam", 1, flat(0.5))), "test")
    row = row_of(table, "C2.1")
    assert row[["n", "clusters", "excluded", "margin", "p"]].tolist() == [24, 12, 0, 1, 0]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([10, 10, 10])
    assert row[["state", "dataset", "kind", "profile"]].tolist() == ["for", "made", "other photographs", "test"]
    assert row["paper_value"] == pytest.approx(11.3)
    swapped = ledger(join(rows("gam", 1, flat(0.5)), rows("grad_cam", 1, flat(0.6))), "test")
    assert row_of(swapped, "C2.1")["state"] == "against"


def test_differences_are_paired_by_image_whatever_the_order():
    gam = rows("gam", 1, [[0.01 * i + 0.1, 0] for i in range(24)])
    other = rows("grad_cam", 1, [[0.01 * i, 0] for i in range(24)]).iloc[::-1]
    row = row_of(ledger(join(gam, other), "test"), "C2.1")
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([10, 10, 10])


def test_the_interval_of_a_difference_is_over_clusters():
    steps = [[0.3 + 0.5 * (0.618 * i % 1), 0] for i in range(24)]
    row = row_of(ledger(join(rows("gam", 1, steps), rows("grad_cam", 1, flat(0.3))), "test"), "C2.1")
    of_pairs = [25 * (0.618 * i % 1 + 0.618 * (i + 1) % 1) for i in range(0, 24, 2)]
    expected = mean_interval(of_pairs, range(12))
    assert row[["mean", "low", "high", "p"]].tolist() == pytest.approx(list(expected[:4]))


def test_four_clusters_decide_nothing():
    for clusters, state in ((4, "too few data"), (5, "for")):
        names = np.resize(np.arange(clusters), 24).astype(str)
        both = [rows(m, 1, flat(v), cluster=names) for m, v in (("gam", 0.6), ("grad_cam", 0.5))]
        assert row_of(ledger(join(*both), "test"), "C2.1")[["clusters", "state"]].tolist() == [clusters, state]


def test_rows_with_no_score_above_zero_are_excluded_and_counted():
    before = np.where(np.arange(24) < 2, -0.1, 0.5)
    gam = rows("gam", 1, flat(0.6), before=before, after_black_both=0.5)
    other = rows("grad_cam", 1, flat(0.6), before=before, after_black_both=0.25)
    row = row_of(ledger(join(gam, other), "test"), "C2.3")
    # Grad-CAM loses half, GAM nothing: -50, lower is better; no effect would be 5% of their mean level 25
    assert row[["n", "excluded", "mean", "margin", "state"]].tolist() == [22, 2, -50, 1.25, "for"]


def test_parts_of_a_protocol_measure_what_is_theirs():
    boxes = measures(join(rows("gam", 1, flat(0.6)), rows("grad_cam", 1, flat(0.5)))).assign(part="boxes")
    masked = [rows(m, 1, flat(0.1), after_black_both=v) for m, v in (("gam", 0.4), ("grad_cam", 0.3))]
    table = judge(join(boxes, measures(join(*masked)).assign(part="masking")), "test")
    assert row_of(table, "C2.1")["mean"] == pytest.approx(10)
    assert row_of(table, "C2.3")["mean"] == pytest.approx(-20)


def test_an_overflow_needs_no_interval():
    lost = np.arange(24) == 5
    both = [rows("gam", 1, flat(0.6), task="dot"), rows("grad_cam_pp", 1, flat(0.6), task="dot", finite=~lost)]
    row = row_of(ledger(join(*both), "test"), "C3.1")
    assert row["low"] < 0 and row[["mean", "state"]].tolist() == [pytest.approx(100 / 24), "for"]
    none = row_of(ledger(join(both[0], both[1].assign(finite=True)), "test"), "C3.1")
    assert none[["mean", "state"]].tolist() == [0, "no effect"]


def gains(small, large, clusters=None):
    """C6.3 (cosine, 10% against 25%): small and large are the IoUs of GAM(1) and GAM(2), one map a row."""
    parts = []
    for percentile, both in ((10, small), (25, large)):
        for n, values in enumerate(both, start=1):
            ious = np.array([[value, value / 2] for value in values])
            names = [f"{percentile}-{i}" for i in range(len(values))] if clusters is None else clusters[: len(values)]
            parts.append(rows("gam", n, ious, percentile=percentile, cluster=names))
    return row_of(ledger(join(*parts), "test"), "C6.3")


def test_relative_gain_of_strata():
    # 0.2 -> 0.4 (+100%) against 0.4 -> 0.6 (+50%), without spread
    row = gains(([0.2] * 8, [0.4] * 8), ([0.4] * 8, [0.6] * 8))
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([50, 50, 50])
    assert row[["n", "clusters", "state"]].tolist() == [16, 16, "for"]


def test_the_gain_of_a_stratum_is_that_of_its_mean():
    # from 0.2 + 0.8 to 0.4 + 0.8 are 20%, not the mean of 100% and 0%
    row = gains(([0.2, 0.8, 0.2, 0.8], [0.4, 0.8, 0.4, 0.8]), ([0.5] * 4, [0.5] * 4))
    assert row["mean"] == pytest.approx(20)


def test_what_both_strata_share_cancels():
    # the same maps in both: their gains differ from cluster to cluster, and the difference of the strata never
    both = ([0.4] * 6, [0.4, 0.8, 0.4, 0.8, 0.4, 0.8])
    assert gains(both, both, list("abcdef"))[["mean", "low", "high"]].tolist() == pytest.approx([0, 0, 0])
    apart = gains(both, both)
    assert apart["low"] < -50 and apart["high"] > 50


def test_the_interval_of_a_gain_is_that_of_many_draws():
    rng = np.random.default_rng(0)
    one, gain = rng.uniform(0.2, 0.4, size=80), rng.uniform(0.0, 0.2, size=80)
    row = gains((one, one + gain), ([0.4] * 8, [0.4] * 8))
    drawn = rng.integers(80, size=(20_000, 80))
    means = 100 * ((one + gain)[drawn].mean(axis=1) / one[drawn].mean(axis=1) - 1)
    assert row[["low", "high"]].tolist() == pytest.approx(np.percentile(means, (2.5, 97.5)).tolist(), abs=1.5)


@pytest.mark.filterwarnings("error")
def test_a_gain_over_nothing_decides_nothing():
    row = gains(([0] * 6, [0.5] * 6), ([0.4] * 6, [0.4] * 6))
    assert not np.isfinite(row[["mean", "low", "high"]].astype(float)).any() and row["state"] == "too few data"


def test_a_slope_on_the_size_of_the_object():
    # each doubling of the area takes 3 points from what a second layer gives
    areas = 2.0 ** -np.arange(1, 9).repeat(3)
    two = [[0.5 + 0.03 * i, 0] for i in range(1, 9) for _ in range(3)]
    results = join(rows("gam", 1, flat(0.5), object_area=areas), rows("gam", 2, two, object_area=areas))
    row = row_of(ledger(results, "test"), "F4.2")
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([-3, -3, -3]) and row["state"] == "for"


def test_the_family_of_the_network():
    plain = join(rows("gam", 1, flat(0.5)), rows("gam", 2, flat(0.52))).assign(model="squeezenet1_1")
    lite = join(rows("gam", 1, flat(0.5)), rows("gam", 2, flat(0.56))).assign(model="efficientnet_lite0")
    table = ledger(join(plain, lite), "test")
    row = row_of(table, "F3.2")
    assert row[["model", "mean", "state"]].tolist() == ["efficientnet_lite0", pytest.approx(4), "for"]
    assert row_of(ledger(lite, "test"), "F3.2")["state"] == "not run"


def test_images_without_a_true_box_are_no_part_of_a_difference():
    small = [rows("gam", n, flat(0.5 + 0.1 * n)) for n in (1, 2)]
    for part in small:
        part.loc[:3, grid_columns("iou", GRID)] = np.nan
    assert row_of(ledger(join(*small), "test"), "C4.2")[["n", "excluded"]].tolist() == [20, 4]


def test_a_data_set_without_small_objects_says_so():
    results = join(rows("gam", 1, flat(0.6), dataset="raccoon"), rows("gam", 2, flat(0.6), dataset="raccoon"))
    row = row_of(ledger(results, "test"), "C6.3")
    assert row["state"] == "not run" and row["dataset"] == "raccoon"
    assert row["needs"].startswith("raccoon has no small objects; needs true boxes and strata")


def test_two_object_scenes_decide_class_discrimination_only():
    where = {"dataset": "scenes_two", "task": "class", "mass_other": 0.1}
    results = join(
        rows("gam", 2, flat(0.6), mass_mask=0.5, **where), rows("grad_cam", 1, flat(0.5), mass_mask=0.3, **where)
    )
    table = ledger(results, "test")
    assert row_of(table, "C14.1")["mean"] == pytest.approx(20)
    assert set(table.loc[table["claim"] == "C15", "state"]) == {"not run"}


@pytest.mark.parametrize(
    ("cosine", "dot", "states"),
    [
        ([0.2, 0.4, 0.3], [0, 0, 0], ["for", "for"]),
        ([0.1, 0, 0.1], [0, 0, 0], ["against", "for"]),  # claimed of cosine: every sample has some
        ([0, 0, 0], [0.1, 0.1, 0.1], ["against", "against"]),
        ([0.1, 0.1, 0.1], [0, 0.2, 0], ["for", "against"]),  # claimed of the dot product: no sample has any
    ],
)
def test_gradients_are_judged_exactly(cosine, dot, states):
    shares = {"model": "net", "dataset": "made", "task": ["cosine"] * 3 + ["dot"] * 3, "sample": list("abcabc")}
    first = pd.DataFrame(shares | {"share_negative": cosine + dot})
    other = pd.DataFrame(shares | {"share_negative": [1.0] * 3 + [0.0] * 3, "dataset": "other"})
    table = ledger(None, "test", gradients=join(first, other))
    found = [row_of(table, name, dataset="made") for name in ("C1.1", "C1.2")]
    assert [row["state"] for row in found] == states
    assert found[0][["mean", "low", "high"]].tolist() == pytest.approx(
        [100 * np.mean(cosine), 100 * min(cosine), 100 * max(cosine)]
    )
    assert [row_of(table, name, dataset="other")["state"] for name in ("C1.1", "C1.2")] == ["for"] * 2


def starts(value, baseline, **columns):
    """Two images for each of six starts of a network; `value` and `baseline` are those of each start."""
    frame = pd.DataFrame({
        "model": "net", "dataset": "mnist5k", "test": "labels", "stage": 1, "layer": "c2",
        "image": list("ab") * 6, "cluster": np.repeat(list("uvwxyz"), 2),
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
    table = ledger(None, "test", sanity=join(falls, *noise))
    row = row_of(table, "C10.1", dataset="mnist5k")
    expected = mean_interval([50.0, 40, 30, 50, 40, 30], list("uvwxyz"))  # a start counts once, not each image
    assert row[["mean", "low", "high"]].tolist() == pytest.approx(list(expected[:3]))
    assert row[["n", "clusters", "kind", "state"]].tolist() == [12, 6, "digits", "for"]
    assert row_of(table, "C10.1", dataset="other")["state"] == "against"


def test_sanity_takes_the_last_stage():
    images = [f"image {i}" for i in range(12)]
    stages = [
        pd.DataFrame({
            "model": "net", "dataset": "photos", "test": "cascading", "stage": stage, "layer": f"layer {stage}",
            "image": images, "cluster": images, "metric": "box_iou", "value": value, "baseline": 0.7,
        })
        for stage, value in ((1, 0.7), (2, 0.3))
    ]  # fmt: skip
    row = row_of(ledger(None, "test", sanity=join(*stages)), "C9.1")
    assert row[["mean", "n", "state"]].tolist() == [pytest.approx(40), 12, "for"]


def test_nothing_given_is_not_run_with_what_it_needs():
    table = ledger(None, "test")
    assert set(table["state"]) == {"not run"}
    assert row_of(table, "C1.1")["needs"] == "needs the last layer's gradients under cosine (gradients.csv)"
    assert row_of(table, "C4.1")["needs"] == "needs true boxes for gam:2 and gam:1, task class, percentile 100"
    words = claim_words(table)
    assert words["claim"].tolist() == [*(f"C{i}" for i in range(1, 19)), "F1", "F2", "F3", "F4"]
    assert set(words["word"]) == {"not run"} and (words["differences"] == 0).all()


def scores(one, two, **columns):
    """GAM with one and two layers for all three scores."""
    return [
        rows("gam", n, flat(v), task=t, **columns) for t in ("class", "cosine", "dot") for n, v in ((1, one), (2, two))
    ]


def words_of(table, claim):
    found = claim_words(table)
    return found[found["claim"] == claim].set_index("kind")


def test_one_word_a_claim_and_kind_of_data():
    table = ledger(join(*scores(0.5, 0.6), *scores(0.6, 0.5, dataset="scenes")), "test")
    found = words_of(table, "C4")
    columns = ["word", "differences", "that_way", "firm_for", "firm_against", "no_effect"]
    assert found.loc["other photographs", columns].tolist() == ["holds", 3, 3, 3, 0, 0]
    assert found.loc["scenes", columns].tolist() == ["fails", 3, 0, 0, 3, 0]
    # secondary differences are not asked: C2 without masked scores
    both = join(rows("gam", 1, flat(0.6)), rows("grad_cam", 1, flat(0.4)), rows("constant_box", 0, flat(0.5)))
    assert words_of(ledger(both, "test"), "C2")["word"].tolist() == ["holds"]


def test_a_word_is_over_all_networks():
    good, bad = join(*scores(0.5, 0.6)), join(*scores(0.6, 0.5)).assign(model="other")
    found = words_of(ledger(join(good, bad), "test"), "C4").iloc[0]
    assert found[["word", "firm_for", "firm_against"]].tolist() == ["mixed", 3, 3]


def test_a_number_counts_once():
    # printed Grad-CAM++ and Grad-CAM with one layer have the same boxes
    same = [rows(m, 1, flat(0.5), task="class") for m in ("grad_cam", "grad_cam_pp")]
    table = ledger(join(rows("gam", 2, flat(0.6), task="class"), *same), "test")
    assert row_of(table, "C15.2")["same_as"] == "C15.1" and row_of(table, "C15.1")["same_as"] == ""
    assert words_of(table, "C15").loc["other photographs", "differences"] == 1


def test_secondary_differences_are_held_against_chance_together():
    rivals = ("grad_cam", "grad_cam_pp", "grad_cam_pp_stable")
    parts = [rows(m, n, flat(0.5 - 0.1 * k - 0.01 * n)) for k, m in enumerate(rivals) for n in (1, 2)]
    table = ledger(join(rows("gam", 2, flat(0.6)), *parts), "test")
    own = table[(table["claim"] == "C15") & (table["task"] == "cosine")].reset_index(drop=True)
    secondary = own.index[own["role"] == "secondary"]
    own.loc[secondary, "p"] = [0.001, 0.012, 0.02, 0.04]  # times 4, 3, 2, 1
    assert corrected(own).loc[secondary, "state"].tolist() == ["for"] * 4
    # beside three networks that show nothing they are four of sixteen
    pooled = corrected(join(own, *(own.assign(model=name, p=0.9) for name in "xyz")))
    assert pooled.loc[secondary, "state"].tolist() == ["for", *["too few data"] * 3]
    assert pooled.loc[secondary, "alone"].tolist() == ["for"] * 4
    # a primary difference is held to its own interval
    assert set(pooled.loc[pooled["role"] == "primary", "state"]) == {"for"}
    # what is the same number as one that chance can explain says no more than that
    twin = own.loc[[secondary[1]]].assign(id="twin")
    doubled = corrected(join(own, twin, *(own.assign(model=name, p=0.9) for name in "xyz"))).set_index("id")
    assert doubled.loc["twin", ["same_as", "alone", "state"]].tolist() == [
        own["id"][secondary[1]],
        "for",
        "too few data",
    ]
    # another data set is another family
    apart = corrected(join(own, own.assign(dataset="other", p=0.9)))
    assert apart.loc[secondary, "state"].tolist() == ["for"] * 4
