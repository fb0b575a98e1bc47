"""MobileNet from Keras files, checked against Keras itself (`pip install 'gazekit[keras]'`)."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from gazekit import models
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.models.keras import MARK, _kinds, _layer_names, read_layers
from gazekit.models.weights import load_weights
from gazekit.models.weights_report import weights_report
from gazekit.training.checkpoints import save_checkpoint
from gazekit.training.load_model import load_trained
from tests.needs import need

KERAS = """
import sys, numpy as np, keras
out = sys.argv[1]
base = keras.applications.MobileNet((None, None, 3), weights=None, include_top=False, pooling="avg")
top = keras.layers.Dense(10, activation="softmax")(keras.layers.Dropout(0.75)(base.output))
model = keras.Model(base.input, top)
rng = np.random.default_rng(0)
def values(weight):
    path, shape = weight.path, weight.shape
    if "variance" in path or "gamma" in path:
        return rng.uniform(0.5, 1.5, shape)
    if "kernel" in path:
        return rng.normal(0, 1.5 / np.sqrt(9 if "_dw_" in path else np.prod(shape[:-1])), shape)
    return rng.normal(0, 0.1, shape)
model.set_weights([values(weight) for weight in model.weights])
model.save_weights(f"{out}/new.weights.h5")
model.save(f"{out}/whole.h5")
pictures = {f"x{s}": rng.uniform(-1, 1, (2, s, s, 3)).astype("float32") for s in (64, 97, 128)}
np.savez(f"{out}/answers.npz", **pictures, **{f"y{k}": model.predict(v, verbose=0) for k, v in pictures.items()})
"""


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need(importlib.util.find_spec("keras"), "keras")
    folder = tmp_path_factory.mktemp("keras")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(folder)}
    subprocess.run([sys.executable, "-c", KERAS, str(folder)], check=True, env=environment, capture_output=True)
    _as_keras_2(folder / "whole.h5", folder / "old.hdf5")
    return folder


def _as_keras_2(new: Path, old: Path) -> None:
    """The layout of Keras 2's save_weights, which the published NIMA weights have."""
    with h5py.File(new) as source, h5py.File(old, "w") as target:
        target.attrs["layer_names"] = [name.encode() for name in source["model_weights"]]
        for layer, group in source["model_weights"].items():
            made = target.create_group(layer)
            for name, values in group.get(layer, {}).items():
                kind = "depthwise_kernel" if layer.startswith("conv_dw") and name == "kernel" else name
                made[f"{layer}/{kind}:0"] = values[()]


@pytest.mark.parametrize("file", ["old.hdf5", "whole.h5", "new.weights.h5"])
def test_nima_mobilenet_computes_what_keras_computes(keras_files: Path, file: str) -> None:
    model = models.create("nima-mobilenet", 10, weights=keras_files / file).eval()
    assert (model.mean, model.std) == ((0.5,) * 3, (0.5,) * 3)
    with np.load(keras_files / "answers.npz") as answers:
        for size in (64, 97, 128):
            x = torch.from_numpy(answers[f"x{size}"]).permute(0, 3, 1, 2)
            with torch.no_grad():
                found = model(x).numpy()
            assert np.ptp(answers[f"yx{size}"]) > 1e-3
            np.testing.assert_allclose(found, answers[f"yx{size}"], atol=2e-6)


def test_a_checkpoint_of_keras_weights_comes_back_as_keras(keras_files: Path, tmp_path: Path) -> None:
    model = models.create("nima-mobilenet", 10, weights=keras_files / "old.hdf5").eval()
    torch.save(model.state_dict(), tmp_path / "trained.pt")
    assert MARK in model.state_dict()
    back = models.create("nima-mobilenet", 10, weights=tmp_path / "trained.pt").eval()
    loaded = models.create("nima-mobilenet", 10).eval()
    loaded.load_state_dict(model.state_dict())
    plain = models.create("nima-mobilenet", 10).eval()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k != MARK})
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(back(x), expected, atol=0, rtol=0)
        torch.testing.assert_close(loaded(x), expected, atol=0, rtol=0)
        assert float((plain(x) - expected).abs().max()) > 1e-5, "padding and epsilon make no difference"


def test_a_dataset_is_not_taken_for_keras_weights(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "gbr.dataset.h5", "w") as file:
        file.attrs["schema"] = "gazekit.dataset/1"
        file["rating/mean"] = np.zeros(3, np.float32)
    message = r"is a dataset of gazekit \(gazekit.dataset/1\) and holds no weights"
    with pytest.raises(FormatError, match=message):
        weights_report(tmp_path / "gbr.dataset.h5")
    with pytest.raises(FormatError, match=message):
        models.create("nima-narrow", weights=tmp_path / "gbr.dataset.h5")


