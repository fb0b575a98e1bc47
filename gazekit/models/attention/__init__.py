"""Where a network looks: soft masks, excitation backprop, Grad-CAM, by one function."""

from __future__ import annotations

from gazekit.models.attention.excitation import excitation_backprop
from gazekit.models.attention.gradcam import gradcam
from gazekit.models.attention.masks import soft_mask_maps, soft_masks
from gazekit.models.attention.synthetic import synthetic_attention

__all__ = ["excitation_backprop", "gradcam", "soft_mask_maps", "soft_masks", "synthetic_attention"]
