"""``gazekit dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gazekit.cli._selection import chosen, masked_look, selection, show_summary
from gazekit.core.counting import counted

HERE = click.Path(path_type=Path)


@click.group("dataset")
def command() -> None:
    """Look into a dataset, check it, join several, take a part, plot it or export it.

    \b
    Example:  gazekit dataset info photos.dataset.h5
              gazekit dataset plot photos.dataset.h5 --out figures
    """


@command.command()
@click.argument("path", type=HERE)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def info(path: Path, as_json: bool) -> None:
    """Show what is in a dataset: pictures, ratings, conditions, splits, remarks.

    \b
    Example:  gazekit dataset info photos.dataset.h5 --json
    """
    show_summary(path, as_json)


@command.command()
@click.argument("path", type=HERE)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def verify(path: Path, as_json: bool) -> None:
    """Compare every byte of a dataset and its shards with what was built, and decode every picture.

    \b
    Example:  gazekit dataset verify photos.dataset.h5
    """
    import json

    from gazekit.core.progress import track
    from gazekit.dataset import open_dataset

    dataset = open_dataset(path)
    size = 0
    for i in track(range(len(dataset)), "decoding", len(dataset)):
        size += dataset.picture(i).shape[0] * dataset.sizes[i][1]
    facts = {"file": str(path), "sha256": dataset.sha256, "pictures": len(dataset), "shards": dataset.shards}
    if as_json:
        click.echo(json.dumps(facts))
    else:
        where = f" in {counted(dataset.shards, 'shard')}" if dataset.shards else ""
        click.echo(f"{path}: whole; {counted(len(dataset), 'picture')}{where}, {size / 1e6:.1f} million pixels decoded")


@command.command()
@click.argument("paths", type=HERE, nargs=-1, required=True)
@click.option("--out", type=HERE, required=True, help="The joined dataset.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the new default split.")
@click.option("--shard", type=click.IntRange(0), help="Pictures a shard; 0: one file.")
def merge(paths: tuple[Path, ...], out: Path, seed: int, shard: int | None) -> None:
    """Join datasets of one scale to one; the default split is drawn anew over all of them.

    \b
    Example:  gazekit dataset merge reef.dataset.h5 birds.dataset.h5 --out both.dataset.h5
    """
    from gazekit.dataset import open_dataset
    from gazekit.dataset.subset_merge import merge as merge_datasets

    merge_datasets([open_dataset(path) for path in paths], out, seed=seed, shard=shard)
    show_summary(out)


@command.command()
@click.argument("path", type=HERE)
@click.option("--out", type=HERE, required=True, help="The smaller dataset.")
@click.option("--shard", type=click.IntRange(0), help="Pictures a shard; 0: one file.")
@selection
def subset(path: Path, out: Path, shard: int | None, **asked: Any) -> None:
    """Take some pictures of a dataset, with their masks, ratings and places in every split.

    \b
    Example:  gazekit dataset subset ava.dataset.h5 --category landscape --out landscape.dataset.h5
    """
    from gazekit.dataset import open_dataset
    from gazekit.dataset.subset_merge import subset as subset_dataset

    dataset = open_dataset(path)
    subset_dataset(dataset, chosen(dataset, **asked), out, shard=shard)
    show_summary(out)


@command.command()
@click.argument("path", type=HERE)
@click.option("--out", type=HERE, required=True, help="A folder, or name.tar for name-000000.tar, ...")
@click.option("--condition", "conditions", multiple=True, help="Masked pictures of this condition too; repeat.")
@masked_look
@click.option("--per-tar", type=click.IntRange(1), default=1000, show_default=True, help="Samples an archive.")
@selection
def export(
    path: Path, out: Path, conditions: tuple[str, ...], fill: Any, soft_px: float, per_tar: int, **asked: Any
) -> None:
    """Write a dataset as WebDataset archives, or as a folder of pictures with tables.

    \b
    Example:  gazekit dataset export photos.dataset.h5 --out photos.tar --condition human
              gazekit dataset export photos.dataset.h5 --out photos --condition human --fill blur --soft-px 12
    """
    from gazekit.dataset import open_dataset
    from gazekit.dataset.export import MaskStyle, export_folder, export_webdataset

    dataset, look = open_dataset(path), MaskStyle(fill, soft_px)
    rows = chosen(dataset, **asked)
    if out.suffix in (".gz", ".tgz", ".zip", ".xz"):
        raise click.BadParameter(f"--out {out} is neither a folder nor name.tar (pictures are compressed already)")
    if out.suffix != ".tar":
        folder = export_folder(dataset, out, rows, conditions=conditions, look=look)
        click.echo(f"{counted(len(rows), 'picture')} and their tables: {folder}")
        return
    shown = tuple(dict.fromkeys(("original", *conditions)))
    files = export_webdataset(dataset, out, rows, conditions=shown, look=look, per_tar=per_tar)
    click.echo(
        f"{counted(len(rows), 'sample')} in {counted(len(files), 'archive')}: {files[0]}"
        + (" ..." if len(files) > 1 else "")
    )


@command.command()
@click.argument("path", type=HERE)
@click.option("--out", type=HERE, required=True, help="Folder for scores.png and samples.png.")
@click.option("--scheme", default="default", show_default=True, help="Split scheme that is shown.")
def plot(path: Path, out: Path, scheme: str) -> None:
    """Plot the distribution of scores and samples with mean and standard deviation.

    \b
    Example:  gazekit dataset plot photos.dataset.h5 --out figures
    """
    from gazekit.dataset import open_dataset
    from gazekit.dataset.plots import plot_samples, plot_scores

    dataset = open_dataset(path)
    drawn = plot_scores(dataset, out / "scores.png", scheme), plot_samples(dataset, out / "samples.png")
    click.echo("\n".join(map(str, drawn)))  # of both at once: who reads the first line alone gets both files


@command.command()
@click.argument("path", type=HERE)
@masked_look
@click.option("--size", type=click.IntRange(8), help="Side of the square that a network sees, px.  [the pictures' own]")
@selection
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def detail(path: Path, fill: str, soft_px: float, size: int | None, as_json: bool, **asked: Any) -> None:
    """Show how much area, detail, contrast and colour each condition leaves of the pictures, as a share of the whole.

    A fill such as blur or foveated leaves detail outside of a mask: what is not removed is seen here.

    \b
    Example:  gazekit dataset detail photos.dataset.h5 --fill foveated --size 224
    """
    from gazekit.dataset import open_dataset
    from gazekit.dataset.detail import detail_table

    data = open_dataset(path)
    table = detail_table(data, chosen(data, **asked), fill=fill, soft_px=soft_px, size=size)
    if as_json:
        click.echo(table.to_json(orient="records"))
    else:
        click.echo(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
