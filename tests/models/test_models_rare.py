"""Options of networks that are none, inputs that are left out, and operations that few networks have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.core.errors import FormatError, GazekitError
from gazekit.models import create
from gazekit.models.attention import excitation_backprop, gradcam
from gazekit.models.attention.excitation import excitation
from gazekit.models.backbones import backbone
from gazekit.models.cells import cells_of
from gazekit.models.fusion import gate_sizes
from gazekit.models.gaze_readout import fit_readout, load_attention_model
from gazekit.models.gram_probe import GramProbe
from gazekit.models.random_crop import part_of
from gazekit.models.timm_models import matching_names
from gazekit.training.recipe import make_recipe

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "backbone": (lambda: backbone("resnet81"), "unknown backbone 'resnet81'; did you mean resnet18"),
    "gates": (lambda: gate_sizes("resnet81"), "unknown backbone of GPF-CNN 'resnet81'; did you mean resnet18"),
    "network": (lambda: matching_names("zzz*"), "unknown network of timm 'zzz'"),
    "pooling": (lambda: create("residual-attention-narrow", 10, pooling="last"), "pooling is 'last'; published or"),
    "head": (lambda: create("probe-resnet18", 10, head="tree"), "head is 'tree'; softmax, cdf or cumulative"),
    "ridge": (lambda: create("probe-resnet18", 10, ridge="best"), "ridge is 'best'; validation or left-out"),
    "features": (lambda: GramProbe(np.array([[1.0, np.nan]])), "that are all numbers, a row a picture, are needed"),
    "folds": (lambda: fit_readout([], [], folds=2), "looked at 0 different pictures; 4 and a picture a fold"),
    "accumulate": (lambda: make_recipe(batch=4, accumulate=8), r"accumulate \(8\) cannot be more than batch \(4\)"),
    "grid": (lambda: cells_of(nn.Flatten(), torch.zeros(1, 3, 4, 4)), "Flatten lie on no grid"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "fault"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_option_is_answered_with_what_is(call: Callable[[], object], fault: str) -> None:
    with pytest.raises(GazekitError, match=fault):
        call()


def test_another_file_of_torch_is_no_attention_model(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "best.pt")
    with pytest.raises(FormatError, match="is not a file of gazekit attention-model fit"):
        load_attention_model(tmp_path / "best.pt")


def test_a_part_is_half_of_the_view_enlarged() -> None:
    view = torch.zeros(1, 3, 8, 8)
    view[..., 2:6, 2:6] = 1
    torch.testing.assert_close(part_of(view, False), torch.ones_like(view))
    torch.manual_seed(0)
    ramp = torch.arange(8.0).expand(1, 3, 8, 8).contiguous()
    spans = {(float(part.min()), float(part.max())) for part in (part_of(ramp, True) for _ in range(40))}
    assert {high - low for low, high in spans} == {3.0}
    assert len(spans) > 2, "always the same place"


@pytest.mark.parametrize("name", ["random-crop-resnet18", "rapid"])
def test_without_a_part_of_the_original_it_is_the_middle_of_the_view(name: str) -> None:
    torch.manual_seed(0)
    model, view = create(name, 10).eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(view), model(view, part_of(view, False)))


class Lessened(nn.Module):
    """Takes a constant away from responses, and responses from a constant; weighs by a softmax over places."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.conv, self.head = how, nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(x))
        if self.how == "less":
            y = torch.sub(y, torch.full((4, 1, 1), 0.1))
        elif self.how == "number":
            y = y - 0.1
        elif self.how == "gate":
            y = y * F.softmax(y.flatten(2), dim=2).view_as(y)
        elif self.how == "added product":
            y = torch.addcmul(y, y, torch.full_like(y, 0.5))
        return self.head(y.mean((2, 3))).softmax(1)


@pytest.mark.parametrize("how", ["less", "number", "gate", "added product"])
def test_what_is_taken_away_or_only_weighs_excites_nothing_and_the_mass_stays(how: str) -> None:
    torch.manual_seed(0)
    model = Lessened(how)
    found = excitation(model, torch.rand(2, 3, 8, 8), ["conv"], target=1)["conv"]
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum((1, 2, 3)), torch.ones(2))


def test_a_layer_beside_the_way_gets_no_evidence() -> None:
    class Beside(Lessened):
        def forward(self, x: Tensor) -> Tensor:
            self.aside(x)
            return super().forward(x)

    model = Beside("")
    model.aside = nn.Conv2d(3, 4, 3)
    for read in (excitation_backprop, gradcam):
        with pytest.raises(GazekitError, match="nothing passes from layer 'aside' to the scores"):
            read(model, torch.rand(1, 3, 8, 8), layer="aside")


def test_weights_of_one_model_may_be_a_file_for_each_seed(tmp_path: Path) -> None:
    recipe = make_recipe(weights="all.pth", weights_by_model={"a": str(tmp_path / "a-{seed}.pth")})
    assert recipe.weights_of("a", 3) == str(tmp_path / "a-3.pth")
    assert recipe.weights_of("b", 3) == "all.pth"


def test_an_unknown_part_of_training_is_an_attribute_error() -> None:
    import gazekit.training

    with pytest.raises(AttributeError, match=r"module 'gazekit.training' has no attribute 'trian'"):
        gazekit.training.trian  # noqa: B018
