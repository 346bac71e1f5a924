"""A method is one entry of METHODS: HiResCAM (Draelos & Carin 2020), added here, is found where methods are shown."""

import subprocess
import sys

SCRIPT = """
import re

import pandas as pd, torch
import gamlib
from gamlib.methods import METHODS, Method

METHODS["hires_cam"] = Method(lambda a, g, s: (a * g).sum(dim=1).relu(), "HiResCAM", "HiRes", "#123456")

from gambook.claims.paper import load_table
from gambook.claims.evaluations import BOXES
from gambook.claims.tables import comparison
from gamlib.plots import bars
from gamlib.plots.explorers import explore_methods

layer = gamlib.Layer("L", torch.tensor([[[[1.0, 2], [4, -3]]]]), torch.tensor([[[[1.0, -1], [2, 1]]]]))
trace = gamlib.Trace(torch.ones(1), (layer,), (2, 2))
print(gamlib.hires_cam(trace).tolist())
print(gamlib.evaluation.Settings(methods="hires_cam").maps, "hires_cam" in BOXES[0])
cells = pd.DataFrame([{"dataset": "d", "percentile": 100, "model": "m", "task": "class", "method": "hires_cam", "n": 1,
                       "mean": 12.34, "low": 10.0, "high": 14.0, "maps": 9, "excluded": 0, "nonfinite": 0}])
texts = re.findall(">([^<>]+)<", comparison(cells, load_table(2).iloc[:0], better=+1).data)
firsts = [text.strip().split(chr(10))[0] for text in texts]
print([text for text in firsts if text in ("HiResCAM", "12.3")])
chart = bars(cells, "n", "mean", "method").figure
print([text.get_text() for text in chart.legends[0].get_texts()], chart.axes[0].patches[0].get_facecolor()[:3])
explorer = explore_methods({"it": torch.rand(1, 3, 2, 2)}, {"it": {"class": trace}}, ["gam", "hires_cam"])
print(explorer.controls[2].options)
"""


def test_one_entry_is_all_that_a_method_needs():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert run.returncode == 0, run.stderr
    # products 1, -2, 8 and -3: [1, 0, 8, 0] once the negative ones are cut, in eighths
    assert lines[0] == "[[[0.125, 0.0], [1.0, 0.0]]]"
    assert lines[1] == "('hires_cam',) True"
    assert lines[2] == "['HiResCAM', '12.3']"
    red, green, blue = (part / 255 for part in (0x12, 0x34, 0x56))
    assert lines[3] == f"['HiResCAM'] ({red}, {green}, {blue})"
    assert lines[4] == "['GAM', 'HiResCAM']"
