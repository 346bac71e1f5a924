"""Whether an evaluation stays as quick and as small as it grows, and what other processes add or cost.

The network is a small one of two layers and the images are noise, so that what the evaluation itself keeps and does is
not lost beside a large network. Each size runs in a process of its own, whose largest resident set counts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from rounds import Row, medians
from torch import nn

import gamlib
from gamlib.data import Dataset, Object, Sample
from gamlib.evaluation import Settings, evaluate

SIZES = (1000, 4000, 16000)
SETTINGS = Settings(tasks=("class", "cosine"), methods=("gam", "grad_cam"))


class Noise(Dataset):
    """Images of noise, made when they are read, each with a box; two of a label."""

    name = "noise"
    classes: ClassVar[dict[str, None]] = {}

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        pixels = np.random.default_rng(index).integers(0, 256, (96, 96, 3), np.uint8)
        return Sample(f"{index:05d}", Image.fromarray(pixels), (Object(self.labels(index)[0], (16, 16, 64, 64)),))

    def labels(self, index: int) -> tuple[str, ...]:
        return (f"label {index // 2}",)

    def areas(self, index: int) -> tuple[float, ...]:
        return (0.25,)


def small() -> gamlib.Model:
    """A network of two layers."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 32, 7, stride=4, padding=3), nn.Conv2d(32, 64, 3, stride=2, padding=1)
    body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(64, 1000))
    transform = gamlib.Preprocess((96, 96), (0.5,) * 3, (0.25,) * 3)
    return gamlib.Model(body, ["3", "1"], lambda x: body[:4](x).mean(dim=(2, 3)), body[4], transform, None, "small")


def one_size(count: int) -> None:
    """In a process of its own: the seconds of an evaluation, this process's largest resident set so far, its table."""
    with tempfile.TemporaryDirectory() as out:
        evaluate("scale:small", Noise(64), SETTINGS, f"{out}/first")
        start = time.perf_counter()
        table = evaluate("scale:small", Noise(count), SETTINGS, f"{out}/second")
        seconds = time.perf_counter() - start
    # not ru_maxrss, which begins at that of the process which started this one
    status = Path("/proc/self/status").read_text()
    kilobytes = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
    held = int(table.memory_usage(deep=True).sum())
    print(json.dumps({"seconds": seconds, "largest": 1024 * kilobytes, "table": held}))


def _apart(count: int) -> dict[str, float]:
    here = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, "-c", f"import scale; scale.one_size({count})"],
        env=os.environ | {"PYTHONPATH": str(here)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


def growth() -> Iterator[Row]:
    found = {count: _apart(count) for count in SIZES}
    first = found[SIZES[0]]
    for count in SIZES:
        each = found[count]["seconds"] / count
        relative = each / (first["seconds"] / SIZES[0])
        yield Row("scale", "time an image, beside 1,000 images", f"{count:,} images", relative, goal=1.1, seconds=each)
        largest = found[count]["largest"] / first["largest"]
        yield Row("scale", "largest resident set, beside 1,000 images", f"{count:,} images", largest, goal=1.1)
        share = found[count]["table"] / first["largest"]
        yield Row("scale", "the table of results, in largest sets of 1,000 images", f"{count:,} images", share)


def _evaluated(mapper: object = map) -> None:
    settings = Settings(methods=("gam", "grad_cam"))
    with tempfile.TemporaryDirectory() as out:
        evaluate("efficientnet_lite0", gamlib.load_dataset("scenes", n=96), settings, out, map=mapper)


def _twice(number: int) -> None:
    _evaluated()


def workers(rounds: int) -> Iterator[Row]:
    """An evaluation shared by two worker processes, beside two processes that do one each and know of no other.

    Those two are what the machine has to give for two threads: they share its memory and its clock as the workers do.
    """
    from distributed import Client, LocalCluster

    with (
        ProcessPoolExecutor(2, get_context("spawn")) as pool,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        runs = {
            "alone": lambda: list(pool.map(_twice, range(2))),
            "pool": lambda: _evaluated(pool.map),
            "dask": lambda: _evaluated(client.map),
            "one": _evaluated,
        }
        found = medians(runs, max(3, rounds // 3))
    value = found["one"] / found["alone"]
    yield Row("scale", "two processes on their own: speed / twice that of one", "efficientnet_lite0", value)
    for name, title in (("pool", "process pool"), ("dask", "Dask, two workers")):
        value = found["alone"] / 2 / found[name]
        yield Row("scale", f"{title}: speed / two on their own", "efficientnet_lite0", value, "x", 0.95, True)


def rows(rounds: int) -> Iterator[Row]:
    yield from growth()
    yield from workers(rounds)
