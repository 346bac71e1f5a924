"""The command line of the exercises: `gam exercises student`, `teacher`, `grade`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from gambook.exercises.editions import exercise_names, write_student, write_teacher
from gambook.exercises.grading import Grade, grade_folder
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
@click.option("--seed", default=1, show_default=True, help="Of the checks' inputs; the notebooks themselves use 0.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Submissions at a time.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="CSV; default: FOLDER/grades.csv.")
def grade(folder: Path, time_limit: float, seed: int, jobs: int, out: Path | None) -> None:
    """Run every notebook below FOLDER and grade it. This runs the students' code, with your rights, on this machine."""
    import pandas as pd

    if out and not out.parent.is_dir():
        raise click.ClickException(f"--out: no folder '{out.parent}'; create it first")
    grades = grade_folder(find_project(Path.cwd()), folder, time_limit, seed, jobs)
    out = out or folder / "grades.csv"
    pd.DataFrame(grades).to_csv(out, index=False)
    click.echo(to_table(grades))
    click.echo(out, file=sys.stderr)


def to_table(grades: Sequence[Grade]) -> str:
    """The grades for the eyes: one line each, no wider than a terminal."""
    width = max(len("submission"), *(len(grade.submission) for grade in grades))
    room = max(24, shutil.get_terminal_size((120, 24)).columns - width - 32)
    lines = [f"{'submission':{width}s}  exercise  status      points  missed, or what failed"]
    for grade in grades:
        score = f"{grade.points}/{grade.out_of}" if grade.out_of else "0"
        what = (grade.missed if grade.status == "graded" else grade.detail)[:room]
        lines.append(f"{grade.submission:{width}s}  {grade.exercise or '-':8s}  {grade.status:10s}  {score:6s}  {what}")
    return "\n".join(lines)
