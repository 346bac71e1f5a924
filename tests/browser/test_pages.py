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
    assert page.locator("mjx-container[tabindex='0']").count() == 0, "the tab key stops at each formula"
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


def says(explorer, pattern: str) -> bool:
    """Whether one paragraph that is seen begins or continues so."""
    return explorer.locator("p:visible").filter(has_text=re.compile(pattern)).count() == 1


def test_a_button_and_a_slider_change_the_picture_of_an_explorer(visit):
    visited = visit("notebooks/13_explorers")
    explorer = visited.page.locator(".gam-explorer").first
    images = explorer.locator("img:visible")
    above, below = (images.nth(i).get_attribute for i in range(2))
    at_first = above("src"), below("src")
    assert says(explorer, "^GAM, n = 1 .*; cosine ")

    explorer.get_by_role("radio", name="Grad-CAM", exact=True).check()
    assert says(explorer, "^Grad-CAM, n = 1 .*; cosine ")
    by_button = below("src")
    assert by_button != at_first[1]

    explorer.get_by_role("slider", name="Layers n").press("ArrowRight")
    assert says(explorer, "^Grad-CAM, n = 2 .*; cosine ")
    assert explorer.get_by_role("slider").get_attribute("aria-valuetext") == "2"
    by_slider = below("src")
    assert by_slider not in (at_first[1], by_button)

    explorer.get_by_role("radio", name="dot product").check()
    assert says(explorer, "^Grad-CAM, n = 2 .*; dot product ")

    # what was chosen stays when another control moves, and another pair brings its own photographs
    explorer.get_by_role("radio", name="two jeeps").check()
    assert says(explorer, "^Grad-CAM, n = 2 .*; dot product ")
    assert above("src") != at_first[0]
    assert images.count() == 2
    assert visited.complaints == []


def test_the_first_page_has_an_explorer(visit):
    explorer = visit("book/intro").page.locator(".gam-explorer")
    explorer.get_by_role("radio", name="dot product").check()
    assert says(explorer, "^GAM, n = 1 .*; dot product ")


def test_without_scripts_an_explorer_shows_its_first_choice_and_says_so(chromium, html):
    page = chromium.new_page(java_script_enabled=False, offline=True)
    page.goto((html / "notebooks/13_explorers.html").as_uri())
    explorer = page.locator(".gam-explorer").first
    assert explorer.locator("img:visible").count() == 2
    assert says(explorer, "The controls need scripts, which are switched off")
    page.close()


def test_the_score_of_the_exponent_explorer_loses_the_map(visit):
    explorer = visit("notebooks/13_explorers").page.locator(".gam-explorer").last
    slider = explorer.get_by_role("slider")
    slider.press("End")
    assert says(explorer, "not finite: the map is lost")
    lost = explorer.locator("img:visible").first.get_attribute("src")
    slider.press("Home")
    assert says(explorer, "s = -110: finite")
    assert explorer.locator("img:visible").first.get_attribute("src") != lost
    assert explorer.locator("img:visible").count() == 1


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
