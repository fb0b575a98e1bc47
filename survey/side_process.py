"""Work that only reads a survey's database, in a process of its own: no page waits for it.

Screening and the operator's numbers take seconds of processor once there are many ratings. In the server's process
they would take Python's interpreter from the pages for as long.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor
from typing import Any, TypeVar

from gazekit.core.parallel import process_pool
from survey.config import SurveySection
from survey.database import Store, open_store
from survey.errors import SurveyError

R = TypeVar("R")
NICE = 5  # pages go before it, where processors are few
_STORES: dict[str, Store] = {}


class SideProcess:
    """A process beside the server's, started when it is first needed; it ends with the server, even if that is killed.

    Parameters
    ----------
    store : Store
        The survey's database.
    section : SurveySection
        Its settings.
    inside : bool
        Do the work in this process and thread: where nothing is served.
    """

    def __init__(self, store: Store, section: SurveySection, *, inside: bool = False) -> None:
        self._store, self._section, self._inside = store, section, inside
        self._turn, self._end = threading.Lock(), contextlib.ExitStack()
        self._pool: Executor | None = None

    def run(self, work: Callable[..., R], *arguments: Any, **options: Any) -> R:
        """Call ``work(store, section, ...)``, a function of a module, and wait for what it returns.

        Raises
        ------
        SurveyError
            The process died; the next call starts another.
        """
        if self._inside:
            return work(self._store, self._section, *arguments, **options)
        pool = self._started()
        try:
            return pool.submit(_work, self._store.address, self._section, work, arguments, options).result()
        except BrokenExecutor:
            self._forget(pool)
            raise SurveyError("the process that counts beside the server died (killed, or out of memory)") from None

    def begin(self) -> None:
        """Start the process ahead of the first work, and wait for nothing."""
        if not self._inside:
            self._started().submit(_settle)

    def close(self) -> None:
        """End the process."""
        with self._turn, contextlib.suppress(Exception):
            self._pool = None
            self._end.close()

    def _started(self) -> Executor:
        with self._turn:
            if self._pool is None:
                self._pool = self._end.enter_context(process_pool(1))
            return self._pool

    def _forget(self, pool: Executor) -> None:
        with self._turn:
            if self._pool is pool:
                self._pool = None
                with contextlib.suppress(Exception):
                    self._end.close()


def _settle() -> None:
    """Load what the work needs; leave Ctrl+C to the server, whose end is this process's, and go behind its pages."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(max(0, NICE - os.nice(0)))
    import survey.live_quality
    import survey.monitoring  # noqa: F401


def _work(
    url: str, section: SurveySection, work: Callable[..., R], arguments: tuple[Any, ...], options: dict[str, Any]
) -> R:
    if url not in _STORES:
        _settle()
        _STORES[url] = open_store(url, pool_size=1, create=False)
    return work(_STORES[url], section, *arguments, **options)
