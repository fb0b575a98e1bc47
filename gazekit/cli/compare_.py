"""``gazekit compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("compare")
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where several folders are joined; needed for them.")
@click.option(
    "--metric",
    "--primary",
    "metric",
    default="srcc",
    show_default=True,
    help="The metric that the conclusion is drawn from.",
)
@click.option(
    "--primary-contrast",
    nargs=2,
    metavar="A B",
    help="Two conditions, or MODEL:CONDITION, tested before all others, which are claimed only if these are; "
    "default: none.",
)
@click.option(
    "--pair",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="A B",
    help="Two conditions, or MODEL:CONDITION, to compare; default: human with all, all with original.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, min_open=True),
    help="Conditions within this, in units of the metric, count as equivalent; default: equivalence is not tested.",
)
@click.option("--threshold", type=float, help="A picture is high above this mean score; default: half the scale.")
@click.option(
    "--alpha",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The share of false claims that is allowed.",
)
@click.option("--resamples", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option(
    "--permutations", default=9999, show_default=True, type=click.IntRange(99), help="Of the test over pictures."
)
@click.option(
    "--difference",
    type=float,
    help="Say how many pictures it takes to see one so large (metric's units).",
)
@click.option(
    "--convention",
    type=click.Choice(["gazekit", "mit", "pysaliency"]),
    default="gazekit",
    show_default=True,
    help="How agreement.csv judges maps: gazekit's own way, or as published numbers do.",
)
@click.option("--categories", type=click.Path(path_type=Path), help="Table image,category; default: the dataset's own.")
@click.option(
    "--groups",
    type=click.Path(path_type=Path),
    help="Ratings by group of raters (image,group,c1..cK): is a difference another for one group? Default: not asked.",
)
@click.option("--dataset", type=click.Path(path_type=Path), help="The dataset, if it was moved.")
@click.option("--json", "as_json", is_flag=True, help="Print the conclusion as JSON.")
def command(
    folders: tuple[Path, ...],
    out: Path | None,
    pairs: tuple[tuple[str, str], ...],
    categories: Path | None,
    groups: Path | None,
    dataset: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare the finished runs of FOLDERS: tables with intervals, paired tests, and what follows from them.

    Several folders of the same pictures, as of networks from scratch and pretrained ones, are joined in a new one
    (--out); a model that two of them have is called MODEL@FOLDER there.

    \b
    Example:  gazekit compare runs/reef
              gazekit compare runs/reef --metric emd1 --pair human shuffled --json
              gazekit compare runs/reef --primary-contrast human original --margin 0.05
              gazekit compare runs/reef --pair nima-mobilenet:human residual-attention-56:human
              gazekit compare runs/scratch runs/ava --out runs/both --pair nima-vgg16@ava:human nima-vgg16@scratch:human
    """
    import json

    from gazekit.stats.comparison import compare
    from gazekit.stats.joined_folders import join_folders

    if len(folders) > 1 and out is None:
        raise click.UsageError("several folders are joined in a new one: give --out")
    if len(folders) == 1 and out is not None:
        raise click.UsageError("--out is for several folders; one is compared where it is")
    folder = folders[0] if out is None else join_folders(folders, out)
    compare(folder, pairs=pairs or None, categories=categories, groups=groups, dataset=dataset, **options)
    if (folder / "report.html").exists():
        click.echo(f"report.html is of an earlier comparison; gazekit report {folder} writes it anew", err=True)
    words = json.loads((folder / "conclusion.json").read_text("utf-8"))
    click.echo(json.dumps(words) if as_json else "\n".join(words["sentences"]))
