"""``gazekit survey``: serve, simulate, import, export, screen, aggregate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def survey() -> None:
    """Collect, import and aggregate ratings.

    \b
    Try:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """


STUDY = click.argument("study", type=FILE)
DATABASE = click.option(
    "--database-url",
    "database",
    default=None,
    help="postgresql://user@host/name or an SQLite file  [default: the study's file with the suffix .survey.db]",
)


def place(study: Path, database: str | None) -> str:
    """Where a study's ratings live."""
    return database or str(study.with_suffix(".survey.db"))


@survey.command()
@STUDY
@DATABASE
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--threads", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--password-file", type=FILE, help="The operator's password; else GAZEKIT_SURVEY_PASSWORD or a question.")
@click.option("--https", is_flag=True, help="Participants come over HTTPS (a reverse proxy): secure cookies.")
@click.option("--proxies", type=click.IntRange(0, 9), default=0, show_default=True, help="Reverse proxies in front.")
@click.option("--public-url", default="", help="Where participants reach the survey, for the link to come back by.")
@click.option("--check", is_flag=True, help="Check the study file and the pictures, then stop.")
def serve(study: Path, database: str | None, password_file: Path | None, check: bool, **options: Any) -> None:
    """Put the rating pages on the web.

    \b
    Example:  gazekit survey serve study.toml --port 8080
    """
    from survey.config import read_study
    from survey.picture_files import picture_files
    from survey.serve import operator_password
    from survey.serve import serve as run

    settings = read_study(study)
    files = picture_files(settings.pictures, study.parent)
    section = settings.survey
    needed = -(-len(files) * section.raters_per_picture // section.pictures_per_rater)
    click.echo(f"{len(files)} pictures, {section.raters_per_picture} ratings each: at least {needed} raters")
    if check:
        return
    password = operator_password(
        password_file, lambda: str(click.prompt("Password for the operator's page", hide_input=True))
    )

    def ready(url: str) -> None:
        click.echo(f"rating pages: {url}\noperator:     {url}operator/\nratings in:   {place(study, database)}")

    run(study, database=place(study, database), password=password, ready=ready, **options)


@survey.command()
@STUDY
@DATABASE
@click.option("--raters", type=click.IntRange(1), help="How many; as many as are needed where none is given.")
@click.option("--careful", type=float, default=0.8, show_default=True, help="Share of careful raters.")
@click.option("--biased", type=float, default=0.12, show_default=True, help="Share with a bias of their own.")
@click.option("--random", "random_", type=float, default=0.04, show_default=True, help="Share that answers anything.")
@click.option("--straight-lining", type=float, default=0.04, show_default=True, help="Share with one answer always.")
@click.option("--seed", type=int, default=None, help="[default: the study's]")
@click.option("--json", "as_json", is_flag=True, help="Print the kind of each rater as JSON.")
def simulate(
    study: Path,
    database: str | None,
    raters: int | None,
    careful: float,
    biased: float,
    random_: float,
    straight_lining: float,
    seed: int | None,
    as_json: bool,
) -> None:
    """Fill a study with simulated raters, for a rehearsal; their names begin with sim.

    \b
    Example:  gazekit survey simulate study.toml --database-url rehearsal.db
    """
    import time

    import numpy as np

    from survey.config import read_study
    from survey.picture_files import picture_files
    from survey.simulate import Kind, fill

    settings = read_study(study)
    names = list(picture_files(settings.pictures, study.parent))
    seed = settings.study.seed if seed is None else seed
    scale = settings.survey.scale
    means = np.random.default_rng(seed).uniform(1 + 0.2 * (scale - 1), 1 + 0.8 * (scale - 1), len(names))
    kinds: dict[Kind, float] = {
        "careful": careful,
        "biased": biased,
        "random": random_,
        "straight-lining": straight_lining,
    }
    truth = {name: float(mean) for name, mean in zip(names, means, strict=True)}
    where = place(study, database)
    found = fill(where, truth, raters=raters, kinds=kinds, section=settings.survey, seed=seed, start=time.time())
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"{len(found)} simulated raters of {len(names)} pictures: {where}")


