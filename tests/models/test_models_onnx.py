"""ONNX files: what is refused, and the shapes that they take."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gazekit import models
from gazekit.core.errors import GazekitError, InputError
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.onnx_export import export_onnx
from tests.models.zoo import created
from tests.needs import need


@pytest.fixture(autouse=True)
def _onnx() -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")


def test_a_file_that_gives_no_number_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    class Broken(onnxruntime.InferenceSession):
        def run(self, *rest: Any) -> Any:
            return [np.full_like(y, np.nan) for y in super().run(*rest)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Broken)
    with pytest.raises(GazekitError, match=r"other scores than torch \(by nan\)"):
        export_onnx(models.create("nima-narrow"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_gives_no_number_is_not_written(tmp_path: Path) -> None:
    model = models.create("nima-narrow")
    with torch.no_grad():
        model.head.weight[0, 0] = torch.nan
    with pytest.raises(InputError, match="scores that are not numbers"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_views_of_gpf_keep_their_aspect_ratios(tmp_path: Path) -> None:
    import onnxruntime

    model = created("gpf-resnet18").eval()
    done = export_onnx(model, tmp_path / "model.onnx", size=64)
    assert done.inputs == {"pictures": ("N", 3, "H", "W"), "fovea": ("N", 3, 64, 64)}
    session = onnxruntime.InferenceSession(str(done.file), providers=["CPUExecutionProvider"])
    view, fovea = torch.randn(3, 3, 96, 64), torch.randn(3, 3, 64, 64)
    (found,) = session.run(None, {"pictures": view.numpy(), "fovea": fovea.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(view, fovea), atol=1e-4)


def test_stage_one_is_exported_without_a_crop(tmp_path: Path) -> None:
    model = created("gpf-resnet18")
    assert isinstance(model, PeripheralFoveal)
    model.set_stage(1)
    done = export_onnx(model, tmp_path / "model.onnx", size=64)
    assert done.inputs == {"pictures": ("N", 3, "H", "W")}
    assert done.difference <= 1e-4


@pytest.mark.parametrize("head", ["softmax", "cdf", "cumulative"])
def test_probes_are_exported_with_every_head(head: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = models.create("probe-timm:mobilenetv3_small_050", 7, head=head)
    with torch.no_grad():
        model.head.weight.normal_(std=0.3)  # of cdf, values that do not rise
    assert export_onnx(model, tmp_path / "probe.onnx", size=64).difference < 1e-5
    assert model(torch.randn(3, 3, 64, 64)).min() >= 0
