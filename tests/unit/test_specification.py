"""The specification curve: what each choice does to a map, which combinations there are, and how they are counted."""

import importlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from gambook.claims import curve as module
from gambook.claims import ledger as verdicts
from gambook.claims.choices import CUTS, JOINS, ONE_CHANGED, ORDERS, RESIZES, SHARES, Choice, chosen_map
from gambook.claims.curve import BY_SHARE, specification
from gambook.claims.ledger import ledger as judge
from gambook.claims.paper import load_claims
from gambook.claims.protocol import Protocol
from torch.nn.functional import cosine_similarity, interpolate

import gamlib
from gamlib.boxes import THRESHOLDS, box_ious
from gamlib.evaluation.results import grid_columns, measures

HERE = Path(__file__).parent
IOUS = grid_columns("iou", THRESHOLDS)


def ledger(results, profile):
    return judge(measures(results), profile)


# --- one choice, on literal maps ---

# A row (0, 8) drawn 4 wide: centres at -1/4, 1/4, 3/4, 5/4 of a cell. Bilinear, clamped to the border: 0, 2, 6, 8.
# Bicubic with a = -3/4: w(1/4) = 225/256, w(3/4) = 67/256, w(5/4) = -27/256, w(7/4) = -9/256. At -1/4 the 8 weighs
# w(5/4); at 1/4 it weighs w(3/4) + w(7/4) = 58/256 (the border repeats it); the other two follow by symmetry.
# In units of 8/256: -27, 58, 198, 283.
ROW = torch.tensor([[[0.0, 8.0]]])


@pytest.mark.parametrize(
    ("resize", "order", "expected"),
    [
        ("bicubic", "after", [0, 85 / 310, 225 / 310, 1]),
        ("bicubic", "before", [-27 / 256, 58 / 256, 198 / 256, 283 / 256]),
        ("bicubic, clamped", "after", [0, 58 / 283, 198 / 283, 1]),
        ("bicubic, clamped", "before", [0, 58 / 256, 198 / 256, 283 / 256]),
        ("bilinear", "after", [0, 0.25, 0.75, 1]),
        ("bilinear", "before", [0, 0.25, 0.75, 1]),
    ],
)
def test_how_a_layer_is_drawn(resize, order, expected):
    made = chosen_map([ROW], (1, 4), Choice(resize, order))
    torch.testing.assert_close(made, torch.tensor([[expected]]), rtol=0, atol=1e-6)


# normalised, at their own size: (0, 1/2, 1, 1/4) of the last layer and (1, 1/2, 1/4, 0) of the one before
TWO = [torch.tensor([[[0.0, 1, 2, 0.5]]]), torch.tensor([[[8.0, 4, 2, 0]]])]


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("mean", [0.5, 0.5, 0.625, 0.125]),
        ("mean, normalised", [0.75, 0.75, 1, 0]),  # from 1/8 to 5/8
        ("max", [1, 0.5, 1, 0.25]),
        ("product", [0, 0.25, 0.25, 0]),
    ],
)
def test_how_two_layers_are_joined(join, expected):
    made = chosen_map(TWO, (1, 4), Choice(join=join))
    torch.testing.assert_close(made, torch.tensor([[expected]]), rtol=0, atol=1e-6)
    # one layer alone has nothing to be joined with
    torch.testing.assert_close(chosen_map(TWO[:1], (1, 4), Choice(join=join)), TWO[0] / 2, rtol=0, atol=1e-6)


def test_the_first_choice_is_gam_and_the_others_leave_it_in_one_thing():
    torch.manual_seed(0)
    layers = tuple(gamlib.Layer(name, torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)) for name, size in
                   (("last", 3), ("before", 5)))  # fmt: skip
    trace = gamlib.Trace(torch.zeros(1), layers, (12, 12))
    raw = gamlib.layer_maps(trace, "gam", 2)
    maps = [chosen_map(raw, trace.size, choice) for choice in ONE_CHANGED]
    torch.testing.assert_close(maps[0], gamlib.gam(trace, n=2), rtol=0, atol=1e-6)
    assert ONE_CHANGED[0] == ("bicubic", "after", "mean")
    assert {sum(a != b for a, b in zip(ONE_CHANGED[0], choice, strict=True)) for choice in ONE_CHANGED[1:]} == {1}
    assert len(set(ONE_CHANGED)) == 7
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(maps, 2))


