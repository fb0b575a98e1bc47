"""A network's own attention by excitation backprop."""

from __future__ import annotations

from gazekit.conditions.network import Network


class NetworkExcitation(Network):
    """The part that the network attends to, by excitation backprop (Zhang et al. 2016)."""

    name = "synthetic-excitation"
    label = "Network's own excitation"
    keeps = "what the network itself looks at, by excitation backprop"
    sentence = "the part that the network attends to by excitation backprop is kept, same area"
    rank = 8
    method = "excitation"
