"""Labels of the bibliography: names and year, with letters where two share them."""

import pytest
from gambook.publish.extension import NameAndYear
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
