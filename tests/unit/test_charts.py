"""Charts: what is drawn where, in which colour, and what the legend says."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from gamlib.controls import CONTROLS
from gamlib.methods import METHODS
from gamlib.plots import bars, color_of, intervals, lines, swarms
from gamlib.plots.figures import STYLE
from gamlib.plots.panels import DASHES, SPARE


def axes_of(picture):
    return picture.figure.axes[0]


def legend(picture):
    """Name -> colour of everything that the legend names."""
    (shown,) = picture.figure.legends
    keys = zip(shown.get_texts(), shown.legend_handles, strict=True)
    return {
        text.get_text(): to_hex(key.get_facecolor() if hasattr(key, "get_facecolor") else key.get_color())
        for text, key in keys
    }


def frame(**columns):
    return pd.DataFrame(columns)


def test_a_method_has_its_own_colour_and_a_control_is_grey():
    assert [color_of(name) for name in METHODS] == [method.color for method in METHODS.values()]
    for name in CONTROLS:
        red, green, blue = mpl.colors.to_rgb(color_of(name))
        assert red == green == blue
    assert len({color_of(name) for name in [*METHODS, *CONTROLS]}) == len(METHODS) + len(CONTROLS)
    with pytest.raises(
        ValueError, match="name: unknown 'gamm'; did you mean 'gam'\\? accepted: gam, grad_cam, .*, constant_box"
    ):
        color_of("gamm")


def test_what_is_no_method_gets_none_of_their_colours():
    assert not set(SPARE) & {color_of(name) for name in [*METHODS, *CONTROLS]}


def test_a_line_passes_through_its_values_in_their_order_and_breaks_where_one_is_not_finite():
    values = frame(x=[0, 3, 2, 1, 4], y=[1.0, 2.0, np.nan, 4.0, 5.0], curve=["measured"] * 5)
    picture = lines(values, "x", "y", "curve")
    drawn = [line.get_xydata().tolist() for line in axes_of(picture).lines if len(line.get_xdata())]
    assert drawn == [[[0, 1], [3, 2]], [[1, 4], [4, 5]]]
    assert list(legend(picture)) == ["measured"]


def test_a_value_that_is_not_finite_breaks_its_own_line_alone_and_any_column_keeps_its_name():
    values = frame(run=[0, 0, 1, 1, 2, 2], y=[0, 1, 1, np.nan, 2, 3], k=["gam", "grad_cam"] * 3)
    drawn = [
        line.get_xydata().tolist() for line in axes_of(lines(values, "run", "y", "k")).lines if len(line.get_xdata())
    ]
    assert drawn == [[[0, 0], [1, 1], [2, 2]], [[0, 1]], [[2, 3]]]


def test_points_of_a_line_s_own_name_are_no_second_series():
    values = frame(x=[0, 1] * 3, y=range(6), k=np.repeat(["gam", "grad_cam", "other"], 2))
    assert list(legend(lines(values, "x", "y", "k", points=values))) == ["GAM", "Grad-CAM", "other"]


def test_panels_of_many_columns_keep_to_their_rows():
    rows = [(x, 10 * r + c, "gam", f"row {r}", f"column {c}") for x in (0, 1) for r in (0, 1) for c in range(5)]
    values = pd.DataFrame(rows, columns=["x", "y", "k", "r", "c"])
    shown = [axes for axes in lines(values, "x", "y", "k", row="r", column="c").figure.axes if axes.get_visible()]
    named = [(axes.get_ylabel(), axes.get_title(), *axes.lines[0].get_ydata()) for axes in shown]
    assert named == [
        (f"row {r}" if c in (0, 3) else "", f"column {c}", 10 * r + c, 10 * r + c) for r in (0, 1) for c in range(5)
    ]


def test_a_series_has_its_methods_colour_and_title_in_every_kind_of_chart():
    means = frame(n=[1, 2, 1, 2], iou=[5.0, 6, 7, 8], method=["grad_cam"] * 2 + ["gam"] * 2)
    ends = means.assign(low=means["iou"] - 1, high=means["iou"] + 2)
    expected = {"Grad-CAM": METHODS["grad_cam"].color, "GAM": METHODS["gam"].color}
    for picture in (lines(means, "n", "iou", "method"), bars(means, "n", "iou", "method")):
        assert legend(picture) == expected
    assert legend(intervals(ends, "n", "iou", "method")) == expected
    assert legend(bars(means, "n", "iou", "method", titles={"gam": "GAM, mean"}))["GAM, mean"] == expected["GAM"]


def test_points_and_spans_are_named_beside_the_lines():
    line = frame(x=[1, 2], y=[0, 0], kind=["predicted"] * 2)
    points = frame(x=[1, 2], y=[3, 4], kind=["observed"] * 2)
    picture = lines(line, "x", "y", "kind", points=points, spans={"lost": (1.8, 2.0)})
    assert sorted(legend(picture)) == ["lost", "observed", "predicted"]
    assert axes_of(picture).collections[0].get_offsets().tolist() == [[1, 3], [2, 4]]
    assert axes_of(picture).patches[0].get_x() == 1.8


def test_points_stand_in_the_panel_that_they_belong_to():
    line = frame(x=[1, 2] * 2, y=[0, 1] * 2, kind=["predicted"] * 4, net=["one", "one", "two", "two"])
    points = frame(x=[1, 2, 2], y=[3, 4, 5], kind=["observed"] * 3, net=["one", "one", "two"])

    def drawn(points):
        panels = lines(line, "x", "y", "kind", points=points, column="net").figure.axes
        return [[offsets for dots in axes.collections for offsets in dots.get_offsets().tolist()] for axes in panels]

    assert drawn(points) == [[[1, 3], [2, 4]], [[2, 5]]]
    assert drawn(points[points["net"] == "one"]) == [[[1, 3], [2, 4]], []]
    assert drawn(points.drop(columns="net")) == [[[1, 3], [2, 4], [2, 5]]] * 2


def test_points_without_a_line_have_a_panel_of_their_own():
    line = frame(x=[1, 2], y=[0, 0], kind="predicted", where="left")
    points = frame(x=[1, 2], y=[3, 4], kind="observed", where="right")
    left, right = lines(line, "x", "y", "kind", points=points, column="where").figure.axes
    assert (left.get_title(), right.get_title()) == ("left", "right")
    assert not left.collections and right.collections[0].get_offsets().tolist() == [[1, 3], [2, 4]]


def test_values_can_be_set_on_a_logarithmic_scale():
    assert axes_of(lines(frame(x=[0, 1], y=[1e-6, 1], k=["a", "a"]), "x", "y", "k", log_y=True)).get_yscale() == "log"


def test_a_band_is_one_standard_deviation_about_the_mean():
    values = frame(x=[0, 0, 1, 1], y=[1.0, 3.0, 5.0, 5.0], k=["a"] * 4)
    axes = axes_of(lines(values, "x", "y", "k", band="sd"))
    assert axes.lines[0].get_ydata().tolist() == [2, 5]
    corners = axes.collections[0].get_paths()[0].vertices
    assert np.ptp(corners[corners[:, 0] == 0, 1]) == pytest.approx(2 * np.sqrt(2))


def test_each_panel_shows_its_own_rows_with_its_own_scale():
    values = frame(
        x=[0, 1] * 4, y=[0, 1, 0, 2, 0, 3, 0, 4], k=["a"] * 8, measure=["p", "p", "q", "q", "r", "r", "s", "s"]
    )
    axes = lines(values, "x", "y", "k", column="measure", share="none").figure.axes
    assert [one.get_title() for one in axes] == ["p", "q", "r", "s"]
    assert [one.lines[0].get_ydata()[1] for one in axes] == [1, 2, 3, 4]
    # four are two rows of two
    assert axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)
    assert axes[0].get_ylim()[1] < axes[3].get_ylim()[1]


def test_an_interval_reaches_from_its_low_to_its_high_end():
    means = frame(n=[1, 2], iou=[5.0, 7.0], low=[4.0, np.nan], high=[8.0, np.nan], method=["gam"] * 2)
    axes = axes_of(intervals(means, "n", "iou", "method"))
    joined, first, _ = axes.lines[:3]
    assert joined.get_ydata().tolist() == [5, 7]
    assert sorted(first.get_ydata().tolist()) == [4, 8]
    assert axes.get_ylim()[0] == 0


def test_rows_and_columns_of_intervals_name_their_axes():
    rows = [(n, 5, 4, 6, "gam", r, c) for n in (1, 2) for r in ("large", "small") for c in ("class", "dot")]
    means = pd.DataFrame(rows, columns=["n", "iou", "low", "high", "method", "size", "score"])
    axes = intervals(means, "n", "iou", "method", row="size", column="score").figure.axes
    assert [one.get_title() for one in axes] == ["class", "dot", "", ""]
    assert [one.get_ylabel() for one in axes] == ["large", "", "small", ""]


def test_bars_stand_at_their_groups_with_their_heights_and_values():
    values = frame(set=["one", "two"] * 2, IoU=[50.0, 60, 40, 20], method=["gam", "gam", "grad_cam", "grad_cam"])
    picture = bars(values, "set", "IoU", "method", level=("constant_box", 30.0), titles={"constant_box": "box: 30"})
    axes = axes_of(picture)
    drawn = [bar for bar in axes.patches if bar.get_height()]
    assert [bar.get_height() for bar in drawn] == [50, 60, 40, 20]
    centres = [bar.get_x() + bar.get_width() / 2 for bar in drawn]
    assert centres == pytest.approx([-0.21, 0.79, 0.21, 1.21])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert [text.get_text() for text in axes.texts] == ["50", "60", "40", "20"]
    assert legend(picture)["box: 30"] == color_of("constant_box")


def test_a_bars_value_stands_above_its_interval():
    values = frame(set=["one"], IoU=[50.0], low=[40.0], high=[70.0], method=["gam"])
    (text,) = axes_of(bars(values, "set", "IoU", "method")).texts
    assert (text.get_text(), text.xy[1]) == ("50", 70)


def test_a_bars_value_is_its_own_in_whatever_order_the_rows_are():
    values = frame(n=[2, 1, 1, 2], IoU=[60.0, 50, 80, np.nan], method=["gam", "gam", "grad_cam", "grad_cam"])
    axes = axes_of(bars(values, "n", "IoU", "method"))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "1"]
    written = [(text.get_text(), round(float(text.xy[0]), 2), text.xy[1]) for text in axes.texts]
    assert written == [("60", -0.21, 60), ("50", 0.79, 50), ("80", 1.21, 80)]


def test_swarms_of_panels_stand_at_the_names_of_their_series():
    series = ["gam", "grad_cam", "grad_cam", "gam"]
    values = frame(rank=[0.1, 0.8, 0.2, 0.9], map=series, net=["one", "one", "two", "two"])
    for axes in swarms(values, "rank", "map", column="net", share="none").figure.axes:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["GAM", "Grad-CAM"]
        at = {round(float(y)): round(float(x), 1) for points in axes.collections for x, y in points.get_offsets()}
        assert at == ({0: 0.1, 1: 0.8} if axes.get_title() == "one" else {0: 0.9, 1: 0.2})


def test_a_swarm_shows_all_values_and_their_mean():
    values = frame(rank=[0.1, 0.3, 0.8], map=["other", "other", "random_7x7"])
    axes = axes_of(swarms(values, "rank", "map", titles={"random_7x7": "random map"}))
    assert [points.get_offsets()[:, 0].tolist() for points in axes.collections] == [[0.1, 0.3], [0.8]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["other", "random map"]
    means = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    assert [float(x[np.isfinite(x)][0]) for x in means] == [0.2, 0.8]


def test_more_series_than_can_be_told_apart_are_refused():
    count = len(DASHES) + 1
    with pytest.raises(ValueError, match=f"hue: got {count} series; at most {count - 1} can be told apart"):
        lines(frame(x=[0] * count, y=[0] * count, k=[str(i) for i in range(count)]), "x", "y", "k")


def test_drawing_changes_no_setting_and_leaves_no_figure_open():
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    bars(frame(x=["a"], y=[1.0], k=["gam"]), "x", "y", "k")._repr_mimebundle_()
    assert dict(mpl.rcParams) == before and plt.get_fignums() == []
    assert Figure().dpi != STYLE["figure.dpi"]


def test_the_package_and_its_command_line_load_no_seaborn():
    code = "import sys, gamlib, gambook.publish.cli; print('seaborn' in sys.modules, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("share", ["all", "row", "none"])
def test_panels_begin_at_zero_and_hold_the_highest_interval_of_any_row(share):
    means = frame(n=[1, 2, 1, 2], iou=[5.0, 6, 50, 80], row=["a", "a", "b", "b"], method="gam")
    ends = means.assign(low=means["iou"] - 4, high=means["iou"] + 10)
    above, below = intervals(ends, "n", "iou", "method", row="row", share=share).figure.axes
    assert above.get_ylim()[0] == below.get_ylim()[0] == 0
    assert below.get_ylim()[1] > 90
    assert above.get_ylim()[1] > (90 if share == "all" else 16)


def test_intervals_below_zero_are_shown():
    means = frame(n=[1, 2], gain=[-5.0, 2], low=[-7.0, 1], high=[-3.0, 3], method="gam")
    assert axes_of(intervals(means, "n", "gain", "method")).get_ylim()[0] < -7
