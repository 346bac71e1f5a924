"""The checks of the exercises: solutions pass, each foreseen mistake gets its hint, and no hint tells the answer."""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import papermill
import pytest
import torch
from gambook.exercises import checks
from gambook.exercises.checks import (
    CHECKS,
    ex01_gradient,
    ex02_relus,
    ex03_cosine,
    ex04_equality,
    ex05_overflow,
    ex06_measures,
    worth,
)
from gambook.exercises.editions import read_notebook, tags

import gamlib
from gamlib import sanity
from gamlib.metrics import average_drop, increase_in_confidence

EXERCISES = Path(__file__).resolve().parents[2] / "notebooks" / "exercises"


def cells(exercise: str, tag: str = "") -> list[str]:
    """Code of the solved notebook: of the cells with this tag, or of all."""
    (path,) = EXERCISES.glob(f"{exercise}_*.ipynb")
    code = [cell for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]
    return [cell["source"] for cell in code if not tag or tag in tags(cell)]


@functools.cache
def defined(exercise: str, tag: str) -> SimpleNamespace:
    """What the cells with this tag define."""
    names = {"torch": torch, "gamlib": gamlib, "sanity": sanity, "papermill": papermill, "pd": pd}
    for text in cells(exercise, tag):
        exec(text, names)
    return SimpleNamespace(**names)


def check(exercise: str, tag: str = "solution", seed: int = 0, **other) -> checks.Record:
    """Call the check as its notebook does, on what the cells with this tag define, and on `other` in its place."""
    names = vars(defined(exercise, tag)) | other | {"seed": seed, exercise: CHECKS[exercise]}
    call = cells(exercise, "check")[0].splitlines()[-1]
    return eval(call, names)


def hints(record: checks.Record) -> str:
    return " | ".join(part.hint for part in record.parts if not part.earned)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("exercise", [name for name in CHECKS if name != "ex08"])
def test_the_solution_gets_all_points(exercise, seed):
    record = check(exercise, seed=seed)
    assert hints(record) == ""
    assert (record.earned, record.seed) == (record.points, seed)
    assert {part.name: part.points for part in record.parts} == worth(CHECKS[exercise])


def test_what_each_exercise_is_worth_is_known_before_its_check_runs():
    points = [sum(worth(check).values()) for check in CHECKS.values()]
    assert dict(zip(CHECKS, points, strict=True)) == {
        "ex01": 5, "ex02": 7, "ex03": 5, "ex04": 6, "ex05": 7, "ex06": 8, "ex07": 7, "ex08": 6,
    }  # fmt: skip
    assert worth(CHECKS["ex08"]) == {"rerun": 3, "unknown names are refused": 3}


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_stub_ends_the_check_with_its_own_error(exercise):
    with pytest.raises(NotImplementedError, match="is still to be written"):
        check(exercise, "stub")


def test_what_is_written_counts_beside_a_stub(capsys):
    with pytest.raises(NotImplementedError, match="is_negative"):
        check("ex03", "stub", cosine_gradient=defined("ex03", "solution").cosine_gradient)
    assert "right   3/3  cosine_gradient" in capsys.readouterr().out
    (entry,) = [entry for entry in checks.report() if entry["exercise"] == "ex03"]
    assert (entry["earned"], entry["points"]) == (3, 5)


# One function of the reader's, and what is foreseen for it.
FORESEEN = [
    ("ex01", "gradient_by_hook", ex01_gradient.LAYER_GRADIENT),
    ("ex01", "gradient_by_autograd", ex01_gradient.LAYER_GRADIENT),
    ("ex02", "gam_without", ex02_relus.SWITCHED),
    ("ex03", "cosine_gradient", ex03_cosine.COSINE_GRADIENT),
    ("ex03", "is_negative", ex03_cosine.NEGATIVE),
    ("ex04", "grad_cam_map", ex04_equality.GRAD_CAM),
    ("ex05", "closed_form", ex05_overflow.CLOSED_FORM),
    ("ex06", "average_drop", ex06_measures.ADP),
    ("ex06", "increase_in_confidence", ex06_measures.PIC),
]


def test_an_error_in_gamlib_names_the_reader_s_line(tmp_path):
    path = tmp_path / "reader.py"
    path.write_text("def passes(method, model, x, names, seed):\n    return sanity.spearman(x, x[:1])\n")
    names = {"sanity": sanity}
    exec(compile(path.read_text(), path, "exec"), names)
    record = check("ex07", passes=names["passes"])
    assert record.parts[0].hint.endswith(", at `return sanity.spearman(x, x[:1])`")


