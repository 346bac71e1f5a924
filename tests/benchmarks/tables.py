"""What an image of the two tables costs, in plain forwards of one image.

The work: `evaluate` on small scenes held in memory, under three scores, with the methods and controls of the tables.
Table 1 takes a trace and one forward for each masked image that differs from the others; these are counted, not
assumed. Table 2 takes the trace and, for each map, a box at every threshold. Both run once without boxes in the data,
so that what the boxes cost stands apart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from gambook.claims.evaluations import BOXES, MASKING
from gambook.claims.tables import TABLE_DEPTHS, TABLE_METHODS
from rounds import Row, medians

import gamlib
from gamlib.boxes import THRESHOLDS, box_ious
from gamlib.data import Dataset, Sample, load_dataset
from gamlib.evaluation import Settings, evaluate
from gamlib.evaluation.measure import ROWS_AT_ONCE
from gamlib.evaluation.plan import cached_model

# A trace beside a forward, as the goal for Table 1 has it.
TRACE = 1.4
MODEL = "efficientnet_lite0"
IMAGES = 16


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

    # the goal's own work: eight maps of an image, each with a box at twelve thresholds
    (trace,) = gamlib.trace(model, x, [gamlib.ClassScore()])
    maps = gamlib.saliency_maps(trace, TABLE_METHODS, TABLE_DEPTHS).values()
    truths = [next(iter(sample.truths(model.input_size).values())).boxes for sample in boxed.samples]

    def boxes() -> None:
        for each in maps:
            for one, true in zip(each, truths, strict=True):
                box_ious(one, true, THRESHOLDS[::2])

    return {
        "forward": lambda: model.embed(x),
        "boxes": boxes,
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


def rows(rounds: int) -> Iterator[Row]:
    torch.set_num_threads(1)
    runs = contestants(MODEL, IMAGES)
    with counted(cached_model(MODEL, "default", "cpu", 0)) as sizes:
        runs["table 1, no boxes"]()
    masked = sum(sizes) / IMAGES - 1
    model = cached_model(MODEL, "default", "cpu", 0)
    batch = torch.randn(ROWS_AT_ONCE, 3, *model.input_size)
    batches = round(masked * IMAGES / ROWS_AT_ONCE)
    runs["masked forwards"] = lambda: [model.embed(batch) for _ in range(batches)]
    seconds = {name: found / IMAGES for name, found in medians(runs, max(3, rounds // 3)).items()}
    cost = {name: found / seconds["forward"] for name, found in seconds.items()}
    one, boxes = cost["table 1, no boxes"], cost["table 2"] - cost["table 2, no boxes"]
    what = f"an image / ({TRACE} + {masked:.1f} masked forwards)"
    yield Row(
        "tables", f"Table 1, {what}", MODEL, one / (TRACE + masked), goal=1.15, seconds=seconds["table 1, no boxes"]
    )
    yield Row(
        "tables", "the masked forwards alone, an image / as many forwards", MODEL, cost["masked forwards"] / masked
    )
    yield Row("tables", "boxes of eight maps at twelve thresholds, an image / forward", MODEL, cost["boxes"], goal=1.0)
    yield Row("tables", "all boxes and masks of Table 2, an image / forward", MODEL, boxes)
    yield Row("tables", "Table 2, an image / forward", MODEL, cost["table 2"], seconds=seconds["table 2"])
