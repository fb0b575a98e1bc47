"""Where a survey's data lives: SQLite (WAL) or PostgreSQL behind SQLAlchemy.

Everything that changes the store runs in `Store.write`: one writer at a time (``BEGIN IMMEDIATE`` on SQLite, an
advisory lock on PostgreSQL), so that no picture is handed out more often than asked.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, delete, event, insert, make_url, select, update
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from gazekit.core.files import whole_file
from survey import schema
from survey.errors import SurveyError

LOG_BYTES = 16 << 20
LOG_PAGES = 20_000
"""Of SQLite's log. Above so many bytes `Store.sync` moves it into the database, beside the writers; above so many pages
(of 4 kB) a writer does it, and everybody waits for the disk twice."""
LOCK = 7_316_645  # the advisory lock's number: any constant that other users of the server do not take
BEGIN_IN_TURN = f"BEGIN; SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock({LOCK})"
COMMIT_TO_DISK = "COMMIT; SELECT pg_logical_emit_message(true, 'survey', '')"
"""The commit hands PostgreSQL's lock on at once; a record after it is only committed when its log is on the disk."""


class Store:
    """A survey's database: transactions that read or write, and the look-ups that every part needs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sqlite = engine.dialect.name == "sqlite"
        # SQLite waits in growing sleeps: threads of one process queue here instead
        self._turn = threading.Lock()

    @property
    def address(self) -> str:
        """What `open_store` opens it by again: the file of an SQLite database, else the URL with its password."""
        url = self.engine.url
        return str(url.database) if self.sqlite else url.render_as_string(hide_password=False)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that is the only writer; it is committed when the block ends well.

        On PostgreSQL the server alone keeps the queue: it hands the lock on the moment a commit is done, while each
        journey of a thread that held a lock here as well would wait for Python's interpreter before anybody went on.
        """
        turn = self._turn if self.sqlite else contextlib.nullcontext()
        with turn, self.engine.connect().execution_options(writer=True) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection to read with."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def sync(self) -> None:
        """Put SQLite's log on the disk, and a long one into the database; the server does this every second.

        Commits do not wait for the disk (WAL with ``synchronous=NORMAL``), so that two hundred raters need not queue
        for it; a crash of the program loses nothing. PostgreSQL's do, since its own crash would lose what it had
        promised: writers wait for its disk together, after their turns.
        """
        log = Path(f"{self.engine.url.database}-wal")
        if self.sqlite and log.exists():
            with open(log, "rb+") as file:
                os.fsync(file.fileno())
            if log.stat().st_size > LOG_BYTES:
                self.checkpoint()

    def close(self) -> None:
        """Close every connection; the last one of all moves SQLite's log into the database file."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_images(self, names: Sequence[str], target: int) -> None:
        """Register pictures; those that are there keep their ratings and take the new target."""
        with self.write() as connection:
            known = set(connection.execute(select(schema.image.c.name)).scalars())
            columns = schema.image.c
            going_on = (columns.most.is_(None) | (columns.target == columns.most)) & columns.withdrawn_at.is_(None)
            going_on &= columns.practice.is_(None)
            connection.execute(update(schema.image).where(going_on).values(target=target, most=target))
            fresh = [{"name": name, "target": target, "most": target} for name in names if name not in known]
            if fresh:
                connection.execute(insert(schema.image), fresh)

    def add_practice_images(self, names: Sequence[str]) -> None:
        """Register pictures that are for practice only."""
        with self.write() as connection:
            known = set(connection.execute(select(schema.image.c.name)).scalars())
            fresh = [{"name": name, "target": 0, "most": 0, "practice": 1} for name in names if name not in known]
            if fresh:
                connection.execute(insert(schema.image), fresh)

    def secret(self, folder: Path) -> str:
        """Return the key that signs cookies: made once, kept in a file, so that a restart keeps everybody in.

        The file lies beside an SQLite database, else in the study's ``folder``; only its owner can read it. A key
        that an older version kept in the database is moved there.
        """
        place = Path(f"{self.engine.url.database}.secret") if self.sqlite else folder / "survey.secret"
        with self.write() as connection:
            in_database = connection.execute(
                select(schema.meta.c.value).where(schema.meta.c.key == "secret")
            ).scalar_one_or_none()
            if not place.exists():
                with whole_file(place) as path:
                    path.touch(mode=0o600)
                    path.write_text(in_database or secrets.token_hex(32), encoding="ascii")
            connection.execute(delete(schema.meta).where(schema.meta.c.key == "secret"))
        place.chmod(0o600)
        return place.read_text(encoding="ascii").strip()

    def checkpoint(self) -> None:
        """Move SQLite's log into the database file as far as nobody reads it, so that a copy of the file is whole."""
        if self.sqlite:
            with contextlib.closing(sqlite3.connect(str(self.engine.url.database))) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def backup(self, target: Path) -> None:
        """Copy an SQLite database while it is in use, whole or not at all.

        Raises
        ------
        SurveyError
            It is a PostgreSQL database, which has pg_dump.
        """
        if not self.sqlite:
            raise SurveyError("a PostgreSQL database is backed up with pg_dump, which is safe while the survey runs")
        with whole_file(target, overwrite=False) as path:
            path.touch(mode=0o600)
            source, copy = sqlite3.connect(str(self.engine.url.database)), sqlite3.connect(path)
            with contextlib.closing(source), contextlib.closing(copy):
                source.backup(copy, pages=2000)


