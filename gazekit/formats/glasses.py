"""Glasses as they record: Tobii Pro Glasses 2 and 3, Pupil Labs Neon (folders of a recording).

Gaze is in the scene video, which stands for the screen: what people looked at in it is not known. Glasses 3:
``gazedata.gz`` and ``eventdata.gz``, JSON lines in seconds; Glasses 2: ``livedata.json.gz``, JSON lines in
microseconds; both in shares of the video. Neon: ``gaze ps1.raw`` (pixels, float32) with ``gaze ps1.time`` (ns), part
after part, and ``event.txt`` with ``event.time``.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.core.errors import FormatError
from gazekit.core.types import Floats, Index
from gazekit.formats.columns import diameter, eye, point, recording
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import Head
from gazekit.session.model import TrackerInfo

TITLE = "glasses: Tobii Pro Glasses 2 and 3, Pupil Labs Neon (a recording's folder)"
_NEON = re.compile(r"gaze ps(\d+)\.raw")
_GLASSES_2 = "livedata.json.gz"
_SCENE = {"Tobii Pro Glasses 2": (1920.0, 1080.0), "Tobii Pro Glasses 3": (1920.0, 1080.0), "Neon": (1600.0, 1200.0)}


def looks_like(head: Head) -> bool:
    """Tell whether a folder is such a recording."""
    top = {name for name in head.names if "/" not in name}
    second = any(name == _GLASSES_2 or re.fullmatch(r"segments/\d+/livedata\.json\.gz", name) for name in head.names)
    return "gazedata.gz" in top or second or any(map(_NEON.fullmatch, top))


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of a recording; the scene video's size in millimetres and its distance must be given."""
    if "gazedata.gz" in head.names:
        yield _glasses_3(head, request)
    elif any(name.endswith(_GLASSES_2) for name in head.names):
        yield _glasses_2(head, request)
    else:
        yield _neon(head, request)


def _draft(head: Head, request: Request, model: str, who: str, files: Sequence[str]) -> Draft:
    pixels = (
        {}
        if {"width_px", "height_px"} & set(request.screen)
        else dict(zip(("width_px", "height_px"), _SCENE[model], strict=True))
    )
    draft = request.draft(
        head,
        pixels,
        who,
        tracker=TrackerInfo(kind="pupil labs" if model == "Neon" else "tobii", model=model),
        inputs=sorted(head.path / name for name in files),
    )
    draft.account.know("gaze", "the scene video, which stands for the screen, from its top left, y downward", "format")
    draft.notes.append("gaze is in the scene camera's picture, which stands for the screen")
    return draft


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.strip():
                document = json.loads(line)
                if isinstance(document, dict):
                    yield document


def _glasses_3(head: Head, request: Request) -> Part:
    who = ""
    if "meta/participant" in head.names:
        who = str(json.loads((head.path / "meta/participant").read_text("utf-8")).get("name", ""))
    files = [name for name in ("gazedata.gz", "eventdata.gz", "meta/participant") if name in head.names]
    draft = _draft(head, request, "Tobii Pro Glasses 3", who, files)
    rows = [row for row in _json_lines(head.path / "gazedata.gz") if row.get("type") == "gaze"]
    if not rows:
        raise FormatError(f"{head.path / 'gazedata.gz'} holds no gaze")
    time = np.array([round(float(row["timestamp"]) * 1e6) for row in rows], dtype=np.int64)
    data = [row.get("data") or {} for row in rows]
    gaze = np.array([d.get("gaze2d") or (np.nan, np.nan) for d in data], dtype=np.float64)
    pupils = [
        np.array([(d.get(name) or {}).get("pupildiameter", np.nan) for d in data], dtype=np.float64)
        for name in ("eyeleft", "eyeright")
    ]
    if "eventdata.gz" in head.names:
        for row in _json_lines(head.path / "eventdata.gz"):
            tag = (row.get("data") or {}).get("tag") or row.get("type", "")
            draft.messages.append((round(float(row["timestamp"]) * 1e6), str(tag)))
    draft.account.taken = ["timestamp", "gaze2d", "pupildiameter"]
    return _part(draft, time, gaze, pupils, "s")


