"""The Residual Attention Network against the graph of its authors, run from their layer list.

``layer_lists`` holds the facts of the authors' deploy files, one row a layer: type, inputs, output, channels, kernel,
stride, padding. Each layer is computed as Caffe defines it: pooling without padding rounds up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit import models
from gazekit.core.errors import ConfigError, InputError
from gazekit.models.attention.interception import Logits
from gazekit.models.residual_attention import MARK, AttentionModule, Halving, MaskBranch, ResidualUnit
from gazekit.models.weights import load_weights
from tests.models.zoo import created

Row = dict[str, str]


def layer_list(name: str) -> list[Row]:
    with open(Path(__file__).parent / "layer_lists" / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def in_the_authors_order(model: nn.Module) -> Iterator[nn.Module]:
    """The layers with weights, as the authors list them: each trunk before its mask, each skip before what adds it."""
    yield from (model.stem[0], model.stem[1])
    for part in (*(layer for stage in model.stages for layer in stage), *model.last[:-2]):
        yield from _of_module(part) if isinstance(part, AttentionModule) else _of_unit(part)
    yield model.last[-2]
    yield model.head


def _of_unit(unit: ResidualUnit) -> Iterator[nn.Module]:
    yield from (unit.norm1, unit.conv1, unit.norm2, unit.conv2, unit.norm3, unit.conv3)
    if unit.shortcut is not None:
        yield unit.shortcut


def _of_module(module: AttentionModule) -> Iterator[nn.Module]:
    branch: MaskBranch = module.mask
    middle = [*branch.down, *branch.bottom]
    ends = [unit for pair in zip(reversed(branch.skip), branch.up, strict=True) for unit in pair]
    for unit in (module.before, *module.trunk, *middle, *ends):
        yield from _of_unit(unit)
    yield from (layer for layer in branch.out if not isinstance(layer, nn.ReLU))
    yield from _of_unit(module.after)


def run_the_list(rows: list[Row], layers: list[nn.Module], picture: Tensor) -> dict[nn.Module, Tensor]:
    """What each layer with weights gives, computed from the list with the weights of ``layers``."""
    values, answers, waiting = {"b0": picture}, {}, iter(layers)
    for row in rows:
        inputs = [values[name] for name in row["inputs"].split()]
        if row["type"] in ("Convolution", "BN", "InnerProduct"):
            layer = next(waiting)
            values[row["output"]] = answers[layer] = _weighted(row, layer, inputs[0])
        else:
            values[row["output"]] = _plain(row, inputs)
    assert next(waiting, None) is None, "the network has more layers than the list"
    return answers


def _weighted(row: Row, layer: nn.Module, x: Tensor) -> Tensor:
    if row["type"] == "BN":
        return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias)
    if row["type"] == "InnerProduct":
        return F.linear(x.flatten(1), layer.weight, layer.bias)
    kernel = int(row["kernel"])
    assert layer.weight.shape == (int(row["outputs"]), x.shape[1], kernel, kernel), row
    assert row["bias"] == "false"
    assert layer.bias is None
    return F.conv2d(x, layer.weight, None, int(row["stride"]), int(row["pad"] or 0))


def _plain(row: Row, inputs: list[Tensor]) -> Tensor:
    x, kind = inputs[0], row["type"]
    if kind == "Pooling":
        size = {"kernel_size": int(row["kernel"]), "stride": int(row["stride"]), "padding": int(row["pad"] or 0)}
        return F.max_pool2d(x, **size, ceil_mode=True) if row["extra"] == "MAX" else F.avg_pool2d(x, **size)
    if kind == "Eltwise":
        return inputs[0] * inputs[1] if row["extra"] == "PROD" else inputs[0] + inputs[1]
    if kind == "Interp":
        return F.interpolate(x, size=inputs[1].shape[2:], mode="bilinear", align_corners=False)
    return {"ReLU": F.relu, "Sigmoid": torch.sigmoid, "Softmax": lambda y: y.softmax(1)}[kind](x)


@pytest.mark.parametrize("name", ["attention-56", "attention-92"])
def test_every_layer_computes_what_the_authors_graph_computes(name: str) -> None:
    torch.manual_seed(0)
    model = models.create(f"residual-{name}", buckets=1000).eval()
    with torch.no_grad():
        for module in model.modules():  # statistics of its own for every layer, so that none can stand for another
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.0)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2.0)
        layers, computed = list(in_the_authors_order(model)), {}
        hooks = [layer.register_forward_hook(lambda m, _, y: computed.__setitem__(m, y)) for layer in layers]
        picture = torch.randn(1, 3, 224, 224)
        with Logits():
            logits = model(picture)
        for hook in hooks:
            hook.remove()
        expected = run_the_list(layer_list(name), layers, picture)
    weights = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    assert set(layers) == set(weights)
    for number, layer in enumerate(layers):
        scale = float(expected[layer].abs().max())
        assert float(expected[layer].std()) > 0
        difference = float((computed[layer] - expected[layer]).abs().max())
        assert difference < 1e-4 * scale, f"layer {number} of {len(layers)}, {layer}, is {difference / scale:.1e} off"
    assert float((logits - expected[layers[-1]]).abs().max()) < 1e-4 * float(logits.abs().max())


@pytest.mark.parametrize("side", [2, 3, 4, 5, 7, 8, 13])
def test_pooling_takes_the_windows_that_caffe_takes(side: int) -> None:
    x = torch.randn(2, 3, side, side + 1)
    rows, columns = (max(1, length // 2) for length in x.shape[2:])
    halved = Halving()(x)
    assert halved.shape == (2, 3, rows, columns)
    for i, j in np.ndindex(rows, columns):
        assert torch.equal(halved[:, :, i, j], x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].amax((2, 3)))


def test_a_map_of_one_pixel_is_halved_to_itself() -> None:
    x = torch.randn(1, 2, 1, 5)
    torch.testing.assert_close(Halving()(x), F.max_pool2d(x, (1, 3), (1, 2), ceil_mode=True))
    assert Halving()(x[..., :1]).shape == (1, 2, 1, 1)


def answers(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model.eval()(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


def test_weights_of_0_1_0_bring_its_pooling_with_them(tmp_path: Path) -> None:
    name = "residual-attention-narrow"
    old = created(name, pooling="padded")
    assert MARK not in old.state_dict()
    torch.save(old.state_dict(), tmp_path / "old.pt")
    identity = {"model": name, "buckets": 10, "size": 64, "model_options": {}}
    torch.save({"identity": identity, "state_dict": old.state_dict()}, tmp_path / "best.pt")
    for file in ("old.pt", "best.pt"):
        for pooling in ("published", "padded"):
            assert torch.equal(answers(models.create(name, weights=tmp_path / file, pooling=pooling)), answers(old))
    new = created(name)
    assert not torch.allclose(answers(new), answers(old), atol=1e-4), "pooling makes no difference"
    torch.save(new.state_dict(), tmp_path / "new.pt")
    again = models.create(name, pooling="padded")
    load_weights(again, tmp_path / "new.pt")
    assert torch.equal(answers(again), answers(new))
    again.load_state_dict(old.state_dict())
    assert torch.equal(answers(again), answers(old))


def test_corners_may_be_aligned_as_deeplab_does() -> None:
    plain, aligned = created("residual-attention-narrow"), created("residual-attention-narrow", align_corners=True)
    aligned.load_state_dict(plain.state_dict())
    assert not torch.equal(answers(plain), answers(aligned))
    branch, x = aligned.mask_branches()[0], torch.randn(1, 3, 4, 5)
    enlarged = branch.enlarge(x, torch.empty(1, 1, 7, 9))
    torch.testing.assert_close(enlarged[:, :, ::2, ::2], x)  # every value stays where the grids meet


def test_other_poolings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pooling is 'caffe'; published or padded"):
        models.create("residual-attention-narrow", pooling="caffe")
    name = "residual-attention-narrow"
    identity = {"model": name, "model_options": {"align_corners": True}}
    torch.save({"identity": identity, "state_dict": created(name).state_dict()}, tmp_path / "best.pt")
    with pytest.raises(InputError, match="align_corners=True, this one has align_corners=False"):
        models.create(name, weights=tmp_path / "best.pt")
