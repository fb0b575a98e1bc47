"""Lab Streaming Layer: gaze from a stream (inlet) and to one (outlet). Needs the extra ``lsl``."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from gazekit.capture.tracker import Converter, FoundTracker, Put, ThreadedTracker, TrackerGone, TrackerSetup, joined
from gazekit.core.errors import MissingExtraError, TrackerError
from gazekit.core.types import Floats
from gazekit.session import TrackerInfo
from gazekit.session.events import Event, event_to_json
from gazekit.session.samples import SAMPLE, TIME_SYNC, Block, empty_samples

_AXES = {2: ("x", "y"), 3: ("x", "y", "z")}
_UNITS = {"gaze": "normalised", "gaze_mm": "mm", "origin_mm": "mm", "pupil_mm": "mm"}
_LOOK_S = 3.0


def channels() -> list[tuple[str, str, int | None, str]]:
    """List the channels of a gaze stream: label, field of `SAMPLE`, column in it, unit."""
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
    """Import the library; a `MissingExtraError` where it or its native part is not installed.

    It tells of warnings and errors alone, unless a lab has a file of settings for it, which holds then.
    """
    try:
        library = importlib.import_module("pylsl")
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtraError("pylsl", "lsl") from error
    folders = ("", "~/lsl_api", f"{os.sep}etc/lsl_api")
    places = [os.path.expanduser(os.path.join(folder, "lsl_api.cfg")) for folder in folders]
    if not any(os.path.isfile(place) for place in (os.environ.get("LSLAPICFG", ""), *places)):
        with contextlib.suppress(AttributeError, RuntimeError):  # liblsl before 1.16.1
            library.set_config_content("[log]\nlevel = -1\n")
    return library


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
        """Send gaze; called by the writer's thread."""
        columns = [rows[field] if column is None else rows[field][:, column] for _, field, column, _ in self._channels]
        values = np.stack(columns, axis=1).astype(np.float64)
        self._gaze.push_chunk(values.tolist(), [t / 1e6 + self._offset_s for t in rows["system_time_us"].tolist()])

    def mark_event(self, event: Event) -> None:
        """Send an event of the session as a marker, where it has a moment."""
        fields = event_to_json(event)
        if "time_us" in fields:
            self.mark(fields["time_us"], f"{fields['event']} {fields.get('image', fields.get('text', ''))}".strip())

    def mark(self, time_us: int, text: str) -> None:
        """Send a marker."""
        self._markers.push_sample([text], time_us / 1e6 + self._offset_s)


