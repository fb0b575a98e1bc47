"""``gazekit survey``: serve, simulate, import, export, screen, aggregate."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.core.errors import ConfigError
from survey.errors import RatingsError, SurveyError

if TYPE_CHECKING:
    from survey.config import SurveyStudy
    from survey.database import Store
    from survey.imports import Imported

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
SHARE = click.FloatRange(0)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def survey(context: click.Context) -> None:
    """Collect, import and aggregate ratings.

    \b
    Try:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """
    context.call_on_close(functools.partial(os.umask, os.umask(0o077)))  # what is written is for the owner alone


def keep_inputs(outputs: Iterable[Path | None], *inputs: str | Path | None) -> None:
    """Refuse to write over a file that a command reads."""
    read = {Path(path).resolve() for path in inputs if path and "://" not in str(path)}
    for out in outputs:
        if out is not None and out.resolve() in read:
            raise ConfigError(f"{out} is read by this command and would be lost; give another name with --out")


def finite(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse nan and inf, which click's ranges let through."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number to count with")
    return value


STUDY = click.argument("study", type=FILE)
DATABASE = click.option(
    "--database-url",
    "database",
    default=None,
    help="Where the ratings are: postgresql://user@host/name or an SQLite file  "
    "[default: the study's file with the suffix .survey.db]",
)


def database_of(study: Path, database: str | None) -> str:
    """Return the database that holds a study's ratings."""
    return database or str(study.with_suffix(".survey.db"))


def open_ratings(study: Path, database: str | None, **how: bool) -> tuple[SurveyStudy, Store]:
    """Open the database of a study; another study's is refused, and a new one is made only where ``how`` says so."""
    from survey.config import read_study
    from survey.database import open_store
    from survey.operations import refuse_other_study

    settings = read_study(study)
    store = open_store(database_of(study, database), **{"create": False} | how)
    try:
        refuse_other_study(store, settings, study.parent)
    except BaseException:
        store.close()
        raise
    return settings, store


@survey.command()
@STUDY
@DATABASE
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on; 0: a free one."
)
@click.option(
    "--threads", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests answered at the same time."
)
@click.option(
    "--password-file",
    type=FILE,
    help="File with the operator's password  [default: GAZEKIT_SURVEY_PASSWORD, else you are asked]",
)
@click.option("--https", is_flag=True, help="Participants come over HTTPS (a reverse proxy): secure cookies.")
@click.option(
    "--proxies", type=click.IntRange(0, 9), default=0, show_default=True, help="Number of reverse proxies in front."
)
@click.option(
    "--public-url", default="", help="Address by which participants reach the survey, for the link to come back by."
)
@click.option("--check", is_flag=True, help="Check the study file and the pictures, then stop.")
def serve(study: Path, database: str | None, password_file: Path | None, check: bool, **options: Any) -> None:
    """Put the rating pages on the web.

    \b
    Example:  gazekit survey serve study.toml --port 8080
    """
    from survey.assignment import raters_needed
    from survey.config import read_study
    from survey.languages import survey_faults
    from survey.picture_files import picture_files
    from survey.serve import operator_password
    from survey.serve import serve as run

    settings = read_study(study)
    files = picture_files(settings.pictures, study.parent)
    section = settings.survey
    folder = study.parent / settings.study.messages if settings.study.messages else None
    if faults := survey_faults(section, settings.study, folder):
        raise ConfigError("\n".join(faults))
    needed = raters_needed(len(files), section)
    click.echo(f"{len(files)} pictures, {section.raters_per_picture} ratings each: at least {needed} raters")
    if check:
        return
    password = operator_password(
        password_file, lambda: str(click.prompt("Password for the operator's page", hide_input=True))
    )

    def ready(url: str) -> None:
        click.echo(f"rating pages: {url}\noperator:     {url}operator/\nratings in:   {database_of(study, database)}")

    run(study, database=database_of(study, database), password=password, ready=ready, **options)


@survey.command()
@STUDY
@DATABASE
@click.option("--raters", type=click.IntRange(1), help="Number of raters  [default: as many as are needed]")
@click.option("--careful", type=SHARE, callback=finite, default=0.8, show_default=True, help="Share of careful raters.")
@click.option(
    "--biased", type=SHARE, callback=finite, default=0.12, show_default=True, help="Share of raters with a bias."
)
@click.option(
    "--random",
    "random_",
    type=SHARE,
    callback=finite,
    default=0.04,
    show_default=True,
    help="Share that answers at random.",
)
@click.option(
    "--straight-lining",
    type=SHARE,
    callback=finite,
    default=0.04,
    show_default=True,
    help="Share with one answer always.",
)
@click.option("--seed", type=int, default=None, help="Seed of the simulated raters  [default: the study's]")
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

    if careful + biased + random_ + straight_lining <= 0:
        raise ConfigError("somebody must rate: one of the shares must be above 0")
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
    where = database_of(study, database)
    _, store = open_ratings(study, database, create=True, durable=False)
    simulated = fill(store, truth, raters=raters, kinds=kinds, section=settings.survey, seed=seed, start=time.time())
    store.close()
    if as_json:
        click.echo(json.dumps(simulated))
    else:
        click.echo(f"{len(simulated)} simulated raters of {len(names)} pictures: {where}")