def test_fakes_count_once_gam_passes():
    record = check("ex07", passes=lambda *arguments: False)
    assert [part.hint for part in record.parts[1:4]] == ["counts once GAM passes"] * 3
    assert record.earned == 1


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("exercise", "function", "hint", "wrong"),
    [(*one, hint, wrong) for *one, answer in FORESEEN for hint, wrong in answer.mistakes.items()],
)
def test_each_foreseen_mistake_gets_its_own_hint(exercise, function, hint, wrong, seed):
    assert hints(check(exercise, seed=seed, **{function: wrong})) == hint


def written(source: str, name: str):
    """A function as a reader might write it."""
    names = {"torch": torch, "sanity": sanity, "papermill": papermill, "pd": pd, "gamlib": gamlib}
    exec(f"{name} = {source}" if source.startswith("lambda") else source, names)
    return names[name]


# Wrong answers as readers write them, and what the hint has to say.
TYPICAL = [
    ("ex01", "gradient_by_hook", """
def gradient_by_hook(network, layer, x, target):
    kept = {}
    handle = layer.register_full_backward_hook(lambda m, inputs, outputs: kept.update(g=inputs[0]))
    network(x)[:, target].sum().backward()
    handle.remove()
    return kept["g"]
""", "read before the layer's ReLU"),
    ("ex01", "gradient_by_hook", """
def gradient_by_hook(network, layer, x, target):
    kept = {}
    layer.register_full_backward_hook(lambda m, inputs, outputs: kept.update(g=outputs[0]))
    network(x)[:, target].sum().backward()
    return kept["g"]
""", "leaves its hook on the layer"),
    ("ex01", "gradient_by_autograd", """
def gradient_by_autograd(network, layer, x, target):
    kept = {}
    handle = layer.register_forward_hook(lambda m, i, o: (o.retain_grad(), kept.update(a=o))[0])
    network(x)[:, target].sum().backward()
    handle.remove()
    return kept["a"].grad
""", "leaves a .grad in the weights"),
    ("ex01", "gradient_by_autograd", "lambda network, layer, x, target: network(x)[:, 9]", "stops with IndexError"),
    ("ex02", "gam_without", """
def gam_without(a, g, relu_a, relu_g):
    a.relu() * g.relu()
""", "returns None"),
    ("ex03", "cosine_gradient", "lambda h, g: g / (h.norm() * g.norm())", "differs from what is expected"),
    ("ex03", "cosine_gradient", """
def cosine_gradient(h, g):
    h = h.clone().requires_grad_()
    return torch.autograd.grad(torch.cosine_similarity(h, g).sum(), h)[0]
""", "autograd is switched off here: derive the formula on paper"),
    ("ex03", "is_negative", """
def is_negative(h, g):
    with torch.enable_grad():
        h = h.clone().requires_grad_()
        torch.cosine_similarity(h, g).sum().backward()
    return h.grad < 0
""", "autograd is switched off here: derive the formula on paper"),
    ("ex03", "cosine_gradient", """
def cosine_gradient(h, g):
    length_h, length_g = h.norm(dim=1, keepdim=True), g.norm(dim=1, keepdim=True)
    return (h * g).sum(1, keepdim=True) * h / (length_h**3 * length_g) - g / (length_h * length_g)
""", "the gradient (B, D) has the wrong sign"),
    ("ex04", "grad_cam_map", """
def grad_cam_map(a, g):
    return torch.einsum("bk,bkij->bij", g.mean((2, 3)), a)
""", "your map is not clipped at zero: see Eq. 3"),
    ("ex04", "equal_for_sure", "lambda a, g: ((a >= 0) & (g >= 0)).flatten(1).all(dim=1)",
     "what does pooling make of the gradient"),
    ("ex04", "equal_for_sure", "lambda a, g: ((a >= 0) & (g == g[:, :, :1, :1])).flatten(1).all(dim=1)",
     "which of its channels does GAM leave out, and Grad-CAM not?"),
    ("ex04", "equal_for_sure", "lambda a, g: ((g >= 0) & (g == g[:, :, :1, :1])).flatten(1).all(dim=1)",
     "compare what a ReLU on A does in Eq. 1"),
    ("ex04", "equal_for_sure", "lambda a, g: ((a >= 0) & (g > 0) & (g == g[:, :, :1, :1])).flatten(1).all(dim=1)",
     "both are 0, since G is 0"),
    ("ex04", "equal_for_sure", "lambda a, g: ((a >= 0) & (g >= 0) & (g == g[:, :1, :1, :1])).flatten(1).all(dim=1)",
     "its channels differ from each other, is that a reason?"),
    ("ex04", "equal_for_sure", "lambda a, g: ((a > 0) & (g >= 0) & (g == g[:, :, :1, :1])).flatten(1).all(dim=1)",
     "A is 0 at some pixels, as behind a ReLU"),
    ("ex04", "equal_for_sure", "lambda a, g: torch.ones(len(a), dtype=torch.bool)",
     "begin with the counterexample: what do A and G have there?"),
    ("ex04", "equal_for_sure", "lambda a, g: torch.tensor([bool(((a >= 0) & (g >= 0)).all())] * len(a))",
     "changes with the other images of its batch"),
    ("ex04", "equal_for_sure", "lambda a, g: torch.zeros(len(a), dtype=torch.bool)",
     "A is positive, and G the same positive number"),
    ("ex04", "equal_for_sure", "lambda a, g: bool((a >= 0).all())", "one answer an image"),
    ("ex04", "counterexample", "lambda: (torch.tensor([[[[1.0, -1.0]]]]), torch.tensor([[[[1.0, 0.0]]]]))",
     "A has negative entries"),
    ("ex04", "counterexample", "lambda: (torch.tensor([[[[1.0, 1.0]]]]), torch.tensor([[[[1.0, -1.0]]]]))",
     "G has negative entries"),
    ("ex04", "counterexample", "lambda: (torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[1.0, 1.0]]]]))",
     "both maps are equal here"),
    ("ex04", "counterexample", "lambda: (torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0]]]]))",
     "only in scale or offset"),
    ("ex04", "counterexample", "lambda: (torch.full((1, 1, 1, 2), torch.nan), torch.ones(1, 1, 1, 2))",
     "finite numbers"),
    ("ex04", "counterexample", "lambda: torch.ones(1, 2)", "return two tensors"),
    ("ex04", "counterexample", "lambda: (torch.ones(2), torch.ones(2))", "same shape"),
    ("ex05", "limit", "lambda a, g: torch.full((2,), 88.72)", "there e^s itself ends"),
    ("ex05", "limit", "lambda a, g: torch.full((2,), 88.5)", "your limit a map is already lost"),
    ("ex05", "limit", "lambda a, g: torch.full((2,), 60.0)", "above your limit a map is still finite"),
    ("ex05", "limit", "lambda a, g: torch.full((2,), 709.8)", "float64 ends"),
    ("ex05", "limit", "lambda a, g: 88.0", "one score an image"),
    ("ex05", "limit", "lambda a, g: torch.full((2,), 3.4e38)", "number of the map's size"),
    ("ex05", "limit", "lambda a, g: (torch.full((2,), torch.nan))", "not a finite number"),
    ("ex04", "equal_for_sure", """
def equal_for_sure(a, g):
    one = (g.mean(dim=(2, 3), keepdim=True) * a).sum(dim=1).relu()
    return torch.isclose(one, (a.relu() * g.relu()).sum(dim=1), atol=1e-6).flatten(1).all(dim=1)
""", "equal by luck"),
    ("ex05", "closed_form", """
def closed_form(a, g):
    alpha = (g > 0) / (2 + g.relu() * a.sum(dim=(2, 3), keepdim=True))
    weights = (alpha / alpha.sum(dim=(2, 3), keepdim=True) * g.relu()).sum(dim=(2, 3), keepdim=True)
    return (weights * a).sum(dim=1).relu()
""", "its weight is 0 and not 0/0"),
    ("ex05", "closed_form", """
def closed_form(a, g):
    return torch.e * gamlib.METHODS["grad_cam_pp_stable"].formula(a, g, torch.zeros(len(a)))
""", "right up to a factor"),
    ("ex06", "average_drop", "lambda before, after: 100 * sum(before - after) / sum(before)",
     "differs from what is expected"),
    ("ex06", "increase_in_confidence", "lambda before, after: 100 * (after > before).mean()",
     "your function stops with NotImplementedError: mean(): could not infer output dtype"),
    ("ex06", "average_drop", """
def average_drop(before, after):
    return round(float(100 * ((before - after).clamp(min=0) / before).mean()), 1)
""", "is right but rounded: do not round it"),
    ("ex06", "average_drop", """
def average_drop(before, after):
    return round(float(100 * ((before - after).clamp(min=0) / before).mean()), 2)
""", "is right but rounded: do not round it"),
    ("ex06", "increase_in_confidence", "lambda before, after: 100 * (after > before).sum() / 2",
     "this divides by 2, the number of images on paper"),
    ("ex06", "increase_in_confidence", """
def increase_in_confidence(before, after):
    return "50%"
""", "returns a str"),
    ("ex07", "passes", """
def passes(method, model, x, names, seed):
    trained = method(model, x)
    with sanity.redrawn(model.module, names, seed):
        return not torch.equal(trained, method(model, x))
""", "a map that changes by a hundredth passes"),
    ("ex07", "passes", """
def passes(method, model, x, names, seed):
    trained = method(model, x)
    with sanity.redrawn(model.module, names, seed):
        return sanity.spearman(trained[0], method(model, x)[0]) < 0.5
""", "noise passes"),
    ("ex07", "passes", "lambda method, model, x, names, seed: True", "edge filter that never looks"),
    ("ex07", "passes", "lambda method, model, x, names, seed: False", "GAM fails your check"),
    ("ex07", "passes", "lambda method, model, x, names, seed: x > 0", "one True or False"),
    ("ex07", "passes", """
def passes(method, model, x, names, seed):
    for name in names:
        model.module.get_submodule(name).reset_parameters()
    return True
""", "has other weights after your check"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "function", "source", "hint"), TYPICAL)
def test_typical_wrong_answers_get_a_hint(exercise, function, source, hint):
    record = check(exercise, **{function: written(source, function)})
    assert hint in hints(record)
    assert record.earned < record.points


