"""XDF of LabRecorder, through ``pyxdf`` (extra ``files``): a gaze stream of the Lab Streaming Layer, and its markers.

A stream is of gaze where its type is Gaze, or its channels name an x and a y. Channels say their unit (``px``,
``normalized``, ...), or their numbers do. Streams of text are messages. Times are seconds of one clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gazekit.core.errors import FormatError, MissingExtraError
from gazekit.core.types import Floats
from gazekit.formats.columns import diameter, eye, point, recording, whole_us
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import Head
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "XDF of LabRecorder (needs the extra files)"
_SIDES = ("left", "right")


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    return head.start.startswith(b"XDF:")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the gaze of every stream that has some; the screen must be given."""
    try:
        import pyxdf
    except ImportError:
        raise MissingExtraError("pyxdf, which reads XDF files", "files") from None
    streams, _ = pyxdf.load_xdf(str(head.path), verbose=False)
    gazes = [(stream, labels) for stream in streams if _places(labels := _labels(stream))]
    if not gazes:
        names = ", ".join(stream["info"]["name"][0] for stream in streams) or "none"
        raise FormatError(f"{head.path} holds no stream of gaze; its streams: {names}")
    messages = [
        (round(float(t) * 1e6), str(row[0]))
        for stream in streams
        if stream["info"]["channel_format"][0] == "string"
        for t, row in zip(stream["time_stamps"], stream["time_series"], strict=True)
    ]
    for stream, labels in gazes:
        if len(stream["time_stamps"]):
            yield _part(head, request, stream, labels, messages, many=len(gazes) > 1)


def _labels(stream: Any) -> list[tuple[str, str]]:
    """Return the label and the unit of each channel, in lower case."""
    description = (stream["info"].get("desc") or [None])[0] or {}
    channels = (description.get("channels") or [None])[0] or {}
    texts = [
        [str((channel.get(name) or [""])[0] or "").lower() for name in ("label", "unit")]
        for channel in channels.get("channel", [])
    ]
    return [(label, unit) for label, unit in texts]


def _places(labels: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Find the channels of x and y of each eye; of one gaze without a side under ``left``."""
    gaze = {
        n: re.split(r"[^a-z0-9]+", label)
        for n, (label, _) in enumerate(labels)
        if not re.search(r"pupil|origin|user|mm|3d|_z\b|valid|openness|time", label)
    }
    places = {}
    for side in (*_SIDES, ""):
        pair = [
            next(
                (
                    n
                    for n, words in gaze.items()
                    if axis in words and (side in words if side else not set(_SIDES) & set(words))
                ),
                None,
            )
            for axis in "xy"
        ]
        if pair[0] is not None and pair[1] is not None:
            places[side or "left"] = (pair[0], pair[1])
    return places


def _part(
    head: Head,
    request: Request,
    stream: Any,
    labels: list[tuple[str, str]],
    messages: list[tuple[int, str]],
    *,
    many: bool,
) -> Part:
    info = stream["info"]
    series = np.asarray(stream["time_series"], dtype=np.float64)
    time = whole_us(np.asarray(stream["time_stamps"], dtype=np.float64), "s")
    draft = request.draft(
        head,
        name=info["name"][0] if many else "",
        tracker=TrackerInfo(kind="lsl", model=info["name"][0], serial=(info.get("source_id") or [""])[0] or ""),
        messages=messages,
        many=many,
    )
    places = _places(labels)
    draft.account.know("time", "s", "format")
    draft.account.rows = len(time)
    taken = sorted({n for pair in places.values() for n in pair})
    draft.account.taken = [labels[n][0] for n in taken]
    draft.account.ignored = [label for n, (label, _) in enumerate(labels) if n not in taken]
    scale = _scale(draft, series[:, taken], [labels[n][1] for n in taken])
    eyes = [_eye(series, places.get(side), scale, _pupil(labels, series, side)) for side in _SIDES]
    return Part(draft, recording(time, *eyes))


def _scale(draft: Draft, values: Floats, units: list[str]) -> tuple[float, float]:
    """Find what stands for the whole screen: 1 where gaze is in shares of it."""
    named_unit = next((unit for unit in units if unit), "")
    reach = float(np.nanquantile(np.abs(values), 0.98)) if np.isfinite(values).any() else 0.0
    shares = named_unit.startswith(("norm", "display", "share", "adcs", "au")) or (
        not named_unit.startswith("p") and reach <= 2
    )
    unit = "shares" if shares else "pixels"
    draft.account.know("gaze", f"{unit} of the screen from its top left, y downward", "file" if named_unit else "guess")
    return (1.0, 1.0) if shares else (float(draft.screen.width_px), float(draft.screen.height_px))


def _eye(series: Floats, pair: tuple[int, int] | None, scale: tuple[float, float], pupil: Floats | None) -> Eye:
    if pair is None:
        return Eye.missing(len(series))
    gaze = point(series[:, pair[0]] / scale[0], series[:, pair[1]] / scale[1], missing=[(0.0, 0.0), (-1.0, -1.0)])
    return eye(gaze, pupil_mm=pupil)


def _pupil(labels: list[tuple[str, str]], series: Floats, side: str) -> Floats | None:
    at = next(
        (n for n, (label, unit) in enumerate(labels) if "pupil" in label and side in label and unit in ("mm", "")), None
    )
    return None if at is None else diameter(series[:, at])
