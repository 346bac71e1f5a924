"""The figure style: what is drawn where, and on which scale."""

import base64
import io
import math
import re

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from gamlib.plots.colors import ALPHA, COLORS, overlay
from gamlib.plots.figures import FOUND_BOX, TRUE_BOX, Picture, new_figure
from gamlib.plots.grids import Panel, grid


def first_field(picture: Picture):
    return picture.figure.axes[0]


def test_a_map_is_drawn_on_the_fixed_scale_and_not_on_its_own():
    shown = first_field(grid([[Panel(saliency=torch.full((2, 2), 0.5))]])).images[0].get_array()
    expected = (1 - ALPHA) * 0.6 + ALPHA * np.array(colormaps[COLORS](0.5)[:3])
    np.testing.assert_allclose(shown[0, 0], expected, atol=1e-6)


def test_a_map_lies_over_the_grey_of_its_photograph():
    red = torch.zeros(3, 4, 4)
    red[0] = 1.0
    shown = first_field(grid([[Panel(red, torch.zeros(4, 4))]])).images[0].get_array()
    # luminance of pure red is 0.2126; inferno at 0 is nearly black
    expected = (1 - ALPHA) * 0.2126 + ALPHA * np.array(colormaps[COLORS](0.0)[:3])
    np.testing.assert_allclose(shown[1, 1], expected, atol=1e-6)


def test_a_photograph_without_map_keeps_its_colours_and_needs_no_colour_bar():
    picture = grid([[Panel(Image.new("RGB", (4, 4), (255, 0, 51)))]])
    np.testing.assert_allclose(first_field(picture).images[0].get_array()[0, 0], [1, 0, 0.2])
    assert len(picture.figure.axes) == 1


def test_all_maps_share_one_colour_bar_from_0_to_1():
    one = torch.rand(3, 3)
    picture = grid([[Panel(saliency=one), Panel(saliency=one)], [Panel(saliency=one), None]])
    assert len(picture.figure.axes) == 5
    assert picture.figure.axes[-1].get_ylim() == (0, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_map_that_is_not_finite_says_so(value):
    broken = torch.ones(3, 3)
    broken[0, 0] = value
    field = first_field(grid([[Panel(saliency=broken)]]))
    assert [text.get_text() for text in field.texts] == ["not finite"]
    assert field.images == () or len(field.images) == 0


@pytest.mark.parametrize("image", [None, Image.new("RGB", (4, 4))])
def test_an_empty_map_says_so(image):
    field = first_field(grid([[Panel(image, torch.zeros(3, 3))]]))
    assert [text.get_text() for text in field.texts] == ["empty:\nnothing positive"]
    assert not first_field(grid([[Panel(image, torch.eye(3))]])).texts


def test_a_map_that_is_not_finite_has_no_overlay():
    with pytest.raises(ValueError, match="saliency: the map is not finite and has no colours; keep its numbers"):
        overlay(Image.new("RGB", (4, 4)), torch.full((3, 3), math.nan))


def test_six_channels_are_no_picture():
    with pytest.raises(ValueError, match=r"image: expected \(3, H, W\) or \(1, H, W\), got \(6, 4, 4\); choose the"):
        grid([[Panel(torch.zeros(6, 4, 4))]])


def test_boxes_are_half_open_and_lie_on_pixel_borders():
    field = first_field(grid([[Panel(torch.zeros(3, 8, 8), truths=[(2, 1, 5, 7)])]]))
    (box,) = field.patches
    # pixel centres are whole numbers, so pixel 2 begins at 1.5
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (1.5, 0.5, 3, 6)


def test_a_box_has_the_colour_of_its_role_however_many_there_are():
    first, second, found = (0, 0, 2, 2), (4, 4, 6, 6), (1, 1, 5, 5)
    panels = [
        Panel(torch.zeros(3, 8, 8), truths=[first, second], found=found),
        Panel(torch.zeros(3, 8, 8), found=found),
    ]
    fields = grid([panels]).figure.axes
    drawn = [
        [(box.get_x() + 0.5, to_hex(box.get_edgecolor()), box.get_linestyle()) for box in field.patches]
        for field in fields
    ]
    assert drawn == [
        [(0, TRUE_BOX, "-"), (4, TRUE_BOX, "--"), (1, FOUND_BOX, "-")],
        [(1, FOUND_BOX, "-")],
    ]


# light as received -> light as seen without one kind of cones (Machado et al. 2009, severity 1)
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLIND)
def test_true_and_found_boxes_differ_for_colour_blind_readers(kind):
    light = np.array([to_rgb(TRUE_BOX), to_rgb(FOUND_BOX)]) ** 2.2
    true, found = (light @ np.array(BLIND[kind]).T).clip(0, 1) ** (1 / 2.2)
    # an eighth of the way from black to white is seen at once
    assert np.linalg.norm(true - found) > np.sqrt(3) / 8


