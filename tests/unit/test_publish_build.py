"""The staged sources, what is added to the built pages, their inner links, and the one setting of the address."""

import json
import re
import subprocess
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from gambook.publish import build as building
from gambook.publish import cli
from gambook.publish.address import set_address
from gambook.publish.build import build, configuration, merged, site_address, stage
from gambook.publish.links import broken_links
from gambook.publish.project import Project, Refused

TOC = "format: jb-book\nroot: book/intro\nparts:\n- caption: Figures\n  chapters:\n  - file: notebooks/01_toy\n"
COLAB = 'import sys\n\nrepository = ""  # the address\nif repository and "google.colab" in sys.modules:\n    pass\n'
WITH_ADDRESS = 'title: "A"\nrepository:\n  url: "https://github.com/a/b"\n'


@pytest.fixture
def book(project, write_notebook):
    """A checkout with one notebook, executed by hand: an output in each code cell."""
    (project.root / "_toc.yml").write_text(TOC)
    notebook = json.loads(write_notebook(project, "01_toy", "seed = 0", "print(seed)").read_text())
    for number, cell in enumerate(cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        cell["execution_count"] = number + 2
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": f"output {number}"}]
    injected = {"cell_type": "code", "id": "x", "metadata": {}, "source": "seed = 3"}
    foot = {"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": "made so"}
    notebook["cells"] = [injected, *notebook["cells"], foot]
    path = project.executed("embedded", "01_toy")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
    return project


def test_text_comes_from_the_source_and_outputs_from_the_run(book):
    source = book.source("01_toy")
    source.write_text(source.read_text().replace("# 01_toy", "# A toy"))
    notebook = json.loads(merged(source, book.executed("embedded", "01_toy")))
    assert [cell["source"] for cell in notebook["cells"]] == ["# A toy", "seed = 0", "print(seed)", "made so"]
    assert [cell["outputs"][0]["text"] for cell in notebook["cells"][1:3]] == ["output 0", "output 1"]


def test_unchanged_files_keep_their_time_and_stale_ones_go(book):
    for path in ("_build/results/embedded/a.csv", "book/results/open/a.csv", "book/gambook/cli.py"):
        (book.root / path).parent.mkdir(parents=True, exist_ok=True)
        (book.root / path).write_text(path)
    stage(book, "embedded")
    files = {path: path.stat().st_mtime_ns for path in book.staged.rglob("*") if path.is_file()}
    assert {path.relative_to(book.staged).as_posix() for path in files} == {
        "_config.yml", "_toc.yml", "book/intro.md", "book/results/open/a.csv", "made/vendor/tex-svg.js",
        "notebooks/01_toy.ipynb",
    }  # fmt: skip
    (book.staged / "book/old.md").write_text("# Old")
    (book.root / "book/intro.md").write_text("# Changed")
    stage(book, "embedded")
    after = {path: path.stat().st_mtime_ns for path in book.staged.rglob("*") if path.is_file()}
    assert [path.name for path in files if after[path] != files[path]] == ["intro.md"]
    assert set(after) == set(files)


def test_the_first_page_says_whose_it_is_and_which_edition(book):
    (book.root / "book/intro.md").write_text("# First\n\n<!-- edition -->\n")
    (book.root / "_config.yml").write_text("title: a\nrepository: {url: https://github.com/a/b}\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=book.root, check=True)
    stage(book, "embedded")
    line = (book.staged / "book/intro.md").read_text().splitlines()[2]
    assert re.fullmatch(
        r"The gamlib authors · version 0\.1\.0, commit [0-9a-f]{7} of \d{4}-\d\d-\d\d · "
        r"\[the paper\]\(https://doi\.org/10\.1145/3459637\.3482430\) · \[the repository\]\(https://github.com/a/b\)",
        line,
    )


def test_buttons_and_cards_only_with_an_address():
    without = configuration('title: "A"\nrepository:\n  url: ""\n')
    # a browser lets no page read another where they lie on a disk
    plain = {"sphinx": {"config": {"html_show_search_summary": False}}}
    assert without == {"title": "A", "repository": {"url": ""}, "html": {}, **plain}
    config = configuration(WITH_ADDRESS)
    assert config["sphinx"]["config"]["html_show_search_summary"] is True
    assert config["html"]["use_repository_button"] is True
    assert "colab_url" in config["launch_buttons"]
    assert config["html"]["baseurl"] == config["sphinx"]["config"]["ogp_site_url"] == "https://a.github.io/b/"


def test_what_draws_formulas_lies_beside_the_pages(book):
    stage(book, "embedded")
    assert "MathJax" in (book.staged / "made/vendor/tex-svg.js").read_text()


def test_the_page_that_computes_has_its_networks_beside_it(book, monkeypatch):
    monkeypatch.setattr(building, "live_files", lambda project: {"net-0.js": b"weights"})
    stage(book, "embedded")
    assert not (book.staged / "made/live").exists()
    (book.root / "_toc.yml").write_text(TOC + "  - file: book/live\n")
    (book.root / "book/live.md").write_text("# Live")
    stage(book, "embedded")
    assert (book.staged / "made/live/net-0.js").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/Someone/book", "https://someone.github.io/book/"),
        ("https://github.com/someone/book.git", "https://someone.github.io/book/"),
        ("https://github.com/someone/someone.github.io", "https://someone.github.io/"),
        ("https://git.example.org/someone/book", None),
        ("", None),
    ],
)
def test_the_address_of_the_pages_follows_from_the_repository(url, expected):
    assert site_address({"repository": {"url": url}}) == expected


