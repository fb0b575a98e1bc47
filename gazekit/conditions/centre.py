"""The centre prior: the middle of the picture."""

from __future__ import annotations

from collections.abc import Sequence

from gazekit.conditions.condition import Condition, MaskTask
from gazekit.core.types import Mask
from gazekit.shapes.centre import centre_rectangle, centre_region
from gazekit.shapes.rectangles import Box


class Centre(Condition):
    """One rectangle in the middle, of the picture's aspect ratio; of regions an ellipse."""

    name = "centre"
    label = "Centre"
    keeps = "the middle of the picture"
    sentence = "the middle is kept, same area"
    default = True
    rank = 3

    def rectangle(self, task: MaskTask) -> Box:
        """Return the rectangle in the middle."""
        return centre_rectangle(task.size, task.area)

    def patches(self, task: MaskTask) -> Sequence[Box]:
        """Return one rectangle of the area of all patches."""
        return [self.rectangle(task)]

    def region(self, task: MaskTask) -> Mask:
        """Return the ellipse in the middle."""
        return centre_region(task.grid, task.area)
