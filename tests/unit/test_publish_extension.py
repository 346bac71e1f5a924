"""Labels of the bibliography: names and year, with letters where two share them."""

import subprocess
import sys

import pytest
from bs4 import BeautifulSoup
from gambook.publish.extension import NameAndYear
from PIL import Image
from pybtex.database import Entry, Person


def entry(year: str, *authors: str) -> Entry:
    return Entry("article", {"year": year}, {"author": [Person(author) for author in authors]})


@pytest.mark.parametrize(
    "authors, expected",
    [
        (["Dat Tran"], "Tran, 2021"),
        (["Stéfan van der Walt", "Ann Lee"], "van der Walt and Lee, 2021"),
        (["Ridnik, Tal", "Lawen, Hussam", "Noy, Asaf"], "Ridnik et al., 2021"),
    ],
)
def test_one_author_two_and_more(authors, expected):
    assert list(NameAndYear().format_labels([entry("2021", *authors)])) == [expected]


def test_the_same_names_and_year_get_letters_in_their_order():
    entries = [entry("2021", "Tal Ridnik"), entry("2020", "Tal Ridnik"), entry("2021", "Tal Ridnik")]
    assert list(NameAndYear().format_labels(entries)) == ["Ridnik, 2021a", "Ridnik, 2020", "Ridnik, 2021b"]


def test_figures_outside_of_chapters_stay_uncounted_in_a_build_that_reads_no_page_anew(tmp_path):
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    figure = "title\n=====\n\n.. figure:: x.png\n   :name: {}\n\n   caption\n"
    pages = {"chapter": figure.format("one"), "outside": figure.format("two")}
    pages["index"] = "book\n====\n\n.. toctree::\n   :numbered:\n\n   chapter\n\n.. toctree::\n\n   outside\n"
    for name, text in pages.items():
        (source / f"{name}.rst").write_text(text)
    Image.new("RGB", (2, 2)).save(source / "x.png")
    (source / "r.bib").touch()
    settings = 'extensions = ["sphinxcontrib.bibtex", "gambook.publish.extension"]\nbibtex_bibfiles = ["r.bib"]\n'
    (source / "conf.py").write_text(settings + "numfig = True\n")
    for title in ("first", "second"):
        command = [sys.executable, "-m", "sphinx", "-q", "-D", f"html_title={title}", str(source), str(built)]
        subprocess.run(command, check=True)
        counted = {
            name: [each.get_text() for each in BeautifulSoup(page.read_text(), "html.parser")(class_="caption-number")]
            for name in ("chapter", "outside")
            for page in [built / f"{name}.html"]
        }
        assert counted == {"chapter": ["Fig. 1.1 "], "outside": []}