# --- all choices, on a network of two layers and small images ---


class Stratum:
    """Stands for one of `protocol.evaluations`."""

    tasks, options, strata = ("class", "cosine", "dot"), {"kind": "single"}, ()

    def __init__(self, data, percentile=100):
        self.data = data
        data.percentile = percentile

    def load(self, seed):
        return self.data


@pytest.fixture(scope="module")
def tiny():
    """The module of the small case, importable by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        yield importlib.import_module("tiny_evaluation")


# Some differences of every claim that the curve draws, so that a ledger takes a moment only.
DRAWN = ["C2.1", "C2.3", "C2.4", "C3.1", "C3.2", "C3.3", "C4.1", "C4.2", "C5.2", "C5.5", "C6.4",
         "C7.1", "C7.3", "C7.6", "C8.5", "C15.1", "C15.4", "C15.9", "C15.12", "F2.2"]  # fmt: skip
METHODS = ("gam", "grad_cam", "grad_cam_pp", "grad_cam_pp_stable")


@pytest.fixture(scope="module")
def quick():
    """A ledger of DRAWN alone."""
    claims = load_claims()
    claims = claims[claims["id"].isin(DRAWN)].reset_index(drop=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_claims", lambda: claims)
        patch.setattr(verdicts, "load_claims", lambda: claims)
        yield


@pytest.fixture(scope="module")
def runs(quick, tiny, tmp_path_factory):
    """The curve of two strata, what `evaluate` says of them, and how often the network ran.

    Numbers are judged for the paper's own choice, masked in whatever way; of other combinations there is the name.

    8 images, three pairs and two alone, in the first stratum; 6 images, three pairs, in the other. Under the dot
    product e^s overflows for some pairs and not for others.
    """
    strata = [Stratum(tiny.Tiny(8)), Stratum(tiny.Tiny(6), 25)]
    two = Stratum(tiny.Tiny(8, two=True))
    two.options = {"kind": "two"}
    out, name, batches = tmp_path_factory.mktemp("curve"), "tiny_evaluation:brink", []
    judged = module._judged

    def named(results, profile, chosen):
        own = Choice()._asdict().items() <= chosen.items() and chosen.get("cut", "tuned") == "tuned"
        return judged(results, profile, chosen) if own else pd.DataFrame([chosen])

    with pytest.MonkeyPatch.context() as patch:
        network = tiny.network(gain=4.65)
        patch.setattr(tiny, "brink", lambda: network, raising=False)
        patch.setattr(Protocol, "evaluations", lambda _: [*strata, two])
        patch.setattr(module, "_judged", named)
        hook = network.module[0].register_forward_hook(lambda _m, _i, output: batches.append(len(output)))
        curve = specification("embedded", name, out)
        first = list(batches)
        batches.clear()
        with patch.context() as inner:
            inner.setattr(module, "_judged", lambda results, *_: results)
            specification("embedded", name, out)
        hook.remove()
        shown = {"methods": METHODS, "fill": ("black", "mean"), "model_name": name}
        frames = [tiny.run(tmp_path_factory.mktemp("evaluated"), dataset=one.load(0), **shown) for one in strata]
        plain = pd.concat(frames, ignore_index=True)
    return SimpleNamespace(curve=curve, out=out, first=first, later=batches, plain=plain)


def own(rows, **choices):
    """Differences under the paper's own choice, except for what is named."""
    rows = rows.dropna(subset="id")
    wanted = Choice()._asdict() | {"cut": "tuned", "fill": "black", "side": "both"} | choices
    return rows[np.logical_and.reduce([(rows[key] == value) | rows[key].isna() for key, value in wanted.items()])]


NUMBERS = ["n", "excluded", "clusters", "mean", "low", "high", "state"]


