"""Pupil Labs exports: Pupil Core (Pupil Player) and Neon or Invisible (Pupil Cloud), file by file.

- Core ``gaze_positions_on_surface_<name>.csv``: shares of a surface from its bottom left; the surface is the screen.
- Core ``gaze_positions.csv``: shares of the scene camera's picture from its bottom left (Pupil Core documentation).
- Cloud Marker Mapper ``gaze.csv``: shares of a surface from its top left (Pupil Cloud documentation, Marker Mapper).
- Cloud ``gaze.csv`` of a recording: pixels of the scene camera's picture from its top left.

Where the gaze is in the scene camera's picture, that picture stands for the screen. One gaze of both eyes is kept as
the left eye. Pupil diameters are taken from ``pupil_positions.csv`` or ``3d_eye_states.csv`` beside the file, messages
from ``events.csv`` or ``annotations.csv``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.tables import read_table
from gazekit.core.types import Bools, Floats, Index
from gazekit.formats import eye_movements
from gazekit.formats.columns import diameter, eye, point, recording, whole_us
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Batch, Head, TextTable
from gazekit.session.model import TrackerInfo

TITLE = "Pupil Labs exports: Core surface and gaze positions, Cloud gaze.csv"
_NS = "timestamp [ns]"
_CONFIDENT = 0.6  # below it Pupil Player holds a gaze for unreliable


@dataclass(frozen=True)
class _Kind:
    """One of the layouts."""

    time: str
    x: str
    y: str
    model: str
    up: bool = False
    pixels: bool = False
    scene: bool = False


_KINDS = (
    _Kind("gaze_timestamp", "x_norm", "y_norm", "Pupil Core", up=True),
    _Kind("gaze_timestamp", "norm_pos_x", "norm_pos_y", "Pupil Core", up=True, scene=True),
    _Kind(_NS, "gaze position on surface x [normalized]", "gaze position on surface y [normalized]", "Pupil Cloud"),
    _Kind(_NS, "gaze x [px]", "gaze y [px]", "Pupil Cloud", pixels=True, scene=True),
)


def looks_like(head: Head) -> bool:
    """Tell whether a file has one of the layouts."""
    return _kind(head) is not None


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one file; the screen (or the scene camera's picture) must be given."""
    kind = _kind(head)
    assert kind is not None
    table = TextTable(head, strict=request.strict)
    pupils, (events, messages) = _pupils(head.path), _messages(head.path)
    draft = request.draft(
        head,
        tracker=TrackerInfo(kind="pupil labs", model=kind.model),
        inputs=[head.path, *sorted({*(path for path, *_ in pupils.values()), *events})],
        messages=messages,
    )
    screen = draft.screen
    draft.account.know("time", "ns" if kind.time == _NS else "s", "format")
    unit = "pixels" if kind.pixels else "shares"
    origin = "bottom left, y upward" if kind.up else "top left, y downward"
    draft.account.know(
        "gaze", f"{unit} of the {'scene video' if kind.scene else 'surface'} from its {origin}", "format"
    )
    for what, paths, usual in (
        ("pupils", {path.name for path, *_ in pupils.values()}, "3d_eye_states.csv or pupil_positions.csv"),
        ("messages", {path.name for path in events}, "events.csv or annotations.csv"),
    ):
        said = ", ".join(sorted(paths)) or f"none: no {usual} stands beside the file"
        draft.account.know(what, said, "file" if paths else "format")
    for batch in table.batches(_types(kind)):
        time = batch.integers(_NS) // 1000 if kind.time == _NS else whole_us(batch.numbers(kind.time), "s")
        x, y = batch.numbers(kind.x), batch.numbers(kind.y)
        gaze = point(x, 1 - y if kind.up else y)
        gaze = gaze / (screen.width_px, screen.height_px) if kind.pixels else gaze
        left, right = (_diameters(pupils.get(side), time) for side in ("left", "right"))
        eyes = (eye(gaze, valid=_valid(batch), pupil_mm=left), eye(np.full((len(batch), 2), np.nan), pupil_mm=right))
        labelled = "fixation id" in batch or "blink id" in batch
        streams = {eye_movements.STREAM: _movements(batch)} if labelled else {}
        yield Part(draft, recording(time, *eyes), streams)
    if kind.scene:
        draft.notes.append("gaze is in the scene camera's picture, which stands for the screen")
    table.describe(draft.account)
    draft.notes += table.notes()


def _kind(head: Head) -> _Kind | None:
    return next((kind for kind in _KINDS if head.has(kind.time, kind.x, kind.y)), None)


