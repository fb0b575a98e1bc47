"""The page of a trial, and what it asks for while somebody looks."""

from __future__ import annotations

import mimetypes
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import cv2
from flask import Blueprint, Response, abort, current_app, jsonify, make_response, render_template, request, url_for
from markupsafe import Markup

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.events.detectors import detectors
from gazekit.explore.board_pages import KINDS, attachment
from gazekit.explore.server import finite, material
from gazekit.explore.summaries import SessionFacts
from gazekit.explore.trial import (
    LONG,
    LONG_WINDOW_MS,
    DetectorChoice,
    detection_view,
    known_parameters,
    read_choice,
    trace_view,
    trial_view,
)
from gazekit.explore.trial_out import study_lines, trial_recipe, write_trial
from gazekit.explore.trial_reading import RecentTrials, TrialGaze, read_trial, trial_row
from gazekit.gaze import EYE_CHOICES
from gazekit.pictures import read_picture

pages = Blueprint("trial", __name__, url_prefix="/trial/<key>/<int:number>")
_AS_IT_IS = {".png", ".jpg", ".jpeg", ".webp", ".gif"}
_UNFIT = (ValueError, ZeroDivisionError, OverflowError, FloatingPointError, IndexError, MemoryError)


@pages.get("")
def home(key: str, number: int) -> str:
    """Show a trial."""
    facts = _session(key)
    row = _row(facts, number)
    choice, beside = _choices()
    return render_template(
        "trial.html",
        facts=facts,
        row=row,
        number=number,
        total=len(facts.trials),
        detectors=detectors(),
        eyes=EYE_CHOICES,
        panels=[("", choice), ("beside.", beside)],
        parameters=known_parameters,
        exclude_at=_exclude_at(facts, row),
        out=Markup(_out(facts, number, choice)),
        has_picture=bool(row["image"]) and material().picture_file(str(row["image"])) is not None,
    )


@pages.get("/view.json")
def view(key: str, number: int) -> Response:
    """Send all that the page draws, for the detectors of the address."""
    facts = _session(key)
    row = _row(facts, number)
    choice, beside = _choices()
    span = _window((row["offset_us"] - row["onset_us"]) / 1000)
    choices = [choice, *([beside] if beside else [])]
    with _doubts():
        if row["samples"] > LONG and request.args.get("all") is None:
            span = span or (0.0, LONG_WINDOW_MS)
            content = trace_view(facts, number, read_trial(facts, number, span), choice, span)
            content |= {"detections": [], "pending": True}
        else:
            content = trial_view(facts, number, gaze_of(facts, number), choices, span)
    return jsonify(finite(content))


def _window(longest_ms: float) -> tuple[float, float] | None:
    """Read the part of a trial that an address asks for; None where it asks for none that there is."""
    low, high = (request.args.get(name, type=float) for name in ("from", "to"))
    if low is None or high is None or not low < high:
        return None
    low, high = max(low, 0.0), min(high, longest_ms)
    return (low, high) if low < high else None


@pages.get("/detections.json")
def detections(key: str, number: int) -> Response:
    """Send what the detectors find in a long trial."""
    facts = _session(key)
    _row(facts, number)
    choice, beside = _choices()
    known: RecentDetections = current_app.extensions.setdefault("gazekit-detections", RecentDetections())
    with _doubts():
        found = [known.get(facts, number, each) for each in (choice, beside) if each is not None]
    return jsonify(finite({"detections": found}))


class RecentDetections:
    """What detectors found in long trials lately: who moves through one asks for the same again."""

    def __init__(self, most: int = 6) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, int, str], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, facts: SessionFacts, number: int, choice: DetectorChoice) -> dict[str, Any]:
        """Return what a detector finds, known from before or computed; one at a time, since it takes memory."""
        place = (facts.digest, number, f"{choice.name} {sorted(choice.parameters.items())}")
        with self._lock:
            if place not in self._kept:
                self._kept[place] = detection_view(facts, read_trial(facts, number), choice)
            self._kept.move_to_end(place)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return self._kept[place]


@pages.get("/trial.<kind>")
def file(key: str, number: int, kind: str) -> Response:
    """Send a trial as a file."""
    if kind not in KINDS:
        abort(404)
    facts = _session(key)
    _row(facts, number)
    name = f"{facts.participant}-trial{number}.{kind}"
    with TemporaryDirectory() as folder:
        out = Path(folder) / f"trial.{kind}"
        with _doubts():
            write_trial(material(), facts, number, gaze_of(facts, number), _choices()[0], out)
        return attachment(out.read_bytes(), kind, name)


@pages.get("/recipe")
def recipe(key: str, number: int) -> str:
    """Send the files and the lines that make what is shown, for the detector of the address."""
    facts = _session(key)
    _row(facts, number)
    return _out(facts, number, _choices()[0])


@pages.get("/picture")
def picture(key: str, number: int) -> Response:
    """Send the picture of a trial."""
    facts = _session(key)
    file = material().picture_file(str(_row(facts, number)["image"]))
    if file is None or not file.is_file():
        abort(404, "the picture of this trial is not among the pictures that were named")
    if file.suffix.lower() in _AS_IT_IS:
        content, kind = file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    else:
        content, kind = cv2.imencode(".png", read_picture(file)[..., ::-1])[1].tobytes(), "image/png"
    answer = make_response(content)
    answer.headers["Content-Type"] = kind
    return answer


@contextmanager
def _doubts() -> Iterator[None]:
    """Say that a detector cannot work with parameters, where it fails on them."""
    try:
        yield
    except _UNFIT as error:
        raise InputError(f"the detector cannot work with these parameters: {error}") from error


def _out(facts: SessionFacts, number: int, choice: DetectorChoice) -> str:
    """Return the part of the page that leads out of it."""
    values = {"detector": choice.name, **choice.parameters}
    return render_template(
        "out.html",
        address=url_for("trial.home", key=facts.key, number=number) + "/trial",
        query=urlencode(values),
        made=trial_recipe(material(), facts, number, choice),
        settings=study_lines(choice),
    )


def gaze_of(facts: SessionFacts, number: int) -> TrialGaze:
    """Return the samples of a trial, kept from before or read."""
    recent: RecentTrials = current_app.extensions.setdefault("gazekit-trials", RecentTrials())
    return recent.get(facts, number)


def _session(key: str) -> SessionFacts:
    facts = material().by_key.get(key)
    if facts is None:
        abort(404, "there is no such session here")
    return facts


def _exclude_at(facts: SessionFacts, row: dict[str, Any]) -> str:
    """Return where this trial is excluded; empty where that page is not."""
    if "exclude.home" not in current_app.view_functions:
        return ""
    values = {"participant": facts.participant, "session": facts.header.name}
    if row["image"]:
        values |= {"image": str(row["image"]), "shown_as": str(int(row["order"]) + 1)}
    return f"{url_for('exclude.home')}?{urlencode({name: value for name, value in values.items() if value})}"


def _row(facts: SessionFacts, number: int) -> dict[str, Any]:
    if not 1 <= number <= len(facts.trials):
        abort(404, f"the session has {counted(len(facts.trials), 'trial')}; there is no trial {number}")
    return trial_row(facts, number)


def _choices() -> tuple[DetectorChoice, DetectorChoice | None]:
    """Read the detector of an address, and the one beside it."""
    section = material().fixations
    usual = DetectorChoice(section.detector, section.parameters)
    arguments = request.args.to_dict()
    choice = read_choice(arguments, "", usual)
    return choice, read_choice(arguments, "beside.", usual) if arguments.get("beside.detector") else None
