"""Excitation backprop, Grad-CAM, soft masks, and the one function over them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gazekit.core.errors import InputError
from gazekit.models.attention import excitation_backprop, gradcam, soft_mask_maps, soft_masks, synthetic_attention
from gazekit.models.attention.excitation import excitation
from gazekit.models.folding import fold_normalisation
from tests.models.literal import Enlarged, Gated, Joined, Mean, Residual, conditional, winning
from tests.models.zoo import created, real_batch

seq = nn.Sequential


def conv(a: int, b: int, k: int = 3, **options: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, k, **options)


def norm(channels: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for tensor in (layer.weight, layer.running_var):
            tensor.uniform_(0.5, 2)
        for tensor in (layer.bias, layer.running_mean):
            tensor.normal_()
    return layer


def end(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4), nn.Softmax(dim=1)]


class Viewed(nn.Module):
    """What many models do in place of flattening; it fails on channels last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1)


NETWORKS: dict[str, Callable[[], list[nn.Module]]] = {
    "linear": lambda: [nn.Flatten(), nn.Linear(108, 7), nn.ReLU(), nn.Linear(7, 4)],
    "convolutions": lambda: [conv(3, 5, padding=1, stride=2), nn.ReLU(), conv(5, 4, 2), nn.ReLU(), *end(4)],
    "dilated, grouped": lambda: [conv(3, 6, dilation=2, padding=2), nn.ReLU6(), conv(6, 4, groups=2), *end(4)],
    "depthwise": lambda: [conv(3, 3, groups=3, padding=1), conv(3, 6, 1), norm(6), nn.ReLU6(), *end(6)],
    "normalised": lambda: [conv(3, 5, bias=False), norm(5), nn.ReLU(inplace=True), conv(5, 4), nn.ReLU(), *end(4)],
    "max pooling": lambda: [conv(3, 4, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), conv(4, 4, 2), *end(4)],
    "average pooling": lambda: [conv(3, 4, padding=1), nn.ReLU(), nn.AvgPool2d(2, 2), conv(4, 4, 2), *end(4)],
    "convolution to one cell": lambda: [conv(3, 5), nn.ReLU(), conv(5, 6, 4), nn.ReLU(), *end(6)],
    "residual": lambda: [
        conv(3, 4, padding=1),
        nn.ReLU(),
        Residual(seq(conv(4, 4, padding=1), norm(4), nn.ReLU(), conv(4, 4, padding=1)), seq()),
        nn.ReLU(),
        Residual(seq(conv(4, 6, stride=2, padding=1)), seq(conv(4, 6, 1, stride=2), norm(6))),
        *end(6),
    ],
    "pre-activation": lambda: [
        conv(3, 4, padding=1),
        Residual(seq(norm(4), nn.ReLU(), conv(4, 4, padding=1, bias=False)), seq()),
        norm(4),
        nn.ReLU(),
        *end(4),
    ],
    "concatenated": lambda: [
        conv(3, 4),
        nn.ReLU(),
        Joined(seq(conv(4, 3, 1), nn.ReLU()), seq(nn.MaxPool2d(3, 1, padding=1), conv(4, 2, 1), norm(2), nn.ReLU())),
        conv(5, 4, 2),
        nn.ReLU(),
        *end(4),
    ],
    "gated": lambda: [
        conv(3, 4, padding=1),
        nn.ReLU(),
        Gated(
            seq(conv(4, 5, padding=1), norm(5), nn.ReLU()),
            seq(nn.MaxPool2d(2), conv(4, 5, 1), norm(5), Enlarged(6, 6)),
        ),
        conv(5, 4, 2),
        nn.ReLU(),
        *end(4),
    ],
    "enlarged, mean": lambda: [
        conv(3, 4, stride=2),
        nn.ReLU(),
        Enlarged(5, 3),
        conv(4, 5, 2),
        nn.ReLU(),
        Mean(),
        nn.Linear(5, 4),
        nn.Softmax(dim=1),
    ],
}


