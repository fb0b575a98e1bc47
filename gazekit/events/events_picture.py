"""Gaze, events and holes over time: a page a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gazekit.core.files import picture_format, whole_file
from gazekit.events.labels import FIXATION, LOST, PSO, PURSUIT, SACCADE, runs
from gazekit.events.samples import HOLE_ROWS
from gazekit.events.sessions import TrialEvents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    FIXATION: ("fixation", "#4daf4a"),
    SACCADE: ("saccade", "#e41a1c"),
    PSO: ("oscillation", "#984ea3"),
    PURSUIT: ("drift, pursuit", "#377eb8"),
    LOST: ("blink or lost", "#bbbbbb"),
}
_ROWS, _SHORTEST_ROW_S = 8, 5.0
_HOLE = "#111111"


def draw_events(recordings: Sequence[tuple[str, Sequence[TrialEvents]]], out: str | Path) -> list[Path]:
    """Draw gaze in degrees, events and holes over time, a page a recording.

    Parameters
    ----------
    recordings : sequence of (str, sequence of TrialEvents)
        Title and events of each recording.
    out : path
        A .pdf gets all pages; of pictures (.png, .svg) the first has this name, the others a number behind it.

    Returns
    -------
    list of Path
        The files.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    out = Path(out)
    if picture_format(out) == "pdf":
        with whole_file(out) as temporary, PdfPages(temporary) as pages:
            for title, events in recordings:
                pages.savefig(_page(title, events))
        return [out]
    files = [out if n == 0 else out.with_stem(f"{out.stem}-{n + 1}") for n in range(len(recordings))]
    for file, (title, events) in zip(files, recordings, strict=True):
        with whole_file(file) as temporary:
            _page(title, events).savefig(temporary, format=picture_format(out), dpi=100)
    return files


def _page(title: str, events: Sequence[TrialEvents]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    stamps = [e.detection.samples.stamp_us for e in events if len(e.detection.samples)]
    start = min((int(s[0]) for s in stamps), default=0)
    length = (max((int(s[-1]) for s in stamps), default=0) - start) * 1e-6
    rows = max(1, min(_ROWS, int(np.ceil(length / _SHORTEST_ROW_S))))
    figure = Figure(figsize=(11, 1.2 + 1.4 * rows), layout="constrained")
    figure.suptitle(title)
    each = max(length / rows, 1e-3)
    for row, axes in enumerate(figure.subplots(rows, squeeze=False, sharey=True)[:, 0]):
        axes.set_xlim(row * each, (row + 1) * each)
        for part in events:
            _draw_part(axes, part, start)
        axes.set_ylabel("deg", fontsize=8)
        axes.tick_params(labelsize=7)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.15 * (high - low), high)  # room for the strip of events
    axes.set_xlabel("s; x dark, y light")
    handles = [Patch(color=colour, label=name) for name, colour in _COLOURS.values()]
    figure.legend(
        handles=[*handles, Patch(color=_HOLE, alpha=0.25, label="hole")],
        loc="outside lower center",
        ncols=6,
        fontsize=7,
    )
    return figure


def _draw_part(axes: Axes, part: TrialEvents, start_us: int) -> None:
    """Draw one picture's gaze with a strip of events under it, as far as it lies in the axes."""
    samples = part.detection.samples
    if not len(samples):
        return
    seconds = (samples.stamp_us - start_us) * 1e-6
    left, right = axes.get_xlim()
    if seconds[-1] < left or seconds[0] > right:
        return
    x, y = samples.degrees
    shown = slice(max(int(np.searchsorted(seconds, left)) - 1, 0), int(np.searchsorted(seconds, right, "right")) + 1)
    axes.plot(seconds[shown], x[shown], color="#222222", linewidth=0.7)
    axes.plot(seconds[shown], y[shown], color="#888888", linewidth=0.7)
    interval = samples.interval_us * 1e-6 if len(samples) > 1 else 0.0
    strip = axes.get_xaxis_transform()
    for label, (_, colour) in _COLOURS.items():
        first, last = runs((part.detection.events.labels == label) & samples.within)
        bars = [(seconds[a], seconds[b] - seconds[a] + interval) for a, b in zip(first, last, strict=True)]
        axes.broken_barh(bars, (0.0, 0.08), color=colour, transform=strip)
    for hole in samples.holes:
        axes.axvspan(seconds[hole - 1], seconds[hole + HOLE_ROWS], color=_HOLE, alpha=0.25, linewidth=0)
    if part.trial is not None:
        axes.axvline(seconds[0], color="#555555", linewidth=0.6, linestyle=":")
        axes.text(max(seconds[0], left), 1.0, part.trial.image, fontsize=6, va="top", transform=strip, clip_on=True)
