"""Two hundred raters at once over real HTTP on the loopback, from several processes; part of the benchmark.

Run as a program: each process is a number of raters, every one a thread with a connection of its own.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field


@dataclass
class Rater:
    """One person with a browser that keeps cookies and pictures."""

    host: str
    port: int
    rng: random.Random
    pause: tuple[float, float]
    cookies: dict[str, str] = field(default_factory=dict)
    times: list[tuple[str, float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stored: list[tuple[str, int]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    lost: int = 0
    away: int = 0  # answers that say that the survey cannot store anything at the moment
    connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """One request; tried again while the server is away. Status, Location, body."""
        body = urllib.parse.urlencode(form) if form is not None else None
        for _ in range(400):
            try:
                answer = self._once(method, path, body)
                if answer[0] != 503:
                    return answer
                self.away += 1
                time.sleep(0.3)
            except (OSError, http.client.HTTPException):
                self.lost += 1
                self.hang_up()
                time.sleep(0.1)
        raise RuntimeError("the server did not come back")

    def hang_up(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def _once(self, method: str, path: str, body: str | None) -> tuple[int, str, str]:
        self.connection = self.connection or http.client.HTTPConnection(self.host, self.port, timeout=30)
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        start = time.perf_counter()
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        self.times.append((path.split("/")[1], time.time(), time.perf_counter() - start))
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        if answer.status >= 400 and answer.status != 503:
            self.errors.append(f"{method} {path}: {answer.status}")
        return answer.status, answer.headers.get("Location", ""), content.decode("utf-8", "replace")

    def take_part(self) -> None:
        """From consent to the end."""
        time.sleep(self.rng.uniform(0, self.pause[1]))
        _, _, page = self.ask("GET", "/")
        if "csrf_token" not in page:
            self.hang_up()
            return
        token = _field(page, "csrf_token")
        self.ask("POST", "/consent", {"csrf_token": token, "agree": "yes", "version": "1"})
        _, _, page = self.ask("GET", "/instructions")
        self.ask("POST", "/instructions", {"csrf_token": _field(page, "csrf_token")})
        while self._rate():
            pass
        self.hang_up()

    def _rate(self) -> bool:
        status, _, page = self.ask("GET", "/rate")
        if status != 200:
            return False
        for picture in re.findall(r'(?:src|href)="(/picture/\d+[^"]*)"', page):
            if picture not in self.seen:
                self.seen.add(picture)
                self.ask("GET", picture)
        time.sleep(self.rng.uniform(*self.pause))
        slot, score = _field(page, "slot"), self.rng.randint(1, 10)
        form = {name: _field(page, name) for name in ("csrf_token", "slot", "shown")}
        form |= {"score": str(score), "time_ms": "1500"}
        status, _, _ = self.ask("POST", "/rate", form)
        if status == 303:
            self.stored.append((slot, score))
        return True


def _field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    if found is None:
        raise RuntimeError(f"no field {name} in {page[:300]}")
    return found.group(1)


def main() -> None:
    """Arguments: host, port, raters, seed, shortest and longest pause in seconds; the outcome as JSON."""
    host, port, raters, seed, low, high = sys.argv[1:]
    people = [
        Rater(host, int(port), random.Random(1000 * int(seed) + k), (float(low), float(high)))
        for k in range(int(raters))
    ]
    failures: list[str] = []

    def run(person: Rater) -> None:
        try:
            person.take_part()
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=run, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome = {
        "times": [t for person in people for t in person.times],
        "errors": failures + [e for person in people for e in person.errors],
        "stored": [s for person in people for s in person.stored],
        "lost": sum(person.lost for person in people),
        "away": sum(person.away for person in people),
    }
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
