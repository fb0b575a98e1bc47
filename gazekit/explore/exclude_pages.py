"""The page on which trials, people, pictures and eyes are left out with a reason, and taken back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from gazekit.core.config import validated
from gazekit.core.errors import GazekitError, InputError
from gazekit.explore.commands import Recipe, arguments, words
from gazekit.explore.material import Material
from gazekit.explore.picture_looks import exclusions_file
from gazekit.explore.server import material
from gazekit.session.exclusions import Exclusion, Names, check_names, exclude, read_exclusions, undo_exclusion

pages = Blueprint("exclude", __name__, url_prefix="/exclude")
NAVIGATION = [("Excluded", "exclude.home")]
_FIELDS = ("participant", "image", "session", "eye", "reason", "by")
_LONGEST = 500  # letters of a reason


@pages.app_context_processor
def for_every_page() -> dict[str, Any]:
    """Let every page say what of it is excluded."""
    return {"excluded_here": excluded_here}


def excluded_here(participant: str, image: str, session: str, order: int) -> list[str]:
    """Return why a trial, or one of its eyes, is excluded: a line an entry that holds."""
    return [
        f"{entry}: {entry.reason}"
        for entry in read_exclusions(exclusions_file(material()))
        if entry.holds
        and entry.participant in ("", participant)
        and entry.image in ("", image)
        and entry.session in ("", session)
        and entry.order in (-1, order)
    ]


@pages.get("")
def home() -> str:
    """List what is excluded, and ask for more."""
    return _page({name: request.args.get(name, "") for name in (*_FIELDS, "shown_as")})


@pages.post("")
def add() -> str | Response | tuple[str, int]:
    """Leave something out."""
    given = {name: request.form.get(name, "").strip() for name in (*_FIELDS, "shown_as")}
    try:
        entry = entry_of(given)
        check_names([entry], names_of(material()))
        exclude(exclusions_file(material()), [entry])
    except GazekitError as error:
        return _page(given, fault=str(error)), 400
    return redirect(url_for("exclude.home", done=f"excluded: {entry}"), 303)


@pages.post("/undo")
def undo() -> str | Response | tuple[str, int]:
    """Take an entry back; it stays in the file."""
    number, reason = request.form.get("number", 0, type=int), request.form.get("reason", "").strip()
    try:
        if not reason or len(reason) > _LONGEST:
            raise InputError(f"say why it is taken back, in up to {_LONGEST} letters")
        entry = undo_exclusion(exclusions_file(material()), number, reason=reason)
    except GazekitError as error:
        return _page({}, fault=str(error)), 400
    return redirect(url_for("exclude.home", done=f"taken back: {entry}"), 303)


def entry_of(given: dict[str, str]) -> Exclusion:
    """Make an entry of what a form holds.

    Raises
    ------
    ConfigError, InputError
        Something is missing or is none.
    """
    shown_as = given.get("shown_as", "")
    if shown_as and not (shown_as.isdecimal() and 0 < int(shown_as[:9]) < 10**8):
        raise InputError(f"the place in the session is a number from 1; found {shown_as!r:.40}")
    if any(len(value) > _LONGEST for value in given.values()):
        raise InputError(f"a reason has up to {_LONGEST} letters")
    values = {name: given.get(name, "") for name in _FIELDS}
    return validated(Exclusion, values | {"order": int(shown_as) - 1 if shown_as else -1}, "what is to be excluded")


def names_of(shown: Material) -> Names:
    """Return the people, pictures and trials of what is shown."""
    showings = frozenset(
        (facts.participant, str(row.image), facts.header.name, int(row.order))
        for facts in shown.sessions
        for row in facts.trials.itertuples()
    )
    return Names(
        frozenset(facts.participant for facts in shown.sessions),
        frozenset(image for _, image, _, _ in showings if image) | frozenset(shown.pictures),
        showings,
    )


def exclude_recipe(shown: Material, entry: dict[str, str]) -> Recipe:
    """Return the command and the Python lines that leave the same out."""
    place = shown.study.file if shown.study else shown.asked[0]
    options = {"--person": entry.get("participant"), "--picture": entry.get("image"), "--session": entry.get("session"),
               "--shown-as": entry.get("shown_as"), "--eye": entry.get("eye"), "--by": entry.get("by")}  # fmt: skip
    line = [part for name, value in options.items() if value for part in (name, value)]
    reason = entry.get("reason") or "..."
    values: dict[str, Any] = {name: entry[name] for name in _FIELDS if entry.get(name)} | {"reason": reason}
    if entry.get("shown_as", "").isdecimal():
        values["order"] = int(entry["shown_as"]) - 1
    python = "\n".join(
        [
            "from gazekit.session.exclusions import Exclusion, exclude",
            f"entry = Exclusion({arguments(values).removeprefix(', ')})",
            f"exclude({str(exclusions_file(shown))!r}, [entry])",
        ]
    )
    return Recipe(words(["gazekit", "exclude", place, *line, "--reason", reason]), python)


def _page(given: dict[str, str], fault: str = "") -> str:
    shown = material()
    entries = read_exclusions(exclusions_file(shown))
    names = names_of(shown)
    return render_template(
        "exclude.html",
        entries=list(enumerate(entries, start=1)),
        given=given,
        fault=fault,
        done=request.args.get("done", ""),
        people=sorted(names.people),
        images=sorted(names.images),
        sessions=sorted({facts.header.name for facts in shown.sessions} - {""}),
        file=exclusions_file(shown),
        made=exclude_recipe(shown, given),
    )