def network(name: str, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return seq(nn.Identity(), *NETWORKS[name]()).double().eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_excitation_backprop_is_the_literal_one(name: str, seed: int) -> None:
    model = network(name, seed)
    pictures = torch.randn(3, 3, 6, 6, dtype=torch.float64)
    target = torch.tensor([0, 3, 1])
    found = excitation(model, pictures, ["0"], target=target)["0"]
    for one, picture, wanted in zip(found, pictures, target.tolist(), strict=True):
        np.testing.assert_allclose(one, winning(model, picture, wanted), atol=1e-6)
    torch.testing.assert_close(found.sum((1, 2, 3)), torch.ones(3, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_excitation_backprop_in_single_precision(name: str) -> None:
    model, pictures = network(name, 0), torch.randn(3, 3, 6, 6, dtype=torch.float64)
    exact = excitation(model, pictures, ["0"], target=2)["0"]
    single = excitation(model.float(), pictures.float(), ["0"], target=2)["0"]
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, atol=1e-6, rtol=0)


def test_a_model_that_views_its_features() -> None:
    model = network("convolution to one cell", 0).float()
    flat = seq(*[Viewed() if isinstance(layer, nn.Flatten) else layer for layer in model])
    pictures = torch.randn(3, 3, 6, 6)
    torch.testing.assert_close(
        excitation(flat, pictures, ["0"], target=2)["0"], excitation(model, pictures, ["0"], target=2)["0"]
    )
    wide = seq(nn.Conv2d(3, 4, 3), Viewed(), nn.Linear(64, 4), nn.Softmax(dim=1))
    assert excitation(wide, pictures, ["0"])["0"].sum() == pytest.approx(3)


def test_a_layer_without_any_evidence_keeps_the_mass() -> None:
    model = network("convolutions", 0)
    with torch.no_grad():
        model[3].weight.fill_(-1.0)
    pictures = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    found = excitation(model, pictures, ["0"], target=2)["0"]
    for one, picture in zip(found, pictures, strict=True):
        np.testing.assert_allclose(one, winning(model, picture, 2), atol=1e-9)
        assert one.sum() == pytest.approx(1)


CUTS = {
    "nima-mobilenet": ["trunk.bn1", "trunk.blocks.1", "trunk.blocks.3", "trunk.blocks.4", "trunk.global_pool", "head"],
    "resnet18": ["trunk.maxpool", "trunk.layer1", "trunk.layer2", "trunk.layer3", "trunk.layer4", "head"],
    "inception": ["trunk.Pool1", "trunk.Mixed_5b", "trunk.Mixed_6a", "trunk.Mixed_6e", "trunk.Mixed_7c", "head"],
    "alexnet": ["trunk.features.2", "trunk.features.5", "trunk.features.12", "trunk.classifier.1", "head"],
    "nima-xception": ["trunk.block1", "trunk.block6", "trunk.block11", "trunk.block12", "trunk.act4", "head"],
    "nima-inception-resnet": ["trunk.mixed_5b", "trunk.repeat", "trunk.repeat_1", "trunk.repeat_2", "head"],
    "residual-attention-narrow": ["stages.0", "stages.1", "last", "head"],
    "vgg16": [
        "trunk.features.4",
        "trunk.features.16",
        "trunk.features.23",
        "trunk.features.30",
        "trunk.pre_logits",
        "head",
    ],
    "resnet50": ["trunk.maxpool", "trunk.layer1", "trunk.layer2", "trunk.layer3", "trunk.layer4", "head"],
    "residual-attention-56": ["stem", "stages.0", "stages.1", "stages.2", "last", "head"],
}
HEAVY = {"inception", "alexnet", "nima-xception", "nima-inception-resnet"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.benchmark) if n in HEAVY else n for n in CUTS])
def test_mass_is_conserved_at_every_layer_and_never_negative(name: str) -> None:
    model = created(name)
    pictures = real_batch(name)[:4]
    found = excitation(model, pictures, CUTS[name], target=torch.tensor([0, 9, 4, 4]))
    for layer, p in found.items():
        torch.testing.assert_close(p.flatten(1).sum(1), torch.ones(4), atol=1e-5, rtol=0, msg=layer)
        assert p.min() >= 0, layer
    assert model.training


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    model, pictures = created("resnet18"), real_batch("resnet18")[:3]
    together = excitation_backprop(model, pictures, target=torch.tensor([1, 5, 8]))
    for i, target in enumerate((1, 5, 8)):
        alone = excitation_backprop(model, pictures[i : i + 1], target=target)
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=0)
    assert not torch.allclose(together[0], excitation_backprop(model, pictures[:1], target=2)[0], atol=1e-6)


