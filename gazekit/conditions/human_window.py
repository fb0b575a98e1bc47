"""What people attended to in a window of time: ``human@0-1000ms``, ``human@first3``, ``human@after2000ms``."""

from __future__ import annotations

from gazekit.conditions.condition import Condition, Source
from gazekit.core.time_windows import TimeWindow

PREFIX = "human@"


class HumanWindow(Condition):
    """The highest part of people's map of a window of time, of the area of the whole viewing's mask."""

    source = Source.WINDOW
    rank = 50

    def __init__(self, window: TimeWindow) -> None:
        self.window = window
        self.name = f"{PREFIX}{window}"
        self.label = f"Human attention, {window}"
        self.keeps = f"what people looked at within {window}"
        self.sentence = f"the part attended to within {window} of the picture's time is kept, same area"
