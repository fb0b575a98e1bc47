"""What holds for every model. The heavy ones run with `pytest -m benchmark`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.baselines import MtrlCnn
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.onnx_export import export_onnx
from tests.models.zoo import EVERY, LIGHT_TO_TRAIN, created, inputs_for, real_batch, small_size
from tests.needs import need

every_model = pytest.mark.parametrize("name", EVERY)


def emd(p: Tensor, q: Tensor) -> Tensor:
    return ((p.cumsum(1) - q.cumsum(1)).square().mean(1) + 1e-12).sqrt().mean()


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
        outputs = model.tasks(*inputs) if isinstance(model, MtrlCnn) else (model(*inputs),)
        model.zero_grad()
        sum((p * torch.randn_like(p)).sum() for p in outputs).backward()
        reached |= {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert reached == {n for n, _ in model.named_parameters()}


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


@every_model
def test_bfloat16_and_channels_last_change_little(name: str) -> None:
    model = created(name).eval()
    inputs = inputs_for(name, model, 2)
    with torch.no_grad():
        plain = model(*inputs)
        model = model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(model(*inputs), plain, atol=1e-5, rtol=0)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(*inputs)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, plain, atol=2e-2, rtol=0)


@pytest.mark.parametrize("name", LIGHT_TO_TRAIN)
def test_eight_real_pictures_can_be_learnt_by_heart(name: str) -> None:
    options = {"dropout": 0.0} if name.startswith("nima") else {}
    model = created(name, **options).train()
    pictures = real_batch(name)
    torch.manual_seed(2)
    q = torch.softmax(-((torch.arange(10.0) - torch.linspace(1, 8, 8)[:, None]) ** 2) / 3, 1)
    target, steps = {0: q}, 60
    if isinstance(model, PeripheralFoveal):
        target = {1: torch.eye(2)[(torch.arange(8) > 3).long()], 2: q}
    for stage, wanted in target.items():
        if stage:
            model.set_stage(stage)
        fovea = (pictures.flip(3),) if stage == 2 or name.startswith(("rapid", "random-crop")) else ()
        losses = fit(model, (pictures, *fovea), wanted, steps, 4e-3 if "narrow" in name else 1e-3)
        assert min(losses) < 0.02, losses
        assert losses[0] > 0.05


def fit(model: nn.Module, inputs: tuple[Tensor, ...], q: Tensor, steps: int, rate: float) -> list[float]:
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], rate)
    losses: list[float] = []
    for step in range(3 * steps):
        optimiser.param_groups[0]["lr"] = rate if step < steps else rate / 4
        loss = emd(model(*inputs), q)
        losses.append(loss.item())
        if losses[-1] < 0.02:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses


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
