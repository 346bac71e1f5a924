"""scikit-learn's handwritten digits, enlarged for LeNet-5."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from gamlib.data.samples import Dataset, Object, Sample

SIDE = 32


class Digits(Dataset):
    """1,797 digits of 8 x 8 pixels (UCI, 1998; inside scikit-learn), enlarged to 32 x 32 by bicubic interpolation.

    Labels "0" to "9", white strokes on black, no boxes.
    """

    name = "digits"

    def __init__(self) -> None:
        self.classes = {str(digit): str(digit) for digit in range(10)}
        data = load_digits()
        self._pixels = np.round(data.images * (255 / 16)).astype(np.uint8)
        self._targets = data.target

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> Sample:
        image = Image.fromarray(self._pixels[index]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        label = str(self._targets[index])
        return Sample(f"digit-{range(len(self))[index]:04d}", image.convert("RGB"), (Object(label),))

    def labels(self, index: int) -> tuple[str, ...]:
        return (str(self._targets[index]),)

    def areas(self, index: int) -> tuple[float, ...]:
        return ()