def open_store(url_or_path: str | Path, *, durable: bool = True, pool_size: int = 16, create: bool = True) -> Store:
    """Open a survey's database, and create or migrate its tables.

    Parameters
    ----------
    url_or_path : str or Path
        A database URL (``postgresql://user@host/name``, ``sqlite:///file``) or an SQLite file.
    durable : bool
        Keep what is committed through a crash of the machine, in SQLite except for the last second (`Store.sync`);
        false is for rehearsals. A crash of the program loses nothing either way.
    pool_size : int
        Connections that are kept open.
    create : bool
        Make a database where there is none.

    Raises
    ------
    SurveyError
        The URL is not usable, the server does not answer, the tables are of a newer version or of another program,
        or there is no database and none is to be made.
    """
    try:
        url = _url(str(url_or_path))
        in_file = url.get_backend_name() == "sqlite"
        if in_file and url.database:
            _owners_file(Path(url.database), create)
        level = {} if in_file else {"isolation_level": "AUTOCOMMIT"}
        engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=60, **level)
        if in_file:
            _tune_sqlite(engine, durable)
        else:
            _tune_postgresql(engine)
        store = Store(engine)
        _bring_up_to_date(store, create)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SurveyError(
            f"{_shown(str(url_or_path))} is not a database that can be opened ({error}); give an SQLite file or "
            f"postgresql://..., which needs pip install 'gazekit[postgres]'"
        ) from error
    except (DBAPIError, OSError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise SurveyError(f"the database {_shown(str(url_or_path))} cannot be opened: {reason}") from error
    return store


def _owners_file(path: Path, create: bool) -> None:
    """Make sure that a database's file is there and that only its owner can read it (the log takes after it)."""
    if not path.exists() and not create:
        raise SurveyError(f"there is no survey database at {path}; say where it is with --database-url")
    path.touch(mode=0o600)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _bring_up_to_date(store: Store, create: bool) -> None:
    try:
        with store.write() as connection:
            schema.bring_up_to_date(connection, create=create)
    except BaseException:
        store.close()
        raise


def remembered(connection: Connection, key: str, value: str) -> str:
    """Return the value that is kept under a key; keep the given one where there is none."""
    kept = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == key)).scalar_one_or_none()
    if kept is None:
        connection.execute(insert(schema.meta).values(key=key, value=value))
    return value if kept is None else str(kept)


def _url(url_or_path: str) -> URL:
    """Return the address; the path of a file is taken as it is, whatever ``?`` and ``%`` mean in an address."""
    if "://" not in url_or_path:
        return URL.create("sqlite", database=Path(url_or_path).absolute().as_posix())
    for short in ("postgresql://", "postgres://"):
        if url_or_path.startswith(short):
            return make_url("postgresql+psycopg://" + url_or_path.removeprefix(short))
    return make_url(url_or_path)


def _shown(url: str) -> str:
    """Return the URL without its password."""
    before, at, after = url.rpartition("@")
    return f"{before.split('://')[0]}://...@{after}" if at and "://" in before else url


def _tune_sqlite(engine: Engine, durable: bool) -> None:
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's events say BEGIN, not the driver
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={'NORMAL' if durable else 'OFF'}",
            "foreign_keys=ON",
            "busy_timeout=30000",
            f"wal_autocheckpoint={LOG_PAGES}",
            f"journal_size_limit={LOG_BYTES // 16}",  # a log that begins anew is short again
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        writer = connection.get_execution_options().get("writer", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _tune_postgresql(engine: Engine) -> None:
    """Say BEGIN and COMMIT where something is written: the driver's are journeys of their own, also for a look-up."""

    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get("writer", False):
            connection.exec_driver_sql(BEGIN_IN_TURN)

    def committed(connection: Connection) -> None:
        if connection.get_execution_options().get("writer", False):
            connection.exec_driver_sql(COMMIT_TO_DISK)

    event.listen(engine, "begin", begun)
    event.listen(engine, "commit", committed)
