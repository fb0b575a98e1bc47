"""What was not recorded is never looked at: holes, missing rows, stamps that were rounded, doubled or set back."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.core.errors import InputError
from gazekit.core.types import Floats
from gazekit.events import data_quality, detect_fixations, detect_saccades, detectors, label_samples
from gazekit.events.detectors import complete
from gazekit.events.fixations import detect
from gazekit.events.gaps import fill_gaps
from gazekit.events.joining import settle
from gazekit.events.labels import Events
from gazekit.events.samples import Samples, prepare
from gazekit.gaze import GazeRecording, hole_us, sampling_interval_us
from gazekit.screen import Screen
from tests.fixtures.gazes import DETECTORS, SCREEN, rests

# the package gives functions of these names
adaptive, i2mc, microsaccades = (
    importlib.import_module(f"gazekit.events.{name}") for name in ("adaptive", "i2mc", "microsaccades")
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
Stamps = npt.NDArray[np.int64]


def looking(time_us: Stamps, x_px: npt.ArrayLike, y_px: npt.ArrayLike = 500.0) -> GazeRecording:
    x, y = (np.broadcast_to(np.asarray(column, dtype=float), time_us.shape) for column in (x_px, y_px))
    return GazeRecording.from_pixels(time_us, x, y, SCREEN)


@st.composite
def holed_recordings(draw: st.DrawFn) -> tuple[GazeRecording, list[slice]]:
    """A simulated eye and its stretches, between holes of 0.1 s to an hour at any place."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rate = draw(st.sampled_from([60, 120, 300, 500, 1000]))
    time, x, y, _ = rests(rate, rng, seconds=2.0, noise_deg=draw(st.sampled_from([0.02, 0.2])))
    px, py = SCREEN.to_pixels(x, y)
    px[rng.random(len(px)) < draw(st.sampled_from([0, 0.05]))] = np.nan
    count = draw(st.integers(1, 4))
    at = np.sort(rng.choice(np.arange(2, len(time) - 1), count, replace=False))
    shift = np.zeros(len(time), dtype=np.int64)
    for place in at:
        shift[place:] += int(hole_us(1e6 / rate)) + int(draw(st.sampled_from([1, 10**5, 10**7, 36 * 10**8])))
    edges = [0, *at.tolist(), len(time)]
    stretches = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return GazeRecording.from_pixels(time + shift, px, py, SCREEN), stretches


# parameters that would reach over any hole, if detectors were asked alone
GREEDY = {
    "ivt": {"merge_time_ms": 1e6, "merge_angle_deg": 90.0, "max_gap_ms": 1e6},
    "idt": {"max_gap_ms": 1e6, "max_dispersion_deg": 90.0},
    "adaptive": {"max_gap_ms": 1e6, "merge_time_ms": 1e6, "merge_angle_deg": 90.0},
    "i2mc": {"max_gap_ms": 1e6, "merge_time_ms": 1e6, "merge_distance_px": 1e6},
    "microsaccades": {"max_gap_ms": 1e6, "max_gap_shift_deg": 90.0},
}


@pytest.mark.parametrize("greedy", [False, True])
@pytest.mark.parametrize("detector", detectors())
@given(drawn=holed_recordings())
@few
def test_no_event_crosses_a_hole(detector: str, greedy: bool, drawn: tuple[GazeRecording, list[slice]]) -> None:
    recording, stretches = drawn
    parameters = GREEDY.get(detector, {}) if greedy else {}
    time = recording.device_time_us
    interval = sampling_interval_us(time)
    starts = np.array([time[part.start] for part in stretches])
    ends = np.array([time[part.stop - 1] for part in stretches])
    for find in (detect_fixations, detect_saccades):
        table = find(recording, SCREEN, detector, **parameters)
        onset, offset = table["onset_us"].to_numpy(), table["offset_us"].to_numpy()
        stretch = np.searchsorted(starts, onset, "right") - 1
        assert (offset <= ends[stretch] + np.ceil(interval)).all()
        recorded_ms = ((ends - starts) + interval).sum() / 1000
        assert table["duration_ms"].sum() <= recorded_ms + 1e-3 * len(table)


@pytest.mark.parametrize("detector", ["ivt", "idt"])
@given(drawn=holed_recordings())
@few
def test_the_events_of_a_stretch_are_those_of_the_stretch_alone(
    detector: str, drawn: tuple[GazeRecording, list[slice]]
) -> None:
    recording, stretches = drawn
    whole = detect_fixations(recording, SCREEN, detector)
    labels = label_samples(recording, SCREEN, detector)
    alone = []
    for part in stretches:
        piece = recording.take(part)
        if sampling_interval_us(piece.device_time_us) != sampling_interval_us(recording.device_time_us):
            return  # a stretch too short to know its rate
        alone.append(detect_fixations(piece, SCREEN, detector))
        np.testing.assert_array_equal(labels[part], label_samples(piece, SCREEN, detector))
    pd.testing.assert_frame_equal(whole, pd.concat(alone, ignore_index=True), check_exact=False, rtol=1e-9)


