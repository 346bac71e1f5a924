"""The command line: `gam run`, `gam book`, `gam results`, `gam exercises` and `gam address`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from gambook.exercises.cli import exercises
from gambook.exercises.editions import write_student
from gambook.publish.address import set_address
from gambook.publish.build import build, stage
from gambook.publish.links import broken_links
from gambook.publish.plan import plan
from gambook.publish.project import find_project
from gambook.publish.reference import REFERENCE_PROFILES, make_results
from gambook.publish.run import locked, run_jobs
from gambook.publish.slides import write_slides


@click.group()
def main() -> None:
    """Run the notebooks and build the book."""


main.add_command(exercises)
jobs_option = click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="How many at a time.")


def run_options(command: Callable) -> Callable:
    """Options that every command which runs notebooks has."""
    for option in (
        click.option("--force", is_flag=True, help="Run notebooks that have not changed, too."),
        jobs_option,
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
    with locked(project):
        planned = plan(project, names or project.names(), profile, dict(given), whole=not names)
        run_jobs(project, planned, jobs, force)


@main.command()
@run_options
def book(profile: str, given: tuple, jobs: int, force: bool) -> None:
    """Run the book's notebooks and build it into _build/html."""
    project = find_project(Path.cwd())
    with locked(project):
        run_jobs(project, plan(project, project.book_notebooks(), profile, dict(given), whole=True), jobs, force)
        stage(project, profile)
        click.echo("building the pages ...")
        if not build(project):
            raise click.ClickException("the pages are not right: mend the errors and warnings above and build again")
        write_student(project, project.html / "student", force=True)
        if (project.root / "book" / "slides.md").exists():
            write_slides(project, profile)
    pages = ["index", "search", "404", *project.pages()]
    if broken := broken_links(project.html, [f"{page}.html" for page in pages]):
        raise click.ClickException("\n  ".join(["links that lead nowhere:", *broken]))
    click.echo(project.html / "index.html")


@main.command()
@click.option(
    "--profile", default="embedded", show_default=True, type=click.Choice(list(REFERENCE_PROFILES)), help="Data."
)
@jobs_option
def results(profile: str, jobs: int) -> None:
    """Make the reference results in book/results/PROFILE, for several backbones (an hour or two; can be stopped)."""
    project = find_project(Path.cwd())
    with locked(project):
        make_results(project, profile, jobs)


@main.command()
@click.argument("url")
def address(url: str) -> None:
    """Set the repository's address to URL in _config.yml, the notebooks and CITATION.cff ('' takes it out)."""
    project = find_project(Path.cwd())
    for path in set_address(project, url):
        click.echo(path.relative_to(project.root))
