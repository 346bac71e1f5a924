"""The built book: every page there, with its figures, and nothing red on it."""

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from gambook.exercises.editions import exercise_names, read_notebook, student_edition
from gambook.publish.project import Project

LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}


class Loads(HTMLParser):
    """Addresses that a browser loads to show a page (links to follow are not among them)."""

    def __init__(self, page: str):
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        address = dict(attrs).get(LOADED.get(tag, ""))
        if address and dict(attrs).get("rel") not in ("next", "prev", "index", "search", "canonical"):
            self.addresses.append(address)


@pytest.fixture(scope="session")
def project(root):
    return Project(root)


@pytest.fixture(scope="session")
def pages(book, project):
    """Page name -> its HTML."""
    return {name: (book.html / f"{name}.html").read_text() for name in project.pages()}


def test_the_last_line_is_the_first_page(built):
    book, printed = built
    assert printed.splitlines()[-1] == str(book.html / "index.html")
    assert (book.html / "index.html").is_file()


def test_every_notebook_and_page_is_in_the_book(project):
    assert sorted(project.book_notebooks()) == project.names()
    written = {path.relative_to(project.root).with_suffix("").as_posix() for path in project.root.glob("book/*.md")}
    assert written - {"book/slides"} <= set(project.pages())


def test_no_error_output_and_no_text_on_standard_error(project):
    for name in project.book_notebooks():
        notebook = json.loads(project.executed("embedded", name).read_text())
        outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
        red = [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
        assert red == [], name


def test_no_output_is_a_wall_of_text(project):
    # such as a network that stands as the last expression of a cell
    for name in project.book_notebooks():
        notebook = json.loads(project.executed("embedded", name).read_text())
        shown = [cell for cell in notebook["cells"] if "remove-output" not in cell["metadata"].get("tags", [])]
        outputs = [output for cell in shown for output in cell.get("outputs", [])]
        plain = [o for o in outputs if o["output_type"] == "stream" or set(o.get("data", [])) == {"text/plain"}]
        long = [o for o in plain if "".join(o.get("text") or o["data"]["text/plain"]).count("\n") > 30]
        assert long == [], name


def test_no_traceback_on_a_page(pages):
    assert [name for name, page in pages.items() if "Traceback (most recent call last)" in page] == []


def test_every_picture_of_a_notebook_is_on_its_page(project, pages):
    for name in project.book_notebooks():
        notebook = json.loads(project.executed("embedded", name).read_text())
        shown = [
            cell
            for cell in notebook["cells"]
            if not {"remove-cell", "remove-output"} & set(cell["metadata"].get("tags", []))
        ]
        pictures = [o for cell in shown for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        assert len(re.findall(r"<img[^>]*_images/", pages[f"notebooks/{name}"])) >= len(pictures), name


def test_figure_notebooks_have_pictures(project, pages):
    for name in project.book_notebooks():
        if re.match(r"0[1-7]|11", name):
            assert "_images/" in pages[f"notebooks/{name}"], name


def test_each_notebook_page_says_how_it_was_made(project, pages):
    for name in project.book_notebooks():
        assert re.search(r"How this page was made:</em> profile embedded · .* · \d+ s", pages[f"notebooks/{name}"]), (
            name
        )


def test_figures_are_counted_in_chapters_alone(pages):
    counted = {name: re.findall(r'class="caption-number">Fig\. ([\d.]+) ', page) for name, page in pages.items()}
    assert counted["notebooks/04_similarity"] == ["4.1", "4.2"]
    for name in ("book/method", "notebooks/13_explorers", "notebooks/14_performance"):
        assert "<figcaption>" in pages[name] and counted[name] == []


def test_pages_load_nothing_from_the_network(pages):
    outside = {name: [a for a in Loads(page).addresses if re.match(r"(https?:)?//", a)] for name, page in pages.items()}
    assert {name: addresses for name, addresses in outside.items() if addresses} == {}


def test_internal_links_lead_somewhere(book, pages):
    for name, page in pages.items():
        for address in re.findall(r'href="([^"#:?]+)(?:#[^"]*)?"', page):
            assert (book.html / name).parent.joinpath(address).exists(), f"{name}: {address}"


def test_students_can_save_every_exercise_without_its_solution(book, project, pages):
    linked = re.findall(r'href="\.\./(student/[^"]+)" download', pages["book/exercises"])
    names = exercise_names(project).values()
    wheel = linked.pop(linked.index("student/gamlib-0.1.0-py3-none-any.whl"))
    assert (book.html / wheel).stat().st_size > 100_000
    assert linked == [f"student/{name.split('/')[1]}.ipynb" for name in names]
    for link, name in zip(linked, names, strict=True):
        assert read_notebook(book.html / link) == student_edition(read_notebook(project.source(name))), name


def test_the_slides_hold_eight_figures_and_need_no_other_file(book):
    page = (book.html / "slides.html").read_text()
    assert (page.count("<section>"), page.count('<img src="data:image/')) == (8, 8)
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', page) == []
    assert min(map(len, re.findall(r'<img [^>]*alt="([^"]*)"', page))) > 50


def test_no_dead_button_without_an_address(root, pages):
    address = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"]
    if not address:
        for name, page in pages.items():
            assert not re.search(r"colab\.research|mybinder\.org|btn-source-repository", page), name


def test_a_second_call_runs_nothing(book, project):
    process = book.build()
    count = len(project.names())
    assert process.returncode == 0
    assert f"{count} notebooks: {count} unchanged, 0 to run" in process.stdout
    assert "running" not in process.stdout