def test_keras_files_that_do_not_fit(keras_files: Path, tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_bytes(b"not hdf5")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["text"] = "no weights"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["conv1/conv1/kernel:0"] = np.zeros((3, 3, 3, 32), np.float32)
    with pytest.raises(FormatError, match="not an HDF5 file"):
        read_layers(tmp_path / "text.h5")
    with pytest.raises(FormatError, match="holds no weights"):
        read_layers(tmp_path / "empty.h5")
    with pytest.raises(InputError, match="is not MobileNet: 53 of 54 layers are missing"):
        models.create("nima-mobilenet", weights=tmp_path / "other.h5")
    with pytest.raises(InputError, match="read for nima-mobilenet alone"):
        models.create("nima-narrow", weights=tmp_path / "other.h5")
    with pytest.raises(InputError, match="its dense layer has 10 buckets, this model 5"):
        models.create("nima-mobilenet", 5, weights=keras_files / "old.hdf5")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NIMA of ten buckets as Keras 2 lays it out, made without Keras."""
    trunk = models.create("nima-mobilenet").trunk
    state, path = trunk.state_dict(), tmp_path_factory.mktemp("written") / "nima.h5"
    with h5py.File(path, "w") as file:
        for layer, prefix in _layer_names(trunk).items():
            for kind, own in _kinds(layer).items():
                order = (2, 3, 0, 1) if "depthwise" in kind else (2, 3, 1, 0)
                values = state[f"{prefix}.{own}"].numpy()
                file[f"{layer}/{layer}/{kind}:0"] = values.transpose(order) if values.ndim == 4 else values
        file["dense_1/dense_1/kernel:0"] = np.full((1024, 10), 0.5, np.float32)
        file["dense_1/dense_1/bias:0"] = np.zeros(10, np.float32)
    return path


@pytest.mark.parametrize(
    ("array", "values", "message"),
    [
        ("conv_pw_3/conv_pw_3/kernel:0", None, r"lacks 1 of 135 arrays of MobileNet, e\.g\. conv_pw_3/kernel"),
        ("conv1_bn/conv1_bn/moving_mean:0", None, r"e\.g\. conv1_bn/moving_mean"),
        ("conv_dw_2/conv_dw_2/depthwise_kernel:0", None, r"e\.g\. conv_dw_2/depthwise_kernel"),
        ("conv1/conv1/kernel:0", np.zeros((3, 3, 32), np.float32), r"conv1 has shape \(3, 3, 32\)"),
        ("conv1_bn/conv1_bn/gamma:0", np.full(32, np.nan, np.float32), r"NaN or infinity, e\.g\. bn1\.weight"),
    ],
    ids=["kernel", "mean", "depthwise", "shape", "nan"],
)
def test_every_array_of_the_trunk_is_needed(
    array: str, values: np.ndarray | None, message: str, written: Path, tmp_path: Path
) -> None:
    path = tmp_path / "nima.h5"
    shutil.copy(written, path)
    with h5py.File(path, "a") as file:
        del file[array]
        if values is not None:
            file[array] = values
        else:
            file[array.rpartition("/")[0] + "/other:0"] = np.zeros(3, np.float32)
    model = models.create("nima-mobilenet")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        load_weights(model, path)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_new_head_replaces_the_dense_layer(written: Path) -> None:
    same = models.create("nima-mobilenet", 10, weights=written, new_head=True)
    assert bool((same.head.weight == 0.5).all())
    with pytest.raises(InputError, match=r"10 buckets, this model 7; .*new_head=True"):
        models.create("nima-mobilenet", 7, weights=written)
    other = models.create("nima-mobilenet", 7, weights=written, new_head=True)
    assert other.head.weight.shape == (7, 1024)
    assert torch.equal(other.trunk.conv_stem.weight, same.trunk.conv_stem.weight)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    """A NIMA as Keras 2.1 exported it, and the graph that was exported: timm's own, which pads (1, 1), with Keras's
    epsilon."""
    import timm

    torch.manual_seed(1)
    graph = timm.create_model("mobilenetv1_100", num_classes=10)
    with torch.no_grad():
        for _ in range(2):
            graph.train()(torch.randn(4, 3, 96, 96))
    for norm in graph.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eps = 1e-3
    state, path = graph.state_dict(), tmp_path_factory.mktemp("exported") / "nima.hdf5"
    with h5py.File(path, "w") as file:
        for layer, prefix in _layer_names(graph).items():
            for kind, own in _kinds(layer).items():
                values, order = state[f"{prefix}.{own}"].numpy(), (2, 3, 0, 1) if "depthwise" in kind else (2, 3, 1, 0)
                file[f"{layer}/{layer}/{kind}:0"] = values.transpose(order) if values.ndim == 4 else values
        file["dense_1/dense_1/kernel:0"] = state["classifier.weight"].numpy().T
        file["dense_1/dense_1/bias:0"] = state["classifier.bias"].numpy()
    return path, graph.eval()


def _stating(path: Path, folder: Path, version: object) -> Path:
    copy = folder / "stating.hdf5"
    shutil.copy(path, copy)
    with h5py.File(copy, "a") as file:
        file.attrs["keras_version"] = version
    return copy


@pytest.mark.parametrize("version", [np.bytes_("2.1.5"), "2.0.8-tf", "1.2", np.bytes_("2.2.2")], ids=str)
def test_a_file_of_an_older_keras_pads_all_around(
    version: object, exported: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    path, graph = exported
    model = models.create("nima-mobilenet", 10, weights=_stating(path, tmp_path, version)).eval()
    for side in (64, 97):
        x = torch.randn(2, 3, side, side)
        with torch.no_grad():
            torch.testing.assert_close(model(x), graph(x).softmax(1))


@pytest.mark.parametrize("version", ["2.2.3", np.bytes_("2.2.4"), "2.12.0", "3.5.0", ""], ids=str)
def test_a_file_of_a_newer_keras_pads_after(version: str, exported: tuple[Path, nn.Module], tmp_path: Path) -> None:
    model = models.create("nima-mobilenet", 10, weights=_stating(exported[0], tmp_path, version)).eval()
    plain = models.create("nima-mobilenet", 10, weights=exported[0]).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), plain(x))
        assert float((model(x) - exported[1](x).softmax(1)).abs().max()) > 1e-4, "padding makes no difference"


def test_the_padding_may_be_stated_and_stays_with_a_checkpoint(
    exported: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    path, x = exported[0], torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        answers = {
            padding: models.create("nima-mobilenet", 10, weights=path, keras_padding=padding).eval()(x)
            for padding in ("auto", "0,1", "1,1")
        }
        torch.testing.assert_close(answers["1,1"], exported[1](x).softmax(1))
        assert torch.equal(answers["auto"], answers["0,1"])
        around = models.create("nima-mobilenet", 10, weights=path, keras_padding="1,1")
        torch.save(around.state_dict(), tmp_path / "trained.pt")
        again = models.create("nima-mobilenet", 10, weights=tmp_path / "trained.pt").eval()
        assert torch.equal(again(x), answers["1,1"])
    with pytest.raises(ConfigError, match=r"keras_padding is '2,2'; auto, 0,1 or 1,1 is needed"):
        models.create("nima-mobilenet", keras_padding="2,2")


def test_a_checkpoint_of_keras_weights_is_scored_as_it_was_trained(
    exported: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    trained = models.create("nima-mobilenet", 10, weights=exported[0], keras_padding="1,1").eval()
    identity = {"model": "nima-mobilenet", "buckets": 10, "size": 64, "model_options": {}}
    stated = {"mean": [0.5] * 3, "std": [0.5] * 3, "aspects": [1.0]}
    save_checkpoint(tmp_path / "best.pt", {"identity": identity, "state_dict": trained.state_dict(), **stated})
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(load_trained(tmp_path / "best.pt").network(x), trained(x))


def test_arrays_outside_of_layers_are_no_weights(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "root.h5", "w") as file:
        file["features"] = np.zeros((3, 3), np.float32)
    with pytest.raises(FormatError, match="holds no weights"):
        models.create("nima-mobilenet", weights=tmp_path / "root.h5")


def test_what_became_keras_takes_no_others_weights(written: Path, tmp_path: Path) -> None:
    import timm

    torch.save(models.create("nima-mobilenet").state_dict(), tmp_path / "unmarked.pt")
    torch.save(timm.create_model("mobilenetv1_100").state_dict(), tmp_path / "timm.pth")
    model = models.create("nima-mobilenet", weights=written)
    for file in ("unmarked.pt", "timm.pth"):
        with pytest.raises(InputError, match=r"does not come from Keras.* create a new model"):
            load_weights(model, tmp_path / file)
