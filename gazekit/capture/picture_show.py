"""One picture on the participant's screen: cross, rest of the gaze, picture, end, mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from gazekit.capture.display import Display, Viewed, Viewing
from gazekit.capture.items import Item
from gazekit.capture.plan import PlannedTrial, facts_of, placement_of
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import PresentationSection, SessionSections
from gazekit.capture.simulation.interest import drawn_by
from gazekit.capture.simulation.scanpath import PictureScene
from gazekit.capture.tracker import Tracker
from gazekit.screen import Screen
from gazekit.session.events import Onset, Stimulus, Timing
from gazekit.session.samples import Block, empty_samples

_LOOK_US = 20_000  # how often gaze on the cross is looked at
_MAY_MISS_US = 80_000  # a blink or loss shorter than this does not begin the rest on the cross anew


@dataclass(frozen=True)
class Shown:
    """A picture that was shown to its end."""

    stimulus: Stimulus
    timing: Timing | None
    viewed: Viewed


class PictureShow:
    """Shows pictures as the study says."""

    def __init__(self, sections: SessionSections, tracker: Tracker, display: Display, recorder: Recorder) -> None:
        self._sections, self._tracker, self._display, self._recorder = sections, tracker, display, recorder
        self._screen = sections.screen.screen()
        self.begin_now = False  # the operator's word: the gaze need not come to rest

    def show(self, trial: PlannedTrial, items: Sequence[Item] = (), gaze: Sequence[Block] = ()) -> Shown:
        """Show a picture; ``gaze`` is the recorder's tap, which grows while samples come."""
        section = presentation_of(self._sections.presentation, trial)
        facts = facts_of(trial.picture)
        placement = placement_of(facts, self._screen, section, low=bool(items))
        display, tracker = self._display, self._tracker
        tracker.watch(None)
        display.load(trial, placement)
        cross = display.show_cross()
        display.wait_until(cross + 1000 * section.cross_ms)
        started_by = self._rest(section, cross, gaze)
        intended = cross + 1000 * section.cross_ms if started_by == "time" else tracker.now_us()
        onset = display.show_picture(trial, placement)
        tracker.watch(PictureScene(drawn_by(facts.salience, facts.size_wh, trial.interest), placement))
        if not trial.practice:
            self._recorder.event(Onset(onset, trial.picture.image, trial.order))
        viewing = viewing_of(section, onset, tuple(items))
        viewed = display.wait_for_end(viewing)
        offset = display.show_mask() if section.after == "mask" and section.after_ms else display.show_blank()
        tracker.watch(None)
        frames = display.picture_timing()
        until = viewing.latest_us if viewed.ended_by == "time" else offset
        timing = frames and Timing(
            trial.picture.image, trial.order, intended, onset, until, offset, frames[0], frames[1]
        )
        if section.after_ms:
            display.wait_until(offset + 1000 * section.after_ms)
            display.show_blank()
        stimulus = Stimulus(
            image=trial.picture.image,
            sha256=facts.sha256,
            picture_width=facts.size_wh[0],
            picture_height=facts.size_wh[1],
            onset_us=onset,
            offset_us=offset,
            order=trial.order,
            response="",
            presentation=trial.presentation,
            block="" if trial.task is None else trial.task.name,
            started_by=started_by,
            ended_by=viewed.ended_by,
            **asdict(placement),
        )
        return Shown(stimulus, timing or None, viewed)

    def _rest(self, section: PresentationSection, cross_us: int, gaze: Sequence[Block]) -> str:
        """Wait until gaze has rested on the cross; return what began the picture."""
        if section.gaze_start_ms is None:
            return "time"
        self.begin_now, deadline = False, cross_us + 1000 * (section.cross_ms + section.gaze_start_limit_ms)
        near_deg, rest_us = section.gaze_start_deg, 1000 * section.gaze_start_ms
        while (now := self._tracker.now_us()) < deadline and not self.begin_now:
            self._recorder.flush()
            rows = np.concatenate(gaze) if gaze else empty_samples(0)
            if rested_us(rows[rows["system_time_us"] >= cross_us], self._screen, near_deg) >= rest_us:
                return "gaze"
            self._display.wait_until(now + _LOOK_US)
        return "operator" if self.begin_now else "limit"


def rested_us(rows: Block, screen: Screen, near_deg: float) -> int:
    """Return for how long gaze has now rested on the middle of the screen, microseconds.

    The mean of the eyes that are seen counts. Samples without gaze neither begin a rest nor end it, unless they last
    80 ms or more.
    """
    points = np.stack([rows[f"{side}_gaze"] for side in ("left", "right")])
    valid = np.stack([rows[f"{side}_valid"] for side in ("left", "right")]) & np.isfinite(points).all(axis=2)
    seen = valid.any(axis=0)
    if not seen.any():
        return 0
    total = np.where(valid[..., None], points, 0.0).sum(axis=0)[seen]
    mean = total / valid.sum(axis=0)[seen, None]
    x, y = screen.to_degrees(mean[:, 0] * screen.width_px, mean[:, 1] * screen.height_px)
    times = rows["system_time_us"][seen]
    broken = np.hypot(x, y) > near_deg
    broken[1:] |= np.diff(times) > _MAY_MISS_US
    last = int(np.flatnonzero(broken)[-1]) if broken.any() else -1
    away = last >= 0 and np.hypot(x[last], y[last]) > near_deg
    first = last + 1 if away else max(last, 0)
    if first >= len(times) or int(rows["system_time_us"][-1]) - int(times[-1]) > _MAY_MISS_US:
        return 0
    return int(times[-1] - times[first])


def presentation_of(section: PresentationSection, trial: PlannedTrial) -> PresentationSection:
    """Return how a trial's picture is shown: as its block says, else as the study does."""
    if trial.task is None:
        return section
    names = ("viewing", "duration_ms", "least_ms", "longest_ms")
    changes = {name: value for name in names if (value := getattr(trial.task, name)) is not None}
    return section.model_copy(update=changes) if changes else section


def viewing_of(section: PresentationSection, onset_us: int, items: tuple[Item, ...]) -> Viewing:
    """Return what ends a picture that has just appeared."""
    if section.viewing == "fixed":
        end = onset_us + 1000 * section.duration_ms
        return Viewing(end, end, frozenset(), items)
    earliest, latest = onset_us + 1000 * section.least_ms, onset_us + 1000 * section.longest_ms
    return Viewing(earliest, latest, frozenset(section.end_by), items)