@pytest.mark.parametrize("digits", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rounded_answer_is_told_whatever_the_seed_and_the_precision(digits, dtype):
    def rounded(before, after):
        before, after = before.to(dtype), after.to(dtype)
        return round(float(100 * ((before - after).clamp(min=0) / before).mean()), digits)

    for seed in range(10):
        hint = "ADP, one number, is right but rounded: do not round it"
        assert hints(check("ex06", seed=seed, average_drop=rounded)) == hint


@pytest.mark.parametrize("hint", ex05_overflow.WRONG_LIMITS)
def test_each_slip_at_the_limit_gets_its_hint(hint):
    def limit(a, g):
        return ex05_overflow.WRONG_LIMITS[hint](gamlib.METHODS["grad_cam_pp_stable"].formula(a, g, torch.zeros(2)))

    assert hints(check("ex05", limit=limit)) == hint


# Right answers in other forms than the solution's.
ALSO_RIGHT = [
    ("ex04", "grad_cam_map", """
def grad_cam_map(a, g):
    return [(some.mean(dim=(1, 2))[:, None, None] * one).sum(dim=0).relu() for one, some in zip(a, g)]
"""),
    ("ex04", "equal_for_sure", """
def equal_for_sure(a, g):
    pairs = zip(a, g)
    return [bool((some.std(dim=(1, 2)) == 0).all() and (some >= 0).all() and (one >= 0).all()) for one, some in pairs]
"""),
    ("ex04", "equal_for_sure", """
def equal_for_sure(a, g):
    return ((g == g.mean(dim=(2, 3), keepdim=True)) & (g >= 0) & (a >= 0)).flatten(1).all(dim=1)
"""),
    ("ex04", "counterexample", "lambda: [[[[[1, 1]]]], [[[[1, 0]]]]]"),
    ("ex05", "limit", """
def limit(a, g):
    maps = gamlib.METHODS["grad_cam_pp_stable"].formula(a, g, torch.zeros(2))
    return [88.72 - float(one.max().log()) for one in maps]
"""),
    ("ex06", "average_drop", """
def average_drop(before, after):
    return 100 * sum(max(0.0, 1 - o / y) for y, o in zip(before.tolist(), after.tolist())) / len(before)
"""),
    ("ex06", "by_hand", """
def by_hand():
    return {"before": (4, 5), "after": torch.tensor([4.5, 2]), "adp": 30, "pic": torch.tensor([50])}
"""),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "function", "source"), ALSO_RIGHT)
def test_right_answers_count_in_other_forms(exercise, function, source):
    record = check(exercise, **{function: written(source, function)})
    assert (hints(record), record.earned) == ("", record.points)


