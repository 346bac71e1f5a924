import pandas as pd
from gambook.claims.notes import best_of, controls_ahead, left_out, said


def with_attrs(skipped, dropped):
    results = pd.DataFrame()
    results.attrs = {"skipped": skipped, "dropped": dropped}
    return results


def test_what_was_left_out_is_counted_and_named():
    assert left_out(with_attrs([], {"coco": {}})) == "Every image was read."
    # one image may lack in several strata
    broken = [{"dataset": "raccoon", "sample": "raccoon-7", "reason": "it is cut short"}] * 2
    text = left_out(with_attrs(broken, {"coco": {"crowd": 3}, "voc2012": {"difficult": 1}}))
    assert text == (
        "Images that cannot be read and are left out: raccoon-7 of raccoon (it is cut short). "
        "Annotations left out: 3 x crowd in coco, 1 x difficult in voc2012."
    )
    many = [{"dataset": "coco", "sample": f"{i}", "reason": "gone"} for i in range(8)]
    text = left_out(with_attrs(many, {}))
    assert "4 of coco (gone), and 3 more, listed in skipped.csv" in text and "5 of coco" not in text


def test_a_control_that_beats_a_method_is_named_with_both_means():
    where = {"dataset": "scenes", "percentile": 100, "model": "net", "task": "class"}
    means = [("gam", 2, 50.0), ("grad_cam", 1, 40.0), ("gam_layer", 2, 10.0), ("blank", 0, 0.0)]
    means.append(("constant_box", 0, 45.0))
    cells = pd.DataFrame([where | {"method": m, "n": n, "mean": mean} for m, n, mean in means])
    (higher,) = controls_ahead(cells, better=+1).to_dict("records")
    assert (higher["method"], higher["control"], higher["mean"], higher["mean_control"]) == (
        "grad_cam", "constant_box", 40.0, 45.0,
    )  # fmt: skip
    lower = controls_ahead(cells, better=-1)
    assert set(lower["method"]) == {"gam", "grad_cam"} and set(lower["control"]) == {"blank"}
    # equal means are no lead, on either side
    tied = cells.assign(mean=[50.0, 40.0, 10.0, 0.0, 40.0]).query("method != 'blank'")
    assert controls_ahead(tied, better=+1).empty and set(controls_ahead(tied, better=-1)["method"]) == {"gam"}
    assert said(higher) == "Grad-CAM (n = 1, 40.0)"
    assert said({"method": "centre_gaussian", "n": 0, "mean": 3.04}) == "Gaussian (3.0)"


def test_the_best_methods_are_named_together():
    cells = pd.DataFrame(
        [("gam", 2, 50.0), ("grad_cam_pp", 2, 61.04), ("grad_cam_pp_stable", 2, 61.01), ("gam", 1, 40.0)],
        columns=["method", "n", "mean"],
    )
    assert best_of(cells, +1) == "Grad-CAM++, both forms (n = 2), 61.0"
    assert best_of(cells, -1) == "GAM (n = 1), 40.0"
    cells.loc[1, "mean"], cells.loc[0, "mean"] = 10.0, 61.0
    assert best_of(cells, +1) == "GAM (n = 2) and Grad-CAM++, closed form (n = 2), 61.0"
