"""The operator's page: how the survey stands, and its downloads, behind a password."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash

from survey import rating_export
from survey.monitoring import overview
from survey.web.app_state import app_state
from survey.web.security import address

pages = Blueprint("operator", __name__, url_prefix="/operator")
HOURS = 8
TRIES = 10  # passwords a minute
PER_PAGE = 100

DOWNLOADS: dict[str, Callable[[Any], Any]] = {
    "ratings": lambda store: rating_export.export_ratings(store, practice=True),
    "raters": rating_export.export_raters,
    "answers": rating_export.export_answers,
    "platform": rating_export.export_platform,
    "histograms": rating_export.export_histograms,
}


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only the operator through."""

    @functools.wraps(view)
    def inner(*args: Any, **named: Any) -> Any:
        if float(session.get("operator_until", 0)) < time.time():
            return redirect(url_for("operator.login"), 303)
        return view(*args, **named)

    return inner


@pages.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """Ask for the password."""
    if request.method == "GET":
        return render_template("login.html", wrong=False)
    here = app_state()
    if not here.limiter.hit(TRIES, 60, "login", address()):
        abort(429)
    if not check_password_hash(here.password_hash, request.form.get("password", "")[:200]):
        return render_template("login.html", wrong=True), 403
    session["operator_until"] = time.time() + HOURS * 3600
    return redirect(url_for("operator.home"), 303)


@pages.post("/logout")
def logout() -> Any:
    """End the operator's session."""
    session.pop("operator_until", None)
    return redirect(url_for("operator.login"), 303)


@pages.get("/")
@guarded
def home() -> Any:
    """Show the whole state of the survey."""
    return render_template("operator.html", downloads=list(DOWNLOADS), **_state())


@pages.get("/live")
@guarded
def live() -> Any:
    """Show the part of the page that keeps itself up to date."""
    return render_template("live.html", **_state())


@pages.get("/download/<name>.csv")
@guarded
def download(name: str) -> Any:
    """Send a table as CSV; cells that a spreadsheet would take for a formula get an apostrophe."""
    if name not in DOWNLOADS:
        abort(404)
    table = DOWNLOADS[name](app_state().store)
    for column in table.columns:
        if not (table[column].dtype.kind in "iufMb" or str(table[column].dtype) == "Int64"):
            table[column] = table[column].map(harmless)
    body = table.to_csv(index=False, lineterminator="\n")
    response = Response(body, mimetype="text/csv")
    response.headers["Content-Disposition"] = f"attachment; filename={name}.csv"
    return response


def harmless(cell: object) -> object:
    """Change a text that a spreadsheet would run as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _state() -> dict[str, Any]:
    here = app_state()
    page = max(1, request.args.get("page", 1, type=int) or 1)
    return vars(overview(here.store, here.study.survey, page=min(page, 10_000), per_page=PER_PAGE))
