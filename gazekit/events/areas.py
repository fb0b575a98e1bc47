"""Areas of interest as they are drawn: rectangle, ellipse, polygon, brush or mask, with a colour and a group."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import existing_file, write_text
from gazekit.core.types import Bools, Floats, Mask
from gazekit.pictures import decode_as

Form = Literal["rectangle", "ellipse", "polygon", "brush", "mask"]
FORMS: tuple[Form, ...] = ("rectangle", "ellipse", "polygon", "brush", "mask")
OUTSIDE = "outside"
# colours of areas that colour-blind readers tell apart (Okabe and Ito 2008)
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FARTHEST = 1e7  # pixels
LONGEST_NAME = 100
_MOST_POINTS = 20_000  # of one area


@dataclass(frozen=True)
class Stroke:
    """One stroke of a brush: what lies within a radius of a line is inside, or outside where it erases.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        Corners (x, y) of the line, picture pixels; one alone is a disc.
    radius : float
        Pixels.
    erases : bool
        Whether it takes away what earlier strokes brought.
    """

    points: Floats
    radius: float
    erases: bool = False

    def covers(self, x: Floats, y: Floats) -> Bools:
        """Tell which places lie within the radius of the line."""
        near = np.zeros(x.shape, dtype=bool)
        for start, end in self._segments():
            near |= _within(x, y, start, end, self.radius)
        return near

    def pixels(self, size: tuple[int, int]) -> Mask:
        """Return the pixels of a picture of (height, width) whose centres lie within the radius of the line."""
        near = np.zeros(size, dtype=bool)
        for start, end in self._segments():  # only the pixels around each part of the line are looked at
            low = np.floor(np.minimum(start, end) - self.radius - 1).astype(int)
            high = np.ceil(np.maximum(start, end) + self.radius + 1).astype(int)
            rows = slice(max(int(low[1]), 0), max(int(high[1]), 0))
            columns = slice(max(int(low[0]), 0), max(int(high[0]), 0))
            part = near[rows, columns]
            if part.size:
                y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]] + 0.5
                part |= _within(x + columns.start, y + rows.start, start, end, self.radius)
        return near

    def _segments(self) -> Iterator[tuple[Floats, Floats]]:
        if len(self.points) == 1:
            return iter([(self.points[0], self.points[0])])
        return itertools.pairwise(self.points)


@dataclass(frozen=True)
class Area:
    """An area of interest of one picture, in picture pixels.

    Attributes
    ----------
    form : Form
        What it is.
    box : ndarray, shape (4,)
        Left, top, width and height, of a rectangle or an ellipse.
    corners : ndarray, shape (n, 2)
        Of a polygon, (x, y) each.
    strokes : sequence of Stroke
        Of a brush, in the order of drawing.
    mask : ndarray of bool, shape (height, width), optional
        Of a mask picture.
    file : str
        Name of the mask picture beside the file of areas.
    colour, group : str
        How it is drawn, ``#rrggbb``, and the group of areas that it belongs to; both may be empty.
    """

    form: Form
    box: Floats = field(default_factory=lambda: np.zeros(0))
    corners: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    strokes: Sequence[Stroke] = ()
    mask: Mask | None = None
    file: str = ""
    colour: str = ""
    group: str = ""

    def inside(self, x: Floats, y: Floats) -> Bools:
        """Tell which places lie in it: edges that touch count once, and a point is in the pixel that covers it."""
        if self.form == "rectangle":
            left, top, width, height = self.box
            return np.asarray((x >= left) & (x < left + width) & (y >= top) & (y < top + height))
        if self.form == "ellipse":
            left, top, width, height = self.box
            across, down = (x - left - width / 2) / (width / 2), (y - top - height / 2) / (height / 2)
            return np.asarray(across**2 + down**2 < 1)
        if self.form == "polygon":
            return in_polygon(self.corners, x, y)
        if self.form == "brush":
            where = np.zeros(x.shape, dtype=bool)
            for stroke in self.strokes:
                covered = stroke.covers(x, y)
                where = where & ~covered if stroke.erases else where | covered
            return where
        return in_mask(np.zeros((1, 1), bool) if self.mask is None else self.mask, x, y)

    def pixels(self, size: tuple[int, int]) -> Mask:
        """Return the pixels of a picture of (height, width) whose centres lie in it."""
        if self.form == "brush":
            where = np.zeros(size, dtype=bool)
            for stroke in self.strokes:
                covered = stroke.pixels(size)
                where = where & ~covered if stroke.erases else where | covered
            return where
        y, x = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
        return self.inside(x.ravel(), y.ravel()).reshape(size)

    def moved(self, scale: tuple[float, float] = (1.0, 1.0), shift: tuple[float, float] = (0.0, 0.0)) -> Area:
        """Return it scaled from the picture's corner and then shifted, both (x, y); a mask is made of new pixels."""
        factor, offset = np.array(scale), np.array(shift)
        if self.mask is not None:
            height, width = self.mask.shape
            size = max(1, round(height * scale[1])), max(1, round(width * scale[0]))
            y, x = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
            x, y = (x - shift[0]) / scale[0], (y - shift[1]) / scale[1]
            return replace(self, mask=in_mask(self.mask, x.ravel(), y.ravel()).reshape(size), file="")
        box = self.box.copy()
        if len(box):
            box = np.concatenate([box[:2] * factor + offset, box[2:] * factor])
        strokes = [
            Stroke(stroke.points * factor + offset, stroke.radius * math.sqrt(scale[0] * scale[1]), stroke.erases)
            for stroke in self.strokes
        ]
        return replace(self, box=box, corners=self.corners * factor + offset, strokes=strokes)

    def document(self) -> Any:
        """Return it as JSON has it; a polygon without colour and group is the plain list of its corners."""
        looks = {name: getattr(self, name) for name in ("colour", "group") if getattr(self, name)}
        shape: dict[str, Any]
        if self.form == "polygon":
            shape = {"polygon": _plain(self.corners)}
        elif self.form == "brush":
            shape = {
                "brush": [
                    {"points": _plain(s.points), "radius": float(s.radius)} | ({"erases": True} if s.erases else {})
                    for s in self.strokes
                ]
            }
        elif self.form == "mask":
            shape = {"mask": self.file}
        else:
            shape = {self.form: _plain(self.box)}
        if not looks and self.form in ("polygon", "mask"):
            return shape[self.form]
        return shape | looks


