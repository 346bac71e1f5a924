"""MNIST, fetched by torchvision."""

from __future__ import annotations

from pathlib import Path

from PIL import ImageOps
from torchvision.datasets import MNIST

from gamlib.data.fetch import data_folder
from gamlib.data.samples import Dataset, Object, Sample

SPLITS = ("test", "train")
# as torchvision unpacks them: images, labels
FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte", "train-labels-idx1-ubyte")


class Mnist(Dataset):
    """28 x 28 digits (LeCun et al. 1998) on a black margin of 2 pixels, so 32 x 32 as LeNet-5 takes them.

    split: "test" (10,000) or "train" (60,000). Files lie in root/MNIST/raw, root by default data_folder();
    torchvision downloads them with its MD5 check. ConnectionError when they are not there and cannot be fetched,
    ValueError when what is there is damaged.
    """

    name = "mnist"

    def __init__(self, root: str | Path | None = None, split: str = "test"):
        if split not in SPLITS:
            raise ValueError(f"split: '{split}', expected one of {', '.join(SPLITS)}")
        self.classes = {str(digit): str(digit) for digit in range(10)}
        root = Path(root).expanduser() if root is not None else data_folder()
        raw = root / "MNIST" / "raw"
        try:
            self._digits = MNIST(root, train=split == "train", download=True)
            shape, labels = tuple(self._digits.data.shape), self._digits.targets
            if shape != (len(labels), 28, 28) or not ((labels >= 0) & (labels <= 9)).all():
                raise ValueError(f"images {shape}, {len(labels)} labels up to {labels.max()}")
        # torchvision has RuntimeError and OSError for a failed download, and many kinds for files that do not parse
        except Exception as error:
            if not all((raw / name).is_file() for name in FILES):
                raise ConnectionError(
                    f"data set 'mnist': the files are not in '{raw}', or not whole, and cannot be fetched from "
                    f"{', '.join(MNIST.mirrors)} ({error}); connect to the network once, or set GAMLIB_DATA to a "
                    "folder that holds them; data set 'digits' needs neither"
                ) from error
            images, labels = (name for name in FILES if name.startswith("train") == (split == "train"))
            raise ValueError(
                f"data set 'mnist': '{images}' or '{labels}' in '{raw}' cannot be read ({type(error).__name__}: "
                f"{error}); delete both, then they are fetched again"
            ) from error

    def __len__(self) -> int:
        return len(self._digits)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        image, target = self._digits[index]
        return Sample(f"mnist-{index:05d}", ImageOps.expand(image, 2).convert("RGB"), (Object(str(target)),))

    def labels(self, index: int) -> tuple[str, ...]:
        return (str(int(self._digits.targets[index])),)

    def areas(self, index: int) -> tuple[float, ...]:
        return ()