@survey.command()
@STUDY
@DATABASE
@click.option("--out", type=OUT, default="ratings.csv", show_default=True, help="The table to write.")
@click.option("--practice", is_flag=True, help="Write the practice ratings too.")
@click.option("--traces", type=OUT, help="Write what pointer and keys did, a row a step, to this table.")
def export(study: Path, database: str | None, out: Path, practice: bool, traces: Path | None) -> None:
    """Write the collected ratings as a table.

    \b
    Example:  gazekit survey export study.toml --out ratings.csv
    """
    from gazekit.core.tables import write_table
    from survey.rating_export import export_choices, export_ratings
    from survey.traces import export_traces

    keep_inputs((out, traces), study, database_of(study, database))
    settings, store = open_ratings(study, database)
    section = settings.survey
    if section.task == "rate":
        table = export_ratings(store, practice=practice, scales=section.asked)
    else:
        table = export_choices(store, practice=practice)
    steps = export_traces(store) if traces else None
    store.close()
    if table.empty:
        raise SurveyError(
            f"there is no rating in {database_of(study, database)}; a copy of a database that was in use is empty, "
            f"`gazekit survey backup` makes a whole one"
        )
    write_table(table, out)
    if traces is not None and steps is not None:
        write_table(steps, traces)
    click.echo(f"{len(table)} ratings by {table['rater'].nunique()} raters: {out}")


@survey.command()
@STUDY
@DATABASE
@click.option("--out", type=OUT, required=True, help="The copy to write; it must not exist.")
def backup(study: Path, database: str | None, out: Path) -> None:
    """Copy a survey's SQLite database, also while it is served.

    \b
    Example:  gazekit survey backup study.toml --out monday.db
    """
    from survey.database import open_store

    store = open_store(database_of(study, database), create=False)
    store.backup(out)
    store.close()
    click.echo(f"backup: {out}")


@survey.command()
@STUDY
@DATABASE
@click.option("--pause", "to", flag_value="paused", help="Raters wait; nothing is taken.")
@click.option("--close", "to", flag_value="closed", help="Nobody goes on or begins.")
@click.option("--open", "to", flag_value="open", help="Go on after a pause or a closing.")
@click.option("--exclude", multiple=True, metavar="RATER", help="Leave a rater out; the pictures open again.")
@click.option(
    "--why",
    default="by the operator",
    show_default=True,
    help="The reason, which payment shows; without one, payment is yours to decide.",
)
@click.option("--readmit", multiple=True, metavar="RATER", help="Take a rater back in.")
@click.option("--merge", nargs=2, multiple=True, metavar="KEEP OTHER", help="Make one rater of two.")
@click.option("--withdraw", multiple=True, metavar="PICTURE", help="Show a picture no more.")
@click.option("--screen", "screened", is_flag=True, help="Leave out raters by the study's exclude_by.")
@JSON
def operate(study: Path, database: str | None, as_json: bool, **orders: Any) -> None:
    """Pause, close or open a survey; leave raters or pictures out; also while it is served.

    \b
    Example:  gazekit survey operate study.toml --exclude r00007 --why "same answer to all"
    """
    from survey import operations
    from survey.live_quality import leave_out

    settings, store = open_ratings(study, database)
    try:
        with store.write() as connection:
            if orders["to"]:
                operations.set_opening(connection, orders["to"])
            opened = sum(operations.exclude(connection, name, orders["why"]) for name in orders["exclude"])
            for name in orders["readmit"]:
                operations.readmit(connection, name)
            for keep, other in orders["merge"]:
                operations.merge(connection, keep, other)
            for name in orders["withdraw"]:
                operations.withdraw_picture(connection, name)
        before = operations.open_places(store)
        left_out = leave_out(store, settings.survey) if orders["screened"] else []
        opened += operations.open_places(store) - before
        with store.read() as connection:
            state = operations.opening(connection)
    finally:
        store.close()
    excluded = [*orders["exclude"], *left_out]
    _print_summary({"survey": state, "left out": excluded, "opened again": opened}, as_json)


