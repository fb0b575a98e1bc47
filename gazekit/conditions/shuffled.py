"""What people attended to in another picture."""

from __future__ import annotations

from collections.abc import Sequence

from gazekit.conditions.condition import Condition, MaskTask, Source
from gazekit.shapes.patches import transfer_patches
from gazekit.shapes.rectangles import Box, transfer_rectangle


class Shuffled(Condition):
    """Another picture's boxes moved to this one; of regions, the highest part of its map."""

    name = "shuffled"
    label = "Another picture's mask"
    keeps = "what people looked at in another picture"
    sentence = "the part attended to in another picture is kept, same area"
    source = Source.ANOTHER
    default = True
    movable = True
    rank = 4

    def rectangle(self, task: MaskTask) -> Box:
        """Return another picture's rectangle, at the area of this picture's."""
        boxes, size = task.lent
        return transfer_rectangle(boxes[0], size, task.size, task.area)

    def patches(self, task: MaskTask) -> Sequence[Box]:
        """Return this picture's patches where another has its own."""
        if len(task.boxes) == 1:
            return [self.rectangle(task)]
        return transfer_patches(task.boxes, *task.lent, task.size, task.rng)
