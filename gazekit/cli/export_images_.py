"""``gazekit export-images``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._selection import chosen, masked_look, selection
from gazekit.core.counting import counted

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

SHEETS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg"}


@click.command("export-images")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; a folder in it a condition.")
@click.option("--condition", "conditions", multiple=True, help="Repeat for several; default: all but the original.")
@click.option("--run", type=click.Path(path_type=Path), help="Folder of gazekit train, for --condition synthetic.")
@click.option("--model", help="Whose attention, where the run has several models.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the model's training.")
@masked_look
@click.option(
    "--format", "kind", type=click.Choice(["png", "jpg"]), default="png", show_default=True, help="Of the files."
)
@click.option("--size", type=click.IntRange(8), help="Squares of so many pixels; default: the pictures' own size.")
@selection
@click.option("--limit", type=click.IntRange(1), help="Only the first so many pictures.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Also one sheet (png, jpg): originals beside masked.")
@click.option("--sheet-rows", type=click.IntRange(1), default=8, show_default=True, help="Pictures on the sheet.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Threads.")
@click.option("--dry-run", is_flag=True, help="Say what would be written.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    dataset: Path,
    out: Path,
    conditions: tuple[str, ...],
    run: Path | None,
    model: str | None,
    seed: int,
    fill: Any,
    soft_px: float,
    limit: int | None,
    kind: str,
    size: int | None,
    workers: int,
    sheet: Path | None,
    sheet_rows: int,
    dry_run: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Write the masked pictures of a dataset as image files.

    The condition synthetic is a network's own attention, by the same rule and of the same area as people's; the network
    is one that `gazekit train` has trained with the condition synthetic in --run.

    \b
    Example:  gazekit export-images photos.dataset.h5 --out masked --condition human --condition centre
              gazekit export-images photos.dataset.h5 --out masked --limit 8 --sheet pairs.png
              gazekit export-images photos.dataset.h5 --out masked --condition human --condition synthetic --run runs
    """
    import json

    from gazekit.core.errors import ConfigError
    from gazekit.core.files import whole_file
    from gazekit.dataset import open_dataset
    from gazekit.dataset.export import MaskStyle, encode, export_images, pairs_sheet

    if sheet is not None and sheet.suffix not in SHEETS:
        raise click.BadParameter(f"--sheet {sheet} is not one of {', '.join(SHEETS)}")
    data, look = _with_synthetic(open_dataset(dataset), conditions, run, model, seed), MaskStyle(fill, soft_px)
    rows = chosen(data, **asked).tolist()
    shown = conditions or tuple(c for c in data.conditions if c != "original")
    seen = [i for i in rows if all(data.has_mask(i, c) for c in shown)]
    unseen, rows = len(rows) - len(seen), seen[:limit]
    if not shown or not rows:
        raise ConfigError(
            f"{dataset} has nothing to write: {counted(len(rows), 'picture')}, "
            f"{counted(len(shown), 'masked condition')}"
        )
    if dry_run:
        click.echo(
            f"would write {counted(len(rows), 'picture')} in {counted(len(shown), 'condition')} "
            f"({', '.join(shown)}) into {out}"
        )
        return
    files = export_images(data, out, rows, conditions=shown, look=look, kind=kind, size=size, workers=workers)
    if sheet is not None:
        picture = pairs_sheet(data, rows[:sheet_rows], shown, look=look)
        with whole_file(sheet) as temporary:
            temporary.write_bytes(encode(picture, SHEETS[sheet.suffix]))
    if as_json:
        facts = {"out": str(out), "files": len(files), "pictures": len(rows), "conditions": list(shown)}
        click.echo(json.dumps(facts | {"nobody_looked_at": unseen}))
        return
    click.echo(f"{counted(len(files), 'picture')} in {counted(len(shown), 'condition')}: {out}")
    if unseen:
        some = ("picture lacks a mask, since nobody looked at it", "pictures lack a mask, since nobody looked at them")
        click.echo(f"{counted(unseen, *some)} (or not in time): left out")


def _with_synthetic(
    data: Dataset, conditions: tuple[str, ...], run: Path | None, model: str | None, seed: int
) -> Dataset:
    """Return the dataset with the networks' own attention that the conditions name."""
    from gazekit.dataset.synthetic import open_synthetic

    wanted = [name for name in dict.fromkeys(conditions) if name.split("-")[0] == "synthetic"]
    if wanted and run is None:
        raise click.UsageError(f"--condition {wanted[0]} needs --run FOLDER, where gazekit train has trained networks")
    if run is not None and not wanted:
        raise click.UsageError("--run gives a network's own attention: name it with --condition synthetic")
    for name in wanted:
        data = open_synthetic(data, str(run), model=model, seed=seed, condition=name)
    return data
