"""The operator's page: how the survey stands, what can be done about it, and its downloads, behind a password."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash

from gazekit.core.counting import counted
from survey import operations, rating_export
from survey.assignment import record
from survey.errors import SurveyError
from survey.monitoring import overview
from survey.payment import BY_THE_OPERATOR, payment_lists, payments
from survey.table_io import defused
from survey.traces import export_traces
from survey.web.app_state import app_state
from survey.web.security import clean

pages = Blueprint("operator", __name__, url_prefix="/operator")
TRIES = 10  # passwords a minute
PER_PAGE = 100

DOWNLOADS: dict[str, Callable[..., Any]] = {
    "ratings": lambda store, section: rating_export.export_ratings(store, practice=True, scales=section.asked),
    "choices": lambda store, _: rating_export.export_choices(store, practice=True),
    "raters": lambda store, _: rating_export.export_raters(store),
    "answers": lambda store, _: rating_export.export_answers(store),
    "platform": lambda store, _: rating_export.export_platform(store),
    "histograms": lambda store, section: rating_export.export_histograms(store, section.scale),
    "payments": lambda store, section: payment_lists(payments(store, section))[""],
    "traces": lambda store, _: export_traces(store),
    "events": lambda store, _: rating_export.export_events(store),
}


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only the operator through."""

    @functools.wraps(view)
    def inner(*args: Any, **named: Any) -> Any:
        if not app_state().is_operator(str(session.get("operator", ""))):
            return redirect(url_for("operator.login"), 303)
        return view(*args, **named)

    return inner


@pages.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """Ask for the password.

    Tries are counted for the account. A browser that has been let in before has tries of its own, so that strangers
    cannot lock the operator out.
    """
    here = app_state()
    if request.method == "GET":
        here.side.begin()
        return render_template("login.html", wrong=False)
    if not here.limiter.hit(TRIES, 60, "login", str(session.get("known", ""))):
        abort(429)
    if not check_password_hash(here.password_hash, request.form.get("password", "")[:200]):
        return render_template("login.html", wrong=True), 403
    session["operator"] = here.log_in()
    session.setdefault("known", secrets.token_urlsafe(12))
    return redirect(url_for("operator.home"), 303)


@pages.post("/logout")
def logout() -> Any:
    """End the operator's session."""
    app_state().log_out(str(session.pop("operator", "")))
    return redirect(url_for("operator.login"), 303)


@pages.get("/")
@guarded
def home() -> Any:
    """Show the whole state of the survey."""
    unused = {"choices"} if app_state().study.survey.task == "rate" else {"ratings", "histograms"}
    return render_template("operator.html", downloads=[name for name in DOWNLOADS if name not in unused], **_state())


@pages.get("/live")
@guarded
def live() -> Any:
    """Show the part of the page that keeps itself up to date."""
    return render_template("live.html", **_state())


@pages.post("/do")
@guarded
def act() -> Any:
    """Pause, close or open the survey; leave a rater or a picture out, take a rater back in, merge two raters."""
    what, name = request.form.get("what", ""), clean(request.form.get("name"), 400)
    try:
        with app_state().store.write() as connection:
            if what in operations.OPENINGS:
                operations.set_opening(connection, next(word for word in operations.OPENINGS if word == what))
            elif what == "exclude":
                operations.exclude(connection, name, clean(request.form.get("why"), 400) or BY_THE_OPERATOR)
            elif what == "readmit":
                operations.readmit(connection, name)
            elif what == "merge":
                operations.merge(connection, name, clean(request.form.get("other"), 400))
            elif what == "withdraw":
                operations.withdraw_picture(connection, name)
            else:
                abort(400)
    except SurveyError as error:
        return render_template("problem.html", code=400, message=str(error)), 400
    return redirect(url_for("operator.home"), 303)


@pages.get("/download/<name>.csv")
@guarded
def download(name: str) -> Any:
    """Send a table as CSV, and record that it was sent; no cell of it is a formula for a spreadsheet."""
    if name not in DOWNLOADS:
        abort(404)
    here = app_state()
    table = DOWNLOADS[name](here.store, here.study.survey)
    with here.store.write() as connection:
        record(connection, "download", detail=f"{name}.csv, {counted(len(table), 'row')}")
    body = defused(table).to_csv(index=False, lineterminator="\n")
    response = Response(body, mimetype="text/csv")
    response.headers["Content-Disposition"] = f"attachment; filename={name}.csv"
    return response


def _state() -> dict[str, Any]:
    here = app_state()
    page = max(1, request.args.get("page", 1, type=int) or 1)
    state = here.side.run(overview, here.findings(), page=min(page, 10_000), per_page=PER_PAGE)
    return vars(state)
