"""What a published site has besides its pages, its inner links, and the one setting of the repository's address."""

import json
import re
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from gambook.publish import cli
from gambook.publish.address import set_address
from gambook.publish.links import broken_links
from gambook.publish.project import Project, Refused
from gambook.publish.site import complete, site_address
from gambook.publish.stage import stage
from PIL import Image

PAGE = "<html><head>\n<title>A &amp; B</title>\n</head><body></body></html>"


@pytest.fixture
def site(tmp_path):
    """A built site of one page, with the picture that the card is made of."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "book/intro.html").write_text(PAGE)
    Image.new("RGB", (300, 210), "red").save(tmp_path / "_static/teaser.png")
    return tmp_path


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


def test_sitemap_lists_the_pages(site):
    complete(site, ["book/intro"], "https://a.github.io/b/")
    places = [node.text for node in ElementTree.parse(site / "sitemap.xml").iter() if node.tag.endswith("loc")]
    assert places == ["https://a.github.io/b/", "https://a.github.io/b/book/intro.html"]


def test_tags_of_the_card_are_written_once(site):
    complete(site, ["book/intro"], "https://a.github.io/b/")
    complete(site, ["book/intro"], "https://a.github.io/b/")
    found = re.findall(r'<meta property="og:(\w+)" content="([^"]*)" />', (site / "book/intro.html").read_text())
    assert found == [
        ("title", "A &amp; B"),
        ("type", "article"),
        ("url", "https://a.github.io/b/book/intro.html"),
        ("image", "https://a.github.io/b/_static/card.png"),
    ]


def test_the_card_shows_the_whole_picture_on_white(site):
    complete(site, ["book/intro"], "https://a.github.io/b/")
    with Image.open(site / "_static/card.png") as card:
        # 300 x 210 three times as large is 900 x 630, with 150 pixels of ground on each side
        assert card.size == (1200, 630)
        assert [card.getpixel((x, 300)) for x in (149, 150, 1049, 1050)] == [
            (255, 255, 255), (255, 0, 0), (255, 0, 0), (255, 255, 255)
        ]  # fmt: skip


def test_the_page_for_wrong_addresses_loads_nothing_and_leads_back(site):
    complete(site, ["book/intro"], "https://a.github.io/b/")
    page = (site / "404.html").read_text()
    assert re.findall(r'(?:href|src)="([^"]*)"', page) == ["https://a.github.io/b/"]


def test_without_an_address_nothing_names_one(site):
    complete(site, ["book/intro"], "https://a.github.io/b/")
    (site / "book/intro.html").write_text(PAGE)
    complete(site, ["book/intro"], None)
    assert not (site / "sitemap.xml").exists()
    assert not (site / "_static/card.png").exists()
    assert (site / "book/intro.html").read_text() == PAGE
    assert 'href="index.html"' in (site / "404.html").read_text()


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


def test_staging_derives_the_address_of_the_pages(project):
    config = project.staged / "_config.yml"
    stage(project, "embedded")
    assert "baseurl" not in config.read_text()
    (project.root / "_config.yml").write_text('title: "A"\nrepository:\n  url: "https://github.com/a/b"\n')
    stage(project, "embedded")
    assert yaml.safe_load(config.read_text())["html"]["baseurl"] == "https://a.github.io/b/"


COLAB = 'import sys\n\nrepository = ""  # the address\nif repository and "google.colab" in sys.modules:\n    pass\n'


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