def test_an_address_that_is_given_wins():
    config = {"repository": {"url": "https://github.com/a/b"}, "html": {"baseurl": "https://book.example.org"}}
    assert site_address(config) == "https://book.example.org/"


@pytest.fixture
def calls(book, monkeypatch):
    """build(book) with Jupyter Book played by a function that writes two pages; the list of its calls."""
    calls = []

    class Made:
        returncode = 0

    def jupyter_book(command, stdout):
        calls.append(command)
        book.html.mkdir(exist_ok=True)
        (book.html / "index.html").write_text('<link rel="preload" as="font" href="f.woff2">\n<p>A</p>')
        (book.html / "404.html").write_text('<link href="/_static/a.css"><a href="/index.html">first</a>')
        return Made()

    monkeypatch.setattr(building, "subprocess", SimpleNamespace(**vars(subprocess) | {"run": jupyter_book}))
    return calls


def test_unchanged_sources_are_not_built_again(book, calls):
    for change in (None, None, "book/intro.md", "gamlib/methods.py", "requirements.lock"):
        if change:
            (book.root / change).write_text("# changed")
        stage(book, "embedded")
        assert build(book) == book.html / "index.html"
    assert len(calls) == 4
    assert (book.html / "index.html").read_text() == "<p>A</p>"


def test_a_script_is_new_on_the_site_when_no_page_is(book, calls):
    (book.root / "_config.yml").write_text('title: "A"\nsphinx:\n  config:\n    html_static_path: [book/_static]\n')
    (book.root / "book/_static/live").mkdir(parents=True)
    for text in ("first", "second"):
        (book.root / "book/_static/live/page.js").write_text(text)
        stage(book, "embedded")
        build(book)
        assert (book.html / "_static/live/page.js").read_text() == text


def test_without_an_address_the_page_for_wrong_ones_works_as_a_file(book, calls):
    stage(book, "embedded")
    build(book)
    assert re.findall('"(.*?)"', (book.html / "404.html").read_text()) == ["_static/a.css", "index.html"]
    assert not (book.html / "sitemap.xml").exists()


def test_with_an_address_that_page_leads_there_and_a_sitemap_lists_every_page(book, calls):
    (book.root / "_config.yml").write_text(WITH_ADDRESS)
    stage(book, "embedded")
    build(book)
    assert re.findall('"(.*?)"', (book.html / "404.html").read_text()) == [
        "https://a.github.io/b/_static/a.css", "https://a.github.io/b/index.html"
    ]  # fmt: skip
    places = [node.text for node in ElementTree.parse(book.html / "sitemap.xml").iter() if node.tag.endswith("loc")]
    assert places == ["https://a.github.io/b/book/intro.html", "https://a.github.io/b/notebooks/01_toy.html"]


