"""What a request asks for: which notebooks, in which order, with which parameters. Refuses before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from gambook.publish.digests import notebook_digest, tree_digest
from gambook.publish.parameters import absolute_path, check_places, defaults, typed
from gambook.publish.project import Project, Refused, check_names


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
    def partial(self) -> Path:
        """Where the notebook grows while it runs."""
        return self.target.with_name(f".{self.target.stem}.partial.ipynb")

    @property
    def failed(self) -> Path:
        """Where it stays when a cell fails."""
        return self.target.with_name(f"{self.target.stem}.failed.ipynb")

    def is_current(self) -> bool:
        """Whether the target was made from the code, parameters and sources of now, and nothing was tried since."""
        results = self.passed.get("results_dir")
        # a run that was broken off or failed has written to the folder of results
        if self.partial.exists() or self.failed.exists() or (results and not Path(str(results)).is_dir()):
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
    paired = [
        name for name in names if "imagenet_root" in known[name] and profile == "paper" and not given.get("dataset")
    ]
    if paired and "model" in given:
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
    waiting = sorted(names, reverse=True)
    while waiting:
        name = waiting.pop()
        if name not in notebooks:
            notebooks[name] = json.loads(project.source(name).read_text("utf-8"))
            check_names(f"notebook that {name} needs", _made_of(notebooks[name], "needs"), project.names())
            waiting += _made_of(notebooks[name], "needs")
    # graphlib.CycleError names those that need each other in a circle
    order = TopologicalSorter({name: _made_of(notebooks[name], "needs") for name in sorted(notebooks)})
    return {name: notebooks[name] for name in order.static_order()}


def _made_of(notebook: Mapping, kind: str) -> tuple[str, ...]:
    """What a notebook says it is made of: "needs", other notebooks whose results it reads; "reads", folders."""
    return tuple(notebook["metadata"].get("gamlib", {}).get(kind, ()))
