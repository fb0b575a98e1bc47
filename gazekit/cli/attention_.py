"""``gazekit attention``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._found_fixations import Finding, FoundFixations, are_fixation_tables, find_fixations, finding_options
from gazekit.cli._recordings import read_any_fixations, screen_options, screen_sizes
from gazekit.cli._selection import (
    FillName,
    chosen_exclusions,
    chosen_window,
    exclusion_options,
    renames,
    window_options,
)
from gazekit.core.counting import counted

if TYPE_CHECKING:
    import pandas as pd

    from gazekit.attention.export import Options
    from gazekit.pictures import Picture
    from gazekit.session.excluding import Exclusions

EXTRAS = ("resamples", "growth", "density", "scanpaths", "judge", "differences", "conditions")
MANY = 50  # pictures for which processes are worth their start
MOST_OFF = 0.1  # share of fixations off the pictures that is passed over without a warning


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder of pictures, or a CSV list (image, file).")
@click.option("--study", type=click.Path(path_type=Path), help="Study file: its pictures and [attention] section.")
@finding_options
@screen_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for what is written.")
@click.option("--mask", type=click.Choice(["rectangle", "region", "patches", "fixations"]),
              help="What a mask keeps.  [rectangle]")  # fmt: skip
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), help="Share of the map that is kept.  [0.7]")
@click.option("--share-of", type=click.Choice(["mass", "area"]), help="The share is of this.  [mass]")
@click.option("--patches", type=click.IntRange(1), help="How many patches.  [3]")
@click.option("--patch-share", type=click.FloatRange(0, 1, min_open=True),
              help="Height and width of a patch, as a share of the picture's.  [0.2]")  # fmt: skip
@click.option("--sigma-deg", type=click.FloatRange(0, min_open=True), help="Sigma of the maps in degrees.  [1]")
@click.option("--sigma-px", type=click.FloatRange(0, min_open=True), help="Sigma in picture pixels instead.")
@click.option("--weight", type=click.Choice(["duration", "count"]), help="What a fixation weighs.  [duration]")
@click.option("--map", type=click.Choice(["gaussian", "likelihood"]), help="likelihood: each picture's density that "
              "predicts left-out viewers best, where it has three or more.  [gaussian]")  # fmt: skip
@click.option("--normalise", type=click.Choice(["none", "person"]), help="person: all count alike.  [none]")
@click.option("--scale", type=click.Choice(["picture", "shared"]),
              help="Full red in heatmaps: each map's own peak, or one for all.  [picture]")  # fmt: skip
@click.option("--layers", is_flag=True, default=None,
              help="Also transparent heatmaps (overlays), and pictures where people looked (opacity).")  # fmt: skip
@click.option("--by", type=click.Choice(["everyone", "participant", "leave-one-out"]), default="everyone",
              show_default=True, help="Whose maps.")  # fmt: skip
@click.option("--groups", type=click.Path(path_type=Path), help="CSV (participant, group): a map of each group.")
@click.option("--fill", type=FillName(), help="Outside the mask: black, mean, blur, foveated, ...  [black]")
@click.option("--soft-px", default=0.0, show_default=True, type=click.FloatRange(0),
              help="Width of a soft edge, in picture pixels.")  # fmt: skip
@click.option("--remove", is_flag=True, help="Mask the attended part, and keep the rest.")
@click.option("--cut", type=click.Choice(["keep", "drop-start", "drop"]),
              help="Fixations that a picture's onset or offset cuts: keep, leave out those that went on from before, "
              "or all.  [keep]")  # fmt: skip
@window_options
@exclusion_options
@click.option("--one-based", is_flag=True, help="x_picture and y_picture count pixels from 1 (Matlab).")
@click.option("--rename", multiple=True, metavar="OLD=NEW",
              help="Rename a column, e.g. who=participant; y=y_from_bottom where y counts upwards.")  # fmt: skip
@click.option("--tables-only", is_flag=True, help="No pictures.")
@click.option("--no-agreement", is_flag=True, help="Do not judge the agreement of people.")
@click.option("--resamples", type=click.IntRange(0), default=0, help="Draws of viewers, for how sure masks are and how "
              "many viewers would do (uncertainty.csv, certainty, viewers.csv).  [none]")  # fmt: skip
@click.option("--growth", is_flag=True, help="How much the first fixations hold (growth.csv).")
@click.option("--density", is_flag=True, help="What each picture's density by leave-one-viewer-out likelihood gains "
              "over the map of 1 degree (density.csv, densities); --map likelihood uses it.")  # fmt: skip
@click.option("--scanpaths", is_flag=True, help="How alike people's scanpaths are (scanpaths.csv).")
@click.option("--differences", type=click.IntRange(0), default=0, metavar="N", help="Where two --groups, or two "
              "--conditions, differ: clusters, N permutations (differences.csv).  [none]")  # fmt: skip
@click.option("--conditions", default="", metavar="COLUMN", help="For --differences: a column of the fixations with "
              "two values, compared within people.  [none]")  # fmt: skip
@click.option("--judge", multiple=True, type=click.Path(path_type=Path), metavar="FOLDER",
              help="Maps as PNG, one a picture: what they are worth in viewers (worth.csv); repeat.")  # fmt: skip
@click.option("--own", type=click.Path(path_type=Path), metavar="RATINGS",
              help="CSV (participant or rater, image, score) by the same ids: does one's own gaze predict one's own "
              "rating?  (own-gaze.csv, own-answers.csv)")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), help="Processes.  [the cores, from 50 pictures on]")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON lines.")
def command(
    inputs: tuple[Path, ...],
    out: Path,
    one_based: bool,
    rename: tuple[str, ...],
    tables_only: bool,
    no_agreement: bool,
    workers: int | None,
    as_json: bool,
    own: Path | None,
    **choices: object,
) -> None:
    """Attention maps, rectangles and masks from sessions or fixations.

    INPUTS are sessions (files or folders), whose fixations are found as `gazekit fixations` does and written to
    OUT/fixations.csv; or a table as `gazekit fixations` writes it (image, x_picture, y_picture, duration_ms,
    participant), or one with x, y, duration and viewer or subject; or a file of fixations of another program (EyeLink
    Data Viewer, Gazepoint, Tobii, OSIE's MATLAB file, etdb).
    OUT gets attention.csv, maps, scanpaths, heatmaps, masked pictures, a contact sheet, pairs of original and masked
    pictures, and how well people agree.

    \b
    gazekit attention sessions --study study.toml --out attention
    gazekit attention fixations.csv --study study.toml --out attention
    gazekit attention osie.csv --pictures stimuli --out attention --sigma-px 24 --one-based
    gazekit attention fixations.csv --study study.toml --out early --window 0:1000
    gazekit attention fixations.csv --study study.toml --out sure --resamples 200 --growth --judge model/maps
    """
    from gazekit.core.allocator import keep_memory

    keep_memory()  # maps of one size are made again and again
    from gazekit.attention.agreement import as_markdown
    from gazekit.attention.export import Extras, write_attention
    from gazekit.core.errors import ConfigError
    from gazekit.core.tables import read_table, write_table

    wanted: dict[str, Any] = {name: choices.pop(name) for name in EXTRAS}
    extras = Extras(**wanted, own=own is not None)
    exclusions = chosen_exclusions(choices, choices["study"], *inputs)  # type: ignore[arg-type]
    how: dict[str, Any] = {name: choices.pop(name) for name in ("detector", "eye", "parameters", "trials", "strict")}
    screen = tuple(choices.pop(name) for name in ("pixels", "screen_mm", "distance_mm"))
    study: Any = choices["study"]
    cut: Any = choices["cut"]
    pictures, options, study_file = _inputs(choices)  # before anything long
    if are_fixation_tables(inputs):
        _refuse_finding(how, inputs[0])
        source = _of_tables(inputs, rename, one_based, exclusions)
    elif rename or one_based:
        raise ConfigError(f"--rename and --one-based are for tables of fixations; {inputs[0]} is none")
    else:
        source = _of_sessions(inputs, study, screen, Finding(cut=cut, exclusions=exclusions, **how))
    exclusions.tell()
    scores = None if own is None else _own_scores(own, source.table)
    found = write_attention(
        source.table,
        pictures,
        out,
        options,
        draw=not tables_only,
        agree=not no_agreement,
        inputs=source.files | study_file,
        extras=extras,
        workers=workers or (1 if len(pictures) < MANY else os.cpu_count() or 1),
        excluded=exclusions.account(),
        found_by=source.made,
    )
    if source.others:
        write_table(source.table, out / "fixations.csv", source.provenance())
    said = "" if own is None else _own_answers(own, scores, out)
    if left_out := found.attrs["left_out"]:
        (image, why), file = left_out[-1], out / "left-out.csv"
        click.echo(f"pictures left out: {len(left_out)}, as {image} ({why}); all are in {file}", err=True)
    if as_json:
        click.echo(found.to_json(orient="records", lines=True).strip())
        return
    click.echo(f"{counted(len(found), 'map')} of {counted(found['image'].nunique(), 'picture')} in {out}")
    if few := found.attrs["few_viewers"]:
        click.echo(
            f"{counted(few, 'map is a Gaussian', 'maps are Gaussians')}: one or two viewers are too few for a density"
        )
    off, count = found.attrs["off_picture"], found.attrs["fixations"]
    if off:
        click.echo(f"{off} of {count} fixations ({off / count:.0%}) lie off their picture or have no duration")
    if off > MOST_OFF * count:
        click.echo(
            "that is more than 10 %: is the placement of the pictures, or the origin of x and y, another one?", err=True
        )
    mass, area = found["kept_mass"].mean(), found["kept_area"].mean()
    what = "what masks leave out" if options.remove else "what masks keep"
    click.echo(f"{what} ({options.mask}) holds {mass:.0%} of attention on {area:.0%} of the area")
    if said:
        click.echo(said)
    if not no_agreement and found["viewers"].max() > 1 and (out / "agreement.csv").exists():
        click.echo("\n" + as_markdown(read_table(out / "agreement.csv", ["map", "metric", "value", "low", "high"])))


def _inputs(choices: dict[str, object]) -> tuple[list[Picture], Options, dict[str, Path]]:
    """Return the pictures, the options and the files that they came from; options on the command line go first."""
    from gazekit.attention.export import Options
    from gazekit.core.errors import ConfigError
    from gazekit.core.tables import read_table
    from gazekit.pictures import list_pictures
    from gazekit.study import read_study

    window = chosen_window(choices)
    given, study, groups = choices.pop("pictures"), choices.pop("study"), choices.pop("groups")
    settings: dict[str, object] = {}
    if isinstance(study, Path):
        plan = read_study(study)
        settings = plan.attention.model_dump()
        pictures = [] if given else list_pictures(plan.pictures, study.parent)
    if isinstance(given, Path):
        pictures = list_pictures(given)
    elif not isinstance(study, Path):
        raise ConfigError("where are the pictures? give --pictures FOLDER (or a CSV list), or --study STUDY.toml")
    settings |= {key: value for key, value in choices.items() if value is not None} | {"window": window}
    if isinstance(groups, Path):
        table = read_table(groups, ["participant", "group"], "table of groups")
        settings["by"] = dict(zip(table["participant"].astype(str), table["group"].astype(str), strict=True))
    inputs = {"study": study} if isinstance(study, Path) else {}
    return pictures, Options(**settings), inputs  # type: ignore[arg-type]


def _own_scores(ratings: Path, fixations: pd.DataFrame) -> pd.DataFrame:
    """Return people's own ratings; refuse those of other people, before anything long."""
    from gazekit.core.tables import read_table
    from gazekit.stats.own_gaze import check_shared, own_scores

    scores = own_scores(read_table(ratings, ["image", "score"], "table of ratings"))
    check_shared("people", fixations.get("participant", ()), scores["participant"])
    return scores


def _own_answers(ratings: Path, scores: pd.DataFrame, out: Path) -> str:
    """Test people's own gaze against their own ratings, and write the table; return what it says."""
    from gazekit.attention.own_gaze import MEASURES
    from gazekit.core.files import provenance
    from gazekit.core.tables import read_table, write_table
    from gazekit.pictures import match_names
    from gazekit.stats.own_gaze import own_gaze_answers

    table = read_table(out / "own-gaze.csv", ["participant", "image", *MEASURES])
    scores = scores.assign(
        image=scores["image"].replace(match_names(scores["image"].unique(), table["image"].unique()))
    )
    how = {"swaps": 1999, "seed": 0}
    rows, said = own_gaze_answers(table, scores, MEASURES, swaps=how["swaps"], seed=how["seed"])
    inputs = {"ratings": ratings, "own_gaze": out / "own-gaze.csv"}
    origin = provenance("gazekit.attention.own/1", how | {"measures": list(MEASURES), "says": said}, inputs)
    write_table(rows, out / "own-answers.csv", origin)
    return said


def _refuse_finding(how: dict[str, Any], table: Path) -> None:
    """Refuse options that say how fixations are found, where they are found already."""
    from gazekit.core.errors import ConfigError

    if asked := [name for name, value in how.items() if value]:
        names = ", ".join("--parameter" if name == "parameters" else f"--{name}" for name in asked)
        raise ConfigError(f"{names} say how fixations are found in sessions; {table} holds fixations already")


def _of_sessions(paths: tuple[Path, ...], study: Any, screen: tuple[Any, ...], how: Finding) -> FoundFixations:
    """Find the fixations of sessions, or take those of other programs' files."""
    from gazekit.study import read_study

    plan = read_study(study) if study else None
    sizes = screen_sizes(plan.screen.screen() if plan else None, *screen)
    source = find_fixations(paths, replace(how, plan=plan, screen=sizes))
    if source.others:
        return source
    files = {"fixations": paths[0]} if len(paths) == 1 else source.files
    return replace(source, files=files, made={})  # another program found them


def _of_tables(
    paths: tuple[Path, ...], rename: tuple[str, ...], one_based: bool, exclusions: Exclusions
) -> FoundFixations:
    import pandas as pd

    pairs, tables = renames(rename), []
    for path in paths:
        read = read_any_fixations(path, one_based=one_based, rename=pairs, columns=("x_picture", "y_picture"))
        tables.append(exclusions.of_fixations(read, path))
    files = {"fixations": paths[0]} if len(paths) == 1 else {str(path): path for path in paths}
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    return FoundFixations(table, [], [], files, "", {})
