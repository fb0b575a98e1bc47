"""What the maker's own software says of each sample, kept beside ours and compared with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.session.model import Session

STREAM = "eye_movements"
Frame = pd.DataFrame
# as `label_samples` codes them; whatever is not known here is unclassified
LABELS = {"fixation": 1, "saccade": 2, "glissade": 3, "pursuit": 4, "blink": 5, "eyesnotfound": 5}
CLASSES = {"fixation": 1, "saccade": 2}


def codes_of(words: list[str]) -> npt.NDArray[np.int8]:
    """The maker's words as label codes."""
    return np.array([LABELS.get(word.lower().replace(" ", ""), 0) for word in words], dtype=np.int8)


def stream(
    label: npt.NDArray[np.int8],
    index: npt.NDArray[np.float64],
    x_px: npt.NDArray[np.float64],
    y_px: npt.NDArray[np.float64],
) -> pd.DataFrame:
    """A row a sample, in the order of the samples: label, number of the event (-1 for none), its place in pixels."""
    number = np.where(np.isfinite(index), index, -1).astype(np.int64)
    return pd.DataFrame({"label": label, "index": number, "x_px": x_px, "y_px": y_px})


def cohen_kappa(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Cohen's kappa of two codings of the same samples; NaN where both are one class throughout (Cohen 1960)."""
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape:
        raise InputError(f"two codings of the same samples were expected; found {first.shape} and {second.shape}")
    if not first.size:
        return float("nan")
    classes = np.union1d(first, second)
    observed = float((first == second).mean())
    chance = float(sum((first == c).mean() * (second == c).mean() for c in classes))
    return float("nan") if chance == 1 else (observed - chance) / (1 - chance)


def agreement(session: Session, labels: npt.NDArray[np.int8]) -> pd.DataFrame:
    """How far sample labels agree with those that the maker's software gave.

    Parameters
    ----------
    labels : (n,) as `label_samples` gives them.

    Returns
    -------
    A row for each of fixation, saccade and ``all`` classes: kappa (one class against the rest), percent of equal
    samples, samples of the class by ``theirs`` and by ``ours``.

    Raises
    ------
    InputError : the session has no labels of the maker's.
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
