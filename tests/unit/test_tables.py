"""Tables in the shape of the paper's: what a reader finds in each cell."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from gambook.claims.notes import controls_ahead, of_table
from gambook.claims.paper import load_table
from gambook.claims.tables import comparison, folded, listing

from gamlib.controls import CONTROLS
from gamlib.plots import title_of

NOTHING = load_table(2).iloc[:0]
METHODS = ("gam", "grad_cam", "grad_cam_pp", "grad_cam_pp_stable")
# Where a mean stands in a row: a label, the best control, n = 1, n = 2 and the change of each method, the controls.
PLACE = {("gam", 1): 2, ("gam", 2): 3, ("grad_cam", 1): 5, ("grad_cam", 2): 6, ("grad_cam_pp", 1): 8,
         ("grad_cam_pp", 2): 9, ("grad_cam_pp_stable", 1): 11, ("grad_cam_pp_stable", 2): 12, ("blank", 0): 14,
         ("all_ones", 0): 15, ("random_7x7", 0): 16, ("centre_gaussian", 0): 17, ("constant_box", 0): 18}  # fmt: skip


def cells_of(means, percentile=100, dataset="scenes", model="net", **columns):
    """Cells with an interval of one point either side."""
    rows = [
        {"dataset": dataset, "percentile": percentile, "model": model, "task": "cosine", "method": method, "n": n,
         "mean": mean, "low": mean - 1, "high": mean + 1, "maps": 24, "excluded": 0, "nonfinite": 0} | columns
        for (method, n), mean in means.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cells_in(table, part="tbody"):
    """Text and mark of each cell, row by row: "b" for bold, "u" for underlined."""
    rows = BeautifulSoup(table.data, "html.parser").find(part).find_all("tr")
    marks = {"best": "b", "ahead": "u"}
    return [
        [
            (cell.get_text(), "".join(marks.get(name, "") for name in cell.get("class", [])))
            for cell in row(["td", "th"])
        ]
        for row in rows
    ]


def texts_in(table):
    return [[text for text, _ in row] for row in cells_in(table)]


MEANS = {
    ("gam", 1): 50.0,
    ("gam", 2): 60.0,
    ("grad_cam", 1): 55.0,
    ("grad_cam", 2): 44.0,
    ("blank", 0): 0.0,
    ("centre_gaussian", 0): 60.0,
    ("constant_box", 0): 61.0,
}


@pytest.mark.parametrize(
    ("better", "bold", "underlined", "changes", "blind"),
    [
        # the Gaussian is no better than the best method, only as good
        (+1, [("gam", 2)], [("constant_box", 0)], ["+20.0%", "-20.0%"], "61.0\nconstant box"),
        (-1, [("grad_cam", 2)], [("blank", 0)], ["-20.0%", "+20.0%"], "0.0\nblank"),
    ],
)
def test_means_marks_and_changes(better, bold, underlined, changes, blind):
    (row,) = cells_in(comparison(cells_of(MEANS), NOTHING, better))
    assert len(row) == 2 + 3 * len(METHODS) + len(CONTROLS)
    assert row[0] == ("all: scenes, net\n24 maps", "")
    assert row[1] == (blind, "u")
    for key, place in PLACE.items():
        mark = "b" if key in bold else "u" if key in underlined else ""
        text = f"{MEANS[key]:.1f}\n[{MEANS[key] - 1:.1f}, {MEANS[key] + 1:.1f}]" if key in MEANS else ""
        assert row[place] == (text, mark)
    assert [row[place][0] for place in (4, 7, 10, 13)] == [*changes, "", ""]


def test_all_ones_is_the_best_control_only_where_it_is_no_triviality():
    cells = cells_of({("gam", 1): 9.0, ("all_ones", 0): 0.0, ("blank", 0): 99.0, ("random_7x7", 0): 8.0})
    found = [cells_in(comparison(cells, NOTHING, better))[0][1] for better in (-1, +1)]
    assert found == [("8.0\nrandom", "u"), ("99.0\nblank", "u")]
    assert cells_in(comparison(cells_of({("gam", 1): 9.0}), NOTHING, 1))[0][1] == ("", "")


def test_tables_fold_behind_their_summary():
    table = listing(pd.DataFrame([["b", "c"]], columns=["a", "d"]), "ADP & PIC")
    page = BeautifulSoup(folded("<raccoons>", [table, table]).data, "html.parser").find("details")
    assert page.find("summary").get_text() == "<raccoons>"
    assert [caption.get_text() for caption in page.find_all("caption")] == ["ADP & PIC"] * 2


def test_the_head_names_methods_and_controls_in_the_order_of_the_cells():
    above, below = cells_in(comparison(cells_of(MEANS), NOTHING, 1), "thead")
    heads = ["objects: data, network", "best control", *map(title_of, METHODS), "controls"]
    assert [text for text, _ in above] == heads
    assert [text for text, _ in below[2:]] == ["n = 1", "n = 2", "change"] * 4 + [title_of(name) for name in CONTROLS]
    assert list(PLACE)[8:] == [(name, 0) for name in CONTROLS]


def test_equal_bests_are_both_bold_and_a_gain_over_next_to_nothing_is_a_dash():
    (row,) = cells_in(comparison(cells_of({("gam", 1): 0.9, ("gam", 2): 7.0, ("grad_cam", 1): 7.0}), NOTHING, 1))
    assert [mark for _, mark in row] == ["", "", "", "b", "", "b", *[""] * 13]
    assert (row[4][0], row[7][0]) == ("–", "")


def test_lost_and_excluded_maps_are_counted():
    cells = cells_of({("gam", 1): 1.0, ("grad_cam_pp", 1): 2.0})
    cells[["nonfinite", "excluded", "maps"]] = [[0, 2, 22], [3, 5, 19]]
    (row,) = texts_in(comparison(cells, NOTHING, 1))
    assert row[PLACE["grad_cam_pp", 1]] == "2.0\n[1.0, 3.0]\n3 not finite"
    assert row[PLACE["gam", 1]] == "1.0\n[0.0, 2.0]"
    assert row[0] == "all: scenes, net\n22 maps, 5 excluded"


def test_strata_stand_in_order_and_names_are_escaped():
    cells = pd.concat([
        cells_of({("gam", 1): 1.0}, percentile=10), cells_of({("gam", 1): 2.0}, percentile=100),
        cells_of({("gam", 1): 3.0}, percentile=25, model="a <b> & c"), cells_of({("gam", 1): 4.0}, percentile=25),
    ])  # fmt: skip
    labels = [row[0].split("\n")[0] for row in texts_in(comparison(cells, NOTHING, 1))]
    assert labels == ["all: scenes, net", "25%: scenes, a <b> & c", "25%: scenes, net", "10%: scenes, net"]


def printed_rows():
    table = load_table(2)
    return table[
        (table["task"] == "Similarity (cos)") & (table["dataset"] == "VRC") & (table["area_percentile"] == 100)
    ]


def test_the_paper_s_numbers_stand_below_ours_and_say_what_was_not_run():
    # Table 2, cosine: GAM 57.4 and 58.2 on DenseNet; Grad-CAM 52.8, on ResNet 39.1
    cells = cells_of({("gam", 1): 50.0}, dataset="imagenet_val", model="resnet101")
    table = comparison(cells, printed_rows(), 1)
    by_label = {row[0]: row for row in texts_in(table)}
    labels = ["all: imagenet_val, resnet101\n24 maps", "all: paper, VRC, DenseNet\nnot run here",
              "all: paper, VRC, ResNet"]  # fmt: skip
    assert list(by_label) == labels
    dense = by_label[labels[1]]
    value = printed_rows().set_index(["model", "method", "n"])["value"]
    for (method, n), place in PLACE.items():
        assert dense[place] == (f"{value['DenseNet', method, n]:g}" if ("DenseNet", method, n) in value else "")
    one, two = value["DenseNet", "gam", 1], value["DenseNet", "gam", 2]
    assert (one, dense[PLACE["gam", 2] + 1]) == (57.4, f"{100 * (two / one - 1):+.1f}%")
    assert (dense[PLACE["grad_cam", 1]], by_label[labels[2]][PLACE["grad_cam", 1]]) == ("52.8", "39.1")
    assert BeautifulSoup(table.data, "html.parser").find("p").get_text() == (
        "Not run here: VRC needs the ImageNet validation images and boxes (imagenet_root); see Data and weights."
    )


def test_table_1_has_one_network():
    table = load_table(1)
    printed = table[
        (table["task"] == "Similarity (cos)") & (table["metric"] == "ADP") & (table["area_percentile"] == 100)
    ]
    labels = [row[0] for row in texts_in(comparison(cells_of(MEANS), printed, -1))]
    assert labels[1:] == ["all: paper, VRC, ResNet\nnot run here"]


def test_a_listing_has_every_value_and_the_first_column_as_labels():
    frame = pd.DataFrame([["cat & <dog>", "43.2"], ["b", "<1"], ["b", 2]], columns=["object", "IoU"])
    table = listing(frame)
    assert cells_in(table, "thead") == [[("object", ""), ("IoU", "")]]
    assert texts_in(table) == [["cat & <dog>", "43.2"], ["b", "<1"], ["b", "2"]]
    labels = BeautifulSoup(table.data, "html.parser").find("tbody").find_all("th")
    assert [label.get_text() for label in labels] == ["cat & <dog>", "b", "b"]


@pytest.mark.parametrize(
    ("better", "expected"),
    [
        # the Gaussian (60) beats two of them as well, but the best control is named
        (+1, [["gam", 1, 50, "constant_box", 61], ["gam", 2, 60, "constant_box", 61],
              ["grad_cam", 1, 55, "constant_box", 61], ["grad_cam", 2, 44, "constant_box", 61]]),
        (-1, [["gam", 1, 50, "blank", 0], ["gam", 2, 60, "blank", 0],
              ["grad_cam", 1, 55, "blank", 0], ["grad_cam", 2, 44, "blank", 0]]),
    ],
)  # fmt: skip
def test_controls_ahead(better, expected):
    found = controls_ahead(cells_of(MEANS), better)
    assert found[["method", "n", "mean", "control", "mean_control"]].to_numpy().tolist() == expected
    assert found.columns[:4].tolist() == ["dataset", "percentile", "model", "task"]


def test_a_control_is_ahead_only_where_it_is_better_in_the_same_test():
    cells = pd.concat([
        cells_of({("gam", 1): 50.0, ("gam_max", 2): 1.0, ("gam", 3): 1.0, ("random_7x7", 0): 50.0}),
        cells_of({("gam", 1): 50.0, ("random_7x7", 0): 51.0}, percentile=25),
    ])  # fmt: skip
    found = controls_ahead(cells, +1)
    assert found[["percentile", "method", "n", "control"]].to_numpy().tolist() == [[25, "gam", 1, "random_7x7"]]
    shown = of_table(cells)
    assert shown[["percentile", "method", "n"]].to_numpy().tolist() == [[100, "gam", 1], [25, "gam", 1]]
