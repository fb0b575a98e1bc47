"""Probes: a frozen network's features of a picture, and a convex head from them to the histogram of its ratings.

With a few hundred pictures this is the strong baseline: nothing but the head is learnt, its optimum is the only one,
and no number is drawn at random. ``probe-<model>`` is a probe of any model with a backbone, ``probe-timm:NAME`` too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Floats
from gazekit.models.cells import cells_of, pooled_cells
from gazekit.models.distribution import softmax

PREFIX = "probe-"
Head = Literal["softmax", "cdf", "cumulative"]
Depths = Literal["last", "all"]
Choice = Literal["validation", "left-out"]
RIDGES = tuple(float(10.0**power) for power in np.arange(-4, 3.01, 0.5))
Solution = tuple[float, Floats, Floats]  # ridge, weights in the basis, bias
Matrix = npt.NDArray[np.floating]
_WORSE = 4  # ridges, one worse than the one before, after which no smaller one is tried
_FLAT = 1e-5  # slope at which a fit ends, in units in which the curvature is about 1


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
        fitted by their squared error, which is the squared EMD (r = 2), and made monotone; ``cumulative``: one score a
        picture and K - 1 thresholds of it (McCullagh's cumulative link, logit), fitted by cross-entropy.
    stages : sequence of str
        Paths of further layers of the trunk, whose mean and standard deviation over the picture are features as well.
    groups : sequence of int
        How many features come of each depth, see `fit_head`; of one depth, none need be given.
    ridge : Choice
        How the strength is chosen, see `fit_head`.
    cells : bool
        Read the mean and the largest values of the last features by place (`gazekit.models.cells`), which attention may
        weigh, and not the trunk's own vector.
    """

    def __init__(
        self,
        trunk: nn.Module,
        features: int,
        buckets: int,
        *,
        head: Head = "softmax",
        stages: Sequence[str] = (),
        groups: Sequence[int] = (),
        ridge: Choice = "validation",
        cells: bool = False,
    ) -> None:
        super().__init__()
        _check_choice(ridge, head)
        self.trunk = trunk.requires_grad_(False)
        if cells and stages:
            raise InputError("cells=true (and --apply pooling) reads the last features by place; leave depths=all out")
        self.stages, self.groups, self.ridge = tuple(stages), tuple(groups), ridge
        self.kind, self.cells = head, cells
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
        return probe_features(self.trunk, pictures, self.stages, self.cells)

    def attended_features(self, pictures: Tensor, weights: Tensor) -> Tensor:
        """Features (N, D) of normalised pictures, pooled with weights (N, H, W); of a probe of cells."""
        return pooled_cells(cells_of(self.trunk, pictures), weights)

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised pictures (N, 3, H, W)."""
        return probabilities(self.head(self.features(pictures)), self.kind)

    def set_head(self, fitted: FittedHead) -> None:
        """Take a fitted head."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(fitted.weight.T)))
            self.head.bias.copy_(torch.from_numpy(fitted.bias))


class FrozenFeatures(nn.Module):
    """A probe without its head, from normalised pictures to features: what `gazekit.models.Scorer` runs for them."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.trunk, self.stages, self.cells = probe.trunk, probe.stages, probe.cells
        self.mean, self.std = probe.mean, probe.std
        self.input_size = probe.input_size

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, D) of normalised pictures (N, 3, H, W)."""
        return probe_features(self.trunk, pictures, self.stages, self.cells)


def probe_features(trunk: nn.Module, pictures: Tensor, stages: Sequence[str] = (), cells: bool = False) -> Tensor:
    """Compute what the head of a probe reads, with even weights where it reads features by place."""
    return pooled_cells(cells_of(trunk, pictures)) if cells else pooled_features(trunk, pictures, stages)


def pooled_features(trunk: nn.Module, pictures: Tensor, stages: Sequence[str] = ()) -> Tensor:
    """Compute the vector of a trunk and, where its last features lie on a grid, their largest values.

    Of each of the ``stages`` mean and standard deviation over the picture come behind.
    """
    return torch.cat(features_by_depth(trunk, pictures, stages), 1)


def features_by_depth(trunk: nn.Module, pictures: Tensor, stages: Sequence[str] = ()) -> list[Tensor]:
    """Compute what `pooled_features` joins: (N, D) of the last features, and of each stage."""
    grids: dict[str, Tensor] = {}
    modules = dict(trunk.named_modules())
    paths = [*(["map"] if "map" in modules else []), *stages]
    handles = [modules[path].register_forward_hook(_keeper(grids, path)) for path in paths]
    try:
        vector: Tensor = trunk(pictures)
    finally:
        for handle in handles:
            handle.remove()
    parts = [torch.cat([vector, grids["map"].amax((2, 3))], 1) if "map" in grids else vector]
    for path in stages:
        cells = grids[path].flatten(2) if grids[path].ndim == 4 else grids[path].transpose(1, 2)  # (N, C, cells)
        parts.append(torch.cat([cells.mean(2), cells.std(2)], 1))
    return parts


