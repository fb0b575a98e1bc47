"""Commands that run a survey: serve, simulate, export, backup, operate, pay."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError
from survey.cli.shared import FILE, JSON, OUT, finite, keep_inputs, print_summary, survey
from survey.errors import SurveyError

if TYPE_CHECKING:
    from survey.config import SurveyStudy
    from survey.database import Store

SHARE = click.FloatRange(0)
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
@click.option("--rehearsal", is_flag=True, help="Serve a database with simulated raters, which is else refused.")
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
    click.echo(
        f"{counted(len(files), 'picture')}, {counted(section.raters_per_picture, 'rating')} each: at least "
        f"{needed} raters"
    )
    if check:
        where = database_of(study, database)
        if "://" in where or Path(where).is_file():
            open_ratings(study, database)[1].close()
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
    from survey.operations import refuse_people
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
    with store:
        refuse_people(store)
        simulated = fill(
            store, truth, raters=raters, kinds=kinds, section=settings.survey, seed=seed, start=time.time()
        )
    if as_json:
        click.echo(json.dumps(simulated))
    else:
        click.echo(f"{counted(len(simulated), 'simulated rater')} of {counted(len(names), 'picture')}: {where}")


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
    with store:
        if section.task == "rate":
            table = export_ratings(store, practice=practice, scales=section.asked)
        else:
            table = export_choices(store, practice=practice)
        steps = export_traces(store) if traces else None
    if table.empty:
        raise SurveyError(
            f"there is no rating in {database_of(study, database)}; a copy of a database that was in use is empty, "
            f"`gazekit survey backup` makes a whole one"
        )
    write_table(table, out)
    if traces is not None and steps is not None:
        write_table(steps, traces)
    click.echo(f"{counted(len(table), 'rating')} by {counted(table['rater'].nunique(), 'rater')}: {out}")


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

    with open_store(database_of(study, database), create=False) as store:
        store.backup(out)
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
    with store:
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
    excluded = [*orders["exclude"], *left_out]
    print_summary({"survey": state, "left out": excluded, "opened again": opened}, as_json)


@survey.command()
@STUDY
@DATABASE
@click.option("--out", type=OUT, default="payments.csv", show_default=True, help="The table; lists go beside it.")
@click.option(
    "--bonus",
    type=click.FloatRange(0),
    callback=finite,
    default=0.0,
    show_default=True,
    help="Paid to everybody who is approved, in units of the platform's currency.",
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
    with store:
        rows = payments(store, settings.survey, bonus=bonus, second_ids=second_ids)
        lists = {}
        for ending, table in payment_lists(rows).items():
            place = out.with_suffix(f".{ending}.csv") if ending else out
            lists[ending or "all"] = str(write_table(defused(table), place))
        actions = ("approve", "reject", "review", "wait")
        summary: dict[str, Any] = {action: sum(row.action == action for row in rows) for action in actions}
        if send:
            summary["sent"] = pay_by_prolific(store, rows, Prolific(token, api))
    print_summary(summary | {"lists": list(lists.values())}, as_json)
