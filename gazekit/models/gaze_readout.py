"""Predicted attention: a convex read-out of a frozen network's features, fitted to where a lab's people looked.

The logarithm of the density of fixations on the grid of a picture is a linear function of the features of all depths
and of a quadratic centre bias, and the density sums to 1 over the picture. Its likelihood has one maximum. The ridge
on the features, and the blur of the density, are those that predict other pictures best; nothing else is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from gazekit.attention.viewings import Viewing
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import existing_file, whole_file
from gazekit.core.progress import track
from gazekit.core.types import Map, Pixels
from gazekit.models.dense_features import SCALES, Depths, dense_features
from gazekit.models.registry import create

SCHEMA = "gazekit.attention-model/1"
RIDGES = (30.0, 10.0, 4.0, 1.5, 0.5, 0.15, 0.05, 0.015, 0.005)
BLURS = (0.0, 0.7, 1.2)  # cells
BACKBONE = "timm:tf_efficientnet_lite0"
LONGER = 640
ANYWHERE = 0.005  # share of an even density in a predicted map
AXES = 64  # of a depth's channels, on which the fit is done
SAMPLED = 15_000  # cells of all pictures by which the axes are found
Grid = npt.NDArray[np.float32]


@dataclass
class Readout:
    """The weights of a read-out.

    Attributes
    ----------
    weights : list of Tensor
        A weight a channel, for each depth.
    means, scales : list of Tensor
        Mean and standard deviation of every channel, which features are standardised by.
    centre : Tensor
        Weights of x, y, x squared, y squared and x y, each from -1 to 1 over the picture.
    blur : float
        Sigma of the Gaussian that blurs the density, cells of the grid.
    """

    weights: list[Tensor]
    means: list[Tensor]
    scales: list[Tensor]
    centre: Tensor
    blur: float = 0.0

    def log_density(self, features: Depths, cells: tuple[int, int]) -> Grid:
        """Return the logarithm of the density on the grid of one picture, (h, w)."""
        standardised = zip(features, self.means, self.scales, strict=True)
        depths = [(depth.float() - mean[:, None, None]) / scale[:, None, None] for depth, mean, scale in standardised]
        stack = _Stack([depth[:, None] for depth in depths], torch.zeros(1, *cells))
        density = stack.logits(self.weights, self.centre).flatten(1).softmax(1).reshape(cells).numpy()
        if self.blur:
            density = gaussian_filter(density, self.blur, mode="nearest")
        return np.asarray(np.log(np.maximum(density / density.sum(), 1e-12)), dtype=np.float32)


NOTHING = Readout([], [], [], torch.zeros(5))  # of a model that is not fitted yet


@dataclass
class AttentionModel:
    """A frozen network and a read-out of it.

    Attributes
    ----------
    backbone : str
        Its name among `gazekit.models`.
    network : nn.Module
        The network with its weights.
    longer : int
        Longer side at which it sees pictures; pixels.
    readout : Readout
        What was fitted.
    facts : mapping
        What it was fitted on, and how well it predicts.
    scales, widened : tuple of float, bool
        What the side is multiplied by, and what is read; see `gazekit.models.dense_features.dense_features`.
    """

    backbone: str
    network: nn.Module
    longer: int
    readout: Readout
    facts: Mapping[str, Any] = field(default_factory=dict)
    scales: tuple[float, ...] = SCALES
    widened: bool = True

    def map(self, picture: Pixels) -> Map:
        """Predict where people look: float32, of the picture's height and width, sum 1."""
        (features,) = dense_features(self.network, [picture], self.longer, self.scales, self.widened)
        log_density = self.readout.log_density(features, grid_of(features))
        return picture_map(log_density, (picture.shape[0], picture.shape[1]))

    def save(self, path: str | Path) -> None:
        """Write the model with its network's weights, whole or not at all."""
        content = {
            "schema": SCHEMA, "backbone": self.backbone, "longer": self.longer, "facts": dict(self.facts),
            "mean": list(self.network.mean), "std": list(self.network.std),  # type: ignore[arg-type]
            "network": self.network.state_dict(), "readout": vars(self.readout), "scales": list(self.scales),
            "widened": self.widened,
        }  # fmt: skip
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            torch.save(content, file)


