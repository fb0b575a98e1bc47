"""Participants' pages: consent, instructions, rating, questions, end, and their own data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from sqlalchemy import Connection, Row, select
from sqlalchemy import update as sql_update

from survey import raters as people
from survey.assignment import Behaviour, advance, fail, finish, record, slots_between, submit, undo, undoable
from survey.operations import opening
from survey.payment import completion_code
from survey.picture_files import MIME_TYPES
from survey.queries import OWN_PICTURE, READ_RATER
from survey.rating_export import own_copy
from survey.schema import image, platform, rater
from survey.traces import checked
from survey.web.app_state import app_state
from survey.web.questionnaire import read_answers, store_answers
from survey.web.security import address, clean, number, read_stamp, stamp

pages = Blueprint("participant", __name__)
SECONDS_RELEASED = 1.0  # slots held past their time are looked for so often, and where no picture is open
Page = str | Response | tuple[str, int]

PLATFORMS = {  # the names of the parameters that each platform puts into its link
    "prolific": ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"),
    "mturk": ("workerId", "hitId", "assignmentId"),
    "sona": ("survey_code", "experiment_id", "credit_token"),
}


@pages.before_request
def change_language() -> None:
    """Go on in another language where a link asks for it (``?lang=``), on every page; what a rater reads is kept."""
    here, wanted = app_state(), request.args.get("lang", "")
    if request.method != "GET" or wanted not in here.languages or wanted == session.get("language"):
        return
    earlier = here.spoken().texts.lang
    session["language"] = wanted
    if "token" in session and wanted != earlier:
        with here.store.write() as connection:
            person = _person(connection)
            if person is not None:
                connection.execute(sql_update(rater).where(rater.c.id == person.id).values(language=wanted))
                change = f"{earlier} to {wanted}, page {person.place + 1}"
                record(connection, "language", rater_id=person.id, detail=change)


@pages.get("/")
def welcome() -> Page:
    """Ask for consent; a rater who has given it goes on."""
    _remember_platform()
    _identify()
    with app_state().store.read() as connection:
        person = _person(connection)
        if opening(connection) != "open":
            return _not_open(connection)
        if person is not None:
            return _to(_stage(person))
        if not _open(connection):
            return render_template("full.html", back=_way_back("full"))
    return render_template("consent.html")


@pages.post("/consent")
def consent() -> Page:
    """Store consent, and only then make a rater."""
    here = app_state()
    if request.form.get("decline") == "yes":
        back = _way_back("no_consent")
        session.pop("platform", None)
        return render_template("declined.html", back=back)
    if request.form.get("agree") != "yes":
        return render_template("consent.html", missing=True), 400
    if request.form.get("version") != here.study.survey.consent_version:
        return _to("welcome")  # the text has changed since the page was opened
    with here.store.read() as connection:
        known = _person(connection)
    if known is not None:
        return _to(_stage(known))
    if not here.limiter.hit(here.study.survey.starts_per_hour, 3600, "start", address()):
        abort(429)
    ids = people.PlatformIds(**session["platform"]) if "platform" in session else None
    with here.store.write() as connection:
        if opening(connection) != "open":
            return _not_open(connection)
        earlier = people.of_platform(connection, ids) if ids else None
        if earlier is not None and ids is not None:
            token = people.come_back(connection, earlier, ids)
            if token is None:
                return render_template("joined.html", finished=earlier.finished_at is not None), 409
        else:
            said = here.spoken().texts.lang
            token = people.join(connection, here.study.survey, ids, to_the_end=True, language=said)
    session.pop("platform", None)
    session["token"] = token
    session.permanent = True
    return _to("welcome" if earlier is not None else "instructions")


@pages.route("/resume/<token>", methods=["GET", "POST"])
def resume(token: str) -> Page:
    """Come back by the link that was shown at the beginning, after a question: links are opened by others too."""
    with app_state().store.read() as connection:
        person = people.find(connection, token)
    if person is None:
        abort(404)
    if session.get("token") != token:
        if request.method == "GET":
            return render_template("resume.html", person=person, other="token" in session)
        session["token"] = token
        session.permanent = True
        if person.language in app_state().languages:
            session["language"] = person.language
    return _to(_stage(person))


@pages.route("/instructions", methods=["GET", "POST"])
def instructions() -> Page:
    """Say what to do, and give the link to come back by."""
    with app_state().store.write() if request.method == "POST" else app_state().store.read() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        if request.method == "POST":
            if person.ready_at is None:
                connection.execute(sql_update(rater).where(rater.c.id == person.id).values(ready_at=time.time()))
                advance(connection, person, app_state().study.survey)
            return _to("rate")
    link = app_state().public_url + url_for("participant.resume", token=session["token"])
    return render_template("instructions.html", link=link, person=person)


@pages.get("/rate")
def rate() -> Page:
    """Show the rater's current picture, with the next one to be loaded ahead."""
    return _rating_page()


