"""Tables in the shape of the paper's, cell by cell."""

import re

import pandas as pd
import pytest
from gambook.claims.notes import controls_ahead, of_table
from gambook.claims.paper import load_table
from gambook.claims.tables import Table, comparison, folded, listing

from gamlib.controls import CONTROLS
from gamlib.plots import title_of

NOTHING = load_table(2).iloc[:0]
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


def lines(table: Table) -> list[list[str]]:
    """The HTML of each cell, row by row, without the two rows of the head."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.html)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows[2:]]


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
        (+1, [("gam", 2)], [("constant_box", 0)], ["+20.0%", "-20.0%"], "<u>61.0</u><small>constant box</small>"),
        (-1, [("grad_cam", 2)], [("blank", 0)], ["-20.0%", "+20.0%"], "<u>0.0</u><small>blank</small>"),
    ],
)
def test_means_marks_and_changes(better, bold, underlined, changes, blind):
    (row,) = lines(comparison(cells_of(MEANS), NOTHING, better))
    assert len(row) == 2 + 3 * 4 + len(CONTROLS)
    assert row[1] == blind
    assert row[0] == "all: scenes, net<small>24 maps</small>"
    for key, place in PLACE.items():
        if key not in MEANS:
            assert row[place] == ""
            continue
        mark = "b" if key in bold else "u" if key in underlined else ""
        mean = f"<{mark}>{MEANS[key]:.1f}</{mark}>" if mark else f"{MEANS[key]:.1f}"
        assert row[place] == f"{mean}<small>[{MEANS[key] - 1:.1f}, {MEANS[key] + 1:.1f}]</small>"
    assert [row[4], row[7], row[10], row[13]] == [*changes, "", ""]


def test_all_ones_is_the_best_control_only_where_it_is_no_triviality():
    cells = cells_of({("gam", 1): 9.0, ("all_ones", 0): 0.0, ("blank", 0): 99.0, ("random_7x7", 0): 8.0})
    assert [lines(comparison(cells, NOTHING, better))[0][1] for better in (-1, +1)] == [
        "<u>8.0</u><small>random</small>", "<u>99.0</u><small>blank</small>",
    ]  # fmt: skip
    assert lines(comparison(cells_of({("gam", 1): 9.0}), NOTHING, 1))[0][1] == ""


def test_tables_fold_behind_their_summary():
    table = folded("<raccoons>", [("ADP & PIC", listing(["a"], [["b"]]))])
    head = "<details><summary>&lt;raccoons&gt;</summary><p><strong>ADP &amp; PIC</strong></p><table>"
    assert table.html.startswith(head)


def test_the_head_names_methods_and_controls_in_the_order_of_the_cells():
    head = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", comparison(cells_of(MEANS), NOTHING, 1).html.split("<tbody>")[0])
    methods = ["gam", "grad_cam", "grad_cam_pp", "grad_cam_pp_stable"]
    depths = ["n = 1", "n = 2", "change"] * 4
    names = [title_of(name) for name in (*methods, *CONTROLS)]
    assert head == ["objects: data, network", "best<br>control", *names[:4], "controls", *depths, *names[4:]]
    assert list(PLACE)[8:] == [(name, 0) for name in CONTROLS]


def test_equal_bests_are_both_bold_and_a_gain_over_next_to_nothing_is_a_dash():
    (row,) = lines(comparison(cells_of({("gam", 1): 0.9, ("gam", 2): 7.0, ("grad_cam", 1): 7.0}), NOTHING, 1))
    assert row[3].startswith("<b>7.0</b>") and row[5].startswith("<b>7.0</b>") and row[2].startswith("0.9")
    assert (row[4], row[7]) == ("–", "")


def test_a_line_begins_the_best_control_each_method_and_the_controls():
    body = comparison(cells_of(MEANS), NOTHING, 1).html.split("<tbody>")[1]
    assert [i for i, flag in enumerate(re.findall(r"<td( class=start)?>", body)) if flag] == [0, 1, 4, 7, 10, 13]


def test_lost_and_excluded_maps_are_counted():
    cells = cells_of({("gam", 1): 1.0, ("grad_cam_pp", 1): 2.0})
    cells[["nonfinite", "excluded", "maps"]] = [[0, 2, 22], [3, 5, 19]]
    (row,) = lines(comparison(cells, NOTHING, 1))
    assert row[PLACE["grad_cam_pp", 1]].endswith("<small>3 not finite</small>")
    assert "not finite" not in row[PLACE["gam", 1]]
    assert row[0] == "all: scenes, net<small>22 maps, 5 excluded</small>"


def test_strata_stand_in_order_and_each_begins_with_a_rule():
    cells = pd.concat([
        cells_of({("gam", 1): 1.0}, percentile=10), cells_of({("gam", 1): 2.0}, percentile=100),
        cells_of({("gam", 1): 3.0}, percentile=25, model="a <b> & c"), cells_of({("gam", 1): 4.0}, percentile=25),
    ])  # fmt: skip
    table = comparison(cells, NOTHING, 1)
    assert [row[0].split("<small>")[0] for row in lines(table)] == [
        "all: scenes, net", "25%: scenes, a &lt;b&gt; &amp; c", "25%: scenes, net", "10%: scenes, net",
    ]  # fmt: skip
    first = [bool(flag) for flag in re.findall(r"<tr( data-first)?[^>]*><th>", table.html)]
    assert first == [True, True, False, True]


def printed_rows():
    table = load_table(2)
    return table[
        (table["task"] == "Similarity (cos)") & (table["dataset"] == "VRC") & (table["area_percentile"] == 100)
    ]


def test_the_paper_s_numbers_stand_below_ours_and_say_what_was_not_run():
    # Table 2, cosine: GAM 57.4 and 58.2 on DenseNet; Grad-CAM 52.8, on ResNet 39.1
    cells = cells_of({("gam", 1): 50.0}, dataset="imagenet_val", model="resnet101")
    rows = lines(comparison(cells, printed_rows(), 1))
    by_label = {row[0].split("<small>")[0]: row for row in rows}
    assert list(by_label) == [
        "all: imagenet_val, resnet101", "all: paper, VRC, DenseNet", "all: here, VRC, DenseNet",
        "all: paper, VRC, ResNet",
    ]  # fmt: skip
    dense = by_label["all: paper, VRC, DenseNet"]
    value = printed_rows().set_index(["model", "method", "n"])["value"]
    for (method, n), place in PLACE.items():
        assert dense[place] == (f"{value['DenseNet', method, n]:g}" if ("DenseNet", method, n) in value else "")
    one, two = value["DenseNet", "gam", 1], value["DenseNet", "gam", 2]
    assert (one, dense[PLACE["gam", 2] + 1]) == (57.4, f"{100 * (two / one - 1):+.1f}%")
    assert (dense[PLACE["grad_cam", 1]], by_label["all: paper, VRC, ResNet"][PLACE["grad_cam", 1]]) == ("52.8", "39.1")
    assert by_label["all: here, VRC, DenseNet"][1] == (
        "<span>not run: needs the ImageNet validation images and boxes (imagenet_root); see Data and weights</span>"
    )


def test_table_1_has_one_network():
    table = load_table(1)
    printed = table[
        (table["task"] == "Similarity (cos)") & (table["metric"] == "ADP") & (table["area_percentile"] == 100)
    ]
    labels = [row[0] for row in lines(comparison(cells_of(MEANS), printed, -1))]
    assert labels[1:3] == ["all: paper, VRC, ResNet", "all: here, VRC, ResNet"]


def test_a_table_shows_itself():
    table = listing(["object", "IoU"], [["cat & <dog>", "43.2"], ["b", "<1"]])
    assert table.html == (
        "<table><thead><tr><th>object</th><th>IoU</th></tr></thead><tbody><tr><th>cat &amp; &lt;dog&gt;</th>"
        "<td>43.2</td></tr><tr><th>b</th><td>&lt;1</td></tr></tbody></table>"
    )
    assert table._repr_html_().endswith(f'<div class="gam-table" tabindex="0">{table.html}</div>')
    assert repr(table) == "Table(3 lines)"


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
