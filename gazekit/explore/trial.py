"""A trial as the page shows it: gaze, traces and what detectors find, all computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazekit.capture.view import pupil_mm, speed_deg_s
from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Bools, Floats, Index
from gazekit.events.detectors import complete, defaults
from gazekit.events.labels import FIXATION, LABEL_NAMES, runs
from gazekit.events.samples import HOLE_ROWS, OFF_SCREEN_DEG, Samples, prepare
from gazekit.events.sessions import since_onset_ms
from gazekit.explore.summaries import SessionFacts
from gazekit.explore.trial_reading import TrialGaze, detect_trial, trial_row
from gazekit.gaze import EYE_CHOICES

COMMON = ("eye", "off_screen_deg")  # parameters of every detector
LONG = 300_000  # samples: of a longer trial a minute is shown at a time, and its events come when they are found
LONG_WINDOW_MS = 60_000.0
MOST_POINTS = 6000  # of gaze that are sent; further ones are thinned out evenly
BUCKETS = 1500  # of a trace, each with its lowest and highest value


@dataclass(frozen=True)
class DetectorChoice:
    """A detector, its parameters that are not the defaults, and the eye among them."""

    name: str
    parameters: Mapping[str, Any]

    def all_parameters(self) -> dict[str, Any]:
        """Return every parameter with its value."""
        return {"eye": "average", "off_screen_deg": OFF_SCREEN_DEG, **complete_choice(self)}


def complete_choice(choice: DetectorChoice) -> dict[str, Any]:
    """Complete the parameters of a choice with the detector's defaults.

    Raises
    ------
    InputError
        Unknown detector or parameter.
    """
    common = {name: value for name, value in choice.parameters.items() if name in COMMON}
    own = {name: value for name, value in choice.parameters.items() if name not in common}
    return {**common, **complete(choice.name, own)}


def known_parameters(detector: str) -> dict[str, Any]:
    """Return what can be set of a detector, with defaults."""
    return {"eye": "average", "off_screen_deg": OFF_SCREEN_DEG, **defaults(detector)}


def trial_view(
    facts: SessionFacts,
    number: int,
    gaze: TrialGaze,
    choices: Sequence[DetectorChoice],
    window_ms: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Compute all that the page of a trial shows: `trace_view`, and ``detections`` of each detector."""
    view = trace_view(facts, number, gaze, choices[0], window_ms)
    return view | {"detections": [detection_view(facts, gaze, choice) for choice in choices]}


