"""Corrections for testing several hypotheses at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Floats


def holm(p: npt.ArrayLike) -> Floats:
    """Correct a family of p-values by Holm's step-down method (Holm 1979).

    Parameters
    ----------
    p : array_like, shape (m,)
        p-values of m tests.

    Returns
    -------
    ndarray, shape (m,)
        The corrected p-values, in the same order.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
