"""Thirty photographs of ImageNet classes, from an open collection of one image a class."""

from __future__ import annotations

from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile
from gamlib.data.classes import imagenet_indices
from gamlib.data.fetch import fetch


class ImagenetSamples(AnnotatedImages):
    """30 photographs, one a class, without boxes; the label is the WordNet id that begins the file name."""

    name = "imagenet_samples"

    def __init__(self, root: str | Path | None = None) -> None:
        wnids = {file: file.stem.partition("_")[0] for file in fetch("imagenet-samples", root)}
        self.classes = {wnid: imagenet_indices()[wnid] for wnid in wnids.values()}
        super().__init__([ImageFile(file.stem, file, None, (Annotation(wnid),)) for file, wnid in wnids.items()])
