"""What each profile evaluates: the one place that the chapters with numbers and `gam results` share.

Two parts, so that a chapter about boxes need not wait for masked images: "boxes" has every method, variant and control
that a claim about boxes or masks names, "masking" has what stands in Table 1, on fewer images and on disjoint pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gambook.claims.evaluations import MASKING, OWN_COPIES, SMALL_STRATA, Evaluation, lists, possible_tasks, to_mask
from gambook.claims.tables import STRATA
from gambook.given import PROFILES
from gamlib.evaluation import Settings, evaluate
from gamlib.evaluation.plan import cached_model
from gamlib.evaluation.results import CELL, ITEM, KEY, REQUIRED, measures, strata
from gamlib.metrics import FILLS
from gamlib.models import Model
from gamlib.names import check_name

PARTS = ("boxes", "masking")
# Partners of an image, so that no verdict hangs on one drawing; photographs for each scene, since they vary more.
PARTNERS, PHOTOGRAPHS = 5, 4
# Columns of IoU at every threshold, and the methods for which they are published.
CURVES = "^(mask_)?iou_"
CURVED = ("gam", "grad_cam", "grad_cam_pp_stable")


@dataclass(frozen=True)
class Protocol:
    """The evaluations of a profile with one network.

    Parameters
    ----------
    profile : {"embedded", "open", "paper"}
    model : str
        As in `load_model`, for data sets that have no network of their own.
    n_images : int
        Scenes a stratum (embedded); at most four times as many photographs a data set (open); paper takes all.
    seed, device
        As in `Settings`; the seed is that of the scenes, too.
    roots : mapping
        Parameter of OWN_COPIES -> folder; without one its data set is left out. "weights_root": of own checkpoints.
    dataset, dataset_root : str
        A data set of the reader's in place of the profile's: a name for `load_dataset`, and its folder, if any.

    Examples
    --------
    >>> [one.dataset for one in Protocol("open", "efficientnet_lite0").evaluations()]
    ['imagenet_val_1300', 'raccoon', 'davis']
    """

    profile: str
    model: str
    n_images: int = 64
    seed: int = 0
    device: str = "cpu"
    roots: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    dataset_root: str = ""

    def __post_init__(self) -> None:
        check_name("profile", self.profile, PROFILES)
        if self.n_images < 2:
            raise ValueError(f"n_images: got {self.n_images}; a pair takes two, give 2 or more")

    def evaluations(self) -> list[Evaluation]:
        """In the order of the tables."""
        if self.dataset:
            options = {"root": self.dataset_root} if self.dataset_root else {}
            return [Evaluation(self.dataset, SMALL_STRATA, fills=FILLS[:1], options=options, depths=True)]
        if self.profile == "open":
            cut: dict[str, Any] = {"depths": True, "n_images": PHOTOGRAPHS * self.n_images}
            return [
                Evaluation("imagenet_val_1300", SMALL_STRATA, fills=FILLS, **cut),
                # raccoons fill their photographs: the smallest tenth holds no small objects
                Evaluation("raccoon", fills=FILLS[:1], **cut),
                Evaluation("davis", **cut),
            ]
        if self.profile == "embedded":
            scenes = {"n": self.n_images, "seed": self.seed}
            single = [
                Evaluation("scenes", fills=FILLS if percentile == 100 else (), depths=percentile == 100,
                           options={"kind": "single", "percentile": percentile, **scenes})
                for percentile in STRATA
            ]  # fmt: skip
            return [*single, Evaluation("scenes", tasks=("class",), options={"kind": "two", **scenes})]
        return [
            replace(one, options={"root": str(self.roots[parameter]), **one.options})
            for parameter, own in OWN_COPIES.items() if self.roots.get(parameter)
            for one in own
        ]  # fmt: skip

    def network(self, one: Evaluation) -> Model:
        """The network of an evaluation, with the weights that `run` gives it; errors as there."""
        return cached_model(one.model or self.model, self._weights(one), self.device, self.seed)

    def run(self, part: str, out: str | Path, scheduler: str = "") -> pd.DataFrame:
        """The measures of every map, as `gamlib.evaluation.results.measures` describes them, with their IoU curves.

        Pairs are left out where no class has two images, and classes where a network has none.

        Parameters
        ----------
        part : {"boxes", "masking"}
            A column of the result.
        out : str or Path
            Folder; shards lie in <out>/shards and are shared by all chapters that name it.
        scheduler : str
            Address of a Dask scheduler; empty: this process.

        Returns
        -------
        DataFrame
            attrs: "skipped" names broken images; "dropped" counts, for each data set, the annotations that were left
            out, by reason.

        Raises
        ------
        ValueError, FileNotFoundError
            Before any work: for an unknown part or a missing checkpoint, and as in `load_dataset`. As in `evaluate`.
        """
        check_name("part", part, PARTS)
        ready = [(one, self._weights(one), one.load(self.seed)) for one in self.evaluations()]
        frames, skipped, dropped = [], [], {}
        for one, weights, data in ready:
            model, network = one.model or self.model, self.network(one)
            tasks = possible_tasks(one, data, network)
            data = data if part == "boxes" else to_mask(one, data, self.seed)
            own = []
            for methods, depths, fills in lists(one, part) if tasks and len(data) else ():
                # a network of your own may have fewer layers
                if there := [n for n in depths if n <= len(network.layers)]:
                    settings = Settings(
                        tasks, methods, there, fills, seed=self.seed, weights=weights, device=self.device,
                        partners=PARTNERS if part == "boxes" else 1,
                    )  # fmt: skip
                    own.append(evaluate(model, data, settings, Path(out) / "shards", scheduler or map))
            if not own:
                continue
            rows = strata(pd.concat(own, ignore_index=True), one.strata)
            # a data set may be there several times, each a stratum of its own
            dropped[one.dataset] = dropped.get(one.dataset, {}) | getattr(data, "dropped", {})
            kept, alone = _tunable(rows)
            if part == "boxes":
                rows, dropped[one.dataset] = kept, dropped[one.dataset] | alone
            else:  # ADP and PIC need no threshold
                rows.loc[rows.index.difference(kept.index), rows.filter(regex=CURVES).columns] = np.nan
            frames.append(rows)
            named = {"dataset": one.dataset, "model": model}
            for frame in own:
                skipped += [named | entry for entry in frame.attrs["skipped"] if named | entry not in skipped]
        results = pd.concat(frames or [pd.DataFrame(columns=REQUIRED)], ignore_index=True)
        scored = pd.concat([measures(results).assign(part=part), results.filter(regex=CURVES)], axis=1)
        scored.attrs = {"skipped": skipped, "dropped": dropped}
        return scored

    def _weights(self, one: Evaluation) -> str:
        """Either "default" or the path of the reader's checkpoint."""
        if not one.checkpoint:
            return "default"
        folder = self.roots.get("weights_root", "")
        path = Path(folder) / f"{one.model}.pth"
        if not path.is_file():
            given = f"no file '{path}'" if folder else "not given"
            raise FileNotFoundError(
                f"weights_root: {given}; the evaluation of {one.dataset} needs the folder with {path.name}, see the "
                "chapter on data and weights"
            )
        return str(path)


