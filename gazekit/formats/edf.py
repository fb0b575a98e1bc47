"""EyeLink EDF files, through SR Research's library as ``eyelinkio`` carries it (extra ``files``).

``eyelinkio`` is under the BSD licence, the library in it is SR Research's own. Times are seconds from the first sample.
The library prints, and may crash or never end where a file is damaged, so it works in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import FormatError, MissingExtraError
from gazekit.core.types import Floats, Labels
from gazekit.formats import eye_movements, eyelink
from gazekit.formats.columns import eye, point, recording, whole_us
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import LETTERS, Head
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "EyeLink EDF (needs the extra files)"
OWN_MESSAGES, BLOCKS = eyelink.OWN_MESSAGES, eyelink.BLOCKS
_LOST = 1e5  # SR's library writes 1e8 and -32768 where there is no gaze
_EVENTS = {"fixations": 1, "saccades": 2, "blinks": 5}
_SECONDS = (60.0, 1e-5)  # of a processor at least, and for each byte: a busy machine does not make a file damaged
_BUSY = 20  # times as long by the clock where the system counts the processor's time
_XCPU = getattr(signal, "SIGXCPU", 0)  # which ends a process that has had its time, where there is such a signal
Arrays = dict[str, npt.NDArray[Any]]


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    return head.start.startswith(b"SR_RESEARCH_")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of a file."""
    content = _read_apart(head.path)
    info, samples, seconds = json.loads(str(content["info"])), content["samples"], content["times"]
    stamps, words = content["message_times"], content["message_texts"]
    texts = [(float(t), str(word)) for t, word in zip(stamps, words, strict=True)]
    coords = next((match for _, text in texts if (match := eyelink.COORDS.search(text))), None)
    corner, sizes = eyelink.screen_of(coords.groups() if coords else None)
    draft = request.draft(
        head,
        sizes,
        tracker=TrackerInfo(
            kind="eyelink", model=str(info["camera"]), serial=str(info["serial"]), rate_hz=info["sfreq"]
        ),
        started_utc=str(info.get("meas_date") or ""),
    )
    for moment, text in texts:
        eyelink.note_message(round(moment * 1e6), re.sub(r"\s*\n\s*", " ", text).strip(), draft)
    time = whole_us(seconds, "s")
    draft.account.know("time", "s from the first sample", "format")
    draft.account.know("gaze", "pixels from the corner of GAZE_COORDS, y downward", "file")
    fields = list(info["sample_fields"])
    draft.account.rows, draft.account.taken = len(time), [name for name in fields if "pos" in name]
    draft.account.ignored = [name for name in fields if "pos" not in name]
    size = (draft.screen.width_px, draft.screen.height_px)
    single = "right" if "RIGHT" in str(info["eye"]) else "left"
    eyes = []
    for side in ("left", "right"):
        suffix = f"_{side}" if f"xpos_{side}" in fields else ""
        if not suffix and side != single:
            eyes.append(Eye.missing(len(time)))
            continue
        x, y = (samples[fields.index(f"{axis}pos{suffix}")].astype(np.float64) for axis in "xy")
        pupil = samples[fields.index(f"ps{suffix}")]
        lost = (np.abs(x) > _LOST) | (np.abs(y) > _LOST) | (x == -32768) | (pupil == 0)
        x[lost] = np.nan
        eyes.append(eye(point(x - corner[0], y - corner[1]) / size))
    label, number = _labels(content, seconds)
    missing = np.full(len(time), np.nan)
    movements = eye_movements.stream(label, number, missing, missing)
    yield Part(draft, recording(time, *eyes), {eye_movements.STREAM: movements})


def _labels(content: Arrays, seconds: Floats) -> tuple[Labels, Floats]:
    """Label samples by EyeLink's own events of the first eye."""
    label, number = np.zeros(len(seconds), dtype=np.int8), np.full(len(seconds), np.nan)
    for name, code in _EVENTS.items():
        rows = content[name]  # eye, start, end
        first = rows[rows[:, 0] == rows[:, 0].min()] if len(rows) else rows
        for n, (_, start, end) in enumerate(first):
            inside = slice(*np.searchsorted(seconds, (start - 1e-9, end + 1e-9)))
            label[inside], number[inside] = code, n
    return label, number


def _read_apart(path: Path) -> Arrays:
    """Read a file with SR's library in a process of its own."""
    if importlib.util.find_spec("eyelinkio") is None:
        raise MissingExtraError("eyelinkio, which reads EDF files", "files")
    patience = _SECONDS[0] + _SECONDS[1] * path.stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "content.npz"
        command = [sys.executable, "-X", "utf8", "-m", "gazekit.formats.edf", str(path.resolve()), str(arrays)]
        text: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}  # a library in C may print anything
        endless = FormatError(f"{path} is damaged: SR Research's library did not end in {patience:.0f} s")
        try:
            done = subprocess.run(
                [*command, str(math.ceil(patience))],
                capture_output=True,
                timeout=patience * (_BUSY if _XCPU else 1),
                check=False,
                cwd=folder,
                **text,
            )
        except subprocess.TimeoutExpired:
            raise endless from None
        if _XCPU and done.returncode == -_XCPU:
            raise endless
        if done.returncode or not arrays.is_file():
            why = done.stderr.strip().splitlines()[-1:] or [f"SR Research's library ended with {done.returncode}"]
            raise FormatError(f"{path} is damaged, or not EDF: {why[0]}")
        with np.load(arrays) as content:
            return dict(content)


def _convert(source: str, target: str) -> None:
    """Write what SR's library reads as plain arrays, on the tracker's clock.

    ``eyelinkio`` joins trials without the pauses between them (``_adjust_time``); here the clock stays as it was.
    """
    import eyelinkio

    clocks: list[Floats] = []
    module = sys.modules["eyelinkio.edf.read_edf"]
    setattr(module, "_adjust_time", lambda stamps, clock, joined: clocks.append(np.array(clock)))  # noqa: B010
    content = eyelinkio.read_edf(source)
    if not clocks or len(clocks[0]) != len(content["times"]):
        raise RuntimeError("this version of eyelinkio hands over no time stamps; take 0.3")
    ms = clocks[0]
    seconds = (ms - ms[0]) / 1000
    seconds[1:] += 0.0005 * (np.diff(ms) == 0)  # 2000 Hz in whole milliseconds
    names = ("camera", "serial", "sfreq", "eye", "meas_date", "sample_fields")
    info = {name: content["info"].get(name) for name in names}
    messages = content["discrete"]["messages"]
    events = {}
    for name in _EVENTS:
        rows = content["discrete"][name]
        moments = [(rows[field].astype(float) - ms[0]) / 1000 for field in ("stime", "etime")]
        events[name] = np.stack([rows["eye"].astype(float), *moments], axis=1)
    arrays: dict[str, Any] = dict(
        events,
        info=np.array(json.dumps(info, default=str)),
        samples=np.asarray(content["samples"], dtype=np.float64),
        times=seconds,
        message_times=(messages["stime"].astype(float) - ms[0]) / 1000,
        message_texts=np.array([text.decode("utf-8", LETTERS) for text in messages["msg"]], dtype=str),
    )
    np.savez(target, **arrays)


def _allow(seconds: int) -> None:
    """Have the system end this process when it has had so many seconds of a processor, where it can."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))


if __name__ == "__main__":
    _allow(int(sys.argv[3]))
    _convert(sys.argv[1], sys.argv[2])
