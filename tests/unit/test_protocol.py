import importlib
from pathlib import Path

import pandas as pd
import pytest
import torch
from gambook.claims import evaluations, protocol
from gambook.claims.evaluations import Evaluation, possible_tasks
from gambook.claims.paper import load_claims
from gambook.claims.protocol import Protocol

from gamlib.controls import CONTROLS
from gamlib.data import Dataset
from gamlib.evaluation.results import KEY, cell_means
from gamlib.models import load_model


def test_the_embedded_profile():
    found = Protocol("embedded", "net", n_images=48, seed=3).evaluations()
    assert [(e.dataset, e.options["kind"], e.options.get("percentile", 100), e.strata) for e in found] == [
        ("scenes", "single", 100, ()), ("scenes", "single", 25, ()), ("scenes", "single", 10, ()),
        ("scenes", "two", 100, ()),
    ]  # fmt: skip
    assert [e.fills for e in found] == [("black", "mean"), (), (), ()]
    assert [e.tasks for e in found] == [("class", "cosine", "dot")] * 3 + [("class",)]
    assert [e.depths for e in found] == [True, False, False, False]
    for one in found[2:]:
        data = one.load(3)
        assert len(data) == 48 and data.seed == 3 and set(data.folds) == {0, 1}


def test_the_open_profile_has_photographs_four_times_as_many():
    found = Protocol("open", "net", n_images=48).evaluations()
    assert [(e.dataset, e.strata, e.fills, e.n_images) for e in found] == [
        ("imagenet_val_1300", (25, 10), ("black", "mean"), 192), ("raccoon", (), ("black",), 192),
        ("davis", (), (), 192),
    ]  # fmt: skip


def test_too_few_images_are_refused_by_their_own_name():
    with pytest.raises(ValueError, match="n_images: got -3; a pair takes two, give 2 or more"):
        Protocol("embedded", "net", n_images=-3)


def test_a_test_in_one_fold_is_left_out_and_said_so():
    pairs = {"dataset": "mine", "model": "net", "method": "gam", "n": 1, "label": "cat", "pair": "ab"}
    rows = [
        pairs | {"task": task, "percentile": percentile, "sample": sample, "fold": fold}
        for task, percentile, folds in (("cosine", 100, (0, 1)), ("cosine", 10, (1, 1)), ("dot", 100, (0, 0, 0)))
        for sample, fold in enumerate(folds)
    ]
    kept, alone = protocol._tunable(pd.DataFrame(rows + [row | {"method": "grad_cam"} for row in rows]))
    assert set(zip(kept["task"], kept["percentile"], strict=True)) == {("cosine", 100)} and len(kept) == 4
    why = "too few for two folds, so no threshold could be tuned on one and used on the other"
    assert alone == {f"cosine, smallest 10%: {why}": 2, f"dot, all images: {why}": 3}


def test_adp_and_pic_need_no_second_fold(tmp_path, monkeypatch):
    # both pairs of the photographs fall into one fold
    monkeypatch.setattr(protocol, "lists", lambda one, part: [(("gam",), (1,), ("black",))])
    found = Protocol("embedded", "squeezenet1_1", dataset="photos").run("masking", tmp_path)
    jeeps = found[found["task"] == "cosine"]
    assert len(jeeps) == 4 and jeeps["box_iou"].isna().all() and jeeps["adp_black_both"].notna().all()
    assert found[(found["task"] == "class") & (found["percentile"] == 100)]["box_iou"].notna().all()


def test_a_data_set_is_cut_label_by_label(monkeypatch):
    class Many(Dataset):
        name, classes = "many", {}

        def __len__(self):
            return 30

        def __getitem__(self, index):
            raise NotImplementedError

        def labels(self, index):
            return ("abcdefghij"[index % 10],)

    monkeypatch.setattr(evaluations, "load_dataset", lambda name: Many())
    part = Evaluation("many", n_images=7).load(0)
    labels = [part.labels(i)[0] for i in range(7)]
    assert sorted(labels.count(label) for label in set(labels)) == [1, 3, 3]
    assert (
        part.indices == Evaluation("many", n_images=7).load(0).indices != Evaluation("many", n_images=7).load(1).indices
    )
    assert len(Evaluation("many", n_images=30).load(0)) == len(Evaluation("many").load(0)) == 30


