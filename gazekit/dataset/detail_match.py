"""Controls of equal detail: of many places that a control may take, the one that shows as much detail as people's."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import h5py
import numpy as np

from gazekit.core.types import Floats, Mask
from gazekit.dataset.assemble import Small
from gazekit.dataset.detail import gradient
from gazekit.pictures import decode_picture
from gazekit.shapes.packed import grid_shape
from gazekit.shapes.rectangles import Box, integral_image

TRIES = 32  # places of a control that are compared
SIDE = 256  # pixels of the longer side at which detail is measured


class Details:
    """Mean gradients of a dataset's pictures, decoded from its parts when they are asked for."""

    def __init__(self, small: Small) -> None:
        self._small = small
        self._last: tuple[int, Floats] = (-1, np.zeros((0, 0)))
        self._ends = np.concatenate([[0], np.cumsum(small.bytes)])

    def of(self, i: int) -> Floats:
        """Return the gradient of a picture's luminance, made smaller to a longer side of 256 pixels."""
        if self._last[0] != i:
            part = int(np.searchsorted(self._small.first, i, side="right")) - 1
            start = int(self._ends[self._small.first[part]])
            with h5py.File(self._small.parts[part], "r") as file:
                encoded = file["image/encoded"][int(self._ends[i]) - start : int(self._ends[i + 1]) - start].tobytes()
            grey = cv2.cvtColor(decode_picture(encoded, self._small.ids[i]), cv2.COLOR_RGB2GRAY)
            height, width = grid_shape((grey.shape[0], grey.shape[1]), SIDE)
            small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
            self._last = i, gradient(small)
        return self._last[1]

    def nearest_boxes(self, i: int, people: Sequence[Box], tries: Sequence[Sequence[Box]]) -> int:
        """Return which of some sets of boxes shows as much detail as people's, as nearly as may be."""
        integral, size = integral_image(self.of(i)), self._small.size(i)
        wanted = _in_boxes(integral, people, size)
        return int(np.argmin([abs(_in_boxes(integral, boxes, size) - wanted) for boxes in tries]))

    def nearest_region(self, i: int, people: Mask, tries: Sequence[Mask]) -> int:
        """Return which of some regions shows as much detail as people's, as nearly as may be."""
        height, width = people.shape
        cells = cv2.resize(self.of(i), (width, height), interpolation=cv2.INTER_AREA)
        wanted = float(cells[people].sum())
        return int(np.argmin([abs(float(cells[region].sum()) - wanted) for region in tries]))


def _in_boxes(integral: Floats, boxes: Sequence[Box], size: tuple[int, int]) -> float:
    """Return the gradients summed over boxes of a picture of a size, of their area to the pixel."""
    height, width = (side - 1 for side in integral.shape)
    edges = np.rint(np.array(boxes) * np.array([height / size[0], width / size[1]] * 2)).astype(np.int64)
    top, left, bottom, right = edges.T
    held = integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
    return float((held / np.maximum((bottom - top) * (right - left), 1)) @ _areas(boxes))


def _areas(boxes: Sequence[Box]) -> Floats:
    return np.array([(bottom - top) * (right - left) for top, left, bottom, right in boxes], dtype=np.float64)
