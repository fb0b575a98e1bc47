"""A condition: a rectangle of people's area at the left edge, a control for where people did not choose to look."""

from collections.abc import Sequence

import numpy as np

from gazekit.conditions import Condition, MaskTask
from gazekit.core.types import Mask
from gazekit.shapes.rectangles import Box


class LeftHalf(Condition):
    """As much as people's mask keeps, at the left edge and of the picture's whole height."""

    name = "left-half"
    label = "Left edge"
    keeps = "the left edge of the picture"
    sentence = "the left edge is kept, same area"

    def rectangle(self, task: MaskTask) -> Box:
        """Return the rectangle at the left edge."""
        height, width = task.size
        return 0, 0, height, max(1, min(width, round(task.area / height)))

    def patches(self, task: MaskTask) -> Sequence[Box]:
        """Return one rectangle of the area of all patches."""
        return [self.rectangle(task)]

    def region(self, task: MaskTask) -> Mask:
        """Return the leftmost pixels of the grid."""
        height, width = task.grid
        order = np.arange(height * width).reshape(width, height).T  # counted down the columns
        return np.asarray(order < task.area)
