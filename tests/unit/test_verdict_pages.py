"""The page of verdicts: counts in its sentences, words in its tables, points in its figures."""

import numpy as np
import pandas as pd
import pytest
from gambook.claims.charts import by_choice, combination_counts, combinations, forest, specification_curve
from gambook.claims.ledger import claim_verdicts
from gambook.claims.pages import claim_blocks, frame_page, overview
from gambook.claims.paper import load_claims
from gambook.claims.runs import Run, committed_runs, read_reference, statements
from gambook.claims.text import across, controls_sentences, controls_table, findings, tally, verdict_sentence

MEASURED = {"n": 48, "excluded": 0, "clusters": 6, "agree": 6, "cluster_kind": "label", "needs": ""}


def made(verdicts, model="efficientnet_lite0", dataset="scenes", profile="embedded"):
    """A ledger of all claims: `verdicts` says how the differences named there came out, the others did not run."""
    rows = load_claims().assign(
        profile=profile, model="", dataset="", verdict="not run", needs="needs <boxes> & masks", mean=np.nan,
        low=np.nan, high=np.nan, n=np.nan, excluded=np.nan, clusters=np.nan, agree=np.nan, cluster_kind="",
    )  # fmt: skip
    for name, (verdict, mean) in verdicts.items():
        here = rows["id"] == name
        assert here.sum() == 1
        values = MEASURED | {"verdict": verdict, "mean": mean, "low": mean - 1, "high": mean + 1}
        for column, value in (values | {"model": model, "dataset": dataset}).items():
            rows.loc[here, column] = value
    return rows


SECOND = {"C4.1": ("reproduced", 5.0), "C4.2": ("reproduced", 6.0), "C4.3": ("contradicted", -7.0)}


def sentence(rows):
    return verdict_sentence(claim_verdicts(rows, by=()), rows)


def test_the_sentence_counts_claims_by_their_verdict():
    rows = made(SECOND | {"C9.1": ("reproduced", 30.0), "C10.1": ("undecided", 1.0)})
    others = ", ".join(f"C{number}" for number in range(1, 18) if number not in (4, 9, 10))
    assert sentence(rows) == (
        f"Of 17 claims of the paper, 1 is reproduced (C9), 1 mixed (C4), 1 undecided (C10) and 14 not run ({others}), "
        "on scenes with EfficientNet-Lite0."
    )


def test_two_networks_that_disagree_make_a_claim_mixed():
    one = made({"C9.1": ("reproduced", 30.0)})
    other = made({"C9.1": ("contradicted", -30.0)}, model="efficientnet_lite1")
    assert "1 is mixed (C9)" in sentence(pd.concat([one, other]))


def test_a_difference_on_several_networks_is_a_range_and_a_count():
    other = {"C4.2": ("undecided", -0.25)}
    both = pd.concat([made(SECOND), made(other, model="efficientnet_lite1")])
    assert (
        across(both, "C4.2") == "−0.2 to +6.0 points on scenes (reproduced with 1 and undecided with 1 of 2 networks)"
    )
    assert across(made(SECOND), "C4.2") == "+6.0 points on scenes (interval +5.0 to +7.0, reproduced)"
    assert across(both, "C2.1") == "not run"
    assert tally(both, "C4") == "of 4 comparisons 2 are reproduced, 1 is contradicted and 1 is undecided"
    assert tally(both, "C8") == "not run"


def test_findings_say_what_did_not_run():
    assert findings(made({}))[0].endswith("one layer each, is not run.")


def test_what_several_data_sets_lack_alike_is_said_once():
    rows = pd.concat([made({}), made({})])
    html = claim_blocks([Run("paper", "efficientnet_lite0", rows, committed=False)])._repr_html_()
    assert html.count("needs &lt;boxes&gt; &amp; masks") == len(load_claims())


def test_every_claim_has_its_statement():
    assert list(statements().index) == list(load_claims()["claim"].unique())


def test_the_overview_has_words_counts_and_a_link_for_each_claim():
    html = overview([Run("embedded", "efficientnet_lite0", made(SECOND), committed=False)])._repr_html_()
    assert html.count('href="#claim-c') == 17
    assert "± mixed</span><small>2 for, 1 against, of 3</small>" in html
    assert html.count("– not run</span>") == 16


def test_the_blocks_show_numbers_and_what_is_missing_escaped():
    html = claim_blocks([Run("embedded", "efficientnet_lite0", made(SECOND), committed=False)])._repr_html_()
    assert html.count("<details") == 17
    assert "−7.0 [−8.0, −6.0]" in html and "scenes: 48 maps, 6 objects" in html
    assert "needs &lt;boxes&gt; &amp; masks" in html and "<boxes>" not in html
    # GAM (2) - GAM (1), class: the mean of the paper's own differences
    assert f"{load_claims().set_index('id').loc['C4.1', 'paper_value']:+.1f}</span>" in html


@pytest.mark.parametrize(
    ("low", "counted", "text"),
    [
        (2.0, {"agree": 5}, "6 objects; 5 of 6 agree in sign<"),
        (2.0, {"clusters": 4, "agree": 4}, "4 objects; too few, the rule asks for 5<"),
        (2.0, {"clusters": 9, "cluster_kind": "pair"}, "9 clusters; too few, the rule asks for 10<"),
        (-2.0, {"agree": 5}, "6 objects<"),  # the interval says why
    ],
)
def test_what_holds_a_verdict_back_is_said(low, counted, text):
    rows = made({"C4.1": ("undecided", 5.0)})
    here = rows["id"] == "C4.1"
    for column, value in (counted | {"low": low}).items():
        rows.loc[here, column] = value
    html = claim_blocks([Run("embedded", "efficientnet_lite0", rows, committed=False)])._repr_html_()
    assert f"scenes: 48 maps, {text}" in html


