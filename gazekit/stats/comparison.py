"""From finished runs to tables with intervals, and to words that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gazekit.attention.judging import JudgingConvention
from gazekit.core.errors import InputError
from gazekit.core.files import write_text
from gazekit.core.progress import track
from gazekit.core.registration_log import opened_utc
from gazekit.core.tables import read_table, write_table
from gazekit.dataset import open_dataset
from gazekit.stats.categories import FEWEST, category_table
from gazekit.stats.comparison_folder import (
    AGREEMENT,
    CATEGORIES,
    COMPARISON,
    CONCLUSION,
    CONFIG,
    GROUPS,
    LEARNING,
    PAIRED,
    WORTH,
    WORTH_COLUMNS,
    Configuration,
    read_configuration,
    read_predictions,
)
from gazekit.stats.conclusion import conclusion
from gazekit.stats.contrasts import contrasts_of, over_networks
from gazekit.stats.estimates import Estimates, Measuring, estimate
from gazekit.stats.groups import group_table, read_groups
from gazekit.stats.map_agreement import COLUMNS, agreement_table, own_maps_of
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.paired import floor_differences, paired_table
from gazekit.stats.predictions import Predictions
from gazekit.stats.registration import marked, read_registration
from gazekit.stats.resampling import affordable, swaps
from gazekit.stats.standard_error import overlap_of
from gazekit.stats.summary_table import summary_table
from gazekit.stats.worth import ceilings, reachable_known, references_of, worth_table

if TYPE_CHECKING:
    from gazekit.dataset import Dataset


def compare(
    folder: str | Path,
    *,
    dataset: str | Path | None = None,
    categories: str | Path | None = None,
    groups: str | Path | None = None,
    **options: Any,
) -> Path:
    """Write ``comparison.csv``, ``paired.csv``, ``worth.csv``, ``agreement.csv``, ``conclusion.json`` of a folder.

    Where pictures are of categories, ``categories.csv`` has the metrics by category.

    Parameters
    ----------
    folder : str or Path
        As `gazekit.train` leaves it; unfinished runs are left out, and the conclusion says so.
    dataset : str or Path, optional
        The dataset file, if it was moved since the training: the agreement of maps and the dataset's categories
        need it, and are left out where there is none.
    categories : str or Path, optional
        A table of ``image,category``; else the dataset's own categories are taken.
    groups : str or Path, optional
        Ratings by group of raters, a histogram table with a column ``group``: then ``groups.csv`` says whether a
        difference is another for one group than for another.
    **options
        Of `gazekit.stats.options.ComparisonOptions`: metric, primary_contrast, margin, pairs, threshold,
        resamples, permutations, alpha, seed, convention, difference.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        Not such a folder, no finished run, numbers that make no sense.
    FormatError
        Predictions that do not fit the ratings.

    Examples
    --------
    >>> import gazekit as gk
    >>> pictures = gk.list_pictures("sample_data/comparison/pictures")
    >>> ratings = gk.read_histograms("sample_data/comparison/histograms.csv")
    >>> spec = gk.DatasetSpec(split=(0.6, 0.2, 0.2))
    >>> dataset = gk.build_dataset(pictures, None, ratings, "whole.dataset.h5", spec)
    >>> network = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "epochs": 1, "size": 32}
    >>> folder = compare(gk.train(dataset, "runs", **network))
    >>> (folder / "comparison.csv").exists(), (folder / "conclusion.json").exists()
    (True, True)
    """
    folder, asked = Path(folder), ComparisonOptions(**options)
    config, predictions = read_configuration(folder), read_predictions(folder, asked.threshold)
    data = _dataset(folder, config, dataset)
    contrasts = contrasts_of(predictions, asked.pairs, asked.primary_contrast)
    rated = None if groups is None else read_groups(groups, predictions)  # before what takes minutes
    overlap = 1.0 if predictions.folds is None else overlap_of(predictions.folds.count)
    measuring = Measuring(predictions.threshold, asked.resamples, asked.seed, overlap, predictions.folds)
    estimates = {
        names: estimate(predictions.features(*names), sorted(seeds), measuring)
        for names, seeds in track(predictions.predicted.items(), "intervals", len(predictions.predicted))
    }
    references = None
    if reachable_known(predictions.actual):
        references = references_of(predictions, min(200, asked.resamples), asked.seed)
    table = summary_table(predictions, estimates, asked.seed, None if references is None else ceilings(references))
    paired = paired_table(estimates, contrasts, asked)
    by_group = None if rated is None else group_table(predictions, contrasts, rated, asked, overlap)
    by_category = _by_category(folder, predictions, estimates, data, categories, asked.seed)
    words = conclusion(
        table,
        paired,
        asked,
        floors=floor_differences(predictions, estimates),
        unfinished=predictions.unfinished,
        by_group=by_group,
        over_networks=paired_table(estimates, over_networks(predictions, asked.pairs, asked.primary_contrast), asked),
        folds=0 if predictions.folds is None else predictions.folds.count,
        ceiling=references is not None,
    )
    registration = read_registration(folder) if config.registration else None
    if registration is not None:
        words = marked(words, registration, opened_utc(folder, registration.id), vars(asked))
    words["method"] = _method(predictions.threshold, estimates, len(words["claims"]), asked)
    write_table(table, folder / COMPARISON)
    curve = _learning_curve(folder, estimates, asked)
    if curve is not None:
        write_table(curve, folder / LEARNING)
    write_table(paired, folder / PAIRED)
    if by_group is not None:
        write_table(by_group, folder / GROUPS)
    worth = pd.DataFrame(columns=list(WORTH_COLUMNS)) if references is None else worth_table(estimates, references)
    write_table(worth, folder / WORTH)
    if data is not None or not (folder / AGREEMENT).exists():  # without the dataset an earlier table is kept
        write_table(_agreement(folder, config, predictions.images, data, asked.convention), folder / AGREEMENT)
    if by_category is None:
        _remove_categories(folder / CATEGORIES)
    else:
        write_table(by_category, folder / CATEGORIES)
    write_text(folder / CONCLUSION, json.dumps(words, indent=1) + "\n")
    return folder


def _dataset(folder: Path, config: Configuration, asked: str | Path | None) -> Dataset | None:
    """Return the dataset that was trained on, where it is still there."""
    path = Path(asked) if asked is not None else folder / config.dataset
    if asked is None and not path.exists():
        return None
    data = open_dataset(path, verify=False)
    if data.sha256 != config.dataset_sha256:
        raise InputError(f"{path} is not the dataset that {folder} was trained on; give that one as dataset")
    return data


def _by_category(
    folder: Path,
    predictions: Predictions,
    estimates: Mapping[tuple[str, str], Estimates],
    data: Dataset | None,
    asked: str | Path | None,
    seed: int,
) -> pd.DataFrame | None:
    """Return the metrics by the categories of a table, else by the dataset's own, where there are any."""
    features = {names: value.features for names, value in estimates.items()}
    if asked is not None:
        if Path(asked).resolve() == (folder / CATEGORIES).resolve():
            raise InputError(f"{asked} would be replaced by the metrics by category; give the table another name")
        categories = read_table(asked, ["image", "category"], "table of categories")
        table = category_table(features, predictions.images, categories, predictions.threshold, seed)
        if table is None:
            raise InputError(
                f"{asked}: none of {categories['category'].nunique()} categories has {FEWEST} pictures of the test "
                f"split or more ({categories['image'].isin(predictions.images).sum()} of its rows are of test pictures)"
            )
        return table
    if data is None:
        return None
    rows = [(data.ids[i], name) for name in data.categories for i in data.category(name)]
    categories = pd.DataFrame(rows, columns=["image", "category"])
    return category_table(features, predictions.images, categories, predictions.threshold, seed)


