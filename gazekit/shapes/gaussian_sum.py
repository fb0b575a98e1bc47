"""Maps that are sums of Gaussians: what boxes of them hold in closed form, so that no map of the picture is made.

A map of K fixations is a sum of K separable Gaussians, and so is what it holds above and to the left of any corner of
pixels. For m rows and n columns of corners that is one matrix product (m x K)(K x n), exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Floats, Index, Map

Edges = npt.NDArray[np.integer[Any]] | Floats
Box = tuple[int, int, int, int]  # top, left, bottom, right; half open
_BAND, _WIDE = 64, 1024  # rows and columns of the map that are made together


@dataclass(frozen=True)
class GaussianSum:
    """A map of mass 1: sampled Gaussians of one width at pixels; what falls off the picture is lost.

    Attributes
    ----------
    row, column : ndarray of int64, shape (K,)
        Pixels at which they stand.
    weight : ndarray, shape (K,)
        What each weighs, 0 or more; of any sum.
    kernel : ndarray, shape (2 r + 1,)
        The sampled Gaussian, sum 1.
    size : (int, int)
        Height and width of the picture.
    """

    row: Index
    column: Index
    weight: Floats
    kernel: Floats
    size: tuple[int, int]

    def integral(self, rows: Edges, columns: Edges) -> Floats:
        """Return the mass above and to the left of corners between pixels, (len(rows), len(columns))."""
        return np.asarray((self._before(rows, 0) * self._shares) @ self._before(columns, 1).T)

    def cells(self, rows: Edges, columns: Edges) -> Floats:
        """Return the mass of the cells of a grid with these edges, (len(rows) - 1, len(columns) - 1)."""
        down, across = (np.diff(self._before(edges, axis), axis=0) for axis, edges in enumerate((rows, columns)))
        return np.asarray((down * self._shares) @ across.T)

    def grid(self, shape: tuple[int, int]) -> Floats:
        """Return the mass of the cells of a grid of a shape that lies over the picture; edges may cut pixels."""
        down, across = (
            np.arange(n + 1, dtype=np.float64) * (side / n) for n, side in zip(shape, self.size, strict=True)
        )
        return self.cells(down, across)

    def boxes(self, rows: Edges, columns: Edges, shape: tuple[int, int]) -> Floats:
        """Return the mass of boxes of a shape at all these rows and columns; what leaves the picture counts nothing."""
        down, across = (
            self._before(np.minimum(first + shape[axis], self.size[axis]), axis) - self._before(first, axis)
            for axis, first in enumerate((rows, columns))
        )
        return np.asarray((down * self._shares) @ across.T)

    def pixels(self, box: Box, block: int = 1) -> Map:
        """Return the map's pixels in a box, or the mass of squares of ``block`` pixels, in single precision."""
        top, left, bottom, right = box
        radius = len(self.kernel) // 2
        order = np.argsort(self.row, kind="stable")  # a band of rows is then made of neighbours
        row, column, shares = self.row[order], self.column[order], self._shares[order].astype(np.float32)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        starts = starts if 2 * len(starts) < len(row) else np.arange(len(row))  # many on few rows are added up first
        lines = row[starts]
        squares = np.convolve(self.kernel, np.ones(block))  # mass of the kernel in a square that ends at a pixel
        padded = np.concatenate([[0.0], squares, [0.0]]).astype(np.float32)
        rows, columns = np.arange(top, bottom, block), np.arange(left, right, block)
        result = np.empty((len(rows), len(columns)), dtype=np.float32)
        for start in range(0, len(columns), _WIDE):
            some = columns[start : start + _WIDE]
            across = np.take(padded, some + block - (column - radius)[:, None], mode="clip")
            across *= shares[:, None]
            across = across if len(starts) == len(order) else np.add.reduceat(across, starts, axis=0)
            for first in range(0, len(rows), _BAND):
                band = rows[first : first + _BAND]
                near = slice(*np.searchsorted(lines, [band[0] - radius, band[-1] + block + radius]))
                down = np.take(padded, band[:, None] + block - (lines[near] - radius), mode="clip")
                np.matmul(down, across[near], out=result[first : first + _BAND, start : start + _WIDE])
        return result

    @cached_property
    def _reach(self) -> Floats:
        """Mass of the kernel before each of its pixels."""
        return np.concatenate([[0.0], np.cumsum(self.kernel)])

    @cached_property
    def _shares(self) -> Floats:
        """The weights, so that the picture's mass is 1."""
        down, across = (self._before_pixels(np.array([side]), axis)[0] for axis, side in enumerate(self.size))
        return np.asarray(self.weight / float((self.weight * down * across).sum()))

    def _before(self, edges: Edges, axis: int) -> Floats:
        """Return what of each Gaussian lies on the picture before some places along an axis, (n, K)."""
        if edges.dtype.kind == "i":
            return self._before_pixels(edges, axis)
        whole = np.floor(edges).astype(np.int64)
        held = self._before_pixels(whole, axis)
        return held + (edges - whole)[:, None] * (self._before_pixels(whole + 1, axis) - held)

    def _before_pixels(self, edges: npt.NDArray[Any], axis: int) -> Floats:
        """Return the same before the first edge of pixels."""
        first = (self.row, self.column)[axis] - len(self.kernel) // 2
        held: Floats = np.take(self._reach, edges[:, None] - first, mode="clip")
        held -= np.take(self._reach, -first, mode="clip")
        return held
