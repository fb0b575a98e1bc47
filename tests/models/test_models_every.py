"""What holds for every model. The heavy ones run with `pytest -m benchmark`."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.attention import synthetic_attention
from gazekit.models.baselines import MtrlCnn
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.onnx_export import export_onnx
from tests.models.zoo import EVERY, EVERY_TO_TRAIN, created, fit, inputs_for, real_inputs, set_statistics, small_size
from tests.needs import need

every_model = pytest.mark.parametrize("name", EVERY)


@every_model
def test_probabilities_and_one_picture_alone(name: str) -> None:
    model = created(name, buckets=7).eval()
    inputs = inputs_for(name, model, 3)
    with torch.no_grad():
        together = model(*inputs)
        alone = model(*(x[1:2] for x in inputs))
    assert together.shape == (3, 7)
    assert together.dtype == torch.float32
    torch.testing.assert_close(together.sum(1), torch.ones(3), atol=1e-6, rtol=0)
    assert (together >= 0).all()
    assert len({tuple(row) for row in together.tolist()}) == 3, "the output does not depend on the picture"
    torch.testing.assert_close(alone, together[1:2], atol=1e-5, rtol=0)


@every_model
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = created(name).train()
    inputs = inputs_for(name, model, 4)
    with torch.no_grad():  # timm starts the last normalisation of a residual unit at zero, which blocks its branch
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    if isinstance(model, PeripheralFoveal):  # a periphery that has seen pictures: else an Inception's gates saturate
        for module in model.periphery.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
    reached = set()
    for stage in model.stages if isinstance(model, PeripheralFoveal) else (0,):
        if stage:
            model.set_stage(stage)
        model.zero_grad()
        outputs = model(*inputs)
        (outputs * torch.randn_like(outputs)).sum().backward()
        now = {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
        assert now == {n for n, p in model.named_parameters() if p.requires_grad}, "a step would not finish on a team"
        reached |= now
    subjects = {n for n, _ in model.named_parameters() if isinstance(model, MtrlCnn) and n.startswith("semantic.")}
    assert reached == {n for n, _ in model.named_parameters()} - subjects


@every_model
def test_a_saved_model_comes_back(name: str, tmp_path: Path) -> None:
    model = created(name).eval()
    inputs = inputs_for(name, model, 2)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(1)
    options = {"fovea": small_size(name)} if isinstance(model, PeripheralFoveal) else {}
    back = models.create(name, weights=tmp_path / "weights.pt", **options).eval()
    with torch.no_grad():
        torch.testing.assert_close(back(*inputs), model(*inputs), atol=0, rtol=0)


@dataclass(frozen=True)
class Learnt:
    """A model that knows eight real pictures by heart, and the losses on the way, a list a stage of training."""

    name: str
    model: nn.Module
    losses: list[list[float]]

    def probabilities(self, size: int | None = None) -> Tensor:
        """What it says of the pictures at a side; at that side its statistics were set."""
        inputs = real_inputs(self.name, self.model, size)
        set_statistics(self.model.to(memory_format=torch.contiguous_format), inputs)
        with torch.no_grad():
            found: Tensor = self.model(*inputs)
        assert float((found[:, None] - found[None]).abs().amax((1, 2)).min()) > 0.05, "pictures that are not told apart"
        return found


RATES = {"nima-mobilenet": 2e-4} | dict.fromkeys(("pf-vgg16", "mna-cnn", "mtrlcnn", "a-lamp"), 1e-4)


@pytest.fixture(scope="module", params=EVERY_TO_TRAIN)
def learnt(request: pytest.FixtureRequest) -> Learnt:
    name = request.param
    model = created(name).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    inputs = real_inputs(name, model)
    q = torch.softmax(-((torch.arange(10.0) - torch.linspace(1, 8, 8)[:, None]) ** 2) / 3, 1)
    rate = RATES.get(name, 4e-3 if "narrow" in name else 3e-4)
    torch.manual_seed(2)
    losses = []
    if isinstance(model, PeripheralFoveal):
        model.set_stage(1)
        losses.append(fit(model, inputs[:1], torch.eye(2)[(torch.arange(8) > 3).long()], rate))
        set_statistics(model.periphery, inputs[:1])
        model.set_stage(2)
        model.train()
    losses.append(fit(model, inputs, q, rate))
    return Learnt(name, model, losses)


def test_eight_real_pictures_can_be_learnt_by_heart(learnt: Learnt) -> None:
    for losses in learnt.losses:
        assert min(losses) < 0.02, losses
        assert losses[0] > 0.05


def test_a_picture_alone_and_channels_last_change_nothing(learnt: Learnt) -> None:
    together = learnt.probabilities()
    inputs = real_inputs(learnt.name, learnt.model)
    with torch.no_grad():
        alone = torch.cat([learnt.model(*(x[i : i + 1] for x in inputs)) for i in range(8)])
        torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
        model = learnt.model.to(memory_format=torch.channels_last)
        laid_out = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
        torch.testing.assert_close(model(*laid_out), together, atol=1e-5, rtol=0)


def test_bfloat16_changes_little(learnt: Learnt) -> None:
    """At the size that the model was published with: what every usable model meets."""
    size = models.info(learnt.name).size
    plain = learnt.probabilities(size)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = learnt.model(*real_inputs(learnt.name, learnt.model, size))
    assert half.dtype == torch.float32
    print(f"\n{learnt.name}: bfloat16 moves a probability by {float((half - plain).abs().max()):.4f}")
    torch.testing.assert_close(half, plain, atol=3e-2, rtol=0)  # .013 or .020 of MobileNet, by the number of threads


@every_model
def test_synthetic_attention_is_a_map_a_picture(name: str) -> None:
    model = created(name)
    pictures = real_inputs(name, model)[0][:2]
    for method in ("auto", "excitation", "gradcam"):
        maps = synthetic_attention(model, pictures, method, target=torch.tensor([1, 0]))
        assert maps.shape == (2, *pictures.shape[2:]), method
        assert maps.min() >= 0, method
        torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2), atol=1e-5, rtol=0)


@every_model
def test_onnx_gives_what_torch_gives(name: str, tmp_path: Path) -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")
    model = created(name)
    size = (
        models.info(name).size
        if "alexnet" in name or name in ("rapid", "dma-net", "vgg16", "nima-vgg16")
        else small_size(name)
    )
    if isinstance(model, PeripheralFoveal):
        size = model.size = max(size, 64)
    done = export_onnx(model, tmp_path / "model.onnx", size=size)
    assert done.difference <= 1e-4
    assert next(iter(done.inputs)) == "pictures"
    if name.startswith(("pf-", "gpf-")):
        assert list(done.inputs) == ["pictures", "fovea"]
