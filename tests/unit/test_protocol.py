import numpy as np
import pandas as pd
import pytest
import torch
from gambook.claims import protocol
from gambook.claims.paper import load_claims

from gamlib.controls import CONTROLS
from gamlib.data import Dataset
from gamlib.evaluation.results import KEY, cell_means, measures
from gamlib.models import load_model


def test_the_embedded_profile():
    found = protocol.evaluations("embedded", n_images=12, seed=3)
    assert [(e.dataset, e.options["kind"], e.percentile) for e in found] == [
        ("scenes", "single", 100),
        ("scenes", "single", 25),
        ("scenes", "single", 10),
        ("scenes", "two", 100),
    ]
    assert [e.fills for e in found] == [("black", "mean"), ("black",), ("black",), ()]
    assert [e.tasks for e in found] == [("class", "cosine", "dot")] * 3 + [("class",)]
    assert [e.depths for e in found] == [True, False, False, False]
    for one in found:
        data = one.load()
        assert len(data) == 12 and data.seed == 3 and data.percentile == one.percentile
        assert set(data.folds) == {0, 1}


def test_the_open_profile_has_no_small_objects():
    assert [(e.dataset, e.percentile, e.fills) for e in protocol.evaluations("open")] == [("raccoon", 100, ("black",))]


def test_the_paper_profile_takes_what_there_is():
    assert protocol.evaluations("paper") == []
    roots = {"imagenet_root": "", "chest_root": "x", "voc_root": "v"}
    found = protocol.evaluations("paper", roots=roots)
    assert [(e.dataset, e.model, e.percentile, e.checkpoint) for e in found] == [
        ("chestx_ray8", "chexnet", 100, False),
        ("voc2012", "tresnet_xl_voc", 100, True),
        ("voc2012", "tresnet_xl_voc", 25, True),
        ("voc2012", "tresnet_xl_voc", 10, True),
    ]
    assert found[1].options == {"root": "v", "masks": True}
    both = protocol.evaluations("paper", roots={"imagenet_root": "i"})
    assert [(e.model, e.percentile) for e in both] == [
        (m, p) for m in ("densenet201", "resnet101") for p in (100, 25, 10)
    ]


def test_every_side_of_every_claim_is_evaluated():
    named = {f"{name}:{n}" for names, depths in (protocol.BOXES, protocol.DEPTHS) for name in names for n in depths}
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
        protocol.evaluations("closed")
    with pytest.raises(ValueError, match="part: unknown 'masks'; accepted: boxes, masking, all"):
        protocol.run("embedded", "efficientnet_lite0", tmp_path, part="masks")


def test_a_missing_checkpoint_is_found_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "evaluate", None)
    message = "weights_root: no file '.*tresnet_l_coco.pth'; the evaluation of coco needs the folder with tresnet"
    with pytest.raises(FileNotFoundError, match=message):
        protocol.run("paper", "", tmp_path, roots={"coco_root": str(tmp_path), "weights_root": str(tmp_path)})
    with pytest.raises(FileNotFoundError, match="weights_root: not given; the evaluation of voc2012"):
        protocol.run("paper", "", tmp_path, roots={"voc_root": str(tmp_path)})


def test_the_network_of_an_evaluation_has_the_weights_that_it_is_evaluated_with(tmp_path):
    theirs = load_model("densenet201", weights=None)
    torch.save(theirs.module.state_dict(), tmp_path / "densenet201.pth")
    one = protocol.Evaluation("voc2012", model="densenet201", checkpoint=True)
    net = protocol.network(one, "efficientnet_lite0", roots={"weights_root": str(tmp_path)})
    assert net.name == "densenet201"
    assert torch.equal(net.module.classifier.weight, theirs.module.classifier.weight)
    assert protocol.network(protocol.Evaluation("raccoon"), "efficientnet_lite1").name == "efficientnet_lite1"


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

    whole, small = (protocol.Evaluation("photos", percentile) for percentile in (100, 25))
    assert protocol._possible(whole, Few("aab", True)) == ("class", "cosine", "dot")
    assert protocol._possible(whole, Few("abc", True)) == ("class",)
    assert protocol._possible(small, Few("aab", True)) == ("class",)  # only the first image is small
    assert protocol._possible(small, Few("aab", False)) == ()


def test_a_profile_without_data_has_no_rows_and_no_cells(tmp_path):
    results = protocol.run("paper", "efficientnet_lite0", tmp_path)
    assert len(results) == 0 and set(KEY) <= set(results)
    assert len(cell_means(measures(results), "box_iou")) == 0


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "STRATA", (100,))
        yield protocol.run("embedded", "efficientnet_lite0", tmp_path_factory.mktemp("protocol"), n_images=4)


def test_all_is_boxes_and_masking_each_map_once(results, tmp_path):
    assert not results.duplicated(KEY).any()
    single = results.query("dataset == 'scenes' and percentile == 100 and task == 'dot'")
    maps = {f"{m}:{n}" for m, n in zip(single["method"], single["n"], strict=True)}
    assert {"gam:1", "gam:2", "gam:3", "gam:4", "gam_max:2", "gam_layer:2", "grad_cam_pp_stable:2", "blank:0"} <= maps
    table = single[single["method"].isin(protocol.MASKING[0]) & (single["n"] <= 2)]
    assert table["after_mean_one"].notna().all() and table["after_black_both"].notna().all()
    assert set(results.query("dataset == 'scenes_two'")["task"]) == {"class"}


def test_one_table_cell_by_hand(results):
    cell = results.query(
        "dataset == 'scenes' and percentile == 100 and task == 'cosine' and method == 'gam' and n == 2"
    )
    grid = [column for column in cell if column.startswith("iou_")]
    halves = [cell[cell["fold"] == fold] for fold in (0, 1)]
    chosen = [halves[1 - fold][grid].mean().idxmax() for fold in (0, 1)]  # the other half chooses
    by_hand = 100 * pd.concat([halves[fold][chosen[fold]] for fold in (0, 1)]).mean()
    cells = cell_means(measures(results), "box_iou").set_index(["dataset", "percentile", "task", "method", "n"])
    assert cells.loc[("scenes", 100, "cosine", "gam", 2), "mean"] == pytest.approx(by_hand, abs=1e-9)
    drop = 100 * np.maximum(0, 1 - cell["after_black_both"] / cell["before"]).mean()
    adp = cell_means(measures(results), "adp_black_both").set_index(["dataset", "percentile", "task", "method", "n"])
    assert adp.loc[("scenes", 100, "cosine", "gam", 2), "mean"] == pytest.approx(drop, abs=1e-9)