# Conditions that hold for the gradients of an image in some places only.
NEARLY_CONSTANT = {
    "along each row": "g == g[:, :, :, :1]",
    "along each column": "g == g[:, :, :1, :]",
    "by the spread of each row": "g.std(dim=3, keepdim=True) < 1e-6",
    "by the spread of each column": "g.std(dim=2, keepdim=True) < 1e-6",
    "by two corners": "g[:, :, :1, :1] == g[:, :, -1:, -1:]",
    "by a corner and the mean": "g[:, :, :1, :1] == g.mean(dim=(2, 3), keepdim=True)",
    "by the means of the rows": "g.mean(dim=3, keepdim=True) == g.mean(dim=(2, 3), keepdim=True)",
    "by the means of the columns": "g.mean(dim=2, keepdim=True) == g.mean(dim=(2, 3), keepdim=True)",
}


@pytest.mark.parametrize("constant", NEARLY_CONSTANT.values(), ids=list(NEARLY_CONSTANT))
def test_a_gradient_that_is_constant_in_some_places_only_is_told_apart(constant):
    source = f"lambda a, g: ((a >= 0) & (g >= 0) & ({constant})).flatten(1).all(dim=1)"
    record = check("ex04", equal_for_sure=written(source, "equal_for_sure"))
    assert "what does pooling make of the gradient of its second channel?" in hints(record)