Known = Callable[[Samples, slice], Events]  # the events of a stretch, and which rows of the recording it is


def known_adaptive(whole: Samples) -> Known:
    values = complete("adaptive", {})
    tuning = adaptive.Tuning()
    of_all = adaptive.measure(whole, tuning, values.pop("min_onset_deg_s"))
    settled = [values.pop(name) for name in ("max_gap_ms", "merge_angle_deg", "merge_time_ms")]

    def events(samples: Samples, rows: slice) -> Events:
        movement = adaptive.Movement.of(samples, tuning, of_all.window_ms, of_all.onset, of_all.offset[rows])
        labels = adaptive.label(samples, movement, tuning, **values)
        return settle(samples, labels, values["min_fixation_ms"], *settled)

    return events


def known_microsaccades(whole: Samples) -> Known:
    values = complete("microsaccades", {})
    noise = microsaccades.noise(whole)
    return lambda samples, rows: microsaccades.label(samples, noise, **values)


def known_i2mc(whole: Samples) -> Known:
    values = complete("i2mc", {})
    window = [values.pop(name) for name in ("max_gap_ms", "edge_samples", "window_ms", "step_ms", "seed")]

    def weights(samples: Samples) -> tuple[Floats, tuple[Floats, ...]]:
        point = fill_gaps(samples.time_us, samples.pixels, window[0], edge_samples=window[1])
        return np.where(np.isnan(point[0]), np.nan, i2mc.switching(samples, *window)), point

    limit = i2mc.cutoff(weights(whole)[0], values.pop("cutoff_sd"))
    return lambda samples, rows: i2mc.label(samples, *weights(samples), limit, **values)


@pytest.mark.parametrize("known", [known_adaptive, known_microsaccades, known_i2mc])
@given(drawn=holed_recordings())
@few
def test_the_events_of_a_stretch_are_those_of_the_stretch_with_the_recordings_thresholds(
    known: Callable[[Samples], Known], drawn: tuple[GazeRecording, list[slice]]
) -> None:
    recording, stretches = drawn
    detector = known.__name__.removeprefix("known_")
    detection = detect(recording, SCREEN, detector)
    whole, events = detection.samples, detection.events
    of_stretch = known(whole)
    onset: list[int] = []
    offset: list[int] = []
    for part, first, last in zip(stretches, *(edge.tolist() for edge in whole.stretches), strict=True):
        samples = prepare(recording.take(part), SCREEN)
        if samples.interval_us != whole.interval_us or len(samples) < 3:
            return  # a stretch too short to know its rate
        rows = slice(first, last + 1)
        alone = of_stretch(samples, rows)
        np.testing.assert_array_equal(events.labels[rows], alone.labels)
        onset += (alone.onset + first).tolist()
        offset += (alone.offset + first).tolist()
    assert (events.onset.tolist(), events.offset.tolist()) == (onset, offset)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_pause_parts_a_look_and_is_cut(detector: str, rng: np.random.Generator) -> None:
    time = np.concatenate([np.arange(500), np.arange(500) + 500 + 9000]) * 2000
    recording = looking(time, 900 + rng.normal(0, 0.5, 1000))
    table = detect_fixations(recording, SCREEN, detector)
    assert len(table) == 2
    assert table["offset_us"].iloc[0] <= 1_000_000
    assert table["onset_us"].iloc[1] >= 19_000_000
    assert table[["cut_start", "cut_end"]].to_numpy().all()


def test_rows_that_are_missing_are_a_loss_and_no_neighbours(rng: np.random.Generator) -> None:
    """As `make_dropped_rows.py` of the faults: 0.4 s without rows between two looks; 60 ms are a short loss."""
    for missing_ms, looks in ((400, 2), (60, 1)):
        time = np.concatenate([np.arange(300), np.arange(300) + 300 + round(missing_ms * 0.3)]) * 10_000 // 3
        place = np.repeat([700.0, 1050.0 if looks == 2 else 700.0], 300)
        recording = looking(time, place + rng.normal(0, 1, 600))
        table = detect_fixations(recording, SCREEN)
        assert len(table) == looks
        assert table["samples"].sum() == 600
        if looks == 2:
            np.testing.assert_allclose(table["x_px"], [700, 1050], atol=0.5)


