"""Whatever comes in: no crash, no fixation outside the recording, no overlap, no negative duration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.events import detect_fixations, detect_saccades, label_samples
from gazekit.gaze import Eye, GazeRecording
from tests.fixtures.gazes import DETECTORS, RATES, SCREEN, rests

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
number = st.one_of(
    st.floats(-1, 2, allow_nan=False),
    st.just(float("nan")),
    st.just(0.0),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def wild_recordings(draw: st.DrawFn) -> GazeRecording:
    """Stamps that stand, jump and step back; gaze of any number or none; one eye, two, or neither; in 3D or not."""
    n = draw(st.integers(0, 40))
    step = st.one_of(st.sampled_from([1000, 3333, 16667]), st.integers(-50_000, 200_000), st.just(0))
    steps = draw(st.lists(step, min_size=n, max_size=n))
    start = draw(st.integers(-(10**15), 10**15))
    time = start + np.cumsum(np.array(steps, dtype=np.int64))

    def eye() -> Eye:
        if draw(st.booleans()):
            return Eye.missing(n)
        column = st.lists(number, min_size=2 * n, max_size=2 * n)
        gaze = np.array(draw(column)).reshape(n, 2)
        if not draw(st.booleans()):
            return Eye.from_gaze(gaze)
        space = np.array(draw(st.lists(st.floats(-500, 500), min_size=6 * n, max_size=6 * n))).reshape(n, 6)
        return Eye.from_gaze(gaze, gaze_mm=space[:, :3], origin_mm=space[:, 3:])

    return GazeRecording(time, time.copy(), eye(), eye())


@st.composite
def calm_recordings(draw: st.DrawFn) -> GazeRecording:
    """A simulated eye with everything that goes wrong in a lab: noise, loss, jitter, doubled and dropped samples."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rate = draw(st.sampled_from(RATES[:-1]))
    time, x, y, _ = rests(rate, rng, seconds=draw(st.sampled_from([0.2, 1.5])), noise_deg=draw(st.floats(0, 0.5)))
    px, py = SCREEN.to_pixels(x, y)
    px[rng.random(len(px)) < draw(st.sampled_from([0, 0.02, 0.3]))] = np.nan
    time = time + rng.integers(-300, 301, len(time)) * draw(st.booleans())
    keep = np.sort(rng.integers(0, len(time), len(time))) if draw(st.booleans()) else np.arange(len(time))
    time, px, py = time[keep], px[keep], py[keep]
    if draw(st.booleans()):
        time[len(time) // 2 :] -= 40_000
    return GazeRecording.from_pixels(time, px, py, SCREEN)


def check(recording: GazeRecording, detector: str) -> None:
    table = detect_fixations(recording, SCREEN, detector)
    labels = label_samples(recording, SCREEN, detector)
    assert labels.dtype == np.int8
    assert labels.shape == (len(recording),)
    assert ((labels >= 0) & (labels <= 5)).all()
    onset, offset = table["onset_us"].to_numpy(), table["offset_us"].to_numpy()
    assert (onset <= offset).all()
    assert (table["duration_ms"] >= 0).all()
    assert (onset[1:] >= offset[:-1]).all()
    assert np.isfinite(table[["x_px", "y_px", "x_deg", "y_deg", "dispersion_deg"]].to_numpy()).all()
    assert (table["samples"] >= 1).all()
    if len(table) and (np.diff(recording.device_time_us) >= 0).all():
        interval = 1e6 / recording.rate_hz
        assert onset.min() >= recording.device_time_us.min()
        assert offset.max() <= recording.device_time_us.max() + np.ceil(interval if np.isfinite(interval) else 0)


@pytest.mark.parametrize("detector", DETECTORS)
@given(recording=wild_recordings())
@few
def test_any_numbers_give_sane_fixations(detector: str, recording: GazeRecording) -> None:
    check(recording, detector)


@pytest.mark.parametrize("detector", DETECTORS)
@given(recording=calm_recordings())
@few
def test_lab_faults_give_sane_fixations(detector: str, recording: GazeRecording) -> None:
    check(recording, detector)


@given(recording=calm_recordings())
@few
def test_saccades_lie_in_the_recording(recording: GazeRecording) -> None:
    table = detect_saccades(recording, SCREEN)
    assert (table["offset_us"] >= table["onset_us"]).all()
    assert table["direction_deg"].between(-180, 180, inclusive="left").all()
    assert (table["amplitude_deg"] >= 0).all()


@pytest.mark.parametrize("detector", DETECTORS)
@given(recording=calm_recordings(), shift=st.integers(-(10**12), 10**12))
@settings(few, max_examples=20)
def test_a_shift_in_time_shifts_times_and_nothing_else(detector: str, recording: GazeRecording, shift: int) -> None:
    moved = GazeRecording(
        recording.device_time_us + shift, recording.system_time_us + shift, recording.left, recording.right
    )
    np.testing.assert_array_equal(label_samples(moved, SCREEN, detector), label_samples(recording, SCREEN, detector))
    before, after = detect_fixations(recording, SCREEN, detector), detect_fixations(moved, SCREEN, detector)
    np.testing.assert_array_equal(after["onset_us"] - shift, before["onset_us"])
    assert after.drop(columns=["onset_us", "offset_us"]).equals(before.drop(columns=["onset_us", "offset_us"]))


@pytest.mark.parametrize("detector", DETECTORS)
@given(recording=calm_recordings())
@settings(few, max_examples=20)
def test_a_mirror_changes_the_sign_of_x_and_nothing_else(detector: str, recording: GazeRecording) -> None:
    gaze = recording.left.gaze * [-1, 1] + [1, 0]
    mirrored = GazeRecording(
        recording.device_time_us, recording.system_time_us, Eye.from_gaze(gaze), Eye.missing(len(gaze))
    )
    np.testing.assert_array_equal(label_samples(mirrored, SCREEN, detector), label_samples(recording, SCREEN, detector))
    before, after = detect_fixations(recording, SCREEN, detector), detect_fixations(mirrored, SCREEN, detector)
    np.testing.assert_array_equal(after["onset_us"], before["onset_us"])
    np.testing.assert_allclose(after["x_deg"], -before["x_deg"], atol=1e-9)
    np.testing.assert_allclose(after["y_deg"], before["y_deg"], atol=1e-9)
    np.testing.assert_allclose(after["dispersion_deg"], before["dispersion_deg"], atol=1e-9)
