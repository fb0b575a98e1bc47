"""Cross-validated probes of many studies from one Gram matrix: for calibration, and for studies of thousands of tries.

Leaving a fold out of a ridge regression changes its residuals by a factor that the fold's block of the hat matrix
gives, so that no fold is fitted: with H the hat matrix of all pictures, the residuals of a fold that was left out are
(I - H_ff)^-1 times those of the whole fit. One decomposition serves all folds, seeds and shuffled ratings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Index
from gazekit.models.probe import RIDGES, Matrix, from_cdf

_FREE = 1e6  # of the intercept's column: so large that the ridge leaves it alone


class GramProbe:
    """The features of a set of pictures, ready for any number of cross-validations of the ``cdf`` head.

    Features are standardised over all pictures (no rating is used), where `gazekit.models.probe.fit_head` does it over
    the training pictures.

    Parameters
    ----------
    features : ndarray, shape (n, D)
        Of the pictures.
    ridges : sequence of float
        To choose from; in units of the mean of the Gram matrix's diagonal.

    Raises
    ------
    InputError
        Features that are not numbers.
    """

    def __init__(self, features: Matrix, *, ridges: Sequence[float] = RIDGES) -> None:
        x = np.asarray(features, np.float64)
        if x.ndim != 2 or not np.isfinite(x).all():
            raise InputError(f"features {x.shape} that are all numbers, a row a picture, are needed")
        scale = x.std(0)
        z = (x - x.mean(0)) / np.where(scale > 1e-8, scale, np.inf)
        gram = z @ z.T
        unit = float(np.trace(gram)) / len(gram)
        self.ridges = [ridge * unit for ridge in ridges]
        self._values, self._vectors = np.linalg.eigh(gram + _FREE * unit)

    def out_of_fold(self, truth: Matrix, fold: Index) -> Floats:
        """Predict every picture from those of other folds.

        Parameters
        ----------
        truth : ndarray, shape (n, K)
            Distributions of ratings.
        fold : ndarray, shape (n,)
            Number of the fold of each picture.

        Returns
        -------
        ndarray, shape (n, K)
            Predicted distributions. The ridge of a fold is the one by which the pictures of the others are predicted
            best (EMD, r = 2), each from a fit without its own fold.

        Raises
        ------
        InputError
            Fewer than two folds, or not as many rows as pictures.
        """
        target = np.asarray(truth, np.float64).cumsum(1)[:, :-1]
        folds = [np.flatnonzero(fold == k) for k in np.unique(fold)]
        if len(target) != len(self._values) or len(fold) != len(target) or len(folds) < 2:
            raise InputError(
                f"{counted(len(target), 'rating')} in {counted(len(folds), 'fold')} of {len(self._values)} "
                f"pictures; 2 are needed"
            )
        answers = np.stack([self._left_out(target, folds, ridge) for ridge in self.ridges])
        errors = np.sqrt(((answers - target) ** 2).sum(2) / (target.shape[1] + 1))
        chosen = np.empty_like(target)
        for members in folds:
            others = np.setdiff1d(np.arange(len(target)), members)
            chosen[members] = answers[int(errors[:, others].mean(1).argmin()), members]
        return np.asarray(from_cdf(torch.from_numpy(chosen)).numpy(), dtype=np.float64)

    def _left_out(self, target: Floats, folds: Sequence[Index], ridge: float) -> Floats:
        shrunk = self._vectors * (self._values / (self._values + ridge))
        residuals = target - shrunk @ (self._vectors.T @ target)
        for members in folds:
            block = np.eye(len(members)) - shrunk[members] @ self._vectors[members].T
            residuals[members] = np.linalg.solve(block, residuals[members])
        return target - residuals
