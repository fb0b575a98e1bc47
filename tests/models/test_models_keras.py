"""MobileNet from Keras files, checked against Keras itself (`pip install 'gazekit[keras]'`)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from gazekit import models
from gazekit.errors import FormatError, InputError
from gazekit.models.keras import MARK, read_layers
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
