"""The networks that others published, from timm and torchvision, without their heads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

import gazekit.models._torchvision  # noqa: F401  (before timm and torchvision)
from gazekit.core.errors import unknown_name

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Backbone:
    """A published network.

    Attributes
    ----------
    library_name : str
        Its name in timm; for ``alexnet``, in torchvision.
    features : int
        Length of the vector that its classifier reads.
    channels : int
        Channels of its last convolutional features (N, C, h, w).
    mean, std : tuple[float, float, float]
        The normalisation that its usual ImageNet weights were trained with.
    size : int
        The picture size that they were trained with; ``smallest`` : the smallest side it accepts.
    readout : str
        The layer at which attention maps are read (VGG16 pool4, Inception Mixed_6e, ResNet layer3, AlexNet pool2;
        elsewhere the last layer at a stride of 16).
    narrowest : int
        The shorter side that a view of another shape than the square needs at least: below it the network fails.
    """

    library_name: str
    features: int
    channels: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int
    readout: str
    smallest: int = 32
    narrowest: int = 1


BACKBONES = {
    "mobilenet": Backbone("mobilenetv1_100", 1024, 1024, *HALF, 224, "blocks.3"),
    "vgg16": Backbone("vgg16", 4096, 512, *IMAGENET, 224, "features.23", narrowest=32),
    "inception-resnet": Backbone("inception_resnet_v2", 1536, 1536, *HALF, 299, "repeat_1", 75, 75),
    "xception": Backbone("legacy_xception", 2048, 2048, *HALF, 299, "block11"),
    "inception": Backbone("inception_v3", 2048, 2048, *HALF, 299, "Mixed_6e", 75, 75),
    "resnet18": Backbone("resnet18", 512, 512, *IMAGENET, 224, "layer3"),
    "resnet50": Backbone("resnet50", 2048, 2048, *IMAGENET, 224, "layer3"),
    "alexnet": Backbone("alexnet", 4096, 256, *IMAGENET, 224, "features.5", 63, 63),
}


def backbone(name: str) -> Backbone:
    """Look up the facts of a backbone; an unknown name is answered with the close ones."""
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    return BACKBONES[name]


def vector_trunk(name: str) -> nn.Module:
    """Make a backbone up to the vector that its classifier reads: (N, 3, H, W) to (N, ``features``)."""
    facts = backbone(name)
    if name == "alexnet":
        trunk = _alexnet()
    else:
        import timm

        trunk = timm.create_model(facts.library_name, num_classes=0)
    trunk.backbone_name = name  # type: ignore[assignment]
    return trunk


class ConvolutionalTrunk(nn.Module):
    """A backbone's convolutions alone: (N, 3, H, W) to (N, ``channels``, h, w)."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.net = vector_trunk(name)
        self.channels = backbone(name).channels
        if name == "alexnet":
            del self.net.avgpool, self.net.classifier
        elif name == "vgg16":
            self.net.pre_logits = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, C, h, w) of normalised pictures."""
        if hasattr(self.net, "forward_features"):
            return self.net.forward_features(pictures)  # type: ignore[no-any-return, operator]
        return self.net.features(pictures)  # type: ignore[no-any-return, operator]


def _alexnet() -> nn.Module:
    from torchvision.models import alexnet

    trunk: nn.Module = alexnet(weights=None)
    trunk.classifier = nn.Sequential(*list(trunk.classifier.children())[:-1])  # type: ignore[union-attr]
    return trunk