def test_broken_links_are_named(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "notes.html").write_text('<h1 id="here">N</h1>')
    (tmp_path / "book/a.html").write_text(
        '<p id="top"><a href="#top">1</a> <a href="../notes.html#here">2</a> <img alt="x" src="gone.png"/>'
        '<a class="x" href="../notes.html#away">3</a> <a href="#under">4</a> <a href="b.html">5</a>'
        '<a href="https://example.org/x">6</a> <a href="mailto:a@example.org">7</a> <img src="data:,x"/>'
        '<script src="../notes.html?v=1">let a = \'<a href="nowhere.html">\'</script></p>'
    )
    assert broken_links(tmp_path, ["book/a.html"]) == [
        "book/a.html: gone.png (no such file)",
        "book/a.html: ../notes.html#away (no such place on that page)",
        "book/a.html: #under (no such place on that page)",
        "book/a.html: b.html (no such file)",
    ]


def test_a_broken_link_stops_the_book(project, monkeypatch):
    def build(project):
        (project.html / "book").mkdir(parents=True)
        for name in ("index", "search", "404"):
            (project.html / f"{name}.html").write_text("")
        (project.html / "book/intro.html").write_text('<a href="lost.html">lost</a>')
        return project.html / "index.html"

    monkeypatch.setattr(cli, "build", build)
    monkeypatch.chdir(project.root)
    result = CliRunner().invoke(cli.main, ["book"])
    assert result.exit_code == 1
    assert "links that lead nowhere:\n  book/intro.html: lost.html (no such file)" in result.output


def test_one_command_sets_the_address_everywhere(project, write_notebook):
    write_notebook(project, "01_toy", "seed = 0", COLAB)
    citation = project.root / "CITATION.cff"
    citation.write_text("title: A\n")
    before = {path: path.read_text() for path in (project.root / "_config.yml", citation, project.source("01_toy"))}
    assert set(set_address(project, "https://github.com/a/b.git")) == set(before)
    assert yaml.safe_load((project.root / "_config.yml").read_text())["repository"]["url"] == "https://github.com/a/b"
    assert yaml.safe_load(citation.read_text()) == {"title": "A", "repository-code": "https://github.com/a/b"}
    install = json.loads(project.source("01_toy").read_text())["cells"][2]["source"]
    assert 'repository = "https://github.com/a/b"  # the address' in install
    assert set_address(project, "https://github.com/a/b") == []
    set_address(project, "")
    assert {path: path.read_text() for path in before} == before


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "git@github.com:a/b", 'https://github.com/a/b"', "https://github.com"]
)
def test_an_address_of_another_form_is_refused(project, url):
    with pytest.raises(Refused, match="expected https://HOST/OWNER/NAME"):
        set_address(project, url)


def test_notebooks_and_citation_hold_the_address_of_the_configuration(root):
    project = Project(root)
    address = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"]
    assert yaml.safe_load((root / "CITATION.cff").read_text()).get("repository-code", "") == address
    for name in project.names():
        held = re.findall(r'repository = \\"([^"\\]*)\\"', project.source(name).read_text())
        assert held == [address], name


def test_conda_installs_the_versions_of_the_lock(root):
    python, pip, packages = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    assert (python, pip, packages) == ("python=3.11", "pip", {"pip": ["-r requirements.lock"]})


def test_what_others_wrote_is_named_by_its_content(root):
    packages = re.findall(r"(?m)^\S.*$", (root / "requirements.lock").read_text())
    assert len(packages) > 100 and [line for line in packages if not line.endswith(" \\")] == []
    workflows = "".join(path.read_text() for path in sorted((root / ".github/workflows").glob("*.yml")))
    actions = re.findall(r"uses: (\S+)", workflows)
    assert len(actions) == 10 and [action for action in actions if not re.search("@[0-9a-f]{40}$", action)] == []


def test_no_index_address_in_the_lock(root):
    text = (root / "requirements.lock").read_text()
    assert "://" not in text and "index-url" not in text
