"""The whole picture."""

from __future__ import annotations

from gazekit.conditions.condition import Condition, Source


class Original(Condition):
    """The picture as it is; nothing is masked."""

    name = "original"
    label = "Whole picture"
    keeps = "whole pictures"
    sentence = "nothing is masked"
    source = Source.WHOLE
    default = True
    rank = 0
    reference = 2