def test_answers_that_do_not_look_at_the_images_are_told_apart():
    """The order of the images, and which of two methods comes first, are other ones with other seeds."""
    fixed = torch.tensor([True, False] * 5)
    record = check("ex04", equal_for_sure=lambda a, g: fixed[: len(a)])
    assert [part.earned for part in record.parts] == [2, 0, 2]
    orders = set()
    for seed in range(6):
        seen = []

        def passes(method, *others, seen=seen):
            seen.append(method.__name__ if method.__name__ == "_honest" else "a fake")
            return True

        check("ex07", seed=seed, passes=passes)
        orders.add(tuple(seen))
    assert len(orders) > 1


def test_no_hint_on_the_conditions_tells_one():
    *_, told = ex04_equality._situations(torch.Generator())
    passing = [hint for hint in told if hint.startswith("an image passes")]
    assert len(passing) == 5
    assert not [hint for hint in passing if re.search(r"negative|constant|positive|var(y|ies)|sign|>= ?0", hint)]


@pytest.mark.parametrize("exercise", [name for name in CHECKS if name != "ex08"])
def test_a_foreseen_mistake_is_no_solution_whatever_the_seed(exercise):
    for seed in range(10, 20):
        assert hints(check(exercise, seed=seed)) == ""
        for name, function, answer in FORESEEN:
            for wrong in answer.mistakes.values() if name == exercise else ():
                assert hints(check(exercise, seed=seed, **{function: wrong})) != ""


def test_equation_5_is_the_gradient():
    h, g = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h.requires_grad_()
    (gradient,) = torch.autograd.grad(torch.cosine_similarity(h, g, dim=1).sum(), h)
    assert torch.allclose(ex03_cosine._gradient(h, g), gradient, rtol=1e-12)


RIGHT_PREDICTIONS = {"a": "same", "b": "lower", "c": "same", "d": "lower", "e": "either"}


@pytest.mark.parametrize(
    ("key", "answer", "hint"),
    [
        ("a", "lower", "another ReLU do to them"),
        ("b", "same", "look at one product with A below 0"),
        ("c", "lower", "the gradient of h(x) is the other embedding"),
        ("d", "same", "under the cosine G has negative entries"),
        ("e", "lower", "all four pairs of signs"),
        ("e", "dunno", "accepted: same, lower, higher, either"),
    ],
)
def test_each_wrong_prediction_gets_its_hint(key, answer, hint):
    record = check("ex02", predict=lambda: RIGHT_PREDICTIONS | {key: answer})
    assert hint in hints(record)
    assert record.earned == record.points - 1


def test_a_missing_prediction_costs_its_own_point():
    some = {key: answer for key, answer in RIGHT_PREDICTIONS.items() if key != "c"}
    record = check("ex02", predict=lambda: some)
    assert hints(record) == "there is no answer 'c'; your keys: a, b, d, e"
    assert record.earned == record.points - 1


