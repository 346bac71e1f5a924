"""The open profile's evaluation of one network from end to end, and how many of its answers differ from the committed.

    GAMLIB_DATA=... python tests/benchmarks/open_profile.py [--device cuda] [--workers 15] [--tf32] [--images 325]

Prints a line of book/results/performance/cuda/open_profile.csv. --tf32 lets an NVIDIA card shorten the numbers of its
convolutions, which `evaluate` does not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from gambook.claims import protocol
from gambook.claims.ledger import ledger
from gambook.claims.rule import claim_words

from gamlib.evaluation import engine

MODEL = "efficientnet_lite0"
COMMITTED = Path(__file__).resolve().parents[2] / "book/results/open" / f"maps_{MODEL}.parquet"
COMPARISON = ["dataset", "id", "task", "subset"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--images", type=int, default=325, help="a quarter of a data set's photographs at most")
    parser.add_argument("--tf32", action="store_true")
    options = parser.parse_args()
    run = protocol.Protocol("open", MODEL, n_images=options.images, device=options.device)
    initializer = shortened if options.tf32 else None
    seconds, parts = {}, []
    with (
        ProcessPoolExecutor(options.workers, get_context("spawn"), initializer) as pool,
        tempfile.TemporaryDirectory() as out,
    ):
        # where `run` looks for what computes its shards
        protocol.map = pool.map
        for part in protocol.PARTS:
            start = time.perf_counter()
            parts.append(run.run(part, out))
            seconds[part] = round(time.perf_counter() - start, 1)
    made = ledger(protocol.published(pd.concat(parts, ignore_index=True)), "open")
    committed = ledger(pd.read_parquet(COMMITTED), "open").query("state != 'not run'")
    both = committed.merge(made, on=COMPARISON, suffixes=("", "_made"), validate="1:1")
    words = claim_words(committed).merge(claim_words(made), on=["claim", "kind"], suffixes=("", "_made"))
    row = {
        "convolutions in": "TF32" if options.tf32 else "float32",
        "processes": options.workers,
        "Table 2 (s)": seconds["boxes"],
        "Table 1 (s)": seconds["masking"],
        "comparisons": len(both),
        "in another state": int((both["state"] != both["state_made"]).sum()),
        "claims with another word": int((words["word"] != words["word_made"]).sum()),
    }
    pd.DataFrame([row]).to_csv(sys.stdout, index=False)


def shortened() -> None:
    """In each process, before its first shard."""
    engine.repeatable = nullcontext


if __name__ == "__main__":
    main()
