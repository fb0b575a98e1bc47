"""Lab Streaming Layer: gaze from a stream (inlet) and to one (outlet). Needs the extra ``lsl``."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from gazekit.capture.settings import TrackerSection
from gazekit.capture.simulation.scanpath import Scene
from gazekit.capture.tracker import Calibrator, Converter, Found, Put, joined
from gazekit.core.errors import MissingExtraError, TrackerError
from gazekit.session import TrackerInfo
from gazekit.session.samples import SAMPLE, TIME_SYNC, Block, empty_samples

_AXES = {2: ("x", "y"), 3: ("x", "y", "z")}
_UNITS = {"gaze": "normalised", "gaze_mm": "mm", "origin_mm": "mm", "pupil_mm": "mm"}
_LOOK_S = 3.0


def channels() -> list[tuple[str, str, int | None, str]]:
    """The channels of a gaze stream: label, field of `SAMPLE`, column in it, unit."""
    made: list[tuple[str, str, int | None, str]] = [("device_time_us", "device_time_us", None, "microseconds")]
    for name in (SAMPLE.names or ())[2:]:
        unit = _UNITS.get(name.partition("_")[2], "boolean")
        shape = SAMPLE[name].shape
        made += (
            [(f"{name}_{axis}", name, k, unit) for k, axis in enumerate(_AXES[shape[0]])]
            if shape
            else [(name, name, None, unit)]
        )
    return made


def pylsl() -> Any:
    """The library; a `MissingExtraError` where it is not installed, or its native part is not."""
    try:
        return importlib.import_module("pylsl")
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtraError("pylsl", "lsl") from error


def find_lsl() -> list[Found]:
    """The gaze streams on the network."""
    streams = pylsl().resolve_byprop("type", "Gaze", timeout=1.0)
    return [Found("lsl", s.name(), s.source_id(), s.name(), s.hostname()) for s in streams]


class Outlet:
    """A gaze stream with named channels, and a stream of markers apart; both with the tracker's stamps."""

    def __init__(self, info: TrackerInfo, participant: str) -> None:
        lsl = pylsl()
        self._channels = channels()
        source = info.serial or info.kind
        gaze = lsl.StreamInfo("gazekit", "Gaze", len(self._channels), info.rate_hz, lsl.cf_double64, source)
        described = gaze.desc().append_child("channels")
        for label, field, _, unit in self._channels:
            channel = described.append_child("channel")
            channel.append_child_value("label", label).append_child_value("unit", unit)
            channel.append_child_value("type", field)
        gaze.desc().append_child_value("manufacturer", info.kind).append_child_value("participant", participant)
        markers = lsl.StreamInfo("gazekit markers", "Markers", 1, 0, lsl.cf_string, f"{source} markers")
        self._gaze, self._markers = lsl.StreamOutlet(gaze), lsl.StreamOutlet(markers)
        self._offset_s = lsl.local_clock() - time.monotonic_ns() / 1e9

    def push(self, rows: Block) -> None:
        """Gaze, from the writer's thread."""
        columns = [rows[field] if column is None else rows[field][:, column] for _, field, column, _ in self._channels]
        values = np.stack(columns, axis=1).astype(np.float64)
        self._gaze.push_chunk(values.tolist(), [t / 1e6 + self._offset_s for t in rows["system_time_us"].tolist()])

    def mark_event(self, event: Mapping[str, Any]) -> None:
        """An event of the session as a marker, where it has a moment."""
        if "time_us" in event:
            self.mark(event["time_us"], f"{event['event']} {event.get('image', event.get('text', ''))}".strip())

    def mark(self, time_us: int, text: str) -> None:
        """A marker."""
        self._markers.push_sample([text], time_us / 1e6 + self._offset_s)


