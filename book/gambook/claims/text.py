"""Sentences about verdicts, computed from ledger rows and table cells: the prose may say no more than the rows."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gambook.claims.ledger import groups
from gambook.claims.notes import TEST, controls_ahead, joined, measure_name, signed
from gambook.claims.rule import CONTRADICTED, EQUIVALENT, MIXED, NOT_RUN, REPRODUCED, UNDECIDED
from gambook.claims.tables import STRATA, TABLE_DEPTHS, TABLE_METHODS
from gamlib.controls import CONTROLS
from gamlib.plots import title_of

ORDER = (REPRODUCED, CONTRADICTED, MIXED, EQUIVALENT, UNDECIDED, NOT_RUN)
# Data sets as readers know them; scenes of two objects are scenes.
DATA_NAMES = {
    "scenes": "scenes",
    "scenes_two": "scenes of two objects",
    "digits": "digits",
    "raccoon": "raccoon photographs",
    "imagenet_val": "ImageNet",
    "chestx_ray8": "X-rays",
}
# Measures of the tests, and the side on which a method is better.
BETTER = {
    "box_iou": 1,
    "mask_iou": 1,
    "adp_black_both": -1,
    "adp_black_one": -1,
    "pic_black_both": 1,
    "pic_black_one": 1,
}


def verdict_sentence(verdicts: pd.DataFrame, rows: pd.DataFrame) -> str:
    """All claims in one sentence. verdicts: one row a claim (`claim_verdicts`); rows: the ledger rows behind them.

    Examples
    --------
    >>> found = pd.DataFrame({"claim": ["C1", "C2"], "verdict": ["reproduced", "mixed"]})
    >>> ran = pd.DataFrame({"claim": "C4", "verdict": "reproduced", "model": ["net"], "dataset": "scenes"})
    >>> verdict_sentence(found, ran)
    'Of 2 claims of the paper, 1 is reproduced (C1) and 1 mixed (C2), on scenes with net.'
    """
    parts = []
    for word in ORDER:
        claims = list(verdicts.loc[verdicts["verdict"] == word, "claim"])
        if claims:
            verb = ("" if parts else "is " if len(claims) == 1 else "are ") + word
            parts.append(f"{len(claims)} {verb} ({', '.join(claims)})")
    ran = rows[(rows["verdict"] != NOT_RUN) & (rows["claim"] == "C4")]
    names = list(ran["dataset"].unique())
    networks = joined([name.replace("efficientnet_l", "EfficientNet-L") for name in sorted(ran["model"].unique())])
    together = " all runs taken together," if len(ran[["model", "dataset"]].drop_duplicates()) > 1 else ""
    where = (
        f"on {_data_names(names) or 'no data set'} with {networks or 'no network'}{_elsewhere(verdicts, rows, names)}"
    )
    return f"Of {len(verdicts)} claims of the paper,{together} {joined(parts)}, {where}."


def _data_names(names: list[str]) -> str:
    return joined([DATA_NAMES.get(name, name) for name in names])


def _elsewhere(verdicts: pd.DataFrame, rows: pd.DataFrame, names: list[str]) -> str:
    """Which claims were decided on part of the data sets `names`, or on others."""
    ran = rows[rows["verdict"] != NOT_RUN]
    # scenes of two objects and the photographs they are made of are scenes to a reader
    base = ran["dataset"].map(lambda name: "scenes" if name.startswith(("scenes", "photos")) else name)
    places: dict[str, list[str]] = {}
    for claim in verdicts["claim"]:
        own = list(dict.fromkeys(base[ran["claim"] == claim]))
        if own and set(own) != set(names):
            places.setdefault(_data_names(own), []).append(claim)
    parts = [f"{joined(claims)} on {where} alone" for where, claims in places.items()]
    return f" ({'; '.join(parts)})" if parts else ""


def findings(rows: pd.DataFrame) -> list[str]:
    """What the rows say on the paper's main points, one sentence each."""
    return [
        f"Grad-CAM under the cosine (C2): box IoU of GAM minus Grad-CAM, one layer each, is {across(rows, 'C2.1')}.",
        f"Grad-CAM++ under the dot product (C3): the share of its maps that are not finite is {across(rows, 'C3.1')}, "
        f"and GAM's box IoU minus its own is {across(rows, 'C3.2')}.",
        f"A second layer (C4): box IoU of GAM with two layers minus one, under the cosine, is {across(rows, 'C4.2')}; "
        f"over all scores, {tally(rows, 'C4')}.",
        f"ADP and PIC: that the second layer improves GAM's (C7), {tally(rows, 'C7')}; that GAM with two layers has "
        f"the best of all (C8), {tally(rows, 'C8')}.",
        f"That GAM with two layers has the best boxes of all methods and depths (C15), {tally(rows, 'C15')}.",
        f"Two objects in one image (C14): what GAM with two layers puts on the object asked for rather than on the "
        f"other, minus the same of Grad-CAM, is {across(rows, 'C14.1')}. The scenes of two objects show four objects, "
        "and the rule asks for five, so no numbers could decide this claim here.",
        f"How deep and how joined: that two layers are the best depth (C11), {tally(rows, 'C11')}; that earlier layers "
        f"focus more (C13), {tally(rows, 'C13')}; that the mean joins layers best (C16), {tally(rows, 'C16')}.",
    ]


