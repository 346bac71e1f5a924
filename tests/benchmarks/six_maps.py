"""Six saliency maps of a batch against one plain forward, and against two saliency libraries.

    python tests/benchmarks/six_maps.py [--model efficientnet_lite0] [--batch 8] [--threads 1] [--rounds 15]

The work: GAM, Grad-CAM and Grad-CAM++, each over one and over two layers, resized to the input, of every image's
top class. All contestants take turns within a round (A B C, A B C, ...) with the same number of threads, so that
whatever else the machine does falls on all of them. A ratio is a median of one contestant's times over a median of
another's, over the rounds that both took part in. Prints a table and writes one row for each contestant and round to
_build/bench/six_maps_<model>_<threads>.csv.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_grad_cam
import torch
import torchcam.methods
from torch import Tensor
from torch.nn.functional import interpolate

import gamlib

METHODS = ("gam", "grad_cam", "grad_cam_pp")
DEPTHS = (1, 2)
# contestant, reference, which of the two should be the smaller by how much (goal, floor)
GOALS = {
    ("gamlib", "forward"): "at most 1.35 (floor 1.5)",
    ("pytorch-grad-cam", "gamlib"): "at least 10",
    ("torch-cam", "gamlib"): "at least 5",
}


def contestants(model: gamlib.Model, x: Tensor) -> dict[str, Callable[[], object]]:
    """name -> one run of it. Our single-layer GAM is the libraries' LayerCAM."""
    size, names = x.shape[-2:], model.layers[:2]
    parts = [model.module.get_submodule(name) for name in names]

    def ours() -> object:
        return gamlib.saliency_maps(gamlib.trace_class(model, x), METHODS, DEPTHS)

    def ours_by_six_calls() -> object:
        trace = gamlib.trace_class(model, x)
        return [gamlib.METHODS[method](trace, n) for method in METHODS for n in DEPTHS]

    def grad_cam_library() -> object:
        maps = []
        for method in (pytorch_grad_cam.LayerCAM, pytorch_grad_cam.GradCAM, pytorch_grad_cam.GradCAMPlusPlus):
            for depth in DEPTHS:
                # the library wants its layers in the order of the forward
                with method(model=model.module, target_layers=parts[:depth][::-1]) as cam:
                    maps.append(cam(input_tensor=x, targets=None))
        return maps

    def torch_cam(depths_of_a_forward: tuple[tuple[int, ...], ...]) -> object:
        maps = []
        for method in (torchcam.methods.LayerCAM, torchcam.methods.GradCAM, torchcam.methods.GradCAMpp):
            for depths in depths_of_a_forward:
                with method(model.module, target_layer=list(names[: max(depths)])) as cam:
                    scores = model.module(x)
                    layers = cam(scores.argmax(dim=1).tolist(), scores)
                resized = [interpolate(m[:, None], size, mode="bilinear")[:, 0] for m in layers]
                maps += [torch.stack(resized[:depth]).mean(dim=0) for depth in depths]
        return maps

    return {
        "forward": lambda: model.logits(x),
        "trace": lambda: gamlib.trace_class(model, x),
        "gamlib": ours,
        "gamlib, six calls": ours_by_six_calls,
        "pytorch-grad-cam": grad_cam_library,
        "torch-cam": lambda: torch_cam(((1,), (2,))),
        "torch-cam, layers shared": lambda: torch_cam(((1, 2),)),
    }


LIBRARIES = ("pytorch-grad-cam", "torch-cam", "torch-cam, layers shared")


def measure(runs: dict[str, Callable[[], object]], rounds: int, library_rounds: int) -> list[dict[str, object]]:
    """One row for each contestant and round: seconds on the clock, and seconds of this process on a processor."""
    for name, run in runs.items():
        if name not in LIBRARIES or library_rounds:
            run()
    rows = []
    for number in range(rounds):
        for name, run in runs.items():
            if name in LIBRARIES and number >= library_rounds:
                continue
            clock, processor = time.perf_counter(), time.process_time()
            run()
            processor, clock = time.process_time() - processor, time.perf_counter() - clock
            rows.append({"contestant": name, "round": number, "seconds": clock, "cpu_seconds": processor})
    return rows


def ratio(rows: list[dict[str, object]], one: str, other: str, kind: str) -> float:
    """Median time of one over the median time of the other, over the rounds that both took part in."""
    times = {name: {row["round"]: row[kind] for row in rows if row["contestant"] == name} for name in (one, other)}
    shared = times[one].keys() & times[other].keys()
    medians = [statistics.median(times[name][number] for number in shared) for name in (one, other)]
    return medians[0] / medians[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="efficientnet_lite0", choices=gamlib.MODELS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--library-rounds", type=int, default=5, help="rounds that the libraries take part in; 0: none")
    parser.add_argument("--out", type=Path, default=Path("_build/bench"))
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    # Times do not depend on the weights, and only the Lite networks carry theirs.
    model = gamlib.load_model(options.model, weights=None)
    x = torch.randn(options.batch, 3, *model.input_size)
    rows = measure(contestants(model, x), options.rounds, options.library_rounds)

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"six_maps_{options.model}_{options.threads}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["model", "batch", "threads", *rows[0]])
        writer.writeheader()
        writer.writerows(
            {"model": options.model, "batch": options.batch, "threads": options.threads, **row} for row in rows
        )

    print(f"{options.model}, batch {options.batch}, {options.threads} thread(s), {options.rounds} rounds")
    print(f"{'contestant':<26}{'median s':>10}{'x forward':>11}{'x (cpu)':>9}")
    for name in dict.fromkeys(row["contestant"] for row in rows):
        seconds = statistics.median(row["seconds"] for row in rows if row["contestant"] == name)
        clock, processor = (ratio(rows, name, "forward", kind) for kind in ("seconds", "cpu_seconds"))
        print(f"{name:<26}{seconds:>10.3f}{clock:>11.2f}{processor:>9.2f}")
    for (one, other), goal in GOALS.items():
        if any(row["contestant"] == one for row in rows):
            clock, processor = (ratio(rows, one, other, kind) for kind in ("seconds", "cpu_seconds"))
            print(f"{one} / {other}: {clock:.2f} (cpu {processor:.2f}); goal: {goal}")
    print(path)


if __name__ == "__main__":
    main()
