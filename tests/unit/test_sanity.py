import copy

import numpy as np
import pytest
import torch
from torch import nn

from gamlib.models import Model, Preprocess
from gamlib.sanity import MAP_SIMILARITIES, hog_correlation, randomise, spearman, ssim


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    nn.init.constant_(net[1].weight, 3)
    nn.init.constant_(net[1].running_mean, 0.25)
    features = lambda x: net[4](net[3](net[2](net[1](net[0](x)))))  # noqa: E731
    return Model(net, ["2"], features, net[5], Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3))


def weights(model):
    return copy.deepcopy(model.module.state_dict())


def changed(model, before):
    return {key for key, value in model.module.state_dict().items() if not torch.equal(value, before[key])}


def test_cascading_redraws_all_layers_so_far(model):
    before = weights(model)
    seen = [(name, changed(model, before)) for name in randomise(model, ["5", "1", "0"])]
    last, norm, first = {"5.weight", "5.bias"}, {"1.weight"}, {"0.weight", "0.bias"}
    # the shift of the normalisation was 0 and is 0 again; its running statistics stay
    assert seen == [("5", last), ("1", last | norm), ("0", last | norm | first)]
    assert changed(model, before) == set()


def test_independent_redraws_one_layer_with_the_same_draw(model):
    before = weights(model)
    cascading = [weights(model) for _ in randomise(model, ["5", "0"], seed=3)]
    independent = [weights(model) for _ in randomise(model, ["5", "0"], mode="independent", seed=3)]
    assert torch.equal(independent[1]["5.weight"], before["5.weight"])
    assert torch.equal(independent[1]["0.weight"], cascading[1]["0.weight"])
    other = [weights(model) for _ in randomise(model, ["5"], seed=4)]
    assert not torch.equal(other[0]["5.weight"], cascading[0]["5.weight"])


def test_convolutions_start_as_in_he_et_al(model):
    # 32 groups of 2 channels, 64 out, 5x5: variance 2 / (5 * 5 * 64 / 32) = 0.04, standard deviation 0.2
    model.module[0] = nn.Conv2d(64, 64, 5, groups=32)
    for _ in randomise(model, ["0"]):
        weight = model.module[0].weight
        assert weight.std().item() == pytest.approx(0.2, rel=0.05)  # 3200 numbers: 1.3% standard error
        assert weight.mean().item() == pytest.approx(0, abs=0.015)


def test_a_stage_may_hold_several_submodules(model):
    before = weights(model)
    seen = [(stage, changed(model, before)) for stage in randomise(model, ["5", ("1", "0")], mode="independent")]
    assert seen == [("5", {"5.weight", "5.bias"}), (("1", "0"), {"1.weight", "0.weight", "0.bias"})]


def test_the_randomised_network_is_what_the_model_runs(model):
    x = torch.rand(1, 3, 8, 8)
    trained = model.logits(x)
    for _ in randomise(model, ["5"]):
        assert not torch.equal(model.logits(x), trained)
    assert torch.equal(model.logits(x), trained)


def test_weights_come_back_after_break_and_error(model):
    before = weights(model)
    for _ in randomise(model, ["5", "0"]):
        break
    assert changed(model, before) == set()
    stages = randomise(model, ["5", "0"])
    next(stages)
    with pytest.raises(KeyError):
        stages.throw(KeyError("from the loop"))
    assert changed(model, before) == set()


def test_the_callers_random_state_is_untouched(model):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(randomise(model, ["5"]))
    assert torch.equal(torch.rand(3), expected)


def test_randomise_refuses_what_it_cannot_do(model):
    with pytest.raises(ValueError, match="unknown 'reverse'; accepted: cascading, independent"):
        next(randomise(model, ["5"], mode="reverse"))
    with pytest.raises(ValueError, match="no submodule 'head'"):
        next(randomise(model, ["head"]))
    model.module.add_module("scale", nn.ParameterList([nn.Parameter(torch.ones(1))]))
    with pytest.raises(ValueError, match="'scale' has weights but no reset_parameters"):
        next(randomise(model, ["scale"]))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("norm, made", [("weight_norm", "weight_g, weight_v"), ("spectral_norm", "weight_orig")])
def test_weights_that_are_made_of_others_are_refused(tiny, norm, made):
    model = tiny()
    name, layer = next((n, part) for n, part in model.module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear))
    getattr(nn.utils, norm)(layer)
    with pytest.raises(ValueError, match=f"stages: the weights of '{name}' are made of {made}; take weight"):
        next(randomise(model, [name]))


def test_spearman_by_hand():
    # ranks 1 2 3 4 against 1 3 2 4: 1 - 6 (0 + 1 + 1 + 0) / (4 * 15) = 0.8
    assert spearman([[1, 2], [3, 4]], [[10, 30], [20, 40]]) == pytest.approx(0.8)
    assert spearman(torch.tensor([[1.0, 2.0]]), [[5, 3]]) == pytest.approx(-1)


@pytest.mark.parametrize("name", MAP_SIMILARITIES)
def test_similarities_of_equal_constant_and_broken_maps(name):
    ramp = np.outer(np.linspace(0, 1, 48), np.linspace(0.2, 1, 48))
    assert MAP_SIMILARITIES[name](ramp, ramp) == pytest.approx(1)
    assert MAP_SIMILARITIES[name](ramp, np.full((48, 48), np.nan)) == 0
    if name != "ssim":
        assert MAP_SIMILARITIES[name](ramp, np.zeros((48, 48))) == 0


def test_ssim_of_constants_by_hand():
    # no variance: only the luminance term (2 a b + C1) / (a^2 + b^2 + C1) with C1 = 0.01^2 is left
    a, b = np.full((9, 9), 0.2), np.full((9, 9), 0.6)
    assert ssim(a, b) == pytest.approx((2 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4))


def test_hog_sees_orientation_not_height():
    ramp = np.tile(np.linspace(0, 1, 48), (48, 1))
    assert hog_correlation(ramp, 0.5 * ramp) == pytest.approx(1, abs=0.02)
    assert hog_correlation(ramp, ramp.T) < 0.5


def test_hog_of_a_map_as_small_as_a_digit():
    ramp = np.tile(np.linspace(0, 1, 32), (32, 1))
    assert hog_correlation(ramp, ramp) == pytest.approx(1)
    assert hog_correlation(ramp, ramp.T) < 0.5


@pytest.mark.parametrize(("name", "least"), [("spearman", 1), ("ssim", 7), ("hog", 8)])
def test_similarities_name_maps_that_do_not_fit(name, least):
    similarity, ramp = MAP_SIMILARITIES[name], np.arange(least * 9.0).reshape(least, 9)
    assert similarity(ramp, ramp) == pytest.approx(1)
    text = rf"maps: got \({least - 1}, 9\) and .*; expected one \(H, W\) shape for both, at least {least} pixels a side"
    for other in (ramp[1:], ramp):
        with pytest.raises(ValueError, match=text):
            similarity(ramp[1:], other)
    with pytest.raises(ValueError, match=rf"maps: got \({least}, 9\) and \({least + 1}, 9\); expected"):
        similarity(ramp, np.zeros((least + 1, 9)))
    with pytest.raises(ValueError, match=r"maps: got \(2, .*expected one \(H, W\) shape"):
        similarity(np.stack([ramp, ramp]), np.stack([ramp, ramp]))
