"""A network's own attention by Grad-CAM."""

from __future__ import annotations

from gazekit.conditions.network import Network


class NetworkGradCAM(Network):
    """The part that the network attends to, by Grad-CAM (Selvaraju et al. 2017)."""

    name = "synthetic-gradcam"
    label = "Network's own Grad-CAM"
    keeps = "what the network itself looks at, by Grad-CAM"
    sentence = "the part that the network attends to by Grad-CAM is kept, same area"
    rank = 9
    method = "gradcam"
