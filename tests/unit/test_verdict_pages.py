"""The page of verdicts: counts in its sentences, words in its tables, points in its figures."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from gambook.claims.charts import by_choice, combination_counts, combinations, forest, specification_curve
from gambook.claims.ledger import claim_verdicts
from gambook.claims.pages import Run, claim_blocks, committed_runs, overview, read_reference
from gambook.claims.paper import load_claims, statements
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


def run_of(rows):
    return Run("embedded", "efficientnet_lite0", rows, committed=False)


def read(table):
    """The texts of each row's cells."""
    rows = BeautifulSoup(table.data, "html.parser").find_all("tr")
    return [[cell.get_text() for cell in row(["td", "th"])] for row in rows]


def line_of(rows, claim_id="C4.1"):
    """The cells of a difference on the page that has one run."""
    rows = rows[rows["claim"] == claim_id.split(".")[0]]
    return next(cells for cells in read(claim_blocks([run_of(rows)])) if f"\n{claim_id} · " in cells[0])


def test_what_several_data_sets_lack_alike_is_said_once():
    rows = pd.concat([made({}), made({})])
    assert line_of(rows)[-1] == "– not run\nneeds <boxes> & masks"


def test_every_claim_has_its_statement():
    assert list(statements().index) == list(load_claims()["claim"].unique())


def test_the_overview_has_words_counts_and_a_link_for_each_claim():
    page = overview([run_of(made(SECOND))])
    assert [link["href"] for link in BeautifulSoup(page.data, "html.parser")("a")] == [
        f"#claim-c{number}" for number in range(1, 18)
    ]
    head, *lines = read(page)
    assert head == ["claim", "embedded, lite0\nthis run"]
    assert lines[3] == ["C4 A second layer helps GAM", "± mixed\n2 for, 1 against, of 3"]
    assert [word for _, word in lines].count("– not run") == 16


def test_each_claim_unfolds_to_its_numbers_and_what_is_missing():
    page = BeautifulSoup(claim_blocks([run_of(made(SECOND))]).data, "html.parser")
    assert [block["id"] for block in page("details")] == [f"claim-c{number}" for number in range(1, 18)]
    c4 = page.find(id="claim-c4")
    assert c4.find("summary").get_text() == "C4 A second layer helps GAM ± mixed embedded, lite0"
    assert c4.find("p").get_text() == f"The paper: {statements()['C4']}"
    # GAM (2) - GAM (1), class, Table 2: 56.9 - 54.9, 56.6 - 55.4, and 39.5 - 36.9 on chest X-rays; mean 1.93
    assert line_of(made(SECOND), "C4.3") == [
        "GAM (2) − GAM (1)\nC4.3 · dot, box IoU", "above 0", "+3.6\nVRC DenseNet +3.20\nVRC ResNet +4.00",
        "−7.0 [−8.0, −6.0] ✗ contradicted\nscenes: 48 maps, 6 objects",
    ]  # fmt: skip
    assert line_of(made(SECOND), "C6.1")[0] == (
        "GAM (2) − GAM (1)\nC6.1 · class, gain in box IoU, smallest 10% minus smallest 25%"
    )


def test_a_cell_has_every_data_set_of_its_run():
    both = pd.concat([made(SECOND), made({"C4.1": ("undecided", 1.0)}, dataset="raccoon")])
    assert line_of(both)[-1] == (
        "+5.0 [+4.0, +6.0] ✓ reproduced\nscenes: 48 maps, 6 objects\n"
        "+1.0 [+0.0, +2.0] ? undecided\nraccoon: 48 maps, 6 objects"
    )


@pytest.mark.parametrize(
    ("low", "counted", "text"),
    [
        (2.0, {"agree": 5}, "6 objects; 5 of 6 agree in sign"),
        (2.0, {"clusters": 4, "agree": 4}, "4 objects; too few, the rule asks for 5"),
        (2.0, {"clusters": 9, "cluster_kind": "pair"}, "9 clusters; too few, the rule asks for 10"),
        (-2.0, {"agree": 5}, "6 objects"),  # the interval says why
        (-2.0, {"agree": 5, "excluded": 3}, "6 objects, 3 excluded"),
    ],
)
def test_what_holds_a_verdict_back_is_said(low, counted, text):
    rows = made({"C4.1": ("undecided", 5.0)})
    here = rows["id"] == "C4.1"
    for column, value in (counted | {"low": low}).items():
        rows.loc[here, column] = value
    assert line_of(rows)[-1].endswith(f"\nscenes: 48 maps, {text}")


def test_a_name_from_a_data_set_is_escaped():
    assert line_of(made(SECOND, dataset="<b>"))[-1].endswith("\n<b>: 48 maps, 6 objects")


def test_committed_ledgers_become_a_run_a_network(tmp_path):
    lenet = made({"C10.1": ("reproduced", 5.0)}, model="lenet5", dataset="digits")
    parts = [made(SECOND, model=f"efficientnet_lite{k}") for k in (1, 0)] + [lenet]
    rows = pd.concat([part[part["verdict"] != "not run"] for part in parts])
    (tmp_path / "embedded").mkdir()
    rows.to_csv(tmp_path / "embedded" / "ledger.csv", index=False)
    rows.to_csv(tmp_path / "embedded" / "packed.csv.gz", index=False)
    packed, plain = (read_reference(tmp_path, name)["embedded"] for name in ("packed", "ledger"))
    pd.testing.assert_frame_equal(packed, plain)
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
    lines, means, printed = axes.collections
    assert [path.vertices[:, 0].tolist() for path in lines.get_paths()] == [[4, 6], [5, 7], [-8, -6]]
    assert means.get_offsets().tolist() == [[5, 0], [6, 1], [-7, 2]]
    # Table 2 has +2.0, +1.2 and +2.6 for classes; +3.3 and +1.5; +3.2 and +4.0
    assert printed.get_offsets()[:, 0].tolist() == pytest.approx([5.8 / 3, 2.4, 3.6])
    legend = axes.figure.legends[0].get_texts()
    assert [text.get_text() for text in legend] == ["reproduced", "contradicted", "the paper's"]


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
    effects, rings = (part.get_offsets()[:, 1].tolist() for part in above.collections)
    assert (effects, rings) == ([-4, 1, 2, 3], [-4, 3])
    assert above.get_title() == "C4 A second layer helps GAM"
    assert [label.get_text() for label in below.get_xticklabels()] == ["1", "2"]
    # C4.1 is reproduced under both choices, C4.2 under one of two
    assert [text.get_text() for text in below.texts] == ["100", "50"]
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(2)
