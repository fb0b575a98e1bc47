"""Tobii's I-VT filter against cases made by hand: each stage on and off, and each boundary exactly.

All at 1000 Hz unless said otherwise, where the 20 ms window reaches 10 samples to either side: the 10 samples beside an
edge, a loss or a jump have no velocity of a fixation, so that a fixation's last sample lies 11 ms before and its first
10 ms after. A fixation ends one interval, 1 ms, after its last sample: 60 samples last 60 ms.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.events import detect_fixations, label_samples
from gazekit.events.angles import angle_deg
from gazekit.events.ivt import classify
from gazekit.gaze import Eye, GazeRecording
from tests.fixtures.gazes import SCREEN, at_degrees

NAN = float("nan")


def steps(*parts: tuple[int, float]) -> GazeRecording:
    """So many milliseconds at so many degrees, one part after the other, at 1000 Hz."""
    azimuth = np.concatenate([np.full(length, place) for length, place in parts])
    return at_degrees(np.arange(len(azimuth)), azimuth)


def spans(recording: GazeRecording, **parameters: object) -> list[tuple[int, int]]:
    table = detect_fixations(recording, SCREEN, "ivt", **parameters)
    return list(zip(table["onset_us"] // 1000, table["offset_us"] // 1000, strict=True))


# a gap is the time in which nothing is known, from sample to sample: the last before the loss is at 299
@pytest.mark.parametrize(
    ("gap_ms", "max_gap_ms", "expected"),
    [
        pytest.param(74, 75.0, [(10, 663)], id="74 ms from sample to sample is shorter than 75: filled, one fixation"),
        pytest.param(75, 75.0, [(10, 290), (384, 664)], id="exactly 75 ms is not shorter: stays open"),
        pytest.param(76, 75.0, [(10, 290), (385, 665)], id="76 ms stays open"),
        pytest.param(74, 0.0, [(10, 290), (383, 663)], id="stage off: nothing is filled"),
        pytest.param(75, 80.0, [(10, 664)], id="the limit is a parameter"),
    ],
)
def test_gap_fill_in(gap_ms: int, max_gap_ms: float, expected: list[tuple[int, int]]) -> None:
    recording = steps((300, 1.0), (gap_ms - 1, NAN), (300, 1.0))
    assert spans(recording, max_gap_ms=max_gap_ms, merge_time_ms=0) == expected


def test_gaps_at_the_edges_are_never_filled() -> None:
    recording = steps((20, NAN), (200, 1.0), (20, NAN))
    assert spans(recording) == [(30, 210)]
    labels = label_samples(recording, SCREEN, "ivt")
    assert (labels[:20] == 5).all()
    assert (labels[20:30] == 0).all()  # seen, but the window's end is missing: no velocity, unclassified


def test_each_eye_is_filled_by_itself_before_they_are_averaged() -> None:
    time = np.arange(400) * 1000
    left, right = np.full((400, 2), 0.5), np.full((400, 2), 0.5)
    right[:, 0] += 0.04
    right[150:180] = NAN  # averaging first would jump by half of 0.04 and back
    recording = GazeRecording(time, time, Eye.from_gaze(left), Eye.from_gaze(right))
    assert spans(recording) == [(10, 390)]
    assert len(spans(recording, max_gap_ms=0, merge_time_ms=0)) > 1


@pytest.mark.parametrize(
    ("speed", "is_saccade"),
    [
        pytest.param(29.99, False, id="below the threshold is fixation"),
        pytest.param(30.0, True, id="exactly 30 deg/s is saccade"),
        pytest.param(30.01, True, id="above is saccade"),
    ],
)
def test_velocity_threshold(speed: float, is_saccade: bool) -> None:
    time = np.arange(200)
    labels = label_samples(at_degrees(time, -3 + speed * time / 1000), SCREEN, "ivt")
    assert (labels[10:190] == (2 if is_saccade else 1)).all()


# the excursion of 20 ms to 5 deg ends the first fixation at 290 and lets the second begin at 330: 40 ms apart
@pytest.mark.parametrize(
    ("apart_deg", "merge_angle_deg", "expected"),
    [
        pytest.param(0.0, 0.5, [(10, 610)], id="same place: one fixation"),
        pytest.param(0.5, 0.5, [(10, 610)], id="exactly 0.5 deg is at most 0.5: merged"),
        pytest.param(0.51, 0.5, [(10, 290), (330, 610)], id="0.51 deg stays two"),
        pytest.param(0.51, 0.6, [(10, 610)], id="the limit is a parameter"),
    ],
)
def test_merging_near_in_space(apart_deg: float, merge_angle_deg: float, expected: list[tuple[int, int]]) -> None:
    recording = steps((300, 0.0), (20, 5.0), (300, apart_deg))
    assert spans(recording, merge_angle_deg=merge_angle_deg) == expected


# an open gap of 55 lost samples and the 10 without velocity on either side: from the end of one fixation, an interval
# after its last sample, to the onset of the next are 75 ms
@pytest.mark.parametrize(
    ("lost", "merge_time_ms", "expected"),
    [
        pytest.param(54, 75.0, [(10, 644)], id="from the end at 290 to the onset at 364 are 74 ms: merged"),
        pytest.param(55, 75.0, [(10, 645)], id="exactly 75 ms is at most 75: merged"),
        pytest.param(56, 75.0, [(10, 290), (366, 646)], id="76 ms stays two"),
        pytest.param(54, 0.0, [(10, 290), (364, 644)], id="stage off: nothing is merged"),
    ],
)
def test_merging_near_in_time(lost: int, merge_time_ms: float, expected: list[tuple[int, int]]) -> None:
    recording = steps((300, 0.0), (lost, NAN), (300, 0.0))
    assert spans(recording, max_gap_ms=0, merge_time_ms=merge_time_ms) == expected


def test_what_a_merge_spans_is_fixation_but_lost_samples_stay_lost() -> None:
    labels = label_samples(steps((300, 0.0), (53, NAN), (300, 0.0)), SCREEN, "ivt", max_gap_ms=0)
    assert (labels[300:353] == 5).all()
    assert (labels[290:300] == 1).all()
    labels = label_samples(steps((300, 0.0), (20, 5.0), (300, 0.2)), SCREEN, "ivt")
    assert (labels[10:610] == 1).all()


def test_a_merged_fixation_is_compared_by_the_centre_of_all_its_samples() -> None:
    rests = [(100, 0.0), (20, 5.0), (100, 0.4), (20, 5.0), (100, 0.75)]
    # 0.75 is 0.35 from its neighbour alone, but 0.55 from the centre 0.2 of the two that were merged
    assert len(spans(steps(*rests))) == 2
    assert len(spans(steps(*rests), merge_angle_deg=0.56)) == 1


# a rest between two jumps loses 10 samples on either side: 80 samples leave 60, which last 60 ms
@pytest.mark.parametrize(
    ("length", "min_duration_ms", "kept"),
    [
        pytest.param(79, 60.0, False, id="59 samples, 59 ms, are shorter than 60: discarded"),
        pytest.param(80, 60.0, True, id="exactly 60 ms is kept"),
        pytest.param(81, 60.0, True, id="61 ms is kept"),
        pytest.param(80, 61.0, False, id="the limit is a parameter"),
        pytest.param(40, 0.0, True, id="stage off: all are kept"),
    ],
)
def test_short_fixations_become_unclassified(length: int, min_duration_ms: float, kept: bool) -> None:
    recording = steps((200, 0.0), (length, 6.0), (200, 0.0))
    found = spans(recording, min_duration_ms=min_duration_ms)
    assert ((210, 200 + length - 10) in found) is kept
    labels = label_samples(recording, SCREEN, "ivt", min_duration_ms=min_duration_ms)
    assert (labels[210 : 200 + length - 10] == (1 if kept else 0)).all()


def test_merging_comes_before_discarding() -> None:
    # three rests of 40 ms, 40 ms apart at one place: each too short, together long enough
    recording = steps((100, 9.0), (60, 0.0), (20, 5.0), (60, 0.0), (20, 5.0), (60, 0.0), (100, 9.0))
    assert (110, 310) in spans(recording)
    assert len(spans(recording, merge_time_ms=0)) == 2  # only the rests at the ends


@pytest.mark.parametrize(
    ("method", "fixations"),
    [
        pytest.param("off", 2, id="off: a spike of one sample parts the fixation"),
        pytest.param("median", 1, id="moving median: the spike is gone"),
        pytest.param("average", 2, id="moving average: a third of 3 deg over three samples still is"),
    ],
)
def test_noise_reduction(method: str, fixations: int) -> None:
    # at 300 Hz the window reaches 3 samples to either side
    azimuth = np.zeros(200)
    azimuth[100] = 3.0
    recording = at_degrees(np.arange(200) / 0.3, azimuth)
    assert len(spans(recording, noise_reduction=method, merge_time_ms=0)) == fixations


def test_the_noise_window_shrinks_evenly_towards_edges_and_gaps() -> None:
    ramp = np.arange(11.0)
    recording = at_degrees(np.arange(11) * 10, ramp * 0.01)
    found = detect_fixations(recording, SCREEN, "ivt", noise_reduction="average", noise_window_samples=5)
    plain = detect_fixations(recording, SCREEN, "ivt")
    pd.testing.assert_frame_equal(found.drop(columns="parameters"), plain.drop(columns="parameters"))


@pytest.mark.parametrize(
    ("rate_hz", "reach"),
    [(30, 1), (60, 1), (120, 1), (250, 2), (300, 3), (500, 5), (600, 6), (1000, 10), (1200, 12), (2000, 20)],
)
def test_the_window_in_samples_follows_from_the_interval(rate_hz: int, reach: int) -> None:
    n = 60
    recording = at_degrees(np.arange(n) * 1000 / rate_hz, np.zeros(n))
    labels = label_samples(recording, SCREEN, "ivt", min_duration_ms=0)
    assert (labels[:reach] == 0).all()
    assert (labels[reach:-reach] == 1).all()
    assert (labels[-reach:] == 0).all()


def test_velocity_is_the_angle_at_the_middle_samples_eye() -> None:
    time = np.arange(3) * 10_000
    point = (np.array([0.0, 0.0, 100.0]), np.zeros(3), np.zeros(3))
    eye = (np.zeros(3), np.zeros(3), np.array([1.0, 100.0, 1.0]))  # 45 degrees only from the middle one
    labels = [classify(time, point, eye, 10_000.0, 20.0, 75.0, 45 / 0.02 * times).tolist() for times in (1, 1.000001)]
    assert labels == [[0, 2, 0], [0, 1, 0]]


def test_small_angles_keep_their_digits() -> None:
    zero = np.zeros(1)
    eye = (zero, zero, np.full(1, 600.0))
    tiny = angle_deg(eye, (zero, zero, zero), (np.full(1, 1e-6), zero, zero))
    np.testing.assert_allclose(tiny, np.degrees(1e-6 / 600), rtol=1e-9)


def test_the_eyes_of_the_tracker_are_used_where_it_gives_them() -> None:
    n = 200
    time = np.arange(n) * 1000
    x_mm = np.linspace(-50, 50, n)
    gaze = SCREEN.px_to_display((x_mm / SCREEN.width_mm + 0.5) * SCREEN.width_px, np.full(n, 512.0))
    space = np.stack([x_mm, np.zeros(n), np.zeros(n)], axis=1)

    def labels(distance: float) -> list[int]:
        eye = Eye.from_gaze(gaze, gaze_mm=space, origin_mm=np.tile([0.0, 0.0, distance], (n, 1)))
        found = label_samples(GazeRecording(time, time, eye, Eye.missing(n)), SCREEN, "ivt")
        return sorted(set(found[20:-20].tolist()))

    # 0.5 mm a ms: 48 deg/s from 600 mm, 24 deg/s from 1200 mm
    assert labels(600.0) == [2]
    assert labels(1200.0) == [1]


def test_a_hole_in_the_stamps_is_a_gap() -> None:
    time = np.concatenate([np.arange(300), np.arange(300) + 2300])
    recording = at_degrees(time, np.zeros(600))
    assert spans(recording) == [(10, 290), (2310, 2590)]
