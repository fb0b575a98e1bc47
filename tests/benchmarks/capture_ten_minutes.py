"""One recording with the window and LSL on, measured from inside; prints JSON. Run by test_capture_bars.py."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from gazekit.capture import record
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.session import open_session
from gazekit.study import read_study

_WARM_S = 20.0


class Watch:
    """Times of the callback, memory, and the writer's share of a core."""

    def __init__(self) -> None:
        self.callback_us = np.zeros(100_000, dtype=np.int64)
        self.rss_mb: list[float] = []
        self.recorder: Recorder | None = None
        self.start = time.monotonic()
        self.cpu: list[tuple[float, float]] = []

    def __call__(self, recorder: Recorder, state: State) -> None:
        inner, counts = recorder.put, self.callback_us

        def put(stream: str, item: Any) -> None:
            before = time.perf_counter_ns()
            inner(stream, item)
            counts[min((time.perf_counter_ns() - before) // 1000, 99_999)] += 1

        recorder.put = put  # type: ignore[method-assign]
        self.recorder = recorder
        threading.Thread(target=self._look, args=(state,), daemon=True).start()

    def _look(self, state: State) -> None:
        process = psutil.Process()
        while state.phase != "writing the session file":
            time.sleep(1.0)
            if state.phase == "writing the session file":
                return
            if time.monotonic() - self.start > _WARM_S and self.recorder is not None:
                self.rss_mb.append(process.memory_info().rss / 1e6)
                self.cpu.append((time.monotonic(), self.recorder.writer_cpu_s))

    def percentile_us(self, share: float) -> int:
        sums = np.cumsum(self.callback_us)
        return int(np.searchsorted(sums, share * sums[-1])) + 1


def main(study: str, out: str) -> None:
    """Record, then look at the session file."""
    watch = Watch()
    path = record(read_study(study), "P01", out, realtime=True, headless=False, watch=watch)
    assert watch.recorder is not None
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before all of it is read back
    session = open_session(path)
    steps = np.diff(session.recording.device_time_us)
    (t0, c0), (t1, c1) = watch.cpu[0], watch.cpu[-1]
    print(
        json.dumps(
            {
                "samples": len(session.recording),
                "seconds": float(np.ptp(session.recording.device_time_us)) / 1e6,
                "pictures": len(session.stimuli),
                "missing": int(session.streams["gaps"]["missing"].sum()),
                "out_of_order": int((steps <= 0).sum()),
                "callbacks": int(watch.callback_us.sum()),
                "callback_p95_us": watch.percentile_us(0.95),
                "callback_p99_us": watch.percentile_us(0.99),
                "writer_percent_of_core": 100 * (c1 - c0) / (t1 - t0),
                "memory_spread_mb": max(watch.rss_mb) - min(watch.rss_mb),
                "memory_mb": [round(v) for v in watch.rss_mb[:: max(1, len(watch.rss_mb) // 20)]],
                "memory_peak_with_file_making_mb": peak_mb,
                "session_mb": Path(path).stat().st_size / 1e6,
                "display": dict(session.display),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
