"""``gazekit build-dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

HERE = click.Path(path_type=Path)


@click.command("build-dataset")
@click.argument("study", required=False, type=HERE)
@click.option("--pictures", type=HERE, help="Folder of pictures, or a CSV list (image, file).")
@click.option("--ratings", type=HERE, help="CSV: image, c1..cK (counts), or rater, image, score.")
@click.option("--fixations", type=HERE, help="Fixation table; without one the only condition is 'original'.")
@click.option("--one-based", is_flag=True, help="The fixations' pixels are counted from 1.")
@click.option("--ava", type=HERE, help="Folder with AVA.txt (tags.txt, aesthetics_image_lists) instead of --ratings.")
@click.option("--photonet", type=HERE, help="Photo.net's list of counts instead of --ratings.")
@click.option("--groups", type=HERE, help="CSV: image, group (photographer, burst); never on two sides of a split.")
@click.option("--out", type=HERE, help="The dataset, customarily *.dataset.h5.")
@click.option("--scale", type=click.IntRange(2, 100), help="Number of scores; needed for ratings one by one.")
@click.option("--list", "lists", multiple=True, metavar="NAME=CSV", help="A split scheme of fixed lists: image, split.")
@click.option("--categories", type=HERE, help="CSV: image, category.")
@click.option("--condition", "conditions", multiple=True, help="Only this condition; repeat. Default: all six.")
@click.option("--sigma-deg", type=click.FloatRange(0, min_open=True), help="Sigma of the maps in degrees; default 1.")
@click.option("--sigma-px", type=click.FloatRange(0, min_open=True), help="1 degree in pixels of the pictures.")
@click.option("--mask", type=click.Choice(["rectangle", "patches", "region"]), help="What masks keep; default: the "
              "smallest rectangle; or the best patches apart, or the highest pixels.")  # fmt: skip
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), help="Of the map in a mask; default 0.7.")
@click.option("--share-of", type=click.Choice(["mass", "area"]), help="The share is of this; default mass.")
@click.option("--patches", type=click.IntRange(1), help="How many patches at most; default 3.")
@click.option("--patch-share", type=click.FloatRange(0, 1, min_open=True),
              help="Height and width of a patch, as a share of the picture's; default 0.2.")  # fmt: skip
@click.option("--min-ratings", type=click.IntRange(0), help="Fewer are marked and left out of splits; default 10.")
@click.option("--min-viewers", type=click.IntRange(0), help="Fewer are marked and left out of splits; default 1.")
@click.option("--include-marked", is_flag=True, help="Put marked pictures into splits all the same.")
@click.option("--split", metavar="A,B,C", help="Shares of train, validation, test; default 0.8,0.1,0.1.")
@click.option("--folds", type=click.IntRange(3), help="Also k folds, as schemes fold1 .. foldk.")
@click.option("--seed", type=int, help="Of everything random; default the study's, else 0.")
@click.option("--cache", type=click.IntRange(16, 4096), help="Also keep squares of so many pixels, for fast training.")
@click.option("--shard", type=click.IntRange(0), help="Pictures a shard; 0: one file. Default: one file up to 1,000.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--scheduler", metavar="TCP", help="Address of a Dask scheduler, as tcp://host:8786.")
@click.option("--strict", is_flag=True, help="Stop at the first picture that cannot be used.")
@click.option("--dry-run", is_flag=True, help="Check the input and build nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(study: Path | None, out: Path | None, strict: bool, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Join pictures, gaze and ratings to one HDF5 dataset, by a study file or by options.

    A build that was stopped goes on where it was when it is started again.

    \b
    Example:  gazekit build-dataset study.toml --workers 4
              gazekit build-dataset --pictures photos --ratings r.csv --fixations f.csv --sigma-px 24 --out p.dataset.h5
              gazekit build-dataset --ava AVA_dataset --pictures AVA/images --cache 256 --workers 8 --out ava.dataset.h5
    """
    from gazekit.dataset import open_dataset
    from gazekit.dataset.summary import summary, summary_lines

    given = {name: value for name, value in options.items() if value is not None and value is not False and value != ()}
    if "split" in given:
        given["split"] = _shares(given["split"])
    if "lists" in given:
        given["lists"] = _pairs(given["lists"])
    path = _build(study, out, given | {"strict": strict, "dry_run": dry_run})
    if dry_run:
        click.echo(f"the input is in order; nothing was built ({path})")
        return
    facts = summary(open_dataset(path, verify=False))
    if as_json:
        import json

        click.echo(json.dumps(facts))
    else:
        click.echo("\n".join(summary_lines(facts)))


def _build(study: Path | None, out: Path | None, given: dict[str, Any]) -> Path:
    from gazekit.dataset.from_study import build_study, build_tables

    _check_mask(study, given)
    if study is not None:
        wrong = {"pictures", "ratings", "fixations", "one_based", "ava", "photonet", "groups", "lists", "categories"}
        wrong &= set(given)
        if wrong:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong)).replace("--lists", "--list")
            raise click.UsageError(f"a study file names its own inputs; leave out {names}")
        return build_study(study, out, **given)
    if out is None or "pictures" not in given or not {"ratings", "ava", "photonet"} & set(given):
        raise click.UsageError("give a study file, or --pictures, --ratings (or --ava, --photonet) and --out")
    return build_tables(out=out, **given)


def _pairs(texts: tuple[str, ...]) -> dict[str, Path]:
    wrong = [text for text in texts if "=" not in text.strip("=")]
    if wrong:
        raise click.BadParameter(f"--list takes NAME=CSV; found {', '.join(wrong)}")
    return {name: Path(path) for name, path in (text.split("=", 1) for text in texts)}


def _check_mask(study: Path | None, given: dict[str, Any]) -> None:
    """Options of another kind of mask would change nothing."""
    kind = given.get("mask", "rectangle" if study is None else None)
    idle = {"rectangle": {"patches", "patch_share"}, "region": {"patches", "patch_share"}, "patches": {"share"}}
    wrong = idle.get(str(kind), set()) & set(given)
    if wrong:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong))
        raise click.UsageError(f"{names} means nothing for --mask {kind}")


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"--split {text!r} is not three numbers as 0.8,0.1,0.1") from None
