"""The XML annotations that PASCAL VOC began and ImageNet and labelImg follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from gamlib.data.annotated import Box


@dataclass(frozen=True)
class XmlObject:
    """corners: xmin, ymin, xmax, ymax as written, both ends inside the box; None without a <bndbox>."""

    name: str
    corners: Box | None
    difficult: bool

    def box(self, first: int) -> Box | None:
        """Half-open box, 0-based; `first` is the number that the file's convention gives the first pixel."""
        if self.corners is None:
            return None
        x0, y0, x1, y1 = self.corners
        return x0 - first, y0 - first, x1 - first + 1, y1 - first + 1


def read_voc_xml(path: Path) -> tuple[tuple[int, int], list[XmlObject]]:
    """(width, height) and the objects of one file.

    Only an object's own <bndbox> counts, not those of its <part>s. A truncated object is an object like any
    other: its box holds what is seen of it. ValueError names the file and the line or tag that is wrong.
    """
    try:
        root = ElementTree.parse(path).getroot()
    # besides ParseError: LookupError for an encoding that Python does not know, ValueError for one that expat does not
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"annotation '{path}' is not well-formed XML: {error}") from error
    size = (int(_number(path, root, "size/width", 1)), int(_number(path, root, "size/height", 1)))
    objects = []
    for element in root.findall("object"):
        corners = None
        if element.find("bndbox") is not None:
            xmin, ymin, xmax, ymax = (_number(path, element, f"bndbox/{t}") for t in ("xmin", "ymin", "xmax", "ymax"))
            corners = (xmin, ymin, xmax, ymax)
        difficult = element.findtext("difficult", "0").strip()
        if difficult not in ("0", "1"):
            raise ValueError(f"annotation '{path}': tag <difficult> holds '{difficult}', expected 0 or 1")
        objects.append(XmlObject(_text(path, element, "name"), corners, difficult == "1"))
    return size, objects


def _text(path: Path, element: ElementTree.Element, tag: str) -> str:
    text = element.findtext(tag)
    if text is None or not text.strip():
        fault = "missing" if text is None else "empty"
        raise ValueError(f"annotation '{path}': tag <{tag}> is {fault} in <{element.tag}>")
    return text.strip()


def _number(path: Path, element: ElementTree.Element, tag: str, least: float | None = None) -> float:
    text = _text(path, element, tag)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"annotation '{path}': tag <{tag}> holds '{text}', expected a number")
    if least is not None and number < least:
        raise ValueError(f"annotation '{path}': tag <{tag}> holds '{text}', expected at least {least}")
    return number
