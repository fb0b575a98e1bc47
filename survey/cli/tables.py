"""Commands that work with tables of ratings: import, screen, scores, reliability, claim, aggregate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError
from survey.cli.shared import FILE, JSON, OUT, keep_inputs, print_summary, survey, without_nan
from survey.errors import RatingsError

if TYPE_CHECKING:
    from survey.imports import Imported

RATINGS = click.argument("ratings", type=FILE)
SCALE = click.option(
    "--scale", type=click.IntRange(2, 100), default=10, show_default=True, help="Scores are 1 to this."
)
ASSUMED = 10  # scores, where nobody said how many
ATTRIBUTE = click.option("--attribute", default="", help="The question, where ratings answer several.")
RULES = (
    "attention", "straight-lining", "too fast", "correlation", "bt500", "inconsistency", "duplicates", "repeats",
    "gold", "no input",
)  # fmt: skip


LAYOUTS = (
    "auto", "long", "wide", "transposed", "qualtrics", "google-forms", "limesurvey", "surveymonkey", "soscisurvey",
    "mturk", "jspsych", "psychopy", "labvanced", "gorilla", "psytoolkit", "redcap", "formr",
)  # fmt: skip


@survey.command("import")
@click.argument("source", type=FILE)
@click.option("--out", type=OUT, default="ratings.csv", show_default=True, help="The table to write.")
@click.option("--study", type=FILE, help="Study file: only its pictures are taken, on its scale.")
@click.option("--pictures", type=click.Path(exists=True, path_type=Path), help="The pictures: a folder or a CSV list.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="How the table is laid out, or the tool that wrote it.",
)
@click.option("--rater", default="", help="The raters' column.")
@click.option("--image", default="", help="The pictures' column (a row a rating).")
@click.option("--score", default="", help="The scores' column (a row a rating).")
@click.option("--columns", default="", help="Regular expression for the rating columns of a wide table.")
@click.option("--map", "names", type=FILE, help="Table column,image: which picture a column stands for.")
@click.option("--attribute", default="", help="Take the answers to this question only.")
@click.option("--prolific", type=FILE, help="A Prolific export: keep raters whose submission counts.")
@click.option("--scale", type=click.IntRange(2, 100), help="Scores are 1 to this  [default: the study's, else 10]")
@click.option("--counts-from", type=click.IntRange(0, 1), help="Number of the lowest answer  [default: you are asked]")
@click.option("--from-scale", type=(float, float), help="Convert scores from this range, for example 0 100.")
@click.option(
    "--encoding", default="", help="What the letters are, as shift_jis, cp1251, gb18030  [default: by the file]"
)
@click.option("--strict", is_flag=True, help="Stop at scores that cannot be used, instead of leaving them out.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be taken, and write nothing.")
@JSON
def import_(source: Path, out: Path, study: Path | None, plan_only: bool, as_json: bool, **options: Any) -> None:
    """Take ratings that were collected elsewhere (CSV, TSV, XLSX or JSON).

    Tools are recognised: Qualtrics, LimeSurvey, Google Forms, SurveyMonkey, SoSci Survey, MTurk, jsPsych, PsychoPy,
    Labvanced, Gorilla, PsyToolkit, REDCap, formr; also a row a rating, a row a rater, or a row a picture. What is
    taken is shown first.

    \b
    Example:  gazekit survey import qualtrics.csv --study study.toml --out ratings.csv
    """
    from gazekit.core.tables import write_table
    from survey.config import read_study
    from survey.imports import ColumnMap, import_ratings, prolific_approved, read_names
    from survey.picture_files import picture_ids
    from survey.ratings import of_attribute
    from survey.table_io import defused

    settings = read_study(study) if study else None
    unsaid = not options["scale"] and settings is None and options["from_scale"] is None
    options["scale"] = options["scale"] or (settings.survey.scale if settings else ASSUMED)
    place = options.pop("pictures") or (settings.pictures if settings else None)
    pictures = picture_ids(place, study.parent if study else Path()) if place else ()
    names = options.pop("names")
    if not plan_only:
        keep_inputs((out, out.with_suffix(".faults.csv")), source, study, names, place_file(place), options["prolific"])
    roles = {name: options.pop(name) for name in ("rater", "image", "score", "columns")}
    mapping = ColumnMap(**roles, names=read_names(names) if names else None)
    prolific, attribute = options.pop("prolific"), options.pop("attribute")
    imported = _asking(lambda: import_ratings(source, mapping=mapping, pictures=pictures, **options), options)
    if not as_json:
        click.echo("\n".join(imported.plan.lines()))
        if unsaid and imported.plan.highest <= ASSUMED / 2 + 2:
            click.echo(
                f"nobody said the scale, and no answer is above {imported.plan.highest:g}: 1 to {ASSUMED} is assumed "
                f"(--scale {max(2, round(imported.plan.highest))}?)"
            )
    if plan_only:
        if as_json:
            click.echo(json.dumps(without_nan(vars(imported.plan)), allow_nan=False))
        return
    table = imported.ratings
    if attribute:
        table = of_attribute(table, attribute).drop(columns="attribute")
    not_approved = set(table["rater"]) - prolific_approved(prolific) if prolific else set()
    table = table[~table["rater"].isin(not_approved)]
    summary = {
        "ratings": len(table),
        "raters": int(table["rater"].nunique()),
        "pictures": int(table["image"].nunique()),
        "faults": len(imported.faults),
        "not approved": sorted(not_approved),
        "out": str(out),
    }
    if len(imported.faults):
        summary["faults in"] = str(write_table(defused(imported.faults), out.with_suffix(".faults.csv")))
    if table.empty:
        raise RatingsError(
            f"{source}: no rating is left; nothing was written"
            + (f" (the faults are in {summary['faults in']})" if len(imported.faults) else "")
        )
    write_table(table, out)
    if as_json:
        summary["plan"] = vars(imported.plan)
    print_summary(summary, as_json)


def place_file(place: Any) -> Path | None:
    """Return the list of pictures, where it is a file that was named."""
    return place if isinstance(place, Path) and place.is_file() else None


def _asking(read: Callable[[], Imported], options: dict[str, Any]) -> Imported:
    """Import; on a terminal, ask whether answers count from 0 where that is not clear."""
    from survey.imports import CountsFromZero

    try:
        return read()
    except CountsFromZero as question:
        if not sys.stdin.isatty():
            raise
        click.echo(str(question))
        options["counts_from"] = click.prompt("Count from", type=click.IntRange(0, 1))
        return read()


@survey.command()
@RATINGS
@SCALE
@ATTRIBUTE
@click.option("--out", type=OUT, default="screening.csv", show_default=True, help="The table to write.")
@click.option(
    "--exclude-by",
    multiple=True,
    type=click.Choice(RULES),
    help="Rules that exclude  [default: all but bt500, duplicates, repeats, gold and no input, which only report]",
)
@click.option("--gold", type=FILE, help="Pictures of known order: a table with the columns better and worse.")
@JSON
def screen(
    ratings: Path, scale: int, attribute: str, out: Path, exclude_by: tuple[str, ...], gold: Path | None, as_json: bool
) -> None:
    """Find raters who cannot be relied on: who, by which rule, and what leaving them out changes.

    \b
    Example:  gazekit survey screen ratings.csv --out screening.csv
    """
    from gazekit.core.tables import read_table, write_table
    from survey.ratings import of_attribute
    from survey.screening import EXCLUDING
    from survey.screening import screen as screen_raters
    from survey.table_io import holds_choices, read_choices, read_ratings

    keep_inputs([out], ratings, gold)
    pairs = read_table(gold, ["better", "worse"], "table of pairs") if gold else None
    known = [] if pairs is None else list(zip(pairs["better"].astype(str), pairs["worse"].astype(str), strict=True))
    if holds_choices(ratings):
        from survey.choice_screening import screen_choices

        screening = screen_choices(read_choices(ratings), exclude_by=exclude_by or EXCLUDING, gold=known)
    else:
        table = of_attribute(read_ratings(ratings), attribute)
        screening = screen_raters(table, scale=scale, exclude_by=exclude_by or EXCLUDING, gold=known)
    write_table(screening, out)
    excluded = sorted(set(screening.loc[screening["action"] == "excluded", "rater"]))
    print_summary({"excluded": excluded, "findings": len(screening), "out": str(out)}, as_json)


@survey.command()
@click.argument("choices", type=FILE)
@click.option("--out", type=OUT, default="scores.csv", show_default=True, help="The table of scores to write.")
@click.option("--screen", "screened", is_flag=True, help="Leave out raters by `survey screen`; a table says who.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="Of the intervals, a share.",
)
@JSON
def scores(choices: Path, out: Path, screened: bool, confidence: float, as_json: bool) -> None:
    """Score pictures that were compared (pairs, best and worst) by the model of Bradley and Terry.

    \b
    Example:  gazekit survey scores choices.csv --out scores.csv
    """
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from survey.choice_scores import comparison_scores
    from survey.choice_screening import screen_choices
    from survey.screening import without
    from survey.table_io import read_choices

    keep_inputs((out, out.with_suffix(".screening.csv")), choices)
    table = read_choices(choices)
    summary: dict[str, Any] = {}
    if screened:
        screening = screen_choices(table)
        table = without(table, screening)
        summary["excluded"] = sorted(set(screening.loc[screening["action"] == "excluded", "rater"]))
        summary["screening"] = str(write_table(screening, out.with_suffix(".screening.csv")))
    scored = comparison_scores(table, confidence=confidence)
    parameters = {"screened": screened, "confidence": confidence}
    write_table(scored, out, provenance("scores/1", parameters, {"choices": choices}))
    groups = int(scored["group"].nunique())
    print_summary({"pictures": len(scored), "groups": groups, "out": str(out)} | summary, as_json)


@survey.command()
@RATINGS
@SCALE
@ATTRIBUTE
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the halves and of the groups of raters.")
@JSON
def reliability(ratings: Path, scale: int, attribute: str, seed: int, as_json: bool) -> None:
    """Measure how far the raters agree: alpha, ICC, split half, repeats, noise ceiling.

    \b
    Example:  gazekit survey reliability ratings.csv
    """
    from survey.ratings import of_attribute
    from survey.reliability import reliability as measures
    from survey.table_io import read_ratings

    table = measures(of_attribute(read_ratings(ratings), attribute), scale=scale, seed=seed)
    if as_json:
        click.echo(table.to_json(orient="records"))
        return
    if table["value"].isna().all():
        click.echo("agreement cannot be measured: no picture has two raters, or nobody's scores differ", err=True)
    for name, value, low, high in table.itertuples(index=False):
        click.echo(f"{name:34} {value:8.3f}" + ("" if low != low else f"   95 %: {low:.3f} to {high:.3f}"))


@survey.command()
@RATINGS
@SCALE
@ATTRIBUTE
@click.option("--groups", type=FILE, required=True, help="Which picture is in which group: columns image and group.")
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of the interval, a share."
)
@JSON
def claim(ratings: Path, scale: int, attribute: str, groups: Path, confidence: float, as_json: bool) -> None:
    """Compare two groups of pictures; may be repeated while ratings come in, as often as you like.

    \b
    Example:  gazekit survey claim ratings.csv --groups groups.csv
    """
    from gazekit.core.tables import read_table
    from survey.anytime import group_difference
    from survey.ratings import of_attribute
    from survey.table_io import read_ratings

    table = read_table(groups, ["image", "group"], "table of groups").astype(str)
    names = sorted(set(table["group"]))
    if len(names) != 2:
        raise ConfigError(f"{groups} has {counted(len(names), 'group')} ({', '.join(names[:10])}); two are compared")
    first, second = (table.loc[table["group"] == name, "image"].tolist() for name in names)
    used = of_attribute(read_ratings(ratings), attribute)
    difference = group_difference(used, first, second, scale=scale, confidence=confidence)
    print_summary({"groups": f"{names[0]} less {names[1]}"} | vars(difference), as_json)


@survey.command()
@RATINGS
@SCALE
@ATTRIBUTE
@click.option("--out", type=OUT, default="histograms.csv", show_default=True, help="The histogram table.")
@click.option(
    "--duplicates",
    type=click.Choice(["first", "last", "mean", "drop"]),
    default="first",
    show_default=True,
    help="Which score counts where a rater scored a picture twice.",
)
@click.option(
    "--min-ratings",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Pictures with fewer ratings are flagged, never left out.",
)
@click.option("--screen", "screened", is_flag=True, help="Leave out raters by `survey screen`; a table says who.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="Of the intervals, as a share; 0.96 covers 95 % where pictures stopped by stop_width.",
)
@click.option("--joint", is_flag=True, help="Add the joint estimate of ITU-T P.910: joint, joint_se.")
@click.option("--report", type=OUT, help="Draw distribution, raters and reliability (.png, .svg or .pdf).")
@JSON
def aggregate(
    ratings: Path,
    scale: int,
    attribute: str,
    out: Path,
    duplicates: Any,
    min_ratings: int,
    screened: bool,
    confidence: float,
    joint: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """Make the histogram table from a table of ratings (rater, image, score).

    \b
    Example:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from survey.aggregation import aggregate as histograms
    from survey.doubts import doubts, doubts_of_table
    from survey.ratings import of_attribute
    from survey.screening import screen as screen_raters
    from survey.screening import without
    from survey.table_io import read_ratings

    keep_inputs((out, out.with_suffix(".screening.csv"), report), ratings)
    everything = of_attribute(read_ratings(ratings), attribute)
    screening = screen_raters(everything, scale=scale) if screened else None
    used = everything if screening is None else without(everything, screening)
    options: dict[str, Any] = {"duplicates": duplicates, "min_ratings": min_ratings, "joint": joint}
    table = histograms(used, scale=scale, confidence=confidence, **options)
    parameters = options | {"scale": scale, "screened": screened}
    parameters |= {"confidence": confidence} if confidence != 0.95 else {}
    write_table(table, out, provenance("histograms/1", parameters, {"ratings": ratings}))
    for doubt in [*doubts_of_table(used), *doubts(table["image"], table.filter(regex=r"^c\d+$").to_numpy())]:
        click.echo(doubt, err=True)
    few = int((table["flags"].str.contains("few")).sum())
    summary: dict[str, Any] = {"pictures": len(table), "ratings": int(table["n"].sum()), "few": few, "out": str(out)}
    if several := table.attrs["duplicates"]["pairs"]:
        summary["rated twice"] = f"{counted(several, 'picture')} by one rater, of which counts: {duplicates}"
    if screening is not None:
        summary["excluded"] = sorted(set(screening.loc[screening["action"] == "excluded", "rater"]))
        summary["screening"] = str(write_table(screening, out.with_suffix(".screening.csv")))
    if report:
        from survey.figures import draw_report
        from survey.reliability import reliability as measures

        draw_report(everything, table, measures(used, scale=scale), screening, report, scale=scale)
        summary["report"] = str(report)
    print_summary(summary, as_json)