def test_the_predicted_class_is_the_default() -> None:
    model, pictures = created("resnet18").eval(), real_batch("resnet18")[:3]
    with torch.no_grad():
        predicted = model(pictures).argmax(1)
    for read in (excitation_backprop, gradcam):
        torch.testing.assert_close(read(model, pictures), read(model, pictures, target=predicted))


def test_gradcam_by_hand() -> None:
    model = network("convolutions", 1)
    pictures = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    found = gradcam(model, pictures, target=1, layer="4")
    features = model[:5](pictures).detach()
    weights = (
        model[7].weight[1] / 1.0
    )  # the mean over the layer, then a linear score: its gradient is the same everywhere
    expected = torch.einsum("c,ncij->nij", weights, features).clamp_min(0).detach()
    expected = expected / expected.sum((1, 2), keepdim=True)
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["auto", "masks", "excitation", "gradcam"])
def test_synthetic_attention_is_a_map_of_the_pictures(method: str) -> None:
    model, pictures = created("residual-attention-narrow"), real_batch("residual-attention-narrow")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    maps = synthetic_attention(model, pictures, method)
    assert maps.shape == (8, 64, 64)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(8), atol=1e-5, rtol=0)
    assert float(maps.std((1, 2)).min()) > 0, "a map is flat"
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert synthetic_attention(model, pictures[:2], method, size=(20, 30)).shape == (2, 20, 30)


def test_auto_is_masks_where_there_are_some() -> None:
    masked, plain, pictures = created("residual-attention-narrow"), created("nima-narrow"), real_batch("nima-narrow")
    torch.testing.assert_close(
        synthetic_attention(masked, pictures), synthetic_attention(masked, pictures, "masks"), atol=0, rtol=0
    )
    torch.testing.assert_close(
        synthetic_attention(plain, pictures), synthetic_attention(plain, pictures, "excitation"), atol=0, rtol=0
    )


def test_attention_works_within_inference_and_autocast() -> None:
    model, pictures = created("nima-narrow"), real_batch("nima-narrow")[:2]
    plain = synthetic_attention(model, pictures)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(synthetic_attention(model, pictures), plain, atol=1e-6, rtol=0)


def test_soft_masks_are_what_the_branches_give() -> None:
    model, pictures = created("residual-attention-narrow").eval(), real_batch("residual-attention-narrow")[:2]
    masks = soft_masks(model, pictures)
    assert [tuple(m.shape) for m in masks] == [(2, 16, 16, 16), (2, 32, 8, 8)]
    assert all(0 <= float(m.min()) < float(m.max()) <= 1 for m in masks)
    with torch.no_grad():
        first = model.stages[0]
        expected = first[1].mask(first[1].before(first[0](model.stem(pictures))))
    torch.testing.assert_close(masks[0], expected)
    assert soft_mask_maps(model, pictures).shape == (2, 16, 16)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both, self.unused, self.head = nn.Identity(), nn.Identity(), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.head(self.both((x, x))[0].mean((2, 3))), 1)