def test_the_papers_own_choice_has_the_numbers_of_evaluate(runs):
    expected = ledger(runs.plain, "embedded")
    expected = expected[expected["claim"].isin(module.CURVE_CLAIMS) & (expected["state"] != "not run")]
    # one side masked is a choice of the curve's, not a difference of another name
    expected = expected[~expected["metric"].str.endswith("_one")]
    found = own(runs.curve)
    # whether a map is finite is told beside boxes and once more beside masked scores
    found = found[(found["metric"] != "nonfinite") | found["cut"].notna()].set_index("id")
    assert set(found.index) == set(expected["id"]) and found.index.is_unique
    expected = expected.set_index("id")[NUMBERS]
    pd.testing.assert_frame_equal(found.loc[expected.index, NUMBERS], expected, check_dtype=False)


@pytest.mark.parametrize(("fill", "side"), [("black", "one"), ("mean", "both"), ("mean", "one")])
def test_masked_otherwise_has_the_numbers_of_evaluate(runs, fill, side):
    plain = runs.plain[(runs.plain["percentile"] == 100) & ((runs.plain["task"] != "class") | (side == "both"))]
    plain = plain.drop(columns=IOUS).assign(after_black_both=plain[f"after_{fill}_{side}"])
    expected = ledger(plain, "embedded")
    expected = expected[expected["claim"].isin(module.CURVE_CLAIMS) & ~expected["metric"].str.endswith("_one")]
    expected = expected[expected["state"] != "not run"].set_index("id")[NUMBERS]
    found = own(runs.curve, fill=fill, side=side)
    found = found[found["cut"].isna()].set_index("id")
    assert set(found.index) == set(expected.index) and len(found) >= 4
    pd.testing.assert_frame_equal(found.loc[expected.index, NUMBERS], expected, check_dtype=False)


def test_boxes_have_the_full_grid_and_masks_one_choice_at_a_time(runs):
    keys = [*Choice._fields, "cut", "fill", "side"]
    made = runs.curve[keys].drop_duplicates()
    boxes = [tuple(row) for row in made.loc[made["cut"].notna(), keys[:4]].to_numpy()]
    assert len(boxes) == 72 and set(boxes) == set(itertools.product(RESIZES, ORDERS, JOINS, CUTS))
    masked = [tuple(row) for row in made.loc[made["cut"].isna(), [*Choice._fields, "fill", "side"]].to_numpy()]
    others = [(*Choice(), "mean", "both"), (*Choice(), "black", "one"), (*Choice(), "mean", "one")]
    assert len(masked) == 10 and set(masked) == {(*choice, "black", "both") for choice in ONE_CHANGED} | set(others)
    # a class has one image, so one side masked is no other choice
    found = runs.curve.dropna(subset="id")
    assert set(found.loc[found["side"] == "one", "task"]) == {"cosine", "dot"}
    assert set(found.loc[found["cut"].notna(), "claim"]) == {"C2", "C3", "C4", "C5", "C6", "C15", "F2"}
    assert set(found.loc[found["cut"].isna(), "claim"]) == {"C2", "C3", "C7"}


def test_all_choices_share_one_forward_and_a_rerun_has_none(runs):
    # boxes: the images of each stratum; then the first again, to be masked
    assert runs.first[:3] == [8, 6, 8]
    assert runs.later == []


# --- one map of the grid, from plain torch ---

PLAIN = [
    ("bilinear", "after", "max"),
    ("bicubic", "before", "product"),
    ("bicubic, clamped", "after", "mean, normalised"),
    ("bicubic, clamped", "before", "mean"),
]


def normalised(maps):
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / (high - low)


def plain_map(raws, resize, order, join):
    """A map of raw layer maps (1, h, w), written out once more."""
    layers = []
    for raw in raws:
        before = normalised(raw) if order == "before" else raw
        full = interpolate(before[:, None], size=(32, 32), mode=resize.split(",")[0])[:, 0]
        full = torch.where(full < 0, 0, full) if "clamped" in resize else full
        layers.append(full if order == "before" else normalised(full))
    a, b = layers
    if join == "max":
        return torch.where(a > b, a, b)
    if join == "product":
        return a * b
    return normalised((a + b) / 2) if "normalised" in join else (a + b) / 2


