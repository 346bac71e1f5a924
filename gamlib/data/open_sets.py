"""Open sets of photographs with boxes or masks that are fetched once: raccoons, and the videos of DAVIS."""

from __future__ import annotations

from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, read_mask, read_voc_xml
from gamlib.data.fetch import fetch
from gamlib.data.photos import tight_box

# ImageNet's class of what the masks of a video hold; what no class fits is explained by the network's first
VIDEO_CLASSES = {"blackswan": 100, "camel": 354, "drift-chicane": 751, "drift-straight": 751,
           "scooter-black": 670}  # fmt: skip
FRAME = (854, 480)


class Raccoon(AnnotatedImages):
    """200 photographs with 217 raccoons in boxes (Dat Tran, MIT licence). ImageNet-1k has no raccoon."""

    name = "raccoon"
    classes = {"raccoon": None}

    def __init__(self, root: str | Path | None = None) -> None:
        annotated = [path for path in fetch("raccoon", root) if path.suffix == ".xml"]
        records = []
        for path in sorted(annotated, key=lambda p: int(p.stem.rpartition("-")[2])):
            # labelImg counts pixels from 1, as VOC does: coordinates here run from 1 to the image's width
            size, objects = read_voc_xml(path, first_pixel=1)
            image = path.parents[1] / "images" / f"{path.stem}.jpg"
            records.append(ImageFile(path.stem, image, size, objects))
        super().__init__(records)


class Davis(AnnotatedImages):
    """Six frames of each of DAVIS 2016's 20 validation videos (Perazzi et al., CVPR 2016; BSD licence), 854 x 480.

    Masks of one object are exact. The label is the video's name: pairs are two frames of one video, and the video is
    what is independent. Boxes are tight around masks.
    """

    name = "davis"
    cluster = "label"

    def __init__(self, root: str | Path | None = None) -> None:
        records = []
        for path in fetch("davis", root):
            if path.suffix == ".jpg":
                label, mask = path.parent.name, path.with_suffix(".png")
                annotation = Annotation(label, tight_box(read_mask(mask, FRAME)), mask=mask)
                records.append(ImageFile(f"{label}-{path.stem}", path, FRAME, (annotation,)))
        super().__init__(records)
        self.classes = {each.label: VIDEO_CLASSES.get(each.label) for one in records for each in one.annotations}