def across(rows: pd.DataFrame, claim_id: str) -> str:
    """One difference on every data set: the range of its means over networks, and how many have which verdict."""
    ran = rows[(rows["id"] == claim_id) & (rows["verdict"] != NOT_RUN)]
    parts = []
    for dataset, part in ran.groupby("dataset", sort=False):
        low, high = (signed(value) for value in (part["mean"].min(), part["mean"].max()))
        size = f"{low} points" if low == high else f"{low} to {high} points"
        words = joined([f"{word} with {count}" for word, count in _counts(part)]) + f" of {len(part)} networks"
        single = f"interval {signed(part['low'].iloc[0])} to {signed(part['high'].iloc[0])}, {part['verdict'].iloc[0]}"
        parts.append(f"{size} on {DATA_NAMES.get(dataset, dataset)} ({words if len(part) > 1 else single})")
    return joined(parts) or "not run"


def tally(rows: pd.DataFrame, claim: str) -> str:
    """How many of the claim's rows, over differences, data sets and networks, have which verdict."""
    ran = rows[(rows["claim"] == claim) & (rows["verdict"] != NOT_RUN)]
    words = joined([f"{count} {'is' if count == 1 else 'are'} {word}" for word, count in _counts(ran)])
    return f"of {len(ran)} comparisons {words}" if len(ran) else "not run"


def _counts(rows: pd.DataFrame) -> list[tuple[str, int]]:
    count = rows["verdict"].value_counts()
    return [(word, count[word]) for word in ORDER if word in count]


def controls_table(cells: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a test in which the best control beats a method by its mean.

    cells: measure (a key of BETTER) -> `results.cell_means`. For ADP the image itself, with ADP 0 by definition, does
    not compete. Columns: test, metric, control, mean (of the control), count ("3 of 8" methods and depths), beaten.
    """
    found = []
    for metric, table in cells.items():
        fair = table[table["method"].isin([*TABLE_METHODS, *CONTROLS]) & (table["n"] <= max(TABLE_DEPTHS))]
        fair = fair[fair["method"] != "all_ones"] if metric.startswith("adp") else fair
        for keys, part in groups(controls_ahead(fair, BETTER[metric]), TEST):
            here = (fair[TEST] == pd.Series(keys, TEST)).all(axis=1) & fair["method"].isin(TABLE_METHODS)
            names = [f"{title_of(method)} ({n})" for method, n in zip(part["method"], part["n"], strict=True)]
            dataset, percentile, model, task = keys
            found.append(
                {
                    "test": f"{dataset}, {STRATA[percentile]}, {model.removeprefix('efficientnet_')}, {task}",
                    "metric": metric,
                    "control": title_of(part["control"].iloc[0]),
                    "mean": part["mean_control"].iloc[0],
                    "count": f"{len(part)} of {here.sum()}",
                    "beaten": "every method" if len(part) == here.sum() else ", ".join(names),
                }
            )
    return pd.DataFrame(found, columns=["test", "metric", "control", "mean", "count", "beaten"])


def controls_sentences(cells: Mapping[str, pd.DataFrame], ahead: pd.DataFrame) -> list[str]:
    """A sentence a measure: in how many tests a control beats GAM with two layers, or every method.

    ahead: from `controls_table`.
    """
    texts = []
    for metric, table in cells.items():
        beaten = ahead.loc[ahead["metric"] == metric, "beaten"]
        gam = beaten.str.split(", ").map(lambda names: bool({"GAM (2)", "every method"} & set(names)))
        texts.append(
            f"By {measure_name(metric)}, a blind control beats GAM with two layers in {gam.sum()} of "
            f"{table.groupby(TEST).ngroups} tests, and every method in {(beaten == 'every method').sum()}."
        )
    return texts
