"""Parameters of a notebook: their names and defaults, and what a run gives them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gambook.given import assigned, literal
from gambook.publish.project import Refused

# Parameters that name a file or folder of the user's. A kernel runs in the notebook's folder, the user types paths
# relative to their own: an existing relative path is made absolute before the run.
PATHS = ("image_a", "image_b", "root", "checkpoint", "weights", "results_dir", "reference_dir")


def defaults(notebook: Mapping) -> dict[str, object]:
    """Names assigned in the cell tagged `parameters` with their default values (None where not a literal)."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return assigned("\n".join(tagged))


def typed(notebook: str, name: str, text: str, default: object) -> object:
    """The value of a parameter as the user typed it.

    Where the notebook's default is text, so is the value, to the letter; None alone is None. Elsewhere it is the
    Python literal that was typed, or else the text. `layers` counts them, or names them with commas between.
    Raises Refused for a number or truth value given as something else.

    Examples
    --------
    >>> typed("n", "results_dir", "2024_05_03", "maps"), typed("n", "weights", "None", "default")
    ('2024_05_03', None)
    >>> typed("n", "seed", "3", 0), typed("n", "layers", "layer4,layer3", 2)
    (3, ['layer4', 'layer3'])
    """
    if isinstance(default, str):
        return None if text == "None" else text
    value = literal(text, text)
    if name == "layers" and isinstance(value, str | tuple):
        return [layer.strip() for layer in text.split(",") if layer.strip()]
    kind = type(default)
    if kind in (bool, int, float) and type(value) is not kind and (kind, type(value)) != (float, int):
        raise Refused(f"parameter {name} of {notebook} is of type {kind.__name__} (default {default}), not {value!r}")
    return value


def absolute_path(name: str, value: object) -> object:
    """`value` as an absolute path where the parameter names a file of the user's; a folder for results may be new."""
    if not isinstance(value, str) or not value or not (name in PATHS or name.endswith("_root")):
        return value
    path = Path(value).expanduser().resolve()
    return str(path) if name == "results_dir" or path.exists() else value


def check_places(values: Mapping[str, object], defaults: Mapping[str, object]) -> None:
    """Refused for a device, a folder of data or a folder for results that a notebook could only fail on.

    Examples
    --------
    >>> check_places({"device": "gpu"}, {"device": "cpu"})
    Traceback (most recent call last):
    gambook.publish.project.Refused: parameter device: unknown 'gpu'; accepted: cpu, cuda, cuda:1, mps
    """
    for name, value in values.items():
        if name == "device" and value != "cpu":
            # here, since torch takes seconds
            from gamlib.models import check_device

            try:
                check_device(str(value))
            except ValueError as error:
                raise Refused(f"parameter {error}") from error
        elif name == "results_dir":
            folder = Path(str(value))
            there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
            if not value or not there.is_dir() or not os.access(there, os.W_OK) or there.is_relative_to("/proc"):
                raise Refused(f"parameter results_dir: '{value}' is no folder that can be written to; name one that is")
        elif (name in ("root", "reference_dir") or name.endswith("_root")) and value and value != defaults.get(name):
            if not Path(str(value)).is_dir():
                raise Refused(f"parameter {name}: there is no folder '{value}'; name the one that is meant")
