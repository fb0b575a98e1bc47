"""Excitation backprop written out neuron by neuron (paper 2, Eqs. 2 and 3), as slow as it is plain.

Networks are lists of layers; `Residual`, `Joined` and `Gated` hold lists of their own. Everything is float64 and one
picture.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """branch(x) + shortcut(x)."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.shortcut(x)


class Joined(nn.Module):
    """Both branches, channel after channel."""

    def __init__(self, first: nn.Sequential, second: nn.Sequential) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.first(x), self.second(x)], 1)


class Gated(nn.Module):
    """trunk(x) times 1 + a mask of x, as a Residual Attention Network joins them."""

    def __init__(self, trunk: nn.Sequential, mask: nn.Sequential) -> None:
        super().__init__()
        self.trunk, self.mask = trunk, mask

    def forward(self, x: Tensor) -> Tensor:
        return self.trunk(x) * (1 + torch.sigmoid(self.mask(x)))


class Enlarged(nn.Module):
    """Bilinear interpolation to a height and width."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, size=self.size, mode="bilinear", align_corners=False)


class Mean(nn.Module):
    """The mean over the picture."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def winning(layers: nn.Sequential, picture: Tensor, target: int) -> np.ndarray:
    """P of every value of the picture, (C, h, w), for a class."""
    x = picture.numpy()
    steps = _forward(list(layers), x)
    p = np.zeros(steps[-1][2].shape)
    p[target] = 1.0
    return _down(steps, p)


def _forward(layers: list[nn.Module], x: np.ndarray) -> list[tuple[nn.Module, np.ndarray, np.ndarray]]:
    steps = []
    for layer in layers:
        with torch.no_grad():
            y = layer(torch.from_numpy(x)[None])[0].numpy()
        steps.append((layer, x, y))
        x = y
    return steps


def _down(steps: list[tuple[nn.Module, np.ndarray, np.ndarray]], p: np.ndarray) -> np.ndarray:
    for layer, x, _ in reversed(steps):
        p = _through(layer, x, p)
    return p


def _through(layer: nn.Module, x: np.ndarray, p: np.ndarray) -> np.ndarray:
    if isinstance(layer, nn.ReLU | nn.ReLU6 | nn.BatchNorm2d | nn.Identity | nn.Softmax):
        return p
    if isinstance(layer, nn.Flatten):
        return p.reshape(x.shape)
    if isinstance(layer, nn.MaxPool2d):
        return _winners(layer, x, p)
    if isinstance(layer, Residual):
        a, b = _forward(list(layer.branch), x), _forward(list(layer.shortcut), x)
        ya, yb = (np.maximum(s[-1][2] if s else x, 0) for s in (a, b))
        share = np.array([u / (u + v) if u + v > 0 else 0.5 for u, v in zip(ya.ravel(), yb.ravel(), strict=True)])
        share = share.reshape(p.shape)
        return _down(a, p * share) + _down(b, p * (1 - share))
    if isinstance(layer, Joined):
        a, b = _forward(list(layer.first), x), _forward(list(layer.second), x)
        cut = len(a[-1][2])
        return _down(a, p[:cut]) + _down(b, p[cut:])
    if isinstance(layer, Gated):  # the mask weighs responses and sends nothing down itself
        return _down(_forward(list(layer.trunk), x), p)
    return conditional(layer, x, p)


def conditional(layer: nn.Module, x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Eq. 3: P(a_i | a_j) = Z_j a_i w_ij for w_ij >= 0; Eq. 2 sums over the parents a_j."""
    response = np.maximum(x, 0)
    found = np.zeros_like(response)
    for j in np.ndindex(p.shape):
        links = [(i, response[i] * w) for i, w in _links(layer, x.shape, j) if w >= 0]
        z = sum(value for _, value in links)
        for i, value in links:
            if z > 0:
                found[i] += value / z * p[j]
    return _kept(found, response, p.sum())


def _kept(found: np.ndarray, response: np.ndarray, mass: float) -> np.ndarray:
    """What neurons without evidence would lose goes to the others; where all are, to the positive responses, or all."""
    if mass == 0:
        return found
    if found.sum() > 0:
        return found * mass / found.sum()
    spread = response if response.sum() > 0 else np.ones_like(response)
    return spread * mass / spread.sum()


def _links(layer: nn.Module, shape: tuple[int, ...], j: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    if isinstance(layer, nn.Linear):
        row = layer.weight.detach().numpy()[j[0]]
        return [((i,), float(row[i])) for i in range(shape[0])]
    if isinstance(layer, Enlarged):
        rows, columns = (_neighbours(j[k + 1], shape[k + 1], layer.size[k]) for k in (0, 1))
        return [((j[0], a, b), u * v) for a, u in rows for b, v in columns]
    if isinstance(layer, nn.AdaptiveAvgPool2d | Mean):
        return [((j[0], a, b), 1.0) for a in range(shape[1]) for b in range(shape[2])]
    if isinstance(layer, nn.AvgPool2d):
        k, s, pad = int(layer.kernel_size), int(layer.stride), int(layer.padding)
        cells = [(j[1] * s + a - pad, j[2] * s + b - pad) for a in range(k) for b in range(k)]
        return [((j[0], a, b), 1.0) for a, b in cells if 0 <= a < shape[1] and 0 <= b < shape[2]]
    assert isinstance(layer, nn.Conv2d)
    weight = layer.weight.detach().numpy()
    each = weight.shape[1]
    first = j[0] // (weight.shape[0] // layer.groups) * each
    links = []
    for c in range(each):
        for u in range(weight.shape[2]):
            for v in range(weight.shape[3]):
                a = j[1] * layer.stride[0] + u * layer.dilation[0] - int(layer.padding[0])
                b = j[2] * layer.stride[1] + v * layer.dilation[1] - int(layer.padding[1])
                if 0 <= a < shape[1] and 0 <= b < shape[2]:
                    links.append(((first + c, a, b), float(weight[j[0], c, u, v])))
    return links


def _neighbours(at: int, cells: int, size: int) -> list[tuple[int, float]]:
    """The two cells that an interpolated one lies between, and their weights."""
    place = max(0.0, (at + 0.5) * cells / size - 0.5)
    first, share = int(place), place - int(place)
    return [(first, 1 - share), (min(first + 1, cells - 1), share)]


def _winners(layer: nn.MaxPool2d, x: np.ndarray, p: np.ndarray) -> np.ndarray:
    k, s, pad = int(layer.kernel_size), int(layer.stride), int(layer.padding)
    found = np.zeros_like(x)
    for c, a, b in np.ndindex(p.shape):
        cells = [(a * s + u - pad, b * s + v - pad) for u in range(k) for v in range(k)]
        inside = [(u, v) for u, v in cells if 0 <= u < x.shape[1] and 0 <= v < x.shape[2]]
        best = max(inside, key=lambda at: x[c, at[0], at[1]])
        found[c, best[0], best[1]] += p[c, a, b]
    return found
