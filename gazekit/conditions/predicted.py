"""What a model of attention predicts that people would attend to."""

from __future__ import annotations

from gazekit.conditions.condition import Condition, Source


class Predicted(Condition):
    """The highest part of a predicted map: of the area of people's mask, or as the rule says where nobody looked."""

    name = "predicted"
    label = "Predicted attention"
    keeps = "where people are predicted to look"
    sentence = (
        "the part that people are predicted to attend to is kept, same area; predicted by a model that did not see "
        "their fixations on the picture"
    )
    source = Source.PREDICTED
    rank = 20
