"""The page of verdicts: dots in its matrix, numbers in its claims, points in its figures, sentences that are held."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from gambook.claims.charts import by_choice, combinations, forest, hanging, specification_curve
from gambook.claims.findings import Reference, said
from gambook.claims.notes import left_out
from gambook.claims.pages import claim_blocks, matrix, read_reference
from gambook.claims.paper import load_claims, statements
from gambook.claims.rule import corrected

KIND = {"scenes": "scenes", "raccoon": "other photographs", "imagenet_val_1300": "ImageNet validation"}


def made(states, model="efficientnet_lite0", dataset="scenes", profile="embedded"):
    """A ledger of all claims: `states` says how the differences named there came out, the others did not run."""
    rows = load_claims().assign(
        profile=profile, model="", dataset="", kind="", alone="not run", needs="needs <boxes> & masks", mean=np.nan,
        low=np.nan, high=np.nan, p=np.nan, n=np.nan, excluded=np.nan, clusters=np.nan, margin=1.0,
    )  # fmt: skip
    for name, (state, mean) in states.items():
        here = rows["id"] == name
        assert here.sum() == 1
        values = {"n": 48, "excluded": 0, "clusters": 16, "needs": "", "p": 0.01, "alone": state, "mean": mean,
                  "low": mean - 1, "high": mean + 1, "model": model, "dataset": dataset,
                  "kind": KIND[dataset]}  # fmt: skip
        for column, value in values.items():
            rows.loc[here, column] = value
    return corrected(rows)


SECOND = {"C4.1": ("for", 5.0), "C4.2": ("for", 6.0), "C4.3": ("against", -7.0)}


def read(page):
    """The texts of each row's cells."""
    return [[cell.get_text() for cell in row(["td", "th"])] for row in BeautifulSoup(page.data, "html.parser")("tr")]


def dots(page, claim):
    """Direction, sign and label of each dot of a claim."""
    rows = BeautifulSoup(page.data, "html.parser").find("tbody")("tr")
    row = next(row for row in rows if row.find("th").get_text().startswith(f"{claim} "))
    return [(dot["class"][0], dot.get_text(), dot["aria-label"]) for dot in row("span")]


def test_every_claim_has_its_statement():
    assert list(statements().index) == list(load_claims()["claim"].unique())


@pytest.mark.parametrize(
    ("states", "dot"),
    [
        ({"C4.1": ("for", 5.0), "C4.2": ("for", 6.0), "C4.3": ("for", 7.0)}, ("for", "●")),
        ({"C4.1": ("against", -5.0), "C4.2": ("against", -6.0), "C4.3": ("against", -7.0)}, ("against", "●")),
        (SECOND, ("mixed", "◐")),
        ({"C4.1": ("too few data", 0.5), "C4.2": ("too few data", 0.6)}, ("for", "○")),
        ({"C4.1": ("too few data", -0.5), "C4.2": ("no effect", -0.6)}, ("against", "○")),
    ],
)
def test_a_dot_says_direction_and_firmness(states, dot):
    ((side, sign, label),) = dots(matrix(made(states)), "C4")
    assert (side, sign) == dot
    assert label.startswith("Lite0: ")


@pytest.mark.parametrize(("mean", "side"), [(-0.9, "for"), (1.1, "against")])
def test_a_claim_of_no_difference_points_that_way_within_its_margin_of_one_point(mean, side):
    assert dots(matrix(made({"C11.2": ("too few data", mean)})), "C11")[0][:2] == (side, "○")


def test_the_matrix_has_a_column_a_data_set_and_a_dot_a_network():
    rows = pd.concat([
        made(SECOND), made({"C4.1": ("for", 1.0)}, "squeezenet1_1"), made({"C4.1": ("for", 1.0)}, dataset="raccoon"),
        made({"C4.1": ("for", 1.0)}, dataset="imagenet_val_1300"),
    ])  # fmt: skip
    head, *lines = read(matrix(rows))
    assert head == ["claim", "ImageNet validation", "raccoons", "scenes"]
    c4 = next(line for line in lines if line[0].startswith("C4 "))
    assert c4[1:] == ["●", "●", "◐ ●"]
    assert dots(matrix(rows), "C4")[2][2] == "Lite0: mixed; of 3 differences 2 firmly for, 1 firmly against"
    links = [link["href"] for link in BeautifulSoup(matrix(rows, "verdicts.html").data, "html.parser")("a")]
    assert links == [f"verdicts.html#claim-{claim.lower()}" for claim in load_claims()["claim"].unique()]


