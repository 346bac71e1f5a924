"""What a request asks for: which notebooks, in which order, with which parameters. Refuses before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from gambook.publish import parameters as parameters_
from gambook.publish.project import Project, Refused, check_names
from gambook.publish.provenance import folder_digest, notebook_digest, sources_digest


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

    def is_current(self) -> bool:
        """Whether the target was made from the very code, parameters and sources that the job has now."""
        results = self.passed.get("results_dir")
        if not self.target.exists() or (results is not None and not Path(str(results)).is_dir()):
            return False
        try:
            made = json.loads(self.target.read_text())
        except ValueError:
            # damaged, so made again
            return False
        return made["metadata"].get("gamlib", {}).get("digest") == self.digest


def plan(
    project: Project,
    names: Sequence[str],
    profile: str,
    given: Mapping[str, object],
    caller: Path,
    whole: bool = False,
    place: str | None = None,
) -> list[Job]:
    """Jobs for the named notebooks and those whose results they read, each after what it needs.

    whole: the names are a whole set (all notebooks, the book) and were not typed one by one.
    given: parameters typed by the user, over those of the profile. place: folder of _build/runs and _build/results
    where executed notebooks and results go (default: the profile's name).
    Raises Refused for any name that does not exist.
    """
    values = project.profile(profile)
    check_names("notebook", names, project.names())
    notebooks = _with_needs(project, names)
    known = {name: parameters_.defaults(notebook) for name, notebook in notebooks.items()}
    given = parameters_.check_given(given, known, [] if whole else names)
    values = parameters_.absolute_paths({**values, "profile": profile, **given}, caller)

    sources = sources_digest(project.root)
    jobs: dict[str, Job] = {}
    for name in _ordered(notebooks):
        needs = _needs(notebooks[name])
        passed = {key: value for key, value in values.items() if key in known[name]}
        shown = {**known[name], **passed}
        reads = [folder_digest(project.root / folder) for folder in _made(notebooks[name], "reads")]
        needed = [*(jobs[need].digest for need in needs), *reads]
        digest = notebook_digest(notebooks[name], passed, sources, needed, caller)
        if "results_dir" in known[name]:
            passed.setdefault("results_dir", str(project.results(place or profile)))
        jobs[name] = Job(
            name, project.source(name), project.executed(place or profile, name), profile, passed, shown, needs, digest
        )
    return list(jobs.values())


def _with_needs(project: Project, names: Sequence[str]) -> dict[str, dict]:
    notebooks: dict[str, dict] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in notebooks:
            notebooks[name] = json.loads(project.source(name).read_text())
            needs = _needs(notebooks[name])
            check_names(f"notebook that {name} needs", needs, project.names())
            waiting.extend(needs)
    return notebooks


def _needs(notebook: Mapping) -> tuple[str, ...]:
    return _made(notebook, "needs")


def _made(notebook: Mapping, of: str) -> tuple[str, ...]:
    """What a notebook says it is made of: "needs", other notebooks whose results it reads; "reads", folders."""
    return tuple(notebook["metadata"].get("gamlib", {}).get(of, ()))


def _ordered(notebooks: Mapping[str, Mapping]) -> list[str]:
    graph = {name: sorted(_needs(notebook)) for name, notebook in sorted(notebooks.items())}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise Refused(f"these notebooks need each other in a circle: {' -> '.join(error.args[1])}") from error
