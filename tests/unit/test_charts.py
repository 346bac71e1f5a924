"""Charts: what is drawn where."""

import math

import pytest

from gamlib.plots import Series, bars, chart


def axes_of(picture):
    return picture.figure.axes[0]


def names(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_line_passes_through_its_values_and_gaps_where_one_is_not_finite():
    axes = axes_of(chart([Series([0, 1, 2], [1.0, math.nan, 4.0], "measured")], "x", "y"))
    (line,) = axes.lines
    assert list(line.get_xdata()) == [0, 1, 2]
    assert line.get_ydata()[0] == 1.0 and math.isnan(line.get_ydata()[1]) and line.get_ydata()[2] == 4.0
    assert names(axes) == ["measured"]


def test_points_verticals_spans_and_the_diagonal_are_named_in_the_legend():
    axes = axes_of(
        chart(
            [Series([1, 2], [3, 4], "points", "points")],
            "x",
            "y",
            verticals={"edge": 1.5},
            spans={"lost": (1.8, 2.0)},
            diagonal="y = x",
        )
    )
    assert sorted(names(axes)) == ["edge", "lost", "points", "y = x"]
    assert axes.collections[0].get_offsets().tolist() == [[1, 3], [2, 4]]
    assert list(axes.lines[0].get_xdata()) == [1.5, 1.5]


def test_a_chart_without_names_has_no_legend():
    assert axes_of(chart([Series([0, 1], [1, 1])], "x", "y")).get_legend() is None


def test_values_can_be_set_on_a_logarithmic_scale():
    assert axes_of(chart([Series([0, 1], [1e-6, 1])], "x", "y", log_y=True)).get_yscale() == "log"


def test_bars_stand_at_their_groups_with_their_heights():
    axes = axes_of(bars(["one", "two"], {"a": [50.0, 60.0], "b": [40.0, 20.0]}, "IoU", level=("constant", 30.0)))
    assert [bar.get_height() for bar in axes.patches] == [50, 60, 40, 20]
    centres = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
    assert centres == pytest.approx([-0.21, 0.79, 0.21, 1.21])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert axes.lines[0].get_ydata()[0] == 30.0