def test_each_claim_unfolds_to_its_words_and_numbers():
    page = BeautifulSoup(claim_blocks(made(SECOND)).data, "html.parser")
    c4 = page.find(id="claim-c4")
    assert c4.find("summary").get_text() == "C4 A second layer improves GAM's boxes: mixed on scenes"
    assert c4.find("p").get_text() == f"The paper: {statements()['C4']}"
    assert c4.find("li").get_text() == (
        "scenes: mixed; points that way 2 of 3, firmly 2, firmly against 1, no effect 0"
    )
    lines = [[cell.get_text() for cell in row(["td", "th"])] for row in c4("tr")]
    assert lines[0] == ["difference", "Lite0"]
    # GAM (2) - GAM (1), dot, Table 2: 62.4 - 59.2 and 61.3 - 57.3; mean 3.6
    assert lines[3] == [
        "C4.3 GAM (2) − GAM (1)\ndot, box IoU; scenes; primary, above 0\npaper +3.6",
        "−7.0\n[−8.0, −6.0]\nagainst; 48 maps, 16 clusters",
    ]
    assert c4.find("img")["alt"].startswith("C4: the primary differences")
    assert page.find(id="claim-c8").get_text().endswith("Not run: needs <boxes> & masks.")
    assert page.find(id="claim-f1").find("p").get_text().startswith("Ours: ")


def test_a_claim_newer_than_the_ledgers_has_a_block_and_is_not_run():
    rows = made(SECOND)
    page = BeautifulSoup(claim_blocks(rows[rows["claim"] != "F1"]).data, "html.parser")
    block = page.find(id="claim-f1")
    assert block.find("summary").get_text().endswith(": not run")
    assert block.get_text().endswith("Not run: not in these runs.")


def test_an_interval_beyond_zero_that_decides_nothing_says_why():
    # C11.2 claims that there is no difference, and its interval reaches over the margin of one point
    rows = made({"C11.2": ("too few data", -1.3), "C11.7": ("for", 2.0), "C4.1": ("too few data", 0.5)})
    rows.loc[rows["id"] == "C11.7", "state"] = "too few data"
    page = BeautifulSoup(claim_blocks(rows).data, "html.parser")
    says = {}
    for row in page("tr"):
        cells = [cell.get_text() for cell in row(["th", "td"])]
        says[cells[0].split()[0]] = cells[1].split("\n")[-1].split(";")[0]
    assert says["C11.2"] == "too few data: neither within the margin nor beyond it"
    assert says["C11.7"] == "for, not firm after Holm's correction"
    assert says["C4.1"] == "too few data"


def test_the_states_of_one_network(tmp_path):
    rows = pd.concat([made(SECOND), made({"C4.1": ("against", -1.0)}, "squeezenet1_1")])
    (tmp_path / "embedded").mkdir()
    rows.to_csv(tmp_path / "embedded" / "ledger.csv", index=False)
    rows.to_csv(tmp_path / "embedded" / "cells.csv", index=False)
    found = Reference(tmp_path)
    assert found.states("C4", "scenes", model="squeezenet1_1") == ["against"]
    assert found.states("C4.1", model="efficientnet_lite0") == ["for"]
    assert sorted(found.states("C4.1")) == ["against", "for"]


def test_committed_tables_read_back_as_they_were(tmp_path):
    rows = made(SECOND)
    (tmp_path / "embedded").mkdir()
    rows.to_csv(tmp_path / "embedded" / "ledger.csv", index=False)
    rows.to_csv(tmp_path / "embedded" / "packed.csv.gz", index=False)
    packed, plain = (read_reference(tmp_path, name)["embedded"] for name in ("packed", "ledger"))
    pd.testing.assert_frame_equal(packed, plain)
    assert read_reference(tmp_path / "nothing", "ledger") == {}
    cell = {
        "dataset": "scenes",
        "percentile": 100,
        "model": "efficientnet_lite0",
        "task": "dot",
        "method": "gam",
        "n": 2,
    }
    pd.DataFrame([cell | {"metric": "box_iou", "mean": 43.2}]).to_csv(tmp_path / "embedded" / "cells.csv", index=False)
    found = Reference(tmp_path)
    assert found.means("C4.3", "scenes").tolist() == [-7.0]
    assert found.states("C4") == ["for", "for", "against"] and found.word("C4", "scenes") == "mixed"
    assert found.cell("box_iou", "dot", "gam", 2, "scenes") == 43.2
    with pytest.raises(ValueError, match="results: 0 cells for {'metric': 'box_iou', 'task': 'cosine'"):
        found.cell("box_iou", "cosine", "gam", 2, "scenes")
    with pytest.raises(ValueError, match="results: no row 'C2.1' on any data with any network"):
        found.means("C2.1")
    with pytest.raises(FileNotFoundError, match="reference_dir: no .*ledger.csv in"):
        Reference(tmp_path / "nothing")


