import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from gambook.claims import protocol
from gambook.claims.paper import load_claims
from gambook.claims.protocol import Evaluation, Protocol, possible_tasks

from gamlib.controls import CONTROLS
from gamlib.data import Dataset
from gamlib.evaluation.results import KEY, cell_means, measures
from gamlib.models import load_model


def test_the_embedded_profile():
    found = Protocol("embedded", "net", n_images=12, seed=3).evaluations()
    assert [(e.dataset, e.options["kind"], e.percentile) for e in found] == [
        ("scenes", "single", 100),
        ("scenes", "single", 25),
        ("scenes", "single", 10),
        ("scenes", "two", 100),
    ]
    assert [e.fills for e in found] == [("black", "mean"), ("black",), ("black",), ()]
    assert [e.tasks for e in found] == [("class", "cosine", "dot")] * 3 + [("class",)]
    assert [e.depths for e in found] == [True, False, False, False]
    assert [e.least_probability for e in found] == [0.05] * 3 + [0]
    for one in found[2:]:
        data = one.load()
        assert len(data) == 12 and data.seed == 3 and data.percentile == one.percentile
        assert set(data.folds) == {0, 1}


def test_the_open_profile_has_no_small_objects():
    found = Protocol("open", "net").evaluations()
    assert [(e.dataset, e.percentile, e.fills) for e in found] == [("raccoon", 100, ("black",))]


def test_the_paper_profile_takes_what_there_is():
    assert Protocol("paper", "net").evaluations() == []
    roots = {"imagenet_root": "", "chest_root": "x", "voc_root": "v"}
    found = Protocol("paper", "net", roots=roots).evaluations()
    assert [(e.dataset, e.model, e.percentile, e.checkpoint) for e in found] == [
        ("chestx_ray8", "chexnet", 100, False),
        ("voc2012", "tresnet_xl_voc", 100, True),
        ("voc2012", "tresnet_xl_voc", 25, True),
        ("voc2012", "tresnet_xl_voc", 10, True),
    ]
    assert found[1].options == {"root": "v", "masks": True}
    assert {(e.tasks, e.least_probability) for e in found} == {(("class",), 0)}
    both = Protocol("paper", "net", roots={"imagenet_root": "i"}).evaluations()
    assert [(e.model, e.percentile, e.depths) for e in both] == [
        (m, p, p == 100) for m in ("densenet201", "resnet101") for p in (100, 25, 10)
    ]


def test_every_side_of_every_claim_is_evaluated():
    named = {f"{name}:{n}" for names, depths in (protocol.BOXES, protocol.DEEPER) for name in names for n in depths}
    claims = load_claims()
    claims = claims[~claims["claim"].isin(["C1", "C9", "C10"])]
    assert set(claims["a"]) | set(claims["b"]) <= named
    masked = claims[claims["metric"].str[:3].isin(["adp", "pic"])]
    assert set(masked["a"]) | set(masked["b"]) <= {
        f"{name}:{n}" for name in protocol.MASKING[0] for n in protocol.MASKING[1]
    }
    small = claims[claims["subset"] != "100"]
    assert set(small["a"]) | set(small["b"]) <= {f"{name}:{n}" for name in protocol.BOXES[0] for n in protocol.BOXES[1]}
    assert set(CONTROLS) <= set(protocol.BOXES[0]) and set(CONTROLS) <= set(protocol.MASKING[0])


def test_unknown_profile_and_part(tmp_path):
    with pytest.raises(ValueError, match="profile: unknown 'closed'; accepted: embedded, open, paper"):
        Protocol("closed", "net")
    with pytest.raises(ValueError, match="part: unknown 'masks'; accepted: boxes, masking, all"):
        Protocol("embedded", "net").run("masks", tmp_path)


def test_a_missing_checkpoint_is_found_before_any_work(tmp_path):
    message = "weights_root: no file '.*tresnet_l_coco.pth'; the evaluation of coco needs the folder with tresnet"
    with pytest.raises(FileNotFoundError, match=message):
        roots = {"coco_root": str(tmp_path), "weights_root": str(tmp_path)}
        Protocol("paper", "net", roots=roots).run("all", tmp_path)
    with pytest.raises(FileNotFoundError, match="weights_root: not given; the evaluation of voc2012"):
        Protocol("paper", "net", roots={"voc_root": str(tmp_path)}).run("all", tmp_path)


