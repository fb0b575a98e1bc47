"""I2MC: fixations by two-means clustering, for noisy or infant data (Hessels et al. 2017)."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Bools, Floats, Index
from gazekit.events.clustering import switch_weights
from gazekit.events.gaps import fill_gaps
from gazekit.events.joining import mark_between
from gazekit.events.labels import FIXATION, LOST, UNCLASSIFIED, Events, runs
from gazekit.events.samples import Samples

_COPIES = (2, 5, 10)
_FEWEST = 4  # samples that a window of a downsampled copy must have; slower copies are left out
_LONGEST_SACCADE_MS = 150.0
_ROUNDING = 1e-9
_STILL_GAP_MS, _STILL_INTERVALS = 100.0, 4.02  # no eye goes away and comes back as soon
_STILL = 2.0  # times its own spread
_FRAGMENT_MS, _FRAGMENT_GAP_MS = 100.0, 60.0


def i2mc(
    samples: Samples,
    *,
    max_gap_ms: float = 100.0,
    edge_samples: int = 2,
    window_ms: float = 200.0,
    step_ms: float = 20.0,
    cutoff_sd: float = 2.0,
    onset_offset_mad: float = 3.0,
    merge_distance_px: float = 30.0,
    merge_time_ms: float = 30.0,
    min_duration_ms: float = 40.0,
    seed: int = 0,
) -> Events:
    """Find fixations where clustering a moving window in two finds no moment to switch.

    Gaps shorter than ``max_gap_ms`` are filled between the medians of ``edge_samples``. A window of ``window_ms`` moves
    in steps of ``step_ms``; in it the signal, and copies of it downsampled 2, 5 and 10 times (Chebyshev filter of
    order 8), are parted by 2-means; every switch between clusters weighs 1 / number of switches. Samples whose mean
    weight is at most mean + ``cutoff_sd`` SD are fixation. Each eye is clustered by itself and the weights averaged.
    Ends are trimmed to ``onset_offset_mad`` median absolute deviations of the distance from the fixation's centre;
    fixations nearer than both merge limits are joined (two samples are always near) and short ones dropped. A copy
    that would leave fewer than four samples a window is left out, so that it works from 30 Hz on.

    References
    ----------
    Hessels, R. S., Niehorster, D. C., Kemner, C., & Hooge, I. T. C. (2017). Noise-robust fixation detection in eye
    movement data: identification by two-means clustering (I2MC). Behavior Research Methods, 49, 1802-1823.
    """
    weights = switching(samples, max_gap_ms, int(edge_samples), window_ms, step_ms, int(seed))
    x, y = fill_gaps(samples.time_us, samples.pixels, max_gap_ms, edge_samples=int(edge_samples))
    weights[np.isnan(x)] = np.nan
    limit = cutoff(weights, cutoff_sd)
    return label(samples, weights, (x, y), limit, onset_offset_mad, merge_distance_px, merge_time_ms, min_duration_ms)


def cutoff(weights: Floats, cutoff_sd: float) -> float:
    """Return the largest weight of a fixation's samples."""
    known = weights[np.isfinite(weights)]
    return float(known.mean() + cutoff_sd * known.std()) + _ROUNDING if len(known) else 0.0


def label(
    samples: Samples,
    weights: Floats,
    point: tuple[Floats, Floats],
    limit: float,
    onset_offset_mad: float,
    merge_distance_px: float,
    merge_time_ms: float,
    min_duration_ms: float,
) -> Events:
    """Find events by weights of switching, a limit of them, and gaze in pixels whose gaps are filled."""
    x, y = point
    onset, offset = runs(weights <= limit)
    onset, offset = _merge(samples, x, y, onset, offset, merge_distance_px, 0.0)  # what a single switch parts
    onset, offset = _trim(x, y, onset, offset, onset_offset_mad)
    onset, offset = _merge(samples, x, y, onset, offset, merge_distance_px, merge_time_ms)
    long = ~samples.shorter(onset, offset, min_duration_ms)
    onset, offset = onset[long], offset[long]
    labels = np.where(samples.lost, LOST, UNCLASSIFIED).astype(np.int8)
    for start, end in zip(onset, offset, strict=True):
        labels[start : end + 1] = FIXATION
    mark_between(samples, labels, _LONGEST_SACCADE_MS)
    return Events(labels, onset, offset)