@pages.post("/rate")
def rated() -> Page:
    """Store a rating; whatever was sent, the next page is the one that is due."""
    here = app_state()
    section = here.study.survey
    score = number(request.form.get("score"), 1, section.answers)
    worst = number(request.form.get("worst"), 1, section.answers)
    slot_id = number(request.form.get("slot"), 1, 2**31 - 1)
    if score is None:
        return _rating_page("choose_first")
    if slot_id is None:
        return _to("rate")
    with here.store.write() as connection:
        person = _person(connection)
        if person is None or person.ready_at is None:
            return _to("welcome")
        if person.opening not in (None, "open"):
            return _not_open(connection)
        behaviour = _behaviour(slot_id, person)
        slots = slots_between(connection, person.id, person.place, person.place + 2)
        current = slots.get(person.place)
        shows_picture = current is not None and current.id == slot_id and current.kind != "C"
        unseen = shows_picture and not _seen(slot_id, behaviour)
        more = {s.name: number(request.form.get(f"score_{s.name}"), 1, section.scale) for s in section.asked[1:]}
        answers = {name: value for name, value in more.items() if value is not None} if shows_picture else {}
        missing = shows_picture and (len(answers) < len(more) or (section.together > 2 and worst in (None, score)))
        if not unseen and not missing:
            worst = worst if shows_picture and section.together > 2 else None
            after = submit(
                connection, person, slot_id, score, section, behaviour, more=answers, worst=worst, current=current
            )
            if after is not None:
                advance(connection, after, section, slots=slots, release=here.due("release", SECONDS_RELEASED))
    if unseen:
        return _rating_page("wait_for_picture")
    if missing and worst == score:
        return _rating_page("not_the_same")
    return _rating_page("answer_all") if missing else _to("rate")


@pages.post("/undo")
def undo_last() -> Page:
    """Take the last rating back, to be given again."""
    with app_state().store.write() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        undo(connection, person, app_state().study.survey)
    return _to("rate")


@pages.post("/failed")
def failed() -> Page:
    """Replace a picture that did not load, and record it."""
    slot_id = number(request.form.get("slot"), 1, 2**31 - 1)
    with app_state().store.write() as connection:
        person = _person(connection)
        if person is None or person.ready_at is None:
            return _to("welcome")
        if slot_id is not None:
            position = number(request.form.get("position"), 1, 9)
            fail(connection, person, slot_id, app_state().study.survey, position=position)
    return _to("rate")


@pages.get("/picture/<int(max=2147483647):slot_id>")
@pages.get("/picture/<int(max=2147483647):slot_id>/<int(min=1, max=9):position>")
def picture(slot_id: int, position: int = 0) -> Page:
    """Send a picture of a slot that this rater holds: the current one or the next."""
    token = session.get("token", "")
    with app_state().store.read() as connection:
        values = {"b_slot": slot_id, "b_hash": people.hashed(token), "b_position": position}
        image_id = connection.execute(OWN_PICTURE, values).scalar_one_or_none()
    if image_id is None:
        abort(404)
    app_state().served.add((slot_id, position))
    file = app_state().pictures[image_id]
    response = send_file(file, mimetype=MIME_TYPES[file.suffix.lower()], max_age=3600, conditional=True)
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@pages.route("/questions", methods=["GET", "POST"])
def questions() -> Page:
    """Ask the questions at the end."""
    here = app_state()
    with here.store.write() if request.method == "POST" else here.store.read() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        if _stage(person) != "questions":
            return _to(_stage(person))
        asked = here.study.survey.questions
        values = {question.name: question.values for question in asked}
        if request.method == "GET":
            return render_template("questions.html", given={}, faults={}, values=values)
        answers, faults = read_answers(asked, request.form, here.spoken().texts)
        if faults:
            return render_template("questions.html", given=answers, faults=faults, values=values), 400
        store_answers(connection, person.id, answers)
        finish(connection, person)
    return _to("end")