def area_of(document: Any, masks: Path | None = None) -> Area:
    """Read an area of a file of areas.

    Parameters
    ----------
    document
        A list of corners; the name of a mask picture; or an object with one of ``rectangle`` and ``ellipse`` (left,
        top, width, height), ``polygon``, ``brush`` (strokes: points, radius, erases) and ``mask``, and with ``colour``
        and ``group``.
    masks : Path, optional
        Folder of the mask pictures; without it they are not read.

    Raises
    ------
    InputError, FormatError
        It is no area; the message says why.

    Examples
    --------
    >>> area = area_of({"ellipse": [0, 0, 10, 20], "colour": "#0072b2"})
    >>> area.inside(np.array([5.0, 0.5]), np.array([10.0, 0.5])).tolist()
    [True, False]
    """
    if isinstance(document, str):
        document = {"mask": document}
    elif not isinstance(document, dict):
        document = {"polygon": document}
    unknown = sorted(set(document) - {*FORMS, "colour", "group"})
    forms: list[Form] = [name for name in FORMS if name in document]
    if unknown or len(forms) != 1:
        raise InputError(
            f"an area has one of {', '.join(FORMS)}, and colour and group beside it; found "
            f"{', '.join(document) or 'nothing'}"
        )
    looks = {name: document.get(name, "") for name in ("colour", "group")}
    if not all(isinstance(text, str) and is_name(text or "-") for text in looks.values()):
        raise InputError(f"colour and group are texts of up to {LONGEST_NAME} letters")
    if looks["colour"] and not _COLOUR.fullmatch(looks["colour"]):
        raise InputError(f"a colour is #rrggbb, such as {COLOURS[0]}; found {looks['colour']!r}")
    if looks["group"] == OUTSIDE:
        raise InputError(f"a group cannot be named {OUTSIDE!r}, which is what lies in no area")
    value = document[forms[0]]
    if forms[0] in ("rectangle", "ellipse"):
        return Area(forms[0], box=_box(value, forms[0]), **looks)
    if forms[0] == "polygon":
        return Area("polygon", corners=checked_corners(_numbers(value, "a polygon: corners (x, y)")), **looks)
    if forms[0] == "brush":
        return Area("brush", strokes=_strokes(value), **looks)
    if not isinstance(value, str) or not value:
        raise InputError("a mask is the name of a picture beside the file")
    return Area("mask", file=value, mask=None if masks is None else _mask(masks / value), **looks)


