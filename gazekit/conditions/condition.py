"""What a condition is: which map, cut to which area.

A condition is a subclass of `Condition` in a file of its own, made known by the entry point group
``gazekit.conditions``. It never runs a network: it declares the map that it needs, and who makes masks hands it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from gazekit.core.types import Map, Mask
from gazekit.shapes.mask_spec import Kind
from gazekit.shapes.packed import Size, grid_shape, scaled_box
from gazekit.shapes.patches import best_patches, random_patches
from gazekit.shapes.rectangles import Box, rectangle_of_area
from gazekit.shapes.regions import region_of_map, stretched

_GRID = 64  # pixels of the longer side on which the best patches are looked for
_TINY = 1e-6  # of a map's highest value: every patch holds something


class Source(Enum):
    """What a condition's masks are made of beside what people attended to in the picture."""

    WHOLE = "nothing: the whole picture is seen"
    PEOPLE = "nothing else"
    WINDOW = "people's map of a window of time"
    PREDICTED = "the map that a model of attention predicts"
    ANOTHER = "what people attended to in another picture"
    NETWORK = "the attention of the network that is trained, which `gazekit.training` makes"


@dataclass(frozen=True)
class MaskTask:
    """One mask to make, and all that it may be made of.

    Attributes
    ----------
    image : str
        Id of the picture.
    size : tuple of int
        Height and width of the picture.
    area : int
        How many pixels people's mask keeps, and this one is to keep: of the picture; of the grid where masks are
        regions.
    rng : numpy.random.Generator
        Drawn from the seed, the condition and the picture's id alone.
    boxes : sequence of Box
        People's rectangle or patches, in pixels of the picture; empty where masks are regions.
    grid : tuple of int
        Height and width of the grid, where masks are regions.
    people : ndarray of bool
        People's region on the grid, where masks are regions and the condition is not made of another picture's.
    lent : tuple of boxes and size
        Those of another picture, for `Source.ANOTHER`.
    map : ndarray of float32
        The network's map over the whole picture (`Source.NETWORK`), a predicted one (`Source.PREDICTED`), or people's
        of a window of time (`Source.WINDOW`); where masks are regions, people's map of another picture
        (`Source.ANOTHER`).
    """

    image: str
    size: Size
    area: int
    rng: np.random.Generator
    boxes: Sequence[Box] = ()
    grid: Size = (0, 0)
    people: Mask = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    lent: tuple[Sequence[Box], Size] = ((), (0, 0))
    map: Map = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))


class Condition:
    """A condition by name; as it stands here, its masks are the highest part of the map that is handed in.

    Attributes
    ----------
    name : str
        Id in files and options.
    label : str
        Name in tables and figures.
    keeps : str
        What a model sees, as part of a sentence: "between *what people looked at* and ...".
    sentence, sentences : str, mapping
        Meaning in the report; by kind of mask where it differs.
    source : Source
        What its masks are made of.
    outside : bool
        Whether a picture is kept outside the mask, and not inside.
    same_mask : str
        Name of the condition whose mask it has, so that regions are stored once; empty if none.
    default : bool
        Whether datasets have it without being asked.
    rank : int
        Its place in files and tables; those of plug-ins come last.
    movable : bool
        Whether it may lie at several places, of which ``--match detail`` takes the one that shows as much as people's.
    reference : int
        1: compared with every other condition; 2: after that one; 0: compared with references only.
    """

    name: str
    label: str
    keeps: str
    sentence: str = ""
    sentences: Mapping[Kind, str] = {}
    source: Source = Source.PEOPLE
    outside: bool = False
    same_mask: str = ""
    default: bool = False
    rank: int = 100
    movable: bool = False
    reference: int = 0

    def meaning(self, kind: Kind | None) -> str:
        """Return its meaning in the report, where masks are of a kind (None: not known)."""
        return self.sentence if kind is None else self.sentences.get(kind, self.sentence)

    def boxes(self, kind: Kind, task: MaskTask) -> Sequence[Box]:
        """Return the rectangle or the patches of a picture, in its pixels."""
        return [self.rectangle(task)] if kind == "rectangle" else self.patches(task)

    def rectangle(self, task: MaskTask) -> Box:
        """Return one rectangle of the area of people's."""
        return rectangle_of_area(stretched(task.map, task.size), task.area)

    def patches(self, task: MaskTask) -> Sequence[Box]:
        """Return patches, as many and as large as people's; where they leave no room, the last lie at random."""
        grid = grid_shape(task.size, _GRID)
        large = stretched(task.map, grid) + _TINY * float(task.map.max())
        top, left, bottom, right = task.boxes[0]
        shape = (bottom - top) * grid[0] / task.size[0], (right - left) * grid[1] / task.size[1]
        cells = max(1, round(shape[0])), max(1, round(shape[1]))
        best = [scaled_box(box, grid, task.size) for box in best_patches(large, len(task.boxes), cells)]
        rest = task.boxes[len(best) :]
        return [*best, *(random_patches(task.size, rest, task.rng, best) if rest else [])]

    def region(self, task: MaskTask) -> Mask:
        """Return a region on the grid of people's, of as many of its pixels."""
        return region_of_map(task.map, task.grid, task.area)
