"""The reference results that are committed: every number of the book for several backbones, from `gam results`.

The ledger's notebook and what it needs run for each backbone as they do for the book; what they leave behind is put
together in book/results/<profile>/: tables, and the measures of every single map, from which a reader can recompute a
row. The cells of the tables and the specification curve are added.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import click

from gambook.publish.plan import plan
from gambook.publish.project import Project
from gambook.publish.provenance import versions
from gambook.publish.run import kernel_environment, run_jobs

# Those whose data everyone can have, and whose network is free to choose.
REFERENCE_PROFILES = ("embedded", "open")
BACKBONES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
# Chapters whose results the ledger cannot compute itself, and the ledger; other results are shards, which it makes.
CHAPTERS = ("02_negative_gradients", "06_sanity_checks", "12_verdicts")
# What the chapters leave in their results folder and what is published of it, one row of each for every backbone.
TABLES = ("ledger", "verdicts", "gradients", "sanity")
# What is added here.
ADDED = ("specification", "cells")


def make_results(project: Project, profile: str, workers: int) -> None:
    """Write book/results/<profile>/ from runs of the ledger's notebook and all it needs.

    Finished parts are kept in _build: a run that was broken off goes on where it was.
    """
    folders = {}
    for model in BACKBONES:
        # the book's own backbone shares its runs with the book
        place = profile if model == BACKBONES[0] else f"{profile}-{model}"
        jobs = plan(project, CHAPTERS, profile, {"model": model}, whole=True, place=place)
        click.echo(f"{profile}, {model}:")
        run_jobs(project, [job for job in jobs if job.name in CHAPTERS], workers)
        folders[model], parameters = project.results(place), jobs[-1].shown
    settings = {"n_images": parameters["n_images"], "seed": parameters["seed"]}
    click.echo("choices left open, and the measures of every map ...")
    os.environ.update(kernel_environment())
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting = {pool.submit(_extend, profile, model, folder, settings): model for model, folder in folders.items()}
        for future in as_completed(waiting):
            future.result()
            click.echo(f"  {waiting[future]}")
    _publish(project.root / "book" / "results" / profile, profile, folders, settings)
    click.echo(f"book/results/{profile} is up to date")


def _extend(profile: str, model: str, folder: Path, settings: dict) -> None:
    """Add the specification curve and the tables' cells to the results of one backbone."""
    import pandas as pd

    from gambook.claims.curve import specification
    from gamlib.evaluation.results import cell_means

    curve = specification(profile, model, folder / "choices", **settings)
    curve.round(3).to_csv(folder / "specification.csv", index=False)
    maps = pd.read_parquet(folder / "maps.parquet")
    shown = [name for name in maps if name.startswith(("box_iou", "mask_iou", "adp_", "pic_"))]
    cells = [cell_means(maps, metric, settings["seed"]).assign(metric=metric) for metric in shown]
    pd.concat(cells, ignore_index=True).round(3).to_csv(folder / "cells.csv", index=False)


def _publish(target: Path, profile: str, folders: dict[str, Path], settings: dict) -> None:
    """Put the backbones' tables together, copy the measures of their maps, say where all came from."""
    import pandas as pd

    from gamlib.evaluation.store import sources_digest

    target.mkdir(parents=True, exist_ok=True)
    for name in (*TABLES, *ADDED):
        parts = [pd.read_csv(folder / f"{name}.csv", keep_default_na=False) for folder in folders.values()]
        together = pd.concat(parts, ignore_index=True).drop_duplicates()
        # thousands of rows, each with its claim written out; compressed without the time, so that equal rows stay equal
        packed = name == "specification"
        options: dict = {"compression": {"method": "gzip", "mtime": 0}} if packed else {}
        together.to_csv(target / (f"{name}.csv.gz" if packed else f"{name}.csv"), index=False, **options)
    for model, folder in folders.items():
        shutil.copyfile(folder / "maps.parquet", target / f"maps_{model}.parquet")
    made = {"profile": profile, "models": list(folders), **settings, "versions": versions()}
    made["sources"] = sources_digest()
    (target / "provenance.json").write_text(json.dumps(made, indent=1) + "\n")
