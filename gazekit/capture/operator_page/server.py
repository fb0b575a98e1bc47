"""The process that serves the operator's page. It needs nothing but Python, so that it starts at once.

python server.py HOST PORT: lines of JSON come on standard input and go to the browsers; the first holds the page's
texts. What the operator wants goes to standard output. It ends when its input does.
"""

from __future__ import annotations

import contextlib
import html
import json
import mimetypes
import os
import re
import secrets
import sys
import threading
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HERE = Path(__file__).parent
_FILES = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_COOKIE = "gazekit_operator"
_LARGEST = 1 << 16
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Board:
    """What the session has said last, for the browsers that wait for it."""

    def __init__(self) -> None:
        self.whole: dict[str, Any] = {}
        self.picture = ""  # file of the last that was shown
        self.number = 0
        self._latest = ""
        self._news = threading.Condition()

    def put(self, content: dict[str, Any]) -> None:
        """Take what the session says."""
        with self._news:
            self.whole |= content
            if content.get("picture"):
                self.picture = content["picture"]["file"]
            self._latest = json.dumps(content, separators=(",", ":"))
            self.number += 1
            self._news.notify_all()

    def first(self) -> tuple[int, str]:
        """Return everything that is known, for a page that opens."""
        with self._news:
            return self.number, json.dumps({k: v for k, v in self.whole.items() if k != "reply"})

    def next(self, number: int) -> tuple[int, str]:
        """Wait for news after a number; all of it, where a slow page has missed some."""
        with self._news:
            self._news.wait_for(lambda: self.number != number, timeout=2.0)
            if self.number == number:
                return number, ""
            missed = self.number != number + 1
            return self.number, json.dumps(self.whole) if missed else self._latest


class Doors:
    """Who may come in: a link works once, then a cookie does."""

    def __init__(self, cookie_name: str = _COOKIE) -> None:
        self.cookie_name = cookie_name
        self._token = secrets.token_urlsafe(24)
        self._cookie = secrets.token_urlsafe(24)
        self._lock = threading.Lock()

    def link(self, host: str, port: int) -> str:
        """Return the link that works next."""
        return f"http://{host}:{port}/?token={self._token}"

    def enter(self, token: str) -> str | None:
        """Return the cookie for a token that is right, which is worth nothing from then on."""
        with self._lock:
            if not secrets.compare_digest(token.encode(), self._token.encode()):
                return None
            self._token = secrets.token_urlsafe(24)
            return self._cookie

    def known(self, header: str) -> bool:
        """Whether a request comes with the cookie."""
        try:
            cookie = SimpleCookie(header).get(self.cookie_name)
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self._cookie.encode())


def page(texts: dict[str, Any]) -> bytes:
    """Return the page with its texts in it; those that the script needs are an attribute of the body."""
    values = {**texts["texts"], "lang": texts["lang"], "direction": texts["direction"]}
    values["texts"] = json.dumps(texts["texts"], ensure_ascii=False)
    source = (_HERE / _FILES["/"]).read_text("utf-8")
    return _PLACE.sub(lambda match: html.escape(values[match[1]]), source).encode()


