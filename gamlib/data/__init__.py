"""Data sets by name."""

from __future__ import annotations

import inspect
import pkgutil
from pathlib import Path
from typing import Any

from gamlib.data.pairs import make_pairs, smallest_objects
from gamlib.data.samples import BrokenImage, Dataset, Object, Sample
from gamlib.data.subset import Subset
from gamlib.names import check_name

__all__ = ["BrokenImage", "Dataset", "Object", "Sample", "Subset", "load_dataset", "make_pairs", "smallest_objects"]

# name -> module of this package and its class: nothing is imported before it is asked for
DATASETS = {
    "photos": "photos:Photos",
    "scenes": "scenes:Scenes",
    "mnist5k": "digits:Mnist5k",
    "imagenet_samples": "imagenet:ImagenetSamples",
    "imagenet_val_1300": "imagenet:ImagenetVal1300",
    "raccoon": "open_sets:Raccoon",
    "davis": "open_sets:Davis",
    "folder": "folder:Folder",
    "imagenet_val": "imagenet:ImagenetVal",
    "chestx_ray8": "chest:ChestXray8",
    "coco": "coco:Coco",
    "voc2007": "voc:Voc2007",
    "voc2012": "voc:Voc2012",
}


def load_dataset(name: str, root: str | Path | None = None, **options: Any) -> Dataset:
    """A data set by name; no image is decoded before it is asked for.

    Parameters
    ----------
    name : str
        photos, scenes, mnist5k come with packages. imagenet_samples, imagenet_val_1300, raccoon, davis are fetched
        once and checked by hash. folder is the user's own photographs; imagenet_val, chestx_ray8, coco, voc2007,
        voc2012 are the user's own copies.
    root : path, optional
        Folder of the user's own copy; of fetched data, by default that named by the environment variable
        GAMLIB_DATA, else a cache folder.
    **options
        Those of the data set, as split="val2014" for coco, masks=True for voc2012.

    Raises
    ------
    ValueError, TypeError
        For an unknown name or a damaged file; for an option that the data set does not have.
    FileNotFoundError, ConnectionError, ImportError
        For a missing root or file, shown with the layout looked for; where open data cannot be fetched; where a package
        is missing.

    Examples
    --------
    >>> load_dataset("photos")[0].objects[0].label
    'cat'
    """
    if not isinstance(name, str) or not isinstance(root, str | Path | None):
        raise TypeError(f"name, root: got {name!r} and {root!r}; give a name, and a folder or None")
    check_name("data set", name, DATASETS)
    factory = pkgutil.resolve_name(f"gamlib.data.{DATASETS[name]}")
    accepted = inspect.signature(factory).parameters
    if root is not None:
        options["root"] = root
    unknown = sorted(options.keys() - accepted.keys())
    if unknown:
        raise TypeError(f"data set '{name}' has no option '{unknown[0]}'; accepted: {', '.join(accepted) or 'none'}")
    return factory(**options)
