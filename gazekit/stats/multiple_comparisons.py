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
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def gatekeeping(p: npt.ArrayLike, family: npt.ArrayLike) -> Floats:
    """Correct p-values of families that are tested one after the other, each by Holm's method.

    A family counts only where everything in the families before it is claimed, so that its corrected p-values are at
    least as large as all of theirs (serial gatekeeping, Dmitrienko, Offen and Westfall 2003).

    Parameters
    ----------
    p : array_like, shape (m,)
        p-values of m tests.
    family : array_like, shape (m,)
        The family of each, from 0 in the order of testing.

    Returns
    -------
    ndarray, shape (m,)
        The corrected p-values, in the same order.

    Examples
    --------
    >>> gatekeeping([0.03, 0.01, 0.04], [0, 1, 1]).tolist()
    [0.03, 0.03, 0.04]
    """
    values, families = np.asarray(p, dtype=np.float64), np.asarray(family)
    corrected, gate = np.empty_like(values), 0.0
    for number in np.unique(families):
        tests = families == number
        corrected[tests] = np.maximum(holm(values[tests]), gate)
        gate = float(corrected[tests].max())
    return corrected
