"""``gazekit weights``: whose weights a file holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from gazekit.core.counting import counted


@click.group("weights")
def command() -> None:
    """Tell whose weights a file holds.

    \b
    Examples:
      gazekit weights check model.safetensors
    """


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, metavar="NAME", help="Try this too, as timm:resnet26; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(file: Path, models: tuple[str, ...], as_json: bool) -> None:
    """Tell which models take the weights of FILE, and what the file says of itself.

    Reads what --weights takes: gazekit's best.pt, .safetensors and .pth of timm and torchvision, MobileNet of Keras,
    and the wrappers that others' checkpoints have around them. A web page or a pointer of Git LFS is called that.

    \b
    Examples:
      gazekit weights check nima.hdf5
      gazekit weights check model.safetensors --model timm:convnext_atto
    """
    from gazekit.models.weights_report import weights_report

    report = weights_report(file, models)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        click.echo(
            f"{report.file}: {counted(report.tensors, 'tensor')}, {report.numbers:,} numbers, SHA-256 {report.sha256}"
        )
        for key, value in report.says.items():
            click.echo(f"  says: {key} {value}")
        click.echo(f"  whole model of: {', '.join(report.whole) or 'none that was tried'}")
        if not report.whole:
            click.echo(f"  backbone of: {', '.join(report.backbones) or 'none that was tried; try --model timm:NAME'}")
        if report.fault:
            click.echo(f"  cannot be used: {report.fault}")
    if report.fault or not (report.whole or report.backbones):
        raise SystemExit(1)