def test_a_name_from_a_data_set_is_escaped():
    html = claim_blocks([Run("mine", "net", made(SECOND, dataset="<b>"), committed=False)])._repr_html_()
    assert "&lt;b&gt;: 48 maps" in html
    assert "&lt;i&gt;" in frame_page(pd.DataFrame({"name": ["<i>"], "value": [1]}))._repr_html_()


def test_committed_ledgers_become_a_run_a_network(tmp_path):
    lenet = made({"C10.1": ("reproduced", 5.0)}, model="lenet5", dataset="digits")
    parts = [made(SECOND, model=f"efficientnet_lite{k}") for k in (1, 0)] + [lenet]
    rows = pd.concat([part[part["verdict"] != "not run"] for part in parts])
    (tmp_path / "embedded").mkdir()
    rows.to_csv(tmp_path / "embedded" / "ledger.csv", index=False)
    runs = committed_runs(read_reference(tmp_path, "ledger"))
    assert [run.label for run in runs] == ["embedded, lite0", "embedded, lite1"]
    assert [run.verdicts().loc[["C4", "C10"], "verdict"].tolist() for run in runs] == [["mixed", "reproduced"]] * 2
    assert committed_runs(read_reference(tmp_path / "nothing", "ledger")) == []


def cell(method, n, mean, task="cosine"):
    where = {"dataset": "scenes", "percentile": 100, "model": "efficientnet_lite0", "task": task}
    return where | {"method": method, "n": n, "mean": mean}


def test_controls_are_named_with_the_methods_they_beat():
    table = pd.DataFrame(
        [cell("gam", 1, 60.0), cell("gam", 2, 50.0), cell("gam", 3, 1.0), cell("constant_box", 0, 55.0)]
        + [cell("blank", 0, 0.0), cell("gam", 2, 9.0, "dot"), cell("random_7x7", 0, 10.0, "dot")]
    )
    ahead = controls_table({"box_iou": table})
    assert ahead.drop(columns="metric").to_numpy().tolist() == [
        ["scenes, all, lite0, cosine", "constant box", 55.0, "1 of 2", "GAM (2)"],
        ["scenes, all, lite0, dot", "random", 10.0, "1 of 1", "every method"],
    ]
    assert controls_sentences({"box_iou": table}, ahead) == [
        "By box IoU, a blind control beats GAM with two layers in 2 of 2 tests, and every method in 1."
    ]


def test_the_image_itself_does_not_compete_for_adp():
    table = pd.DataFrame([cell("gam", 2, 5.0), cell("all_ones", 0, 0.0), cell("blank", 0, 90.0)])
    assert controls_table({"adp_black_one": table}).empty


def test_the_forest_draws_each_difference_once_with_its_interval():
    picture = forest({"scenes": made(SECOND | {"C15.1": ("reproduced", 5.0)})}, "points")
    (axes,) = picture.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "class, GAM 2 − GAM 1", "cosine, GAM 2 − GAM 1", "dot, GAM 2 − GAM 1",
    ]  # fmt: skip
    intervals = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert [4.0, 6.0] in intervals and [-8.0, -6.0] in intervals


def curve_of(rows):
    names = ["id", "a", "b", "resize", "join", "verdict", "mean"]
    frame = pd.DataFrame(rows, columns=names).assign(
        profile="embedded", model="net", dataset="scenes", order="after", cut="tuned", fill=None, side=None, sign=1,
        metric="box_iou",
    )  # fmt: skip
    frame["claim"] = frame["id"].str.split(".").str[0]
    return frame.merge(load_claims()[["id", "title"]])


CURVE = [
    ("C4.1", "gam:2", "gam:1", "bicubic", "mean", "reproduced", 3.0),
    ("C4.2", "gam:2", "gam:1", "bicubic", "mean", "contradicted", -4.0),
    ("C4.1", "gam:2", "gam:1", "bilinear", "max", "reproduced", 1.0),
    ("C4.2", "gam:2", "gam:1", "bilinear", "max", "reproduced", 2.0),
    ("C2.1", "gam:1", "grad_cam:1", "bicubic", "mean", "undecided", 1.0),
    ("C2.1", "gam:1", "grad_cam:1", "bicubic", "max", "undecided", 1.0),
]


def test_a_combination_counts_once_where_no_layers_are_joined():
    curve = combinations(curve_of(CURVE))
    assert curve.groupby("id")["own"].agg(["size", "sum"]).to_numpy().tolist() == [[1, 1], [2, 1], [2, 1]]
    counts = combination_counts(curve).set_index("claim")
    assert counts.loc["C2", ["combinations", "undecided"]].tolist() == [1, 1]
    assert counts.loc["C4", ["combinations", "reproduced", "mixed"]].tolist() == [2, 1, 1]


def test_shares_by_choice():
    table = by_choice(combinations(curve_of(CURVE))).set_index(["choice", "option"])
    assert table.loc[("joining layers", "mean"), ["C2", "C4"]].tolist() == ["0 / 0", "50 / 50"]
    assert table.loc[("joining layers", "max"), ["C2", "C4"]].tolist() == ["", "100 / 0"]
    assert table.loc[("data", "scenes"), "C4"] == "75 / 25"
    assert "masked with" not in table.index.get_level_values(0)


def test_the_curve_sorts_effects_and_shares_add_up():
    above, below = specification_curve(combinations(curve_of(CURVE[:4]))).figure.axes
    points = [tuple(point) for part in above.collections for point in part.get_offsets()]
    heights = sorted(y for _, y in points)
    # four effects, and the paper's own two once more for their rings
    assert heights == pytest.approx([-4, -4, 1, 2, 3, 3])
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(200)
