"""All measures of the performance page in one run, one line each as they come.

    python tests/benchmarks/run.py [--only maps,scale] [--rounds 15] [--publish]

Writes _build/bench/performance.csv and provenance.json; with --publish book/results/performance, which the page shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import house
import maps
import pandas as pd
import scale
import tables
from gambook.publish.provenance import commit, versions
from gambook.publish.run import MEMORY

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"maps": maps, "tables": tables, "scale": scale, "house": house}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups of measures")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--publish", action="store_true", help="what this run measures is what the page shows")
    options = parser.parse_args()
    if "MALLOC_MMAP_MAX_" not in os.environ:
        # as notebooks run: memory of one layer is kept for the next, for every contestant
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | MEMORY | {"KINETO_LOG_LEVEL": "99"})
    folder = ROOT / ("book/results/performance" if options.publish else "_build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    started, records = time.perf_counter(), []
    for name in options.only.split(","):
        for row in GROUPS[name].rows(options.rounds):
            records.append(row.record())
            limit = "" if row.goal is None else f"   goal {'>=' if row.least else '<='} {row.goal:g}"
            print(f"{row.measure:<52} {row.what:<20} {row.value:8.3f} {row.unit}{limit}", flush=True)
    pd.DataFrame(records).round(4).to_csv(folder / "performance.csv", index=False)
    record = {
        "commit": commit(ROOT), "processor": processor(), "processors": len(os.sched_getaffinity(0)),
        "threads": 1, "rounds": options.rounds, "minutes": round((time.perf_counter() - started) / 60, 1),
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
