"""What methods, measures and differences are called in words; single names stand in names.csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gamlib.methods import METHODS
from gamlib.plots import title_of

# ("data", "kind", "network", "variant", "measure", "needs", "stratum" or "copy", an id) -> a name.
NAMES: dict[tuple[str, str], str] = {
    (what, one): name
    for what, one, name in pd.read_csv(Path(__file__).with_name("names.csv"), dtype=str).itertuples(index=False)
}


def data_name(dataset: str) -> str:
    """What readers call a data set."""
    return NAMES.get(("data", dataset), dataset)


def network_name(model: str) -> str:
    """What readers call a network."""
    return NAMES.get(("network", model), model)


def measure_name(metric: str) -> str:
    """A measure's name for readers: "ADP, both masked" for "adp_black_both"."""
    if name := NAMES.get(("measure", metric)):
        return name
    kind, fill, side = metric.split("_")
    return f"{kind.upper()}, {side} masked" + ("" if fill == "black" else f", {fill}")


def difference_name(row: Mapping) -> str:
    """What is subtracted from what: "GAM (2) − Grad-CAM (1)"."""
    sides = [name.partition(":") for name in (row["a"], row["b"]) if name]
    return " − ".join(
        NAMES.get(("variant", name), title_of(name)) + (f" ({n})" if int(n or 0) else "") for name, _, n in sides
    )


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
    return f", {name}" if (name := NAMES.get(("stratum", row["subset"]))) else ""


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
