"""What methods, measures and differences are called in words."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gamlib.methods import METHODS
from gamlib.plots import title_of

VARIANT_TITLES = {
    "gam_layer": "GAM, that layer alone",
    "gam_pooled": "GAM, that layer alone on the last one's grid",
    "gam_max": "GAM, maximum",
    "gam_product": "GAM, product",
    "gam_last_3": "GAM, last layer three times",
    "gam_first_3": "GAM, earlier layer three times",
}
MEASURES = {
    "box_iou": "box IoU",
    "mask_iou": "mask IoU",
    "nonfinite": "maps not finite",
    "gain": "gain in box IoU",
    "slope": "box IoU for each doubling of the object's area",
    "family": "box IoU, minus the same with SqueezeNet",
    "area": "area above threshold",
    "mass_box": "mass in the box",
    "peak_box": "peak in the box",
    "discrimination": "mass on own minus other object",
    "peak_discrimination": "peak on own minus other object",
    "share_negative": "negative entries",
    "spearman": "rank correlation",
}
SUBSETS = {
    "10": "smallest 10%",
    "25": "smallest 25%",
    "10-25": "smallest 10% minus smallest 25%",
    "25-100": "smallest 25% minus all",
}
DATA_NAMES = {
    "imagenet_val_1300": "ImageNet validation",
    "imagenet_val": "ImageNet validation, own copy",
    "raccoon": "raccoons",
    "davis": "DAVIS",
    "scenes_two": "scenes, two objects",
    "scenes_shared": "scenes, one shared",
    "photos": "photographs",
    "mnist5k": "MNIST",
}
SHORT = {"efficientnet_lite0": "Lite0", "efficientnet_lite1": "Lite1", "efficientnet_lite2": "Lite2",
         "squeezenet1_1": "SqueezeNet", "squeezenet1_1_fire8": "SqueezeNet, fire8"}  # fmt: skip


def data_name(dataset: str) -> str:
    """What readers call a data set."""
    return DATA_NAMES.get(dataset, dataset)


def network_name(model: str) -> str:
    """What readers call a network."""
    return SHORT.get(model, model)


def measure_name(metric: str) -> str:
    """A measure's name for readers: "ADP, both masked" for "adp_black_both"."""
    if metric in MEASURES:
        return MEASURES[metric]
    kind, fill, side = metric.split("_")
    return f"{kind.upper()}, {side} masked" + ("" if fill == "black" else f", {fill}")


def difference_name(row: Mapping) -> str:
    """What is subtracted from what: "GAM (2) − Grad-CAM (1)"."""
    sides = [name.partition(":") for name in (row["a"], row["b"]) if name]
    return " − ".join(title_of(name, VARIANT_TITLES) + (f" ({n})" if int(n or 0) else "") for name, _, n in sides)


def line_name(row: Mapping) -> str:
    """Data, score and difference in one short line: "raccoons: class, ADP, both, GAM 2 − Grad-CAM 1, smallest 10%"."""
    kind, _, masked = str(row["metric"]).partition("_")
    measure = f"{kind.upper()}, {masked.partition('_')[2]}, " if kind in ("adp", "pic") else ""
    sides = " − ".join(_short(side) for side in (row["a"], row["b"]) if side)
    return f"{data_name(row['dataset'])}: {row['task']}, {measure}{sides}{stratum_name(row)}"


def _short(side: str) -> str:
    name, _, n = side.partition(":")
    return f"{METHODS[name].short if name in METHODS else name.replace('_', ' ')} {n}".removesuffix(" 0")


def stratum_name(row: Mapping) -> str:
    """What follows the name of a difference on small objects: ", smallest 10%"; nothing for all."""
    return f", {SUBSETS[row['subset']]}" if row["subset"] in SUBSETS else ""


def signed(value: float) -> str:
    """A difference with its sign and one decimal, e.g. "+3.0"."""
    return f"{value:+.1f}".replace("-", "−")


def left_out(results: pd.DataFrame) -> pd.DataFrame:
    """Images and annotations that are not in results of `Protocol.run`: what, how many, reason; empty where all are."""
    images = pd.DataFrame(results.attrs["skipped"], columns=["dataset", "sample", "reason"]).drop_duplicates()
    rows = [(f"{one['sample']} of {one['dataset']}", 1, one["reason"]) for one in images.to_dict("records")]
    for dataset, reasons in results.attrs["dropped"].items():
        rows += [(f"annotations of {dataset}", count, reason) for reason, count in reasons.items()]
    return pd.DataFrame(rows, columns=["left out", "how many", "reason"])
