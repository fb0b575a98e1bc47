"""What the maker's own software says of each sample, kept beside ours and compared with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Labels
from gazekit.session.model import Session

STREAM = "eye_movements"
# as `label_samples` codes them; whatever is not known here is unclassified
LABELS = {"fixation": 1, "saccade": 2, "glissade": 3, "pursuit": 4, "blink": 5, "eyesnotfound": 5}
CLASSES = {"fixation": 1, "saccade": 2}


def codes_of(words: list[str]) -> Labels:
    """Turn the maker's words into label codes."""
    return np.array([LABELS.get(word.lower().replace(" ", ""), 0) for word in words], dtype=np.int8)


def stream(
    label: Labels,
    index: Floats,
    x_px: Floats,
    y_px: Floats,
) -> pd.DataFrame:
    """Make a table of a row a sample: label, number of the event (-1 for none), its place in pixels."""
    number = np.where(np.isfinite(index), index, -1).astype(np.int64)
    return pd.DataFrame({"label": label, "index": number, "x_px": x_px, "y_px": y_px})


@dataclass
class Numbers:
    """Numbers the events of labels that come in parts, from 1; one that goes on in the next part keeps its number."""

    count: int = 0
    last: int = 0

    def of(self, label: Labels) -> Floats:
        """Return the number of each sample's event, shape (n,); NaN where a sample is of none."""
        begins = (np.diff(label, prepend=np.int8(self.last)) != 0) & (label > 0)
        numbers = self.count + np.cumsum(begins)
        if len(label):
            self.count, self.last = int(numbers[-1]), int(label[-1])
        return np.where(label > 0, numbers, np.nan)


def cohen_kappa(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Compute Cohen's kappa of two codings of the same samples; NaN where both are one class (Cohen 1960)."""
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape:
        raise InputError(f"two codings of the same samples were expected; found {first.shape} and {second.shape}")
    if not first.size:
        return float("nan")
    classes = np.union1d(first, second)
    observed = float((first == second).mean())
    chance = float(sum((first == c).mean() * (second == c).mean() for c in classes))
    return float("nan") if chance == 1 else (observed - chance) / (1 - chance)


def agreement(session: Session, labels: Labels) -> pd.DataFrame:
    """Compare sample labels with those that the maker's software gave.

    Parameters
    ----------
    labels : Labels
        (n,) as `label_samples` gives them.

    Returns
    -------
    pd.DataFrame
        A row for each of fixation, saccade and ``all`` classes: kappa (one class against the rest), percent of equal
        samples, samples of the class by ``theirs`` and by ``ours``.

    Raises
    ------
    InputError
        The session has no labels of the maker's.
    """
    if STREAM not in session.streams:
        raise InputError(
            f"the session of {session.participant} holds no labels of its maker's software; "
            "export them too (Pro Lab: 'Eye movement type'; Studio: 'GazeEventType') and import again"
        )
    theirs = session.streams[STREAM]["label"].to_numpy()
    rows = []
    for name, code in [*CLASSES.items(), ("all", None)]:
        a, b = (theirs, labels) if code is None else (theirs == code, labels == code)
        counts = (len(theirs), len(labels)) if code is None else (int(a.sum()), int(b.sum()))
        percent = 100 * float((a == b).mean()) if len(a) else float("nan")
        rows.append((name, cohen_kappa(a, b), percent, *counts))
    return pd.DataFrame(rows, columns=["class", "kappa", "equal_percent", "theirs", "ours"])