def test_a_data_set_of_one_s_own_takes_the_place_of_a_profile_s():
    (one,) = Protocol("open", "net", dataset="folder", dataset_root="/photographs").evaluations()
    assert (one.dataset, one.options, one.strata, one.fills) == (
        "folder", {"root": "/photographs"}, (25, 10), ("black",)
    )  # fmt: skip


def test_the_paper_profile_takes_what_there_is():
    assert Protocol("paper", "net").evaluations() == []
    roots = {"imagenet_root": "", "chest_root": "x", "voc_root": "v"}
    found = Protocol("paper", "net", roots=roots).evaluations()
    assert [(e.dataset, e.model, e.strata, e.checkpoint) for e in found] == [
        ("chestx_ray8", "chexnet", (), False), ("voc2012", "tresnet_xl_voc", (25, 10), True),
    ]  # fmt: skip
    assert found[1].options == {"root": "v", "masks": True}
    assert {e.tasks for e in found} == {("class",)}
    both = Protocol("paper", "net", roots={"imagenet_root": "i"}).evaluations()
    assert [(e.model, e.strata, e.depths) for e in both] == [
        ("densenet201", (25, 10), True), ("resnet101", (25, 10), True),
    ]  # fmt: skip


def named(*lists):
    return {
        f"{name}:{n}" for names, depths in lists for name in names for n in (depths if name not in CONTROLS else (0,))
    }


def test_every_side_of_every_claim_is_evaluated():
    claims = load_claims()
    claims = claims[~claims["claim"].isin(["C1", "C9", "C10"])]
    assert set(claims["a"]) | set(claims["b"]) <= named(evaluations.BOXES, evaluations.DEEPER, evaluations.JOINED)
    masked = claims[claims["metric"].str[:3].isin(["adp", "pic"])]
    assert set(masked["a"]) | set(masked["b"]) <= named(evaluations.MASKING)
    small = claims[claims["subset"] != "100"]
    assert set(small["a"]) | set(small["b"]) <= named(evaluations.BOXES)
    assert set(CONTROLS) <= set(evaluations.BOXES[0]) and set(CONTROLS) <= set(evaluations.MASKING[0])


def test_unknown_profile_and_part(tmp_path):
    with pytest.raises(ValueError, match="profile: unknown 'closed'; accepted: embedded, open, paper"):
        Protocol("closed", "net")
    with pytest.raises(ValueError, match="part: unknown 'masks'; did you mean 'masking'\\? accepted: boxes, masking"):
        Protocol("embedded", "net").run("masks", tmp_path)


def test_a_missing_checkpoint_is_found_before_any_work(tmp_path):
    message = "weights_root: no file '.*tresnet_l_coco.pth'; the evaluation of coco needs the folder with tresnet"
    with pytest.raises(FileNotFoundError, match=message):
        roots = {"coco_root": str(tmp_path), "weights_root": str(tmp_path)}
        Protocol("paper", "net", roots=roots).run("boxes", tmp_path)
    with pytest.raises(FileNotFoundError, match="weights_root: not given; the evaluation of voc2012"):
        Protocol("paper", "net", roots={"voc_root": str(tmp_path)}).run("boxes", tmp_path)


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

    net = load_model("lenet5", weights=None)
    assert possible_tasks(Evaluation("photos"), Few("aab", True), net) == ("class", "cosine", "dot")
    assert possible_tasks(Evaluation("photos"), Few("abc", True), net) == ("class",)
    net.head = None
    assert possible_tasks(Evaluation("photos"), Few("aab", True), net) == ("cosine", "dot")
    assert possible_tasks(Evaluation("photos"), Few("abc", True), net) == ()


