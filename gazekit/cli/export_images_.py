"""``gazekit export-images``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("export-images")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; a folder in it a condition.")
@click.option("--condition", "conditions", multiple=True, help="Repeat for several; default: all but the original.")
@click.option("--fill", default="black", show_default=True, help="black, mean, blur or foveated.")
@click.option("--soft-px", type=click.FloatRange(0), default=0.0, help="Width of a soft edge in pixels; 0: hard.")
@click.option("--format", "kind", default="png", show_default=True, help="png or jpg.")
@click.option("--size", type=click.IntRange(8), help="Squares of so many pixels; default: the pictures' own size.")
@click.option("--split", "split_name", help="Only train, validation or test.")
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
    split_name: Any,
    limit: int | None,
    sheet: Path | None,
    sheet_rows: int,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the masked pictures of a dataset as image files.

    \b
    Example:  gazekit export-images photos.dataset.h5 --out masked --condition human --condition centre
              gazekit export-images photos.dataset.h5 --out masked --limit 8 --sheet pairs.png
    """
    import json

    from gazekit.dataset import open_dataset
    from gazekit.dataset.export import encode, export_images, pairs_sheet
    from gazekit.errors import ConfigError
    from gazekit.files import whole_file

    data = open_dataset(dataset)
    rows = list(range(len(data))) if split_name is None else data.indices(split_name).tolist()
    rows = rows[:limit]
    shown = conditions or tuple(c for c in data.conditions if c != "original")
    if not shown or not rows:
        raise ConfigError(f"{dataset} has nothing to write: {len(rows)} pictures, {len(shown)} masked conditions")
    if dry_run:
        click.echo(f"would write {len(rows)} pictures in {len(shown)} conditions ({', '.join(shown)}) into {out}")
        return
    files = export_images(data, out, rows, conditions=shown, **options)
    if sheet is not None:
        picture = pairs_sheet(data, rows[:sheet_rows], shown)
        with whole_file(sheet) as temporary:
            temporary.write_bytes(encode(picture, "jpg" if sheet.suffix in (".jpg", ".jpeg") else "png"))
    if as_json:
        click.echo(json.dumps({"out": str(out), "files": len(files), "pictures": len(rows), "conditions": list(shown)}))
    else:
        click.echo(f"{len(files)} pictures in {len(shown)} conditions: {out}")
