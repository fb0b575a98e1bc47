"""``gazekit train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gazekit.cli._spec_options import given, spec_options
from gazekit.core.counting import counted
from gazekit.training.recipe import Recipe


def seed_numbers(text: str) -> int | list[int]:
    """``3`` is three seeds, ``0,5,9`` are those."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor a list as 0,5,9") from None
    return numbers if "," in text else numbers[0]


@click.command("train")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The comparison folder.")
@click.option("--model", "models", multiple=True, required=True, help="Name of a model; may be given more than once.")
@click.option("--option", "model_options", multiple=True, metavar="NAME=VALUE", help="Of the models, as naive=true.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    help="original, human, shuffled, synthetic, ...; default: the first two.",
)
@click.option("--seeds", default="3", show_default=True, help="How many seeds of training, or which: 0,5,9.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs trained side by side.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each job; default: the cores over the jobs.")
@click.option("--scheme", default="default", show_default=True, help="Named split of the dataset.")
@click.option(
    "--cross-validate",
    type=click.IntRange(3),
    metavar="K",
    help="Test every picture once, in K folds; default: the dataset's test split only.",
)
@click.option(
    "--repeats", default=1, show_default=True, type=click.IntRange(1), help="Deal the pictures into folds so often."
)
@click.option(
    "--learning-curve",
    metavar="A,B,...",
    help="Also train on so many % of the training pictures, as 25,50; default: on all only.",
)
@click.option("--strict", is_flag=True, help="Stop where pictures have no ratings; default: name them, leave them out.")
@click.option("--scheduler", help="Address of a Dask scheduler whose workers train the runs, as tcp://host:8786.")
@click.option("--dry-run", is_flag=True, help="Check everything and list the runs; train nothing.")
@click.option("--compare/--no-compare", "compares", default=True, help="Compare and report when all runs are done.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@spec_options(Recipe, limits=False)
def command(
    dataset: Path,
    out: Path,
    models: tuple[str, ...],
    model_options: tuple[str, ...],
    conditions: tuple[str, ...],
    seeds: str,
    dry_run: bool,
    compares: bool,
    as_json: bool,
    strict: bool,
    **options: Any,
) -> None:
    """Train a grid of models, conditions and seeds on DATASET, compare them with intervals, and write the report.

    Stopped and started again, it goes on where it was and ends in the same tables. On several GPUs or machines:
    torchrun --nproc-per-node 2 -m gazekit train ...

    \b
    Example:  gazekit train reef.dataset.h5 --out runs/reef --model nima-mobilenet --model residual-attention-56 \\
                --condition original --condition human --condition shuffled --condition synthetic --seeds 3
              gazekit train reef.dataset.h5 --out runs/folds --model nima-mobilenet --cross-validate 10 --seeds 1
              gazekit train reef.dataset.h5 --out runs/reef --model nima-narrow --size 64 --dry-run
    """
    import json
    from dataclasses import asdict

    from gazekit.models.options import read_options
    from gazekit.training import plan, train

    options = given(options) | {"models": models, "conditions": conditions or ("original", "human")}
    if "learning_curve" in options:
        shares = seed_numbers(options["learning_curve"])
        options["learning_curve"] = [shares] if isinstance(shares, int) else shares
    options |= {"seeds": seed_numbers(seeds), "model_options": read_options(model_options)}
    if dry_run:
        grid = plan(dataset, out, **options)
        states = grid.states()
        grid.warn()
        rows = [{**asdict(run), "state": state} for run, state in states]
        click.echo(json.dumps(rows) if as_json else "\n".join(f"{state:>5}  {cell}" for cell, state in states))
        return
    if leads():
        _tell_unrated(dataset, strict)
    train(dataset, out, **options)
    outcome = {"out": str(out)}
    if sealed(out):
        outcome["sealed"] = "all scores are sealed until `gazekit register open`"
    elif compares and leads():
        outcome |= compare_and_report(out)
    if leads():
        click.echo(json.dumps(outcome) if as_json else "\n".join(map(str, outcome.values())))


def _tell_unrated(path: Path, strict: bool) -> None:
    """Name the pictures that nobody rated, which are in no split; where ``strict``, stop instead."""
    from gazekit.core.errors import InputError
    from gazekit.dataset import open_dataset
    from gazekit.training.grid import unrated

    names = unrated(open_dataset(path, verify=False))
    if names:
        some, named = counted(len(names), "picture has", "pictures have"), ", ".join(names[:10])
        if strict:
            raise InputError(f"{some} no ratings: {named} (--strict)")
        click.echo(f"{some} no ratings, left out: {named}", err=True)


def sealed(out: Path) -> bool:
    """Whether the scores of a folder are sealed by a registration."""
    from gazekit.core.registration_log import opened_utc
    from gazekit.stats.comparison_folder import read_configuration

    registration = read_configuration(out).registration
    return bool(registration) and not opened_utc(out, registration)


def leads() -> bool:
    """Whether this process speaks for all that torchrun started."""
    import os

    return os.environ.get("RANK", "0") == "0"


def compare_and_report(out: Path) -> dict[str, Any]:
    """Compare, report, and what to say of it."""
    import json

    from gazekit.report import write_report
    from gazekit.stats.comparison import compare

    compare(out)
    sentences = json.loads((out / "conclusion.json").read_text("utf-8"))["sentences"]
    return {"conclusion": "\n".join(sentences), "report": str(write_report(out))}