@pytest.mark.parametrize("choice", PLAIN)
def test_a_row_of_the_grid_from_plain_torch(runs, tiny, choice):
    data, model = tiny.Tiny(8), tiny.network(gain=4.65)
    boxes = pd.concat(map(pd.read_parquet, runs.out.glob("boxes-*.parquet")))
    boxes = boxes[boxes["percentile"] == 100]
    rows = boxes[(boxes["task"] == "cosine") & (boxes["method"] == "gam") & (boxes["n"] == 2)]
    rows = rows[rows["pair"] == rows["pair"].iloc[0]]
    rows = rows[(rows[list(Choice._fields)] == list(choice)).all(axis=1)]
    assert len(rows) == 2
    samples = [data[int(name.removeprefix("tiny-"))] for name in rows["sample"]]
    x = torch.stack([model.transform(sample.image) for sample in samples])
    first = model.module[:2](x).detach().requires_grad_()
    last = model.module[2:4](first)
    h = last.mean(dim=(2, 3))
    gradients = torch.autograd.grad(cosine_similarity(h[0], h[1], dim=0), (last, first))
    raws = [(a.detach().relu() * g.relu()).sum(dim=1) for a, g in zip((last, first), gradients, strict=True)]
    for row, (_, found) in enumerate(rows.iterrows()):
        x0, y0, x1, y1 = samples[row].objects[0].box
        saliency = plain_map([raw[row : row + 1] for raw in raws], *choice)[0]
        expected = box_ious(saliency.numpy(), [(x0 / 2, y0 * 2 / 3, x1 / 2, y1 * 2 / 3)])
        assert found[IOUS].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


# --- how combinations are counted ---


def test_an_overflow_in_an_earlier_layer_spoils_the_depth_that_needs_it():
    # the largest float32 is 3.4e38; the map is w A with w = e^88 / 10 = 1.7e37, so 8e36 and 9e38
    layers = [
        gamlib.Layer(name, torch.full((1, 1, 1, 2), a), torch.full((1, 1, 1, 2), 0.1))
        for name, a in (("last", 0.5), ("before", 55.0))
    ]
    trace = gamlib.Trace(torch.tensor([88.0]), tuple(layers), (1, 2))
    assert [module._finite(gamlib.grad_cam_pp(trace, n)) for n in (1, 2)] == [[True], [False]]


def test_the_printed_grad_cam_pp_is_the_closed_form_where_finite_and_lost_elsewhere():
    boxes = pd.DataFrame({
        "method": ["grad_cam_pp_stable", "grad_cam_pp_stable", "gam"], "n": [1, 2, 2], "finite": [False, True, True],
        "join": ["mean", "max", "max"],
    })  # fmt: skip
    boxes[IOUS + BY_SHARE] = 0.7
    found = module._completed(boxes).set_index(["method", "n", "join"])[["finite", IOUS[0], IOUS[-1]]]
    expected = {("grad_cam_pp_stable", 2, "max"): [True, 0.7, 0.7], ("gam", 2, "max"): [True, 0.7, 0.7],
                ("grad_cam_pp", 2, "max"): [True, 0.7, 0.7]}  # fmt: skip
    # with one layer there is nothing to join, so its row stands for every way
    for join in JOINS:
        expected["grad_cam_pp_stable", 1, join] = [True, 0.7, 0.7]
        expected["grad_cam_pp", 1, join] = [False, 0, 0]
    assert {key: row.tolist() for key, row in found.iterrows()} == expected


PAIRS = 12


def rows_of(plan, method, n, **columns):
    """Rows for both images of twelve pairs, in two folds."""
    for image in range(2 * PAIRS):
        pair = f"pair {image // 2}"
        yield {"dataset": "made", "percentile": 100, "model": "net", "task": "cosine", "sample": str(image),
               "label": "thing", "pair": pair, "cluster": pair, "fold": image // 2 % 2, "object_area": 0.1,
               "target": "pair", "method": method, "n": n, "before": 0.5, "finite": True} | columns  # fmt: skip


# GAM with two layers, IoU at 0.15 and at the best threshold, beside 0.5 and 0.6 with one layer.
DEPTH_2 = {
    "mean": (0.4, 0.7),  # better where tuned, worse at 0.15
    "mean, normalised": (0.5, 0.6),  # the same
    "max": (0.3, 0.3),  # worse
    "product": (0.55, 0.65),  # better
}