class LslTracker:
    """A gaze stream of somebody else (or of `Outlet`) as a tracker; ``[tracker] address`` is the stream's name.

    Raises
    ------
    TrackerError : no such stream, or its channels do not say what they are.
    """

    converters: Mapping[str, Converter] = {"gaze": joined, "time_sync": joined}

    def __init__(self, section: TrackerSection) -> None:
        self._lsl = pylsl()
        prop, value = ("name", section.address) if section.address else ("type", "Gaze")
        found = self._lsl.resolve_byprop(prop, value, timeout=_LOOK_S)
        if not found:
            raise TrackerError(f"no LSL stream with {prop} {value!r} within {_LOOK_S:g} s; is it being sent?")
        self._inlet = self._lsl.StreamInlet(found[0], max_buflen=60)
        stream = self._inlet.info(timeout=_LOOK_S)
        self._map = _channel_map(stream)
        self._info = TrackerInfo("lsl", stream.name(), stream.source_id(), "", float(stream.nominal_srate()), "")
        self._offset_us = time.monotonic_ns() / 1e3 - self._lsl.local_clock() * 1e6
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False

    @property
    def info(self) -> TrackerInfo:
        """What the stream says of itself."""
        return self._info

    def facts(self) -> dict[str, Any]:
        """The library."""
        return {"lsl_library": int(self._lsl.library_version())}

    def now_us(self) -> int:
        """The host's monotonic clock."""
        return time.monotonic_ns() // 1000

    def start(self, put: Put) -> None:
        """Open the stream; samples come from now on."""
        self._stop.clear()
        self._inlet.open_stream(timeout=_LOOK_S)
        self._thread = threading.Thread(target=self._run, args=(put,), name="lsl inlet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No sample comes after this."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Close the stream."""
        self.stop()
        self._inlet.close_stream()

    def watch(self, scene: Scene) -> None:
        """Whoever is there sees for themselves."""

    def calibrator(self, eyes: str) -> Calibrator | None:
        """A stream is calibrated by its sender."""
        return None

    def apply(self, blob: bytes) -> None:
        """A stream is calibrated by its sender."""
        raise TrackerError("an LSL stream cannot take a calibration; remove [calibration] reuse")

    def alive(self) -> bool:
        """False once the stream has broken for good."""
        return not self._failed

    def reconnect(self) -> bool:
        """liblsl itself finds a stream again that comes back; nothing to do here."""
        return self.alive()

    def _run(self, put: Put) -> None:
        shift, last = 0.0, 0.0
        while not self._stop.is_set():
            try:
                if time.monotonic() - last > 2.0:
                    shift, last = self._correct(put), time.monotonic()
                values, stamps = self._inlet.pull_chunk(timeout=0.02, max_samples=1024)
            except Exception:  # liblsl's LostError and what it throws on teardown: the stream is gone
                self._failed = not self._stop.is_set()
                return
            if stamps:
                put("gaze", self._rows(np.asarray(values, dtype=np.float64), np.asarray(stamps), shift))

    def _correct(self, put: Put) -> float:
        """The sender's clock against ours, seconds; kept as a row of the time-sync stream."""
        request = self.now_us()
        shift = float(self._inlet.time_correction(timeout=1.0))
        response = self.now_us()
        middle_s = (request + response) / 2e6 - self._offset_us / 1e6
        put("time_sync", np.array([(request, round((middle_s - shift) * 1e6), response)], dtype=TIME_SYNC))
        return shift

    def _rows(self, values: np.ndarray[Any, Any], stamps: np.ndarray[Any, Any], shift: float) -> Block:
        block = empty_samples(len(stamps))
        block["device_time_us"] = np.round(stamps * 1e6).astype(np.int64)
        block["system_time_us"] = np.round((stamps + shift) * 1e6 + self._offset_us).astype(np.int64)
        for channel, field, column in self._map:
            if column is None:
                block[field] = values[:, channel]
            else:
                block[field][:, column] = values[:, channel]
        labelled = {field for _, field, _ in self._map}
        for side in ("left", "right"):
            for verdict, field in (("valid", "gaze"), ("pupil_valid", "pupil_mm"), ("origin_valid", "origin_mm")):
                if f"{side}_{verdict}" not in labelled:
                    known = np.isfinite(block[f"{side}_{field}"])
                    block[f"{side}_{verdict}"] = known.all(axis=1) if known.ndim > 1 else known
        return block


def _channel_map(stream: Any) -> list[tuple[int, str, int | None]]:
    """Which channel is which column of a sample, by the labels in the stream's description."""
    known = {label: (field, column) for label, field, column, _ in channels() if label != "device_time_us"}
    found = []
    channel = stream.desc().child("channels").child("channel")
    labels = []
    for n in range(stream.channel_count()):
        label = channel.child_value("label")
        labels.append(label)
        if label in known:
            found.append((n, *known[label]))
        channel = channel.next_sibling()
    if not {"left_gaze", "right_gaze"} & {field for _, field, _ in found}:
        raise TrackerError(
            f"the LSL stream {stream.name()!r} does not say which channels hold the gaze: its labels are "
            f"{', '.join(labels) or 'none'}; expected left_gaze_x, left_gaze_y (0-1 on the display area) and so on"
        )
    return found