class Server(ThreadingHTTPServer):
    """Serves the page; standard output is shared by its threads."""

    daemon_threads = True

    def __init__(self, host: str, port: int, texts: dict[str, Any]) -> None:
        super().__init__((host, port), Handler)
        self.page = page(texts)
        self.board, self.doors = Board(), Doors()
        self.shown_host = host if host not in ("0.0.0.0", "::") else _address_of_this_machine()
        self.any_host = host in ("0.0.0.0", "::")
        self._pages = 0
        self._lock = threading.Lock()

    def say(self, content: dict[str, Any]) -> None:
        """Write a line for the session."""
        with self._lock:
            print(json.dumps(content), flush=True)

    def tell_link(self) -> None:
        """Say the link that works next."""
        self.say({"link": self.doors.link(self.shown_host, self.server_address[1])})

    def count(self, change: int) -> None:
        """Count the pages that are open."""
        with self._lock:
            self._pages += change
            pages = self._pages
        self.say({"pages": pages})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that go away."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Serve the page, its files, the picture on the screen, and the news."""
        url = urlsplit(self.path)
        token = parse_qs(url.query).get("token")
        if not self._right_host():
            self._text(HTTPStatus.MISDIRECTED_REQUEST, "This address is not the page's.")
        elif token:
            self._enter(token[0])
        elif not self.server.doors.known(self.headers.get("Cookie", "")):
            self._text(HTTPStatus.FORBIDDEN, "Open the link that gazekit shows in the terminal; each works once.")
        elif url.path in _FILES:
            file = _HERE / _FILES[url.path]
            content = self.server.page if url.path == "/" else file.read_bytes()
            self._send(content, mimetypes.guess_type(file.name)[0] or "text/plain")
        elif url.path == "/picture":
            self._picture()
        elif url.path == "/news":
            self._news()
        elif url.path == "/favicon.ico":
            self._send(b"", "image/x-icon")
        else:
            self._text(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def do_POST(self) -> None:
        """Take what the operator wants or decides; only from the page itself."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, _LARGEST))
        origin = urlsplit(self.headers.get("Origin", ""))
        if (
            not self._right_host()
            or origin.netloc != self.headers.get("Host")
            or self.headers.get_content_type() != "application/json"
            or not self.server.doors.known(self.headers.get("Cookie", ""))
        ):
            self._text(HTTPStatus.FORBIDDEN, "Only the operator's page may do this.")
            return
        try:
            content = json.loads(body)
            known = {name: content[name] for name in ("command", "text", "decide", "value") if name in content}
        except (ValueError, TypeError):
            self._text(HTTPStatus.BAD_REQUEST, "This is not what the page sends.")
            return
        self.server.say(known)
        self._send(b"{}", "application/json")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal belongs to the session."""

    def _right_host(self) -> bool:
        """Refuse names that somebody else's page makes this address go by."""
        port = self.server.server_address[1]
        names = {self.server.shown_host, "127.0.0.1", "localhost"}
        return self.server.any_host or self.headers.get("Host") in {f"{name}:{port}" for name in names}

    def _enter(self, token: str) -> None:
        cookie = self.server.doors.enter(token)
        if cookie is None:
            self._text(HTTPStatus.FORBIDDEN, "This link was used, or is not right; the terminal shows a new one.")
            return
        self.server.tell_link()
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Set-Cookie", f"{_COOKIE}={cookie}; HttpOnly; SameSite=Strict; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _picture(self) -> None:
        file = Path(self.server.board.picture)
        try:
            self._send(file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream")
        except OSError:
            self._text(HTTPStatus.NOT_FOUND, "The picture cannot be read.")

    def _news(self) -> None:
        """Send news until the browser goes (server-sent events)."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        self.server.count(1)
        try:
            number, words = self.server.board.first()
            while True:
                self.wfile.write(f"data: {words}\n\n".encode() if words else b": still here\n\n")
                number, words = self.server.board.next(number)
        except OSError:
            pass
        finally:
            self.server.count(-1)

    def _text(self, status: HTTPStatus, words: str) -> None:
        self._send(words.encode(), "text/plain; charset=utf-8", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)


def _address_of_this_machine() -> str:
    """Return the address by which other machines of the network find this one."""
    import socket

    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: it only chooses the interface
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def main(host: str, port: str) -> None:
    """Serve until standard input ends."""
    if hasattr(os, "nice"):
        os.nice(5)  # the recorder goes first
    try:
        server = Server(host, int(port), json.loads(sys.stdin.readline()))
    except (OSError, ValueError) as error:
        print(json.dumps({"failed": str(error)}), flush=True)
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.tell_link()
    for line in sys.stdin:
        with contextlib.suppress(ValueError):
            server.board.put(json.loads(line))


if __name__ == "__main__":
    main(*sys.argv[1:3])