def test_predictions_without_keys_get_a_hint():
    record = check("ex02", predict=lambda: ["same"] * 5)
    assert "your function returns a list; expected a dict with the keys a, b, c, d, e" in hints(record)


@pytest.mark.parametrize(
    ("answer", "hint", "earned"),
    [
        ({"before": [4, 5], "after": [4.5, 2], "pic": 50}, "there is no answer 'adp'; your keys: before, after", 7),
        ([4, 5], "your function returns a list; expected a dict with the keys before, after, adp, pic", 4),
        ({"before": [4, float("nan")], "after": [4.5, 2], "adp": float("nan"), "pic": 50}, "is not nan", 5),
    ],
)
def test_numbers_on_paper_count_one_by_one(answer, hint, earned):
    record = check("ex06", by_hand=lambda: answer)
    assert hint in hints(record)
    assert record.earned == earned


BY_HAND = {"before": [4.0, 5.0], "after": [4.5, 2.0], "adp": 30.0, "pic": 50.0}


@pytest.mark.parametrize(
    ("key", "answer", "hint"),
    [
        ("before", [8.0, 5.0], "the score of image 1 on the whole image is not 8; that is the sum of the pixels"),
        ("before", [6.0, 5.0], "a pixel with a negative weight counts, too"),
        ("before", [4.0, 6.0], "the score of image 2 on the whole image is not 6; that is the sum of the pixels"),
        ("before", [7.0, 5.0], "the score of image 1 on the whole image is not 7; write down the product"),
        ("before", [4.0], "before: expected two numbers, got 1"),
        ("before", [5.0, 4.0], "before: the two scores are in the wrong order"),
        ("after", [2.0, 4.5], "after: the two scores are in the wrong order"),
        ("before", ["4", "5"], "your function returns a list with a str in it; expected a tensor or numbers"),
        ("after", [6.0, 2.0], "the map is more than a mask of 0 and 1"),
        ("after", [2.5, 2.0], "the image is missing"),
        ("after", [3.75, 2.0], "the map is applied twice"),
        ("after", [4.5, 4.0], "the map is more than a mask of 0 and 1"),
        ("after", [4.5, 3.0], "the score of image 2 on the image times map is not 3; that is the sum of the pixels"),
        ("after", [4.5, 0.5], "the image is missing"),
        ("after", [4.5, 1.0], "the map is applied twice"),
        ("adp", 23.75, "ADP is not 23.75; an increase counts as a negative drop here"),
        ("adp", 36.25, "an increase counts as a drop"),
        ("adp", 0.3, "ADP is a percentage"),
        ("adp", 75.0, "the drop is taken relative to the masked score"),
        ("adp", 60.0, "this is the sum over the images, or the drop of one of them"),
        ("adp", 150.0, "this is a drop in units of the score"),
        ("adp", 1.5, "this is the mean drop in units of the score"),
        ("adp", 33.3, "this divides the summed drops by the summed scores"),
        ("adp", 5.56, "before and after are swapped"),
        ("adp", 6.25, "this averages the rises"),
        ("adp", 42.0, "ADP is not 42; write down one image's share first"),
        ("adp", [30.0, 30.0], "adp: expected one number, got 2"),
        ("pic", 0.5, "PIC is a percentage"),
        ("pic", 1.0, "PIC is a percentage of the images, not their number"),
        ("pic", 6.25, "PIC asks how many images rise, not by how much"),
        ("pic", 100.0, "this is 100 whatever the scores are"),
        ("pic", 0.0, "no image counts here"),
        ("pic", "half", "returns a str"),
    ],
)
def test_each_slip_on_paper_gets_its_hint(key, answer, hint):
    record = check("ex06", by_hand=lambda: BY_HAND | {key: answer})
    assert hint in hints(record)
    assert hints(record).count(" | ") == 0


def test_the_check_has_the_tensors_of_the_exercise_and_the_numbers_on_paper_are_theirs():
    setup = next(text for text in cells("ex06") if "weights =" in text)
    images, maps, weights = written(setup + "\n\ndef tensors():\n    return images, maps, weights", "tensors")()
    for own, given in ((ex06_measures.PIXELS, images), (ex06_measures.MAPS, maps), (ex06_measures.WEIGHTS, weights)):
        assert torch.equal(own, given)
    before, after = ((weights * some).sum(dim=(1, 2)) for some in (images, images * maps))
    assert (before.tolist(), after.tolist()) == (BY_HAND["before"], BY_HAND["after"])
    assert (average_drop(before, after), increase_in_confidence(before, after)) == (BY_HAND["adp"], BY_HAND["pic"])


