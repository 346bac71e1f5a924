"""What an image of the two tables costs, in plain forwards of one image.

    python tests/benchmarks/tables.py [--model efficientnet_lite0] [--images 16] [--rounds 5]

The work: `evaluate` on small scenes held in memory, under three scores, with the methods and controls of the tables.
Table 1 takes a trace and one forward for each masked image that differs from the others; these are counted, not
assumed. Table 2 takes the trace and, for each map, a box at every threshold. Both run once without boxes in the data,
so that what the boxes cost stands apart. All take turns within a round, with one thread. A ratio is one of medians.
Prints a table and writes one row for each contestant and round to _build/bench/tables_<model>.csv.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from gambook.claims.protocol import BOXES, MASKING

import gamlib
from gamlib.data import Dataset, Sample, load_dataset
from gamlib.evaluation import Settings, evaluate
from gamlib.evaluation.plan import cached_model

# Of an image of Table 1, relative to 1.4 forwards for the trace and one for each masked image.
GOAL = 1.25
TRACE = 1.4


class Held(Dataset):
    """Scenes of one object in memory, with or without their boxes and masks."""

    name = "held"
    cluster = "label"

    def __init__(self, images: int, boxes: bool):
        scenes = load_dataset("scenes", n=images)
        self.classes, self.pairs, self.boxes = scenes.classes, scenes.pairs, boxes
        samples = list(scenes)
        if not boxes:
            samples = [replace(s, objects=tuple(replace(o, box=None, mask=None) for o in s.objects)) for s in samples]
        self.samples = samples
        self.shares = [scenes.areas(i) if boxes else () for i in range(images)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def labels(self, index: int) -> tuple[str, ...]:
        return tuple(item.label for item in self.samples[index].objects)

    def areas(self, index: int) -> tuple[float, ...]:
        return self.shares[index]


def contestants(model_name: str, images: int) -> dict[str, Callable[[], object]]:
    """name -> one run of it, all on the same images."""
    model = cached_model(model_name, "default", "cpu", 0)
    plain, boxed = Held(images, boxes=False), Held(images, boxes=True)
    x = model.batch([sample.image for sample in plain.samples])

    def table(dataset: Dataset, names: tuple[str, ...], depths: tuple[int, ...], fill: tuple[str, ...]) -> None:
        with tempfile.TemporaryDirectory() as out:
            evaluate(model_name, dataset, Settings(methods=names, n=depths, fill=fill, mask_side="both"), out)

    return {
        "forward": lambda: model.embed(x),
        "table 1, no boxes": lambda: table(plain, *MASKING, ("black",)),
        "table 2, no boxes": lambda: table(plain, *BOXES, ()),
        "table 2": lambda: table(boxed, *BOXES, ()),
    }


@contextmanager
def counted(model: gamlib.Model) -> Iterator[list[int]]:
    """The batch sizes of all forwards meanwhile."""
    sizes: list[int] = []
    last = model.module.get_submodule(model.layers[0])
    hook = last.register_forward_hook(lambda _module, _given, output: sizes.append(len(output)))
    try:
        yield sizes
    finally:
        hook.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="efficientnet_lite0", choices=gamlib.MODELS)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("_build/bench"))
    options = parser.parse_args()

    torch.set_num_threads(1)
    runs = contestants(options.model, options.images)
    forwards = {}
    for name, run in runs.items():
        with counted(cached_model(options.model, "default", "cpu", 0)) as sizes:
            run()
        forwards[name] = sum(sizes) / options.images
    rows = []
    for number in range(options.rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds = (time.perf_counter() - start) / options.images
            rows.append({"contestant": name, "round": number, "seconds": seconds, "forwards": forwards[name]})

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"tables_{options.model}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["model", "images", *rows[0]])
        writer.writeheader()
        writer.writerows({"model": options.model, "images": options.images, **row} for row in rows)

    print(f"{options.model}, {options.images} images, 1 thread, {options.rounds} rounds; an image:")
    print(f"{'contestant':<20}{'median s':>10}{'x forward':>11}{'forwards':>10}")
    median = {name: statistics.median(row["seconds"] for row in rows if row["contestant"] == name) for name in forwards}
    cost = {name: seconds / median["forward"] for name, seconds in median.items()}
    for name, seconds in median.items():
        print(f"{name:<20}{seconds:>10.4f}{cost[name]:>11.2f}{forwards[name]:>10.1f}")
    masked = forwards["table 1, no boxes"] - 1
    share = cost["table 1, no boxes"] / (TRACE + masked)
    print(f"table 1 / ({TRACE} + {masked:.1f} masked forwards): {share:.2f}; goal: at most {GOAL}")
    print(f"boxes and masks of table 2: {cost['table 2'] - cost['table 2, no boxes']:.2f} forwards an image")
    print(path)


if __name__ == "__main__":
    main()
