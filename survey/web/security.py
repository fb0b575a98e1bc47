"""What keeps the survey's pages safe: headers, rate limits, numbers and texts from outside."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, current_app, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature

from survey.web.app_state import app_state

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class AgelessSessions(SecureCookieSessionInterface):
    """Sessions that a clock which is set back does not end: cookies from its future are good too.

    The browser lets a cookie go in time; what it opens ends in the database (raters) or in memory (operators).
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the session of a request, whatever time its cookie was signed at."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        try:
            return self.session_class(serializer.loads(request.cookies.get(self.get_cookie_name(app), "")))
        except BadSignature:
            return self.session_class()


def add_headers(response: Response) -> Response:
    """Set the same headers on every answer; browsers never keep a page, so that Back asks again."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def refuse_other_hosts() -> None:
    """Refuse a request that names another host than the survey's public address, where that is known."""
    public = urlsplit(app_state().public_url).hostname
    if public and urlsplit(f"//{request.host}").hostname not in (public, "localhost", "127.0.0.1", "::1"):
        abort(400)


def limit_requests() -> None:
    """Refuse a rater, or an address without a rater, that asks too often."""
    if request.endpoint == "static":
        return
    here = app_state()
    per_minute = here.study.survey.requests_per_minute
    if "token" in session:
        ok = here.limiter.hit(per_minute, 60, "rater", str(session["token"]))
    else:  # a whole class may sit behind one address
        ok = here.limiter.hit(10 * per_minute, 60, "address", address())
    if not ok:
        abort(429)


def address() -> str:
    """Hash the client's address with a key that ends with the process: for counting only, never stored."""
    return hmac.new(app_state().salt, (request.remote_addr or "").encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Shown:
    """When the page of a slot was made: how long ago, by a clock without steps; None where a restart lies between."""

    ago_ms: int | None


def stamp(slot_id: int) -> str:
    """Sign when the page of a slot was made, so that its answer can be timed without asking the browser."""
    moment = f"{time.monotonic_ns() // 1_000_000}.{app_state().run}"
    return f"{moment}.{_signature(f'{slot_id} {moment}')}"


def read_stamp(text: str | None, slot_id: int) -> Shown | None:
    """Read when the page of a slot was made; None where the stamp is not ours, or of another slot."""
    moment, _, signature = (text or "").rpartition(".")
    milliseconds, _, run = moment.partition(".")
    if not (moment.isascii() and milliseconds.isdigit() and len(milliseconds) < 16 and signature.isascii()):
        return None
    if not hmac.compare_digest(signature, _signature(f"{slot_id} {moment}")):
        return None
    same_run = run == app_state().run
    return Shown(time.monotonic_ns() // 1_000_000 - int(milliseconds) if same_run else None)


def _signature(text: str) -> str:
    return hmac.new(str(current_app.secret_key).encode(), text.encode(), hashlib.sha256).hexdigest()[:24]


def number(text: str | None, low: int, high: int) -> int | None:
    """Read a whole number within bounds; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 15:
        return None
    value = int(text)
    return value if low <= value <= high else None


def clean(text: str | None, longest: int) -> str:
    """Clean a text from outside: no control characters but line ends and tabs, and not too long."""
    letters = (c for c in text or "" if c in "\n\t" or (c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF))
    return "".join(letters).strip()[:longest]
