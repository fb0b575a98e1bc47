"""What a comparison folder holds and where: the configuration, the runs with their predictions, the tables.

::

    config.json truth.csv                   the grid that was asked for; the ratings of every picture by split
    runs/<model>/<condition>/seed<k>/       a run: config.json, metrics.jsonl, checkpoints, predictions.csv, done.json
    runs/.../seed<k>[-repeat<r>]/fold<j>/   the same of a fold, where predictions.csv above it is of all folds
    synthetic/<model>/seed<k>[-<way>].npz   what each network attends to
    registration.json ....log ....key       of a registered study, whose scores are *.sealed at first
    comparison.csv paired.csv agreement.csv categories.csv worth.csv conclusion.json    by `gazekit.stats.comparison`
    report.html report-tables/ pictures/    the report, its tables, and pictures that it shows as well
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import write_text
from gazekit.core.registration_log import check_opened
from gazekit.core.tables import read_table
from gazekit.core.types import Floats
from gazekit.histograms import count_columns
from gazekit.stats.metrics import default_threshold
from gazekit.stats.predictions import OutOfFold, Pass, Predictions

CONFIG, TRUTH = "config.json", "truth.csv"
COMPARISON, PAIRED, AGREEMENT, CONCLUSION = "comparison.csv", "paired.csv", "agreement.csv", "conclusion.json"
CATEGORIES, WORTH, GROUPS, LEARNING = "categories.csv", "worth.csv", "groups.csv", "learning-curve.csv"
REPORT, REPORT_TABLES, PICTURES = "report.html", "report-tables", "pictures"
RESULTS = (COMPARISON, PAIRED, AGREEMENT, WORTH, CONCLUSION)
WORK = (CONFIG, "runs", "synthetic")  # what training goes on from
_RUNS = "runs/*/*/seed*"
_OFF = 0.02  # by which what a network predicts of a picture may be off from 1 in all; bfloat16 rounds
COMPARED = (TRUTH, f"{_RUNS}/done.json", f"{_RUNS}/predictions.csv", "synthetic/*/*.npz")  # what a comparison reads
REPORTED = (*COMPARED, f"{_RUNS}/metrics.jsonl", CATEGORIES, f"{PICTURES}/*")  # what a report reads

LEVELS = ("condition", "floor", "ceiling", "seed")
_ROW_COLUMNS = ("level", "model", "condition", "seed", "n")
_PAIRED_COLUMNS = ("model", "condition_a", "condition_b", "metric", "difference", "low", "high")
_CATEGORY_COLUMNS = ("category", "model", "condition", "n")
_AGREEMENT_COLUMNS = ("metric", "value", "low", "high")
_LEARNING_COLUMNS = ("model", "condition", "share", "pictures")
WORTH_COLUMNS = ("model", "condition", "metric", "reachable", "raters")


@dataclass(frozen=True)
class Run:
    """A run of the grid: a model that is trained on a condition with a seed."""

    model: str
    condition: str
    seed: int
    repeat: int = 1
    fold: int = 0
    share: int = 100  # of the training pictures, per cent

    @property
    def seed_name(self) -> str:
        """Return the seed, with the repeat of cross-validation after the first and the share of a learning curve."""
        repeat = f"-repeat{self.repeat}" if self.repeat > 1 else ""
        return f"seed{self.seed}{repeat}" + (f"-share{self.share}" if self.share < 100 else "")

    @property
    def pooled(self) -> Run:
        """Return the run whose predictions are those of all folds."""
        return replace(self, fold=0)

    def folder(self, out: Path) -> Path:
        """Return the folder of the run's files."""
        folder = out / "runs" / self.model.replace(":", "-") / self.condition / self.seed_name
        return folder / f"fold{self.fold}" if self.fold else folder

    def done(self, out: Path) -> bool:
        """Return whether the run is trained and tested."""
        return (self.folder(out) / "done.json").exists()

    def __str__(self) -> str:
        seed = self.seed_name.replace("seed", "seed ").replace("-repeat", ", repeat ").replace("-share", ", % ")
        parts = [self.model, self.condition, seed]
        return " / ".join([*parts, f"fold {self.fold}"] if self.fold else parts)


