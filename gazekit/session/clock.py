"""The tracker's clock against the host's, and gaps in the tracker's stamps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gazekit.core.types import Floats, Index
from gazekit.session.model import Clock
from gazekit.session.samples import Block

GAP_COLUMNS = {"device_time_us": "int64", "system_time_us": "int64", "duration_us": "int64", "missing": "int64"}
_GAP = 1.5  # intervals longer than this many sampling intervals have lost samples


def fit_clock(sync: Block) -> Clock:
    """Fit the clock of a time-synchronisation stream (rows of `TIME_SYNC`).

    The host asks at ``request_us``, the tracker answers with ``device_us``, the answer arrives at ``response_us``;
    the tracker's stamp belongs to the middle. Least squares over the round trips that are not slower than the
    median (slow ones are those whose two ways differ). The residual is the root mean square of these, microseconds.
    """
    if not len(sync):
        return Clock()
    trip = sync["response_us"] - sync["request_us"]
    fast = sync[trip <= np.median(trip)]
    middle = fast["request_us"] + (fast["response_us"] - fast["request_us"]) / 2.0
    return _fit(fast["device_us"], middle - fast["device_us"])


def clock_of_stamps(device_us: Index, system_us: Index) -> Clock:
    """Fit the clock of the samples' own pairs of stamps, for trackers without a time-sync stream."""
    step = max(1, len(device_us) // 5000)
    return _fit(device_us[::step], (system_us - device_us)[::step].astype(np.float64)) if len(device_us) else Clock()


def find_gaps(device_us: Index, system_us: Index, rate_hz: float) -> pd.DataFrame:
    """Find where samples are missing, from the device's stamps: intervals over 1.5 sampling intervals.

    Returns
    -------
    DataFrame
        A row for each gap: stamps of the last sample before it, its duration (us) and how many samples are missing.
    """
    if len(device_us) < 2 or not (np.isfinite(rate_hz) and rate_hz > 0):
        return pd.DataFrame({name: np.empty(0, dtype=kind) for name, kind in GAP_COLUMNS.items()})
    step = np.diff(device_us)
    at = np.flatnonzero(step > _GAP * 1e6 / rate_hz)
    return pd.DataFrame(
        {
            "device_time_us": device_us[at],
            "system_time_us": system_us[at],
            "duration_us": step[at],
            "missing": np.round(step[at] * rate_hz / 1e6).astype(np.int64) - 1,
        }
    )


def _fit(device_us: Index, shift_us: Floats) -> Clock:
    origin, base = int(device_us[0]), float(shift_us[0])
    elapsed = (device_us - origin).astype(np.float64)
    y = shift_us - base
    if len(elapsed) < 2 or not np.ptp(elapsed):
        return Clock(origin, base + float(y.mean()), 0.0, float(y.std()))
    centre = elapsed.mean()
    drift = float(((elapsed - centre) * (y - y.mean())).sum() / ((elapsed - centre) ** 2).sum())
    offset = float(y.mean() - drift * centre)
    residual = float(np.sqrt(np.mean((y - offset - drift * elapsed) ** 2)))
    return Clock(origin, base + offset, drift, residual)
