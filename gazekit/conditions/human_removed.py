"""What people did not attend to."""

from __future__ import annotations

from gazekit.conditions.human import Human


class HumanRemoved(Human):
    """The picture without the part that people attended to."""

    name = "human-removed"
    label = "Human attention removed"
    keeps = "what people did not look at"
    sentence = "the part that people attended to is taken away"
    outside = True
    same_mask = "human"
    rank = 2
    reference = 0
