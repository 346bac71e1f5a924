"""Tables of results: what a reader finds in each cell."""

import base64

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from gambook.claims.paper import load_table
from gambook.claims.tables import comparison, folded, listing, not_run

NOTHING = load_table(2).iloc[:0]


def cells_of(means, percentile=100, task="cosine", **columns):
    """Cells with an interval of one point either side."""
    rows = [
        {"dataset": "scenes", "percentile": percentile, "model": "net", "task": task, "method": method, "n": n,
         "mean": mean, "low": mean - 1, "high": mean + 1, "maps": 24, "excluded": 0, "nonfinite": 0} | columns
        for (method, n), mean in means.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def read(table):
    """(score, method) -> text of each cell, "*" before the best and "_" before a control that beats it."""
    found, score = {}, ""
    for row in BeautifulSoup(table.data, "html.parser").find("tbody").find_all("tr"):
        head = row.find("th").get_text()
        if row.find(class_="score"):
            score = head
            assert row.get_text(strip=True) == score
            continue
        marks = {"best": "*", "ahead": "_"}
        found[score, head] = [
            "".join(marks.get(name, "") for name in cell.get("class", [])) + " ".join(cell.stripped_strings)
            for cell in row("td")
        ]
    return found


MEANS = {
    ("gam", 1): 50.0, ("gam", 2): 60.0, ("grad_cam", 1): 55.0, ("grad_cam", 2): 44.0,
    ("blank", 0): 0.0, ("centre_gaussian", 0): 60.0, ("constant_box", 0): 61.0,
}  # fmt: skip


def test_methods_are_rows_and_winner_and_best_control_stand_out():
    found = read(comparison(cells_of(MEANS), NOTHING, +1))
    assert found["cosine", "GAM"] == ["50.0 [49.0, 51.0]", "*60.0 [59.0, 61.0]"]
    assert found["cosine", "Grad-CAM"] == ["55.0 [54.0, 56.0]", "44.0 [43.0, 45.0]"]
    assert found["cosine", "Grad-CAM++"] == ["", ""]
    assert found["cosine", "best control"] == ["_61.0 constant box [60.0, 62.0]", ""]
    lower = read(comparison(cells_of(MEANS), NOTHING, -1))
    assert lower["cosine", "Grad-CAM"][1].startswith("*44.0")
    assert lower["cosine", "best control"][0].startswith("_0.0 blank")


def test_a_control_that_is_only_as_good_is_not_underlined():
    found = read(comparison(cells_of(MEANS | {("constant_box", 0): 59.0}), NOTHING, +1))
    assert found["cosine", "best control"][0].startswith("60.0 Gaussian")


def test_the_unmasked_image_is_no_control_where_lower_is_better():
    cells = cells_of({("gam", 1): 9.0, ("all_ones", 0): 0.0, ("blank", 0): 99.0, ("random_7x7", 0): 8.0})
    assert read(comparison(cells, NOTHING, -1))["cosine", "best control"][0].startswith("_8.0 random")
    assert read(comparison(cells, NOTHING, +1))["cosine", "best control"][0].startswith("_99.0 blank")


def test_what_prints_alike_is_best_together_and_lost_maps_are_counted():
    cells = cells_of({("gam", 2): 7.04, ("grad_cam", 1): 7.01, ("grad_cam_pp", 1): 2.0})
    cells["nonfinite"] = [0, 0, 3]
    found = read(comparison(cells, NOTHING, +1))
    assert found["cosine", "GAM"][1].startswith("*7.0") and found["cosine", "Grad-CAM"][0].startswith("*7.0")
    assert found["cosine", "Grad-CAM++"][0] == "2.0 [1.0, 3.0] 3 not finite"


@pytest.mark.parametrize(
    "second, first, expected",
    [(7.04, 7.06, ["7.0", "*7.1"]), (6.96, 7.04, ["*7.0", "*7.0"])],
)
def test_the_best_is_told_apart_by_the_digits_shown(second, first, expected):
    for better in (1, -1):
        # where lower is better, the same distances below 20
        means = {("gam", 1): second, ("gam", 2): first}
        cells = cells_of(means if better > 0 else {key: 20 - mean for key, mean in means.items()})
        shown = [cell.split()[0] for cell in read(comparison(cells, NOTHING, better))["cosine", "GAM"]]
        assert [cell.startswith("*") for cell in shown] == [cell.startswith("*") for cell in expected]
        assert better < 0 or shown == expected


def test_the_paper_s_numbers_stand_beside_ours():
    # Table 2, cosine: GAM 57.4 on DenseNet, 57.1 on ResNet; for the smallest tenth, class, 23.4 and 26.1
    table = load_table(2)
    both = pd.concat([cells_of(MEANS), cells_of(MEANS, task="class"), cells_of(MEANS, 10, "class")])
    found = read(comparison(both, table[table["task"] != "Segmentation"], +1))
    assert found["cosine", "GAM"][0] == "50.0 57.4 / 57.1 [49.0, 51.0]"
    # four columns: all and 10%, one and two layers
    assert found["class", "GAM"][2] == "50.0 23.4 / 26.1 [49.0, 51.0]" and len(found["class", "GAM"]) == 4
    assert found["cosine", "GAM"][2:] == ["", ""]
    # Table 1 has one network: GAM, cosine, ADP 0.78 and 0.75
    one = load_table(1)
    adp = read(comparison(cells_of(MEANS), one[one["metric"] == "ADP"], -1))
    assert adp["cosine", "GAM"][0].split()[1] == f"{_printed(one, 'ADP', 'gam', 1):g}"


def _printed(table, metric, method, n):
    rows = table[
        (table["metric"] == metric) & (table["task"] == "Similarity (cos)") & (table["area_percentile"] == 100)
    ]
    return rows[(rows["method"] == method) & (rows["n"] == n)]["value"].item()


def test_a_table_has_seven_columns_at_most_and_its_numbers_to_download():
    table = comparison(pd.concat([cells_of(MEANS, p) for p in (100, 25, 10)]), NOTHING, +1, "Box IoU, <net>")
    page = BeautifulSoup(table.data, "html.parser")
    assert len(page.find("tbody").find("tr")("td")) == 6
    assert page.find("caption").get_text() == "Box IoU, <net>"
    assert page.find("label").get_text().strip() == "95% intervals"
    link = page.find("a", download=True)
    assert link["download"] == "box_iou___net.csv"
    lines = base64.b64decode(link["href"].split(",")[1]).decode().splitlines()
    assert lines[0].startswith("dataset,percentile,model,task,method,n,mean,low,high") and len(lines) == 1 + 3 * 7


def test_tables_fold_behind_their_summary():
    table = comparison(cells_of(MEANS), NOTHING, +1, "ADP & PIC")
    page = BeautifulSoup(folded("<raccoons>", [table, table]).data, "html.parser").find("details")
    assert page.find("summary").get_text() == "<raccoons>"
    assert [caption.get_text() for caption in page.find_all("caption")] == ["ADP & PIC"] * 2


def test_what_was_not_run_is_said_once():
    text = BeautifulSoup(not_run(["XRAY", "VOC"]).data, "html.parser").get_text()
    assert text == (
        "Not run here: XRAY needs ChestX-ray8 (chest_root); VOC needs Pascal VOC and a TResNet checkpoint (voc_root, "
        "weights_root)."
    )


@pytest.mark.parametrize("kind", ["", "text"])
def test_a_listing_has_every_value_and_the_first_column_as_labels(kind):
    frame = pd.DataFrame([["cat & <dog>", "43.2"], ["b", "<1"], ["b", 2]], columns=["object", "IoU"])
    rows = BeautifulSoup(listing(frame, kind=kind).data, "html.parser").find_all("tr")
    texts = [[cell.get_text() for cell in row(["td", "th"])] for row in rows]
    assert texts == [["object", "IoU"], ["cat & <dog>", "43.2"], ["b", "<1"], ["b", "2"]]
