"""Data quality of whole sessions: per eye, trial and target, and a verdict by thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gazekit.events.fixations import detect
from gazekit.events.quality import QUALITY_COLUMNS, bcea_deg2, data_quality, rms_s2s_deg, std_deg
from gazekit.events.settings import QualitySection
from gazekit.gaze import EyeChoice, GazeRecording
from gazekit.screen import Screen
from gazekit.session.model import Session

SESSION_QUALITY_COLUMNS = (
    "participant",
    "session",
    "part",  # whole, trial or validation
    "image",  # of a trial
    "order",  # of a trial or validation, 0-based; -1 for the whole
    *QUALITY_COLUMNS,
    "verdict",  # pass or fail, of the whole; empty in other rows
    "reasons",  # what failed, with figures
)
_LIMITS = {  # threshold: (column, is it an upper limit)
    "max_accuracy_deg": ("accuracy_deg", True),
    "max_rms_s2s_deg": ("rms_s2s_deg", True),
    "max_std_deg": ("std_deg", True),
    "max_loss_percent": ("loss_percent", True),
    "min_delivered_percent": ("delivered_percent", False),
}


def session_quality(session: Session, thresholds: QualitySection | None = None) -> pd.DataFrame:
    """Judge a session: a row for the whole, each trial, each target of each validation (`SESSION_QUALITY_COLUMNS`).

    Where nobody was told where to look, precision is that of fixations (the median over those that I-VT finds), since
    saccades are no noise; accuracy is that of the last validation, and NaN without one. Each eye's row of the whole has
    a verdict: it fails where a figure is beyond its threshold; a figure that is not known fails nothing, but an
    eye that was never seen fails.
    """
    thresholds = thresholds or QualitySection()
    validations = [validation.table for validation in session.validations]
    if "targets" in session.streams:  # an imported recording of a validation, with where it asked to look
        validations.append(data_quality(session.recording, session.screen, session.streams["targets"]))
    whole = _free(session.recording, session.screen).assign(part="whole", image="", order=-1)
    if validations:
        whole["accuracy_deg"] = [_validated(validations[-1], eye, "accuracy_deg") for eye in whole["eye"]]
    tables = [whole]
    for trial in session.trials():
        tables.append(_free(trial.recording, session.screen).assign(part="trial", image=trial.image, order=trial.order))
    for order, validation in enumerate(validations):
        known = [c for c in QUALITY_COLUMNS if c in validation.columns]
        tables.append(validation[known].assign(part="validation", image="", order=order))
    # a column that is missing throughout one table must not decide the type of the whole
    table = pd.DataFrame([row for part in tables for row in part.to_dict("records")])
    table = table.assign(participant=session.participant, session=session.name)
    reasons = [_faults(row, thresholds) if row["part"] == "whole" else [] for row in table.to_dict("records")]
    table["reasons"] = ["; ".join(r) for r in reasons]
    is_whole = table["part"] == "whole"
    table["verdict"] = np.where(is_whole, np.where(table["reasons"] == "", "pass", "fail"), "")
    return table.reindex(columns=list(SESSION_QUALITY_COLUMNS))


def _free(recording: GazeRecording, screen: Screen) -> pd.DataFrame:
    """Compute the quality of free viewing: precision within fixations."""
    table = data_quality(recording, screen)
    for row, eye in enumerate(table["eye"]):
        figures = _fixation_precision(recording, screen, eye)
        for name, value in figures.items():
            table.loc[row, name] = value
    return table


def _fixation_precision(recording: GazeRecording, screen: Screen, eye: EyeChoice) -> dict[str, float]:
    """Compute the median RMS-S2S, STD and BCEA of the fixations; NaN where there are none."""
    detection = detect(recording, screen, "ivt", eye=eye)
    x, y = detection.samples.degrees
    parts = [slice(a, b + 1) for a, b in zip(detection.events.onset, detection.events.offset, strict=True)]
    figures = {"rms_s2s_deg": rms_s2s_deg, "std_deg": std_deg, "bcea_deg2": bcea_deg2}
    return {
        name: float(np.median([figure(x[part], y[part]) for part in parts])) if parts else np.nan
        for name, figure in figures.items()
    }


def _validated(table: pd.DataFrame, eye: str, column: str) -> float:
    """Return a figure of a validation over all its targets; of the eye, or of any where that eye has none."""
    if column not in table.columns or not len(table):
        return float("nan")
    rows = table[table["eye"] == eye] if "eye" in table.columns else table
    together = rows[rows["target"].astype(str) == ""] if "target" in rows.columns else rows
    values = pd.to_numeric((together if len(together) else rows)[column], errors="coerce").dropna()
    return float(values.mean()) if len(values) else float("nan")


def _faults(row: dict[str, Any], thresholds: QualitySection) -> list[str]:
    if row["samples"] == 0 or row["valid_samples"] == 0:
        return ["no gaze"]
    faults = []
    for name, (column, upper) in _LIMITS.items():
        limit, value = getattr(thresholds, name), row[column]
        if limit is None or not np.isfinite(value):
            continue
        if value > limit if upper else value < limit:
            faults.append(f"{column} is {value:.3g}, {'over' if upper else 'under'} {limit:g}")
    return faults
