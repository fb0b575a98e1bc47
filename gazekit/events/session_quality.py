"""Data quality of whole sessions: per eye, trial and target, and a verdict by thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gazekit.events.fixations import detect
from gazekit.events.makers import MAKERS_COLUMNS, is_makers, last_of_makers, makers_rows
from gazekit.events.quality import QUALITY_COLUMNS, bcea_deg2, data_quality, rms_s2s_deg, std_deg
from gazekit.events.settings import QualitySection
from gazekit.events.structure import Finding, check_recording
from gazekit.events.trial_timing import TIMING_FIGURES, timing_of_whole, trial_timing
from gazekit.gaze import EyeChoice, GazeRecording, hole_us, sampling_interval_us
from gazekit.screen import Screen
from gazekit.session.model import Session, Trial

SESSION_QUALITY_COLUMNS = (
    "participant",
    "session",
    "part",  # whole, trial, validation, maker's calibration or maker's validation
    "image",  # of a trial
    "order",  # of a trial, validation or calibration, 0-based; -1 for the whole
    *QUALITY_COLUMNS,
    *MAKERS_COLUMNS,
    *TIMING_FIGURES,  # of a trial; of the whole the medians
    "timing_reasons",  # what failed, or may mislead
    "verdict",  # pass or fail, of the whole; empty in other rows
    "reasons",  # what failed, with figures
    "checks",  # what the checks of structure found, of the whole
)
_LIMITS = {  # threshold: (column, is it an upper limit)
    "max_accuracy_deg": ("accuracy_deg", True),
    "max_rms_s2s_deg": ("rms_s2s_deg", True),
    "max_std_deg": ("std_deg", True),
    "max_loss_percent": ("loss_percent", True),
    "min_delivered_percent": ("delivered_percent", False),
    "max_clock_faults_percent": ("clock_faults_percent", True),
}


def session_quality(session: Session, thresholds: QualitySection | None = None) -> pd.DataFrame:
    """Judge a session: a row for the whole, each trial, each target of each validation (`SESSION_QUALITY_COLUMNS`).

    Where nobody was told where to look, precision is that of fixations (the median over those that I-VT finds), since
    saccades are no noise; accuracy and trueness are those of the last validation, and NaN without one; what the maker's
    software says of its own calibration and validation stands beside them (``makers_accuracy_deg``,
    ``makers_verdict``). Each eye's row of the whole has a verdict: it fails where a figure is beyond its threshold (the
    limit of accuracy is one of trueness; where that is not known, of our accuracy, else of the maker's), where a
    picture has no gaze, or where a check of `gazekit.events.structure` found an error. A figure that is not known fails
    nothing; an eye that was not recorded beside one that was has no verdict.
    What was delivered is compared with the time that the pictures were planned to be shown, and without pictures with
    the recorded time.
    """
    thresholds = thresholds or QualitySection()
    targets = session.streams.get("targets")
    validations = [validation.table for validation in session.validations if not is_makers(validation)]
    makers = makers_rows(session)
    if targets is not None:  # an imported recording of a validation, with where it asked to look
        validations.append(data_quality(session.recording, session.screen, targets))
    whole = _free(session.recording, session.screen).assign(part="whole", image="", order=-1)
    if validations:
        for column in ("accuracy_deg", "trueness_deg"):
            whole[column] = [_validated(validations[-1], eye, column) for eye in whole["eye"]]
    for row, eye in enumerate(whole["eye"]):
        for column, value in last_of_makers(makers, eye).items():
            whole.loc[row, column] = value
    trials = session.trials()
    tables = [whole]
    for trial in trials:
        table = _free(trial.recording, session.screen).assign(part="trial", image=trial.image, order=trial.order)
        tables.append(table.assign(delivered_percent=_of_plan(whole, [trial])))
    if trials:
        whole["delivered_percent"] = _of_plan(whole, trials, left_out_samples(session, trials))
    for order, validation in enumerate(validations):
        known = [c for c in QUALITY_COLUMNS if c in validation.columns]
        tables.append(validation[known].assign(part="validation", image="", order=order))
    if makers:
        tables.append(pd.DataFrame(makers))
    findings = check_recording(session.recording, session.screen, targets, session.tracker.rate_hz)
    # a column that is missing throughout one table must not decide the type of the whole
    table = pd.DataFrame([row for part in tables for row in part.to_dict("records")])
    table = table.assign(participant=session.participant, session=session.name, verdict="", reasons="", checks="")
    table["makers_verdict"] = table["makers_verdict"].fillna("")
    table = _with_timing(table, session, thresholds)
    nothing = [trial.image for trial in trials if not _has_gaze(trial.recording)]
    for at in table.index[table["part"] == "whole"]:
        row = table.loc[at].to_dict()
        faults = _faults(row, thresholds, nothing, findings)
        recorded = row["valid_samples"] > 0 or not whole["valid_samples"].any()
        table.loc[at, "verdict"] = ("fail" if faults else "pass") if recorded else ""
        table.loc[at, "reasons"] = "; ".join(faults)
        table.loc[at, "checks"] = "; ".join(map(str, findings))
    return table.reindex(columns=list(SESSION_QUALITY_COLUMNS))


def _with_timing(table: pd.DataFrame, session: Session, thresholds: QualitySection) -> pd.DataFrame:
    """Add how well pictures kept their time, to the trials and to the whole."""
    timing = trial_timing(session, thresholds)
    numbers = list(TIMING_FIGURES[:-1])
    known = timing.set_index("order")[[*TIMING_FIGURES, "faults"]].rename(columns={"faults": "timing_reasons"})
    table = table.join(known, on="order").astype(dict.fromkeys(numbers, float))
    rest = table["part"] != "trial"
    table.loc[rest, numbers] = np.nan
    table.loc[rest, ["timing", "timing_reasons"]] = ""
    table[["timing", "timing_reasons"]] = table[["timing", "timing_reasons"]].fillna("")
    whole = table["part"] == "whole"
    table.loc[whole, ["timing", "timing_reasons"]] = timing_of_whole(session, timing, thresholds)
    for name in numbers if len(timing) else ():
        table.loc[whole, name] = float(timing[name].median())
    return table


def _of_plan(whole: pd.DataFrame, trials: Sequence[Trial], left_out: int = 0) -> float:
    """Return the share of the samples that the pictures' time has room for, percent; NaN without a rate."""
    rate = float(whole["nominal_rate_hz"].max())
    planned = sum(trial.offset_us - trial.onset_us for trial in trials) * 1e-6 * rate
    samples = sum(len(trial.recording) for trial in trials) + left_out
    return min(100.0, 100.0 * samples / planned) if planned > 0 else float("nan")