def is_name(text: str) -> bool:
    """Tell whether a text can name an area or a group in every file: not blank, not long, letters that are written."""
    return bool(text.strip()) and len(text) <= LONGEST_NAME and text.isprintable()


def read_area_file(path: str | Path) -> dict[str, dict[str, Area]]:
    """Read a file of areas, ``{image: {name: area}}``; mask pictures lie beside it. See `area_of`.

    Raises
    ------
    InputError, FormatError
        No such file, not such a JSON file, or an area in it is wrong (it is named).
    """
    path = existing_file(path, "file of areas")
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_each_once)
        items = [(i, n, a) for i, areas in data.items() for n, a in areas.items()]
    except (ValueError, AttributeError) as error:
        raise FormatError(
            f'{path} is not a JSON file of the form {{image: {{area: corners or "mask.png"}}}}: {error}'
        ) from error
    areas: dict[str, dict[str, Area]] = {image: {} for image in data}
    for image, name, document in items:
        if name == OUTSIDE:
            raise InputError(f"{path}: {image}: an area cannot be named {OUTSIDE!r}, which is what lies in none")
        try:
            areas[image][name] = area_of(document, path.parent)
            _check_unit(areas[image][name])
        except FormatError as error:
            raise FormatError(f"{path}: {image} / {name}: {error}") from error
        except (InputError, ValueError, TypeError) as error:
            raise InputError(f"{path}: {image} / {name}: {error}") from error
    for image, here in areas.items():
        twice = sorted({area.group for area in here.values()} & set(here))
        if twice:
            raise InputError(f"{path}: {image}: {twice[0]!r} is the name of an area and of a group; rename one")
    return areas


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse names that stand twice, of which JSON keeps the last."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{twice[0]!r} stands twice")
    return dict(pairs)


def _check_unit(area: Area) -> None:
    """Refuse an area whose numbers are shares of the picture."""
    numbers = area.corners if area.form == "polygon" else area.box
    if numbers.size and numbers.min() >= 0 and numbers.max() <= 1 and (numbers % 1 != 0).any():
        raise InputError(
            "it lies within the first pixel: were shares of the picture given? Areas are in its pixels, so multiply "
            "x by its width and y by its height"
        )