@pytest.mark.parametrize("read", [excitation_backprop, gradcam])
@pytest.mark.parametrize(("layer", "message"), [("both", "gives tuple"), ("unused", "scores without layer 'unused'")])
def test_layers_that_cannot_be_read(read: Callable[..., Tensor], layer: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(Pair(), torch.randn(2, 3, 8, 8), layer=layer)


@pytest.mark.parametrize("method", ["masks", "excitation", "gradcam"])
@pytest.mark.parametrize("broken", ["pictures", "weights"])
def test_what_is_not_a_number_has_no_attention(method: str, broken: str) -> None:
    model, pictures = created("residual-attention-narrow"), real_batch("residual-attention-narrow")[:2].clone()
    with torch.no_grad():
        if broken == "weights":
            model.stem[0].weight[0, 0, 0, 0] = torch.nan
        else:
            pictures[1, 0, 5, 5] = torch.nan
    with pytest.raises(InputError, match="hold NaN"):
        synthetic_attention(model, pictures, method)


def test_a_planted_patch_draws_the_attention_of_a_network_that_counts_it() -> None:
    model = nn.Sequential(conv(1, 2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.fill_(1 / 9)
        model[4].weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    picture = torch.zeros(1, 1, 20, 30)
    picture[0, 0, 4:8, 20:24] = 1
    found = excitation_backprop(model, picture, layer="1")
    assert float(found[0, 3:9, 19:25].sum()) == pytest.approx(1, abs=1e-6)


class Cosine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: synthetic_attention(m, x, "excitations"), "unknown attention method.*excitation"),
        (lambda m, x: synthetic_attention(m, x, "masks"), "has no soft masks"),
        (lambda m, x: synthetic_attention(m, x[0]), "batch of pictures"),
        (lambda m, x: synthetic_attention(m, x, layer="trunk.block.2"), "unknown layer.*trunk.blocks.2"),
        (lambda m, x: synthetic_attention(m, x, target=10), "classes of this model are 0 to 9"),
        (lambda m, x: synthetic_attention(m, x[:, :1]), "batch of pictures"),
        (lambda m, x: synthetic_attention(m, x[:0]), "batch of pictures"),
        (lambda m, x: synthetic_attention(m, (x * 50).byte()), r"floats, were expected, not torch\.uint8"),
        (lambda m, x: synthetic_attention(m, x.numpy()), "floats, were expected, not float32"),
        (lambda m, x: synthetic_attention(m, x, size=(0, 9)), r"size is \(0, 9\)"),
        (lambda m, x: synthetic_attention(m, x, layer=""), "unknown layer ''"),
        (lambda m, x: synthetic_attention(m, x, layer="head"), r"\(2, 10\); .* as 'trunk\.blocks\.2' does"),
        (lambda m, x: synthetic_attention(m, x, "gradcam", layer="head"), r"\(2, 10\); .* as 'trunk\.blocks\.2' does"),
        (lambda m, x: synthetic_attention(m, x, target=torch.tensor([1, 2, 3])), "nor one for each of 2 pictures"),
        (lambda m, x: synthetic_attention(m, x, target=2.7), r"target 2\.7 is neither a class, a whole number"),
        (lambda m, x: excitation_backprop(nn.Sequential(conv(3, 4)), x), "does not say which layer"),
        (lambda m, x: excitation_backprop(Cosine(), x, layer="conv"), "no rule for cos"),
    ],
    ids=[
        *("method", "masks", "batch", "layer", "class", "grey", "empty", "bytes", "numpy", "size", "no layer"),
        *("no map", "no map for gradcam", "classes", "fraction", "readout", "operation"),
    ],
)
def test_what_cannot_be_asked_is_refused(call: Callable[..., object], message: str) -> None:
    model, pictures = created("nima-narrow"), real_batch("nima-narrow")[:2]
    with pytest.raises(InputError, match=message):
        call(model, pictures)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["auto", "excitation", "gradcam"])
def test_attention_of_half_precision_is_that_of_single(dtype: torch.dtype, method: str) -> None:
    model, pictures = created("resnet18").eval(), real_batch("resnet18")[:2]
    expected = synthetic_attention(model.to(dtype).float(), pictures.to(dtype).float(), method, target=3)
    half = model.to(dtype)
    maps = synthetic_attention(half, pictures.to(dtype), method, target=3)
    assert next(half.parameters()).dtype == dtype
    torch.testing.assert_close(maps, expected, atol=1e-6, rtol=1e-4)
    with torch.no_grad():
        half.head.weight.zero_()
        half.trunk.layer4[1].bn2.weight.mul_(3)  # weights that change are seen, though the copy is kept
    assert not torch.allclose(synthetic_attention(half, pictures.to(dtype), method, target=3), maps, atol=1e-6)


