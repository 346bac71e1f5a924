"""Thirty photographs of ImageNet classes, from an open collection of one image a class."""

from __future__ import annotations

from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, Annotation, Record
from gamlib.data.classes import imagenet_index
from gamlib.data.fetch import REGISTRY, fetch


class ImagenetSamples(AnnotatedImages):
    """30 photographs, one a class, without boxes. The label is the WordNet id that begins the file name.

    root: the folder that holds (or will hold) imagenet-samples/; default data_folder().
    """

    name = "imagenet_samples"

    def __init__(self, root: str | Path | None = None, registry: Path = REGISTRY):
        files = fetch("imagenet-samples", root, registry)
        super().__init__([Record(f.stem, f, None, (Annotation(f.stem.partition("_")[0]),)) for f in files])
        labels = [self.labels(index)[0] for index in range(len(files))]
        self.classes = {label: imagenet_index(label, file) for label, file in zip(labels, files, strict=True)}
