"""``gazekit compare``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--primary", default="srcc", show_default=True, help="The metric that the conclusion is drawn from.")
@click.option("--pair", "pairs", nargs=2, multiple=True, metavar="A B", help="Two conditions; default: human with all.")
@click.option("--threshold", type=float, help="A picture is high above this mean score; default: half the scale.")
@click.option("--alpha", default=0.05, show_default=True, type=click.FloatRange(0, 1, min_open=True, max_open=True))
@click.option("--resamples", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option("--permutations", default=9999, show_default=True, type=click.IntRange(99))
@click.option("--difference", type=float, help="Say how many test pictures it takes to see one of this size.")
@click.option("--categories", type=click.Path(path_type=Path), help="Table image,category; default: the dataset's own.")
@click.option("--dataset", type=click.Path(path_type=Path), help="The dataset, if it was moved.")
@click.option("--json", "as_json", is_flag=True, help="Print the conclusion as JSON.")
def command(
    folder: Path,
    primary: str,
    pairs: tuple[tuple[str, str], ...],
    threshold: float | None,
    alpha: float,
    resamples: int,
    permutations: int,
    difference: float | None,
    categories: Path | None,
    dataset: Path | None,
    as_json: bool,
) -> None:
    """Compare the finished runs of FOLDER: tables with intervals, paired tests, and what follows from them.

    \b
    Example:  gazekit compare runs/reef
              gazekit compare runs/reef --primary emd1 --pair human shuffled --json
    """
    import json

    from gazekit.stats.comparison import compare

    compare(
        folder,
        primary=primary,
        pairs=pairs or None,
        threshold=threshold,
        alpha=alpha,
        resamples=resamples,
        permutations=permutations,
        difference=difference,
        categories=categories,
        dataset=dataset,
    )
    if (folder / "report.html").exists():
        click.echo(f"report.html is of an earlier comparison; gazekit report {folder} writes it anew", err=True)
    words = json.loads((folder / "conclusion.json").read_text())
    click.echo(json.dumps(words) if as_json else "\n".join(words["sentences"]))
