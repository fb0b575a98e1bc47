"""A part of a network is trained: its last blocks, or adapters in them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gazekit import models
from gazekit.core.errors import ConfigError
from gazekit.models.attention import synthetic_attention
from gazekit.models.cost import ShapesOnly
from gazekit.models.finetuning import merged, part_fault, train_mode, train_part
from gazekit.models.scoring import Scorer


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return models.create(name, 5)


def trained(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("name", "last", "first", "before"),
    [
        ("resnet18", 1, "trunk.layer4.1.", "trunk.layer4.0."),
        ("resnet18", 3, "trunk.layer3.1.", "trunk.layer3.0."),
        ("nima-mobilenet", 2, "trunk.blocks.4.0.", "trunk.blocks.3.5."),
        ("timm:vit_tiny_patch16_224", 2, "trunk.net.blocks.10.", "trunk.net.blocks.9."),
        ("timm:convnext_atto", 1, "trunk.net.stages.3.blocks.1.", "trunk.net.stages.3.blocks.0."),
        ("timm:mobilenetv3_small_050", 3, "trunk.net.blocks.4.1.", "trunk.net.blocks.4.0."),
        ("nima-narrow", 1, "trunk.blocks.3.0.", "trunk.blocks.2."),
    ],
)
def test_the_last_blocks_and_the_head_are_trained(name: str, last: int, first: str, before: str) -> None:
    with torch.device("meta"), ShapesOnly():
        model = models.create(name, 5)
    every = [n for n, _ in model.named_parameters()]
    train_part(model, last, None)
    chosen = trained(model)
    place = next(i for i, n in enumerate(every) if n.startswith(first))
    assert chosen == {n for i, n in enumerate(every) if i >= place or n.startswith("head.")}, sorted(chosen)[:5]
    assert not any(n.startswith(before) for n in chosen)


def test_batch_normalisation_moves_in_the_trained_part_only() -> None:
    model = network("resnet18")
    train_part(model, 1, None)
    train_mode(model)
    before = {n: b.clone() for n, b in model.named_buffers() if n.endswith("running_mean")}
    model(torch.randn(4, 3, 64, 64))
    moved = {n for n, b in model.named_buffers() if n in before and not torch.equal(b, before[n])}
    assert moved == {"trunk.layer4.1.bn1.running_mean", "trunk.layer4.1.bn2.running_mean"}


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "resnet18", "timm:mobilenetv3_small_050"])
def test_adapters_change_nothing_at_first_and_are_merged_afterwards(name: str) -> None:
    model, x = network(name).eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = model(x)
        train_part(model, 2, 3)
        torch.testing.assert_close(model(x), plain)
    names = trained(model)
    assert {n for n in names if not n.startswith("head.")} == {
        n for n, _ in model.named_parameters() if "parametrizations.weight.0." in n
    }
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) < 0.1 * sum(
        p.numel() for p in model.parameters()
    )
    train_mode(model)
    assert not any(m.training for m in model.trunk.modules())
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        optimiser.zero_grad()
        (-model(x)[:, 0].log().mean()).backward()
        optimiser.step()
    other = network(name).eval()
    other.load_state_dict(merged(model.state_dict()))
    with torch.no_grad():
        learnt = model.eval()(x)
        assert float((learnt - plain).abs().max()) > 1e-3
        torch.testing.assert_close(other(x), learnt, atol=1e-5, rtol=1e-4)
    plain_state = network(name).state_dict()
    assert merged(plain_state).keys() == plain_state.keys()


@pytest.mark.parametrize("name", ["resnet18", "timm:mobilenetv3_small_050", "timm:vit_tiny_patch16_224"])
def test_a_network_with_adapters_on_it_scores_and_looks_as_the_merged_one(name: str, rng: np.random.Generator) -> None:
    model, plain = network(name), network(name)
    train_part(model, 2, 4)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn_like(parameter)
    plain.load_state_dict(merged(model.state_dict()))
    pictures = [rng.integers(0, 255, (80, 90, 3), dtype=np.uint8)]
    scores = [Scorer(one, size=64, precision="float32").pictures(pictures) for one in (model, plain)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    untouched = Scorer(network(name), size=64, precision="float32").pictures(pictures)
    assert np.abs(untouched - scores[1]).max() > 1e-4, "adapters count"
    x = torch.randn(1, 3, 64, 64)
    maps = [synthetic_attention(one.eval(), x) for one in (model, plain)]
    torch.testing.assert_close(maps[0], maps[1], atol=1e-5, rtol=1e-3)
    assert trained(model) > {"head.weight"}, "the network is as it was"


def test_an_adapter_reaches_layers_whose_weight_is_read_directly() -> None:
    """BEiT's attention calls ``F.linear`` with the weight of its layer: a wrapped layer would never be asked."""
    from timm.models.beit import Attention

    model = nn.Module()
    model.trunk = nn.Sequential(Attention(32, num_heads=2, qkv_bias=True))
    train_part(model, 1, 2)
    model.trunk(torch.randn(1, 5, 32)).sum().backward()
    up = model.trunk[0].qkv.parametrizations.weight[0].up
    assert float(up.grad.abs().max()) > 0


@pytest.mark.parametrize(
    ("name", "last", "rank", "message"),
    [
        ("probe-resnet18", 1, None, "is a probe, whose backbone is never trained"),
        ("gpf-resnet18", 1, None, "has no single backbone"),
        ("resnet18", 99, None, "has 8 blocks; train_last is 99"),
        ("nima-narrow", 1, 200, "no layer in these blocks that is larger than an adapter of rank 200"),
    ],
)
def test_what_has_no_such_part_is_refused(name: str, last: int, rank: int | None, message: str) -> None:
    with torch.device("meta"), ShapesOnly():
        model = models.create(name, 5)
    assert message in part_fault(model, last, rank)
    with pytest.raises(ConfigError, match=message):
        train_part(model, last, rank)
    train_part(model, None, None)
    assert trained(network("resnet18")) == {n for n, _ in network("resnet18").named_parameters()}