def _keeper(grids: dict[str, Tensor], path: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        grids[path] = output

    return keep


def stages_of(trunk: nn.Module) -> list[str]:
    """Return the paths of a trunk's layers at which its picture gets smaller, from fine to coarse, as timm names them.

    Raises
    ------
    InputError
        The network does not say.
    """
    inside = "net." if hasattr(trunk, "net") else ""
    stated = getattr(getattr(trunk, "net", trunk), "feature_info", None) or []
    paths = [inside + str(stage["module"]) for stage in stated]
    modules = dict(trunk.named_modules())
    if not paths or not all(path in modules for path in paths):
        raise InputError("depths=all is for networks of timm that say which of their layers are stages; leave it out")
    return paths


def probabilities(values: Tensor, kind: Head) -> Tensor:
    """Make probabilities (N, K) of what the last layer of a head of a kind gives."""
    if kind == "softmax":
        return softmax(values)
    return from_cdf(torch.sigmoid(values) if kind == "cumulative" else values)


def from_cdf(inner: Tensor) -> Tensor:
    """Make K probabilities of K - 1 inner values of a cumulative distribution, which need be none yet: (N, K)."""
    rising = list(itertools.accumulate(inner.float().unbind(1), torch.maximum))  # cummax, which ONNX lacks
    values = torch.stack(rising, 1).clamp(0, 1)
    ends = torch.zeros_like(values[:, :1])
    values = torch.cat([ends, values, ends + 1], 1)
    return values[:, 1:] - values[:, :-1]


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
        answer = torch.softmax(values, 1) if self.kind == "softmax" else probabilities(values, self.kind)
        return np.asarray(answer.numpy(), dtype=np.float64)


def fit_head(
    features: Matrix,
    truth: Matrix,
    validation: tuple[Matrix, Matrix],
    *,
    kind: Head = "softmax",
    ridges: Sequence[float] = RIDGES,
    choice: Choice = "validation",
    groups: Sequence[int] = (),
) -> FittedHead:
    """Fit a head at each ridge, and take the one whose mean EMD (r = 2) on other pictures is least.

    Ridges fall, until one after the other predicted worse four times.

    With few pictures the few for validation say little of the ridge, and are missed in the fit: by ``left-out`` the
    head is fitted on all of both, and the ridge is the one that predicts each of them best from all others.

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
    choice : Choice
        ``validation``: by the validation pictures; ``left-out``: by leaving out each picture of both, ``cdf`` only.
    groups : sequence of int
        How many features are of each depth, one after the other: every depth then counts as much as another, whose
        features may be ten times as many.

    Raises
    ------
    InputError
        Fewer than two pictures to fit on, or none to choose the ridge by; features that are not numbers.
    """
    _check_choice(choice, kind)
    x, y = np.asarray(features, np.float64), np.asarray(truth, np.float64)
    other, other_truth = (np.asarray(array, np.float64) for array in validation)
    if len(x) < 2 or not len(other):
        raise InputError(
            f"{counted(len(x), 'picture')} to fit a probe on and {len(other)} to choose its ridge by; 2 and 1 "
            f"are needed"
        )
    if not (np.isfinite(x).all() and np.isfinite(other).all()):
        raise InputError("features that are not numbers: the weights of the network hold NaN, or overflow")
    if choice == "left-out":
        x, y = np.concatenate([x, other]), np.concatenate([y, other_truth])
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-8, scale, np.inf)  # what never changes says nothing
    if groups:
        scale = scale * np.sqrt(np.repeat(groups, groups))
    z = x - mean
    del x  # of very many pictures each copy is gigabytes
    z /= scale
    values, vectors, basis = _decomposed(z)
    unit = float(values.sum() / len(z))
    del z
    inside, outside = vectors * np.sqrt(values), ((other - mean) / scale) @ basis
    solve = {"cdf": _cdf_path, "softmax": _softmax_path, "cumulative": _cumulative_path}[kind]
    heads = []
    for ridge, weight, bias in solve(inside, values, y, [r * unit for r in ridges]):
        if choice == "left-out":
            error = _left_out_error(vectors, values, y, ridge)
        else:
            error = _emd(FittedHead(weight, bias, ridge / unit, kind).predict(outside), other_truth)
        heads.append((error, ridge / unit, weight, bias))
        errors = [head[0] for head in heads[-_WORSE - 1 :]]
        if len(errors) > _WORSE and all(b > a for a, b in itertools.pairwise(errors)):
            break
    _, ridge, weight, bias = min(heads, key=lambda head: head[0])
    full = (basis @ weight) / np.where(np.isfinite(scale), scale, 1)[:, None] * np.isfinite(scale)[:, None]
    return FittedHead(full, bias - mean @ full, ridge, kind)


def _decomposed(z: Floats) -> tuple[Floats, Floats, Floats]:
    """Return squared singular values (r,) of features (n, D), and both sides' vectors, (n, r) and (D, r).

    Of the smaller of both Gram matrices, so that neither many pictures nor many features are too many.
    """
    many = len(z) > z.shape[1]
    values, vectors = np.linalg.eigh(z.T @ z if many else z @ z.T)
    keep = values > values.max() * 1e-10
    values, vectors = values[keep], vectors[:, keep]
    others = (z if many else z.T) @ (vectors / np.sqrt(values))
    return (values, others, vectors) if many else (values, vectors, others)


