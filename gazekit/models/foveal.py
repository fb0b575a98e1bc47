"""GPF-CNN and PF-CNN (Zhang et al. 2019): a peripheral subnet looks, a foveal subnet sees what it chose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.attention import attended_rectangle
from gazekit.core.errors import InputError
from gazekit.models.attention.excitation import excitation_backprop
from gazekit.models.attention.readout import resized
from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax
from gazekit.models.fusion import Fusion, gate_sizes

SHARE = 0.7


class Periphery(nn.Module):
    """The peripheral subnet: low or high quality, from the whole picture (stage 1).

    ``forward`` gives the probabilities (N, 2) of low and high.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = ConvolutionalTrunk(name)
        self.head = nn.Linear(self.trunk.channels, 2)
        self.readout = f"trunk.net.{backbone(name).readout}"

    def forward(self, view: Tensor) -> Tensor:
        """Probabilities of (low, high) of normalised views (N, 3, h, w)."""
        return softmax(self.head(self.trunk(view).mean((2, 3))))


class PeripheralFoveal(nn.Module):
    """Both subnets and their fusion, from a view and a foveal crop to probabilities (N, K).

    Trained in two stages. In stage 1 ``forward(view)`` is the periphery's (low, high); train it with cross entropy.
    In stage 2 the periphery is frozen, its batch normalisation in evaluation mode, so that the boxes it attends to can
    be computed once (`gazekit.models.boxes.attended_boxes`) and cached; the rest is trained with EMD. A new model is in
    stage 2; `set_stage` changes it.

    Parameters
    ----------
    name : str
        Backbone: ``vgg16``, ``alexnet``, ``resnet18`` or ``inception``.
    buckets : int
        K.
    gated : bool
        GPF-CNN; False is PF-CNN.
    fovea : int
        Side of the foveal crop in pixels.
    """

    stages = (1, 2)
    keeps_aspect = True

    def __init__(self, name: str, buckets: int, *, gated: bool, fovea: int = 224) -> None:
        super().__init__()
        self.periphery = Periphery(name)
        self.fovea = ConvolutionalTrunk(name)
        self.fusion = Fusion(self.fovea.channels, gate_sizes(name) if gated else None)
        self.head = nn.Linear(Fusion.width, buckets)
        self.size = fovea
        self.readout = f"periphery.{self.periphery.readout}"
        self.set_stage(2)

    @property
    def attention_part(self) -> Periphery:
        """The part whose attention counts as the model's own."""
        return self.periphery

    def set_stage(self, stage: int) -> None:
        """Choose what ``forward`` gives and which parameters are trained: 1, the periphery; 2, everything else."""
        if stage not in self.stages:
            raise InputError(f"stage {stage}; the stages of this model are {self.stages}")
        self.stage = stage
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith("periphery.") == (stage == 1))
        self.train(self.training)

    def train(self, mode: bool = True) -> PeripheralFoveal:
        """As usual, but in stage 2 the periphery stays in evaluation mode."""
        super().train(mode)
        if self.stage == 2:
            self.periphery.eval()
        return self

    def boxes(self, view: Tensor, share: float = SHARE) -> npt.NDArray[np.int64]:
        """Find the attended rectangle of each view, int64 (N, 4), (top, left, bottom, right) in pixels of the view.

        Excitation backprop of the predicted class (low or high) gives the map, interpolated to the view; the rectangle
        is the smallest that holds ``share`` of it (Eq. 4).
        """
        read = excitation_backprop(self.periphery, view)
        maps = resized(read, (int(view.shape[2]), int(view.shape[3]))).cpu().numpy()
        return np.asarray([attended_rectangle(amap, share) for amap in maps], dtype=np.int64).reshape(-1, 4)

    def forward(self, view: Tensor, fovea: Tensor | None = None) -> Tensor:
        """Probabilities of normalised pictures.

        Parameters
        ----------
        view : Tensor
            (N, 3, h, w).
        fovea : Tensor or None
            (N, 3, s, s), the attended part of the originals (`gazekit.models.pixels.foveal_crop`). Without it the crop
            is taken from ``view`` itself: right where the view is the original.

        Returns
        -------
        Tensor
            Tensor (N, 2) in stage 1, (N, K) in stage 2.
        """
        if self.stage == 1:
            return self.periphery(view)  # type: ignore[no-any-return]
        if fovea is None:
            fovea = crop_boxes(view, self.boxes(view), self.size)
        with torch.no_grad():
            features = self.periphery.trunk(view)
        return softmax(self.head(self.fusion(features, self.fovea(fovea))))


def crop_boxes(pictures: Tensor, boxes: npt.NDArray[np.int64], size: int) -> Tensor:
    """Cut the rectangle of each picture, resized to (N, 3, ``size``, ``size``), antialiased."""
    wide = pictures.to(torch.promote_types(pictures.dtype, torch.float32))  # a CPU has no kernel for bfloat16
    crops = [
        F.interpolate(picture[None, :, top:bottom, left:right], (size, size), mode="bilinear", antialias=True)
        for picture, (top, left, bottom, right) in zip(wide, boxes.tolist(), strict=True)
    ]
    return torch.cat(crops).to(pictures.dtype)