def test_a_profile_without_data_has_no_rows_and_no_cells(tmp_path):
    results = Protocol("paper", "net").run("boxes", tmp_path)
    assert len(results) == 0 and set(KEY) <= set(results)
    assert len(cell_means(results, "box_iou")) == 0


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The embedded profile on small noise images: eight in each stratum, one broken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        tiny = importlib.import_module("tiny_evaluation")

        def load(name, kind, n, percentile=100, seed=0):
            data = tiny.Tiny(n, broken=(3,), two=kind == "two")
            data.name = "scenes" if kind == "single" else "scenes_two"
            data.percentile, data.dropped = percentile, {"crowd": 2}
            return data

        patch.setattr(evaluations, "load_dataset", load)
        ours = Protocol("embedded", "tiny_evaluation:network", n_images=8)
        yield {part: ours.run(part, tmp_path_factory.mktemp("protocol")) for part in protocol.PARTS}


def test_each_part_has_each_map_once(results):
    for part, scored in results.items():
        assert not scored.duplicated(KEY).any() and set(scored["part"]) == {part}
    boxes, masked = results.values()
    assert set(boxes["percentile"]) == {100, 25, 10} and set(masked["percentile"]) == {100}
    single = boxes.query("dataset == 'scenes' and percentile == 100 and task == 'dot'")
    maps = {f"{m}:{n}" for m, n in zip(single["method"], single["n"], strict=True)}
    # the network has two layers, so no deeper map is asked for
    assert maps == named(evaluations.BOXES, evaluations.JOINED)
    assert masked["adp_mean_both"].notna().any() and "adp_black_both" not in boxes
    small = boxes.query("dataset == 'scenes' and percentile == 10")
    assert "gam_max" not in set(small["method"])
    assert set(boxes.query("dataset == 'scenes_two'")["task"]) == {"class"}


def test_what_was_left_out_is_said_once(results):
    for scored in results.values():
        assert scored.attrs["dropped"]["scenes"] == {"crowd": 2}
        (broken,) = {(e["dataset"], e["model"], e["sample"], e["reason"]) for e in scored.attrs["skipped"]}
        assert broken == ("scenes", "tiny_evaluation:network", "tiny-3", "it is cut short")
        assert len(scored.attrs["skipped"]) == len({str(sorted(e.items())) for e in scored.attrs["skipped"]})


def test_one_table_cell_by_hand(results):
    cell = results["boxes"].query(
        "dataset == 'scenes' and percentile == 100 and task == 'cosine' and method == 'gam' and n == 2"
    )
    grid = [column for column in cell if column.startswith("iou_")]
    halves = [cell[cell["fold"] == fold] for fold in (0, 1)]
    chosen = [halves[1 - fold][grid].mean().idxmax() for fold in (0, 1)]  # the other half chooses
    by_hand = 100 * pd.concat([halves[fold][chosen[fold]] for fold in (0, 1)]).mean()
    assert cell_means(cell, "box_iou")["mean"].tolist() == pytest.approx([by_hand], abs=1e-9)


def test_what_was_left_out_of_one_stratum_is_not_forgotten_at_the_next(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    tiny = importlib.import_module("tiny_evaluation")

    def load(name, percentile, reason):
        data = tiny.Tiny(6)
        data.percentile, data.dropped = percentile, {reason: percentile}
        return data

    monkeypatch.setattr(evaluations, "load_dataset", load)
    options = [{"percentile": 100, "reason": "crowd"}, {"percentile": 25, "reason": "no box"}]
    strata = [Evaluation("scenes", tasks=("class",), options=each) for each in options]
    monkeypatch.setattr(Protocol, "evaluations", lambda _: strata)
    found = Protocol("embedded", "tiny_evaluation:network").run("boxes", tmp_path)
    assert found.attrs["dropped"] == {"scenes": {"crowd": 100, "no box": 25}}
