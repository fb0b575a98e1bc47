"""The page on which areas are drawn: a picture, its areas, and what people did in them, as it is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request

from gazekit.core.errors import InputError
from gazekit.events.area_agreement import area_agreement
from gazekit.events.areas import COLOURS, Area, area_of
from gazekit.explore.areas_drawing import areas_recipe, write_areas
from gazekit.explore.areas_measures import area_figures, by_area
from gazekit.explore.areas_store import AreaStore, mask_png
from gazekit.explore.board_pages import attachment
from gazekit.explore.maps_pages import map_maker, picture_response, shown_image, shown_images, window_of
from gazekit.explore.picture_looks import EverythingExcluded
from gazekit.explore.server import finite, material

pages = Blueprint("areas", __name__, url_prefix="/areas")
NAVIGATION = [("Areas", "areas.home")]
_MOST_AREAS = 300  # of a picture
_MOST_LAYERS = 40


@pages.get("")
def home() -> str:
    """Show a picture with its areas; without one named, the first that has viewers."""
    images = shown_images()
    image = shown_image(request.args.get("image") or next(iter(images)))
    layer = request.args.get("layer", "")
    drawn = {name: len(change.areas) for name, change in store(layer).pictures().items()}
    return render_template(
        "areas.html",
        image=image,
        images=[(name, viewers, drawn.get(name, 0)) for name, viewers in images.items()],
        layer=layer,
        layers=_layers(),
        colours=COLOURS,
        grey=map_maker().why_grey(image),
        query=urlencode({"image": image, **({"layer": layer} if layer else {})}),
        made=areas_recipe(material(), store(layer).file, ""),
    )


@pages.get("/state.json")
def state() -> Response:
    """Send the areas of a picture, and what people marked in it."""
    image = shown_image(request.args.get("image", ""))
    change = store(request.args.get("layer", "")).newest(image)
    try:
        looks = map_maker().looks.of(image)
        people, excluded = looks.people, list(looks.excluded)
    except EverythingExcluded as error:  # areas can be drawn all the same
        people, excluded = [], [str(error)]
    return jsonify(
        version=change.version,
        areas=change.areas,
        size=list(_size(image)),
        people=people,
        excluded=excluded,
        marked=_marked(image),
    )


@pages.post("/save.json")
def save() -> Response:
    """Save all areas of a picture."""
    body = _body()
    image, base = shown_image(_text(body, "image")), body.get("base", 0)
    if not isinstance(base, int) or isinstance(base, bool):
        raise InputError("base is the version that was drawn on, a whole number")
    names = _text(body, "who")[:40], _text(body, "page")[:40]
    saved = store(_text(body, "layer")).save(image, base, _areas(body), *names)
    return jsonify(
        version=saved.change.version,
        areas=saved.change.areas,
        told=saved.told,
        theirs=saved.theirs,
        renamed=saved.renamed,
    )


@pages.post("/figures.json")
def figures() -> Response:
    """Measure areas as they are drawn, saved or not."""
    body = _body()
    image, window = shown_image(_text(body, "image")), window_of(_text(body, "window"))
    drawn = store(_text(body, "layer")).read(image, _areas(body))
    found = area_figures(map_maker().looks.of(image, window), drawn, window)
    steps = found.steps.drop(columns="image").to_dict("records")
    recipe = areas_recipe(material(), store(_text(body, "layer")).file, _text(body, "window"))
    answer = {"summary": found.summary(), "people": by_area(found), "steps": steps}
    return jsonify(finite(answer | {"command": recipe.command, "python": recipe.python}))


@pages.get("/history.json")
def history() -> Response:
    """Send every state that the areas of a picture had, the newest first."""
    image = shown_image(request.args.get("image", ""))
    changes = store(request.args.get("layer", "")).history(image)
    return jsonify([vars(change) for change in changes[:200]])


@pages.post("/copy.json")
def copy() -> Response:
    """Copy areas to other pictures, in pixels or scaled to their size."""
    body = _body()
    image, names, targets = shown_image(_text(body, "image")), body.get("names"), body.get("to")
    if not isinstance(names, list) or not isinstance(targets, list) or not names or not targets:
        raise InputError("names are the areas to copy, and to the pictures to copy them to")
    here = store(_text(body, "layer"))
    present, size = here.newest(image).areas, _size(image)
    chosen = {str(name): present[str(name)] for name in names if str(name) in present}
    if len(chosen) < len(names):
        raise InputError(f"{image} has no area {next(n for n in names if str(n) not in present)!r:.60}")
    told: list[str] = []
    for target in dict.fromkeys(map(str, targets)):
        other = _size(shown_image(target))
        scale = (other[1] / size[1], other[0] / size[0]) if body.get("scaled", True) else (1.0, 1.0)
        moved = {name: _moved(here, document, scale, other) for name, document in chosen.items()}
        saved = here.save(target, -1, moved, _text(body, "who")[:40])
        told.append(f"{target}: {len(moved)} areas copied" + "".join(f"; {line}" for line in saved.told[1:]))
    return jsonify(told=told)


@pages.post("/import.json")
def take_file() -> Response:
    """Take the areas of a file of areas; those that are there already are kept, and the others of the name beside."""
    body = _body()
    content = body.get("areas")
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
        raise InputError("this is not a file of areas: {image: {area: corners}} was expected")
    known, here, told = shown_images(), store(_text(body, "layer")), []
    for image, areas in content.items():
        if image not in known:
            told.append(f"{image}: left out, it is none of the pictures here")
            continue
        saved = here.save(image, -1, _areas({"areas": areas}), _text(body, "who")[:40])
        told.append(f"{image}: {len(areas)} areas" + "".join(f"; {line}" for line in saved.told[1:]))
    return jsonify(told=told)


@pages.post("/mask.json")
def take_mask() -> Response:
    """Keep a mask picture as the mask of an area; return its name for the area."""
    image = shown_image(request.args.get("image", ""))
    return jsonify(mask=store(request.args.get("layer", "")).put_mask(request.get_data(), _size(image)))


@pages.get("/mask.png")
def give_mask() -> Response:
    """Send an area as a mask picture: white is inside."""
    image, name = shown_image(request.args.get("image", "")), request.args.get("name", "")
    here = store(request.args.get("layer", ""))
    document = here.newest(image).areas.get(name)
    if document is None:
        raise InputError(f"{image} has no area {name!r:.60}")
    content = mask_png(area_of(document, here.file.parent).pixels(_size(image)))
    return attachment(content, "png", f"{hashlib.sha256(f'{image} {name}'.encode()).hexdigest()[:8]}-mask.png")


@pages.get("/areas.json")
def give_file() -> Response:
    """Send the whole file of areas."""
    file = store(request.args.get("layer", "")).file
    answer = make_response(file.read_bytes() if file.is_file() else b"{}\n")
    answer.headers["Content-Type"] = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return answer


@pages.get("/picture")
def picture() -> Response:
    """Send the picture."""
    return picture_response(shown_image(request.args.get("image", "")))


@pages.get("/areas.<kind>")
def file(kind: str) -> Response:
    """Send the picture with its areas as a drawing, or their measures as a table."""
    if kind not in ("png", "svg", "pdf", "csv"):
        raise InputError(f"areas are sent as png, svg, pdf and csv; not as {kind:.20}")
    image, window = shown_image(request.args.get("image", "")), window_of(request.args.get("window", ""))
    here = store(request.args.get("layer", ""))
    areas = here.read(image)
    found = area_figures(map_maker().looks.of(image, window), areas, window)
    with TemporaryDirectory() as folder:
        out = write_areas(map_maker().rgb(image, _size(image)), areas, found, Path(folder) / f"areas.{kind}")
        return attachment(out.read_bytes(), kind, f"areas.{kind}")


@pages.get("/agreement.json")
def agreement() -> Response:
    """Compare what people drew, each in a layer, and what participants marked in the interview."""
    image = shown_image(request.args.get("image", ""))
    drawn = {}
    for layer in _layers():
        areas = store(layer).read(image)
        drawn[layer or "study"] = {image: {name: area.inside for name, area in areas.items()}}
    pairs = area_agreement(drawn, {image: _size(image)})
    looks = map_maker().looks.of(image).looks
    people = {one.participant: {image: dict(one.look.own_areas)} for one in looks if one.look.own_areas}
    marks = area_agreement(people, {image: _size(image)})
    mean = marks["overlap"].mean() if len(marks) else None
    return jsonify(finite({"drawn": pairs.to_dict("records"), "marked": {"people": len(people), "overlap": mean}}))


def store(layer: str) -> AreaStore:
    """Return the areas of a layer."""
    stores: dict[str, AreaStore] = current_app.extensions.setdefault("gazekit-areas", {})
    if layer not in stores:
        fresh = AreaStore(material().folder, layer)
        if len(stores) >= _MOST_LAYERS:
            return fresh
        stores[layer] = fresh
    return stores[layer]


def _layers() -> list[str]:
    """List the layers that have a file; the study's own is the first."""
    names = [path.name[len("areas.") : -len(".json")] for path in material().folder.glob("areas.*.json")]
    return ["", *sorted(name for name in names if name)]