def _glasses_2(head: Head, request: Request) -> Part:
    files = [name for name in head.names if name.endswith(_GLASSES_2)]
    draft = _draft(head, request, "Tobii Pro Glasses 2", "", files)
    gaze: dict[int, list[float]] = {}
    pupil: dict[str, list[tuple[int, float]]] = {"left": [], "right": []}
    for name in sorted(files):
        for row in _json_lines(head.path / name):
            stamp = int(row["ts"])
            if "gp" in row:
                gaze[stamp] = list(row["gp"]) if row.get("s", 0) == 0 else [np.nan, np.nan]
            elif "pd" in row and row.get("eye") in pupil and row.get("s", 0) == 0:
                pupil[row["eye"]].append((stamp, float(row["pd"])))
            elif "type" in row and "tag" in row:
                draft.messages.append((stamp, f"{row['type']}: {row['tag']}"))
    if not gaze:
        raise FormatError(f"{head.path} holds no gaze (gp)")
    time = np.array(sorted(gaze), dtype=np.int64)
    points = np.array([gaze[int(t)] for t in time], dtype=np.float64)
    draft.account.taken = ["ts", "gp", "pd"]
    return _part(draft, time, points, [_nearest(pupil[side], time) for side in ("left", "right")], "us")


def _nearest(values: list[tuple[int, float]], time: Index) -> Floats:
    """Return the value that stands nearest to each stamp, at most half a sample of 50 Hz away."""
    if not values:
        return np.full(len(time), np.nan)
    stamps, numbers = np.array(sorted(values), dtype=np.float64).T
    at = np.clip(np.searchsorted(stamps, time), 1, max(len(stamps) - 1, 1))
    at = np.minimum(at, len(stamps) - 1)
    before = np.maximum(at - 1, 0)
    near = np.where(np.abs(stamps[before] - time) <= np.abs(stamps[at] - time), before, at)
    return np.where(np.abs(stamps[near] - time) <= 10_000, numbers[near], np.nan)


def _neon(head: Head, request: Request) -> Part:
    numbers = sorted(int(match[1]) for name in head.names if (match := _NEON.fullmatch(name)))
    stems = [f"gaze ps{n}" for n in numbers]
    files = [f"{stem}.{end}" for stem in stems for end in ("raw", "time")]
    extra = [name for name in ("event.txt", "event.time", "info.json", "wearer.json") if name in head.names]
    absent = [name for name in files if name not in head.names]
    if absent:
        raise FormatError(f"{head.path} lacks {', '.join(absent)}")
    who = ""
    if "wearer.json" in head.names:
        who = str(json.loads((head.path / "wearer.json").read_text("utf-8")).get("name", ""))
    draft = _draft(head, request, "Neon", who, [*files, *extra])
    points, stamps = [], []
    for stem in stems:
        raw = np.fromfile(head.path / f"{stem}.raw", dtype="<f4").astype(np.float64)
        time = np.fromfile(head.path / f"{stem}.time", dtype="<i8")
        if len(raw) != 2 * len(time):
            raise FormatError(
                f"{head.path / stem}: {len(raw) / 2:g} points with {len(time)} stamps; the files do not match"
            )
        points.append(raw.reshape(-1, 2))
        stamps.append(time // 1000)
    if {"event.txt", "event.time"} <= set(head.names):
        words = (head.path / "event.txt").read_text("utf-8", "replace").splitlines()
        times = np.fromfile(head.path / "event.time", dtype="<i8") // 1000
        draft.messages = [(int(t), word) for t, word in zip(times, words, strict=False)]
    gaze = np.concatenate(points) / (draft.screen.width_px, draft.screen.height_px)
    draft.account.taken = ["gaze x", "gaze y", "time"]
    missing = np.full(len(gaze), np.nan)
    return _part(draft, np.concatenate(stamps), gaze, [missing, missing], "ns")


def _part(draft: Draft, time: Index, gaze: Floats, pupils: list[Floats], unit: str) -> Part:
    draft.account.know("time", unit, "format")
    draft.account.rows = len(time)
    left = eye(point(gaze[:, 0], gaze[:, 1]), pupil_mm=diameter(pupils[0]))
    right = eye(np.full((len(time), 2), np.nan), pupil_mm=diameter(pupils[1]))
    return Part(draft, recording(time, left, right))