@survey.command()
@STUDY
@DATABASE
@click.option("--out", type=OUT, default="payments.csv", show_default=True, help="The table; lists go beside it.")
@click.option(
    "--bonus", type=click.FloatRange(0), callback=finite, default=0.0, show_default=True, help="For everybody approved."
)
@click.option(
    "--second-ids",
    type=click.Choice(["review", "approve", "reject"]),
    default="review",
    show_default=True,
    help="What becomes of a second id of one person (merged); review: listed for you, sent to nobody.",
)
@click.option("--send", is_flag=True, help="Approve, pay and reject by Prolific's API (token in PROLIFIC_TOKEN).")
@click.option("--api", default="https://api.prolific.com", show_default=True, help="Address of Prolific's API.")
@JSON
def pay(
    study: Path, database: str | None, out: Path, bonus: float, second_ids: Any, send: bool, api: str, as_json: bool
) -> None:
    """List who is approved, rejected (with the evidence), to be decided by you or waited for.

    Lists for Prolific and MTurk go beside the table.

    \b
    Example:  gazekit survey pay study.toml --bonus 0.50 --out payments.csv
    """
    from gazekit.core.tables import write_table
    from survey.payment import Prolific, pay_by_prolific, payment_lists, payments
    from survey.table_io import defused

    token = os.environ.get("PROLIFIC_TOKEN", "")
    if send and not token:
        raise ConfigError("sending to Prolific needs a token: set PROLIFIC_TOKEN")
    keep_inputs([out], study, database_of(study, database))
    settings, store = open_ratings(study, database)
    try:
        rows = payments(store, settings.survey, bonus=bonus, second_ids=second_ids)
        lists = {}
        for ending, table in payment_lists(rows).items():
            place = out.with_suffix(f".{ending}.csv") if ending else out
            lists[ending or "all"] = str(write_table(defused(table), place))
        actions = ("approve", "reject", "review", "wait")
        summary: dict[str, Any] = {action: sum(row.action == action for row in rows) for action in actions}
        if send:
            summary["sent"] = pay_by_prolific(store, rows, Prolific(token, api))
    finally:
        store.close()
    _print_summary(summary | {"lists": list(lists.values())}, as_json)


RATINGS = click.argument("ratings", type=FILE)
SCALE = click.option(
    "--scale", type=click.IntRange(2, 100), default=10, show_default=True, help="Scores are 1 to this."
)
ATTRIBUTE = click.option("--attribute", default="", help="The question, where ratings answer several.")
RULES = (
    "attention", "straight-lining", "too fast", "correlation", "bt500", "inconsistency", "duplicates", "repeats",
    "gold", "no input",
)  # fmt: skip


LAYOUTS = (
    "auto", "long", "wide", "transposed", "qualtrics", "google-forms", "limesurvey", "surveymonkey", "soscisurvey",
    "mturk", "jspsych", "psychopy", "labvanced", "gorilla", "psytoolkit",
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
    Labvanced, Gorilla, PsyToolkit; also a row a rating, a row a rater, or a row a picture. What is taken is shown
    first.

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
    options["scale"] = options["scale"] or (settings.survey.scale if settings else 10)
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
    if plan_only:
        if as_json:
            click.echo(json.dumps(_without_nan(vars(imported.plan)), allow_nan=False))
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
    _print_summary(summary, as_json)


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
    _print_summary({"excluded": excluded, "findings": len(screening), "out": str(out)}, as_json)


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
    _print_summary({"pictures": len(scored), "groups": groups, "out": str(out)} | summary, as_json)


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
        raise ConfigError(f"{groups} has {len(names)} groups ({', '.join(names[:10])}); two are compared")
    first, second = (table.loc[table["group"] == name, "image"].tolist() for name in names)
    used = of_attribute(read_ratings(ratings), attribute)
    difference = group_difference(used, first, second, scale=scale, confidence=confidence)
    _print_summary({"groups": f"{names[0]} less {names[1]}"} | vars(difference), as_json)


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
    few = int((table["flags"].str.contains("few")).sum())
    summary: dict[str, Any] = {"pictures": len(table), "ratings": int(table["n"].sum()), "few": few, "out": str(out)}
    if screening is not None:
        summary["excluded"] = sorted(set(screening.loc[screening["action"] == "excluded", "rater"]))
        summary["screening"] = str(write_table(screening, out.with_suffix(".screening.csv")))
    if report:
        from survey.figures import draw_report
        from survey.reliability import reliability as measures

        draw_report(everything, table, measures(used, scale=scale), screening, report, scale=scale)
        summary["report"] = str(report)
    _print_summary(summary, as_json)


def _without_nan(value: Any) -> Any:
    """Put null where a number is none or has no end: JSON has no word for these."""
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_summary(summary: dict[str, Any], as_json: bool) -> None:
    """Print what was done, for a person or a program."""
    if as_json:
        click.echo(json.dumps(_without_nan(summary), allow_nan=False))
        return
    for name, value in summary.items():
        shown = (", ".join(map(str, value)) or "none") if isinstance(value, list) else value
        click.echo(f"{name + ':':14} {shown}")
