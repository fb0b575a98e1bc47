"""Pictures of a dataset, chosen on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

FILLS = click.Choice(["black", "mean", "blur", "foveated"])
SPLITS = click.Choice(["train", "validation", "test"])


def selection(function: Any) -> Any:
    """Options that choose pictures, for `chosen`."""
    for option in (
        click.option("--min-ratings", type=click.IntRange(0), default=0, help="Only with so many ratings or more."),
        click.option("--category", help="Only pictures of this category."),
        click.option("--scheme", default="default", show_default=True, help="... of this split scheme."),
        click.option("--split", "split_name", type=SPLITS, help="Only these ..."),
        click.option("--images", type=click.Path(path_type=Path), help="CSV with a column image: only these."),
    ):
        function = option(function)
    return function


def masked_look(function: Any) -> Any:
    """Options of what masked pictures look like."""
    for option in (
        click.option(
            "--soft-px",
            type=click.FloatRange(0),
            default=0.0,
            show_default=True,
            help="Width of a soft edge, in pixels of what is written.",
        ),
        click.option("--fill", type=FILLS, default="black", show_default=True, help="What stands outside the mask."),
    ):
        function = option(function)
    return function


def chosen(dataset: Dataset, images: Path | None, **asked: Any) -> Any:
    """The numbers of the pictures that the options choose."""
    from gazekit.core.tables import read_table
    from gazekit.dataset.subset_merge import chosen as chosen_rows

    names = None if images is None else read_table(images, ["image"], "list of pictures")["image"].tolist()
    return chosen_rows(dataset, images=names, **asked)
