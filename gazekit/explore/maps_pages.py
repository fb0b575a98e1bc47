"""The page of maps: whose, when, and what a mask keeps of them, while sliders move."""

from __future__ import annotations

import csv
import io
import mimetypes
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import cv2
import numpy as np
from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from gazekit.attention.drawing import heat_colours
from gazekit.core.errors import InputError
from gazekit.core.time_windows import TimeWindow
from gazekit.explore.board_pages import attachment
from gazekit.explore.commands import Recipe, arguments, changed, load_line, screen_options, words
from gazekit.explore.maps import MapChoice, MapMaker, PictureMap, draw_map, write_map
from gazekit.explore.material import Material
from gazekit.explore.picture_looks import EverythingExcluded, PictureLooks
from gazekit.explore.server import finite, material
from gazekit.pictures import read_picture
from gazekit.shapes.fills import fill_names

pages = Blueprint("maps", __name__, url_prefix="/maps")
NAVIGATION = [("Maps", "maps.home")]
_AS_IT_IS = {".png", ".jpg", ".jpeg", ".webp", ".gif"}
_WINDOW = re.compile(r"\d{1,9}(\.\d+)?:\d{1,9}(\.\d+)?")


@pages.get("")
def home() -> str:
    """Show the map of a picture; without one named, of the first that has viewers."""
    images = shown_images()
    arguments_here = MultiDict(request.args)
    if not arguments_here.get("image"):
        arguments_here["image"] = next(iter(images))
    choice = map_choice(arguments_here)
    try:
        looks = map_maker().looks.of(shown_image(choice.image))
    except EverythingExcluded as error:  # the page says so, and another picture can be chosen
        looks = PictureLooks(choice.image, map_maker().looks.size(choice.image), (), (str(error),))
    return render_template(
        "maps.html",
        choice=choice,
        images=images,
        people=looks.people,
        groups=[f"{factor}={level}" for factor, levels in material().levels.items() for level in levels],
        fills=fill_names(),
        longest_ms=max(
            (one.look.viewing_ms for one in looks.looks if np.isfinite(one.look.viewing_ms)), default=10_000
        ),
        query=query_of(choice),
        grey=map_maker().why_grey(choice.image),
        made=map_recipe(material(), choice),
    )


@pages.get("/level.bin")
def level() -> Response:
    """Send a map in 256 steps of its peak, a byte a pixel, row by row: the page gives them their colours.

    It is not packed: that takes longer than the map itself, and longer than the way to a browser on this machine.
    """
    return _content(made().level().tobytes(), "application/octet-stream")


@pages.get("/facts.json")
def facts() -> Response:
    """Send the numbers, boxes and lines of a map, and the commands that make it."""
    picture_map = made()
    recipe = map_recipe(material(), picture_map.choice)
    lines = picture_map.lines() if picture_map.choice.view == "contour" else {}
    return jsonify(finite(picture_map.facts() | {"lines": lines, "command": recipe.command, "python": recipe.python}))


@pages.get("/shown.jpg")
def shown() -> Response:
    """Send the masked picture, or the difference of two groups."""
    picture_map = made()
    drawn = draw_map(picture_map, map_maker().picture(picture_map))
    _, content = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return _content(content.tobytes(), "image/jpeg")


@pages.get("/colours.json")
def colours() -> Response:
    """Send the colours of heatmaps: red, green, blue and opacity of each of 256 levels."""
    return jsonify(heat_colours().tolist())


@pages.get("/picture")
def picture() -> Response:
    """Send the picture."""
    return picture_response(shown_image(request.args.get("image", "")))


@pages.get("/map.<kind>")
def file(kind: str) -> Response:
    """Send a map as a drawing, or what is known of it as a table."""
    if kind not in ("png", "svg", "pdf", "csv"):
        raise InputError(f"maps are sent as png, svg, pdf and csv; not as {kind:.20}")
    picture_map = made()
    with TemporaryDirectory() as folder:
        out = write_map(picture_map, map_maker().picture(picture_map), Path(folder) / f"map.{kind}")
        return attachment(out.read_bytes(), kind, f"map.{kind}")


def made() -> PictureMap:
    """Return the map that the address asks for."""
    choice = map_choice(request.args)
    shown_image(choice.image)
    return map_maker().make(choice)


def map_choice(given: MultiDict[str, str]) -> MapChoice:
    """Read the choice of an address; what is empty has its default.

    Raises
    ------
    ConfigError
        Something that cannot be chosen.
    """
    values: dict[str, Any] = {name: given[name] for name in MapChoice.model_fields if given.get(name)}
    window_of(values.get("window", ""))
    return MapChoice(**values)


def query_of(choice: MapChoice) -> str:
    """Write a choice as the query of an address."""
    return urlencode({name: "1" if value is True else value for name, value in changed(choice).items()})


