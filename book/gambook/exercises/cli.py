"""The command line of the exercises: `gam exercises student`, `teacher`, `grade`."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

import click

from gambook.exercises.editions import exercise_names, read_notebook, stub_of, write_student, write_teacher
from gambook.exercises.forks import Forks
from gambook.exercises.gradebook import new_gradebook, plain, write_grades
from gambook.exercises.submissions import find_submissions
from gambook.publish.plan import plan
from gambook.publish.project import find_project
from gambook.publish.run import locked, run_jobs

PROFILE = "embedded"


@click.group()
def exercises() -> None:
    """Student notebooks, teacher notebooks, grades."""


@exercises.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder; default: _build/student.")
@click.option("--force", is_flag=True, help="Overwrite notebooks that have been worked on.")
def student(out: Path | None, force: bool) -> None:
    """Write the notebooks for students: no solution, no outputs. One that has been worked on is kept."""
    project = find_project(Path.cwd())
    written, kept = write_student(project, out or project.build / "student", force)
    for path in written:
        click.echo(path)
    for path in kept:
        click.echo(f"kept {path}: yours differs; --force overwrites it", err=True)


@exercises.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder; default: _build/teacher.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Notebooks at a time.")
def teacher(out: Path | None, jobs: int) -> None:
    """Run the solved notebooks where they have changed, and write them with their outputs."""
    project = find_project(Path.cwd())
    names = list(exercise_names(project).values())
    with locked(project):
        run_jobs(project, plan(project, names, PROFILE), jobs)
        for path in write_teacher(project, PROFILE, out or project.build / "teacher"):
            click.echo(path)


@exercises.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--time-limit", default=180.0, show_default=True, type=click.FloatRange(1), help="Seconds for each.")
@click.option("--seed", type=click.IntRange(0), help="Of the checks' inputs; default: drawn anew, and shown.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Submissions at a time.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="CSV; default: FOLDER/grades.csv.")
def grade(folder: Path, time_limit: float, seed: int | None, jobs: int, out: Path | None) -> None:
    """Grade every notebook below FOLDER. This runs the students' code, with your rights, on this machine."""
    project = find_project(Path.cwd())
    names = exercise_names(project)
    stubs = {exercise: stub_of(read_notebook(project.source(name))) for exercise, name in names.items()}
    submissions, skipped = find_submissions(folder, stubs, [Path(name).name for name in names.values()])
    table = out or folder / "grades.csv"
    new_gradebook(table)
    seed = secrets.randbelow(10**6) if seed is None else seed
    click.echo("\n".join([*(plain(f"skipped {line}") for line in skipped), f"seed {seed}"]), err=True)
    with contextlib.closing(Forks()) as forks:
        # both this process and that of the submissions load torch, at the same time
        from gambook.exercises.grading import Grader

        grader = Grader(forks, stubs, [project.root, folder], time_limit, seed)
        rows = []
        for row in grader.grade_all(submissions, jobs):
            rows.append(row)
            write_grades(table, rows)
            texts = f"{row.student}  {row.exercise}  {row.points}/{row.of}  {row.status}  {row.hint}"
            click.echo(plain(f"{len(rows)} of {len(submissions)}  {texts}"))
    click.echo(table, err=True)
