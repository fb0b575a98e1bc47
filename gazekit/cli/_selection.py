"""Pictures of a dataset, chosen on the command line, and what is in a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gazekit.core.time_windows import TimeWindow
    from gazekit.dataset import Dataset
    from gazekit.session.excluding import Exclusions

SPLITS = click.Choice(["train", "validation", "test"])


class FillName(click.ParamType):  # type: ignore[type-arg]
    """The name of a fill, gazekit's or a plug-in's; what is installed is looked up when one is given."""

    name = "fill"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or refuse it and say which there are."""
        from gazekit.shapes.fills import fill_names

        if value not in fill_names():
            self.fail(f"{value!r} is not one of {', '.join(fill_names())}", param, ctx)
        return value


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
        click.option(
            "--fill",
            type=FillName(),
            default="black",
            show_default=True,
            help="What stands outside the mask: black, mean, blur, foveated, or a plug-in's.",
        ),
    ):
        function = option(function)
    return function


def window_options(function: Any) -> Any:
    """Options of a window of time, for `chosen_window`."""
    for option in (
        click.option(
            "--after", type=click.FloatRange(0), metavar="MS", help="Only fixations that began so late, in ms."
        ),
        click.option("--first", type=click.IntRange(1), metavar="N", help="Only each participant's first N fixations."),
        click.option(
            "--window", metavar="START:END", help="Only fixations that began in these ms since the picture came."
        ),
    ):
        function = option(function)
    return function


def chosen_window(options: dict[str, Any]) -> TimeWindow | None:
    """Take the options of a window out of others, and return what they ask for."""
    from gazekit.core.time_windows import TimeWindow

    return TimeWindow.of(*(options.pop(name, None) for name in ("window", "first", "after")))


def exclusion_options(function: Any) -> Any:
    """Options of what is left out, for `chosen_exclusions`."""
    for option in (
        click.option("--with-excluded", is_flag=True, help="Leave nothing out, whatever was excluded."),
        click.option(
            "--exclusions",
            type=click.Path(path_type=Path),
            help="File of `gazekit exclude`.  [default: exclusions.toml beside the study file, or in the folder of the "
            "input or the one above]",
        ),
    ):
        function = option(function)
    return function


def chosen_exclusions(options: dict[str, Any], *places: Path | None) -> Exclusions:
    """Take the options of exclusions out of others, and read the file that they name or that belongs to the input."""
    from gazekit.core.errors import ConfigError
    from gazekit.core.files import existing_file
    from gazekit.session.excluding import Exclusions

    file, none = options.pop("exclusions", None), options.pop("with_excluded", False)
    if none:
        if file is not None:
            raise ConfigError("--exclusions and --with-excluded say opposite things; give one of them")
        return Exclusions()
    return Exclusions.of(*places) if file is None else Exclusions.read(existing_file(file, "file of exclusions"))


def renames(texts: Sequence[str]) -> dict[str, str]:
    """Read what ``--rename`` was given, OLD=NEW, old names to new ones."""
    from gazekit.core.errors import ConfigError

    pairs = dict(text.split("=", 1) for text in texts if "=" in text)
    if len(pairs) != len(texts):
        raise ConfigError(f"--rename takes OLD=NEW, each name once; found {', '.join(texts)}")
    return pairs


def chosen(dataset: Dataset, images: Path | None, **asked: Any) -> Any:
    """Return the numbers of the pictures that the options choose."""
    from gazekit.core.tables import read_table
    from gazekit.dataset.subset_merge import chosen as chosen_rows

    names = None if images is None else read_table(images, ["image"], "list of pictures")["image"].tolist()
    return chosen_rows(dataset, images=names, **asked)


def show_summary(path: Path, as_json: bool = False) -> None:
    """Print what is in a dataset."""
    import json

    from gazekit.dataset import open_dataset
    from gazekit.dataset.summary import summary, summary_lines

    facts = summary(open_dataset(path, verify=False))
    click.echo(json.dumps(facts) if as_json else "\n".join(summary_lines(facts)))
