"""What a board shows: the options of `gazekit explore --out` and the query of its address."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gazekit.core.config import Spec


class BoardChoice(Spec):
    """What the board shows, and in which order."""

    colour: Literal["loss", "delivered", "accuracy", "precision", "timing"] = Field(
        default="loss",
        description="Figure that colours the cells: loss, delivered (%), accuracy, precision (degrees) or timing (ms).",
    )
    sort_people: Literal["name", "value", "date"] = Field(
        default="name", description="Order of people; value: worst first."
    )
    sort_pictures: Literal["name", "value", "viewers"] = Field(
        default="name", description="Order of pictures; value: worst first, viewers: fewest good viewers first."
    )
    reverse: bool = Field(default=False, description="Both orders the other way round.")
    verdict: Literal["all", "pass", "fail"] = Field(default="all", description="Only sessions with this verdict.")
    show: Literal["all", "good", "left-out", "excluded"] = Field(
        default="all", description="Only trials that are good, that are better left out, or that are excluded."
    )
    level: tuple[str, ...] = Field(
        default=(), description="Only people of this group or condition, as group=a; repeatable."
    )
    block: str = Field(default="", description="Only trials of this block.")
    search: str = Field(default="", description="Only people or pictures whose name holds this.")
