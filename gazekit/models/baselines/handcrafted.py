"""GIST + SVM and SIFT Fisher vectors + SVM (Marchesotti et al. 2011): descriptors, and a classifier of low and high."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from gazekit.core.counting import counted
from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Floats
from gazekit.models.pixels import Picture, resize

GIST = "gist"
FISHER = "sift-fisher"
Descriptor = Literal["gist", "sift-fisher"]


class HandcraftedModel:
    """A descriptor and a support vector machine, from pictures to probabilities.

    The machine tells low from high (mean above K / 2, 5 of ten buckets, as in both papers). Its probability of high, by
    Platt scaling over cross-validated margins, mixes the mean histograms of the two classes, so that all metrics can be
    computed.

    Parameters
    ----------
    descriptor : Descriptor
        ``gist``, or ``sift-fisher``.
    seed : int
        Of the Gaussian mixture and of the folds.
    modes : int
        Gaussians of the Fisher vectors; keypoints : most keypoints of a picture.
    """

    def __init__(self, descriptor: Descriptor, *, seed: int = 0, modes: int = 16, keypoints: int = 200) -> None:
        if descriptor not in get_args(Descriptor):
            raise unknown_name("descriptor", descriptor, get_args(Descriptor))
        self.descriptor, self.seed, self.modes, self.keypoints = descriptor, seed, modes, keypoints
        self._mixture: Any = None
        self._machine: Any = None
        self._histograms: Floats | None = None

    def fit(self, pictures: Sequence[Picture], counts: npt.ArrayLike) -> HandcraftedModel:
        """Learn from pictures (uint8 RGB, any size) and their rating counts (N, K).

        Raises
        ------
        InputError
            Counts that are not of these pictures, or of a picture without votes; fewer than two pictures of low or of
            high quality.
        """
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import LinearSVC

        q = _histograms(counts, len(pictures))
        high = q @ np.arange(1, q.shape[1] + 1) > q.shape[1] / 2
        fewest = int(min(high.sum(), (~high).sum()))
        if fewest < 2:
            raise InputError(
                f"{int(high.sum())} of {len(high)} pictures are of high quality; at least 2 of each class are needed"
            )
        if self.descriptor == FISHER:
            self._learn_mixture(pictures)
        machine = make_pipeline(StandardScaler(), LinearSVC(C=0.01, random_state=self.seed))
        folds = StratifiedKFold(min(5, fewest), shuffle=True, random_state=self.seed)
        self._machine = CalibratedClassifierCV(machine, cv=folds).fit(self.describe(pictures), high)
        self._histograms = np.stack([q[~high].mean(0), q[high].mean(0)])
        return self

    def predict(self, pictures: Sequence[Picture]) -> Floats:
        """Probabilities, (N, K)."""
        if self._histograms is None:
            raise InputError("this model has not been fitted; call fit(pictures, counts) first")
        return np.asarray(self._machine.predict_proba(self.describe(pictures)) @ self._histograms)

    def describe(self, pictures: Sequence[Picture]) -> Floats:
        """Describe each picture, (N, D); Fisher vectors are those of the fitted mixture.

        Raises
        ------
        InputError
            No pictures; Fisher vectors before `fit`.
        """
        if not len(pictures):
            raise InputError("no picture to describe was given")
        if self.descriptor == FISHER and self._mixture is None:
            raise InputError("this model has not been fitted; call fit(pictures, counts) first")
        one: Callable[[Picture], Floats] = gist if self.descriptor == GIST else self._fisher_vector
        return np.stack([one(picture) for picture in pictures])

    def _learn_mixture(self, pictures: Sequence[Picture]) -> None:
        from skimage.feature import learn_gmm

        descriptors = [d for d in (sift(p, self.keypoints) for p in pictures) if len(d)]
        if sum(map(len, descriptors)) < self.modes:
            raise InputError(f"{sum(map(len, descriptors))} keypoints in all pictures; {self.modes} or more are needed")
        gaussians = {"covariance_type": "diag", "random_state": self.seed, "reg_covar": 1e-4}
        self._mixture = learn_gmm(descriptors, n_modes=self.modes, gm_args=gaussians)  # type: ignore[no-untyped-call]

    def _fisher_vector(self, picture: Picture) -> Floats:
        from skimage.feature import fisher_vector

        descriptors = sift(picture, self.keypoints)
        if not len(descriptors):
            return np.zeros(self.modes * (1 + 2 * 128))
        vector = fisher_vector(descriptors, self._mixture, improved=True)  # type: ignore[no-untyped-call]
        return np.asarray(vector, dtype=np.float64)


def _histograms(counts: npt.ArrayLike, pictures: int) -> Floats:
    q = np.asarray(counts, dtype=np.float64)
    if q.ndim != 2 or len(q) != pictures:
        raise InputError(
            f"counts of shape {q.shape} for {counted(pictures, 'picture')}; (N, K), a row a picture, was expected"
        )
    total = q.sum(1, keepdims=True)
    wrong = np.flatnonzero(~((q >= 0).all(1) & np.isfinite(q).all(1) & (total[:, 0] > 0)))
    if len(wrong):
        raise InputError(f"{len(wrong)} of {len(q)} pictures have no votes, or not numbers: rows {wrong[:5].tolist()}")
    return np.asarray(q / total)


def gist(picture: Picture, scales: int = 4, orientations: int = 8, cells: int = 4, side: int = 128) -> Floats:
    """Compute the spatial envelope (Oliva & Torralba 2001): mean energy of Gabor filters in a grid of cells.

    Returns
    -------
    ndarray of float64
        Float64, (scales * orientations * cells * cells,).
    """
    grey = resize(picture, (side, side)).astype(np.float64) @ [0.299, 0.587, 0.114] / 255
    spectrum = np.fft.fft2(grey - grey.mean())
    energy = np.abs(np.fft.ifft2(spectrum * _gabor_bank(side, scales, orientations)))
    n = side // cells
    return np.asarray(energy.reshape(-1, cells, n, cells, n).mean((2, 4)).ravel())


def sift(picture: Picture, keypoints: int = 200, side: int = 256) -> Floats:
    """SIFT descriptors of a picture scaled to a longer side of ``side``: (n, 128), the ``keypoints`` strongest ones.

    Strength is what a keypoint was found by: the response of the scale-normalised Laplacian at its place and scale.
    """
    from skimage.feature import SIFT

    height, width = picture.shape[:2]
    scale = side / max(height, width)
    small = resize(picture, (max(32, round(height * scale)), max(32, round(width * scale))))
    grey = small.astype(np.float64) @ [0.299, 0.587, 0.114] / 255
    detector: Any = SIFT(upsampling=1)  # type: ignore[no-untyped-call]
    try:
        detector.detect_and_extract(grey)
    except RuntimeError:  # what scikit-image raises where a picture has no keypoint
        return np.zeros((0, 128))
    strongest = np.argsort(-_strength(grey, detector.keypoints, detector.sigmas), kind="stable")[:keypoints]
    return np.asarray(detector.descriptors[np.sort(strongest)], dtype=np.float64)


def _strength(grey: Floats, places: npt.NDArray[np.int64], sigmas: Floats) -> Floats:
    """Return the response at each keypoint (row, column), its scale rounded to one of three an octave."""
    from scipy.ndimage import gaussian_laplace

    levels = np.round(3 * np.log2(sigmas))
    responses = np.zeros(len(places))
    for level in np.unique(levels):
        sigma, here = 2 ** (level / 3), levels == level
        rows, columns = places[here].T
        responses[here] = np.abs(sigma**2 * gaussian_laplace(grey, sigma))[rows, columns]
    return responses


def _gabor_bank(side: int, scales: int, orientations: int) -> Floats:
    fy, fx = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    radius, angle = np.hypot(fx, fy), np.arctan2(fy, fx)
    bank = []
    for scale in range(scales):
        centre = 0.3 / 1.85**scale
        for k in range(orientations):
            turn = np.angle(np.exp(1j * (angle - np.pi * k / orientations)))
            bank.append(np.exp(-3.5 * (radius / centre - 1) ** 2 - np.pi * orientations**2 / 32 * turn**2))
    return np.stack(bank)
