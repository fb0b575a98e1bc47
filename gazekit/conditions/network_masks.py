"""A Residual Attention Network's own soft masks."""

from __future__ import annotations

from gazekit.conditions.network import Network


class NetworkMasks(Network):
    """The part that the network's soft masks attend to."""

    name = "synthetic-masks"
    label = "Network's own soft masks"
    keeps = "what the network itself looks at, by its masks"
    sentence = "the part that its soft masks attend to is kept, same area"
    rank = 7
    method = "masks"
    models = "residual-attention"
    models_are = "Residual Attention Networks"
