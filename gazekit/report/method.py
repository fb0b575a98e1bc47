"""The text of the method and the provenance: what was done, with which parameters, to which files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazekit.conditions import conditions, references
from gazekit.core.counting import counted
from gazekit.core.files import sha256
from gazekit.report.wording_of_metrics import condition, meaning, metric
from gazekit.session.excluding import RECORD, sentences
from gazekit.shapes.mask_spec import Kind
from gazekit.stats.comparison_folder import Comparison

_KEPT = {
    ("rectangle", "mass"): "the smallest rectangle that holds {share:.0%} of the map",
    ("rectangle", "area"): "the rectangle of {share:.0%} of the picture's area that holds most of the map",
    ("region", "mass"): "the region of the highest values that holds {share:.0%} of the map",
    ("region", "area"): "the region of the highest values that covers {share:.0%} of the picture's area",
    ("patches", "mass"): "its {patches} best patches apart, each {patch_share:.0%} of the picture's height and width",
}
_MAPS = {
    "gaussian": "blurred with a Gaussian",
    "likelihood": (
        "as the density whose width, and mixture with a centre bias and an even density, are for each picture those by "
        "which viewers predict each other best"
    ),
}
_SAME_AREA = (
    "Every control and every network's own attention keeps the same area of the same picture, so that a difference "
    "between them and human attention cannot come from how much is seen."
)
_REMOVED = (
    "{name} keeps all the rest of the picture, which is of another area: a difference between it and human attention "
    "can come from that alone."
)
_COARSE = (
    "What is masked is not removed: the fill {fill} makes it coarse, and some of it can still be seen "
    "(gazekit dataset detail says how much)."
)
_POOLED = (
    "No pixel is masked: networks compute the features of the whole picture, and the head reads their mean and largest "
    "values where the mask of the condition lies. What a network computes of a place depends on its surroundings as "
    "well."
)
TAKES_AWAY = ("black", "mean")  # fills that leave nothing
_BOUNDS = (
    "Floors are what the same metric reaches without looking at a picture. Ceilings are half of the raters as a "
    "prediction of the other half, and the correlation that the true means would have with the means of so few raters "
    "(Spearman-Brown). Every conclusion follows from the intervals and from p."
)


def method_text(comparison: Comparison, dataset: Mapping[str, Any]) -> list[str]:
    """Return paragraphs that say what was done, with the parameters that the files carry."""
    table = comparison.rows[comparison.rows["level"] == "condition"]
    seeds = comparison.rows.loc[comparison.rows["level"] == "seed", "seed"].nunique()
    models = list(dict.fromkeys(table["model"]))
    conditions = counted(table["condition"].nunique(), "condition")
    pooled = _flat(comparison.config.get("recipe", {})).get("apply") == "pooling"
    text = [
        f"{_list(models)} {'was' if len(models) == 1 else 'were each'} trained on {conditions} with "
        f"{counted(seeds, 'seed')}, all with the same recipe, and tested on the same pictures of the test split, "
        f"{'attended to' if pooled else 'masked'} in the same way as those that the model was trained on.",
    ]
    parameters = {**_flat(dataset.get("parameters", {}))}
    excluded = parameters.pop(RECORD, [])
    if parameters:
        text.append("The dataset was made with " + _settings(parameters) + ".")
    if excluded:
        text.append("Left out before any analysis: " + "; ".join(sentences(excluded)) + ". Nothing was deleted.")
    recipe = {**_flat(comparison.config.get("recipe", {}))}
    if recipe:
        text.append("Training: " + _settings(recipe) + ".")
    return [*text, *_attention(comparison, parameters), _tests(comparison.conclusion), _BOUNDS]


def _attention(comparison: Comparison, parameters: Mapping[str, Any]) -> list[str]:
    """Return what masks keep, as far as the dataset says, where there is a masked condition."""
    names = set(comparison.rows.loc[comparison.rows["level"] == "condition", "condition"]) - {"original"}
    if not names:
        return []
    weights = {"duration": "weighted by its duration", "count": "all of one weight"}
    weight = weights.get(str(parameters.get("weight")), "weighted")
    drawn = _MAPS[str(parameters.get("map", "gaussian"))]
    text = [f"The map of human attention is of all fixations, each {weight}, {drawn}."]
    form = _KEPT.get((str(parameters.get("mask")), str(parameters.get("share_of", "mass"))))
    if form is not None:
        text.append(f"Human attention keeps {form.format(**parameters)}.")
    known = conditions()
    outside = [name for name in known if name in names and known[name].outside]
    if names - {references()[0], *outside}:
        text.append(_SAME_AREA)
    text += [_REMOVED.format(name=condition(name)) for name in outside]
    recipe = _flat(comparison.config.get("recipe", {}))
    fill, pooled = str(recipe.get("fill", TAKES_AWAY[0])), recipe.get("apply") == "pooling"
    if pooled:
        text.append(_POOLED)
    elif fill not in TAKES_AWAY:
        text.append(_COARSE.format(fill=fill))
    return [" ".join(text)]


def _tests(conclusion: Mapping[str, Any]) -> str:
    """Return how intervals and p came about, with the parameters that the conclusion keeps."""
    how = conclusion.get("method", {})
    resamples = f" ({how['resamples']:,} resamples)" if "resamples" in how else ""
    swaps = f" ({how['permutations']:,} swaps)" if "permutations" in how else ""
    text = [
        f"Intervals are 95 % bootstrap intervals over test pictures and seeds{resamples}, widened to what so few seeds "
        "allow to say (seeds as readers, pictures as cases: Obuchowski & Rockette 1995, Hillis 2007).",
        "Differences are between the same pictures and the same seeds.",
        f"p is the larger one of a permutation test over pictures{swaps} and a t test that counts the luck of training "
        "as well, corrected by Holm's method over all comparisons of a metric.",
        f"A difference is claimed where that p is at most {conclusion.get('alpha', 0.05):g} and the interval leaves "
        "out 0; pictures needed and detectable differences are those of its hardest step.",
    ]
    if "threshold" in how:
        text.append(f"A picture is high where its mean score is above {how['threshold']:g}.")
    if "seed" in how:
        text.append(f"Everything random here was drawn with seed {how['seed']}.")
    return " ".join(text)


def used_conditions(comparison: Comparison, kind: Kind | None) -> list[tuple[str, str]]:
    """List name and meaning of the conditions that were compared, with masks of a kind."""
    names = dict.fromkeys(comparison.rows.loc[comparison.rows["level"] == "condition", "condition"])
    return [(condition(name), meaning(name, kind)) for name in names]


def used_metrics(comparison: Comparison) -> list[tuple[str, str]]:
    """Label and meaning of every metric in the tables."""
    names = dict.fromkeys([*comparison.metrics, *map(str, comparison.agreement["metric"])])
    return [(metric(n).label, metric(n).meaning) for n in names if metric(n).meaning]


def provenance_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the facts that identify the inputs: dataset, hashes, versions."""
    config = comparison.config
    rows = []
    dataset = config.get("dataset", {})
    if isinstance(dataset, Mapping):
        rows += [(f"dataset {key}", str(value)) for key, value in dataset.items()]
    elif dataset:
        rows.append(("dataset", str(dataset)))
    for key, value in config.items():
        if key not in ("dataset", "recipe", "grid", "cells"):
            rows.append((key, _settings(value) if isinstance(value, Mapping) else str(value)))
    return rows


def documents(comparison: Comparison, dataset: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every configuration whole, and the hash of every table that the report was made from."""
    found = [
        ("Configuration of the comparison (config.json)", comparison.config),
        ("Provenance of the dataset", dataset),
    ]
    result = [(name, json.dumps(value, indent=1, sort_keys=True, default=str)) for name, value in found if value]
    names = ["comparison.csv", "paired.csv", "agreement.csv", "categories.csv", "conclusion.json", "truth.csv"]
    paths = [comparison.folder / name for name in names] + sorted(
        comparison.folder.glob("runs/*/*/seed*/predictions.csv")
    )
    hashes = [f"{sha256(p)}  {_relative(p, comparison.folder)}" for p in paths if p.exists()]
    return [*result, ("SHA-256 of the tables", "\n".join(hashes))]


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _flat(values: Any) -> dict[str, Any]:
    return dict(values) if isinstance(values, Mapping) else {}


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in values.items() if value not in (None, "", {}, []))


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "/".join(_plain(v) for v in value)
    if isinstance(value, Mapping):
        return "(" + _settings(value) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