def area_text(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a file of areas as text, of what `Area.document` gives: an area a line, pictures and areas in order."""
    pictures = []
    for image, here in documents.items():
        lines = [f"  {_json(name)}: {_json(document)}" for name, document in here.items()]
        pictures.append(f" {_json(image)}: {{\n" + ",\n".join(lines) + "\n }" if lines else f" {_json(image)}: {{}}")
    return "{\n" + ",\n".join(pictures) + "\n}\n" if pictures else "{}\n"


def write_area_file(areas: Mapping[str, Mapping[str, Area]], path: str | Path) -> Path:
    """Write a file of areas, whole or not at all; mask pictures must be beside it already."""
    write_text(path, area_text({i: {n: area.document() for n, area in here.items()} for i, here in areas.items()}))
    return Path(path)


def with_groups(areas: Mapping[str, Area]) -> dict[str, Any]:
    """Return the tests for the inside of a picture's areas, and behind them those of its groups, by name."""
    tests: dict[str, Any] = {name: area.inside for name, area in areas.items()}
    for group in dict.fromkeys(area.group for area in areas.values() if area.group):
        tests[group] = _any_of([area for area in areas.values() if area.group == group])
    return tests


def in_polygon(corners: Floats, x: Floats, y: Floats) -> Bools:
    """Tell which places lie in a polygon of (x, y) corners; edges that touch count once."""
    odd = np.zeros(x.shape, dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 <= y) != (y2 <= y)
        odd ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd


def in_mask(mask: Mask, x: Floats, y: Floats) -> Bools:
    """Tell which places lie on true pixels of a mask, (height, width); a point belongs to the pixel that covers it."""
    height, width = mask.shape
    on = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    covered = np.zeros(x.shape, dtype=bool)
    covered[on] = mask[y[on].astype(np.int64), x[on].astype(np.int64)]
    return covered


def checked_corners(points: npt.ArrayLike) -> Floats:
    """Return the corners of a polygon as numbers, or raise an `InputError`."""
    corners = np.asarray(points, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise InputError(f"a polygon needs three or more corners (x, y); found shape {corners.shape}")
    return corners


def _within(x: Floats, y: Floats, start: Floats, end: Floats, radius: float) -> Bools:
    """Tell which places lie within a radius of the line between two points."""
    dx, dy = end - start
    length = dx * dx + dy * dy
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / length, 0, 1) if length > 0 else 0.0
    near = (x - start[0] - along * dx) ** 2 + (y - start[1] - along * dy) ** 2 <= radius**2
    return np.asarray(near)


def _any_of(areas: Sequence[Area]) -> Any:
    def inside(x: Floats, y: Floats) -> Bools:
        return np.asarray(np.any([area.inside(x, y) for area in areas], axis=0), dtype=bool)

    return inside


def _box(value: Any, form: str) -> Floats:
    box = _numbers(value, f"{form}: left, top, width and height")
    if box.shape != (4,) or not (box[2] > 0 and box[3] > 0):
        raise InputError(f"a {form} needs left, top, width and height, the last two above 0; found {value!r:.60}")
    return box


def _points(value: Any, what: str) -> Floats:
    points = _numbers(value, f"{what}: points (x, y)")
    if points.ndim != 2 or points.shape[1:] != (2,) or not len(points):
        raise InputError(f"{what} needs points (x, y); found shape {points.shape}")
    return points


def _strokes(value: Any) -> list[Stroke]:
    if not isinstance(value, list) or not value or not all(isinstance(stroke, dict) for stroke in value):
        raise InputError("a brush is a list of strokes: points, radius, and erases where it takes away")
    strokes = []
    for stroke in value:
        if set(stroke) - {"points", "radius", "erases"}:
            raise InputError(f"a stroke has points, radius and erases; found {', '.join(stroke)}")
        radius = _numbers(stroke.get("radius", []), "the radius of a stroke")
        if radius.ndim or not radius > 0:
            raise InputError(f"the radius of a stroke must be a number above 0; found {stroke.get('radius')!r:.60}")
        strokes.append(Stroke(_points(stroke.get("points"), "a stroke"), float(radius), bool(stroke.get("erases"))))
    if sum(len(stroke.points) for stroke in strokes) > _MOST_POINTS:
        raise InputError(f"a brush has at most {_MOST_POINTS} points")
    return strokes


def _numbers(value: Any, what: str) -> Floats:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what} must be numbers; found {value!r:.60}") from error
    if not np.isfinite(numbers).all() or (np.abs(numbers) > _FARTHEST).any() or numbers.size > 2 * _MOST_POINTS:
        raise InputError(f"{what} must be finite numbers of pixels; found {value!r:.60}")
    return numbers


def _mask(file: Path) -> Mask:
    file = existing_file(file, "mask picture")
    pixels, said = decode_as(file.read_bytes(), cv2.IMREAD_GRAYSCALE, str(file))
    if pixels is None:
        raise FormatError("; ".join([f"{file} is not a picture that can be read", *said]))
    return np.asarray(pixels) > 127


def _plain(numbers: Floats) -> Any:
    """Return numbers as JSON has them, whole ones without a point."""
    if numbers.ndim > 1:
        return [_plain(part) for part in numbers]
    return [int(n) if float(n).is_integer() else float(n) for n in numbers]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
