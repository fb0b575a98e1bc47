"""``gazekit score``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gazekit.core.counting import counted
from gazekit.core.errors import OutputError

if TYPE_CHECKING:
    from gazekit.training.scoring import Summary


@click.command("score")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Table: .csv, .jsonl or .parquet; default: standard output."
)
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "parquet"]), help="Where the suffix does not say.")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(1), help="Pictures a forward pass.")
@click.option(
    "--precision", default="auto", show_default=True, type=click.Choice(["auto", "float32", "bfloat16"]),
    help="auto: bfloat16 where scores move by less than 0.01.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 1024), help="Threads that decode; default: one a core.")
@click.option("--explain", type=click.Path(path_type=Path), help="Folder for pictures with the network's attention.")
@click.option("--resume/--no-resume", default=True, help="Go on where a run was stopped (default), or begin anew.")
@click.option("--scheduler", help="Address of a Dask scheduler whose workers score.")
@click.option("--dry-run", is_flag=True, help="Check model, source and what an earlier run left; score nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, on standard error without --out.")
def command(
    model: Path,
    source: str,
    out: Path | None,
    kind: str | None,
    batch: int,
    precision: str,
    workers: int | None,
    explain: Path | None,
    resume: bool,
    scheduler: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Score pictures with a trained MODEL (best.pt, or the folder of a run): mean, deviation and histogram of each.

    SOURCE is a folder, a text file with a path a line, or - for standard input. Unreadable pictures are named in the
    column error, and the rest goes on.

    \b
    Example:  gazekit score runs/reef/runs/nima-mobilenet/original/seed0 photos --out scores.csv
              find /archive -name '*.jpg' | gazekit score best.pt - --out scores.parquet
    """
    from gazekit.core.allocator import keep_memory

    keep_memory()  # before torch starts threads
    from gazekit.training.scoring import lines_of_stdin, score

    pictures = lines_of_stdin() if source == "-" else source
    try:
        summary = score(
            model,
            pictures,
            out,
            format=kind,
            batch=batch,
            precision=precision,  # type: ignore[arg-type]
            explain=explain,
            resume=resume,
            scheduler=scheduler,
            workers=workers,
            dry_run=dry_run,
        )
    except OutputError:
        if out is None:
            _give_up_stdout()
        raise
    _tell(summary, out, as_json, dry_run)
    if summary.unreadable_count and not summary.scored + summary.skipped:
        sys.exit(1)


def _tell(summary: Summary, out: Path | None, as_json: bool, dry_run: bool) -> None:
    import json
    from dataclasses import asdict

    if as_json:
        click.echo(json.dumps(asdict(summary)), err=out is None)
        return
    if summary.condition not in ("", "original"):
        masked = f"was trained on masked pictures ({summary.condition}), and these are whole"
        pooled = f"read features pooled by masks ({summary.condition}) in training, and here reads them pooled evenly"
        click.echo(f"this network {masked if summary.apply == 'mask' else pooled}", err=True)
    text = f"{counted(summary.left, 'picture')} to score" if dry_run else f"{counted(summary.scored, 'picture')} scored"
    text += f", {summary.skipped} before" if summary.skipped else ""
    if summary.unreadable_count:
        names = ", ".join(name[:100] for name in summary.unreadable[:10]) + (
            ", ..." if summary.unreadable_count > 10 else ""
        )
        text += f"; {summary.unreadable_count} could not be read: {names}"
    click.echo(text + (f": {out}" if out is not None else ""), err=True)


def _give_up_stdout() -> None:
    """Let what could not be written go: Python would try once more at its end, and complain by itself."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
