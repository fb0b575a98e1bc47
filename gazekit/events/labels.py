"""What a sample can be, and what a detector hands back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Bools, Index, Labels

UNCLASSIFIED, FIXATION, SACCADE, PSO, PURSUIT, LOST = range(6)
LABEL_NAMES = ("unclassified", "fixation", "saccade", "post-saccadic oscillation", "pursuit", "blink or lost")


@dataclass(frozen=True)
class Events:
    """Hold what a detector found in n samples.

    Attributes
    ----------
    labels : ndarray of int8, shape (n,)
        0 unclassified, 1 fixation, 2 saccade, 3 post-saccadic oscillation, 4 pursuit, 5 blink or lost.
    onset, offset : ndarray of int64, shape (k,)
        First and last sample of each fixation, in order, without overlap.
    """

    labels: Labels
    onset: Index
    offset: Index

    @classmethod
    def from_labels(cls, labels: Labels) -> Events:
        """Make events whose fixations are the runs of that label."""
        return cls(labels, *runs(labels == FIXATION))


def runs(mask: Bools) -> tuple[Index, Index]:
    """Return the first and the last index of each run of true values."""
    if not len(mask):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    edges = np.concatenate([[0] if mask[0] else [], edges, [len(mask)] if mask[-1] else []]).astype(np.int64)
    return edges[::2], edges[1::2] - 1
