"""The survey behind a production server (waitress)."""

from __future__ import annotations

import contextlib
import logging
import os
import select as polling
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import InterfaceError, OperationalError

from gazekit.core.errors import ConfigError
from survey.config import SurveySection, read_study
from survey.database import Store, open_store
from survey.live_quality import leave_out
from survey.notices import tell_when_full

LOG = logging.getLogger("survey")
PASSWORD = "GAZEKIT_SURVEY_PASSWORD"
TURN_SECONDS = 0.0005
"""How long a busy thread keeps Python's interpreter from one that PostgreSQL has answered.

A rating is some ten journeys to the database while it holds the writers' lock; at Python's 5 ms a journey, a server
whose other threads are busy making pages stores some 25 ratings a second, at this value some 80.
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
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve a study until interrupted.

    Parameters
    ----------
    database : an SQLite file or a database URL.
    ready : called with the address once the server listens (port 0 takes a free one).
    """
    import waitress

    from survey.web import create_app

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue for a moment is no news
    study = read_study(study_path)
    store = open_store(database, pool_size=threads + 2)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        app = create_app(
            study,
            Path(study_path).parent,
            store,
            password=password,
            https=https,
            proxies=proxies,
            public_url=public_url,
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
        over = threading.Event()
        keeper = threading.Thread(target=_look_after, args=(store, study.survey, study.study.name, over), daemon=True)
        keeper.start()
        with contextlib.suppress(ValueError):  # not in the main thread: then somebody else ends the process
            signal.signal(signal.SIGTERM, _end)
        ready(f"http://{server.effective_host}:{server.effective_port}/")
        server.run()  # until SystemExit or KeyboardInterrupt
        over.set()
        keeper.join(timeout=10)
    finally:
        sys.setswitchinterval(usual)
        store.close()


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def _look_after(store: Store, section: SurveySection, name: str, over: threading.Event) -> None:
    """Sync every second, judge the raters every 20 s, move the log into the database every minute.

    A duty that fails is tried again at its next turn, and does not stop the others.
    """
    duties: list[tuple[int, int, Callable[[], object]]] = [(1, 0, store.sync), (60, 0, store.checkpoint)]
    if section.exclude_by:
        duties.append((20, 0, lambda: leave_out(store, section)))
    if section.webhook or section.mail:
        duties.append((20, 10, lambda: tell_when_full(store, section, name)))
    second = 0
    while not over.wait(1.0):
        second += 1
        for seconds, at, duty in duties:
            if second % seconds != at:
                continue
            try:
                duty()
            except (OperationalError, InterfaceError):
                pass  # the database is away; the pages say so
            except Exception as error:
                LOG.warning("%s; it is tried again in %d s", error, seconds)
