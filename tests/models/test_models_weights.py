"""Weights from files: gazekit's own, timm's, torchvision's; files that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.core.errors import FormatError, InputError
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.weights import load_weights, read_state


def shaken(model: nn.Module) -> nn.Module:
    """Every tensor of a model away from where it starts, so that one that is not copied shows."""
    torch.manual_seed(5)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                noise = torch.rand_like(tensor)  # weights by factors: with sums a deep network overflows
                tensor.mul_(1 + 0.2 * noise) if tensor.ndim > 1 else tensor.add_(0.05 * noise)
    return model.eval()


def features(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model.trunk(x)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        pytest.param("alexnet", marks=pytest.mark.benchmark),
        pytest.param("vgg16", marks=pytest.mark.benchmark),
        pytest.param("inception", marks=pytest.mark.benchmark),
        pytest.param("resnet50", marks=pytest.mark.benchmark),
    ],
)
def test_torchvisions_weights_compute_what_torchvision_computes(name: str, tmp_path: Path) -> None:
    import torchvision

    options = {"init_weights": False, "transform_input": False} if name == "inception" else {}
    builder = getattr(torchvision.models, "inception_v3" if name == "inception" else name)
    theirs = shaken(builder(weights=None, **options))
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    ours = models.create(name, weights=tmp_path / "weights.pth").eval()
    x = torch.randn(2, 3, 224, 224)
    last = theirs.classifier[-1] if name in ("alexnet", "vgg16") else theirs.fc
    with torch.no_grad():
        expected = theirs(x)
        found = last(features(ours, x))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert torch.isfinite(expected).all()
    assert float(expected.std()) > 0


@pytest.mark.parametrize(("name", "theirs"), [("nima-mobilenet", "mobilenetv1_100"), ("resnet18", "resnet18")])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_timms_weights_compute_what_timm_computes(name: str, theirs: str, suffix: str, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    original = shaken(timm.create_model(theirs))
    path = tmp_path / f"model{suffix}"
    if suffix == ".safetensors":
        save_file(original.state_dict(), path)
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in original.state_dict().items()}}, path)
    ours = models.create(name, weights=path).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = original.forward_head(original.forward_features(x), pre_logits=True)
    torch.testing.assert_close(features(ours, x), expected)
    assert ours.mean == models.info(name).mean


def test_the_normalisation_beside_the_weights_is_taken(tmp_path: Path) -> None:
    import timm

    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "model.pth")
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4] * 3}}))
    model = models.create("resnet18", weights=tmp_path / "model.pth")
    assert (model.mean, model.std) == ((0.1, 0.2, 0.3), (0.4, 0.4, 0.4))
    (tmp_path / "config.json").write_text("no json")
    with pytest.raises(FormatError, match=r"config\.json"):
        models.create("resnet18", weights=tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}, ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))),
        ({"pretrained_cfg": {"mean": 0.5}}, "mean is 0.5; three numbers were expected"),
        ({"pretrained_cfg": {"mean": [0.5]}}, "three numbers"),
        ({"pretrained_cfg": {"mean": ["a", "b", "c"]}}, "three numbers"),
        ({"pretrained_cfg": {"std": [0.5, 0, 0.5]}}, "std is .* above 0"),
        ([1], "not timm's config.json"),
    ],
    ids=["flat", "number", "one", "words", "zero", "list"],
)
def test_normalisations_that_a_file_may_state(content: object, expected: object, tmp_path: Path) -> None:
    import timm

    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "model.pth")
    (tmp_path / "config.json").write_text(json.dumps(content))
    if isinstance(expected, str):
        model = models.create("resnet18")
        before = model.trunk.conv1.weight.clone()
        with pytest.raises(FormatError, match=expected):
            load_weights(model, tmp_path / "model.pth")
        assert torch.equal(model.trunk.conv1.weight, before)
    else:
        model = models.create("resnet18", weights=tmp_path / "model.pth")
        assert (model.mean, model.std) == expected


def checkpoint(path: Path, name: str, model: nn.Module, **options: object) -> Path:
    """As ``gazekit train`` writes one, of a network that learnt at 48 px with a normalisation of its own."""
    identity = {"model": name, "buckets": 10, "size": 48, "model_options": options}
    stated = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "aspects": [1.0]}
    torch.save(
        {"schema": "gazekit.checkpoint/1", "identity": identity, "state_dict": model.state_dict(), **stated}, path
    )
    return path


def test_a_checkpoint_brings_what_it_says_of_itself(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "best.pt", "nima-narrow", models.create("nima-narrow", dropout=0.3), dropout=0.3)
    model = models.create("nima-narrow", weights=path, dropout=0.5)  # it is free to learn on with another one
    assert (model.mean, model.std, model.input_size) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 48)
    content = torch.load(path, weights_only=True)
    torch.save(content | {"std": [1, 1, 0]}, path)
    with pytest.raises(FormatError, match=r"best\.pt: std is \[1, 1, 0\]"):
        models.create("nima-narrow", weights=path)


def test_a_checkpoint_of_a_network_with_other_options_is_refused(tmp_path: Path) -> None:
    trained = shaken(models.create("residual-attention-narrow", naive=True))
    path = checkpoint(tmp_path / "naive.pt", "residual-attention-narrow", trained, naive=True)
    for options in ({}, {"naive": False}):
        with pytest.raises(InputError, match="naive=True, this one has naive=False; create it with naive=True"):
            models.create("residual-attention-narrow", weights=path, **options)
    back, x = models.create("residual-attention-narrow", weights=path, naive=True).eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(back(x), trained(x), atol=0, rtol=0)
    plain = checkpoint(tmp_path / "plain.pt", "residual-attention-narrow", trained)
    with pytest.raises(InputError, match="naive=False, this one has naive=True"):
        models.create("residual-attention-narrow", weights=plain, naive=True)


def test_layouts_and_values_that_are_not_the_networks_are_refused(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("resnet18").state_dict()
    kernel = "layer1.0.conv1.weight"
    torch.save(state | {kernel: state[kernel].permute(2, 3, 1, 0).contiguous()}, tmp_path / "hwio.pth")
    torch.save(state | {kernel: state[kernel] * torch.nan}, tmp_path / "nan.pth")
    torch.save({k: (v * 50).to(torch.int8) for k, v in state.items()}, tmp_path / "quantised.pth")
    narrow = models.create("nima-narrow").state_dict()
    torch.save(narrow | {"head.bias": torch.full((10,), torch.inf)}, tmp_path / "infinite.pth")
    cases = [
        ("resnet18", "hwio.pth", r"layer1\.0\.conv1\.weight has shape \(3, 3, 64, 64\)"),
        ("resnet18", "nan.pth", r"1 of \d+ tensors hold NaN or infinity, e\.g\. layer1\.0\.conv1\.weight"),
        ("resnet18", "quantised.pth", r"hold whole numbers \(torch\.int8\), e\.g\. conv1\.weight, as of a quantised"),
        ("nima-narrow", "infinite.pth", r"hold NaN or infinity, e\.g\. head\.bias"),
    ]
    for name, file, message in cases:
        model = models.create(name)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        with pytest.raises(InputError, match=message):
            load_weights(model, tmp_path / file)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_both_subnets_get_the_backbone_and_the_rest_stays(tmp_path: Path) -> None:
    import timm

    original = shaken(timm.create_model("resnet18"))
    torch.save(original.state_dict(), tmp_path / "model.pth")
    torch.manual_seed(3)
    plain = models.create("gpf-resnet18")
    torch.manual_seed(3)
    model = models.create("gpf-resnet18", weights=tmp_path / "model.pth")
    assert isinstance(model, PeripheralFoveal)
    for trunk in (model.periphery.trunk, model.fovea):
        for key, tensor in trunk.net.state_dict().items():
            assert torch.equal(tensor, original.state_dict()[key]), key
    assert torch.equal(model.head.weight, plain.head.weight)


def test_another_number_of_buckets_needs_a_new_head(tmp_path: Path) -> None:
    model = shaken(models.create("residual-attention-narrow", 10))
    torch.save(model.state_dict(), tmp_path / "ten.pt")
    with pytest.raises(
        InputError, match=r"head\.weight has shape \(10, 64\), this model needs \(7, 64\); new_head=True"
    ):
        models.create("residual-attention-narrow", 7, weights=tmp_path / "ten.pt")
    other = models.create("residual-attention-narrow", 7, weights=tmp_path / "ten.pt", new_head=True)
    assert torch.equal(other.stem[0].weight, model.stem[0].weight)
    assert other.head.weight.shape == (7, 64)


def test_files_that_do_not_fit_leave_the_model_as_it_was(tmp_path: Path) -> None:
    import timm

    files = {
        "text.pth": b"not weights at all",
        "cut.pth": b"PK\x03\x04 cut off",
        "text.safetensors": b"not weights at all",
    }
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    state = timm.create_model("resnet18").state_dict()
    torch.save({k: v for k, v in state.items() if not k.startswith("layer4.1")}, tmp_path / "part.pth")
    torch.save({k: v[:1] if v.ndim == 4 else v for k, v in state.items()}, tmp_path / "shape.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    model = models.create("resnet18")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    cases = [
        ("text.pth", FormatError, "not a file of weights"),
        ("cut.pth", FormatError, "not a file of weights"),
        ("text.safetensors", FormatError, "safetensors"),
        ("list.pth", FormatError, "holds list"),
        ("part.pth", InputError, r"does not fit resnet18: 10 of 120 tensors are missing.*layer4\.1"),
        ("shape.pth", InputError, r"conv1\.weight has shape \(1, 3, 7, 7\)"),
        ("absent.pth", InputError, "no such weights file"),
    ]
    for file, error, message in cases:
        with pytest.raises(error, match=message):
            load_weights(model, tmp_path / file)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    with pytest.raises(InputError, match="holds other layers than this model"):
        load_weights(models.create("nima-narrow"), tmp_path / "part.pth")


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(FormatError, match="nothing in a file is run"):
        read_state(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
