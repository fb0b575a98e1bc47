"""Any network of timm: built, scored, attended to; weights of others, whoever they are of."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from gazekit import models
from gazekit.cli import main
from gazekit.cli.models_ import command as models_command
from gazekit.core.errors import FormatError, InputError
from gazekit.models.attention import synthetic_attention
from gazekit.models.attention.excitation import excitation
from gazekit.models.attention.rollout import rollout
from gazekit.models.onnx_export import export_onnx
from gazekit.models.weights_report import weights_report
from tests.models.zoo import real_pictures
from tests.needs import need

heavy = pytest.mark.benchmark
LIGHT = {
    *("resnet18", "regnety_002", "mobilenetv3_small_050", "convnext_atto", "vit_tiny_patch16_224"),
    "edgenext_xx_small",
}
NETWORKS = {
    "resnet18": 64,
    "regnety_002": 64,
    "tf_efficientnet_lite0": 64,
    "efficientnet_b0": 64,
    "mobilenetv3_small_050": 64,
    "mobilenetv3_large_100": 64,
    "convnext_atto": 64,
    "densenet121": 64,
    "vgg11_bn": 64,
    "inception_v3": 96,
    "vit_tiny_patch16_224": 64,
    "vit_small_patch14_dinov2": 56,
    "vit_base_patch32_clip_224": 64,
    "vit_base_patch16_siglip_224": 64,
    "swin_tiny_patch4_window7_224": 224,
    "maxvit_rmlp_pico_rw_256": 256,
    "edgenext_xx_small": 64,
    "convnextv2_atto": 64,
    "swinv2_tiny_window8_256": 256,
}


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return models.create(f"timm:{name}").eval()


def pictures(size: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", [n if n in LIGHT else pytest.param(n, marks=heavy) for n in NETWORKS])
def test_every_kind_of_network_has_attention(name: str) -> None:
    model, x = network(name), pictures(NETWORKS[name])
    maps = synthetic_attention(model, x)
    assert maps.shape == (2, *x.shape[2:])
    assert float(maps.min()) >= 0
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2))
    assert float((maps.std((1, 2)) / maps.mean((1, 2))).min()) > 0.01, "a map is flat"
    if "vit" in name and "maxvit" not in name:
        return
    winning = excitation(model, x, [model.readout], target=3)[model.readout]
    assert float(winning.min()) >= 0
    torch.testing.assert_close(winning.flatten(1).sum(1), torch.ones(2), atol=1e-4, rtol=0)


def test_facts_are_timms() -> None:
    facts = models.info("timm:vit_small_patch14_dinov2")
    assert (facts.size, facts.smallest, facts.mean[0]) == (518, 32, 0.485)
    import timm

    theirs = timm.create_model("convnext_atto", num_classes=7)
    assert models.info("timm:convnext_atto").cost(7).parameters == sum(p.numel() for p in theirs.parameters())
    with pytest.raises(InputError, match="cait_xxs24_224 takes pictures of 224 x 224 pixels and no others; found 256"):
        network("cait_xxs24_224")(pictures(256))
    with pytest.raises(InputError, match="unknown network of timm 'convnext_ato'; did you mean convnext_atto"):
        models.create("timm:convnext_ato")


def test_its_features_are_those_that_timms_classifier_reads(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(3)
    theirs = timm.create_model("vit_tiny_patch16_224").eval()
    torch.save({"state_dict": theirs.state_dict(), "arch": "vit_tiny_patch16_224"}, tmp_path / "vit.pth")
    ours = models.create("timm:vit_tiny_patch16_224", 10, weights=tmp_path / "vit.pth").eval()
    x = pictures(224)
    with torch.no_grad():
        torch.testing.assert_close(theirs.head(ours.trunk(x)), theirs(x))
        assert ours(pictures(96)).shape == (2, 10)  # another size than it was trained with
    assert ours.weights_from["file"].endswith("vit.pth")
    assert len(ours.weights_from["sha256"]) == 64


def test_rollout_of_one_layer_by_hand() -> None:
    import timm

    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", img_size=48, depth=1, num_classes=4).eval()
    x = pictures(48, 1)
    block = vit.blocks[0]
    block.attn.fused_attn = False
    weights: list[Tensor] = []
    block.attn.attn_drop.register_forward_hook(lambda m, i, y: weights.append(y))
    score = vit(x)[0, 2]
    (gradient,) = torch.autograd.grad(score, weights)
    expected = (weights[0] * gradient).clamp_min(0).mean(1)[0, 0, 1:].detach().reshape(3, 3)
    torch.testing.assert_close(rollout(vit, x, target=2)[0], expected / expected.sum())
    block.attn.fused_attn = True
    torch.testing.assert_close(rollout(vit, x, target=2)[0], expected / expected.sum())


def test_a_transformer_sees_what_its_score_depends_on() -> None:
    """One patch decides: values of all others are zero, so that every head can only have read that one."""
    import timm

    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=3, pos_embed="none").eval()
    x = torch.zeros(1, 3, 64, 64)
    x[:, :, 16:32, 32:48] = torch.randn(1, 3, 16, 16) * 5
    found = rollout(vit, x)[0]
    assert int(found.argmax()) == 1 * 4 + 2


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("excitation", "gives tokens.*method='rollout'"),
        ("gradcam", "gives tokens.*method='rollout'"),
        ("masks", "has no soft masks"),
    ],
)
def test_what_a_transformer_has_not_is_named(method: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        synthetic_attention(network("vit_tiny_patch16_224"), pictures(64), method)  # type: ignore[arg-type]


def test_rollout_needs_a_transformer() -> None:
    with pytest.raises(InputError, match="no vision transformer"):
        synthetic_attention(models.create("nima-narrow"), pictures(64), "rollout")
    with pytest.raises(InputError, match=r"attends to channels"):
        synthetic_attention(network("xcit_nano_12_p16_224"), pictures(224, 1), "rollout")
    with pytest.raises(InputError, match="reads all layers"):
        synthetic_attention(network("vit_tiny_patch16_224"), pictures(64), "rollout", layer="trunk.map")


def test_it_is_scored_as_any_model() -> None:
    model = models.create("timm:mobilenetv3_small_050")
    scores = models.Scorer(model, size=64, precision="float32").pictures(real_pictures()[:3])
    assert scores.shape == (3, 10)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "side"),
    [("mobilenetv3_small_050", 64), ("vit_tiny_patch16_224", 96)],
    ids=["convolutions", "other positions"],
)
def test_it_is_exported_as_any_model(name: str, side: int, tmp_path: Path) -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")
    model = network(name)
    done = export_onnx(model, tmp_path / "net.onnx", size=side)
    assert done.difference < 1e-5
    assert done.inputs["pictures"] == ("N", 3, side, side)
    assert model(pictures(side + 32)).shape == (2, 10), "the model still takes other sizes"


def main_ok(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code


def test_models_lists_timm_and_says_what_is_reduced() -> None:
    listed = CliRunner().invoke(models_command, ["--timm", "convnext_at*"], catch_exceptions=False).output.split()
    assert "timm:convnext_atto" in listed
    arguments = ["--json", "--name", "timm:resnet18", "--name", "mna-cnn", "--name", "gpf-resnet18"]
    rows = json.loads(CliRunner().invoke(models_command, arguments, catch_exceptions=False).output)
    assert [bool(row["reduced"]) for row in rows] == [False, True, False]
    assert models.info("probe-nima-narrow").reduced == "four blocks for a backbone"
    table = (
        CliRunner().invoke(models_command, ["--name", "a-lamp", "--name", "resnet18"], catch_exceptions=False).output
    )
    assert "reduced" in table
    assert "no layout-aware subnet" in table
    assert "as published" in table


# -- weights of others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"_orig_mod." + k: v for k, v in s.items()},
        lambda s: {"state_dict": {"model." + k: v for k, v in s.items()}, "epoch": 3},
        lambda s: {"params": s},
        lambda s: {"params_ema": s, "params": {k: v * 0 for k, v in s.items()}},
        lambda s: {"state_dict": {k: v * 0 for k, v in s.items()}, "state_dict_ema": s, "arch": "resnet18"},
        lambda s: {"model": {"module._orig_mod." + k: v for k, v in s.items()}},
        lambda s: {"state_dict": s, "state_dict_ema": None},
        lambda s: {"state_dict": {**{"model." + k: v for k, v in s.items()}, "loss.weight": torch.ones(9)}},
        lambda s: {"n_averaged": torch.tensor(3), **{"module." + k: v for k, v in s.items()}},
        lambda s: {"model": {"state_dict": s}},
    ],
    ids=["compiled", "lightning", "params", "params ema", "ema", "both", "no ema", "loss beside", "averaged", "nested"],
)
def test_wrappers_of_others_are_taken_off(wrap: object, tmp_path: Path) -> None:
    import timm

    state = timm.create_model("resnet18").state_dict()
    torch.save(wrap(state), tmp_path / "theirs.pth")  # type: ignore[operator]
    model = models.create("resnet18", weights=tmp_path / "theirs.pth")
    assert torch.equal(model.trunk.layer3[0].conv1.weight, state["layer3.0.conv1.weight"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>Sign in</title>", "is a web page and not weights"),
        (b"\xef\xbb\xbf\n  <HTML><BODY>403</BODY></HTML>", "is a web page and not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "is a pointer of Git LFS"),
    ],
    ids=["page", "capitals", "pointer"],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".h5"])
def test_what_a_download_left_is_called_that(content: bytes, message: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"w{suffix}").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        models.create("resnet18" if suffix == ".h5" else "nima-mobilenet", weights=tmp_path / f"w{suffix}")
    with pytest.raises(FormatError, match=message):
        weights_report(tmp_path / f"w{suffix}")


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_what_torch_refuses_is_said_without_its_advice(tmp_path: Path) -> None:
    network = models.create("nima-narrow", 5).eval()
    torch.save(network, tmp_path / "pickled.pth")
    torch.jit.trace(network, torch.zeros(1, 3, 64, 64)).save(str(tmp_path / "traced.pt"))
    (tmp_path / "answer.pth").write_text('{"error": "not found"}')
    torch.save({"teacher": network.state_dict(), "epoch": 3}, tmp_path / "two.pth")
    for name, message in (
        ("pickled.pth", "holds Python objects and not only tensors"),
        ("traced.pt", "is a program of TorchScript"),
        ("answer.pth", "is not a file of weights that torch can read, or is damaged"),
        ("two.pth", "holds dict of teacher, epoch; a state dict"),
    ):
        with pytest.raises(FormatError, match=message) as refused:
            weights_report(tmp_path / name)
        assert "weights_only" not in str(refused.value)


def test_a_file_of_other_names_in_the_same_order_is_taken(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    ported = {f"_{key.replace('blocks', 'b_')}": value for key, value in state.items()}
    torch.save(ported, tmp_path / "ported.pth")
    model = models.create("timm:tf_efficientnet_lite0", weights=tmp_path / "ported.pth")
    own = model.trunk.net.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in own.items())
    keys = list(ported)
    keys[10], keys[20] = keys[20], keys[10]
    torch.save({key: ported[key] for key in keys}, tmp_path / "mixed.pth")
    with pytest.raises(InputError, match="does not fit tf_efficientnet_lite0"):
        models.create("timm:tf_efficientnet_lite0", weights=tmp_path / "mixed.pth")


def test_weights_check_tells_whose_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import timm

    torch.save({"state_dict_ema": timm.create_model("resnet18").state_dict()}, tmp_path / "r.pth")
    torch.save(models.create("nima-narrow", 7).state_dict(), tmp_path / "own.pt")
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), tmp_path / "m.pth")
    main_ok(["weights", "check", str(tmp_path / "r.pth")])
    assert "backbone of: resnet18 (resnet18)" in capsys.readouterr().out
    report = weights_report(tmp_path / "own.pt")
    assert report.whole == ("nima-narrow",)
    with pytest.raises(SystemExit) as stop:
        main(["weights", "check", str(tmp_path / "m.pth")])
    assert stop.value.code == 1
    assert "try --model timm:NAME" in capsys.readouterr().out
    main_ok(["weights", "check", str(tmp_path / "m.pth"), "--model", "timm:mobilenetv3_small_050", "--json"])
    assert json.loads(capsys.readouterr().out)["backbones"] == ["timm:mobilenetv3_small_050"]


def test_offline_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        InputError, match=r"are not on this machine and cannot be fetched .*this machine is offline.*--weights FILE"
    ):
        models.create("timm:convnext_atto", weights="timm")
    with pytest.raises(InputError, match="has no backbone that timm publishes"):
        models.create("nima-narrow", weights="timm")
    with pytest.raises(InputError, match="unknown backbone of torchvision 'mobilenet'"):
        models.create("nima-mobilenet", weights="torchvision")


def test_what_torchvision_has_on_this_machine_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file in torch's own folder of downloads, put there by the test, is what torchvision would have fetched."""
    import timm
    from torchvision.models import ResNet18_Weights

    state = timm.create_model("resnet18").state_dict()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("gazekit.models.published._reachable", lambda address: False)
    file = tmp_path / "hub" / "checkpoints" / Path(ResNet18_Weights.IMAGENET1K_V1.url).name
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    model = models.create("gpf-resnet18", weights="torchvision")
    assert torch.equal(model.fovea.net.conv1.weight, state["conv1.weight"])
    assert model.weights_from["publisher"] == "torchvision"
    assert model.weights_from["name"] == "ResNet18_Weights.IMAGENET1K_V1"
    assert len(model.weights_from["sha256"]) == 64
