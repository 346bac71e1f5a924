"""What a request asks for: which notebooks, in which order, with which parameters. Refuses before anything runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from gambook.given import assigned, literal
from gambook.publish.digests import notebook_digest, tree_digest
from gambook.publish.project import Project, Refused, check_names

# Parameters that name a file of the user's, and how those end that name a folder. A kernel runs in the notebook's
# folder, the user types paths relative to their own: an existing relative path is made absolute before the run.
FILES = ("image_a", "image_b", "weights")
FOLDERS = ("_root", "_dir")


@dataclass(frozen=True)
class Job:
    """One notebook to run. `shown` are all its parameters (defaults included), `passed` those given to Papermill."""

    name: str
    source: Path
    target: Path
    profile: str
    passed: dict[str, object]
    shown: dict[str, object]
    needs: tuple[str, ...]
    digest: str

    @property
    def failed(self) -> Path:
        """Where the notebook grows while it runs, and stays when it does not come to its end."""
        return self.target.with_name(f"{self.target.stem}.failed.ipynb")

    def is_current(self) -> bool:
        """Whether the target was made from the code, parameters and sources of now, and nothing was tried since."""
        results = self.passed.get("results_dir")
        # a run that was broken off or failed has written to the folder of results
        if self.failed.exists() or (results and not Path(str(results)).is_dir()):
            return False
        try:
            made = json.loads(self.target.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        return made["metadata"].get("gamlib", {}).get("digest") == self.digest


def plan(
    project: Project,
    names: Sequence[str],
    profile: str,
    given: Mapping[str, str] | None = None,
    whole: bool = False,
    place: str | None = None,
) -> list[Job]:
    """Jobs for the named notebooks and those whose results they read, each after what it needs.

    given: parameters as the user typed them, over those of the profile. whole: the names are a set (all notebooks, the
    book), and one of them must have a given parameter, otherwise each. place: folder of _build/runs and _build/results
    for what is made, by default the profile's name.
    Raises Refused for a name that does not exist, a value of another type than the default's, or a place that is not
    there.
    """
    values, given, place = project.profile(profile), given or {}, place or profile
    if given.get("profile", profile) != profile:
        raise Refused(
            f"parameter profile: results of another profile have their own folder; give --profile {given['profile']}"
        )
    notebooks = _ordered(project, names)
    known = {name: defaults(notebook) for name, notebook in notebooks.items()}
    for name in () if whole else names:
        check_names(f"parameter of {name}", given, known[name])
    # each of its data sets is paired with a network, as in the paper
    paired = [name for name in names if "imagenet_root" in known[name]]
    if paired and profile == "paper" and "model" in given and not given.get("dataset"):
        raise Refused(
            f"parameter model: under the paper profile {paired[0]} takes the network that the paper pairs with each "
            "data set; leave it out, or give dataset and dataset_root, or another profile"
        )
    check_names("parameter", given, sorted({parameter for own in known.values() for parameter in own}))

    library = [tree_digest(project.root / "gamlib"), tree_digest(project.root / "requirements.lock")]
    jobs: dict[str, Job] = {}
    for name, notebook in notebooks.items():
        own = {key: typed(name, key, text, known[name][key]) for key, text in given.items() if key in known[name]}
        own = {**values, "profile": profile, **own}
        passed = {key: absolute_path(key, value) for key, value in own.items() if key in known[name]}
        needs, folders = _made_of(notebook, "needs"), _made_of(notebook, "reads")
        read = [*library, *(jobs[need].digest for need in needs), *(tree_digest(project.root / one) for one in folders)]
        source, target = project.source(name), project.executed(place, name)
        digest = notebook_digest(notebook, source.parent, passed, project.root / "book", read)
        if "results_dir" in known[name]:
            passed.setdefault("results_dir", str(project.results(place)))
        check_places(passed, known[name])
        jobs[name] = Job(name, source, target, profile, passed, {**known[name], **passed}, needs, digest)
    return list(jobs.values())


def _ordered(project: Project, names: Sequence[str]) -> dict[str, dict]:
    """The notebooks and those they need, each after what it needs."""
    check_names("notebook", names, project.names())
    notebooks: dict[str, dict] = {}
    needs: dict[str, tuple[str, ...]] = {}
    wanted = sorted(names)
    for name in wanted:  # which grows by what each needs
        notebooks[name] = json.loads(project.source(name).read_text("utf-8"))
        needs[name] = _made_of(notebooks[name], "needs")
        check_names(f"notebook that {name} needs", needs[name], project.names())
        wanted += [need for need in needs[name] if need not in wanted]
    # graphlib.CycleError names those that need each other in a circle
    return {name: notebooks[name] for name in TopologicalSorter(needs).static_order()}


def _made_of(notebook: Mapping, kind: str) -> tuple[str, ...]:
    """What a notebook says it is made of: "needs", other notebooks whose results it reads; "reads", folders."""
    return tuple(notebook["metadata"].get("gamlib", {}).get(kind, ()))


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
    if not isinstance(value, str) or not value or not (name in FILES or name.endswith(FOLDERS)):
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
        elif name.endswith(FOLDERS) and value and value != defaults.get(name) and not Path(str(value)).is_dir():
            raise Refused(f"parameter {name}: there is no folder '{value}'; name the one that is meant")