@pytest.mark.parametrize("name", ["normalised", "residual", "concatenated"])
def test_negative_factors_are_folded_and_not_passed_through(name: str) -> None:
    model = network(name, 0)
    pictures = torch.randn(3, 3, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight[::2] *= -1
    found = excitation(model, pictures, ["0"], target=2)["0"]
    folded = copy.deepcopy(model)
    assert fold_normalisation(folded, pictures) > 0
    for parent in folded.modules():
        for place, child in list(parent.named_children()):
            if isinstance(child, nn.Sequential) and not len(child) and place != "shortcut":  # where a normalisation was
                setattr(parent, place, nn.Identity())
    for one, picture in zip(found, pictures, strict=True):
        np.testing.assert_allclose(one, winning(folded, picture, 2), atol=1e-6)
    assert not np.allclose(found[0], winning(model, pictures[0], 2), atol=1e-3), "the signs make no difference"


def hard(kind: str) -> list[nn.Module]:
    activation = {"hardswish": nn.Hardswish(), "hardsigmoid": nn.Hardsigmoid(), "mish": nn.Mish()}[kind]
    return [conv(3, 5), activation, conv(5, 4), *end(4)]


@pytest.mark.parametrize("kind", ["hardswish", "hardsigmoid", "mish"])
def test_activations_of_mobile_networks_pass_through(kind: str) -> None:
    torch.manual_seed(0)
    model = seq(nn.Identity(), *hard(kind)).double().eval()
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64)
    below = seq(*model[3:])  # by hand: what the layer above the activation sends down passes as it is
    p = winning(below, model[:3](x)[0].detach(), 1)
    y = model[1](x)[0].detach()
    assert y.shape == p.shape
    expected = conditional(model[1], x[0].numpy(), p)
    np.testing.assert_allclose(excitation(model, x, ["0"], target=1)["0"][0], expected, atol=1e-9)


class Attends(nn.Module):
    """Attention over the places of a map, with weights of queries and keys, fused or written out."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.qkv, self.head, self.fused = nn.Linear(4, 12, bias=False), nn.Linear(4, 3), fused

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).chunk(3, -1)
        if self.fused:
            y = nn.functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            y = (q * 0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.head(y.mean(1))


def test_probability_goes_to_the_values_by_the_weights_of_attention() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 4, 3, 3, dtype=torch.float64)
    networks = [seq(nn.Identity(), Attends(fused)).double().eval() for fused in (True, False)]
    networks[1].load_state_dict(networks[0].state_dict())
    fused, plain = (excitation(model, x, ["0"], target=1)["0"] for model in networks)
    torch.testing.assert_close(fused, plain, atol=1e-12, rtol=0)
    torch.testing.assert_close(fused.sum((1, 2, 3)), torch.ones(2, dtype=torch.float64))
    attends = networks[0][1]
    tokens = x[0].flatten(1).T
    q, k, v = attends.qkv(tokens).detach().chunk(3, -1)
    weights, v = (q @ k.T / 2).softmax(-1), v.clamp_min(0)
    y = (q @ k.T / 2).softmax(-1) @ attends.qkv(tokens).detach().chunk(3, -1)[2]
    head = attends.head.weight[1].detach().clamp_min(0)
    share = y.mean(0).clamp_min(0) * head
    p = (share / share.sum())[None] * y.clamp_min(0) / y.clamp_min(0).sum(0).clamp_min(1e-20)
    below = v * (weights.T @ (p / (weights @ v).clamp_min(1e-20)))
    matrix = attends.qkv.weight[8:].detach().clamp_min(0)
    expected = tokens * ((below / (tokens @ matrix.T).clamp_min(1e-20)) @ matrix)
    torch.testing.assert_close(fused[0].flatten(1).T, expected / expected.sum(), atol=1e-9, rtol=0)
