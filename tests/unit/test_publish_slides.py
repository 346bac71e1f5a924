"""Slides made of a small executed notebook."""

import json
import re

import pytest
from gambook.publish.project import Refused
from gambook.publish.slides import write_slides

SLIDES = """# Two & more

![](01_toy#code-1)

---

## The second

- {glue:text}`01_toy::finding:s`
"""


@pytest.fixture
def told(project, write_notebook):
    """A checkout with slides, and a notebook executed by hand: a picture in one cell, a glued text in another."""
    notebook = json.loads(write_notebook(project, "01_toy", "seed = 0", "draw()", "glue()").read_text())
    _, _, draw, glue = notebook["cells"]
    draw["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGk=\n"}}]
    draw["metadata"]["mystnb"] = {"image": {"alt": 'a "cat" & a dog'}}
    data = {"application/papermill.record/text/plain": repr("It's 3 < 4 (C4, F3) {x}")}
    metadata = {"scrapbook": {"name": "finding"}}
    glue["outputs"] = [{"output_type": "display_data", "metadata": metadata, "data": data}]
    path = project.executed("embedded", "01_toy")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
    (project.root / "book" / "slides.md").write_text(SLIDES)
    return project


def test_each_part_is_a_slide_with_its_picture_and_its_text(told):
    page = write_slides(told, "embedded").read_text()
    first, second = re.findall(r"<section>\n(.*?)\n</section>", page, re.S)
    picture = '<img src="data:image/png;base64,aGk=" alt="a &quot;cat&quot; &amp; a dog">'
    assert first == f"<h1>Two &amp; more</h1>\n<p>{picture}</p>"
    assert second == "<h2>The second</h2>\n<ul>\n<li>It&#x27;s 3 &lt; 4 {x}</li>\n</ul>"
    assert "<title>Two &amp; more</title>" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("#code-1", "#code-7", "picture of 01_toy in book/slides.md: unknown 'code-7'; did you mean 'code-1'?"),
        ("::finding", "::verdict", "text of 01_toy in book/slides.md: unknown 'verdict'; accepted: finding"),
    ],
)
def test_what_a_notebook_does_not_have_is_refused(told, old, new, error):
    (told.root / "book" / "slides.md").write_text(SLIDES.replace(old, new))
    with pytest.raises(Refused) as refusal:
        write_slides(told, "embedded")
    assert error in str(refusal.value.message)