def made_boxes(plan):
    for how, order in itertools.product(("bicubic", "bilinear"), ("after",)):
        for n, join in [(1, "mean"), *((2, join) for join in JOINS)]:
            low, high = (0.5, 0.6) if n == 1 else (0.9, 0.9) if how == "bilinear" else DEPTH_2[join]
            ious = dict.fromkeys(IOUS, 0.1) | {"iou_0.15": low, "iou_0.50": high}
            ious |= dict.fromkeys(BY_SHARE, 0.2) | {BY_SHARE[3]: high}
            for method in ("gam", "grad_cam", "grad_cam_pp_stable"):
                yield from rows_of(plan, method, n, **ious, **Choice(how, order, join)._asdict())


def made_masked(plan):
    for fill, after in (("black", {1: 0.25, 2: 0.6}), ("mean", {1: 0.6, 2: 0.25})):
        for n in (1, 2):
            yield from rows_of(plan, "gam", n, after=after[n], fill=fill, side="both", **Choice()._asdict())


def test_counts_over_a_table_counted_by_hand(quick, tiny, tmp_path, monkeypatch):
    data = tiny.Tiny(8)
    monkeypatch.setattr(Protocol, "evaluations", lambda _: [Stratum(data)])
    monkeypatch.setattr(module, "_localisation", made_boxes)
    monkeypatch.setattr(module, "_masked", made_masked)
    curve = specification("embedded", "tiny_evaluation:network", tmp_path)
    c4 = curve[(curve["id"] == "C4.2") & (curve["resize"] == "bicubic") & (curve["order"] == "after")]
    # the share that keeps what the best threshold keeps finds the same boxes
    assert c4.set_index(["cut", "join"])["mean"].to_dict() == pytest.approx({
        ("share kept", "mean"): 10, ("share kept", "mean, normalised"): 0, ("share kept", "max"): -30,
        ("share kept", "product"): 5,
        ("tuned", "mean"): 10, ("tuned", "mean, normalised"): 0, ("tuned", "max"): -30, ("tuned", "product"): 5,
        ("0.15", "mean"): -10, ("0.15", "mean, normalised"): 0, ("0.15", "max"): -20, ("0.15", "product"): 5,
    })  # fmt: skip


def test_a_share_of_pixels_ranks_them_whatever_their_values():
    # squared, a map keeps its order: the same pixels are kept, the same box is found
    saliency = torch.rand(12, 12, generator=torch.Generator().manual_seed(0)).numpy()
    kept = [np.quantile(values, 1 - np.array(SHARES), method="lower") for values in (saliency, saliency**2)]
    truth = [(2, 3, 8, 9)]
    assert (
        box_ious(saliency, truth, kept[0].tolist()).tolist() == box_ious(saliency**2, truth, kept[1].tolist()).tolist()
    )
    frame = pd.DataFrame({**dict.fromkeys(IOUS, [0.0]), **dict.fromkeys(BY_SHARE, [0.5])})
    assert sorted(module._cut(frame, "share kept").columns) == sorted(grid_columns("iou", SHARES))
    assert module._cut(frame, "0.15").columns.tolist() == ["iou_0.15"]
    assert module._cut(frame, "tuned").columns.tolist() == IOUS


def test_masked_scores_end_with_the_shard_that_reaches_the_limit(tiny):
    plan = module._plan(Stratum(tiny.Tiny(40)), "tiny_evaluation:network")
    whole = [sum(len(unit.images) for unit in shard) for shard in plan.shards]
    for limit, shards in ((1, 1), (whole[0], 1), (whole[0] + 1, 2), (np.inf, len(whole))):
        batches = {id(batch): batch for _, batch, _ in module._scores(plan, limit)}
        assert sum(len(batch.ids) for batch in batches.values()) == sum(whole[:shards])


def test_parts_made_by_another_version_of_the_choices_are_made_anew(tiny, tmp_path, monkeypatch):
    plan = module._plan(Stratum(tiny.Tiny(8)), "tiny_evaluation:network")
    stored = [module._stored(tmp_path, plan, "boxes", rows) for rows in ([{"value": 1}], [{"value": 2}])]
    monkeypatch.setattr(module, "SOURCE", "another version")
    stored.append(module._stored(tmp_path, plan, "boxes", [{"value": 3}]))
    assert [frame["value"].tolist() for frame in stored] == [[1], [1], [3]]
    assert {path.suffix for path in tmp_path.iterdir()} == {".parquet"}
