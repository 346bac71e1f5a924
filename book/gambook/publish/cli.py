"""The command line: `gam run`, `gam book`, `gam results`, `gam exercises` and `gam address`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from gambook.exercises.cli import exercises
from gambook.publish.address import set_address
from gambook.publish.build import build
from gambook.publish.links import broken_links
from gambook.publish.offline import vendor
from gambook.publish.parameters import parse_value
from gambook.publish.plan import plan
from gambook.publish.project import Project, Refused, find_project
from gambook.publish.reference import BACKBONES, PROFILES, make_results
from gambook.publish.run import Failure, locked, run_jobs
from gambook.publish.stage import stage


class Group(click.Group):
    """Commands whose refusals are printed as one line, without a traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except Refused as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Group)
def main() -> None:
    """Run the notebooks and build the book."""


main.add_command(exercises)


def run_options(command: Callable) -> Callable:
    """Options that every command which runs notebooks has."""
    for option in (
        click.option("--force", is_flag=True, help="Run notebooks that have not changed, too."),
        click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Notebooks at a time."),
        click.option(
            "-p", "--param", "given", nargs=2, multiple=True, metavar="NAME VALUE", help="A notebook parameter."
        ),
        click.option("--profile", default="embedded", show_default=True, help="A file of notebooks/profiles."),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("notebooks", nargs=-1)
@run_options
def run(notebooks: tuple[str, ...], profile: str, given: tuple, jobs: int, force: bool) -> None:
    """Run NOTEBOOKS (default: all) through Papermill into _build/runs/PROFILE."""
    project = find_project(Path.cwd())
    names = [Path(name).with_suffix("").as_posix().removeprefix("notebooks/") for name in notebooks]
    with locked(project, click.echo):
        _run(project, names or project.names(), not names, profile, given, jobs, force)


@main.command()
@click.option("--offline", is_flag=True, help="Put the scripts in that pages otherwise load from the network (npm).")
@run_options
def book(offline: bool, profile: str, given: tuple, jobs: int, force: bool) -> None:
    """Run the book's notebooks and build it into _build/html."""
    project = find_project(Path.cwd())
    with locked(project, click.echo):
        vendored = vendor(project.build / "vendor") if offline else None
        _run(project, project.book_notebooks(), True, profile, given, jobs, force)
        stage(project, profile, vendored)
        click.echo("building the pages ...")
        index = build(project)
    if index is None:
        raise click.ClickException("the pages are not right: mend the errors and warnings above and build again")
    pages = ["index", "search", "404", *project.pages()]
    broken = broken_links(project.html, [f"{page}.html" for page in pages])
    if broken:
        raise click.ClickException("\n  ".join(["links that lead nowhere:", *broken]))
    click.echo(index)


@main.command()
@click.option("--profile", default=PROFILES[0], show_default=True, type=click.Choice(PROFILES), help="Data.")
@click.option("--model", "models", multiple=True, default=BACKBONES, show_default=True, help="A backbone; repeatable.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes at a time.")
def results(profile: str, models: tuple[str, ...], jobs: int) -> None:
    """Make the reference results in book/results/PROFILE, for several backbones (up to an hour; goes on if stopped)."""
    project = find_project(Path.cwd())
    with locked(project, click.echo):
        failures = make_results(project, profile, models, jobs, Path.cwd(), click.echo)
    if failures:
        _report(failures)
        sys.exit(1)


@main.command()
@click.argument("url")
def address(url: str) -> None:
    """Set the repository's address to URL in _config.yml, the notebooks and CITATION.cff ('' takes it out)."""
    project = find_project(Path.cwd())
    for path in set_address(project, url):
        click.echo(path.relative_to(project.root))


def _run(
    project: Project, names: Sequence[str], whole: bool, profile: str, given: tuple, workers: int, force: bool
) -> None:
    values = {name: parse_value(value) for name, value in given}
    caller = Path.cwd()
    failures = run_jobs(plan(project, names, profile, values, caller, whole), workers, force, caller, click.echo)
    if failures:
        _report(failures)
        sys.exit(1)


def _report(failures: Sequence[Failure]) -> None:
    click.echo(f"{len(failures)} notebook{'' if len(failures) == 1 else 's'} failed:", err=True)
    for failure in failures:
        click.echo(f"  {failure.name}, {failure.reason}", err=True)
