"""What people did not attend to."""

from __future__ import annotations

from gazekit.conditions.human import Human


class HumanRemoved(Human):
    """The picture outside the part that people attended to; what a fill leaves of that part is not called removed."""

    name = "human-removed"
    label = "Outside human attention"
    keeps = "what people did not look at"
    sentence = "the part that people attended to is masked, the rest is kept"
    outside = True
    same_mask = "human"
    rank = 2
    reference = 0