def _emd(p: Floats, q: Floats) -> float:
    return float(np.sqrt(((p - q).cumsum(1) ** 2).mean(1)).mean())


def _left_out_error(vectors: Floats, values: Floats, truth: Floats, ridge: float) -> float:
    """Return the mean EMD of each picture predicted from all others, by the diagonal of the hat matrix."""
    target = truth.cumsum(1)[:, :-1]
    shrunk = vectors * (values / (values + ridge))
    residuals = target - target.mean(0) - shrunk @ (vectors.T @ target)
    own = 1 / len(target) + (shrunk * vectors).sum(1)
    return float(np.sqrt(((residuals / np.maximum(1 - own, 1e-9)[:, None]) ** 2).sum(1) / truth.shape[1]).mean())


def _check_choice(choice: str, kind: str) -> None:
    if choice == "left-out" and kind != "cdf":
        raise InputError(f"ridge=left-out is for head=cdf, which has a closed form; found head={kind}")


def _cdf_path(inside: Floats, values: Floats, truth: Floats, ridges: Sequence[float]) -> Iterator[Solution]:
    """Solve ridge regression of the inner cumulative values in closed form, for all ridges from one decomposition."""
    target = truth.cumsum(1)[:, :-1]
    bias = target.mean(0)
    projected = inside.T @ (target - bias)
    for ridge in sorted(ridges, reverse=True):
        yield ridge, projected / (values + ridge)[:, None], bias


def _softmax_path(inside: Floats, values: Floats, truth: Floats, ridges: Sequence[float]) -> Iterator[Solution]:
    """Minimise cross-entropy and ridge by L-BFGS, from the largest ridge down, each begun where the last one ended.

    The columns of the basis are orthogonal, so that the curvature is nearly diagonal; in units of it few steps do.
    """
    from scipy.optimize import minimize

    (count, length), buckets = inside.shape, truth.shape[1]
    weight, bias = np.zeros((length, buckets)), np.log(np.maximum(truth.mean(0), 1e-6))
    for ridge in sorted(ridges, reverse=True):
        curvature = np.append((values / buckets + ridge) / count, 1 / buckets)
        unit = 1 / np.sqrt(curvature)[:, None]

        def loss(flat: Floats, ridge: float = ridge, unit: Floats = unit) -> tuple[float, Floats]:
            free = flat.reshape(length + 1, buckets) * unit
            logits = inside @ free[:-1] + free[-1]
            logits -= logits.max(axis=1, keepdims=True)
            p = np.exp(logits)
            total = p.sum(axis=1, keepdims=True)
            p /= total
            penalty = ridge / count * free[:-1]
            error = (p - truth) / count
            slope = np.concatenate([inside.T @ error + penalty, error.sum(axis=0, keepdims=True)]) * unit
            entropy = (np.log(total).sum() - (truth * logits).sum()) / count
            return float(entropy + (penalty * free[:-1]).sum() / 2), slope.ravel()

        start = (np.concatenate([weight, bias[None]]) / unit).ravel()
        options = {"maxiter": 300, "maxcor": 10, "ftol": 0.0, "gtol": _FLAT}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x.reshape(-1, buckets) * unit
        weight, bias = found[:-1], found[-1]
        yield ridge, weight, bias


def _cumulative_path(inside: Floats, values: Floats, truth: Floats, ridges: Sequence[float]) -> Iterator[Solution]:
    """Likewise for one score and its thresholds, which lie a positive step apart; every threshold has one column."""
    x, y = torch.from_numpy(inside), torch.from_numpy(truth)
    weight = torch.zeros(x.shape[1], 1, dtype=torch.float64, requires_grad=True)
    first = torch.logit(y.mean(0).cumsum(0)[:-1].clamp(1e-4, 1 - 1e-4))
    steps = torch.cat([first[:1], torch.diff(first).clamp_min(1e-3).log()]).requires_grad_()

    def thresholds() -> Tensor:
        return torch.cat([steps[:1], steps[:1] + steps[1:].exp().cumsum(0)])

    def loss() -> Tensor:
        below = torch.sigmoid(thresholds() - x @ weight)
        ends = below.new_zeros(len(y), 1)
        return -(y * torch.diff(torch.cat([ends, below, ends + 1], 1)).clamp_min(1e-12).log()).sum() / len(y)

    for ridge in sorted(ridges, reverse=True):
        _descend([weight, steps], loss, ridge / len(y))
        columns = np.repeat(-weight.detach().numpy(), y.shape[1] - 1, axis=1)
        yield ridge, columns, thresholds().detach().numpy().copy()


def _descend(free: list[Tensor], loss: Callable[[], Tensor], ridge: float) -> None:
    """Minimise a loss and a ridge on the first of its parameters by L-BFGS."""
    optimiser = torch.optim.LBFGS(
        free, max_iter=100, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )

    def total() -> float:
        optimiser.zero_grad()
        value = loss() + ridge / 2 * (free[0] ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    with torch.enable_grad():
        optimiser.step(total)  # type: ignore[no-untyped-call]
