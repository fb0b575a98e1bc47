"""Models as ONNX files, checked against torch."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gazekit.core.errors import GazekitError, InputError, MissingExtraError, OutputError
from gazekit.core.files import whole_file
from gazekit.models.attention.readout import held_still
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.inputs import Inputs, example_inputs, second_input

OPSET = 17
TOLERANCE = 1e-4
Axes = dict[str, dict[int, str]]  # of each input: which are free, and what they are called


@dataclass(frozen=True)
class Exported:
    """``file``; its ``inputs`` by name, with their shapes (letters: free); ``difference``: the largest from torch's."""

    file: Path
    inputs: dict[str, tuple[str | int, ...]]
    difference: float


def export_onnx(model: nn.Module, out: str | Path, *, size: int | None = None, overwrite: bool = False) -> Exported:
    """Write a model as ONNX: normalised pictures in, probabilities out, any number of pictures at once.

    Models with two inputs keep them: PF- and GPF-CNN take the view, of any height and width, and the foveal crop; in
    stage 1 the view alone. The file's metadata holds ``mean``, ``std`` and ``input_size``.

    Parameters
    ----------
    model : nn.Module
        Of `gazekit.models.create`; computed in float32, on the CPU.
    size : int or None
        Side of the square input; else the model's own.

    Raises
    ------
    MissingExtraError
        Onnx or onnxruntime is not installed.
    InputError
        A size that the model does not take, or at which it has an operation that ONNX lacks; weights that give no
        numbers.
    OutputError
        The file exists and ``overwrite`` is false.
    GazekitError
        The file's output differs from torch's by more than 1e-4, or is not a number; nothing is written.
    """
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        raise MissingExtraError("onnx or onnxruntime", "onnx")
    if any(p.device.type != "cpu" or p.dtype != torch.float32 for p in model.parameters()):
        raise InputError("ONNX is written from a float32 model on the CPU: model.float().cpu()")
    if Path(out).exists() and not overwrite:
        raise OutputError(f"{out} exists already; choose another name, or replace it: overwrite=True (--overwrite)")
    size = int(getattr(model, "input_size", 224)) if size is None else size
    if size < (smallest := int(getattr(model, "smallest", 1))):
        raise InputError(f"size is {size}; this model takes pictures of {smallest} x {smallest} pixels or more")
    free: Axes = {name: {0: "N"} for name in ("pictures", second_input(model)) if name is not None}
    inputs = example_inputs(model, size, count=2)
    checks = [inputs, tuple(x[:1] for x in inputs)]
    if isinstance(model, PeripheralFoveal):
        free["pictures"] |= {2: "H", 3: "W"}
        checks.append(example_inputs(model, (size, size + size // 3)))
    with whole_file(out, overwrite=overwrite) as path, held_still(model):
        try:
            _write(_placed(model, size), inputs, free, path)
        except (RuntimeError, ValueError, torch.onnx.errors.OnnxExporterError) as error:
            hint = f"; its own size is {model.input_size}" if getattr(model, "input_size", size) != size else ""
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"torch cannot write this model as ONNX at a size of {size}{hint}: {reason}") from error
        _describe(model, size, path)
        difference = _difference(model, checks, path)
        if not difference <= TOLERANCE:
            raise GazekitError(f"the ONNX file gives other scores than torch (by {difference:.2g}); it was not written")
    shapes = {name: _shape(x, axes) for (name, axes), x in zip(free.items(), inputs, strict=True)}
    return Exported(Path(out), shapes, difference)


def _placed(model: nn.Module, size: int) -> nn.Module:
    """Return a model whose transformers have their positions at a size; ONNX has no way to interpolate these."""
    placed = copy.deepcopy(model)
    moved = [part for part in placed.modules() if getattr(part, "dynamic_img_size", False)]
    moved = [part for part in moved if hasattr(part, "set_input_size")]
    for part in moved:
        part.set_input_size((size, size))  # type: ignore[operator]
    return placed if moved else model


def _shape(example: Tensor, axes: dict[int, str]) -> tuple[str | int, ...]:
    return tuple(axes.get(i, int(length)) for i, length in enumerate(example.shape))


def _write(model: nn.Module, inputs: Inputs, free: Axes, path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        # the exporter through TorchScript needs no further package; what it warns of is checked by its output
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            inputs,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(free),
            output_names=["probabilities"],
            dynamic_axes={**free, "probabilities": {0: "N"}},
        )


def _describe(model: nn.Module, size: int, path: Path) -> None:
    import onnx

    graph = onnx.load(path)
    facts = {"mean": getattr(model, "mean", None), "std": getattr(model, "std", None), "input_size": size}
    onnx.helper.set_model_props(graph, {f"gazekit.{key}": json.dumps(value) for key, value in facts.items()})
    onnx.save(graph, path)


def _difference(model: nn.Module, checks: Sequence[Inputs], path: Path) -> float:
    """Return the largest difference over all checks; NaN where the file gives NaN once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    differences = []
    for inputs in checks:
        with torch.no_grad():
            expected = model(*inputs).numpy()
        if not np.isfinite(expected).all():
            raise InputError("this model gives scores that are not numbers; its weights hold NaN or infinity")
        (output,) = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})
        differences.append(np.abs(output - expected).max())
    return float(np.max(differences))
