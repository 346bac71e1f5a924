"""The cells of the histograms of oriented gradients, for maps of several sizes."""

import numpy as np
import pytest
from scipy.stats import rankdata
from skimage.feature import hog

from gamlib.sanity import hog_correlation


@pytest.mark.parametrize(
    ("size", "cell"),
    [((16, 24), 2), ((32, 40), 4), ((96, 70), 8), ((127, 128), 15), ((128, 160), 16), ((224, 300), 16)],
)
def test_cells_have_sixteen_pixels_or_an_eighth_of_the_shorter_side(size, cell):
    rng = np.random.default_rng(0)
    a = rng.random(size)
    b = a + rng.random(size)
    # Spearman's correlation is Pearson's of the ranks
    ranks = [rankdata(hog(m, pixels_per_cell=(cell, cell))) for m in (a, b)]
    assert hog_correlation(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-9)
