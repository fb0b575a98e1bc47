"""A random place of the picture."""

from __future__ import annotations

from collections.abc import Sequence

from gazekit.conditions.condition import Condition, MaskTask
from gazekit.core.types import Mask
from gazekit.shapes.patches import random_patches
from gazekit.shapes.rectangles import Box, random_rectangle
from gazekit.shapes.regions import shifted_region


class RandomPlace(Condition):
    """People's rectangle or patches anywhere; of regions, people's region shifted round the edges."""

    name = "random"
    label = "Random place"
    keeps = "a random part"
    sentence = "a part anywhere is kept, same area"
    sentences = {
        "rectangle": "a rectangle of the same height and width anywhere is kept, same area",
        "patches": "patches of the same heights and widths anywhere are kept, same area",
        "region": "the part that people attended to, shifted at random round the picture's edges, is kept, same area",
    }
    default = True
    movable = True
    rank = 5

    def rectangle(self, task: MaskTask) -> Box:
        """Return a rectangle of the shape of people's."""
        return random_rectangle(task.size, task.boxes[0], task.rng)

    def patches(self, task: MaskTask) -> Sequence[Box]:
        """Return patches of the shapes of people's."""
        return [self.rectangle(task)] if len(task.boxes) == 1 else random_patches(task.size, task.boxes, task.rng)

    def region(self, task: MaskTask) -> Mask:
        """Return people's region, what leaves on one side entering on the other."""
        return shifted_region(task.people, task.rng)
