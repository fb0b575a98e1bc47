"""The survey behind a production server (waitress)."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gazekit.core.errors import ConfigError
from survey.config import read_study
from survey.database import Store, open_store

PASSWORD = "GAZEKIT_SURVEY_PASSWORD"


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
            asyncore_use_poll=hasattr(select, "poll"),
            max_request_body_size=1 << 20,
            clear_untrusted_proxy_headers=not proxies,  # ProxyFix reads as many of them as there are proxies
            ident=None,
        )
        threading.Thread(target=_sync_every_second, args=(store,), daemon=True).start()
        ready(f"http://{server.effective_host}:{server.effective_port}/")
        server.run()
    finally:
        store.close()


def _sync_every_second(store: Store) -> None:
    while True:
        time.sleep(1.0)
        store.sync()
