"""``gazekit models``: what there is, and ONNX files of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.group("models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--buckets", default=10, show_default=True, help="Rating buckets of the last layer.")
@click.pass_context
def command(context: click.Context, as_json: bool, buckets: int) -> None:
    """List the models, or export one as ONNX.

    Parameters, multiply-accumulates of one picture (GMACs), input side in pixels, and the mean and standard deviation
    that a picture of values 0 to 1 is normalised by.

    \b
    Examples:
      gazekit models
      gazekit models --json
      gazekit models export gpf-vgg16 --out gpf.onnx
    """
    if context.invoked_subcommand is not None:
        return
    rows = [_row(name, buckets) for name in _names()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'model':27} {'parameters':>11} {'GMACs':>8} {'input':>5}  {'mean':17}  {'std':17}  what it is")
    for row in rows:
        mean, std = (" ".join(f"{value:.3f}" for value in row[key]) for key in ("mean", "std"))
        numbers = f"{row['parameters']:11,} {row['gmacs']:8.3f} {row['input']:5}"
        click.echo(f"{row['name']:27} {numbers}  {mean}  {std}  {row['summary']}")


@command.command("export")
@click.argument("name")
@click.option("--weights", type=click.Path(path_type=Path), help="File of weights; else random ones.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; else NAME.onnx.")
@click.option("--buckets", default=10, show_default=True, help="Rating buckets of the last layer.")
@click.option("--size", type=click.IntRange(16, 4096), help="Side of the square input; else the model's own.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(
    name: str, weights: Path | None, out: Path | None, buckets: int, size: int | None, overwrite: bool, as_json: bool
) -> None:
    """Write the model NAME as ONNX, checked against torch to 1e-4.

    Normalised pictures in, probabilities out; PF- and GPF-CNN also take the foveal crop.

    \b
    Example:
      gazekit models export nima-mobilenet --weights nima.hdf5 --out nima.onnx
    """
    from gazekit import models
    from gazekit.models.onnx_export import export_onnx

    model = models.create(name, buckets, weights=weights)
    done = export_onnx(model, out or Path(f"{name}.onnx"), size=size, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"file": str(done.file), "inputs": done.inputs, "difference": done.difference}))
        return
    shapes = ", ".join(f"{key} {' x '.join(map(str, shape))}" for key, shape in done.inputs.items())
    click.echo(f"{done.file}: {shapes}; within {done.difference:.1g} of torch")
    if weights is None:
        click.echo("No weights were given: the numbers in it are random.", err=True)


def _names() -> list[str]:
    from gazekit import models

    return models.names()


def _row(name: str, buckets: int) -> dict[str, Any]:
    from gazekit import models

    info = models.info(name)
    cost = info.cost(buckets)
    return {
        "name": name,
        "summary": info.summary,
        "parameters": cost.parameters,
        "gmacs": round(cost.macs / 1e9, 3),
        "input": info.size,
        "mean": list(info.mean),
        "std": list(info.std),
    }
