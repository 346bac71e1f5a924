"""DAVIS 2016: frames of twenty videos with exact masks of one object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, read_mask
from gamlib.data.fetch import fetch
from gamlib.data.photos import tight_box

# ImageNet's class of what the mask holds; what no class fits is explained by the network's first
VIDEO_CLASSES = {"blackswan": 100, "camel": 354, "drift-chicane": 751, "drift-straight": 751,
           "scooter-black": 670}  # fmt: skip
SIZE = (854, 480)


class Davis(AnnotatedImages):
    """Six frames of each of the 20 validation videos (Perazzi et al., CVPR 2016; BSD licence), 854 x 480 pixels.

    The label is the video's name: pairs are two frames of one video, and the video is what is independent. Boxes are
    tight around masks.
    """

    name = "davis"
    cluster = "label"

    def __init__(self, root: str | Path | None = None) -> None:
        records = []
        for path in fetch("davis", root):
            if path.suffix == ".jpg":
                label, mask = path.parent.name, path.with_suffix(".png")
                box = tight_box(read_mask(mask, SIZE, binary=True))
                records.append(ImageFile(f"{label}-{path.stem}", path, SIZE, (Annotation(label, box, mask.name),)))
        super().__init__(records)
        self.classes = {record.path.parent.name: VIDEO_CLASSES.get(record.path.parent.name) for record in records}

    def masks(self, record: ImageFile, shape: tuple[int, int]) -> Sequence[np.ndarray | None]:
        return [read_mask(record.path.with_name(each.shape), shape[::-1], binary=True) for each in record.annotations]
