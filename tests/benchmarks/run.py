"""All measures of the performance page in one run, one line each as they come.

    python tests/benchmarks/run.py [--only maps,scale] [--rounds 15] [--device cuda] [--publish]

Writes _build/bench/<device>/performance.csv and provenance.json; with --publish book/results/performance/<device>,
which the page shows. A graphics processor is asked for maps alone: everything else runs on the other one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path

import house
import maps
import pandas as pd
import scale
import tables
import torch
from gambook.publish.provenance import commit, versions
from gambook.publish.run import MEMORY

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"tables": tables, "scale": scale, "house": house}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="groups of measures")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--publish", action="store_true", help="what this run measures is what the page shows")
    options = parser.parse_args()
    if "MALLOC_MMAP_MAX_" not in os.environ:
        # as notebooks run: memory of one layer is kept for the next, for every contestant
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | MEMORY | {"KINETO_LOG_LEVEL": "99"})
    folder = ROOT / ("book/results/performance" if options.publish else "_build/bench") / options.device
    folder.mkdir(parents=True, exist_ok=True)
    started, records = time.perf_counter(), []
    graphics = options.device != "cpu"
    measures = {"maps": partial(maps.rows, options.rounds, options.device)}
    if not graphics:
        measures |= {name: partial(module.rows, options.rounds) for name, module in GROUPS.items()}
    for name in options.only.split(",") if options.only else measures:
        for row in measures[name]():
            records.append(row.record())
            limit = "" if row.goal is None else f"   goal {'>=' if row.least else '<='} {row.goal:g}"
            print(f"{row.measure:<52} {row.what:<20} {row.value:8.3f} {row.unit}{limit}", flush=True)
    pd.DataFrame(records).round(4).to_csv(folder / "performance.csv", index=False)
    record = {
        "commit": commit(ROOT), "processor": torch.cuda.get_device_name() if graphics else processor(),
        "processors": len(os.sched_getaffinity(0)), "threads": 1, "rounds": options.rounds,
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "system": platform.platform(), "versions": versions(),
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(record, indent=1) + "\n")
    print(folder / "performance.csv")


def processor() -> str:
    """Its name as Linux knows it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