def fake_rerun(**options):
    """What a reader's `rerun` does with the probe, without a kernel: writes the CSV for the parameters it passes on."""

    def rerun(notebook, folder, **parameters):
        known = papermill.inspect_notebook(notebook)
        unknown = set(parameters) - set(known)
        if options.get("refuse", True) and unknown:
            raise options.get("error", ValueError)(
                options.get("text", "unknown: {}; known: {}").format(unknown, list(known))
            )
        values = {name: value["default"].strip("\"'") for name, value in known.items()}
        values |= {name: value for name, value in parameters.items() if name in options.get("passed", known)}
        values |= options.get("changed", {})
        table = pd.DataFrame([{name: values[name] for name in ("model", "n_images", "seed")}]).astype(
            {"n_images": int, "seed": int}
        )
        table.to_csv(options.get("folder", folder) / "row.csv", index=False)
        if options.get("copy", True):
            (folder / "executed.ipynb").write_text("{}")
        if options.get("overwrite"):
            notebook.write_text("{}")
        return table if options.get("table", True) else str(table)

    return rerun


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, ""),
        ({"passed": ()}, "still that of the default backbone"),
        ({"passed": ("model",)}, "only some of the parameters"),
        ({"changed": {"seed": 5}}, "a parameter that nobody gave has changed"),
        ({"overwrite": True}, "the notebook itself has changed"),
        ({"copy": False}, "no executed copy of the notebook"),
        ({"table": False}, "returns a str; expected the table as a DataFrame"),
        ({"refuse": False}, "is taken without an error"),
        ({"error": KeyError}, "ends in KeyError"),
        ({"text": "no"}, "does not say which name is unknown"),
        ({"text": "unknown: {}"}, "does not say which names there are"),
    ],
)
def test_reruns_that_go_wrong_get_their_hint(options, hint):
    record = CHECKS["ex08"](fake_rerun(**options), seed=3)
    assert hint in hints(record)
    assert (record.earned == record.points) == (hint == "")


def test_a_table_elsewhere_gets_its_hint(tmp_path):
    assert "the table is not in `folder`" in hints(CHECKS["ex08"](fake_rerun(folder=tmp_path)))


def test_no_hint_holds_a_line_of_a_solution():
    trees = [ast.parse(path.read_text()) for path in Path(checks.__file__).parent.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    told = [node.value for node in nodes if isinstance(node.value, str)]
    assert "your map is not clipped at zero: see Eq. 3" in told
    for exercise in CHECKS:
        for line in "\n".join(cells(exercise, "solution")).splitlines():
            line = line.strip().removeprefix("return ")
            if len(line) > 12 and not line.startswith(("#", "def ", '"')):
                assert not [hint for hint in told if line in hint], line


def test_the_report_is_written_for_a_machine(tmp_path, capsys):
    check("ex06", seed=4)
    capsys.readouterr()
    checks.report(tmp_path / "report.json")
    (entry,) = [e for e in json.loads((tmp_path / "report.json").read_text()) if e["exercise"] == "ex06"]
    assert (entry["earned"], entry["points"], entry["seed"]) == (8, 8, 4)
    assert entry["parts"][3] == {"name": "average_drop", "points": 2, "earned": 2, "hint": ""}
    assert "ex06   8 of  8" in capsys.readouterr().out


def test_the_record_reads_as_a_table():
    record = check("ex04", grad_cam_map=lambda a, g: (g.mean(dim=(2, 3), keepdim=True) * a).sum(dim=1))
    assert repr(record).splitlines() == [
        "ex04: 4 of 6 points",
        "  not yet 0/2  grad_cam_map",
        "          hint: your map is not clipped at zero: see Eq. 3",
        "  right   2/2  equal_for_sure",
        "  right   2/2  counterexample",
    ]


def test_an_exercise_of_your_own_is_checked_as_the_page_says():
    page = (EXERCISES.parents[1] / "book" / "exercises.md").read_text()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "@check" in block]
    ex09 = written(code, "ex09")
    assert [ex09(square).parts[0].hint for square in (lambda x: x * x, lambda x: x + x, lambda x: 0)] == [
        "",
        "this is the double: multiply x by itself",
        "expected the square with shape (3,), got ()",
    ]
    assert worth(ex09) == {"square": 2}