class LslTracker(ThreadedTracker):
    """A gaze stream of somebody else (or of `Outlet`) as a tracker; ``[tracker] address`` is the stream's name.

    Raises
    ------
    TrackerError
        No such stream, or its channels do not say what they are.
    """

    converters: Mapping[str, Converter] = {"gaze": joined, "time_sync": joined}
    pause_s = 0.0  # the inlet waits

    def __init__(self, setup: TrackerSetup) -> None:
        super().__init__()
        self._lsl = pylsl()
        self._wanted = ("name", setup.section.address) if setup.section.address else ("type", "Gaze")
        self._inlet, stream = self._connect()
        self._map = _channel_map(stream)
        self._info = _info_of(stream)
        wanted = setup.section.rate_hz
        if wanted and self._info.rate_hz and wanted != self._info.rate_hz:
            raise TrackerError(
                f"the LSL stream {stream.name()!r} comes at {self._info.rate_hz:g} Hz, [tracker] rate_hz is "
                f"{wanted:g}: set its sender, or take rate_hz out"
            )
        self._offset_us = time.monotonic_ns() / 1e3 - self._lsl.local_clock() * 1e6
        self._shift_s = self._corrected_s = 0.0

    @classmethod
    def open(cls, setup: TrackerSetup) -> LslTracker:
        """Look for the stream."""
        return cls(setup)

    @classmethod
    def find(cls) -> list[FoundTracker]:
        """Find the gaze streams on the network (a second)."""
        streams = pylsl().resolve_byprop("type", "Gaze", timeout=1.0)
        return [FoundTracker("lsl", s.name(), s.source_id(), s.name(), s.hostname()) for s in streams]

    @property
    def info(self) -> TrackerInfo:
        """What the stream says of itself."""
        return self._info

    def facts(self) -> dict[str, Any]:
        """Return the version of the library."""
        return {"lsl_library": int(self._lsl.library_version())}

    def start(self, put: Put) -> None:
        """Open the stream; samples come from now on."""
        self._inlet.open_stream(timeout=_LOOK_S)
        self._shift_s = self._corrected_s = 0.0
        super().start(put)

    def close(self) -> None:
        """Close the stream."""
        self.stop()
        self._inlet.close_stream()

    def reconnect(self) -> bool:
        """Look for the stream again, under the same name; return whether it is there."""
        put = self._put
        self.stop()
        try:
            self._inlet, stream = self._connect()
            self._map = _channel_map(stream)
            self._insist_on_rate(_info_of(stream).rate_hz)
            if put is not None:
                self.start(put)
        except Exception as error:  # of liblsl as well: it is not back yet
            if isinstance(error, TrackerError) and not isinstance(error, TrackerGone):
                raise  # it is back, and another
            self._put = put
            return False
        return True

    def _insist_on_rate(self, now_hz: float) -> None:
        if now_hz != self._info.rate_hz:
            raise TrackerError(
                f"the LSL stream is back with {now_hz:g} Hz instead of {self._info.rate_hz:g}; "
                "set its sender as before and go on with --resume"
            )

    def deliver(self, put: Put) -> bool:
        """Wait up to 20 ms for samples; compare the clocks every two seconds."""
        if time.monotonic() - self._corrected_s > 2.0:
            self._shift_s, self._corrected_s = self._correct(put), time.monotonic()
        values, stamps = self._inlet.pull_chunk(timeout=0.02, max_samples=1024)
        if stamps:
            put("gaze", self._rows(np.asarray(values, dtype=np.float64), np.asarray(stamps), self._shift_s))
        return True

    def _connect(self) -> tuple[Any, Any]:
        prop, value = self._wanted
        streams = self._lsl.resolve_byprop(prop, value, timeout=_LOOK_S)
        if not streams:
            raise TrackerGone(f"no LSL stream with {prop} {value!r} within {_LOOK_S:g} s; is it being sent?")
        # a stream that is lost is looked for again here, so that its loss is noticed and said
        inlet = self._lsl.StreamInlet(streams[0], max_buflen=60, recover=False)
        return inlet, inlet.info(timeout=_LOOK_S)

    def _correct(self, put: Put) -> float:
        """Compare the sender's clock with ours, seconds; a row of the time-sync stream keeps it."""
        request = self.now_us()
        shift = float(self._inlet.time_correction(timeout=1.0))
        response = self.now_us()
        middle_s = (request + response) / 2e6 - self._offset_us / 1e6
        put("time_sync", np.array([(request, round((middle_s - shift) * 1e6), response)], dtype=TIME_SYNC))
        return shift

    def _rows(self, values: Floats, stamps: Floats, shift_s: float) -> Block:
        block = empty_samples(len(stamps))
        block["device_time_us"] = np.round(stamps * 1e6).astype(np.int64)
        block["system_time_us"] = np.round((stamps + shift_s) * 1e6 + self._offset_us).astype(np.int64)
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


def _info_of(stream: Any) -> TrackerInfo:
    return TrackerInfo("lsl", stream.name(), stream.source_id(), "", float(stream.nominal_srate()), "")


def _channel_map(stream: Any) -> list[tuple[int, str, int | None]]:
    """Return which channel is which column of a sample, by the labels in the stream's description."""
    known = {label: (field, column) for label, field, column, _ in channels() if label != "device_time_us"}
    matched = []
    channel = stream.desc().child("channels").child("channel")
    labels = []
    for n in range(stream.channel_count()):
        label = channel.child_value("label")
        labels.append(label)
        if label in known:
            matched.append((n, *known[label]))
        channel = channel.next_sibling()
    if not {"left_gaze", "right_gaze"} & {field for _, field, _ in matched}:
        raise TrackerError(
            f"the LSL stream {stream.name()!r} does not say which channels hold the gaze: its labels are "
            f"{', '.join(labels) or 'none'}; expected left_gaze_x, left_gaze_y (0-1 on the display area) and so on"
        )
    return matched