def trace_view(
    facts: SessionFacts,
    number: int,
    gaze: TrialGaze,
    choice: DetectorChoice,
    window_ms: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Compute what the page of a trial shows without a detector.

    Parameters
    ----------
    facts : SessionFacts
        The session.
    number : int
        Which trial, from 1.
    gaze : TrialGaze
        As `gazekit.explore.trial_reading.read_trial` reads it, all or a window.
    choice : DetectorChoice
        Whose eye the traces are of.
    window_ms : (float, float), optional
        The time since the onset that traces and gaze are sent of; default all of it.

    Returns
    -------
    dict
        ``trial``, ``screen``, ``gaze``, ``traces``, ``holes`` and ``makers``. Times are milliseconds since the
        picture's onset; places are pixels of the screen. NaN where something is not known.
    """
    trial, screen, row = gaze.trial, facts.header.screen, trial_row(facts, number)
    eye = {name: value for name, value in choice.parameters.items() if name in COMMON}
    samples = prepare(trial.recording, screen, **eye)
    time = since_onset_ms(trial, samples.stamp_us)
    span = (trial.offset_us - trial.onset_us) / 1000
    low, high = window_ms or (0.0, span)
    part = slice(int(np.searchsorted(time, low)), int(np.searchsorted(time, high, "right")))
    return {
        "trial": {
            **{name: row[name] for name in ("image", "number", "leave_out", "samples")},
            "participant": facts.participant,
            "duration_ms": span,
            "picture": list(trial.picture),
            "placement": [trial.placement.x, trial.placement.y, trial.placement.width, trial.placement.height],
        },
        "screen": [screen.width_px, screen.height_px],
        "window_ms": [low, high],
        "gaze": _gaze(samples, time, part, screen.width_px, screen.height_px),
        "traces": _traces(samples, time, part),
        "holes": [[float(time[hole - 1]), float(time[hole + HOLE_ROWS])] for hole in samples.holes],
        "makers": _makers(gaze, samples),
    }


def _gaze(samples: Samples, time: Floats, part: slice, width: float, height: float) -> dict[str, Any]:
    """Return where both eyes were, thinned out evenly where there are too many points for a page."""
    step = max(1, -(-(part.stop - part.start) // MOST_POINTS))
    chosen = slice(part.start, part.stop, step)
    sides: dict[str, Any] = {}
    for side, axes in zip(("left", "right"), samples.display, strict=True):
        columns = [] if axes is None else [axes[0] * width, axes[1] * height]
        sides[side] = [column[chosen].round(2).tolist() for column in columns] or None
    return {"step": step, "time": time[chosen].round(3).tolist(), **sides}


def _traces(samples: Samples, time: Floats, part: slice) -> dict[str, Any]:
    """Return x, y (pixels), velocity (deg/s) and pupils (mm) as the lowest and highest value of short times."""
    x, y = samples.pixels
    columns = {"x": x, "y": y, "velocity": speed_deg_s(samples)}
    for side in ("left", "right"):
        pupil = pupil_mm(samples, side)
        if np.isfinite(pupil).any():
            columns[f"pupil_{side}"] = pupil
    edges = bucket_edges(part.start, part.stop)
    lines = {name: lowest_and_highest(column, edges) for name, column in columns.items()}
    return {"time": time[edges[:-1]].round(3).tolist(), **lines}


def bucket_edges(start: int, stop: int, most: int = BUCKETS) -> Index:
    """Return where to cut rows into at most so many pieces of about the same length."""
    count = min(most, max(stop - start, 0))
    return np.linspace(start, max(stop, start), count + 1).round().astype(np.int64)


def lowest_and_highest(column: Floats, edges: Index) -> list[list[float]]:
    """Return the lowest and the highest value of each piece; NaN where it has none."""
    if len(edges) < 2:
        return [[], []]
    part = column[: edges[-1]]
    low, high = np.fmin.reduceat(part, edges[:-1]), np.fmax.reduceat(part, edges[:-1])
    return [low.round(4).tolist(), high.round(4).tolist()]


def _spans(labels: Any, inside: Bools, time: Floats, interval_ms: float) -> list[list[float]]:
    """Return the runs of equal labels: begin, end and label of each."""
    spans = []
    for label in range(len(LABEL_NAMES)):
        first, last = runs((labels == label) & inside)
        begin, end = time[first], time[last] + interval_ms
        spans += [[round(a, 3), round(b, 3), label] for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    return sorted(spans)


def detection_view(facts: SessionFacts, gaze: TrialGaze, choice: DetectorChoice) -> dict[str, Any]:
    """Compute what a detector finds in a trial: labels over time, fixations, saccades, and a summary."""
    events = detect_trial(facts, gaze, choice.name, choice.parameters)
    samples, trial = events.detection.samples, gaze.trial
    fixations, saccades = events.fixations, events.saccades
    for table in (fixations, saccades):
        table["begin_ms"], table["end_ms"] = (since_onset_ms(trial, table[name]) for name in ("onset_us", "offset_us"))
    dropped = ["detector", "parameters", "image"]
    time = since_onset_ms(trial, samples.stamp_us)
    return {
        "detector": events.detection.detector,
        "parameters": events.detection.parameters,
        "labels": _spans(events.detection.events.labels, samples.within, time, _interval_ms(samples)),
        "fixations": fixations.drop(columns=dropped).to_dict("records"),
        "saccades": saccades.drop(columns=dropped).to_dict("records"),
        "summary": {
            "fixations": len(fixations),
            "mean_fixation_ms": float(fixations["duration_ms"].mean()) if len(fixations) else float("nan"),
            "fixation_time_ms": float(fixations["duration_ms"].sum()),
            "saccades": len(saccades),
            "mean_amplitude_deg": float(saccades["amplitude_deg"].mean()) if len(saccades) else float("nan"),
            "lost_percent": 100 * float(samples.lost.mean()) if len(samples) else float("nan"),
        },
    }


def _makers(gaze: TrialGaze, samples: Samples) -> dict[str, Any] | None:
    """Return the events that the maker's software found, where the file has them."""
    if gaze.makers is None or not len(gaze.makers):
        return None
    time = since_onset_ms(gaze.trial, gaze.trial.recording.device_time_us)
    spans = _spans(gaze.makers, np.ones(len(time), dtype=bool), time, _interval_ms(samples))
    return {"labels": spans, "fixations": sum(label == FIXATION for *_, label in spans)}


def _interval_ms(samples: Samples) -> float:
    return samples.interval_us / 1000 if np.isfinite(samples.interval_us) else 0.0


def read_choice(arguments: Mapping[str, str], prefix: str, usual: DetectorChoice) -> DetectorChoice:
    """Read a detector and its parameters out of an address: ``detector``, ``eye``, ``max_gap_ms``, each with a prefix.

    Raises
    ------
    InputError
        Unknown detector, or a value that it cannot have.
    """
    name = arguments.get(f"{prefix}detector") or usual.name
    known = known_parameters(name)
    parameters = dict(usual.parameters) if name == usual.name else {}
    for parameter, default in known.items():
        text = arguments.get(prefix + parameter)
        if text:
            parameters[parameter] = _value(name, parameter, text, default)
    parameters = {key: value for key, value in parameters.items() if value != known.get(key)}
    choice = DetectorChoice(name, parameters)
    complete_choice(choice)
    return choice


def _value(detector: str, parameter: str, text: str, default: Any) -> Any:
    if parameter == "eye":
        if text not in EYE_CHOICES:
            raise unknown_name("eye", text, EYE_CHOICES)
        return text
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        most = 1000 * max(1.0, abs(default))
        if not 0 <= value <= most:
            raise InputError(f"{detector}: {parameter} must be a number from 0 to {most:g}; found {text!r}")
        if isinstance(default, int) and not value.is_integer():
            return value
        return int(value) if value.is_integer() else value
    return text