def test_a_plug_ins_events_are_cut_at_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = sys.modules["gazekit.events.detectors"]

    def everything(samples: object) -> Events:
        return Events.from_labels(np.ones(len(samples), dtype=np.int8))  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "everything": everything})
    time = np.concatenate([np.arange(50), np.arange(30) + 5000, np.arange(20) + 9000]) * 1000
    table = detect_fixations(looking(time, 900.0), SCREEN, "everything")
    assert table["duration_ms"].tolist() == [50.0, 30.0, 20.0]
    assert table["onset_us"].tolist() == [0, 5_000_000, 9_000_000]


@pytest.mark.parametrize(
    ("steps_us", "rate"),
    [
        pytest.param([3000, 3000, 4000], 300, id="300 Hz in whole milliseconds"),
        pytest.param([16000, 17000, 17000], 60, id="60 Hz in whole milliseconds"),
        pytest.param([4030, 5985], 199.7, id="199.7 Hz that jitter, snapped to 200"),
        pytest.param([1000] * 5 + [0], 1200, id="1200 Hz in whole milliseconds: every sixth stamp is doubled"),
        pytest.param([1000, 0], 2000, id="2000 Hz in whole milliseconds"),
        pytest.param([2000] * 9 + [6000], 500, id="a tenth of the rows short: counted as missing"),
    ],
)
def test_the_rate_comes_from_counts_and_is_snapped(steps_us: list[int], rate: float) -> None:
    time = np.concatenate([[0], np.cumsum(np.resize(steps_us, 3000))]).astype(np.int64)
    recording = looking(time, 900.0 + np.arange(len(time)) % 2)
    assert recording.rate_hz == pytest.approx(200 if rate == 199.7 else rate, rel=1e-9)
    delivered = data_quality(recording, SCREEN)["delivered_percent"].iloc[0]
    assert delivered == pytest.approx(83.4 if steps_us[-1] == 6000 else 100, abs=1)


def test_random_jitter_does_not_fail_a_good_recording(rng: np.random.Generator) -> None:
    time = np.cumsum(rng.normal(5007, 900, 4000).clip(800)).astype(np.int64)
    table = data_quality(looking(time, 900.0 + rng.normal(0, 1, 4000)), SCREEN)
    assert table["nominal_rate_hz"].iloc[0] == 200
    assert table["delivered_percent"].iloc[0] > 97


@pytest.mark.parametrize("rate", [33, 60, 300, 450, 1200])
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("dropped", [0.0, 0.2, 0.4])
def test_rate_of_stamps_that_jitter_and_are_dropped(
    rate: int, jitter: float, dropped: float, rng: np.random.Generator
) -> None:
    n = 20 * rate
    time = np.sort((np.arange(n) + rng.normal(0, jitter, n)) * 1e6 / rate)[rng.random(n) >= dropped]
    assert 1e6 / sampling_interval_us(np.round(time).astype(np.int64)) == pytest.approx(rate, rel=0.005)


@pytest.mark.parametrize("jitter", [0.25, 0.4])
def test_stamps_that_jitter_by_themselves_give_the_rate(jitter: float, rng: np.random.Generator) -> None:
    time = np.sort(np.arange(4000) * 5000 + rng.normal(0, 5000 * jitter, 4000)).astype(np.int64)
    recording = looking(time, 900.0 + rng.normal(0, 1, 4000))
    row = data_quality(recording, SCREEN).iloc[0]
    assert row["nominal_rate_hz"] == 200
    assert row["delivered_percent"] > 99
    kept = data_quality(recording.take(rng.random(4000) > 0.1), SCREEN).iloc[0]
    assert kept["delivered_percent"] < 97


@pytest.mark.parametrize("detector", ["adaptive", "ivt", "idt", "i2mc", "microsaccades"])
def test_one_sample_is_no_fixation(detector: str) -> None:
    assert len(detect_fixations(looking(np.array([7000]), 900.0), SCREEN, detector)) == 0


@pytest.mark.parametrize("detector", ["adaptive", "ivt", "idt", "i2mc", "microsaccades"])
def test_no_event_crosses_a_long_step_back(detector: str, rng: np.random.Generator) -> None:
    time = np.concatenate([np.arange(1000) * 2000 + 20_000_000, np.arange(1000) * 2000 + 3_000_000])
    recording = looking(time, 900.0 + rng.normal(0, 0.5, 2000), 500.0 + rng.normal(0, 0.5, 2000))
    table = detect_fixations(recording, SCREEN, detector)
    assert len(table) == 2
    assert table["duration_ms"].max() <= 2000
    row = data_quality(recording, SCREEN).iloc[0]
    assert (row["clock_steps_back"], row["holes"], row["delivered_percent"]) == (1, 0, 100)


