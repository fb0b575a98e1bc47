"""What people attended to."""

from __future__ import annotations

from collections.abc import Sequence

from gazekit.conditions.condition import Condition, MaskTask
from gazekit.core.types import Mask
from gazekit.shapes.rectangles import Box


class Human(Condition):
    """The part that people attended to, which sets the area of all others."""

    name = "human"
    label = "Human attention"
    keeps = "what people looked at"
    sentence = "only the part that people attended to is kept"
    default = True
    rank = 1
    reference = 1

    def rectangle(self, task: MaskTask) -> Box:
        """Return people's own."""
        return task.boxes[0]

    def patches(self, task: MaskTask) -> Sequence[Box]:
        """Return people's own."""
        return task.boxes

    def region(self, task: MaskTask) -> Mask:
        """Return people's own."""
        return task.people