def _learning_curve(
    folder: Path, estimates: Mapping[tuple[str, str], Estimates], asked: ComparisonOptions
) -> pd.DataFrame | None:
    """Return the metrics by the number of training pictures; None where no shares of them were trained on."""
    asked_for = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("learning_curve")
    if not asked_for:
        return None
    parts = [(100, estimates)]
    for share in asked_for["shares"]:
        try:
            part = read_predictions(folder, asked.threshold, share=share)
        except InputError:  # none of them is done yet
            continue
        measuring = next(iter(estimates.values())).measuring
        parts.append((share, {k: estimate(part.features(*k), sorted(v), measuring) for k, v in part.predicted.items()}))
    rows = []
    for share, of_share in sorted(parts, key=lambda part: part[0]):
        for (model, condition), side in of_share.items():
            pictures = round(asked_for["pictures"] * share / 100)
            row: dict[str, Any] = {"model": model, "condition": condition, "share": share, "pictures": pictures}
            bounds = side.intervals()
            for metric, values in side.values.items():
                row |= {metric: float(np.nan_to_num(values).mean())}
                row |= dict(zip((f"{metric}_low", f"{metric}_high"), bounds[metric], strict=True))
            rows.append(row)
    return pd.DataFrame(rows)


def _remove_categories(path: Path) -> None:
    """Remove the table by category of another comparison; a table of somebody else's stays."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith("category,model,condition,"):
        path.unlink()


def _method(
    threshold: float, estimates: Mapping[tuple[str, str], Estimates], comparisons: int, asked: ComparisonOptions
) -> dict[str, Any]:
    """Return the parameters of the comparison, as they were used."""
    features = [value.features for value in estimates.values()]
    return {
        "threshold": threshold,
        "resamples": min(affordable(one, asked.resamples) for one in features),
        "permutations": min(swaps(one, asked.permutations, comparisons) for one in features),
        "seed": asked.seed,
        "convention": asked.convention,
    }


def _agreement(
    folder: Path, config: Configuration, images: Sequence[str], data: Dataset | None, convention: JudgingConvention
) -> pd.DataFrame:
    if data is None:
        return pd.DataFrame(columns=COLUMNS)
    maps = own_maps_of(folder, config.models, len(data))
    return agreement_table(data, np.array([data.index(image) for image in images]), maps, convention)