@pages.get("/end")
def end() -> Page:
    """Give the completion code and the way back, once everything is done."""
    with app_state().store.read() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        if person.finished_at is None:
            return _to(_stage(person))
        ids = connection.execute(select(platform).where(platform.c.rater_id == person.id)).one_or_none()
        code = completion_code(connection, person, app_state().study.survey)
    return render_template("end.html", code=code, back=_return_link(code, ids.participant if ids else ""))


@pages.get("/mine")
def mine() -> Page:
    """Show what is kept of this rater, to take along or delete."""
    with app_state().store.read() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        return render_template("mine.html", data=own_copy(connection, person))


@pages.get("/mine/data.json")
def my_data() -> Page:
    """Send the rater's own data as a file."""
    with app_state().store.read() as connection:
        person = _person(connection)
        if person is None:
            abort(404)
        response = jsonify(own_copy(connection, person))
    response.headers["Content-Disposition"] = "attachment; filename=my-survey-data.json"
    return response


@pages.post("/mine/delete")
def delete_mine() -> Page:
    """Delete all that the rater gave."""
    if request.form.get("sure") != "yes":
        return _to("mine")
    with app_state().store.write() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        people.forget(connection, person)
    session.clear()
    return render_template("deleted.html")


def _rating_page(fault: str = "") -> Page:
    here = app_state()
    with here.store.read() as connection:
        person = _person(connection)
        if person is None:
            return _to("welcome")
        if person.opening not in (None, "open"):
            return _not_open(connection)
        if _stage(person) != "rate":
            return _to(_stage(person))
        slots = slots_between(connection, person.id, person.place - 1, person.place + 1)
    held = _held(slots, person)
    if not held or held[0].place != person.place:
        with here.store.write() as connection:  # the hold expired, or nothing was handed out yet
            person = advance(connection, _again(connection, person), here.study.survey)
            slots = slots_between(connection, person.id, person.place - 1, person.place + 1)
        held = _held(slots, person)
        if person.place >= len(person.plan):
            return _to(_stage(_reread()))
    page = render_template(
        "rate.html",
        person=person,
        slot=held[0],
        pictures=_addresses(held[0]),
        ahead=[address.split("?")[0] for address in _addresses(held[1])] if len(held) > 1 else [],
        fault=here.spoken().texts(f"survey.{fault}") if fault else "",
        shown=stamp(held[0].id),
        may_undo=undoable(person, slots.get(person.place - 1)),
    )
    return (page, 400) if fault else page


def _addresses(row: Row[Any]) -> list[str]:
    """Return the addresses of a slot's pictures; what was not asked for yet must not come from the browser's cache."""
    if row.kind == "C":
        return []
    here = app_state()
    positions = [0] if here.study.survey.task == "rate" else range(1, here.study.survey.together + 1)
    return [
        url_for("participant.picture", slot_id=row.id, position=position or None)
        + ("" if (row.id, position) in here.served else "?fresh")
        for position in positions
    ]


def _held(slots: Mapping[int, Row[Any]], person: Row[Any]) -> list[Row[Any]]:
    """Return the slots of the current place and the next, as far as they are held."""
    both = [slots[place] for place in (person.place, person.place + 1) if place in slots]
    return [row for row in both if row.state == "held" and (row.kind != "M" or row.expires > time.time())]


def _person(connection: Connection) -> Row[Any] | None:
    token = session.get("token")
    return people.find(connection, token) if isinstance(token, str) else None


def _again(connection: Connection, person: Row[Any]) -> Row[Any]:
    return connection.execute(READ_RATER, {"b_rater": person.id}).one()


def _reread() -> Row[Any]:
    with app_state().store.read() as connection:
        person = _person(connection)
    if person is None:
        abort(404)
    return person