def left_out_samples(session: Session, trials: Sequence[Trial]) -> int:
    """Count the samples that an importer left out of pictures, which are not missing gaze.

    They leave holes: those between pictures come first, and no more is excused than the holes within pictures take.
    """
    account = session.provenance.get("account", {})
    counts = account.get("left_out", {}) if isinstance(account, Mapping) else {}
    left_out = sum(int(n) for reason, n in counts.items() if "samples" in reason)
    if not left_out:
        return 0
    stamps = session.recording.system_time_us
    interval = sampling_interval_us(stamps)
    holes = np.flatnonzero(np.diff(stamps) > hole_us(interval))
    within = between = 0.0
    for begin, end in ((float(stamps[hole]) + interval, float(stamps[hole + 1])) for hole in holes):
        shown = sum(max(0.0, min(end, trial.offset_us) - max(begin, trial.onset_us)) for trial in trials)
        within, between = within + shown, between + end - begin - shown
    return min(max(left_out - round(between / interval), 0), round(within / interval)) if within else 0


def _has_gaze(recording: GazeRecording) -> bool:
    return bool(recording.left.valid.any() or recording.right.valid.any())


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


def _faults(
    row: dict[str, Any], thresholds: QualitySection, without_gaze: Sequence[str], findings: Sequence[Finding]
) -> list[str]:
    if row["samples"] == 0 or row["valid_samples"] == 0:
        return ["no gaze"]
    faults = []
    for name, (column, upper) in _LIMITS.items():
        if column == "accuracy_deg":
            ours = ("trueness_deg", "accuracy_deg", "makers_accuracy_deg")
            column = next((name for name in ours if np.isfinite(row[name])), column)
        limit, value = getattr(thresholds, name), row[column]
        if limit is None or not np.isfinite(value):
            continue
        if value > limit if upper else value < limit:
            faults.append(f"{column} is {value:.3g}, {'over' if upper else 'under'} {limit:g}")
    if without_gaze:
        faults.append(f"no gaze on {len(without_gaze)} of the pictures: {', '.join(without_gaze[:5])}")
    return faults + [finding.text for finding in findings if finding.severity == "error"]
