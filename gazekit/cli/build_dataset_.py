"""``gazekit build-dataset``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gazekit.cli._selection import chosen_exclusions, exclusion_options, show_summary
from gazekit.cli._spec_options import given, spec_options
from gazekit.dataset.spec import DatasetSpec

HERE = click.Path(path_type=Path)
FILES = ("pictures", "ratings", "ratings_format", "c0", "fixations", "one_based", "ava", "photonet", "groups", "lists",
         "categories", "predicted", "viewer_groups")  # fmt: skip


@click.command("build-dataset")
@click.argument("study", required=False, type=HERE)
@click.option("--pictures", type=HERE, help="Folder of pictures, or a CSV list (image, file).")
@click.option("--ratings", type=HERE, help="CSV: image, c1..cK (counts), or rater, image, score; or a public list.")
@click.option("--ratings-format", type=click.Choice(["table", "ava", "dpchallenge", "photonet", "json"]),
              help="What --ratings is.  [default: a table, or JSON; lists without a header must be named]")  # fmt: skip
@click.option("--c0", type=click.Choice(["score", "drop"]),
              help="What a column c0 is: the count of the lowest score, or nothing.  [default: ask]")  # fmt: skip
@click.option("--fixations", type=HERE, help="Fixation table; without one the only condition is 'original'.")
@click.option("--one-based", is_flag=True, default=None, help="The fixations' pixels are counted from 1.")
@click.option("--ava", type=HERE, help="Folder with AVA.txt (tags.txt, aesthetics_image_lists) instead of --ratings.")
@click.option("--photonet", type=HERE, help="Photo.net's list of counts instead of --ratings.")
@click.option("--groups", type=HERE, help="CSV: image, group (photographer, burst); never on two sides of a split.")
@click.option("--list", "lists", multiple=True, metavar="NAME=CSV", help="A split scheme of fixed lists: image, split.")
@click.option("--categories", type=HERE, help="CSV: image, category.")
@click.option("--viewer-groups", type=HERE, help="CSV: participant, group; for --condition human@group=NAME.")
@click.option("--predicted", type=HERE, multiple=True,
              help="Folder of predicted maps (gazekit attention-model); the first counts.  [none]")  # fmt: skip
@click.option("--out", type=HERE, help="The dataset, customarily *.dataset.h5.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--scheduler", metavar="TCP", help="Address of a Dask scheduler, as tcp://host:8786.")
@exclusion_options
@click.option("--dry-run", is_flag=True, help="Check the input and build nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@spec_options(DatasetSpec)
def command(
    study: Path | None,
    out: Path | None,
    workers: int,
    scheduler: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Join pictures, gaze and ratings to one HDF5 dataset, by a study file or by options.

    A build that was stopped goes on where it was when it is started again.

    \b
    Example:  gazekit build-dataset study.toml --workers 4
              gazekit build-dataset --pictures photos --ratings r.csv --fixations f.csv --sigma-px 24 --out p.dataset.h5
              gazekit build-dataset --ava AVA_dataset --pictures AVA/images --cache 256 --workers 8 --out ava.dataset.h5
    """
    import json

    left_out = {name: options.pop(name) for name in ("exclusions", "with_excluded")}
    chosen = given(options)
    files = {name: chosen.pop(name) for name in FILES if name in chosen}
    _refuse_idle_options(study, chosen)
    exclusions = chosen_exclusions(left_out, study, files.get("fixations"))
    inputs = replace(_of_study(study, files) if study else _of_files(files, out, chosen), exclusions=exclusions)
    path = inputs.build(out, chosen, workers=workers, scheduler=scheduler, dry_run=dry_run)
    if dry_run:
        said = json.dumps({"out": str(path), "built": False})
        click.echo(said if as_json else f"the input is in order; nothing was built ({path})")
    else:
        show_summary(path, as_json)


def _of_study(study: Path, files: dict[str, Any]) -> Any:
    from gazekit.study import dataset_inputs

    if files:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(files)).replace("--lists", "--list")
        raise click.UsageError(f"a study file names its own inputs; leave out {names}")
    return dataset_inputs(study)


def _of_files(files: dict[str, Any], out: Path | None, options: dict[str, Any]) -> Any:
    from gazekit.core.errors import InputError
    from gazekit.dataset.inputs import Inputs
    from gazekit.dataset.spec import DatasetSection
    from gazekit.pictures import PicturesSection

    if out is None or "pictures" not in files or not {"ratings", "ava", "photonet"} & set(files):
        raise click.UsageError("give a study file, or --pictures, --ratings (or --ava, --photonet) and --out")
    lists, pictures = _pairs(files.pop("lists", ())), files.pop("pictures")
    if not pictures.exists():
        raise InputError(f"no such folder of pictures, and no such picture list: {pictures}")
    where = PicturesSection(folder=pictures) if pictures.is_dir() else PicturesSection(list=pictures)
    others = {name: files.pop(name) for name in ("one_based", "ava", "photonet") if name in files}
    return Inputs(Path(), where, DatasetSection(**files, lists=lists), **others)


def _pairs(texts: tuple[str, ...]) -> dict[str, Path]:
    wrong = [text for text in texts if "=" not in text.strip("=")]
    if wrong:
        raise click.BadParameter(f"--list takes NAME=CSV; found {', '.join(wrong)}")
    return {name: Path(path) for name, path in (text.split("=", 1) for text in texts)}


def _refuse_idle_options(study: Path | None, options: dict[str, Any]) -> None:
    """Refuse options of another kind of mask, which would change nothing."""
    kind = options.get("mask", "rectangle" if study is None else None)
    idle = {"rectangle": {"patches", "patch_share"}, "region": {"patches", "patch_share"}, "patches": {"share"}}
    wrong = idle.get(str(kind), set()) & set(options)
    if wrong:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong))
        raise click.UsageError(f"{names} means nothing for --mask {kind}")