def load_attention_model(path: str | Path) -> AttentionModel:
    """Read a model of `AttentionModel.save`; nothing in the file is executed.

    Raises
    ------
    InputError, FormatError
        No such file; another kind of file, or a damaged one.
    """
    path = existing_file(path, "attention model")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no checkpoint makes an unpickler raise anything
        raise FormatError(f"{path} is not a file of gazekit attention-model fit, or is damaged") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise FormatError(f"{path} is not a file of gazekit attention-model fit ({SCHEMA})")
    try:
        network = create(content["backbone"], 2)
        network.load_state_dict(content["network"])
        network.mean, network.std = tuple(content["mean"]), tuple(content["std"])  # type: ignore[assignment]
        readout = Readout(**content["readout"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise FormatError(
            f"{path} lacks a part of what gazekit attention-model fit writes, or has another network's weights: {error}"
        ) from error
    older = "scales" not in content  # such files saw a picture once, and read less of it
    return AttentionModel(
        content["backbone"],
        network.eval(),
        content["longer"],
        readout,
        content["facts"],
        (1.0,) if older else tuple(content["scales"]),
        not older and content["widened"],
    )


@dataclass(frozen=True)
class Fitted:
    """A read-out, and what it predicts for each picture without having seen it.

    Attributes
    ----------
    readout, bias : Readout
        Fitted on all pictures; of the centre bias alone.
    maps : list of ndarray
        Logarithm of the predicted density of every picture, from a fit without it and those of its fold.
    centre : list of ndarray
        Likewise of the centre bias alone.
    ridge : float
        The chosen penalty.
    """

    readout: Readout
    bias: Readout
    maps: list[Grid]
    centre: list[Grid]
    ridge: float


def grid_of(features: Depths) -> tuple[int, int]:
    """Return height and width of the grid, that of the finest depth."""
    return int(features[0].shape[1]), int(features[0].shape[2])


def looked_at(viewing: Viewing, cells: tuple[int, int]) -> Tensor:
    """Return the share of the fixations on a picture that lie in each cell of its grid, (h, w)."""
    inside = viewing.inside
    height, width = viewing.size
    rows = np.floor(viewing.y[inside] * cells[0] / height).astype(int)
    columns = np.floor(viewing.x[inside] * cells[1] / width).astype(int)
    counts = np.zeros(cells, dtype=np.float32)
    np.add.at(counts, (rows, columns), 1)
    if not counts.any():
        raise InputError(f"no fixation lies on {viewing.image}")
    return torch.from_numpy(counts / counts.sum())


def own_attention(features: Depths) -> Grid:
    """Return the logarithm of a network's own attention on its grid: how strongly its last features respond."""
    strength = features[-1].float().clamp_min(0).mean(0)[None, None]
    even = F.interpolate(strength, size=grid_of(features), mode="bilinear")[0, 0] + 1e-6
    return np.asarray(torch.log(even / even.sum()).numpy(), dtype=np.float32)


def picture_map(log_density: Grid, size: tuple[int, int]) -> Map:
    """Interpolate a predicted density to a picture of (height, width), sum 1; nowhere is it nearly 0.

    Somebody looks anywhere now and then, and a map that is kept as 16 bits would be 0 there.
    """
    large = np.exp(cv2.resize(log_density, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float64))
    return np.asarray((1 - ANYWHERE) * large / large.sum() + ANYWHERE / large.size, dtype=np.float32)


def fit_readout(
    features: Sequence[Depths],
    targets: Sequence[Tensor],
    *,
    folds: int = 10,
    seed: int = 0,
    steps: int = 15,
    groups: Sequence[int] | None = None,
) -> Fitted:
    """Fit a read-out, cross-validated over pictures.

    Parameters
    ----------
    features : sequence of list of Tensor
        Of each picture, as `gazekit.models.dense_features.dense_features` gives them.
    targets : sequence of Tensor
        Of each picture, as `looked_at` gives it.
    folds : int
        Parts that the pictures are dealt to; each is predicted from the others.
    seed : int
        Of the deal.
    steps : int
        Most steps of L-BFGS at each ridge.
    groups : sequence of int, optional
        From 0, the group of each picture: pictures of one, as copies, are in one fold; else each is its own.

    Raises
    ------
    InputError
        Fewer than four groups, or more folds than groups.
    """
    group = np.arange(len(features)) if groups is None else np.asarray(groups)
    count = len(np.unique(group))
    if count < max(4, folds) or folds < 2:
        raise InputError(
            f"people looked at {counted(count, 'different picture')}; 4 and a picture a fold ({folds}) are the least"
        )
    of_group = np.empty(count, dtype=int)
    of_group[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    fold = of_group[group]
    scores = np.full((len(features), len(RIDGES), len(BLURS)), -np.inf)
    grids: list[dict[int, Grid]] = [{} for _ in features]
    centre: list[Grid] = [np.zeros((1, 1), np.float32) for _ in features]
    whole = _Pictures(features, targets)
    for k in track(range(folds), "folds of the read-out", folds):
        problem, test = _Problem(whole.stacks(fold != k), int((fold != k).sum())), np.flatnonzero(fold == k)
        for i, grid in whole.log_densities(fold == k, problem.centre_alone(steps)):
            centre[i] = grid
        for number, weights in enumerate(problem.path(steps)):
            for i, grid in whole.log_densities(fold == k, weights):
                grids[i][number] = grid
                for b, blur in enumerate(BLURS):
                    scores[i, number, b] = float((targets[i].numpy() * blurred(grid, blur)).sum())
            if _falls(scores[test, : number + 1].mean(0).max(1)):
                break
    maps: list[Grid] = []
    for i in range(len(features)):  # chosen by the pictures of the other folds, among the ridges that its own came to
        number, b = _best(scores[fold != fold[i], : len(grids[i])])
        maps.append(blurred(grids[i][number], BLURS[b]))
    number, b = _best(scores)
    problem = _Problem(whole.stacks(fold >= 0), len(fold))
    *_, last = problem.path(steps, RIDGES[: number + 1])
    bias = whole.readout(problem.centre_alone(steps), 0.0)
    return Fitted(whole.readout(last, BLURS[b]), bias, maps, centre, RIDGES[number])


def _falls(scores: npt.NDArray[np.float64]) -> bool:
    """Whether the last two ridges predict worse than one before them, each worse than the one before it."""
    return len(scores) > 2 and bool(scores[-1] < scores[-2] < scores[-3])


def _best(scores: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the place of the ridge and of the blur with the highest mean over pictures."""
    number, b = np.unravel_index(int(scores.mean(0).argmax()), scores.shape[1:])
    return int(number), int(b)


def blurred(log_density: Grid, sigma: float) -> Grid:
    """Blur a density given by its logarithm; sigma in cells."""
    if not sigma:
        return log_density
    density = gaussian_filter(np.exp(log_density), sigma, mode="nearest")
    return np.asarray(np.log(np.maximum(density / density.sum(), 1e-12)), dtype=np.float32)


@dataclass(frozen=True)
class _Weights:
    """Weights of every depth on its axes, and of the centre bias."""

    depths: list[Tensor]
    centre: Tensor


class _Stack:
    """Pictures of one grid: every depth (C, N, h, w), so that logits are one product a depth, and targets (N, H, W)."""

    def __init__(self, depths: list[Tensor], targets: Tensor) -> None:
        self.depths, self.targets = depths, targets
        rows, columns = (torch.arange(side) * 2.0 / side + 1.0 / side - 1 for side in targets.shape[1:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        self.centre = torch.stack([x, y, x * x, y * y, x * y])

    def logits(self, weights: Sequence[Tensor], centre: Tensor) -> Tensor:
        """Return (N, H, W), or (1, H, W) without depths."""
        logits = torch.einsum("chw,c->hw", self.centre, centre)[None]
        for depth, weight in zip(self.depths, weights, strict=False):
            seen = (weight @ depth.flatten(1)).reshape(depth.shape[1:])
            if seen.shape[1:] != self.targets.shape[1:]:
                seen = F.interpolate(seen[:, None], size=self.targets.shape[1:], mode="bilinear")[:, 0]
            logits = logits + seen
        return logits


class _Pictures:
    """All pictures of a fit, their features standardised and on the axes along which they vary most.

    The axes are orthonormal, so that the ridge on weights of axes is that on weights of channels. No fixation has a
    part in them.
    """

    def __init__(self, features: Sequence[Depths], targets: Sequence[Tensor]) -> None:
        self.means, self.scales, self.axes = zip(*map(_axes, zip(*features, strict=True)), strict=True)
        groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for i, depths in enumerate(features):
            groups.setdefault(tuple(tuple(seen.shape[1:]) for seen in depths), []).append(i)
        self.groups = [
            (
                np.array(members),
                _Stack(
                    [self._reduced([features[i][d] for i in members], d) for d in range(len(self.axes))],
                    torch.stack([targets[i] for i in members]),
                ),
            )
            for members in groups.values()
        ]

    def _reduced(self, depth: Sequence[Tensor], d: int) -> Tensor:
        """Return (axes, N, h, w) of channels (C, h, w) of each picture."""
        onto = (self.axes[d] / self.scales[d][:, None]).T
        shift = (onto @ self.means[d])[:, None]
        reduced = torch.empty(len(onto), len(depth), *depth[0].shape[1:])
        for i, seen in enumerate(depth):
            reduced[:, i] = (onto @ seen.float().flatten(1) - shift).unflatten(1, seen.shape[1:])
        return reduced

    def stacks(self, chosen: npt.NDArray[np.bool_]) -> list[_Stack]:
        """Return some of the pictures."""
        parts = [(torch.from_numpy(np.flatnonzero(chosen[members])), stack) for members, stack in self.groups]
        return [_Stack([d[:, rows] for d in stack.depths], stack.targets[rows]) for rows, stack in parts if len(rows)]

    def log_densities(self, chosen: npt.NDArray[np.bool_], weights: _Weights) -> Iterator[tuple[int, Grid]]:
        """Yield the number of each chosen picture and the logarithm of its density."""
        for (members, _), stack in zip(self._with(chosen), self.stacks(chosen), strict=True):
            logits = stack.logits(weights.depths, weights.centre).expand_as(stack.targets)
            found = logits.flatten(1).log_softmax(1).reshape(stack.targets.shape).numpy()
            yield from zip(members[chosen[members]].tolist(), found, strict=True)

    def _with(self, chosen: npt.NDArray[np.bool_]) -> list[tuple[npt.NDArray[np.int64], _Stack]]:
        return [(members, stack) for members, stack in self.groups if chosen[members].any()]

    def readout(self, weights: _Weights, blur: float) -> Readout:
        """Return a read-out of channels; without weights of depths, that of the centre bias."""
        depths = weights.depths or [torch.zeros(axes.shape[1]) for axes in self.axes]
        channels = [axes @ weight for axes, weight in zip(self.axes, depths, strict=True)]
        return Readout(channels, list(self.means), list(self.scales), weights.centre, blur)


def _axes(depth: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and standard deviation of every channel, and at most ``AXES`` principal axes, (C, axes)."""
    every = max(1, sum(seen[0].numel() for seen in depth) // SAMPLED)
    cells = torch.cat([seen.float().flatten(1)[:, i % every :: every] for i, seen in enumerate(depth)], 1)
    mean, scale = cells.mean(1), cells.std(1).clamp_min(1e-3)
    if len(mean) <= AXES:
        return mean, scale, torch.eye(len(mean))
    cells = cells.sub_(mean[:, None]).div_(scale[:, None])
    if AXES < cells.shape[1] < len(cells):  # of few pictures: the same axes from the smaller matrix
        values, vectors = torch.linalg.eigh(cells.T @ cells)
        return mean, scale, (cells @ vectors[:, -AXES:]) / values[-AXES:].clamp_min(1e-6).sqrt()
    return mean, scale, torch.linalg.eigh(cells @ cells.T).eigenvectors[:, -AXES:].contiguous()


class _Problem:
    """The likelihood of a set of pictures, and its maximum at each ridge."""

    def __init__(self, stacks: Sequence[_Stack], count: int) -> None:
        self.stacks, self.count = stacks, count

    def path(self, steps: int, ridges: Sequence[float] = RIDGES) -> Iterator[_Weights]:
        """Yield the weights of falling ridges, each begun where the one before it ended."""
        free = [*(torch.zeros(len(depth)) for depth in self.stacks[0].depths), torch.zeros(5)]
        for ridge in ridges:
            free = self._maximum(free, steps, ridge)
            yield _Weights(free[:-1], free[-1])

    def centre_alone(self, steps: int) -> _Weights:
        """Return the weights of the centre bias alone."""
        return _Weights([], self._maximum([torch.zeros(5)], steps, 0.0)[0])

    def _maximum(self, start: Sequence[Tensor], steps: int, ridge: float) -> list[Tensor]:
        free = [value.clone().requires_grad_() for value in start]
        optimiser = torch.optim.LBFGS(
            free,
            max_iter=steps,
            history_size=20,
            tolerance_grad=1e-5,
            tolerance_change=1e-4,  # nats a fixation
            line_search_fn="strong_wolfe",
        )

        def loss() -> float:
            optimiser.zero_grad()
            total = torch.zeros(())
            for stack in self.stacks:
                wide = stack.logits(free[:-1], free[-1]).expand_as(stack.targets).flatten(1)
                total = total - (stack.targets.flatten(1) * wide.log_softmax(1)).sum() / self.count
            total = total + ridge / 2 * sum((weight**2).sum() for weight in free[:-1])
            total.backward()  # type: ignore[no-untyped-call]
            return float(total.detach())

        with torch.enable_grad():
            optimiser.step(loss)  # type: ignore[no-untyped-call]
        return [value.detach() for value in free]
