"""The application of `gazekit explore`, and the production server (waitress) in front of it."""

from __future__ import annotations

import contextlib
import logging
import math
import secrets
import select as polling
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from flask import Flask, Response, current_app, jsonify, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from gazekit.capture.operator_page.server import Doors
from gazekit.core.counting import counted
from gazekit.core.errors import GazekitError, InputError
from gazekit.explore.board import make_board
from gazekit.explore.material import Material

LOG = logging.getLogger("gazekit.explore")
_WEB = Path(__file__).parent / "web"
_LARGEST = 8 << 20  # bytes of a request
ROOMS = (
    "gazekit.explore.board_pages",
    "gazekit.explore.trial_pages",
    "gazekit.explore.maps_pages",
    "gazekit.explore.areas_pages",
    "gazekit.explore.exclude_pages",
)
"""Modules with a blueprint ``pages``, each mounted; one that has a ``NAVIGATION`` (words, endpoint) is in the menu."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms of the page itself would come without an Origin
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def material() -> Material:
    """Return what the current request is about."""
    here: Material = current_app.extensions["gazekit-material"]
    return here


def create_app(
    shown: Material,
    doors: Doors | None = None,
    *,
    hosts: Callable[[], set[str]] | None = None,
    entered: Callable[[], None] = lambda: None,
) -> Flask:
    """Make the application.

    Parameters
    ----------
    shown : Material
        What it shows.
    doors : Doors, optional
        Who may come in; without, everybody who can reach it (for tests of a page).
    hosts : callable, optional
        Gives the names with ports that the server goes by; without, any.
    entered : callable
        Called when a link was used up.
    """
    app = Flask(__name__, template_folder=str(_WEB / "templates"), static_folder=str(_WEB / "static"))
    app.config.update(MAX_CONTENT_LENGTH=_LARGEST, MAX_FORM_MEMORY_SIZE=_LARGEST, SEND_FILE_MAX_AGE_DEFAULT=0)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["gazekit-material"] = shown
    app.before_request(lambda: _refusal(doors, hosts, entered))
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, lambda error: _problem(error.code or 500, error.description or ""))
    app.register_error_handler(GazekitError, lambda error: _problem(400, str(error)))
    app.register_error_handler(Exception, _unforeseen)
    navigation: list[tuple[str, str]] = []
    for name in ROOMS:
        room = import_module(name)
        app.register_blueprint(room.pages)
        navigation += getattr(room, "NAVIGATION", [])
    app.context_processor(lambda: {"navigation": navigation, "material": shown, "title": _title(shown)})
    app.template_filter("figure")(figure)
    app.template_filter("counted")(counted)
    return app


def figure(value: Any, digits: int = 1) -> str:
    """Return a number as the pages show it; a dash where it is not known."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def finite(value: Any) -> Any:
    """Return what is JSON for every browser: no NaN, no infinity, no number of numpy's, in lists and objects too."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return value


def serve(
    shown: Material,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    threads: int = 4,
    ready: Callable[[str], None] = lambda link: None,
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    host, port : where it listens; port 0 takes a free one.
    ready : called with the link that works next: when the server listens, and each time that one was used up.

    Raises
    ------
    InputError
        The address cannot be listened on.
    """
    import waitress

    doors = Doors(f"gazekit_explore_{secrets.token_hex(4)}")  # cookies know no ports: two servers would share one
    names: set[str] = set()
    place: dict[str, Any] = {"host": host, "port": port}

    def tell() -> None:
        ready(doors.link(place["host"], place["port"]))

    app = create_app(shown, doors, hosts=lambda: names, entered=tell)
    make_board(shown).facts()  # what every board needs is put together before the first is asked for
    _ = shown.status
    try:
        server = waitress.create_server(
            app,
            host=host,
            port=port,
            threads=threads,
            asyncore_use_poll=hasattr(polling, "poll"),
            max_request_body_size=_LARGEST,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on {host}:{port}: {reason}; choose another --port or --host") from error
    place |= {"host": server.effective_host, "port": server.effective_port}
    if host in ("0.0.0.0", "::"):
        import socket

        place["host"] = socket.gethostname()
    names |= {f"{name}:{place['port']}" for name in (place["host"], server.effective_host, "127.0.0.1", "localhost")}
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with contextlib.suppress(ValueError):  # not in the main thread: then somebody else ends the process
        signal.signal(signal.SIGTERM, _end)
    tell()
    server.run()


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def _title(shown: Material) -> str:
    if shown.study is not None:
        return shown.study.study.name
    return ", ".join(path.name for path in shown.asked[:3]) or "sessions"


def _refusal(
    doors: Doors | None, hosts: Callable[[], set[str]] | None, entered: Callable[[], None]
) -> AnyResponse | tuple[str, int, dict[str, str]] | None:
    """Refuse a request of another host, without the cookie, or that another page made; let a new link in."""
    plain = {"Content-Type": "text/plain; charset=utf-8"}
    if hosts is not None and request.headers.get("Host") not in hosts():
        return "This address is not the page's.", 421, plain
    if doors is not None:
        token = request.args.get("token")
        if token is not None:
            cookie = doors.enter(token)
            if cookie is None:
                return "This link was used, or is not right; the terminal shows a new one.", 403, plain
            entered()
            answer = redirect("/", 303)
            answer.set_cookie(doors.cookie_name, cookie, httponly=True, samesite="Strict", path="/")
            return answer
        if not doors.known(request.headers.get("Cookie", "")):
            return "Open the link that gazekit shows in the terminal; each works once.", 403, plain
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        origin = urlsplit(request.headers.get("Origin", "")).netloc
        if origin != request.headers.get("Host"):
            return "Only the page itself may do this.", 403, plain
    return None


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


def _problem(code: int, words: str) -> Response:
    if request.path.endswith(".json") or request.method == "POST":
        return make_response(jsonify(error=words), code)
    return make_response(render_template("problem.html", code=code, words=words), code)


def _unforeseen(error: Exception) -> Response:
    LOG.exception("%s %s", request.method, request.path)
    return _problem(500, f"gazekit has a fault here: {type(error).__name__}: {error}")