@dataclass(frozen=True)
class Configuration:
    """What was trained: ``config.json`` of a comparison folder."""

    models: list[str]
    conditions: list[str]
    runs: list[Run]  # that were asked for, in the order of the grid
    dataset: Path  # as seen from the folder
    dataset_sha256: str
    scheme: str
    registration: str = ""  # id of the registered study that the dataset belongs to


@dataclass(frozen=True)
class RunRecord:
    """What a run left behind."""

    model: str
    condition: str
    seed: int
    metrics: pd.DataFrame  # a row an epoch
    predictions: pd.DataFrame  # image, p1 .. pK; empty while it is not done


@dataclass(frozen=True)
class Comparison:
    """A comparison folder after `gazekit.stats.compare`; tables that are absent are empty."""

    folder: Path
    config: Mapping[str, Any]
    rows: pd.DataFrame  # comparison.csv
    paired: pd.DataFrame
    agreement: pd.DataFrame
    categories: pd.DataFrame  # category, model, condition, n, and the metrics with their intervals
    worth: pd.DataFrame  # model, condition, metric, share of the reachable gain, raters
    conclusion: Mapping[str, Any]
    truth: pd.DataFrame  # image, split, c1 .. cK
    runs: tuple[RunRecord, ...]
    learning_curve: pd.DataFrame = field(default_factory=pd.DataFrame)  # model, condition, share, pictures, metrics

    @property
    def metrics(self) -> list[str]:
        """Return the columns of ``rows`` that are metrics, in its order."""
        columns = [str(c) for c in self.rows.columns]
        return [
            c
            for c in columns
            if c not in _ROW_COLUMNS
            and not c.endswith(("_low", "_high"))
            and pd.api.types.is_numeric_dtype(self.rows[c])
            and f"{c}_low" in columns
        ]


def runs_asked_for(config: Mapping[str, Any]) -> list[Run]:
    """Return every run that the content of ``config.json`` asks for, in the order of its grid."""
    grid = config.get("grid", {})
    whole = list(itertools.product(*(grid.get(key, []) for key in ("models", "conditions", "seeds"))))
    asked = {(str(model), str(condition), int(seed)) for model, condition, seed in config.get("cells", whole)}
    repeats = range(1, config.get("cross_validation", {}).get("repeats", 1) + 1)
    return [Run(*names, repeat) for names in whole if names in asked for repeat in repeats]


def learning_runs(config: Mapping[str, Any]) -> list[Run]:
    """Return the runs of the learning curve that ``config.json`` asks for: those of its grid, on shares of pictures."""
    shares = config.get("learning_curve", {}).get("shares", [])
    return [replace(run, share=share) for share in shares for run in runs_asked_for(config)]