def test_headings_stand_above_titles():
    picture = grid([[Panel(torch.zeros(3, 2, 2), title="cat")]], rows=["row"], columns=["image"])
    assert first_field(picture).get_title() == "image\ncat"
    assert first_field(picture).get_ylabel() == "row"


def test_photographs_are_shown_as_jpeg_and_charts_as_png():
    photographs = grid([[Panel(torch.rand(3, 8, 8))]])._repr_mimebundle_()
    chart = Picture(new_figure(1.0))._repr_mimebundle_()
    assert set(photographs) == {"image/jpeg", "text/plain"}
    assert set(chart) == {"image/png", "text/plain"}


def test_a_picture_in_a_page_needs_no_file_and_has_its_text():
    image = BeautifulSoup(grid([[Panel(torch.rand(3, 8, 8))]]).html('a "cat"'), "html.parser").img
    kind, data = image["src"].split(";base64,")
    assert (kind, image["alt"]) == ("data:image/jpeg", 'a "cat"')
    assert Image.open(io.BytesIO(base64.b64decode(data))).format == "JPEG"


def test_a_picture_is_saved_in_the_format_of_its_suffix(tmp_path):
    picture = grid([[Panel(torch.rand(3, 8, 8))]])
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "a.jpg")
    kinds = [Image.open(io.BytesIO((tmp_path / name).read_bytes())).format for name in ("a.png", "a.jpg")]
    assert kinds == ["PNG", "JPEG"]
    with pytest.raises(ValueError, match=r"accepted suffixes: \.png, \.jpg"):
        picture.save(tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("panels", "labels", "message"),
    [
        ([], {}, "panels: got none"),
        ([[Panel(), Panel()]], {"columns": ["a"]}, "columns: got 1 labels for 2 columns"),
        ([[Panel()], [Panel()]], {"rows": ["a"]}, "rows: got 1 labels for 2 rows"),
    ],
)
def test_labels_that_do_not_fit_are_refused(panels, labels, message):
    with pytest.raises(ValueError, match=message):
        grid(panels, **labels)


def test_a_long_note_is_wrapped_and_makes_room_for_itself():
    short, long = (new_figure(1.0, 4.0, note=note) for note in ("a network", "word " * 20))
    assert long.get_size_inches()[1] - short.get_size_inches()[1] == pytest.approx(0.18)
    assert long.texts[0].get_text().count("\n") == 1


def test_a_panel_without_anything_is_an_empty_field():
    assert not first_field(grid([[Panel()]])).images


def test_outlines_of_masks_follow_their_borders():
    mask = np.zeros((8, 8), bool)
    mask[2:5, 0:4] = True  # it touches the border of the image, and its outline is closed there
    (field,) = grid([[Panel(torch.zeros(3, 8, 8), true_mask=mask, found_mask=~mask)]]).figure.axes
    outlines = field.collections
    assert [to_hex(each.get_edgecolor()) for each in outlines] == [TRUE_BOX, FOUND_BOX]
    (path,) = outlines[0].get_paths()
    assert path.vertices.min(axis=0).tolist() == [-0.5, 1.5] and path.vertices.max(axis=0).tolist() == [3.5, 4.5]
    assert np.array_equal(path.vertices[0], path.vertices[-1])


@pytest.mark.parametrize("across", range(1, 7))
def test_titles_of_two_lines_keep_clear_of_the_row_above(across):
    row = [Panel(saliency=torch.rand(3, 3), title="one\nand two")] * across
    figure = grid([row, [Panel(saliency=torch.rand(3, 3), title="one"), *row[1:-1], row[0]][:across]], note="a").figure
    FigureCanvasAgg(figure).draw()
    above, below = figure.axes[:across], figure.axes[across : 2 * across]
    for upper, lower in zip(above, below, strict=True):
        assert lower.title.get_window_extent().y1 <= upper.get_window_extent().y0


@pytest.mark.parametrize("given, name", [(torch.zeros(1, 7, 7), "a tensor (1, 7, 7)"), (np.zeros((7, 7)), "a ndarray")])
def test_what_is_not_one_map_is_refused_by_name(given, name):
    message = re.escape(f"saliency: got {name}; give one map as a tensor (h, w), such as maps[0] of a batch")
    with pytest.raises(ValueError, match=message):
        Panel(torch.zeros(3, 7, 7), given)
    with pytest.raises(ValueError, match=message):
        overlay(None, given)