@survey.command()
@STUDY
@DATABASE
@click.option("--out", type=OUT, default="ratings.csv", show_default=True)
@click.option("--practice", is_flag=True, help="With the practice showings.")
def export(study: Path, database: str | None, out: Path, practice: bool) -> None:
    """Write the collected ratings as a table.

    \b
    Example:  gazekit survey export study.toml --out ratings.csv
    """
    from survey.database import open_store
    from survey.outputs import write_csv
    from survey.rating_export import export_ratings

    store = open_store(place(study, database))
    table = export_ratings(store, practice=practice)
    store.close()
    write_csv(table, out)
    click.echo(f"{len(table)} ratings by {table['rater'].nunique()} raters: {out}")


RATINGS = click.argument("ratings", type=FILE)
SCALE = click.option(
    "--scale", type=click.IntRange(2, 100), default=10, show_default=True, help="Scores are 1 to this."
)
RULES = ("attention", "straight-lining", "too fast", "correlation", "bt500", "inconsistency")


@survey.command("import")
@click.argument("source", type=FILE)
@click.option("--out", type=OUT, default="ratings.csv", show_default=True)
@click.option(
    "--layout",
    type=click.Choice(["auto", "long", "wide", "qualtrics", "google-forms", "limesurvey", "mturk"]),
    default="auto",
    show_default=True,
)
@click.option("--rater", default="", help="The raters' column.")
@click.option("--image", default="", help="The pictures' column (long, MTurk).")
@click.option("--score", default="", help="The scores' column (long, MTurk).")
@click.option("--columns", default="", help="Regular expression for the rating columns of a wide table.")
@click.option("--map", "map_", type=FILE, help="Table column,image: which picture a column stands for.")
@click.option("--prolific", type=FILE, help="A Prolific export: keep raters whose submission counts.")
@SCALE
@click.option("--from-scale", type=(float, float), help="Convert scores from this range, for example 0 100.")
@click.option("--strict", is_flag=True, help="Stop at scores that cannot be used, instead of leaving them out.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def import_(
    source: Path,
    out: Path,
    layout: str,
    rater: str,
    image: str,
    score: str,
    columns: str,
    map_: Path | None,
    prolific: Path | None,
    scale: int,
    from_scale: tuple[float, float] | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Take ratings that were collected elsewhere (CSV or XLSX).

    \b
    Example:  gazekit survey import qualtrics.csv --map columns.csv --scale 7 --out ratings.csv
    """
    from survey.imports import ColumnMap, import_ratings, prolific_approved, read_names
    from survey.outputs import write_csv

    mapping = ColumnMap(rater, image, score, columns, read_names(map_) if map_ else None)
    table, faults = import_ratings(
        source, layout=layout, mapping=mapping, scale=scale, from_scale=from_scale, strict=strict
    )
    dropped = set(table["rater"]) - prolific_approved(prolific) if prolific else set()
    table = table[~table["rater"].isin(dropped)]
    write_csv(table, out)
    summary = {
        "ratings": len(table),
        "raters": int(table["rater"].nunique()),
        "pictures": int(table["image"].nunique()),
        "faults": len(faults),
        "not approved": sorted(dropped),
        "out": str(out),
    }
    if len(faults):
        summary["faults in"] = str(write_csv(faults, out.with_suffix(".faults.csv")))
    _say(summary, as_json)


@survey.command()
@RATINGS
@SCALE
@click.option("--out", type=OUT, default="screening.csv", show_default=True)
@click.option(
    "--exclude-by",
    multiple=True,
    type=click.Choice(RULES),
    help="Rules that exclude  [default: all but bt500, which only reports]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def screen(ratings: Path, scale: int, out: Path, exclude_by: tuple[str, ...], as_json: bool) -> None:
    """Find raters who cannot be relied on: who, by which rule, with what effect.

    \b
    Example:  gazekit survey screen ratings.csv --out screening.csv
    """
    from survey.outputs import write_csv
    from survey.screening import EXCLUDING
    from survey.screening import screen as judge
    from survey.table_io import read_ratings

    found = judge(read_ratings(ratings), scale=scale, exclude_by=exclude_by or EXCLUDING)
    write_csv(found, out)
    gone = sorted(set(found.loc[found["action"] == "excluded", "rater"]))
    _say({"excluded": gone, "findings": len(found), "out": str(out)}, as_json)


@survey.command()
@RATINGS
@SCALE
@click.option("--seed", type=int, default=0, show_default=True, help="Of the halves and the groups of raters.")
@click.option("--json", "as_json", is_flag=True)
def reliability(ratings: Path, scale: int, seed: int, as_json: bool) -> None:
    """How far the raters agree: alpha, ICC, split half, repeats, noise ceiling.

    \b
    Example:  gazekit survey reliability ratings.csv
    """
    from survey.reliability import reliability as measures
    from survey.table_io import read_ratings

    table = measures(read_ratings(ratings), scale=scale, seed=seed)
    if as_json:
        click.echo(table.to_json(orient="records"))
        return
    for name, value, low, high in table.itertuples(index=False):
        click.echo(f"{name:34} {value:8.3f}" + ("" if low != low else f"   95 %: {low:.3f} to {high:.3f}"))


@survey.command()
@RATINGS
@SCALE
@click.option("--out", type=OUT, default="histograms.csv", show_default=True, help="The histogram table.")
@click.option(
    "--duplicates",
    type=click.Choice(["first", "last", "mean", "drop"]),
    default="first",
    show_default=True,
    help="What becomes of a rater who scored a picture twice.",
)
@click.option("--min-ratings", type=click.IntRange(1), default=10, show_default=True, help="Fewer are flagged.")
@click.option("--screen", "screened", is_flag=True, help="Leave out raters by `survey screen`; the table says who.")
@click.option("--joint", is_flag=True, help="Add the joint estimate of ITU-T P.910: joint, joint_se.")
@click.option("--report", type=OUT, help="A picture of it all (.png, .svg or .pdf).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def aggregate(
    ratings: Path,
    scale: int,
    out: Path,
    duplicates: Any,
    min_ratings: int,
    screened: bool,
    joint: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """Make the histogram table from a table of ratings (rater, image, score).

    \b
    Example:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """
    from survey.aggregation import aggregate as histograms
    from survey.outputs import provenance, write_csv
    from survey.screening import screen as judge
    from survey.screening import without
    from survey.table_io import read_ratings

    everything = read_ratings(ratings)
    found = judge(everything, scale=scale) if screened or report else None
    kept = without(everything, found) if screened and found is not None else everything
    table = histograms(kept, scale=scale, duplicates=duplicates, min_ratings=min_ratings, joint=joint)
    parameters = {"scale": scale, "duplicates": duplicates, "min_ratings": min_ratings, "screened": screened}
    write_csv(table, out, provenance(parameters | {"joint": joint}, ratings))
    few = int((table["flags"].str.contains("few")).sum())
    summary: dict[str, Any] = {"pictures": len(table), "ratings": int(table["n"].sum()), "few": few, "out": str(out)}
    if screened and found is not None:
        summary["excluded"] = sorted(set(found.loc[found["action"] == "excluded", "rater"]))
        summary["screening"] = str(write_csv(found, out.with_suffix(".screening.csv")))
    if report and found is not None:
        from survey.figures import draw_report
        from survey.reliability import reliability as measures

        shown = found if screened else found.iloc[:0]
        draw_report(everything, table, measures(kept, scale=scale), shown, report, scale=scale)
        summary["report"] = str(report)
    _say(summary, as_json)


def _say(summary: dict[str, Any], as_json: bool) -> None:
    """Print what was done, for a person or a program."""
    if as_json:
        click.echo(json.dumps(summary))
        return
    for name, value in summary.items():
        shown = (", ".join(map(str, value)) or "none") if isinstance(value, list) else value
        click.echo(f"{name + ':':14} {shown}")
