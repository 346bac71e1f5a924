"""ILSVRC 2012 validation images with the boxes of the localisation task."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, Annotation, Record, check_root, clip_box, existing, wrong_layout
from gamlib.data.classes import imagenet_index, imagenet_indices
from gamlib.data.text import read_text
from gamlib.data.voc_xml import read_voc_xml

IMAGES = ("val", "ILSVRC2012_img_val", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val")
BOXES = ("Annotations/CLS-LOC/val", "ILSVRC/Annotations/CLS-LOC/val", "ILSVRC2012_bbox_val_v3/val", "bbox/val")
DEVKIT = ("ILSVRC2012_devkit_t12/data", "devkit/data")
LAYOUT = f"""  images  {" or ".join(IMAGES)}
          n01440764/ILSVRC2012_val_00000293.JPEG ... (a folder a class), or all images in it and
  labels  {" or ".join(DEVKIT)}: ILSVRC2012_validation_ground_truth.txt and meta.mat
  boxes   {" or ".join(BOXES)}
          ILSVRC2012_val_00000293.xml ..."""
# The files number pixels from 0 and both ends of a box lie in it (boxes run from 0 to the image's width - 1).
FIRST_PIXEL = 0


class ImagenetVal(AnnotatedImages):
    """The user's own copy of the 50,000 validation images, or any part of it.

    Labels are WordNet ids. An image without a box keeps its label; boxes of another class than the image's, or
    wholly outside the image, are left out and counted in `dropped`.
    """

    name = "imagenet_val"

    def __init__(self, root: str | Path | None):
        root = check_root(self.name, root, LAYOUT)
        images, boxes = existing(root, IMAGES), existing(root, BOXES)
        if images is None:
            raise wrong_layout(self.name, root, "the images", LAYOUT)
        if boxes is None:
            raise wrong_layout(self.name, root, "the folder of boxes", LAYOUT)
        # not the "._" files that macOS leaves on other file systems
        files = sorted(images.glob("n*/[!.]*.JPEG"))
        if files:
            wnids = {file: file.parent.name for file in files}
        else:
            files = sorted(images.glob("[!.]*.JPEG"))
            if not files:
                raise wrong_layout(self.name, root, "a .JPEG image", LAYOUT)
            devkit = existing(root, DEVKIT)
            if devkit is None:
                raise wrong_layout(self.name, root, "the devkit with the labels of the images", LAYOUT)
            wnids = _devkit_labels(files, devkit)
        self.classes = {wnid: imagenet_index(wnid, images) for wnid in sorted(set(wnids.values()))}
        dropped = Counter[str]()
        files.sort(key=lambda file: file.name)
        records = [_record(file, wnids[file], boxes / f"{file.stem}.xml", dropped) for file in files]
        if not any(annotation.box for record in records for annotation in record.annotations):
            left_out = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
            raise ValueError(
                f"data set '{self.name}': none of the {len(files)} images in '{images}' has a box of its class "
                f"({left_out}); looked for '{boxes / files[0].stem}.xml' and so on"
            )
        super().__init__(records, dropped)


def _record(file: Path, wnid: str, xml: Path, dropped: Counter[str]) -> Record:
    if not xml.is_file():
        dropped["image without boxes"] += 1
        return Record(file.stem, file, None, (Annotation(wnid),))
    size, objects = read_voc_xml(xml)
    boxes = []
    for item in objects:
        box = item.box(FIRST_PIXEL)
        inside = clip_box(box, size) if box is not None else None
        if item.name != wnid:
            dropped["box of another class"] += 1
        elif box is None:
            dropped["object without a box"] += 1
        elif inside is None:
            dropped["box outside the image"] += 1
        else:
            boxes.append(inside)
    annotations = tuple(Annotation(wnid, box) for box in boxes) or (Annotation(wnid),)
    return Record(file.stem, file, size, annotations)


def _devkit_labels(files: list[Path], devkit: Path) -> dict[Path, str]:
    """WordNet id of each image of the flat folder. Line n of the ground truth belongs to image n and holds an
    ILSVRC2012_ID, which meta.mat maps to the WordNet id: the ids are not in the order of the class indices."""
    from scipy.io import loadmat

    truth, meta = devkit / "ILSVRC2012_validation_ground_truth.txt", devkit / "meta.mat"
    for path in (truth, meta):
        if not path.is_file():
            raise FileNotFoundError(f"data set 'imagenet_val': no file '{path}'; it is part of ILSVRC2012_devkit_t12")
    try:
        synsets = [(int(s["ILSVRC2012_ID"]), str(s["WNID"])) for s in loadmat(meta, squeeze_me=True)["synsets"]]
    # SciPy has an error of another kind for each way in which the file can be damaged
    except Exception as error:
        raise ValueError(
            f"'{meta}' cannot be read as the devkit's table 'synsets' with ILSVRC2012_ID and WNID "
            f"({type(error).__name__}: {error}); unpack it anew"
        ) from error
    wnid_of = {number: wnid for number, wnid in synsets if wnid in imagenet_indices()}
    lines = [line.strip() for line in read_text(truth).rstrip().splitlines()]
    labels = {}
    for file in files:
        number = file.stem.rpartition("_")[2]
        if not number.isdecimal() or not 1 <= int(number) <= len(lines):
            raise ValueError(f"'{truth}' has {len(lines)} lines, none for image '{file.name}'")
        text = lines[int(number) - 1]
        if not text.isdecimal() or int(text) not in wnid_of:
            raise ValueError(f"'{truth}', line {int(number)}: '{text}' is not an ILSVRC2012_ID of '{meta}'")
        labels[file] = wnid_of[int(text)]
    return labels
