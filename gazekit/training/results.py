"""The predictions of a comparison folder, and what they are compared with."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import read_table
from gazekit.core.types import Floats
from gazekit.histograms import count_columns
from gazekit.stats.metrics import Features, default_threshold, features


@dataclass(frozen=True)
class Results:
    """Predictions of a comparison folder, and what they are compared with."""

    folder: Path
    config: dict[str, Any]
    images: list[str]  # test split
    actual: npt.NDArray[np.int64]  # (N, K)
    training: npt.NDArray[np.int64]  # (M, K)
    predicted: dict[tuple[str, str], dict[int, Floats]]  # (model, condition) -> seed -> (N, K)
    threshold: float
    unfinished: Sequence[tuple[str, str, int]] = ()  # (model, condition, seed)

    def features(self, model: str, condition: str) -> Features:
        """Features (S, N) of all seeds of a model on a condition."""
        seeds = self.predicted[model, condition]
        return features(np.stack([seeds[seed] for seed in sorted(seeds)]), self.actual)


def read_results(folder: str | Path, threshold: float | None = None) -> Results:
    """The predictions and ratings of a comparison folder."""
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "truth.csv").is_file():
        raise InputError(f"{folder} is not a comparison folder (config.json, truth.csv); gazekit train writes one")
    config = _config(folder / "config.json")
    truth = read_table(folder / "truth.csv", ["image", "split"], "table of ratings")
    columns = count_columns(truth)
    test, training = truth[truth["split"] == "test"], truth[truth["split"] == "train"]
    images = list(test["image"])
    predicted: dict[tuple[str, str], dict[int, Floats]] = {}
    unfinished: list[tuple[str, str, int]] = []
    for model, condition, seed in cells_of(config):
        cell = folder / "runs" / model / condition / f"seed{seed}"
        if (cell / "done.json").exists():
            predicted.setdefault((model, condition), {})[seed] = _predictions(cell, images, len(columns))
        else:
            unfinished.append((model, condition, seed))
    if not predicted:
        raise InputError(f"{folder} has no finished run yet; start the same gazekit train again")
    return Results(
        folder,
        config,
        images,
        test[columns].to_numpy(np.int64),
        training[columns].to_numpy(np.int64),
        predicted,
        _threshold(threshold, len(columns)),
        unfinished,
    )


def cells_of(config: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Every (model, condition, seed) that was asked for in a comparison folder, in the order of its grid."""
    grid = config.get("grid", {})
    whole = list(itertools.product(*(grid.get(key, []) for key in ("models", "conditions", "seeds"))))
    asked = {(str(model), str(condition), int(seed)) for model, condition, seed in config.get("cells", whole)}
    return [cell for cell in whole if cell in asked]


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        grid, dataset = config["grid"], config["dataset"]
        _ = grid["models"], grid["conditions"], grid["seeds"], dataset["path"], dataset["sha256"], config["scheme"]
        cells_of(config)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is not the configuration that gazekit train writes: {error}") from error
    return dict(config)


def _threshold(given: float | None, buckets: int) -> float:
    if given is None:
        return default_threshold(buckets)
    if not 1 <= given <= buckets:
        raise InputError(f"the threshold is {given}; the ratings go from 1 to {buckets}")
    return given


def _predictions(cell: Path, images: Sequence[str], buckets: int) -> Floats:
    columns = [f"p{k + 1}" for k in range(buckets)]
    table = read_table(cell / "predictions.csv", ["image", *columns], "table of predictions")
    if list(table["image"]) != list(images) or f"p{buckets + 1}" in table:
        raise FormatError(
            f"{cell / 'predictions.csv'} does not fit the ratings in truth.csv: {len(table)} pictures there, "
            f"{len(images)} of {buckets} buckets expected; it comes from another dataset or split"
        )
    shares = np.asarray(table[columns], dtype=np.float64)
    wrong = ~(np.isfinite(shares).all(axis=1) & (shares >= 0).all(axis=1) & (shares.sum(axis=1) > 0))
    if wrong.any():
        named = ", ".join(table["image"][wrong][:5])
        raise FormatError(
            f"{cell / 'predictions.csv'}: {wrong.sum()} of {len(shares)} rows are no distributions (finite, 0 or more, "
            f"not all 0): {named}; remove {cell} and start the same gazekit train again"
        )
    return shares