def switching(
    samples: Samples, max_gap_ms: float, edge_samples: int, window_ms: float, step_ms: float, seed: int
) -> Floats:
    """Average the switching weight of every sample over the windows and eyes that saw it, NaN where none did."""
    n = len(samples)
    if n < 2:
        return np.full(n, np.nan)
    width = max(_FEWEST, round(window_ms * 1000 / samples.interval_us))
    step = max(1, round(step_ms * 1000 / samples.interval_us))
    stretches = list(zip(*samples.stretches, strict=True))
    eyes = []
    for x, y in _eyes(samples):
        filled = fill_gaps(samples.time_us, (x, y), max_gap_ms, edge_samples=edge_samples)
        whole = _whole_windows(samples, filled[0], width, window_ms)
        copies = [(1, filled), *((q, _downsampled(filled, q)) for q in _COPIES if width // q >= _FEWEST)]
        starts = [first + np.arange(0, max(last - first + 2 - width, 0), step) for first, last in stretches]
        eyes.append(switch_weights(copies, whole, starts, width, seed))
    if not eyes:
        return np.full(n, np.nan)
    both = np.stack(eyes)
    known = np.isfinite(both)
    count = known.sum(axis=0)
    mean: Floats = np.where(known, both, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return mean


def _eyes(samples: Samples) -> list[tuple[Floats, Floats]]:
    """Return the pixel columns of each eye that the choice lets in."""
    return [
        (axes[0] * samples.screen.width_px, axes[1] * samples.screen.height_px)
        for side, axes in zip(("left", "right"), samples.display, strict=True)
        if axes is not None and samples.choice in (side, "average", "strict")
    ]


def _whole_windows(samples: Samples, column: Floats, width: int, window_ms: float) -> Bools:
    """Tell for each first sample whether its window has no gap and lasts about as long as it should."""
    n = len(column)
    whole = np.zeros(n, dtype=bool)
    if n < width:
        return whole
    gaps = np.concatenate([[0], np.cumsum(np.isnan(column))])
    span = samples.time_us[width - 1 :] - samples.time_us[: n - width + 1]
    whole[: n - width + 1] = (gaps[width:] == gaps[:-width]) & (
        span <= 1.5 * max(window_ms * 1000, width * samples.interval_us)
    )
    return whole


def _downsampled(columns: tuple[Floats, ...], factor: int) -> tuple[Floats, ...]:
    """Filter columns for taking every ``factor``-th sample, stretch by stretch between gaps."""
    from scipy.signal import cheby1, sosfiltfilt

    filter_ = cheby1(8, 0.05, 0.8 / factor, output="sos")
    shortest = 3 * (2 * len(filter_) + 1) + 1
    out = tuple(c.copy() for c in columns)
    for start, end in zip(*runs(np.isfinite(columns[0])), strict=True):
        if end - start + 1 < shortest:
            continue
        for column, target in zip(columns, out, strict=True):
            target[start : end + 1] = sosfiltfilt(filter_, column[start : end + 1])
    return out


def _trim(x: Floats, y: Floats, onset: Index, offset: Index, mad: float) -> tuple[Index, Index]:
    """Walk both ends of each fixation inwards to where the eye is near its centre."""
    first, last = onset.copy(), offset.copy()
    for k, (start, end) in enumerate(zip(onset, offset, strict=True)):
        part = slice(start, end + 1)
        far = np.hypot(x[part] - np.median(x[part]), y[part] - np.median(y[part]))
        middle = np.median(far)
        near = np.flatnonzero(far <= middle + mad * np.median(np.abs(far - middle)) + _ROUNDING)
        first[k], last[k] = start + near[0], start + near[-1]
    return first, last


def _merge(
    samples: Samples, x: Floats, y: Floats, onset: Index, offset: Index, max_distance: float, max_time_ms: float
) -> tuple[Index, Index]:
    """Join neighbours whose centres and ends are near, with no gap between them.

    At slow rates two samples between them are near: clustering parts any window, so that steady gaze has a switch
    somewhere. A fragment of a look, shorter than half a window, is joined over a little more time. What comes back
    within its own spread before an eye could have been away is one look, whatever lies between.
    """
    near = max(max_time_ms * 1000, 2 * samples.interval_us)
    away = max(_STILL_GAP_MS * 1000, _STILL_INTERVALS * samples.interval_us)
    spans: list[tuple[int, int]] = []
    for start, end in zip(onset.tolist(), offset.tolist(), strict=True):
        joined = (start, end)
        for back in range(len(spans) - 1, -1, -1):
            first, last = spans[back]
            apart = samples.time_us[start] - samples.time_us[last] - samples.interval_us
            if apart > away or not np.isfinite(x[last : start + 1]).all():
                break
            parts = slice(first, last + 1), slice(start, end + 1)
            shorter, longer = sorted(parts, key=lambda part: part.stop - part.start)
            moved = _distance(x, y, *parts)
            fragment = samples.last_us(shorter.start, shorter.stop - 1) < _FRAGMENT_MS * 1000
            soon = apart <= (max(near, _FRAGMENT_GAP_MS * 1000) if fragment and max_time_ms > 0 else near)
            neighbours = back == len(spans) - 1
            if (neighbours and soon and moved < max_distance) or moved < _STILL * _spread(x, y, longer):
                joined = (first, end)
                del spans[back:]
                break
        spans.append(joined)
    table = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _spread(x: Floats, y: Floats, part: slice) -> float:
    """Return the median distance of a part from its own centre."""
    return float(np.median(np.hypot(x[part] - np.median(x[part]), y[part] - np.median(y[part]))))


def _distance(x: Floats, y: Floats, a: slice, b: slice) -> float:
    return float(np.hypot(np.median(x[a]) - np.median(x[b]), np.median(y[a]) - np.median(y[b])))