def map_recipe(shown: Material, choice: MapChoice) -> Recipe:
    """Return the commands and the Python lines that make the same map."""
    study = ["--study", str(shown.study.file)] if shown.study else []
    pictures = ["--pictures", str(shown.picture_source)] if shown.picture_source else []
    options: list[Any] = []
    shared = ("mask", "share", "share_of", "sigma_deg", "sigma_px", "weight", "fill", "soft_px", "window", "first")
    for name in (*shared, *(["map"] if choice.map != "gaussian" else [])):
        value = getattr(choice, name)
        if value not in (None, "") and (name != "sigma_deg" or choice.sigma_px is None):
            options += [f"--{name.replace('_', '-')}", value]
    if choice.mask == "patches":
        options += ["--patches", choice.patches, "--patch-share", choice.patch_share]
    options += ["--normalise", "person"] if choice.alike else []
    options += ["--remove"] if choice.remove else []
    options += ["--layers"] if choice.view == "opacity" else []
    whose: list[Any] = {"person": ["--by", "participant"], "all-but": ["--by", "leave-one-out"]}.get(choice.who, [])
    first: list[str] = []
    if choice.who == "group":
        first, whose = [_groups_line(shown, choice)], ["--groups", "groups.csv"]
    if choice.view == "difference":
        whose += ["--differences", max(choice.permutations, 1)]
    attention = words(
        ["gazekit", "attention", *map(str, shown.asked), *study, *pictures, *screen_options(shown), *whose, *options,
         "--out", "attention"]
    )  # fmt: skip
    python = "\n".join(
        [
            "from gazekit.explore import load_material",
            "from gazekit.explore.maps import MapChoice, MapMaker, write_map",
            load_line(shown),
            "maker = MapMaker(material)",
            f"made = maker.make(MapChoice({arguments(changed(choice)).removeprefix(', ')}))",
            "write_map(made, maker.picture(made), 'map.png')",
        ]
    )
    return Recipe("\n".join([*first, attention]), python)


def _groups_line(shown: Material, choice: MapChoice) -> str:
    """Return the line of a shell that writes the table of groups: of a difference the two, else all of the factor."""
    factor, _, _ = choice.name.partition("=")
    people = {facts.participant: facts.header.assigned for facts in shown.sessions}
    named = {f"{factor}={level}": level for level in shown.levels.get(factor, [])}
    if choice.view == "difference":
        named = {choice.name: f"1 {choice.name}", choice.versus: f"2 {choice.versus}"}  # the first by name is the first
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["participant", "group"])
    for group, words_of_it in named.items():
        factor, _, level = group.partition("=")
        writer.writerows([name, words_of_it] for name, levels in people.items() if str(levels.get(factor)) == level)
    return words(["printf", r"%s\n", *table.getvalue().splitlines()]) + " > groups.csv"


def map_maker() -> MapMaker:
    """Return the maps of what the server shows; fixations that were found stay there."""
    maker: MapMaker | None = current_app.extensions.get("gazekit-maps")
    if maker is None:
        maker = current_app.extensions.setdefault("gazekit-maps", MapMaker(material()))
    return maker


def shown_images() -> dict[str, int]:
    """Return the pictures that were shown, with how many people each.

    Raises
    ------
    InputError
        None was.
    """
    trials = material().trials
    trials = trials[trials["image"] != ""]
    if not len(trials):
        raise InputError("no picture was shown in these sessions: there are no maps and areas of them")
    return {str(name): int(count) for name, count in trials.groupby("image")["participant"].nunique().items()}


def shown_image(name: str) -> str:
    """Return the name of a picture if it was shown.

    Raises
    ------
    InputError
        It was not.
    """
    if name not in shown_images():
        raise InputError(f"no picture {name!r:.80} was shown")
    return name


def window_of(text: str) -> TimeWindow | None:
    """Read START:END; None where it is empty.

    Raises
    ------
    InputError
        It is no window.
    """
    if text and not _WINDOW.fullmatch(text):
        raise InputError(f"a window is START:END in milliseconds, as 0:1000; not {text!r:.40}")
    return TimeWindow.of(text or None)


def picture_response(image: str) -> Response:
    """Answer with a picture: as it is where browsers know the format, else as PNG; grey where its file is not there."""
    file = material().picture_file(image)
    if file is None or not file.is_file():
        return _png(np.full((*map_maker().looks.size(image), 3), 160, np.uint8))
    kind = mimetypes.guess_type(file.name)[0]
    if kind and file.suffix.lower() in _AS_IT_IS:
        return _content(file.read_bytes(), kind)
    return _png(read_picture(file)[..., ::-1])


def _png(pixels: np.ndarray) -> Response:
    _, content = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return _content(content.tobytes(), "image/png")


def _content(content: bytes, kind: str) -> Response:
    answer = make_response(content)
    answer.headers["Content-Type"] = kind
    return answer
