"""What a comparison folder holds, read whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import read_table
from gazekit.histograms import count_columns

LEVELS = ("condition", "floor", "ceiling", "seed")
_ROW_COLUMNS = ("level", "model", "condition", "seed", "n")
_PAIRED_COLUMNS = ("model", "condition_a", "condition_b", "metric", "difference", "low", "high")
_CATEGORY_COLUMNS = ("category", "model", "condition", "n")
_AGREEMENT_COLUMNS = ("metric", "value", "low", "high")


@dataclass(frozen=True)
class Run:
    """One trained cell: a model on a condition with a seed."""

    model: str
    condition: str
    seed: int
    metrics: pd.DataFrame  # a row an epoch
    predictions: pd.DataFrame  # image, p1 .. pK; empty while it is not done


@dataclass(frozen=True)
class Comparison:
    """A comparison folder: tables that are absent are empty."""

    folder: Path
    config: Mapping[str, Any]
    rows: pd.DataFrame  # comparison.csv
    paired: pd.DataFrame
    agreement: pd.DataFrame
    categories: pd.DataFrame  # category, model, condition, n, and the metrics with their intervals
    conclusion: Mapping[str, Any]
    truth: pd.DataFrame  # image, split, c1 .. cK
    runs: tuple[Run, ...]

    @property
    def metrics(self) -> list[str]:
        """The columns of the table that are metrics, in its order."""
        columns = [str(c) for c in self.rows.columns]
        return [
            c
            for c in columns
            if c not in _ROW_COLUMNS
            and not c.endswith(("_low", "_high"))
            and pd.api.types.is_numeric_dtype(self.rows[c])
            and f"{c}_low" in columns
        ]


def read_comparison(folder: str | Path) -> Comparison:
    """Read a comparison folder.

    Raises
    ------
    InputError : no such folder, or nothing compared in it yet.
    FormatError : a table or JSON file that is damaged or lacks a column.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no such comparison folder: {folder}")
    if not (folder / "comparison.csv").exists():
        raise InputError(f"{folder} holds no comparison.csv; `gazekit train` and `gazekit compare` write it")
    rows = _table(folder / "comparison.csv", _ROW_COLUMNS)
    unknown = sorted(set(rows["level"]) - set(LEVELS))
    if unknown or not (rows["level"] == "condition").any():
        found = ", ".join(map(str, sorted(set(rows["level"])))) or "none"
        raise FormatError(
            f"{folder / 'comparison.csv'}: the levels are {', '.join(LEVELS)}, with a condition; found {found}"
        )
    return Comparison(
        folder=folder,
        config=_json(folder / "config.json"),
        rows=rows,
        paired=_table(folder / "paired.csv", _PAIRED_COLUMNS),
        agreement=_table(folder / "agreement.csv", _AGREEMENT_COLUMNS),
        categories=_table(folder / "categories.csv", _CATEGORY_COLUMNS),
        conclusion=_json(folder / "conclusion.json"),
        truth=_table(folder / "truth.csv", ("image", "split")),
        runs=tuple(_run(path, folder) for path in sorted(folder.glob("runs/*/*/seed*")) if path.is_dir()),
    )


def distributions(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """The columns c1 .. cK or p1 .. pK as shares that sum to 1, by image; pictures without any are left out."""
    renamed = table.rename(columns={str(c): f"c{str(c)[1:]}" for c in table.columns if str(c)[:1] == prefix})
    counts = renamed.set_index("image")[count_columns(renamed)].astype(float)
    counts = counts[counts.sum(axis=1) > 0]
    return counts.div(counts.sum(axis=1), axis=0)


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame(columns=list(columns))
    table = read_table(path, columns)
    texts = [c for c in ("model", "condition", "condition_a", "condition_b", "baseline") if c in table]
    table[texts] = table[texts].fillna("").astype(str)
    return table


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path} should hold an object; found {type(value).__name__}")
    return value


def _run(path: Path, folder: Path) -> Run:
    lines = path / "metrics.jsonl"
    model, condition, seed = path.relative_to(folder / "runs").parts
    try:
        metrics = pd.DataFrame(
            [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines() if line.strip()]
            if lines.exists()
            else []
        )
        number = int(seed.removeprefix("seed"))
    except ValueError as error:
        raise FormatError(f"{path} is not a run that can be read: {error}") from error
    return Run(model, condition, number, metrics, _table(path / "predictions.csv", ("image",)))
