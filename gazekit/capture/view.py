"""A trial as a drawing (scanpath, traces with the detector's labels, pupils), or its fixations as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.files import is_table, picture_format, provenance, whole_file
from gazekit.core.tables import FIXATION_COLUMNS, write_table
from gazekit.core.types import Floats, Pixels
from gazekit.events.detectors import PICTURE_DETECTOR
from gazekit.events.fixations import detect
from gazekit.events.labels import FIXATION, LOST, PSO, PURSUIT, SACCADE, runs
from gazekit.events.samples import Samples
from gazekit.events.sessions import TrialEvents, since_onset_ms
from gazekit.events.velocity import smoothed_velocity, window_half
from gazekit.pictures import SUFFIXES, list_pictures, read_picture
from gazekit.screen import Placement
from gazekit.session import Session
from gazekit.session.model import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VELOCITY_WINDOW_MS = 10.0  # of the velocity that is shown, as of the saccade table's peak
_LEFT, _RIGHT, _PATH = "#1b6ca8", "#c8553d", "#f2c14e"
_GREY = 205
LABEL_COLOURS = {  # of Okabe and Ito's colours, which people with any colour vision tell apart
    FIXATION: ("fixation", "#0072b2"),
    SACCADE: ("saccade", "#d55e00"),
    PSO: ("oscillation", "#cc79a7"),
    PURSUIT: ("drift, pursuit", "#009e73"),
    LOST: ("blink or lost", "#8a8f94"),
}


def find_trial(session: Session, number: int) -> Trial:
    """Return the n-th trial of a session, from 1; a session without pictures is one trial, the whole recording.

    Raises
    ------
    InputError
        The session has no such trial.
    """
    trials = session.trials() or [_whole_recording(session)]
    if not 1 <= number <= len(trials):
        raise InputError(f"the session has {counted(len(trials), 'trial')}; there is no trial {number}")
    return trials[number - 1]


def _whole_recording(session: Session) -> Trial:
    screen, time = session.screen, session.recording.system_time_us
    if not len(time):
        raise InputError(
            f"the session of {session.participant} has no pictures and no samples; there is nothing to show"
        )
    return Trial(
        image="",
        picture=(screen.width_px, screen.height_px),
        placement=Placement(0, 0, screen.width_px, screen.height_px),
        onset_us=int(time.min()),
        offset_us=int(time.max()) + 1,
        order=0,
        recording=session.recording,
    )


def picture_file(image: str, files: Mapping[str, Path]) -> Path | None:
    """Return the file of a picture by its id, with or without a suffix; None where it is not there."""
    names = [image, *(image + suffix for suffix in sorted(SUFFIXES))]
    return next((files[name] for name in names if name in files), None)


def picture_of(trial: Trial, files: Mapping[str, Path] | None) -> Pixels:
    """Read the picture of a trial; grey where no pictures are given.

    Raises
    ------
    InputError
        It is not among them, or the file is of another size than the one that was shown.
    """
    width, height = trial.picture
    if files is None or not trial.image:
        return np.full((height, width, 3), _GREY, dtype=np.uint8)
    file = picture_file(trial.image, files)
    if file is None:
        raise InputError(f"the pictures given do not hold the picture {trial.image}")
    pixels = read_picture(file)
    if pixels.shape[1::-1] != trial.picture:
        raise InputError(
            f"{file} has {pixels.shape[1]} x {pixels.shape[0]} pixels; the one shown had {width} x {height}"
        )
    return pixels


def draw_trial(
    session: Session,
    number: int,
    out: str | Path,
    *,
    pictures: str | Path | None = None,
    detector: str = PICTURE_DETECTOR,
    **parameters: Any,
) -> Path:
    """Write a trial: as a drawing of gaze, fixations, traces and pupils, or its fixations as a table.

    Parameters
    ----------
    session : Session
        The session.
    number : int
        Which trial, in order of showing, from 1.
    out : path
        .png, .svg or .pdf: the drawing; .csv, .tsv or .parquet: the fixations, as `gazekit fixations` writes them.
    pictures : path, optional
        A folder or list of the pictures; grey without.
    detector, **parameters
        As in `gazekit.detect_fixations`, with ``eye`` among the parameters.

    Raises
    ------
    InputError
        No such trial, picture, detector or parameter.
    OutputError
        The file cannot be written.
    """
    out = Path(out)
    as_table = is_table(out)
    files = None if pictures is None else {p.image: p.file for p in list_pictures(pictures, missing=True)}
    if "eye_openness" in session.streams:
        session = replace(session, recording=session.recording.with_openness(session.streams["eye_openness"]))
    trial = find_trial(session, number)
    detection = detect(trial.recording, session.screen, detector, **parameters)
    events = TrialEvents(detection, trial if len(session.stimuli) else None)
    if as_table:
        return write_trial_table(session.participant, events, out)
    pixels = picture_of(trial, files)
    return write_trial_figure(trial_title(session.participant, trial, number), trial, events, pixels, out)


def trial_title(participant: str, trial: Trial, number: int) -> str:
    """Return what stands above the drawing of a trial."""
    return f"{participant} · {f'trial {number} · {trial.image}' if trial.image else 'the whole recording'}"


def write_trial_table(participant: str, events: TrialEvents, out: Path) -> Path:
    """Write the fixations of a trial, with the columns of `gazekit.core.tables.FIXATION_COLUMNS`."""
    table = events.fixations.assign(participant=participant)[list(FIXATION_COLUMNS)]
    detection = events.detection
    write_table(table, out, provenance("gazekit.fixations/1", {"detector": detection.detector, **detection.parameters}))
    return out


def write_trial_figure(title: str, trial: Trial, events: TrialEvents, pixels: Pixels, out: Path) -> Path:
    """Draw a trial into a file; see `trial_figure`."""
    with whole_file(out) as beside:
        trial_figure(title, trial, events, pixels).savefig(beside, format=picture_format(out))
    return out


def trial_figure(title: str, trial: Trial, events: TrialEvents, pixels: Pixels) -> Figure:
    """Draw a trial: fixations (area by duration, numbered), scanpath, x, y, velocity, labels and pupils."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 10.6), dpi=100)
    figure.set_layout_engine("constrained", h_pad=0.1)  # inches: the labels stand below their axes
    above, *traces = figure.subplots(4, 1, height_ratios=[4.6, 1, 1, 0.8])
    _draw_scanpath(above, trial, events, pixels)
    _draw_traces(traces, trial, events)
    above.set_title(title, loc="left")
    return figure


