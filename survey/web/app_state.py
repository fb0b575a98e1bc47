"""What every page of one served survey shares."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from flask import current_app, request, session

from gazekit.core.messages import catalogue
from survey.config import SurveyStudy
from survey.database import Store
from survey.languages import Spoken, chosen_language
from survey.live_quality import judge
from survey.screening import COLUMNS
from survey.side_process import SideProcess
from survey.web.limits import Limiter

OPERATOR_HOURS = 8
SECONDS_JUDGED = 15
SHARE = 0.1
"""Of the time that screening may take: after a second of it there are nine of rest."""


@dataclass(frozen=True)
class AppState:
    """A served survey: its study, store and pictures, and what is kept in memory while it is served."""

    study: SurveyStudy
    store: Store
    side: SideProcess  # where screening and the operator's numbers are computed
    pictures: Mapping[int, Path]  # by the number of the picture in the store: no name in a URL becomes a path
    password_hash: str
    public_url: str
    limiter: Limiter
    salt: bytes
    languages: Mapping[str, Spoken]  # the first is that of who asks for no other
    run: str = field(default_factory=lambda: secrets.token_hex(4))  # names this run of the server
    served: set[tuple[int, int]] = field(default_factory=set)  # slots and positions whose picture was asked for
    _last: dict[str, float] = field(default_factory=dict)
    _judged: list[tuple[float, pd.DataFrame]] = field(default_factory=list)  # when the next is due, the last findings
    _judging: threading.Lock = field(default_factory=threading.Lock)
    _operators: dict[str, float] = field(default_factory=dict)  # sessions and when they end, on a clock without steps
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spoken(self) -> Spoken:
        """Return the survey in the language of the request: chosen, else the browser's; the operator reads English."""
        names = list(self.languages)
        if request.blueprint == "operator":
            return Spoken(catalogue("en"), self.languages[names[0]].section)
        language = str(session.get("language"))
        if language not in self.languages:
            language = chosen_language(request.headers.get("Accept-Language", ""), names)
        return self.languages[language]

    def due(self, what: str, seconds: float) -> bool:
        """Say whether something that is done every so many seconds is due, and count it as done."""
        now = time.monotonic()
        with self._lock:
            is_due = now - self._last.get(what, -seconds) >= seconds
            if is_due:
                self._last[what] = now
        return is_due

    def findings(self) -> pd.DataFrame:
        """Return what screening says of the raters so far, at most some seconds old; nobody waits for another's."""
        if self._judging.acquire(blocking=False):
            try:
                start = time.monotonic()
                if not self._judged or start >= self._judged[0][0]:
                    table = self.side.run(judge)
                    end = time.monotonic()
                    self._judged[:] = [(end + max(SECONDS_JUDGED, (end - start) / SHARE), table)]
            finally:
                self._judging.release()
        return self._judged[0][1] if self._judged else pd.DataFrame(columns=COLUMNS)

    def log_in(self) -> str:
        """Begin a session of the operator, and return its id; it ends with the process at the latest."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._operators[ticket] = time.monotonic() + 3600 * OPERATOR_HOURS
        return ticket

    def log_out(self, ticket: str) -> None:
        """End a session of the operator, wherever its cookie has got to."""
        with self._lock:
            self._operators.pop(ticket, None)

    def is_operator(self, ticket: str) -> bool:
        """Say whether a session of the operator is still good."""
        return self._operators.get(ticket, 0.0) > time.monotonic()


def app_state() -> AppState:
    """Return the survey that the current request is for."""
    state: AppState = current_app.extensions["survey"]
    return state
