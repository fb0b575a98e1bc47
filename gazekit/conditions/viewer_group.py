"""What one group of viewers attended to: ``human@group=divers``, of the area of all viewers' mask."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gazekit.conditions.condition import Condition, Source
from gazekit.core.errors import InputError

MARK = "group="
COLUMN = "group"


@dataclass(frozen=True)
class ViewerGroup:
    """The viewers of a group, by the column ``group`` of a fixation table."""

    group: str

    @classmethod
    def named(cls, name: str) -> ViewerGroup | None:
        """Return the group of a name as `str` gives it; None where it is none."""
        group = name.removeprefix(MARK)
        return cls(group) if name.startswith(MARK) and group and "/" not in group else None

    def __str__(self) -> str:
        return f"{MARK}{self.group}"

    def chosen(self, fixations: pd.DataFrame) -> pd.DataFrame:
        """Return the fixations of the group's viewers.

        Raises
        ------
        InputError
            The table has no groups, or not this one.
        """
        if COLUMN not in fixations:
            raise InputError(
                f"human@{self} needs the group of every viewer: a column 'group' in the fixation table, or "
                "viewer_groups (participant, group)"
            )
        chosen = fixations[fixations[COLUMN].astype(str) == self.group]
        if not len(chosen):
            groups = ", ".join(sorted(fixations[COLUMN].dropna().astype(str).unique()))
            raise InputError(f"no viewer is of the group {self.group!r}; the groups are {groups}")
        return chosen


class HumanGroup(Condition):
    """The highest part of the map of a group of viewers, of the area of all viewers' mask."""

    source = Source.WINDOW
    rank = 51

    def __init__(self, group: ViewerGroup) -> None:
        self.name = f"human@{group}"
        self.label = f"Human attention, {group.group}"
        self.keeps = f"what {group.group} looked at"
        self.sentence = f"the part that viewers of the group {group.group} attended to is kept, same area"
