"""Probes: a frozen network's features of a picture, and a convex head from them to the histogram of its ratings.

With a few hundred pictures this is the strong baseline: nothing but the head is learnt, its optimum is the only one,
and no number is drawn at random. ``probe-<model>`` is a probe of any model with a backbone, ``probe-timm:NAME`` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Floats
from gazekit.models.distribution import softmax

PREFIX = "probe-"
Head = Literal["softmax", "cdf"]
RIDGES = tuple(float(10.0**power) for power in np.arange(-4, 3.01, 0.5))
Solution = tuple[float, Floats, Floats]  # ridge, weights in the basis, bias
Matrix = npt.NDArray[np.floating]


class Probe(nn.Module):
    """A frozen trunk, its features pooled by mean and by maximum, and a head that is fitted and not trained.

    Parameters
    ----------
    trunk : nn.Module
        Gives features (N, ``features``) of normalised pictures; one with ``map``, its last features (N, C, h, w), gives
        their largest values besides.
    features : int
        Length of the vector, with the largest values.
    buckets : int
        K, the number of rating buckets.
    head : Head
        ``softmax``: logits, fitted by cross-entropy; ``cdf``: the K - 1 inner values of the cumulative distribution,
        fitted by their squared error, which is the squared EMD (r = 2), and made monotone.
    """

    def __init__(self, trunk: nn.Module, features: int, buckets: int, *, head: Head = "softmax") -> None:
        super().__init__()
        if head not in get_args(Head):
            raise unknown_name("head", head, get_args(Head))
        self.trunk = trunk.requires_grad_(False)
        self.kind = head
        self.head = nn.Linear(features, buckets if head == "softmax" else buckets - 1)
        self.readout = "trunk.map"
        self.trunk.eval()

    def train(self, mode: bool = True) -> Probe:
        """As usual, but the trunk stays in evaluation mode."""
        super().train(mode)
        self.trunk.eval()
        return self

    def features(self, pictures: Tensor) -> Tensor:
        """Features (N, D) of normalised pictures (N, 3, H, W)."""
        return pooled_features(self.trunk, pictures)

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised pictures (N, 3, H, W)."""
        values = self.head(self.features(pictures))
        return softmax(values) if self.kind == "softmax" else from_cdf(values)

    def set_head(self, fitted: FittedHead) -> None:
        """Take a fitted head."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(fitted.weight.T)))
            self.head.bias.copy_(torch.from_numpy(fitted.bias))


class FrozenFeatures(nn.Module):
    """A probe without its head, from normalised pictures to features: what `gazekit.models.Scorer` runs for them."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.trunk = probe.trunk
        self.mean, self.std = probe.mean, probe.std
        self.input_size = probe.input_size

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, D) of normalised pictures (N, 3, H, W)."""
        return pooled_features(self.trunk, pictures)


def pooled_features(trunk: nn.Module, pictures: Tensor) -> Tensor:
    """Compute the vector of a trunk and, where its last features lie on a grid, their largest values."""
    grid: list[Tensor] = []
    place = getattr(trunk, "map", None)
    if not isinstance(place, nn.Module):
        return trunk(pictures)  # type: ignore[no-any-return]
    handle = place.register_forward_hook(lambda module, inputs, output: grid.append(output))
    try:
        vector: Tensor = trunk(pictures)
    finally:
        handle.remove()
    return torch.cat([vector, grid[0].amax((2, 3))], 1) if grid else vector


def from_cdf(inner: Tensor) -> Tensor:
    """Make K probabilities of K - 1 inner values of a cumulative distribution, which need be none yet: (N, K)."""
    inner = inner.float().cummax(1).values.clamp(0, 1)
    ends = inner.new_zeros(len(inner), 1)
    return torch.diff(torch.cat([ends, inner, ends + 1], 1), dim=1)


@dataclass(frozen=True)
class FittedHead:
    """A head: ``weight`` (D, outputs), ``bias`` (outputs,), the ``ridge`` it was fitted with and its ``kind``."""

    weight: Floats
    bias: Floats
    ridge: float
    kind: Head

    def predict(self, features: Matrix) -> Floats:
        """Probabilities (N, K) of features (N, D)."""
        values = torch.from_numpy(features @ self.weight + self.bias)
        answer = torch.softmax(values, 1) if self.kind == "softmax" else from_cdf(values)
        return np.asarray(answer.numpy(), dtype=np.float64)


def fit_head(
    features: Matrix,
    truth: Matrix,
    validation: tuple[Matrix, Matrix],
    *,
    kind: Head = "softmax",
    ridges: Sequence[float] = RIDGES,
) -> FittedHead:
    """Fit a head at each ridge, and take the one whose mean EMD (r = 2) on other pictures is least.

    Features are standardised by the training pictures; the ridge is that of the standardised ones, in units of the mean
    of the Gram matrix's diagonal. The same input gives the same head to the last digit on a machine.

    Parameters
    ----------
    features : ndarray, shape (n, D)
        Of the training pictures.
    truth : ndarray, shape (n, K)
        Their distributions.
    validation : tuple of ndarray
        Features and distributions of other pictures.
    kind : Head
        See `Probe`.
    ridges : sequence of float
        To choose from.

    Raises
    ------
    InputError
        Fewer than two pictures to fit on, or none to choose the ridge by; features that are not numbers.
    """
    x, y = np.asarray(features, np.float64), np.asarray(truth, np.float64)
    other, other_truth = (np.asarray(array, np.float64) for array in validation)
    if len(x) < 2 or not len(other):
        raise InputError(
            f"{len(x)} pictures to fit a probe on and {len(other)} to choose its ridge by; 2 and 1 are needed"
        )
    if not (np.isfinite(x).all() and np.isfinite(other).all()):
        raise InputError("features that are not numbers: the weights of the network hold NaN, or overflow")
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-8, scale, np.inf)  # what never changes says nothing
    z = (x - mean) / scale
    values, vectors = np.linalg.eigh(z @ z.T)
    keep = values > values.max() * 1e-10
    values, vectors = values[keep], vectors[:, keep]
    unit = float(values.sum() / len(z))
    basis = z.T @ (vectors / np.sqrt(values))  # (D, r), orthonormal: the head lies in it
    inside, outside = vectors * np.sqrt(values), ((other - mean) / scale) @ basis
    solve = _cdf_path if kind == "cdf" else _softmax_path
    heads = []
    for ridge, weight, bias in solve(inside, values, y, [r * unit for r in ridges]):
        answer = FittedHead(weight, bias, ridge / unit, kind).predict(outside)
        heads.append((_emd(answer, other_truth), ridge / unit, weight, bias))
    _, ridge, weight, bias = min(heads, key=lambda head: head[0])
    full = (basis @ weight) / np.where(np.isfinite(scale), scale, 1)[:, None] * np.isfinite(scale)[:, None]
    return FittedHead(full, bias - mean @ full, ridge, kind)


def _emd(p: Floats, q: Floats) -> float:
    return float(np.sqrt(((p - q).cumsum(1) ** 2).mean(1)).mean())


def _cdf_path(
    inside: Floats, values: Floats, truth: Floats, ridges: Sequence[float]
) -> list[tuple[float, Floats, Floats]]:
    """Solve ridge regression of the inner cumulative values in closed form, for all ridges from one decomposition."""
    target = truth.cumsum(1)[:, :-1]
    bias = target.mean(0)
    projected = inside.T @ (target - bias)
    return [(ridge, projected / (values + ridge)[:, None], bias) for ridge in ridges]


def _softmax_path(inside: Floats, values: Floats, truth: Floats, ridges: Sequence[float]) -> list[Solution]:
    """Minimise cross-entropy and ridge by L-BFGS, from the largest ridge down, each begun where the last one ended."""
    x, y = torch.from_numpy(inside), torch.from_numpy(truth)
    weight = torch.zeros(x.shape[1], y.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.log(y.mean(0).clamp_min(1e-6)).requires_grad_()
    path = []
    for ridge in sorted(ridges, reverse=True):
        optimiser = torch.optim.LBFGS(
            [weight, bias], max_iter=100, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
        )

        def loss(ridge: float = ridge, optimiser: torch.optim.LBFGS = optimiser) -> float:
            optimiser.zero_grad()
            total = -(y * (x @ weight + bias).log_softmax(1)).sum() / len(y) + ridge / 2 / len(y) * (weight**2).sum()
            total.backward()  # type: ignore[no-untyped-call]
            return float(total.detach())

        with torch.enable_grad():
            optimiser.step(loss)  # type: ignore[no-untyped-call]
        path.append((ridge, weight.detach().numpy().copy(), bias.detach().numpy().copy()))
    return path