def test_the_network_of_an_evaluation_has_the_weights_that_it_is_evaluated_with(tmp_path):
    theirs = load_model("efficientnet_lite1", weights=None)
    torch.save(theirs.module.state_dict(), tmp_path / "efficientnet_lite1.pth")
    mine = Protocol("paper", "efficientnet_lite0", roots={"weights_root": str(tmp_path)})
    net = mine.network(Evaluation("voc2012", model="efficientnet_lite1", checkpoint=True))
    assert net.name == "efficientnet_lite1"
    assert torch.equal(net.module.classifier.weight, theirs.module.classifier.weight)
    assert mine.network(Evaluation("raccoon")).name == "efficientnet_lite0"


def test_what_few_images_do_not_allow_is_left_out():
    class Few(Dataset):
        def __init__(self, labels, boxed):
            self.given, self.boxed = labels, boxed

        def __len__(self):
            return len(self.given)

        def __getitem__(self, index):
            raise NotImplementedError

        def labels(self, index):
            return (self.given[index],)

        def areas(self, index):
            return (0.1 + index / 10,) * self.boxed

    whole, small = (Evaluation("photos", percentile) for percentile in (100, 25))
    assert possible_tasks(whole, Few("aab", True)) == ("class", "cosine", "dot")
    assert possible_tasks(whole, Few("abc", True)) == ("class",)
    assert possible_tasks(small, Few("aab", True)) == ("class",)  # only the first image is small
    assert possible_tasks(small, Few("aab", False)) == ()


def test_a_profile_without_data_has_no_rows_and_no_cells(tmp_path):
    results = Protocol("paper", "net").run("all", tmp_path)
    assert len(results) == 0 and set(KEY) <= set(results)
    assert len(cell_means(measures(results), "box_iou")) == 0


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The embedded profile on small noise images: eight in each stratum, one broken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        tiny = importlib.import_module("tiny_evaluation")

        def load(name, kind, n, percentile=100, seed=0):
            data = tiny.Tiny(n, broken=(3,), two=kind == "two")
            data.name, data.kind, data.percentile, data.dropped = name, kind, percentile, {"crowd": 2}
            return data

        patch.setattr(protocol, "load_dataset", load)
        yield Protocol("embedded", "tiny_evaluation:network", n_images=8).run(
            "all", tmp_path_factory.mktemp("protocol")
        )


def test_all_is_boxes_and_masking_each_map_once(results):
    assert not results.duplicated(KEY).any()
    assert set(results["percentile"]) == {100, 25, 10}
    single = results.query("dataset == 'scenes' and percentile == 100 and task == 'dot'")
    maps = {f"{m}:{n}" for m, n in zip(single["method"], single["n"], strict=True)}
    # the network has two layers, so no deeper map is asked for
    pairs = [(name, n) for name in protocol.TABLE_METHODS for n in (1, 2)] + [("gam_layer", 1), ("gam_layer", 2)]
    more = ["gam_max", "gam_product", "gam_weighted"]
    assert maps == {f"{m}:{n}" for m, n in [*pairs, *((m, 2) for m in more), *((m, 0) for m in CONTROLS)]}
    table = single[single["method"].isin(protocol.MASKING[0]) & (single["n"] <= 2)]
    assert table["after_mean_one"].notna().all() and table["after_black_both"].notna().all()
    small = results.query("dataset == 'scenes' and percentile == 10")
    assert small["after_mean_both"].isna().all() and "gam_max" not in set(small["method"])
    assert set(results.query("dataset == 'scenes_two'")["task"]) == {"class"}


def test_what_was_left_out_is_said_once(results):
    assert results.attrs["dropped"] == {"scenes": {"crowd": 2}}
    (broken,) = {(e["dataset"], e["model"], e["sample"], e["reason"]) for e in results.attrs["skipped"]}
    assert broken == ("scenes", "tiny_evaluation:network", "tiny-3", "it is cut short")
    assert len(results.attrs["skipped"]) == len({str(sorted(e.items())) for e in results.attrs["skipped"]})


def test_one_table_cell_by_hand(results):
    cell = results.query(
        "dataset == 'scenes' and percentile == 100 and task == 'cosine' and method == 'gam' and n == 2"
    )
    grid = [column for column in cell if column.startswith("iou_")]
    halves = [cell[cell["fold"] == fold] for fold in (0, 1)]
    chosen = [halves[1 - fold][grid].mean().idxmax() for fold in (0, 1)]  # the other half chooses
    by_hand = 100 * pd.concat([halves[fold][chosen[fold]] for fold in (0, 1)]).mean()
    drop = 100 * np.maximum(0, 1 - cell["after_black_both"] / cell["before"]).mean()
    scored = measures(cell)
    assert cell_means(scored, "box_iou")["mean"].tolist() == pytest.approx([by_hand], abs=1e-9)
    assert cell_means(scored, "adp_black_both")["mean"].tolist() == pytest.approx([drop], abs=1e-9)
