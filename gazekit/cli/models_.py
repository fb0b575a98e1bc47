"""``gazekit models``: what there is, and ONNX files of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gazekit.core.errors import unknown_name


class Models(click.Group):
    """Commands about models; what is none of them is answered with the close ones, each model's export among them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with what to type."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            ctx.fail(str(unknown_name("command", args[0], [*self.commands, *(f"export {name}" for name in _names())])))
        return super().resolve_command(ctx, args)


@click.group("models", cls=Models, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--buckets", default=10, show_default=True, help="Rating buckets of the last layer.")
@click.option("--name", "chosen", multiple=True, metavar="NAME", help="Only this one, as timm:resnet18; repeatable.")
@click.option("--timm", metavar="PATTERN", help="List the networks of timm with such a name, as 'vit_small*'.")
@click.pass_context
def command(context: click.Context, as_json: bool, buckets: int, chosen: tuple[str, ...], timm: str | None) -> None:
    """List the models, or export one as ONNX.

    Parameters, multiply-accumulates of one picture (GMACs), input side in pixels, the mean and standard deviation
    that a picture of values 0 to 1 is normalised by, and whether the network is as published or reduced. timm:NAME is
    any network of timm, here and wherever a model is named.

    \b
    Examples:
      gazekit models
      gazekit models --json
      gazekit models --timm 'vit_small*dino*'
      gazekit models --name timm:vit_small_patch14_dinov2
      gazekit models export gpf-vgg16 --out gpf.onnx
    """
    if context.invoked_subcommand is not None:
        return
    if timm is not None:
        _list_timm(timm, as_json)
        return
    rows = [_row(name, buckets) for name in chosen or _names()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    title = f"{'model':27} {'parameters':>11} {'GMACs':>8} {'input':>5}  {'mean':17}  {'std':17}"
    click.echo(f"{title}  {'network':12}  what it is")
    for row in rows:
        mean, std = (" ".join(f"{value:.3f}" for value in row[key]) for key in ("mean", "std"))
        numbers = f"{row['parameters']:11,} {row['gmacs']:8.3f} {row['input']:5}"
        published = "reduced" if row["reduced"] else "as published"
        reason = f" ({row['reduced']})" if row["reduced"] else ""
        click.echo(f"{row['name']:27} {numbers}  {mean}  {std}  {published:12}  {row['summary']}{reason}")


def _list_timm(pattern: str, as_json: bool) -> None:
    from gazekit.models.timm_models import matching_names

    names = matching_names(pattern)
    click.echo(json.dumps(names, indent=2) if as_json else "\n".join(names))


@command.command("export")
@click.argument("name")
@click.option("--weights", type=click.Path(path_type=Path), help="File of weights; else random ones.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; else NAME.onnx.")
@click.option("--buckets", default=10, show_default=True, help="Rating buckets of the last layer.")
@click.option("--new-head", is_flag=True, help="Of weights with another number of buckets take all but the last layer.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the model, as naive=true.")
@click.option("--size", type=click.IntRange(16, 4096), help="Side of the square input; else the model's own.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(
    name: str,
    weights: Path | None,
    out: Path | None,
    buckets: int,
    new_head: bool,
    options: tuple[str, ...],
    size: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the model NAME as ONNX, checked against torch to 1e-4.

    Normalised pictures in, probabilities out; PF- and GPF-CNN also take the foveal crop. Weights are of gazekit
    (best.pt), timm, torchvision or Keras; a best.pt brings its normalisation and size.

    \b
    Examples:
      gazekit models export nima-mobilenet --weights nima.hdf5 --out nima.onnx
      gazekit models export residual-attention-56 --weights best.pt --option naive=true
    """
    from gazekit import models
    from gazekit.models.onnx_export import export_onnx
    from gazekit.models.options import read_options

    model = models.create(name, buckets, weights=weights, new_head=new_head, **read_options(options))
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
    from gazekit.models.registry import default_options

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
        "options": default_options(name),
        "reduced": info.reduced,
    }