def test_a_sentence_that_the_results_no_longer_say_fails_with_its_words():
    assert said([("One holds.", True), ("Two holds.", True)]).data == "- One holds.\n- Two holds."
    with pytest.raises(ValueError, match="the results no longer say: 'Two holds.'; write the sentence anew"):
        said([("One holds.", True), ("Two holds.", False)])
    # of a reader's own network or photographs only what holds is said
    assert said([("One holds.", True), ("Two holds.", False)], ours=False).data == "- One holds."


def test_what_was_left_out_is_listed_with_its_reason():
    results = pd.DataFrame()
    broken = {"dataset": "raccoon", "sample": "raccoon-3", "reason": "cut short", "model": "net"}
    results.attrs = {"skipped": [broken, broken], "dropped": {"coco": {"crowd": 2}}}
    assert left_out(results).to_numpy().tolist() == [
        ["raccoon-3 of raccoon", 1, "cut short"], ["annotations of coco", 2, "crowd"],
    ]  # fmt: skip


def test_the_forest_draws_each_difference_with_its_interval_and_the_claimed_side():
    rows = pd.concat([made(SECOND), made({"C4.1": ("for", 2.0)}, "squeezenet1_1")])
    (axes,) = forest(rows[rows["mean"].notna()]).figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "scenes: class, GAM 2 − GAM 1", "scenes: cosine, GAM 2 − GAM 1", "scenes: dot, GAM 2 − GAM 1",
    ]  # fmt: skip
    spans = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert spans[:4] == [[4, 6], [5, 7], [-8, -6], [1, 3]]
    # the paper's: Table 2 has +2.0, +1.2 and +2.6 for classes; +3.3 and +1.5; +3.2 and +4.0
    diamonds = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "d"]
    assert diamonds == pytest.approx([5.8 / 3, 2.4, 3.6])
    # from zero to the right, all that is claimed
    shaded = axes.collections[0].get_paths()[0].vertices[:, 0]
    assert shaded.min() == 0 and shaded.max() == pytest.approx(axes.get_xlim()[1])
    legend = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert legend == ["for", "against", "Lite0", "SqueezeNet", "the paper's"]


def curve_of(rows):
    names = ["id", "a", "b", "resize", "join", "state", "mean"]
    frame = pd.DataFrame(rows, columns=names).assign(
        profile="embedded", model="net", dataset="scenes", order="after", cut="tuned", fill=None, side=None, sign=1,
        metric="box_iou", role="primary", same_as="",
    )  # fmt: skip
    frame["claim"] = frame["id"].str.split(".").str[0]
    return frame.merge(load_claims()[["id", "title"]])


CURVE = [
    ("C4.1", "gam:2", "gam:1", "bicubic", "mean", "for", 3.0),
    ("C4.2", "gam:2", "gam:1", "bicubic", "mean", "against", -4.0),
    ("C4.1", "gam:2", "gam:1", "bilinear", "max", "for", 1.0),
    ("C4.2", "gam:2", "gam:1", "bilinear", "max", "for", 2.0),
    ("C2.1", "gam:1", "grad_cam:1", "bicubic", "mean", "too few data", 1.0),
    ("C2.1", "gam:1", "grad_cam:1", "bicubic", "max", "too few data", 1.0),
]


def test_a_combination_counts_once_where_no_layers_are_joined():
    curve = combinations(curve_of(CURVE))
    assert curve.groupby("id")["own"].agg(["size", "sum"]).to_numpy().tolist() == [[1, 1], [2, 1], [2, 1]]


def test_shares_by_choice_and_claims_that_hang_on_one():
    curve = combinations(curve_of(CURVE))
    table = by_choice(curve).set_index(["choice", "option"])
    assert not any(" / " in cell for cell in table.to_numpy().flat)  # which could be broken into two lines
    table = table.replace("\N{NO-BREAK SPACE}", " ", regex=True)
    assert table.loc[("joining layers", "mean"), ["C2", "C4"]].tolist() == ["0 / 0", "50 / 50"]
    assert table.loc[("joining layers", "max"), ["C2", "C4"]].tolist() == ["", "100 / 0"]
    assert table.loc[("data", "scenes"), "C4"] == "75 / 25"
    assert "masked with" not in table.index.get_level_values(0)
    # with one way to join all is for the claim, with the other half is against
    assert hanging(curve) == ["C4"]


def test_the_curve_sorts_effects_and_shares_add_up():
    above, below = specification_curve(combinations(curve_of(CURVE[:4]))).figure.axes
    effects, rings = (part.get_offsets()[:, 1].tolist() for part in above.collections)
    assert (effects, rings) == ([-4, 1, 2, 3], [-4, 3])
    assert above.get_title() == "C4 A second layer improves GAM's\nboxes"
    assert [label.get_text() for label in below.get_xticklabels()] == ["1", "2"]
    # C4.1 is for the claim under both choices, C4.2 under one of two
    assert [text.get_text() for text in below.texts] == ["100", "50"]
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(2)
