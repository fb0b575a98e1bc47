"""The survey behind a production server (waitress)."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import select as polling
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import InterfaceError, OperationalError

from gazekit.core.errors import ConfigError
from survey.config import SurveySection, read_study
from survey.database import Store, open_store
from survey.live_quality import judge, leave_out
from survey.notices import tell_when_full
from survey.operations import refuse_simulated
from survey.side_process import SideProcess

LOG = logging.getLogger("survey")
PASSWORD = "GAZEKIT_SURVEY_PASSWORD"
TURN_SECONDS = 0.00003
"""How long a busy thread keeps Python's interpreter from one that has its answer from the disk, the net or PostgreSQL.

A rating is some fifty such answers. While one thread sends a page, waitress's main thread asks all connections again
and again what they want; a thread that waits for it each time is slow to send, so that it is asked for longer. Of 200
raters who came back to a server that had just started, each waited up to 8 s at 0.5 ms, and under 1 s at this value.
"""


def operator_password(file: Path | None, ask: Callable[[], str]) -> str:
    """Get the operator's password from a file, the environment, or a question on the terminal; there is no default.

    Raises
    ------
    ConfigError
        None was given and nobody can be asked.
    """
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    if os.environ.get(PASSWORD):
        return os.environ[PASSWORD]
    if sys.stdin.isatty():
        return ask()
    raise ConfigError(f"the operator's page needs a password: set {PASSWORD}, or give --password-file")


def serve(
    study_path: str | Path,
    *,
    database: str | Path,
    password: str,
    host: str = "127.0.0.1",
    port: int = 8080,
    threads: int = 8,
    https: bool = False,
    proxies: int = 0,
    public_url: str = "",
    rehearsal: bool = False,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve a study until interrupted.

    Parameters
    ----------
    database : an SQLite file or a database URL.
    rehearsal : serve a database with simulated raters as well, which is else refused.
    ready : called with the address once the server listens (port 0 takes a free one).
    """
    import waitress

    from survey.web import create_app

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue for a moment is no news
    study = read_study(study_path)
    store = open_store(database, pool_size=threads + 2)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    side, over = SideProcess(store, study.survey), threading.Event()
    try:
        if not rehearsal:
            refuse_simulated(store)
        app = create_app(
            study,
            Path(study_path).parent,
            store,
            password=password,
            https=https,
            proxies=proxies,
            public_url=public_url,
            side=side,
        )
        server = waitress.create_server(
            app,
            host=host,
            port=port,
            threads=threads,
            connection_limit=2000,
            asyncore_use_poll=hasattr(polling, "poll"),
            max_request_body_size=1 << 20,
            clear_untrusted_proxy_headers=not proxies,  # ProxyFix reads as many of them as there are proxies
            ident=None,
        )
        keepers = [
            threading.Thread(target=_look_after, args=(duties, over), daemon=True)
            for duties in (_keep_safe(store), _watch(store, study.survey, study.study.name, side))
        ]
        for keeper in keepers:
            keeper.start()
        with contextlib.suppress(ValueError):  # not in the main thread: then somebody else ends the process
            signal.signal(signal.SIGTERM, _end)
        ready(f"http://{server.effective_host}:{server.effective_port}/")
        server.run()  # until SystemExit or KeyboardInterrupt
    finally:
        over.set()
        with contextlib.suppress(sqlite3.Error):
            store.checkpoint()  # at once: whoever ends us may not wait for what runs beside us
        side.close()
        sys.setswitchinterval(usual)
        store.close()


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


@dataclass
class Duty:
    """What is done every so many seconds."""

    seconds: float
    do: Callable[[], object]
    rest: float = 0.0  # how many times as long as it took it rests at least
    due: float = 0.0  # the moment of the next time, on a clock without steps


def _keep_safe(store: Store) -> list[Duty]:
    """List what keeps ratings safe: nothing that takes long, or waits for anybody else, is among it."""
    return [Duty(1, store.sync), Duty(60, store.checkpoint)]


def _watch(store: Store, section: SurveySection, name: str, side: SideProcess) -> list[Duty]:
    """List what is done with the ratings while they come in: judging the raters, telling that all is there."""
    duties = []
    if section.exclude_by:
        findings = functools.partial(side.run, judge, section.exclude_by)
        duties.append(Duty(20, lambda: leave_out(store, section, findings=findings()), rest=9))
    if section.webhook or section.mail:
        duties.append(Duty(20, lambda: tell_when_full(store, section, name)))
    return duties


def _look_after(duties: list[Duty], over: threading.Event) -> None:
    """Do duties in turn until it is over.

    A duty that fails is tried again at its next turn, and does not stop the others.
    """
    start = time.monotonic()
    for duty in duties:
        duty.due = start + duty.seconds
    while duties and not over.wait(1.0):
        for duty in duties:
            start = time.monotonic()
            if start < duty.due - 0.5:
                continue
            try:
                duty.do()
            except (OperationalError, InterfaceError):
                pass  # the database is away; the pages say so
            except Exception as error:
                LOG.warning("%s; it is tried again in %d s", error, duty.seconds)
            end = time.monotonic()
            duty.due = max(start + duty.seconds, end + duty.rest * (end - start))
