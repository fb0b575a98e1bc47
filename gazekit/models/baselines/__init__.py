"""Networks and classifiers that Zhang et al. 2019 compares with, behind the same interface."""

from __future__ import annotations

from gazekit.models.baselines.handcrafted import FISHER, GIST, HandcraftedModel
from gazekit.models.baselines.mna import MnaCnn
from gazekit.models.baselines.mtrl import MtrlCnn
from gazekit.models.baselines.multipatch import MultiPatch, a_lamp, dma_net
from gazekit.models.baselines.patches import adaptive_patches, fixed_patches
from gazekit.models.baselines.rapid import Rapid

__all__ = [
    "FISHER",
    "GIST",
    "HandcraftedModel",
    "MnaCnn",
    "MtrlCnn",
    "MultiPatch",
    "Rapid",
    "a_lamp",
    "adaptive_patches",
    "dma_net",
    "fixed_patches",
]
