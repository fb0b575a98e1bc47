"""The pages of the board, and of lists of trials."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, render_template, request, send_file
from werkzeug.datastructures import MultiDict

from gazekit.explore.board import FIGURES, make_board
from gazekit.explore.board_choice import BoardChoice
from gazekit.explore.board_drawing import board_recipe, write_board
from gazekit.explore.board_exclusions import excluded_trials
from gazekit.explore.commands import changed
from gazekit.explore.server import material

pages = Blueprint("board", __name__)
NAVIGATION = [("Board", "board.home"), ("Trials", "board.trials")]
KINDS = {
    "csv": "text/csv",
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}
_PAGE = 200  # rows of a list


@pages.get("/")
def home() -> str:
    """Show the board."""
    board = make_board(material(), board_choice(request.args))
    return render_template(
        "board.html",
        board=board,
        choice=board.choice,
        figures=FIGURES,
        query=query_of(board.choice),
        made=board_recipe(board),
        blocks=sorted(set(material().trials["block"]) - {""}),
        status=material().status,
        levels=material().levels,
        excluded=sum(map(bool, excluded_trials(material(), material().trials))),
    )


@pages.get("/board.json")
def facts() -> Response:
    """Send what the canvas draws."""
    return jsonify(make_board(material(), board_choice(request.args)).facts())


@pages.get("/board.<kind>")
def file(kind: str) -> Response:
    """Send the board as a file."""
    if kind not in KINDS:
        abort(404)
    board = make_board(material(), board_choice(request.args))
    with TemporaryDirectory() as folder:
        written = write_board(board, Path(folder) / f"board.{kind}")
        return attachment(written.read_bytes(), kind, f"board.{kind}")


@pages.get("/trials")
def trials() -> str:
    """List trials: all, or a person's, or a picture's."""
    board = make_board(material(), board_choice(request.args))
    rows = board.trials
    person, image = request.args.get("participant", ""), request.args.get("image", "")
    rows = rows[rows["participant"] == person] if person else rows
    rows = rows[rows["image"] == image] if image else rows
    page = request.args.get("page", 1, type=int)
    pages_count = max(1, -(-len(rows) // _PAGE))
    page = min(max(page, 1), pages_count)
    start = (page - 1) * _PAGE
    query = {name: value for name, value in (("participant", person), ("image", image)) if value}
    return render_template(
        "trials.html",
        rows=rows.iloc[start : start + _PAGE].to_dict("records"),
        total=len(rows),
        start=start,
        person=person,
        image=image,
        page=page,
        pages_count=pages_count,
        query="&".join(filter(None, [query_of(board.choice), urlencode(query)])),
    )


def board_choice(arguments: MultiDict[str, str]) -> BoardChoice:
    """Read the choice of an address; what is empty has its default.

    Raises
    ------
    ConfigError
        Something that cannot be chosen.
    """
    given: dict[str, Any] = {
        name: arguments[name] for name in BoardChoice.model_fields if name != "level" and arguments.get(name)
    }
    levels = tuple(filter(None, arguments.getlist("level")))
    return BoardChoice(**given | ({"level": levels} if levels else {}))


def query_of(choice: BoardChoice) -> str:
    """Write a choice as the query of an address."""
    values = {name: "1" if value is True else value for name, value in changed(choice).items()}
    return urlencode(values, doseq=True)


def attachment(content: bytes, kind: str, name: str) -> Response:
    """Answer with a file to be kept, whatever letters its name has."""
    return send_file(BytesIO(content), mimetype=KINDS[kind], as_attachment=True, download_name=name)
