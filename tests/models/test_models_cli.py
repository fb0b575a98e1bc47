"""`gazekit models` and `gazekit models export`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from gazekit import models
from gazekit.cli import main
from gazekit.cli.models_ import command
from tests.needs import need


def test_the_list_has_every_model_and_its_facts() -> None:
    result = CliRunner().invoke(command, ["--json", "--buckets", "5"], catch_exceptions=False)
    rows = {row["name"]: row for row in json.loads(result.output)}
    assert list(rows) == models.names()
    row = rows["residual-attention-56"]
    assert row["parameters"] == 31_810_728 - 995 * 2049
    assert row["gmacs"] == 6.269
    assert row["options"] == {
        "naive": False,
        "pooling": "published",
        "align_corners": False,
    }
    assert (row["input"], row["mean"]) == (224, [0.485, 0.456, 0.406])
    assert next(option.default for option in command.params if option.name == "buckets") == 10
    text = CliRunner().invoke(command, ["--buckets", "5"], catch_exceptions=False).output  # as counted above
    assert all(name in text for name in models.names())
    assert "0.500 0.500 0.500" in text


def test_export_writes_a_file_that_onnxruntime_reads(tmp_path: Path) -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")
    import onnx

    out = tmp_path / "ran.onnx"
    arguments = ["export", "residual-attention-narrow", "--out", str(out), "--buckets", "7", "--size", "48", "--json"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    facts = json.loads(result.output.splitlines()[0])
    assert facts["inputs"] == {"pictures": ["N", 3, 48, 48]}
    assert facts["difference"] <= 1e-4
    properties = {p.key: json.loads(p.value) for p in onnx.load(out).metadata_props}
    assert properties["gazekit.mean"] == [0.485, 0.456, 0.406]
    assert properties["gazekit.input_size"] == 48


def test_export_of_a_checkpoint_says_what_the_checkpoint_says(tmp_path: Path) -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")
    import onnx
    import onnxruntime

    model = models.create("residual-attention-narrow", 7, naive=True).eval()
    identity = {"model": "residual-attention-narrow", "buckets": 7, "size": 48, "model_options": {"naive": True}}
    stated = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "aspects": [1.0]}
    torch.save({"identity": identity, "state_dict": model.state_dict(), **stated}, tmp_path / "best.pt")
    arguments = ["export", "residual-attention-narrow", "--weights", str(tmp_path / "best.pt"), "--buckets", "7"]
    out = tmp_path / "ran.onnx"
    CliRunner().invoke(command, [*arguments, "--option", "naive=true", "--out", str(out)], catch_exceptions=False)
    properties = {p.key.removeprefix("gazekit."): json.loads(p.value) for p in onnx.load(out).metadata_props}
    assert properties == {"mean": stated["mean"], "std": stated["std"], "input_size": 48}
    pictures = torch.randn(2, 3, 48, 48)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pictures": pictures.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(pictures), atol=1e-4)
    renewed = tmp_path / "renewed.onnx"
    arguments[-1] = "5"
    options = ["--option", "naive=true", "--new-head", "--out", str(renewed)]
    CliRunner().invoke(command, [*arguments, *options], catch_exceptions=False)
    (found,) = onnxruntime.InferenceSession(str(renewed)).run(None, {"pictures": pictures.numpy()})
    assert found.shape == (2, 5)


@pytest.mark.parametrize(("typed", "close"), [("nima-vgg", "export nima-vgg16"), ("exprt", "export")])
def test_an_unknown_command_is_answered_with_what_to_type(
    typed: str, close: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["models", typed])
    assert stop.value.code == 2
    assert f"unknown command '{typed}'; did you mean {close}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "export", "nima-narow"], "did you mean nima-narrow"),
        (["models", "export", "nima-narrow", "--weights", "absent.pt"], "no such weights file"),
        (["models", "export", "nima-narrow", "--weights", "damaged.pt"], "damaged.pt is not a file of weights"),
        (["models", "export", "nima-narrow", "--weights", "damaged.safetensors"], "is not a safetensors file"),
        (["models", "export", "nima-narrow", "--buckets", "1"], "buckets is 1"),
        (["models", "--buckets", "0"], "buckets is 0"),
        (["models", "export", "residual-attention-narrow", "--option", "naive=0"], "naive is '0'; true or false"),
        (["models", "export", "nima-narrow", "--option", "naif=true"], "unknown option 'naif'; did you mean naive"),
        (["models", "export", "nima-narrow", "--option", "naive=true"], "unknown option of nima-narrow 'naive'"),
        (["models", "export", "resnet18", "--size", "20"], "size is 20; this model takes pictures of 32 x 32"),
        (["models", "export", "nima-alexnet", "--size", "100"], "at a size of 100; its own size is 224"),
    ],
)
def test_mistakes_end_with_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")
    monkeypatch.chdir(tmp_path)
    for name in ("damaged.pt", "damaged.safetensors"):
        (tmp_path / name).write_text("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin\n")
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    assert message in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"damaged.pt", "damaged.safetensors"}


def test_an_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need(importlib.util.find_spec("onnxruntime"), "onnxruntime")
    (tmp_path / "x.onnx").write_text("mine")
    with pytest.raises(SystemExit):
        main(["models", "export", "nima-narrow", "--out", str(tmp_path / "x.onnx")])
    assert "exists already; choose another name, or replace it: overwrite=True (--overwrite)" in capsys.readouterr().err
    assert (tmp_path / "x.onnx").read_text() == "mine"
