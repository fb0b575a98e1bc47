"""The survey's tables, the same on SQLite and PostgreSQL, and the steps from one version to the next.

A slot is one showing of a picture to a rater. It is held while the rater looks, done once rated, and released
when the rater did not come back in time. A rating that came after its slot was given to somebody else is a spare;
a slot whose picture did not load has failed; those of raters who were left out are excluded. Times are seconds
since 1970 (UTC).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
    text,
)

from survey.errors import SurveyError

VERSION = 4

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))

image = Table(
    "image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(400), nullable=False, unique=True),
    Column("target", Integer, nullable=False),  # ratings asked for
    Column("taken", Integer, nullable=False, default=0),  # slots held or done: never above target
    Column("done", Integer, nullable=False, default=0),
    Column("sha256", String(64)),  # of the file; since version 3, as the next
    Column("file_stamp", String(60)),  # size and time of the file when it was hashed
    Column("withdrawn_at", Float),
    Column("most", Integer),  # the target, before a picture stopped early
    Column("practice", Integer),  # 1: for practice only
    Column("strength", Float),  # moves with each comparison, and chooses who is compared next; since version 4
    Index("image_taken", "taken"),
)

rater = Table(
    "rater",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("name", String(20), nullable=False, unique=True),  # the pseudonym in every table
    Column("code", String(40), nullable=False),  # shown at the end only
    Column("consent_version", String(40), nullable=False),
    Column("consent_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("ready_at", Float),  # the instructions were read
    Column("finished_at", Float),
    Column("deleted_at", Float),
    Column("plan", Text, nullable=False),  # a letter a showing: P practice, M main, R repeat, G gold, C check
    Column("place", Integer, nullable=False, default=0),  # showings behind this rater
    Column("undone", Integer),  # the place that was taken back last; since version 3, as the next
    Column("excluded_at", Float),
    Column("excluded_why", Text),
    Column("language", String(20)),  # of the pages; since version 4
)

platform = Table(  # who a platform says the rater is: apart from every rating
    "platform",
    metadata,
    Column("rater_id", Integer, ForeignKey("rater.id"), primary_key=True),
    Column("source", String(20), nullable=False),
    Column("participant", String(200), nullable=False),
    Column("study", String(200), nullable=False),
    Column("session", String(200), nullable=False),
)

slot = Table(
    "slot",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rater_id", Integer, ForeignKey("rater.id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("kind", String(1), nullable=False),
    Column("image_id", Integer, ForeignKey("image.id")),  # none: an attention check, or several (`compared`)
    Column("occasion", Integer, nullable=False, default=0),  # 0 first showing, 1 repeat
    Column("state", String(8), nullable=False),  # held, done, released, spare, failed, excluded
    Column("expires", Float, nullable=False),
    Column("expected", Integer),  # the score that an attention check asks for
    Column("score", Integer),
    Column("rated_at", Float),
    Column("time_ms", Integer),
    Column("viewport_w", Integer),
    Column("viewport_h", Integer),
    Column("blurs", Integer),
    Column("entered", String(8)),  # keys, mouse, touch or pen; since version 2
    Column("server_ms", Integer),  # from the page to the answer, by the server; since version 3, as the next
    Column("load_ms", Integer),  # until the picture was decoded
    Column("shown_w", Integer),  # size of the picture on the page, CSS pixels
    Column("shown_h", Integer),
    Column("changes", Integer),  # how often the rating was taken back
    Column("exposed_ms", Integer),  # how long a timed picture was on the screen, by the browser
    Column("steps", Text),  # what pointer and keys did (`survey.traces`); since version 4, as the next
    Column("inputs", Integer),  # keys, presses and clicks among them that came from a person's device
    UniqueConstraint("rater_id", "place"),
    UniqueConstraint("image_id", "rater_id", "occasion"),
    Index("slot_expiry", "state", "expires"),
    sqlite_autoincrement=True,  # a slot's number is never used again: an old page cannot rate a new picture
)

more_score = Table(  # the scores of a showing for the questions after the first; since version 3
    "more_score",
    metadata,
    Column("slot_id", Integer, ForeignKey("slot.id"), primary_key=True),
    Column("scale", String(40), primary_key=True),
    Column("score", Integer, nullable=False),
)

compared = Table(  # the pictures of a showing that compares several, in their order; since version 4
    "compared",
    metadata,
    Column("slot_id", Integer, ForeignKey("slot.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # from 1
    Column("image_id", Integer, ForeignKey("image.id"), nullable=False),
    Column("picked", String(5)),  # best or worst
)

answer = Table(
    "answer",
    metadata,
    Column("rater_id", Integer, ForeignKey("rater.id"), primary_key=True),
    Column("question", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)


event = Table(  # what happened besides ratings: failed pictures, downloads, exclusions, pauses
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("rater_id", Integer),
    Column("image_id", Integer),
    Column("detail", Text, nullable=False, default=""),
    Index("event_kind", "kind"),
)


def _add(connection: Connection, table: Table, *names: str) -> None:
    for name in names:
        kind = table.c[name].type.compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}"))


def _keep_what_was_seen(connection: Connection) -> None:
    _add(connection, image, "sha256", "file_stamp", "withdrawn_at", "most", "practice")
    _add(connection, rater, "undone", "excluded_at", "excluded_why")
    _add(connection, slot, "server_ms", "load_ms", "shown_w", "shown_h", "changes", "exposed_ms")
    event.create(connection)
    more_score.create(connection)


def _compare_and_trace(connection: Connection) -> None:
    _add(connection, image, "strength")
    _add(connection, rater, "language")
    _add(connection, slot, "steps", "inputs")
    compared.create(connection)


STEPS: dict[int, Callable[[Connection], None]] = {
    1: lambda connection: _add(connection, slot, "entered"),
    2: _keep_what_was_seen,
    3: _compare_and_trace,
}
"""What turns a database of version k into k + 1."""


def bring_up_to_date(connection: Connection, *, create: bool = True) -> None:
    """Create the tables, or bring those of an older version up to date; refuse a newer version, and others' tables."""
    url = connection.engine.url
    where = f"sqlite:///{url.database}" if connection.dialect.name == "sqlite" else url.render_as_string()
    tables = set(inspect(connection).get_table_names())
    columns = {part["name"] for part in inspect(connection).get_columns("meta")} if "meta" in tables else set()
    if not {"key", "value"} <= columns:
        # a PostgreSQL database may be shared with others, as far as their tables have other names
        others = sorted(tables if connection.dialect.name == "sqlite" else tables & set(metadata.tables))
        if others:
            raise SurveyError(
                f"{where} is not a survey's database: it holds the tables of something else "
                f"({', '.join(others[:10])}); say where the ratings are with --database-url"
            )
        if not create:
            raise SurveyError(
                f"there is no rating in {where}, and no survey; a copy of a database that was in use is empty, "
                f"`gazekit survey backup` makes a whole one"
            )
        metadata.create_all(connection)
        connection.execute(meta.insert().values(key="schema", value=str(VERSION)))
        return
    kept = connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar_one_or_none()
    if kept is None:
        raise SurveyError(f"{where} is not a survey's database: its table meta says no schema version")
    version = int(kept)
    if version > VERSION:
        raise SurveyError(
            f"this database is of schema version {version}, made by a newer gazekit; this one knows up to "
            f"{VERSION}. Update gazekit"
        )
    for step in range(version, VERSION):
        STEPS[step](connection)
    connection.execute(meta.update().where(meta.c.key == "schema").values(value=str(VERSION)))
