"""The networks are the published ones: counted by hand, and against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gazekit import models
from gazekit.core.errors import ConfigError, InputError
from gazekit.models._torchvision import declare_operators
from gazekit.models.cost import count
from gazekit.models.fusion import TABLE_II, Fusion
from gazekit.models.residual_attention import ATTENTION_56, AttentionModule, ResidualAttention
from tests.models.zoo import created, inputs_for


def unit(before: int, width: int, side: int, stride: int = 1) -> np.ndarray:
    """(parameters, multiply-accumulates) of a pre-activation bottleneck, ``side`` being that of its input."""
    m, out = width // 4, side // stride
    convolutions = np.array([before * m, 9 * m * m, m * width])
    macs = convolutions @ np.array([side**2, out**2, out**2])
    parameters = convolutions.sum() + 2 * (before + m + m)
    if before != width or stride != 1:
        parameters, macs = parameters + before * width, macs + before * width * out**2
    return np.array([parameters, macs])


def mask(width: int, side: int, levels: int) -> np.ndarray:
    total = np.zeros(2, dtype=np.int64)
    for level in range(1, levels):
        total += 3 * unit(width, width, side >> level)
    total += 2 * unit(width, width, side >> levels)
    return total + np.array([2 * width * width + 4 * width, 2 * width * width * side**2])


def by_hand(modules: tuple[int, int, int]) -> np.ndarray:
    """Layer by layer, with a picture of 224 x 224 and a head of 1000."""
    total = np.array([3 * 64 * 49 + 2 * 64, 3 * 64 * 49 * 112**2])
    before, side = 64, 56
    for width, levels, repeats, stride in zip((256, 512, 1024), (3, 2, 1), modules, (1, 2, 2), strict=True):
        total += unit(before, width, side, stride)
        before, side = width, side // stride
        for _ in range(repeats):
            total += 4 * unit(width, width, side) + mask(width, side, levels)
    total += unit(1024, 2048, 14, 2) + 2 * unit(2048, 2048, 7)
    return total + np.array([2 * 2048 + 2048 * 1000 + 1000, 2048 * 1000])


@pytest.mark.parametrize(
    ("name", "modules", "parameters", "gmacs"),
    [
        ("residual-attention-56", (1, 1, 1), 31_810_728, 6.27),
        ("residual-attention-92", (1, 2, 3), 52_466_344, 10.53),
    ],
)
def test_residual_attention_networks_count(
    name: str, modules: tuple[int, int, int], parameters: int, gmacs: float
) -> None:
    cost = models.info(name).cost(buckets=1000)
    assert cost.parameters == parameters
    assert cost.macs / 1e9 == pytest.approx(gmacs, abs=0.005)
    assert [cost.parameters, cost.macs] == by_hand(modules).tolist()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("vgg16", "vgg16"),
        ("nima-vgg16", "vgg16"),
        ("alexnet", "alexnet"),
        ("nima-alexnet", "alexnet"),
        ("resnet18", "resnet18"),
        ("resnet50", "resnet50"),
    ],
)
def test_cost_equals_torchvisions(name: str, theirs: str) -> None:
    import torchvision

    with torch.device("meta"):
        other = getattr(torchvision.models, theirs)(weights=None).eval()
    assert models.info(name).cost(buckets=1000, size=224) == count(other, 224)


def test_attention_residual_learning_and_its_ablation() -> None:
    torch.manual_seed(0)
    module = AttentionModule(16, 1, 1, naive=False).eval()
    x = torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        before = module.before(x)
        m, t = module.mask(before), module.trunk(before)
        torch.testing.assert_close(module(x), module.after((1 + m) * t))
        module.naive = True
        torch.testing.assert_close(module(x), module.after(m * t))
    assert created("residual-attention-narrow", naive=True).stages[0][1].naive


def test_the_last_upsampling_of_a_mask_adds_nothing() -> None:
    torch.manual_seed(0)
    branch = AttentionModule(16, 2, 1, naive=False).mask.eval()
    x = torch.randn(1, 16, 8, 8)
    pool = torch.nn.MaxPool2d(3, 2, ceil_mode=True)
    with torch.no_grad():
        y = branch.down[0](pool(x))
        skip = branch.skip[0](y)
        y = F.interpolate(branch.bottom(pool(y)), size=(4, 4), mode="bilinear", align_corners=False)
        y = F.interpolate(branch.up[0](y + skip), size=(8, 8), mode="bilinear", align_corners=False)
        torch.testing.assert_close(branch(x), torch.sigmoid(branch.out(y)))


def test_residual_attention_takes_any_size() -> None:
    model = created("residual-attention-narrow").eval()
    with torch.no_grad():
        for size in ((33, 95), (64, 48), (17, 130)):
            assert model(torch.randn(1, 3, *size)).shape == (1, 10)
    with torch.device("meta"):
        assert ResidualAttention(ATTENTION_56, 10)(torch.empty(1, 3, 150, 211)).shape == (1, 10)


@pytest.mark.parametrize(("name", "sizes"), TABLE_II.items())
def test_gates_have_table_two_sizes(name: str, sizes: object) -> None:
    with torch.device("meta"):
        fusion = models.create(f"gpf-{name}").fusion
    channels = fusion.branches[0].in_features
    for gate in fusion.gates:
        assert gate.w1.weight.shape == (TABLE_II[name].w1, 2 * channels)
        assert gate.w2.weight.shape == (TABLE_II[name].w2, TABLE_II[name].w1)
        assert gate.w2.out_features == channels
    assert [fc.out_features for fc in fusion.branches] == [2048, 2048]
    assert (fusion.joint.in_features, fusion.joint.out_features) == (4096, 4096)


def test_gated_fusion_by_hand() -> None:
    torch.manual_seed(0)
    fusion = Fusion(256, TABLE_II["alexnet"])
    first, second = torch.rand(2, 256, 5, 4), torch.rand(2, 256, 3, 3)
    u, v = first.mean((2, 3)), second.mean((2, 3))
    z = torch.cat([u, v], 1)
    gates = [torch.sigmoid(g.w2(F.relu(g.w1(z)))) for g in fusion.gates]
    branches = [F.relu(fc(o * x)) for fc, o, x in zip(fusion.branches, gates, (u, v), strict=True)]
    torch.testing.assert_close(fusion(first, second), F.relu(fusion.joint(torch.cat(branches, 1))))
    torch.testing.assert_close(fusion.weights(first, second), tuple(gates))


def test_every_published_name_is_there() -> None:
    backbones = ["vgg16", "alexnet", "resnet18", "inception"]
    published = ["resnet50", "residual-attention-56", "residual-attention-92", *backbones]
    published += [f"nima-{b}" for b in ("mobilenet", "vgg16", "inception-resnet", "xception", "inception")]
    published += [f"{kind}-{b}" for kind in ("random-crop", "pf", "gpf") for b in backbones]
    assert set(published) <= set(models.names())
    assert len(set(models.names())) == len(models.names())


def test_normalisation_is_that_of_the_weights() -> None:
    half, imagenet = ((0.5,) * 3, (0.5,) * 3), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    import timm

    for name, theirs in {
        "nima-mobilenet": "mobilenetv1_100",
        "nima-xception": "legacy_xception",
        "nima-inception-resnet": "inception_resnet_v2",
        "inception": "inception_v3",
        "vgg16": "vgg16",
        "resnet18": "resnet18",
        "resnet50": "resnet50",
    }.items():
        facts = models.info(name)
        config = timm.get_pretrained_cfg(theirs)
        assert (facts.mean, facts.std) == (config.mean, config.std), name
    assert (models.info("alexnet").mean, models.info("alexnet").std) == imagenet
    assert (models.info("nima-mobilenet").mean, models.info("nima-mobilenet").std) == half


def test_smallest_sizes_are_true() -> None:
    for name in (
        *(n for n in models.names() if n.startswith("nima")),
        "residual-attention-narrow",
        "mna-cnn",
        "dma-net",
    ):
        with torch.device("meta"), torch.no_grad():
            assert count(models.create(name).eval(), models.info(name).smallest).macs > 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: models.create("nima-vgg"), InputError, "unknown model.*nima-vgg16"),
        (lambda: models.info("resnet5"), InputError, "unknown model.*resnet50"),
        (lambda: models.create("nima-narrow", 1, drop=1), ConfigError, "buckets is 1.*unknown option.*dropout"),
    ],
)
def test_wrong_names_are_answered(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_operators_are_declared_once() -> None:
    declare_operators()
    declare_operators()
    assert "nms" in str(torch.ops.torchvision.nms)
    import torchvision

    assert torchvision.models.resnet18 is not None


def test_a_model_in_evaluation_does_not_change() -> None:
    model = created("nima-narrow").eval()
    (x,) = inputs_for("nima-narrow", model, 2)
    with torch.no_grad():
        torch.testing.assert_close(model(x), model(x), atol=0, rtol=0)