def read_configuration(folder: str | Path) -> Configuration:
    """Read ``config.json`` of a comparison folder.

    Raises
    ------
    InputError
        No comparison folder.
    FormatError
        Not what ``gazekit train`` writes.
    """
    path = Path(folder) / CONFIG
    if not path.is_file() or not (path.parent / TRUTH).is_file():
        raise InputError(f"{folder} is not a comparison folder (config.json, truth.csv); gazekit train writes one")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        grid, dataset = config["grid"], config["dataset"]
        _ = grid["seeds"]
        return Configuration(
            grid["models"],
            grid["conditions"],
            runs_asked_for(config),
            Path(dataset["path"]),
            dataset["sha256"],
            config["scheme"],
            config.get("registration", ""),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is not the configuration that gazekit train writes: {error}") from error


def read_predictions(folder: str | Path, threshold: float | None = None, *, share: int = 100) -> Predictions:
    """Read the predictions of all finished runs of a comparison folder, and the ratings.

    Parameters
    ----------
    folder : str or Path
        A comparison folder.
    threshold : float, optional
        A picture is "high" above this mean score; half the scale unless given.
    share : int
        Of networks that were trained on so many % of the training pictures.

    Raises
    ------
    InputError
        No comparison folder, no finished run, a threshold outside the scale.
    FormatError
        Predictions that do not fit the ratings.
    """
    folder = Path(folder)
    config = read_configuration(folder)
    if share < 100:
        config = replace(config, runs=[replace(run, share=share) for run in config.runs])
    check_opened(folder, config.registration, f"{folder}: what was predicted")
    truth = read_table(folder / TRUTH, ["image", "split"], "table of ratings")
    columns = count_columns(truth)
    test, training = truth[truth["split"] == "test"], truth[truth["split"] == "train"]
    images = list(test["image"])
    predicted: dict[tuple[str, str], dict[Pass, Floats]] = {}
    for run in config.runs:
        if run.done(folder):
            passes = predicted.setdefault((run.model, run.condition), {})
            check_own(run, run.folder(folder), config.dataset_sha256)
            passes[Pass(run.seed, run.repeat)] = _predictions(run.folder(folder), images, len(columns))
    if not predicted:
        raise InputError(f"{folder} has no finished run yet; start the same gazekit train again")
    return Predictions(
        images,
        test[columns].to_numpy(np.int64),
        training[columns].to_numpy(np.int64),
        predicted,
        _threshold(threshold, len(columns)),
        config.models,
        config.conditions,
        list(dict.fromkeys((run.model, run.condition, run.seed) for run in config.runs if not run.done(folder))),
        _folds(truth),
    )


def read_comparison(folder: str | Path) -> Comparison:
    """Read a comparison folder with the tables of its comparison.

    Raises
    ------
    InputError
        No such folder, or nothing compared in it yet.
    FormatError
        A table or JSON file that is damaged or lacks a column.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no such comparison folder: {folder}")
    check_opened(folder, str(_json(folder / CONFIG).get("registration", "")), f"{folder}: the comparison")
    if not (folder / COMPARISON).exists():
        raise InputError(f"{folder} holds no comparison.csv; `gazekit train` and `gazekit compare` write it")
    rows = _table(folder / COMPARISON, _ROW_COLUMNS)
    unknown = sorted(set(rows["level"]) - set(LEVELS))
    if unknown or not (rows["level"] == "condition").any():
        levels = ", ".join(map(str, sorted(set(rows["level"])))) or "none"
        raise FormatError(
            f"{folder / COMPARISON}: the levels are {', '.join(LEVELS)}, with a condition; found {levels}"
        )
    return Comparison(
        folder=folder,
        config=_json(folder / CONFIG),
        rows=rows,
        paired=_table(folder / PAIRED, _PAIRED_COLUMNS),
        agreement=_table(folder / AGREEMENT, _AGREEMENT_COLUMNS),
        categories=_table(folder / CATEGORIES, _CATEGORY_COLUMNS),
        worth=_table(folder / WORTH, WORTH_COLUMNS),
        learning_curve=_table(folder / LEARNING, _LEARNING_COLUMNS),
        conclusion=_json(folder / CONCLUSION),
        truth=_table(folder / TRUTH, ("image", "split")),
        runs=tuple(
            _record(path, folder) for path in sorted(folder.glob(_RUNS)) if path.is_dir() and "-share" not in path.name
        ),
    )


def keep_to_grid(out: Path, runs: Sequence[Run]) -> None:
    """Take out of a comparison folder what a study no longer asks for; the other runs stay as they are."""
    path = out / CONFIG
    if not path.exists():
        return
    wanted: dict[str, set[Any]] = {
        "models": {run.model for run in runs},
        "conditions": {run.condition for run in runs},
        "seeds": {run.seed for run in runs},
    }
    config = json.loads(path.read_text(encoding="utf-8"))
    config["grid"] = {key: [item for item in config["grid"][key] if item in wanted[key]] for key in wanted}
    write_text(path, json.dumps(config, indent=1, sort_keys=True) + "\n")
    repeats = range(1, config.get("cross_validation", {}).get("repeats", 1) + 1)
    shares = [100, *config.get("learning_curve", {}).get("shares", [])]
    ways = list(itertools.product(repeats, shares))
    wanted_folders = {replace(run, repeat=r, share=share).folder(out) for run in runs for r, share in ways}
    for folder in set(out.glob(_RUNS)) - wanted_folders:
        shutil.rmtree(folder)
    for maps in out.glob("synthetic/*/seed*.npz"):
        number = re.match(r"seed(\d+)", maps.name)
        if maps.parent.name not in wanted["models"] or number is None or int(number[1]) not in wanted["seeds"]:
            maps.unlink()


def distributions(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return the columns c1 .. cK or p1 .. pK as shares that sum to 1, by image; pictures without any are left out."""
    renamed = table.rename(columns={str(c): f"c{str(c)[1:]}" for c in table.columns if str(c)[:1] == prefix})
    counts = renamed.set_index("image")[count_columns(renamed)].astype(float)
    counts = counts[counts.sum(axis=1) > 0]
    return counts.div(counts.sum(axis=1), axis=0)


def _folds(truth: pd.DataFrame) -> OutOfFold | None:
    """Return the fold of every picture, a row a repeat, where the pictures were dealt into folds."""
    columns = [c for c in truth if str(c) == "fold" or str(c).startswith("fold_of_repeat")]
    return OutOfFold(truth[columns].to_numpy(np.int64).T) if columns else None


def _threshold(asked: float | None, buckets: int) -> float:
    if asked is None:
        return default_threshold(buckets)
    if not 1 <= asked <= buckets:
        raise InputError(f"the threshold is {asked}; the ratings go from 1 to {buckets}")
    return asked


def check_own(run: Run, folder: Path, dataset: str) -> None:
    """Raise where a run's folder says that it holds another run: it was copied, or renamed by hand."""
    own = {"model": run.model, "condition": run.condition, "seed": run.seed, "share": run.share, "dataset": dataset}
    for path in [*folder.glob(CONFIG), *folder.glob(f"fold*/{CONFIG}")]:
        said = {"share": 100, **_json(path)}
        other = ", ".join(f"{name} {said[name]}" for name in own if said.get(name, own[name]) != own[name])
        if other:
            raise FormatError(
                f"{path.parent} should hold {run}, but its {CONFIG} says {other}: it was copied or renamed; remove "
                f"{folder} and start the same gazekit train again"
            )


def _predictions(folder: Path, images: Sequence[str], buckets: int) -> Floats:
    columns = [f"p{k + 1}" for k in range(buckets)]
    table = read_table(folder / "predictions.csv", ["image", *columns], "table of predictions")
    strange = [str(image) for image in table["image"] if image not in set(images)]
    if strange and len(table) == len(images):
        raise FormatError(
            f"{folder / 'predictions.csv'} has pictures that are not in truth.csv: {', '.join(strange[:5])}; remove "
            f"{folder} and start the same gazekit train again"
        )
    if list(table["image"]) != list(images) and sorted(table["image"]) == sorted(images):
        table = table.set_index("image").loc[list(images)].reset_index()  # sorted by hand: a picture is what it is
    if list(table["image"]) != list(images) or f"p{buckets + 1}" in table:
        raise FormatError(
            f"{folder / 'predictions.csv'} does not fit the ratings in truth.csv: "
            f"{counted(len(table), 'picture')} there, "
            f"{len(images)} of {buckets} buckets expected; it comes from another dataset or split"
        )
    shares = np.asarray(table[columns], dtype=np.float64)
    wrong = ~((shares >= 0).all(axis=1) & (np.abs(shares.sum(axis=1) - 1) < _OFF))
    if wrong.any():
        named = ", ".join(table["image"][wrong][:5])
        raise FormatError(
            f"{folder / 'predictions.csv'}: {wrong.sum()} of {len(shares)} rows are no distributions (0 or more, "
            f"and 1 in all): {named}; remove {folder} and start the same gazekit train again"
        )
    return shares


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


def _record(path: Path, folder: Path) -> RunRecord:
    lines = path / "metrics.jsonl"
    model, condition, seed = path.relative_to(folder / "runs").parts
    try:
        metrics = pd.DataFrame(
            [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines() if line.strip()]
            if lines.exists()
            else []
        )
        number = int(re.fullmatch(r"seed(\d+)(-repeat\d+)?(-share\d+)?", seed)[1])  # type: ignore[index]
    except (ValueError, TypeError) as error:
        raise FormatError(f"{path} is not a run that can be read: {error}") from error
    return RunRecord(model, condition, number, metrics, _table(path / "predictions.csv", ("image",)))
