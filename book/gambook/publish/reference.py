"""The reference results that are committed: every number of the book for several backbones, from `gam results`.

The ledger's notebook and what it needs run for each backbone as they do for the book; what they leave behind is put
together in book/results/<profile>/: tables, and the measures of every single map, from which a reader can recompute a
row. The cells of the tables and the specification curve are added.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import click

from gambook.publish.plan import plan
from gambook.publish.project import Project
from gambook.publish.provenance import commit, versions
from gambook.publish.run import kernel_environment, run_jobs

# Those whose data everyone can have, and whose network is free to choose, with the number of images of each evaluation:
# scenes a stratum, and a quarter of the photographs of a data set.
REFERENCE_PROFILES = {"embedded": 192, "open": 325}
# Whether a network's sanity checks and ablation are made, too: of each family one is enough.
BACKBONES = {
    "efficientnet_lite0": True,
    "squeezenet1_1": True,
    "efficientnet_lite1": False,
    "efficientnet_lite2": False,
}
# Networks of the specification curve: two families, and another choice of the second layer.
CURVE_BACKBONES = ("efficientnet_lite0", "squeezenet1_1", "squeezenet1_1_fire8")
# Chapters whose results the ledger cannot compute itself, and the ledger; other results are shards, which it makes.
CHAPTERS = ("02_negative_gradients",)
IN_FULL = ("06_sanity_checks", "11_relatives")
LEDGER = "12_verdicts"
# What the chapters leave in their results folder and what is published of it, one row of each for every backbone.
TABLES = ("gradients", "sanity", "ablation")


def make_results(project: Project, profile: str, workers: int) -> None:
    """Write book/results/<profile>/ from runs of the ledger's notebook and all it needs.

    Finished parts are kept in _build: a run that was broken off goes on where it was.
    """
    for model, full in BACKBONES.items():
        place = f"{profile}-{model}"
        jobs = plan(project, CHAPTERS + IN_FULL * full, profile, {"model": model}, whole=True, place=place)
        n_images = str(REFERENCE_PROFILES[profile])
        # its sentences are held to the results that are made here
        given = {"model": model, "n_images": n_images, "reference_dir": ""}
        jobs += [job for job in plan(project, (LEDGER,), profile, given, place=place) if job.name == LEDGER]
        click.echo(f"{profile}, {model}:")
        run_jobs(project, jobs, workers)
    click.echo("choices left open, and the measures of every map ...")
    os.environ.update(kernel_environment())
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting = {pool.submit(_add_curve, project, profile, model): model for model in CURVE_BACKBONES}
        for future in as_completed(waiting):
            future.result()
            click.echo(f"  {waiting[future]}")
    _publish(project, profile)
    click.echo(f"book/results/{profile} is up to date")


def _add_curve(project: Project, profile: str, model: str) -> None:
    """Add the specification curve to the results of one backbone."""
    from gambook.claims.curve import specification
    from gamlib.evaluation import save

    folder = project.results(f"{profile}-{model}")
    save(specification(profile, model, folder / "choices"), folder / "specification.csv")


def _publish(project: Project, profile: str) -> None:
    """Put the backbones' tables together, make cells and ledger of the published maps, say where all came from."""
    import pandas as pd

    from gambook.claims.differences import part_of
    from gambook.claims.ledger import ledger
    from gambook.claims.rule import claim_words
    from gamlib.evaluation.results import cell_means
    from gamlib.evaluation.store import sources_digest

    def together(name: str, models: Iterable[str]) -> pd.DataFrame:
        places = [project.results(f"{profile}-{model}") / f"{name}.csv" for model in models]
        parts = [pd.read_csv(path, keep_default_na=False) for path in places if path.is_file()]
        return pd.concat(parts, ignore_index=True).drop_duplicates()

    target = project.root / "book" / "results" / profile
    target.mkdir(parents=True, exist_ok=True)
    # as they are written: the ledger follows from what readers find
    tables = {name: together(name, BACKBONES).round(3) for name in TABLES}
    for model in BACKBONES:
        shutil.copyfile(project.results(f"{profile}-{model}") / "maps.parquet", target / f"maps_{model}.parquet")
    maps = pd.concat([pd.read_parquet(target / f"maps_{model}.parquet") for model in BACKBONES], ignore_index=True)
    shown = [name for name in maps if name in ("box_iou", "mask_iou") or name.startswith(("adp_", "pic_"))]
    cells = [cell_means(maps[maps["part"] == part_of(name)], name).assign(metric=name) for name in shown]
    tables["cells"] = pd.concat(cells, ignore_index=True).drop(columns="clusters")
    tables["ledger"] = ledger(maps, profile, tables["gradients"], tables["sanity"])
    tables["verdicts"] = claim_words(tables["ledger"])
    for name, table in tables.items():
        table.round(3).to_csv(target / f"{name}.csv", index=False)
    # thousands of rows, each with its claim written out; compressed without the time, so that equal rows stay equal
    together("specification", CURVE_BACKBONES).to_csv(
        target / "specification.csv.gz", index=False, compression={"method": "gzip", "mtime": 0}
    )
    record = {
        "profile": profile, "models": list(BACKBONES), "n_images": REFERENCE_PROFILES[profile],
        "commit": commit(project.root), "processor": platform.processor() or platform.machine(),
        "versions": versions(), "sources": sources_digest(),
    }  # fmt: skip
    (target / "provenance.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")
