"""What a reader meets who hears the page, uses it in the dark or prints it: axe without serious findings."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from gambook.publish.project import Project

PAGES = Project(Path(__file__).resolve().parents[2]).pages()
# SHA-512 of the package, as npm states it
AXE = "ilYanEU8vxxBexpJd8cWM4ElSQq4QctCLKih0TSfjIfCQTeyH/6zVrmIJfLPrKTKJRbiG+cfnZbQIjAlJmF1jQ=="
# all blocks of code look alike, and so do all signatures: two of them stand for the rest, which takes half of the time
SERIOUS = """async (rules) => {
    const alike = [...document.querySelectorAll('.highlight, dt.sig')].slice(2);
    const found = await axe.run({exclude: alike}, {resultTypes: ['violations'], ...rules});
    return found.violations.filter((rule) => ['serious', 'critical'].includes(rule.impact)).flatMap(
        (rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}: ${node.html.slice(0, 160)}`));
}"""
PAPER = 680  # pixels that A4 leaves between its margins
WIDE = """() => [...document.querySelectorAll('.bd-article :is(table, pre, img)')].filter((one) => {
    const article = one.closest('.bd-article'), own = one.getBoundingClientRect();
    const right = article.getBoundingClientRect().right - parseFloat(getComputedStyle(article).paddingRight);
    return own.width > 0 && (own.right > right + 2 || one.scrollWidth > one.clientWidth + 2);
}).map((one) => `${one.tagName} ${one.innerText?.slice(0, 80)}`)"""

desktop = pytest.mark.parametrize("context", ["desktop"], indirect=True)


@pytest.fixture(scope="module")
def axe(html, tmp_path_factory) -> str:
    if shutil.which("npm") is None:
        pytest.skip("no axe: it comes from npm, which is not installed")
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(["npm", "pack", "axe-core@4.11.0"], cwd=folder, capture_output=True, check=True)
    (archive,) = folder.glob("*.tgz")
    assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == AXE
    with tarfile.open(archive) as packed:
        return packed.extractfile("package/axe.min.js").read().decode()


@pytest.fixture(scope="module", params=PAGES)
def page(open_page, request):
    """Each page of the book, opened once for all tests that look at it."""
    page = open_page(request.param).page
    yield page
    page.close()


@desktop
def test_axe_has_nothing_serious_to_say_in_either_mode(page, axe):
    page.evaluate(axe)
    # colours are what they become, not what they pass through
    page.add_style_tag(content="* {transition: none !important}")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.evaluate(SERIOUS, {}) == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(SERIOUS, {"runOnly": ["color-contrast"]}) == []


@desktop
def test_axe_has_nothing_serious_to_say_of_maps_computed_in_the_page(visit, axe):
    page = visit("book/live").page
    page.get_by_role("button", name="Load the network").click()
    page.locator(".gam-live.ready").wait_for(timeout=60_000)
    page.get_by_role("button", name="cat as photograph A").click()
    page.get_by_text("Computed here").wait_for(timeout=60_000)
    page.evaluate(axe)
    assert page.evaluate(SERIOUS, {}) == []


@desktop
def test_nothing_is_wider_than_the_column_on_the_screen_or_on_paper(page):
    # what is folded has a width, too
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate(WIDE) == []
    page.set_viewport_size({"width": PAPER, "height": 900})
    page.emulate_media(media="print")
    assert page.evaluate(WIDE) == []


@desktop
def test_answers_are_unfolded_on_paper_and_folded_again(visit):
    page = visit("notebooks/02_negative_gradients").page
    closed = "document.querySelectorAll('details:not([open], .hide)').length"
    before = page.evaluate(closed)
    assert before > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(closed) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) == before