def test_a_few_equal_stamps_are_one_sample() -> None:
    row = data_quality(looking(np.full(15, 7000), np.arange(15.0) + 900), SCREEN).iloc[0]
    assert (row["samples"], row["doubled_samples"]) == (1, 14)


def test_stamps_of_2000_hz_in_milliseconds_are_set_apart(rng: np.random.Generator) -> None:
    time, x, y, _ = rests(2000, rng)
    px, py = SCREEN.to_pixels(x, y)
    rounded = GazeRecording.from_pixels(time // 1000 * 1000, px, py, SCREEN)
    exact = GazeRecording.from_pixels(time, px, py, SCREEN)
    assert rounded.rate_hz == 2000
    np.testing.assert_array_equal(label_samples(rounded, SCREEN, "ivt"), label_samples(exact, SCREEN, "ivt"))
    row = data_quality(rounded, SCREEN).iloc[0]
    assert row["samples"] == len(time)
    assert row["shared_stamps"] == len(time) // 2


def test_a_clock_that_is_set_back_loses_nothing_and_is_counted(rng: np.random.Generator) -> None:
    time, x, y, _ = rests(500, rng)
    px, py = SCREEN.to_pixels(x, y)
    for back_us in (50_000, 2_000_000, 10**9):
        stamps = time.copy()
        stamps[1000:] -= back_us
        recording = GazeRecording.from_pixels(stamps, px, py, SCREEN)
        row = data_quality(recording, SCREEN).iloc[0]
        assert (row["clock_steps_back"], row["wild_stamps"], row["samples"]) == (1, 0, len(time))
        straight = label_samples(GazeRecording.from_pixels(time, px, py, SCREEN), SCREEN)
        assert (label_samples(recording, SCREEN) == straight).mean() > 0.98


@pytest.mark.parametrize("places", [[0], [-1], [0, 777]])
def test_a_stamp_of_0_is_left_out_and_counted(places: list[int], rng: np.random.Generator) -> None:
    time, x, y, _ = rests(500, rng)
    stamps = time + 10**10
    stamps[places] = 0
    recording = GazeRecording.from_pixels(stamps, *SCREEN.to_pixels(x, y), SCREEN)
    row = data_quality(recording, SCREEN).iloc[0]
    assert (row["wild_stamps"], row["samples"]) == (len(places), len(time) - len(places))
    assert row["delivered_percent"] > 99.9
    assert detect_fixations(recording, SCREEN)["onset_us"].min() >= 10**10


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        pytest.param(0.001, "milliseconds given as microseconds", id="ms taken for us"),
        pytest.param(1000, "milliseconds given as seconds", id="ms taken for s"),
        pytest.param(1e-6, "milliseconds given as nanoseconds", id="ms taken for ns"),
        pytest.param(0, "equal or fall", id="all the same"),
    ],
)
def test_a_wrong_unit_of_time_is_named(factor: float, words: str) -> None:
    time = np.round(np.arange(600) * 3333 * factor).astype(np.int64)
    for work in (detect_fixations, label_samples, data_quality):
        with pytest.raises(InputError, match=words):
            work(looking(time, 900.0), SCREEN)


def test_none_in_pixels_is_missing() -> None:
    time = np.arange(6) * 2000
    recording = looking(time, [-1, 0, 900, -1, 0, np.nan], [-1, 0, 500, 0, 5, 500])
    assert np.isfinite(recording.point()[:, 0]).tolist() == [False, False, True, True, True, False]


def test_stretches_of_a_recording() -> None:
    time = np.concatenate([np.arange(10), np.arange(5) + 300, np.arange(4) + 200]) * 2000
    assert looking(time, 900.0).stretches() == [slice(0, 10), slice(10, 15), slice(15, 19)]
    assert GazeRecording.empty().stretches() == []


def test_rows_for_what_is_missing_are_never_usable() -> None:
    screen = Screen(1920, 1080, 527.0, 296.0, 630.0)
    time = np.array([0, 1, 2, 5, 6, 500, 501]) * 1000
    samples = prepare(GazeRecording.from_pixels(time, np.full(7, 900.0), np.full(7, 500.0), screen), screen)
    assert samples.index.tolist() == [0, 1, 2, -1, -1, 3, 4, -1, -1, 5, 6]
    assert samples.lost.tolist() == [i < 0 for i in samples.index.tolist()]
    assert samples.stamp_us[samples.delivered].tolist() == time.tolist()
    assert (np.diff(samples.time_us) > 0).all()
    assert samples.holes.tolist() == [7]
    assert [edge.tolist() for edge in samples.stretches] == [[0, 9], [6, 10]]