def _stage(person: Row[Any]) -> str:
    """Return the name of the page that is due for a rater."""
    if person.finished_at is not None:
        return "end"
    if person.ready_at is None:
        return "instructions"
    if person.place < len(person.plan):
        return "rate"
    return "questions" if app_state().study.survey.questions else "end"


def _open(connection: Connection) -> bool:
    return connection.execute(select(image.c.id).where(image.c.taken < image.c.target).limit(1)).first() is not None


def _behaviour(slot_id: int, person: Row[Any]) -> Behaviour:
    """Read how a rating was given: what the browser says, and the time by the server's own clock."""
    form = request.form
    shown = read_stamp(form.get("shown"), slot_id)
    since = int(1000 * (time.time() - person.seen_at)) if shown is None or shown.ago_ms is None else shown.ago_ms
    server_ms = max(1, since)
    took = number(form.get("time_ms"), 1, 86_400_000)
    entered = form.get("entered")
    keeps = app_state().study.survey.traces and form.get("script") == "on"
    steps, inputs = checked(form.get("trace")) if keeps else (None, None)
    return Behaviour(
        time_ms=server_ms if took is None else took,  # script is off
        viewport_w=number(form.get("viewport_w"), 1, 100_000),
        viewport_h=number(form.get("viewport_h"), 1, 100_000),
        blurs=number(form.get("blurs"), 0, 100_000),
        entered=entered if entered in ("keys", "mouse", "touch", "pen") else None,
        server_ms=min(server_ms, 2**31 - 1),
        load_ms=number(form.get("load_ms"), 0, 86_400_000),
        shown_w=number(form.get("shown_w"), 1, 100_000),
        shown_h=number(form.get("shown_h"), 1, 100_000),
        exposed_ms=number(form.get("exposed_ms"), 1, 86_400_000),
        steps=steps,
        inputs=inputs,
    )


def _seen(slot_id: int, behaviour: Behaviour) -> bool:
    """Say whether a picture can have been seen: the browser asked for it and, with script on, decoded it.

    What was asked for before a restart is not known any more; pages from that time are believed, and pages made
    since name the picture anew, so that the browser asks again.
    """
    here = app_state()
    shown = read_stamp(request.form.get("shown"), slot_id)
    positions = [0] if here.study.survey.task == "rate" else range(1, here.study.survey.together + 1)
    served = all((slot_id, position) in here.served for position in positions)
    asked_for = served or (shown is not None and shown.ago_ms is None)
    return asked_for and not (request.form.get("script") == "on" and behaviour.load_ms is None)


def _remember_platform() -> None:
    given = {name.lower(): value for name, value in request.args.items()}
    for source, (participant, study_id, session_id) in PLATFORMS.items():
        values = [clean(given.get(name.lower()), 200) for name in (participant, study_id, session_id)]
        preview = "{" in values[0] or "ASSIGNMENT_ID_NOT_AVAILABLE" in values  # nobody yet
        if values[0] and not preview:
            names = ("source", "participant", "study", "session")
            session["platform"] = dict(zip(names, (source, *values), strict=True))


def _identify() -> None:
    """Give a rater who began without a platform's id, as in a preview, the one that the link has now."""
    if "token" not in session or "platform" not in session:
        return
    ids = people.PlatformIds(**session.pop("platform"))
    with app_state().store.write() as connection:
        person = _person(connection)
        if person is not None:
            people.identify(connection, person, ids)


def _not_open(connection: Connection) -> Page:
    closed = opening(connection) == "closed"
    page = render_template("not_open.html", closed=closed, back=_way_back("full") if closed else "")
    return Response(page, 503, {"X-Survey-Not-Open": "yes"})


def _way_back(outcome: str) -> str:
    """Return the link back for somebody who does not come to the end; empty where the study has no code for it."""
    code = getattr(app_state().study.survey.codes, outcome)
    return _return_link(code, session.get("platform", {}).get("participant", "")) if code else ""


def _return_link(code: str, participant: str) -> str:
    pattern = app_state().study.survey.return_url
    for name, value in (("{code}", code), ("{participant}", participant)):
        pattern = pattern.replace(name, quote(value, safe=""))
    return pattern


def _to(page: str) -> Response:
    return redirect(url_for(f"participant.{page}"), 303)  # type: ignore[return-value]
