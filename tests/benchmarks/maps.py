"""Six maps of a batch (GAM, Grad-CAM, Grad-CAM++, each of one and of two layers, resized) and all maps of a pair.

Against a plain forward in its faster layout, against a forward with a partial gradient written by hand, which no method
of this kind can do without, and against three libraries: each as its documentation says, and as few times as its
interface allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import captum.attr
import pytorch_grad_cam
import torch
import torchcam.methods
from rounds import Row, medians
from torch import Tensor
from torch.nn.functional import interpolate

import gamlib

METHODS = ("gam", "grad_cam", "grad_cam_pp")
DEPTHS = (1, 2)
NETWORKS = ("efficientnet_lite0", "squeezenet1_1", "densenet201", "resnet101")
BATCH = 8


def network(name: str, device: str) -> tuple[gamlib.Model, Tensor]:
    """A network and a batch for it. Times do not depend on weights: those that are not packaged are random."""
    torch.manual_seed(0)
    model = gamlib.load_model(name, weights=None, device=device)
    return model, torch.randn(BATCH, 3, *model.input_size, device=device)


def six_maps(model: gamlib.Model, x: Tensor) -> object:
    return gamlib.saliency_maps(gamlib.trace_class(model, x), METHODS, DEPTHS)


def grad_cam_only(model: gamlib.Model, x: Tensor) -> object:
    """What captum has of the six."""
    return gamlib.saliency_maps(gamlib.trace_class(model, x), METHODS[1:2], DEPTHS)


def plain(model: gamlib.Model, x: Tensor) -> dict[str, Callable[[], object]]:
    """A forward in both layouts of memory."""

    @torch.inference_mode()
    def forward(x: Tensor) -> Tensor:
        return model.module(x)

    last = x.contiguous(memory_format=torch.channels_last)
    return {"forward": lambda: forward(x), "forward, channels last": lambda: forward(last)}


def by_hand(model: gamlib.Model, x: Tensor, *scores: Callable[[Tensor], Tensor]) -> list[tuple[Tensor, ...]]:
    """A forward that records from the second layer on, and the gradients of each score there: no maps."""
    last, earlier = (model.module.get_submodule(name) for name in model.layers[:2])
    held: list[Tensor] = []

    def keep(_module: object, _given: object, output: Tensor) -> Tensor:
        held.append(output if held else output.detach().requires_grad_())
        return held[-1]

    hooks = [earlier.register_forward_hook(keep), last.register_forward_hook(keep)]
    for parameter in model.module.parameters():
        parameter.requires_grad_(False)
    try:
        embedding = model.features(x)
        return [torch.autograd.grad(score(embedding), held, retain_graph=True) for score in scores]
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)


def top_logits(model: gamlib.Model) -> Callable[[Tensor], Tensor]:
    return lambda embedding: model.needed_head()(embedding).amax(dim=1).sum()


def dot(embedding: Tensor) -> Tensor:
    return embedding[0] @ embedding[1]


def cosine(embedding: Tensor) -> Tensor:
    return torch.cosine_similarity(embedding[0], embedding[1], dim=0)


def grad_cam_library(model: gamlib.Model, x: Tensor, calls: bool) -> object:
    """pytorch-grad-cam: an object for each method and list of layers; or one for each method, called twice."""
    # the library wants its layers in the order of the forward
    layers = [model.module.get_submodule(name) for name in model.layers[1::-1]]
    maps = []
    for method in (pytorch_grad_cam.LayerCAM, pytorch_grad_cam.GradCAM, pytorch_grad_cam.GradCAMPlusPlus):
        if calls:
            for depth in DEPTHS:
                with method(model=model.module, target_layers=layers[-depth:]) as cam:
                    maps.append(cam(input_tensor=x, targets=None))
        else:
            with method(model=model.module, target_layers=layers) as cam:
                mean = cam(input_tensor=x, targets=None)
                # the last layer alone from what the call has left behind
                maps += [mean, cam.compute_cam_per_layer(x, cam_targets(cam, x), False)[-1][:, 0]]
    return maps


def cam_targets(cam: pytorch_grad_cam.GradCAM, x: Tensor) -> list:
    top = cam.outputs.argmax(dim=-1).tolist()
    return [pytorch_grad_cam.utils.model_targets.ClassifierOutputTarget(each) for each in top]


def torch_cam(model: gamlib.Model, x: Tensor, calls: bool) -> object:
    """torch-cam: an extractor for each method and list of layers, or one for each method over both layers."""
    size, names, maps = x.shape[-2:], list(model.layers[:2]), []
    for method in (torchcam.methods.LayerCAM, torchcam.methods.GradCAM, torchcam.methods.GradCAMpp):
        for depths in ((1,), (2,)) if calls else (DEPTHS,):
            with method(model.module, target_layer=names[: max(depths)]) as cam:
                scores = model.module(x)
                layers = cam(scores.argmax(dim=1).tolist(), scores)
            resized = [interpolate(m[:, None], size, mode="bilinear")[:, 0] for m in layers]
            maps += [torch.stack(resized[:depth]).mean(dim=0) for depth in depths]
    return maps


def captum_library(model: gamlib.Model, x: Tensor, calls: bool) -> object:
    """Captum has Grad-CAM alone of the three: a call for each layer of each depth, or one for each layer."""
    layers = [model.module.get_submodule(name) for name in model.layers[:2]]
    size = tuple(x.shape[-2:])
    target = model.module(x).argmax(dim=1)
    found = {}
    for depth in DEPTHS if calls else (2,):
        for layer in layers[:depth]:
            raw = captum.attr.LayerGradCam(model.module, layer).attribute(x, target, relu_attributions=True)
            found[layer] = captum.attr.LayerAttribution.interpolate(raw, size, "bilinear")
    return found


LIBRARIES = {
    "pytorch-grad-cam": (grad_cam_library, six_maps, 10.0),
    "torch-cam": (torch_cam, six_maps, 5.0),
    "captum": (captum_library, grad_cam_only, 5.0),
}


def pair_maps(model: gamlib.Model, x: Tensor) -> object:
    """24 maps: dot product and cosine, both sides, three methods, two depths."""
    traces = gamlib.trace(model, x, [gamlib.Cosine([(0, 1)]), gamlib.Dot([(0, 1)])])
    return [gamlib.saliency_maps(one, METHODS, DEPTHS) for one in traces]


@contextmanager
def recorded() -> Iterator[list[int]]:
    """The sizes of all allocations (positive) and releases (negative) of tensors, in their order."""
    changes: list[int] = []
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        yield changes
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes += [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def peak(run: Callable[[], object]) -> int:
    """Bytes of tensors held at once, at most, beyond those before; what is returned is held to the end."""
    run()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        kept = run()
        return torch.cuda.max_memory_allocated() - before
    with recorded() as changes:
        kept = run()
    del kept
    held = highest = 0
    for change in changes:
        held += change
        highest = max(highest, held)
    return highest


def memory(model: gamlib.Model, x: Tensor) -> tuple[int, int, int]:
    """Extra peaks over a forward, of six maps and of gradients by hand, and the bytes of layers, gradients and maps."""
    trace = gamlib.trace_class(model, x)
    needed = [tensor for layer in trace.layers for tensor in (layer.activation, layer.gradient)]
    needed += gamlib.saliency_maps(trace, METHODS, DEPTHS).values()
    forward = peak(plain(model, x)["forward"])
    six, hand = (
        peak(run) - forward for run in (partial(six_maps, model, x), partial(by_hand, model, x, top_logits(model)))
    )
    return six, hand, sum(tensor.nbytes for tensor in needed)


def parts(model: gamlib.Model, x: Tensor, name: str, forward: float, least: float, rounds: int) -> Iterator[Row]:
    """Where the time of six maps goes, in forwards."""
    trace = gamlib.trace_class(model, x)
    raw = [gamlib.layer_maps(trace, method, max(DEPTHS)) for method in METHODS]
    runs = {gamlib.METHODS[m].title: partial(gamlib.layer_maps, trace, m, max(DEPTHS)) for m in METHODS}
    runs["resize, normalise"] = lambda: [gamlib.min_max(gamlib.resize(one, trace.size)) for ones in raw for one in ones]
    yield Row("parts", "forward", name, 1.0)
    yield Row("parts", "recording, partial gradient", name, least / forward - 1)
    for what, seconds in medians(runs, rounds).items():
        yield Row("parts", what, name, seconds / forward, seconds=seconds)


def rows(rounds: int, device: str = "cpu") -> Iterator[Row]:
    torch.set_num_threads(1)
    for name in NETWORKS:
        model, x = network(name, device)
        runs = plain(model, x) | {
            "forward + partial gradient": partial(by_hand, model, x, top_logits(model)),
            "six maps": partial(six_maps, model, x),
        }
        found = medians(runs, rounds)
        forward = min(found["forward"], found["forward, channels last"])
        least, ours = found["forward + partial gradient"], found["six maps"]
        yield Row("maps", "six maps / (forward + partial gradient)", name, ours / least, goal=1.05, seconds=ours)
        yield Row("maps", "six maps / forward", name, ours / forward, goal=1.35, seconds=ours)
        yield Row("maps", "(forward + partial gradient) / forward", name, least / forward, seconds=least)
        yield Row("maps", "forward of an image", name, forward / BATCH, "s", seconds=forward / BATCH)
        yield from parts(model, x, name, forward, least, rounds)
        extra, hand, needed = memory(model, x)
        yield Row("memory", "extra peak / (layers + gradients + maps)", name, extra / needed, goal=1.5)
        yield Row("memory", "the same of a forward + partial gradient, no maps", name, hand / needed)
        del model, x, runs
    model, x = network(NETWORKS[0], device)
    pair = x[:2].contiguous()
    runs = plain(model, pair) | {
        "forward + two partial gradients": partial(by_hand, model, pair, dot, cosine),
        "24 maps of a pair": lambda: pair_maps(model, pair),
    }
    found = medians(runs, 3 * rounds)
    forward = min(found["forward"], found["forward, channels last"])
    ours = found["24 maps of a pair"]
    yield Row("maps", "24 maps of a pair / forward of both", NETWORKS[0], ours / forward, goal=1.6, seconds=ours)
    least = found["forward + two partial gradients"]
    yield Row(
        "maps", "(forward + two partial gradients) / forward of both", NETWORKS[0], least / forward, seconds=least
    )
    for name in NETWORKS[:2]:
        model, x = network(name, device)
        for library, (run, ours, goal) in LIBRARIES.items():
            runs = {
                "ours": partial(ours, model, x),
                "documented": partial(run, model, x, True),
                "fewest calls": partial(run, model, x, False),
            }
            found = medians(runs, max(3, rounds // 3))
            for how in ("documented", "fewest calls"):
                value = found[how] / found["ours"]
                limit = goal if how == "documented" else None
                yield Row("libraries", f"{library}, {how} / ours", name, value, "x", limit, True, found[how])
