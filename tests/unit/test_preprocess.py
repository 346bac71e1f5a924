import numpy as np
import torch
from PIL import Image

from gamlib.models import Preprocess


def test_height_and_width_stay_apart():
    # 32 rows of the numbers 0 to 63, which nothing has to resize
    ramp = np.tile(np.arange(64, dtype=np.uint8), (32, 1))
    x = Preprocess((32, 64), (0.0,), (1.0,))(Image.fromarray(ramp))
    assert x.shape == (1, 32, 64)
    torch.testing.assert_close(255 * x[0], torch.arange(64.0).expand(32, -1))
    # and 64 x 32 is made from it by squeezing: every row is the same still, and its numbers rise
    tall = Preprocess((64, 32), (0.0,), (1.0,))(Image.fromarray(ramp))
    assert tall.shape == (1, 64, 32) and torch.equal(tall[0], tall[0, :1].expand(64, -1))
    assert bool((tall[0, 0].diff() > 0).all())
