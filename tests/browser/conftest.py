"""The book in a browser without a network, at the width of a desktop and of a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# in a container chromium has neither a sandbox nor a graphics card; the rest keeps it from calling home
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}

# formulas are drawn after a page has loaded
DRAWN = "() => !window.MathJax || (MathJax.startup && MathJax.startup.promise)"
FORMULAS = "() => window.MathJax ? MathJax.startup.promise.then(() => true) : true"


@dataclass
class Visit:
    """A page of the book in the browser, and what went wrong on it since it was opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"not loaded: {request.url}"))
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _request(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"network: {request.url}")


# of the module and not of the session: while the browser is open, no other test could start an event loop
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} does not exist; install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html(chromium: Browser, request: pytest.FixtureRequest) -> Path:
    """Folder of the built pages."""
    return request.getfixturevalue("book").html


@pytest.fixture(scope="module", params=WIDTHS)
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, height = WIDTHS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, offline=True)
    yield context
    context.close()


@pytest.fixture(scope="module")
def open_page(context: BrowserContext, html: Path) -> Callable[..., Visit]:
    """open_page("notebooks/13_explorers"): that page, drawn to the end.

    address: what follows its name, such as "#n=2". before: JavaScript that runs before its own. listen: called with the
    address of each thing that the page asks for.
    """

    def opened(name: str, address: str = "", before: str = "", listen: Callable[[str], object] | None = None) -> Visit:
        visited = Visit(context.new_page())
        visited.listen()
        if before:
            visited.page.add_init_script(before)
        if listen:
            visited.page.on("request", lambda request: listen(request.url))
        visited.page.goto((html / f"{name}.html").as_uri() + address)
        visited.page.wait_for_function(DRAWN, timeout=20_000)
        visited.page.evaluate(FORMULAS)
        return visited

    return opened


@pytest.fixture
def visit(open_page: Callable[..., Visit]) -> Iterator[Callable[..., Visit]]:
    """As `open_page`; the page is closed at the end of the test."""
    visits = []

    def visit_page(*name: str, **options: object) -> Visit:
        visits.append(open_page(*name, **options))
        return visits[-1]

    yield visit_page
    for visited in visits:
        visited.page.close()
