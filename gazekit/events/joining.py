"""Fixations that go on over short losses, and the saccades between fixations."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Floats, Index, Labels
from gazekit.events.blinks import cover
from gazekit.events.labels import FIXATION, LOST, SACCADE, UNCLASSIFIED, Events, runs
from gazekit.events.samples import Samples

FLICKER_MS = 20.0  # a loss shorter than this is no blink


def settle(
    samples: Samples,
    labels: Labels,
    min_fixation_ms: float,
    max_gap_ms: float,
    max_shift_deg: float,
    merge_time_ms: float = 0.0,
) -> Events:
    """Join fixations over short losses, and over tiny saccades within a time, at one place; drop short ones.

    The samples in between keep their class; those of fixations that are too short then become unclassified.
    """
    first, last = runs(labels == FIXATION)
    if not len(first):
        return Events(labels, first, last)
    lost = np.concatenate([[0], np.cumsum(labels == LOST)])
    gone = lost[first[1:]] - lost[last[:-1] + 1]
    apart = samples.between_us(last[:-1], first[1:])
    only_lost = gone == first[1:] - last[:-1] - 1
    joined = only_lost & (apart < max_gap_ms * 1000)
    if merge_time_ms > 0:
        joined |= ~only_lost & (gone * samples.interval_us < FLICKER_MS * 1000) & (apart <= merge_time_ms * 1000)
    if joined.any():
        x, y = (_means(c, first, last) for c in samples.degrees)
        joined &= np.hypot(np.diff(x), np.diff(y)) <= max_shift_deg
    onset, offset = first[np.append(True, ~joined)], last[np.append(~joined, True)]
    short = samples.shorter(onset, offset, min_fixation_ms)
    dropped = cover(len(samples), onset[short], offset[short])
    labels[dropped & (labels == FIXATION)] = UNCLASSIFIED
    return Events(labels, onset[~short], offset[~short])


def _means(column: Floats, first: Index, last: Index) -> Floats:
    """Return the mean over each range; none of its samples is lost."""
    edges = np.stack([first, last + 1], axis=1).ravel()
    total = np.add.reduceat(column, edges if edges[-1] < len(column) else edges[:-1])[::2]
    return np.asarray(total / (last + 1 - first))


def mark_between(samples: Samples, labels: Labels, longest_ms: float) -> None:
    """Call what lies between two fixations a saccade, where it is short enough to be one and no blink is in it."""
    first, last = runs(labels == LOST)
    flicker = np.zeros(len(labels), dtype=bool)
    if len(first) and len(labels) > 1:
        brief = samples.shorter(first, last, FLICKER_MS)
        flicker = cover(len(labels), first[brief], last[brief])
    first, last = runs((labels == UNCLASSIFIED) | flicker)
    inner = (first > 0) & (last < len(labels) - 1)
    first, last = first[inner], last[inner]
    short = (labels[first - 1] == FIXATION) & (labels[last + 1] == FIXATION)
    short &= samples.last_us(first, last) <= longest_ms * 1000
    labels[cover(len(labels), first[short], last[short]) & (labels == UNCLASSIFIED)] = SACCADE


def within_stretches(events: Events, samples: Samples) -> Events:
    """Cut events at holes, whatever detector made them; rows where nothing was delivered are lost."""
    if samples.rows is None:
        return events
    labels = events.labels.copy()
    labels[samples.rows.added] = LOST
    first, last = samples.stretches
    begin, end = (np.searchsorted(last, edge) for edge in (events.onset, events.offset))
    pieces = np.maximum(end - begin + 1, 0)
    event = np.repeat(np.arange(len(pieces)), pieces)
    stretch = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces) + begin[event]
    stretch = np.minimum(stretch, len(first) - 1)
    onset = np.maximum(events.onset[event], first[stretch])
    offset = np.minimum(events.offset[event], last[stretch])
    # rows that were put in at either end of an event are no part of it
    delivered = samples.delivered
    if not (delivered[onset].all() and delivered[offset].all()):
        known = np.append(np.flatnonzero(delivered), len(samples))
        onset = known[np.searchsorted(known, onset)]
        offset = known[np.maximum(np.searchsorted(known, offset, "right") - 1, 0)]
    real = onset <= offset
    return Events(labels, onset[real], offset[real])
