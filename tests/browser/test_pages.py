"""Every page of the book as a reader's browser shows it, without a network."""

import base64
import re
from pathlib import Path

import pytest
from gambook.publish.project import Project

PAGES = Project(Path(__file__).resolve().parents[2]).pages()
EXERCISES = [page for page in PAGES if page.startswith("notebooks/exercises/")]
HEAVIEST = 1_500_000  # bytes of a page's own images


@pytest.mark.parametrize("name", PAGES)
def test_page(visit, html, name):
    visited = visit(name)
    page = visited.page
    assert visited.complaints == []
    assert page.locator("mjx-merror").count() == 0, "a formula is not right"
    without = page.locator(".bd-article img:not([alt]), .bd-article img[alt='']")
    assert without.evaluate_all("images => images.map(image => image.src.slice(0, 200))") == [], "no alternative text"
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, "the page scrolls sideways"
    assert image_bytes(html / f"{name}.html") <= HEAVIEST


def image_bytes(page: Path) -> int:
    """Size of the pictures of a page: those beside it and those inside of it, explorers included."""
    text = page.read_text()
    beside = {(page.parent / source).resolve() for source in re.findall(r'<img[^>]* src="([^":]*)"', text)}
    inside = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", text)
    return sum(path.stat().st_size for path in beside) + sum(len(base64.b64decode(data)) for data in inside)


def test_formulas_are_drawn(visit):
    page = visit("book/method").page
    assert page.locator("mjx-container svg").count() > 5
    assert page.locator("mjx-container svg").first.bounding_box()["width"] > 0


def test_a_button_and_a_slider_change_the_picture_of_an_explorer(visit):
    visited = visit("notebooks/13_explorers")
    explorer = visited.page.locator(".widget-vbox").first
    picture = explorer.locator("img:visible")
    picture.wait_for()
    at_first = picture.get_attribute("src"), explorer.inner_text()

    explorer.get_by_role("button", name="Grad-CAM", exact=True).click()
    explorer.get_by_text("Grad-CAM, n = 1:").wait_for()
    by_button = picture.get_attribute("src")
    assert by_button != at_first[0]

    explorer.get_by_role("slider").press("ArrowRight")
    explorer.get_by_text("Grad-CAM, n = 2:").wait_for()
    by_slider = picture.get_attribute("src")
    assert by_slider not in (at_first[0], by_button)

    # the depth stays when the method changes back
    explorer.get_by_role("button", name="GAM", exact=True).click()
    explorer.get_by_text(re.compile("^GAM, n = 2:")).wait_for()
    assert visited.complaints == []


def test_the_score_of_the_exponent_explorer_loses_the_map(visit):
    explorer = visit("notebooks/13_explorers").page.locator(".widget-vbox").last
    slider = explorer.get_by_role("slider")
    slider.press("End")
    explorer.get_by_text("not finite: the map is lost").wait_for()
    lost = explorer.locator("img:visible").first.get_attribute("src")
    slider.press("Home")
    explorer.get_by_text("s = -110: finite").wait_for()
    assert explorer.locator("img:visible").first.get_attribute("src") != lost
    assert explorer.locator("img:visible").count() == 2


def test_search_finds_negative_gradients(visit):
    page = visit("search").page
    page.goto(f"{page.url}?q=negative+gradients")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    addresses = found.evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert any("notebooks/02_negative_gradients.html" in address for address in addresses)


@pytest.mark.skipif(not EXERCISES, reason="the book has no exercises")
def test_a_solution_opens(visit):
    page = visit(EXERCISES[0]).page
    solution = page.locator(".solution.dropdown, .solution details").first
    content = solution.locator("p, pre").last
    assert not content.is_visible()
    solution.locator("button, summary").first.click()
    content.wait_for(state="visible")