def _tunable(results: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The tests whose maps lie in two folds; of the others, why they are left out, and how many maps they have."""
    folds = results.groupby(CELL)["fold"].transform("nunique")
    alone = results[folds < 2].drop_duplicates(["percentile", "task", *ITEM])
    reasons = {
        f"{task}, {'all images' if percentile == 100 else f'smallest {percentile}%'}: too few for two folds, "
        "so no threshold could be tuned on one and used on the other": len(maps)
        for (percentile, task), maps in alone.groupby(["percentile", "task"])
    }
    return results[folds > 1], reasons


def published(scored: pd.DataFrame) -> pd.DataFrame:
    """What of `Protocol.run` is kept for readers: measures to a hundredth of a point, which make the ledger.

    IoU curves, in whole percent, are kept for the maps of CURVED over all images, to tune a threshold anew.
    """
    kept = scored.drop(columns=["before", "finite", "target"], errors="ignore").sort_values([*KEY, "part"])
    curves = kept.filter(regex=CURVES).columns
    curved = kept["method"].isin(CURVED) & kept["n"].isin(MASKING[1]) & (kept["percentile"] == 100)
    kept[curves] = (100 * kept[curves]).round().astype("Int8").where(curved, pd.NA)
    values = kept.select_dtypes("floating").columns.drop("object_area", errors="ignore")
    kept[values] = kept[values].astype("float32").round(2)
    return kept