def _draw_scanpath(axes: Axes, trial: Trial, events: TrialEvents, pixels: Pixels) -> None:
    axes.imshow(pixels)
    axes.set_axis_off()
    gaze = events.detection.samples.screen.display_to_px(trial.recording.point("average"))
    axes.plot(*trial.placement.to_picture(*gaze, trial.picture), color=_PATH, linewidth=0.6, alpha=0.8)
    table = events.fixations
    across, down = ("x_picture", "y_picture") if trial.image else ("x_px", "y_px")
    shown = table[table[across].notna()]
    axes.plot(shown[across], shown[down], color="white", linewidth=1.2)
    axes.scatter(shown[across], shown[down], s=100 + shown["duration_ms"], c=_RIGHT, alpha=0.65, edgecolors="white")
    for n, (x, y) in enumerate(zip(shown[across], shown[down], strict=True)):
        axes.annotate(str(n + 1), (x, y), color="white", ha="center", va="center", fontsize=8)


def _draw_traces(rows: list[Axes], trial: Trial, events: TrialEvents) -> None:
    """Draw places and velocity with the labels between them, and pupils, all over the same time."""
    samples = events.detection.samples
    place, velocity, pupils = rows
    seconds = since_onset_ms(trial, samples.stamp_us) / 1000
    for column, colour, name in zip(samples.pixels, ("#222222", "#888888"), ("x", "y"), strict=True):
        place.plot(seconds, column, color=colour, linewidth=0.9, label=name)
    velocity.plot(seconds, speed_deg_s(samples), color="#222222", linewidth=0.9)
    _draw_labels(velocity, events, seconds)
    for side, colour in (("left", _LEFT), ("right", _RIGHT)):
        pupils.plot(seconds, pupil_mm(samples, side), color=colour, label=side, linewidth=0.9)
    for axes, words in zip(rows, ("screen, px", "deg/s", "pupil, mm"), strict=True):
        axes.set_ylabel(words)
        axes.spines[["top", "right"]].set_visible(False)
        if len(seconds) > 1:
            axes.set_xlim(seconds[0], seconds[-1])
    for axes in (place, pupils):
        _name_lines(axes)
    pupils.set_xlabel("seconds from the onset")


def _draw_labels(axes: Axes, events: TrialEvents, seconds: Floats) -> None:
    """Draw the label of every sample as a strip below the velocity."""
    samples, labels = events.detection.samples, events.detection.events.labels
    interval = samples.interval_us * 1e-6 if np.isfinite(samples.interval_us) else 0.0
    for label, (name, colour) in LABEL_COLOURS.items():
        first, last = runs((labels == label) & samples.within)
        bars = [(seconds[a], seconds[b] - seconds[a] + interval) for a, b in zip(first, last, strict=True)]
        if bars:
            across = axes.get_xaxis_transform()
            axes.broken_barh(bars, (-0.16, 0.12), color=colour, transform=across, label=name, clip_on=False)
    axes.tick_params(labelbottom=False, bottom=False)
    if axes.get_legend_handles_labels()[0]:
        _name_lines(axes)


def _name_lines(axes: Axes) -> None:
    """Put the legend above the axes: inside, it would lie on what is drawn."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, frameon=False, ncols=5, fontsize=8)


def speed_deg_s(samples: Samples) -> Floats:
    """Compute the angular speed that is shown, degrees per second, shape (n,), as for the saccade table's peak."""
    half = window_half(samples.interval_us, VELOCITY_WINDOW_MS)
    return np.hypot(*smoothed_velocity(samples, *samples.degrees, half, VELOCITY_WINDOW_MS))


def pupil_mm(samples: Samples, side: str) -> Floats:
    """Return the pupil of one eye, millimetres, shape (n,); NaN where it is not known."""
    eye = getattr(samples.recording, side)
    return np.where(eye.pupil_valid & samples.delivered, eye.pupil_mm, np.nan)