def _size(image: str) -> tuple[int, int]:
    return map_maker().looks.size(image)


def _moved(here: AreaStore, document: Any, scale: tuple[float, float], size: tuple[int, int]) -> Any:
    area = area_of(document, here.file.parent).moved(scale)
    if area.form != "mask":
        return area.document()
    name = here.keep_mask(area.pixels(size))
    return Area("mask", file=name, colour=area.colour, group=area.group).document()


def _marked(image: str) -> dict[str, list[list[float]]]:
    """Return the boxes that participants marked in a picture: left, top, width, height of each."""
    marked: dict[str, list[list[float]]] = {}
    for facts in material().sessions:
        regions = facts.header.streams.get("regions")
        if regions is None or not len(regions):
            continue
        here = regions[regions["image"].astype(str) == image]
        boxes = here[["x", "y", "width", "height"]].astype(float).to_numpy().tolist()
        if boxes:
            marked.setdefault(facts.participant, []).extend(boxes)
    return marked


def _body() -> dict[str, Any]:
    """Return the object that a page sent.

    Raises
    ------
    InputError
        It is none.
    """
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InputError("a JSON object was expected")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise InputError(f"{name} must be a text")
    return value


def _areas(body: Mapping[str, Any]) -> dict[str, Any]:
    areas = body.get("areas")
    if not isinstance(areas, dict) or len(areas) > _MOST_AREAS:
        raise InputError(f"areas must be an object, name to area, of at most {_MOST_AREAS}")
    return {str(name): document for name, document in areas.items()}