def _types(kind: _Kind) -> dict[str, str]:
    numbers = dict.fromkeys([kind.x, kind.y, "confidence", "fixation id", "blink id", "worn"], "number")
    return {kind.time: "integer" if kind.time == _NS else "number", **numbers}


def _valid(batch: Batch) -> Bools | None:
    if "confidence" in batch:
        return batch.numbers("confidence") >= _CONFIDENT
    if "worn" in batch:
        return batch.numbers("worn") > 0
    return None


def _movements(batch: Batch) -> pd.DataFrame:
    fixation, blink = batch.numbers("fixation id"), batch.numbers("blink id")
    label = np.where(np.isfinite(blink), 5, np.where(np.isfinite(fixation), 1, 0)).astype(np.int8)
    missing = np.full(len(batch), np.nan)
    return eye_movements.stream(label, np.where(np.isfinite(blink), blink, fixation), missing, missing)


_Pupil = tuple[Path, Index, Floats]


def _pupils(gaze: Path) -> Mapping[str, _Pupil]:
    """Read time stamps (us) and diameters (mm) of each eye from the file beside (or above) that has them."""
    core = next((p for folder in gaze.parents[:2] if (p := folder / "pupil_positions.csv").is_file()), None)
    states = next(_beside(gaze, "3d_eye_states.csv"), None)
    if core is not None:
        return _core_pupils(core)
    return _cloud_pupils(states) if states is not None else {}


def _beside(gaze: Path, name: str) -> Iterator[Path]:
    """Yield the files of that name beside the gaze, or named as it is where it was renamed (``p01_gaze.csv``)."""
    renamed = gaze.name.replace("gaze", Path(name).stem)
    for path in dict.fromkeys((gaze.with_name(name), gaze.with_name(renamed))):
        if path.is_file() and path != gaze:
            yield path


def _messages(gaze: Path) -> tuple[list[Path], list[tuple[int, str]]]:
    """Read the events of Cloud (``events.csv``) or the annotations of Core that stand beside the gaze, or above it."""
    for name, time, text in (("events.csv", _NS, "name"), ("annotations.csv", "timestamp", "label")):
        for path in (*_beside(gaze, name), gaze.parent.parent / name):
            if path.is_file() and Head.of(path).has(time, text):
                table = read_table(path, [time, text])
                stamps = (int(t) // 1000 if time == _NS else round(float(t) * 1e6) for t in table[time])
                return [path], list(zip(stamps, table[text].astype(str), strict=True))
    return [], []


def _core_pupils(path: Path) -> dict[str, _Pupil]:
    kinds = dict.fromkeys(("pupil_timestamp", "eye_id", "diameter_3d", "confidence"), "number")
    columns = _whole(path, kinds)
    if "diameter_3d" not in columns:
        return {}
    pupils = {}
    for number, side in ((1, "left"), (0, "right")):  # eye 0 is the right one
        rows = (columns["eye_id"] == number) & (columns["diameter_3d"] > 0)
        time = whole_us(columns["pupil_timestamp"][rows], "s")
        pupils[side] = (path, time, diameter(columns["diameter_3d"][rows]))
    return pupils


def _cloud_pupils(path: Path) -> dict[str, _Pupil]:
    names = {side: f"pupil diameter {side} [mm]" for side in ("left", "right")}
    columns = _whole(path, {_NS: "integer", **dict.fromkeys(names.values(), "number")})
    return {
        side: (path, columns[_NS] // 1000, diameter(columns[name])) for side, name in names.items() if name in columns
    }


def _whole(path: Path, kinds: dict[str, str]) -> dict[str, npt.NDArray[Any]]:
    table = TextTable(Head.of(path))
    batches = list(table.batches(kinds))
    return {
        name: np.concatenate([b.integers(name) if kind == "integer" else b.numbers(name) for b in batches])
        for name, kind in kinds.items()
        if name in table.names
    }


def _diameters(pupil: _Pupil | None, time: Index) -> Floats | None:
    """Find the diameter nearest in time to each sample, where one is within 20 ms."""
    if pupil is None or not len(pupil[1]):
        return None
    _, stamps, values = pupil
    order = np.argsort(stamps, kind="stable")
    stamps, values = stamps[order], values[order]
    after = np.clip(np.searchsorted(stamps, time), 1, len(stamps) - 1) if len(stamps) > 1 else np.zeros(len(time), int)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(stamps[before] - time) <= np.abs(stamps[after] - time), before, after)
    return np.where(np.abs(stamps[nearest] - time) <= 20_000, values[nearest], np.nan)
