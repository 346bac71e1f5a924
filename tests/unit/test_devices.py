"""What runs on an accelerator, where there is one, is what runs on the processor."""

import pytest
import torch

import gamlib
from gamlib.evaluation.engine import repeatable

THERE = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


@pytest.fixture(params=THERE)
def device(request):
    if not THERE[request.param]:
        pytest.skip(f"this machine has no {request.param}")
    return request.param


def test_maps_are_those_of_the_processor(device, monkeypatch):
    # NVIDIA's shortened float32 moves them by 0.003; without it rounding is left
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    found = {}
    for place in ("cpu", device):
        model = gamlib.load_model("efficientnet_lite0", device=place)
        torch.manual_seed(0)
        x = torch.randn(4, 3, *model.input_size).to(place)
        scores = [gamlib.ClassScore(285), gamlib.Cosine([(0, 1), (2, 3)])]
        traces = gamlib.trace(model, x, scores)
        found[place] = [gamlib.saliency_maps(one, list(gamlib.METHODS), (1, 2)) for one in traces]
    for ours, theirs in zip(found[device], found["cpu"], strict=True):
        for key, maps in ours.items():
            assert maps.device.type == device
            torch.testing.assert_close(maps.cpu(), theirs[key], atol=1e-3, rtol=0)


def test_a_trace_in_double_precision(device):
    model = gamlib.load_model("efficientnet_lite0", device=device)
    trace = gamlib.trace_class(model, torch.zeros(1, 3, *model.input_size).to(device)).to(torch.float64)
    assert trace.layers[0].activation.dtype == torch.float64 and trace.target.dtype == torch.int64
    # Apple's processors have no float64 beside the CPU
    expected = "cpu" if device == "mps" else device
    assert {trace.score.device.type, trace.layers[0].gradient.device.type, trace.target.device.type} == {expected}


def test_an_evaluation_computes_in_whole_float32_on_one_thread():
    def state():
        return torch.get_num_threads(), torch.backends.cudnn.allow_tf32

    before = state()
    with repeatable():
        assert state() == (1, False)
    assert state() == before
