"""A session from calibration to the last picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from gazekit.capture.calibration import calibrate, error_vectors, in_words, validate
from gazekit.capture.display import Display, EndSession
from gazekit.capture.plan import PlannedTrial, Step, facts_of, placement_of
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import QuestionSection, SessionSections
from gazekit.capture.simulation.interest import drawn_by
from gazekit.capture.simulation.scanpath import PictureScene
from gazekit.capture.tracker import Tracker, TrackerGone
from gazekit.core.errors import TrackerError
from gazekit.session import Validation
from gazekit.session.events import Answer, Onset, Response, StepDone, Stimulus, Timing
from gazekit.session.samples import SAMPLE, Block

TRACKER_LOST = "TRACKER LOST"
_FIRST_SAMPLE_S = 3.0  # how long a tracker may take from its start to its first sample
_TRIES = 5  # of a step in which the tracker is lost
_TICK_S = 0.05  # what a longer step between two ticks counts: then this process was held up, not the tracker


class ConnectionLost(Exception):
    """The tracker has gone or is silent; the trial under way is to be repeated."""


@dataclass
class State:
    """What the operator sees."""

    participant: str = ""
    phase: str = "starting"
    trial: int = 0
    trials: int = 0
    seconds_left: float = 0.0
    notices: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a line for the operator; the last few are kept."""
        self.notices = [*self.notices[-5:], text]


class SessionRun:
    """Runs the plan: calibration, validation, pictures, questions, breaks.

    `tick` is called by the display while it waits: it raises where the session has to stop or the tracker is gone.
    """

    def __init__(
        self,
        sections: SessionSections,
        tracker: Tracker,
        display: Display,
        recorder: Recorder,
        state: State,
        stop: threading.Event,
    ) -> None:
        self.sections = sections
        self.tracker = tracker
        self.display = display
        self.recorder = recorder
        self.state = state
        self.stop = stop
        self._screen = sections.screen.screen()
        self._reported_gaps = 0
        self._deliveries = 0
        self._silent_s = -_FIRST_SAMPLE_S
        self._ticked_s = time.monotonic()
        self._validated = False
        self._thin: list[PlannedTrial] = []
        self.step = self.steps = 0
        self.ended_by = "the plan"

    def run(self, steps: Sequence[Step]) -> bool:
        """Do every step; return whether the session ran to its end (else it was ended in order)."""
        pictures = [step for step in steps if step.kind == "picture"]
        self.state.trials, self.steps = len(pictures), len(steps)
        try:
            self._prepare()
            for n, step in enumerate(steps):
                self.step = n + 1
                if step.kind == "picture":
                    self.state.trial += 1
                    self.state.seconds_left = (len(pictures) - self.state.trial + 1) * self._trial_s()
                if step.kind != "break" or n:
                    self._do(step)
                after = next((later.trial for later in steps[n + 1 :] if later.trial is not None), None)
                if step.trial is not None and (after is None or after.block != step.trial.block):
                    self._repeat_thin_trials()
        except EndSession as end:
            self.ended_by = str(end) or "the experimenter"
            self._message("the session was ended before its end")
            return False
        return True

    def _do(self, step: Step) -> None:
        """Do a step; its own record, or a `StepDone`, is the last thing that is written of it."""
        if step.kind == "question" and step.question is not None:
            self.state.phase = "questions"
            self._steadily(partial(self._ask, step.question))
        elif step.kind == "picture" and step.trial is not None:
            self.state.phase = "picture"
            self._steadily(partial(self._show, step.trial))
        elif step.kind == "rating" and step.trial is not None:
            self._rate(step.trial)
        elif step.kind == "break":
            self._break()
            self.recorder.event(StepDone(self.tracker.now_us(), step.kind, step.id))

    def tick(self) -> None:
        """Look after the disk, the operator's wish, the connection and gaps; called while time passes."""
        self.recorder.check()
        if self.stop.is_set():
            raise EndSession("a signal")
        if not self.tracker.alive():
            raise ConnectionLost("the tracker says so")
        self._notice_silence()
        while self.display.notices:
            self._message(self.display.notices.popleft())
        while self.recorder.notices:
            self.state.say(self.recorder.notices.popleft())
        counts = self.recorder.counts
        if counts.gaps != self._reported_gaps:
            self._reported_gaps = counts.gaps
            self.state.say(f"gap of {counts.last_gap_us / 1000:.1f} ms; {counts.missing} samples missing so far")

    def _notice_silence(self) -> None:
        """Add up the time without a sample; in calibration mode a tracker may be silent."""
        now = time.monotonic()
        step, self._ticked_s = min(now - self._ticked_s, _TICK_S), now
        if self.recorder.deliveries != self._deliveries:
            self._deliveries, self._silent_s = self.recorder.deliveries, 0.0
        elif self.tracker.live and self.state.phase != "calibration":
            self._silent_s += step
        if self._silent_s * 1000 > self.sections.tracker.silence_ms:
            raise ConnectionLost(f"no sample for {self._silent_s * 1000:.0f} ms")

    def _prepare(self) -> None:
        self.state.phase = "calibration"
        self._steadily(self._calibrate)
        self.state.phase = "validation"
        self._steadily(self._validate)
        self._validated = True

    def _calibrate(self) -> None:
        phase, self.state.phase = self.state.phase, "calibration"
        calibration = calibrate(self.tracker, self.display, self.recorder, self.sections.calibration, self._screen)
        if calibration is not None:
            errors = error_vectors(calibration, self._screen).groupby("eye")["error_deg"].mean()
            self.state.say("calibration: " + ", ".join(f"{eye} {error:.2f} deg" for eye, error in errors.items()))
        self.state.phase = phase

    def _validate(self) -> None:
        section = self.sections.validation
        for attempt in range(self.sections.calibration.attempts):
            result = validate(self.tracker, self.display, self.recorder, section, self._screen)
            if result is not None:
                self.state.say(f"validation: {in_words(result.table)}")
            if result is None or result.passed is not False:
                return
            self.state.say(f"validation {attempt + 1} did not pass the gate of {section.gate_deg:g} deg")
            answer = self.display.confirm(
                f"The accuracy is worse than {section.gate_deg:g} deg.",
                {"r": "calibrate again", "c": "go on all the same"},
            )
            if answer == "c":
                self._message("the experimenter went on although the validation did not pass the gate")
                return
            self._calibrate()
        raise TrackerError(
            f"the validation did not pass the gate of {section.gate_deg:g} deg in {self.sections.calibration.attempts} "
            "attempts; nothing was shown. Check the position and start again with --resume"
        )

    def _break(self) -> None:
        self.state.phase = "break"
        self._message("break")
        self._steadily(lambda: self.display.pause("A short break. Press the space bar to go on."))
        self._drift_check()

    def _rate(self, trial: PlannedTrial) -> None:
        section = self.sections.rating
        if section is None:
            return
        self.state.phase = "rating"
        self.tracker.watch(None)

        def ask() -> None:
            score = self.display.rate(section)
            self.recorder.event(Response(trial.order, score, trial.picture.image, self.tracker.now_us()))

        self._steadily(ask)

    def _repeat_thin_trials(self) -> None:
        """Offer the block's trials with too little valid gaze for repetition, once each."""
        trials, self._thin = self._thin, []
        if not trials:
            return
        keys = {"r": "show them again now", "c": "go on without"}
        words = f"{len(trials)} of the last pictures had too little valid gaze. Is the head still in place?"
        if self.display.confirm(words, keys) == "r":
            for trial in trials:
                self._message(f"picture {trial.picture.image} is shown again")
                self.state.phase = "picture"
                self._steadily(partial(self._show, trial))
                self._rate(trial)
            self._thin = []

    def _show(self, trial: PlannedTrial) -> None:
        with self.recorder.tapped() as tap:
            stimulus, timing = self._show_for(trial)
            rows = self._rows_of(stimulus, tap)
        if timing is not None:
            self.recorder.event(timing)
        self.recorder.event(stimulus)
        due = (stimulus.offset_us - stimulus.onset_us) * self.tracker.info.rate_hz / 1e6
        share = (rows["left_valid"] | rows["right_valid"]).sum() / max(due, len(rows), 1.0)
        least = self.sections.presentation.repeat_below
        if least is not None and share < least:
            self._message(f"picture {stimulus.image}: {100 * share:.0f} % valid gaze, asked for {100 * least:.0f} %")
            self._thin.append(trial)

    def _rows_of(self, stimulus: Stimulus, tap: Sequence[Block]) -> Block:
        """Return the samples of a trial; a hole as long as a lost connection is one."""
        onset, offset, limit_us = stimulus.onset_us, stimulus.offset_us, 1000 * self.sections.tracker.silence_ms
        self.recorder.flush()
        if not tap and self.tracker.live:  # they may be under way still, or the tracker is silent
            self.display.wait_until(offset + limit_us)
            self.recorder.flush()
        rows = np.concatenate(tap) if tap else np.empty(0, dtype=SAMPLE)
        rows = rows[(rows["system_time_us"] >= onset) & (rows["system_time_us"] < offset)]
        hole_us = int(np.diff(rows["system_time_us"], prepend=onset, append=offset).max())
        if self.tracker.live and (hole_us > limit_us or not len(rows)):
            raise ConnectionLost(f"no sample for {hole_us / 1000:.0f} ms of the picture")
        return rows

    def _show_for(self, trial: PlannedTrial) -> tuple[Stimulus, Timing | None]:
        section = self.sections.presentation
        facts = facts_of(trial.picture)
        placement = placement_of(facts, self._screen, section)
        self.tracker.watch(None)
        self.display.load(trial, placement)
        cross = self.display.show_cross()
        self.display.wait_until(cross + 1000 * section.cross_ms)
        onset = self.display.show_picture(trial, placement)
        self.tracker.watch(PictureScene(drawn_by(facts.salience, facts.size_wh, trial.interest), placement))
        self.recorder.event(Onset(onset, trial.picture.image, trial.order))
        self.display.wait_until(onset + 1000 * section.duration_ms)
        offset = self.display.show_blank()
        self.tracker.watch(None)
        frames = self.display.picture_timing()
        intended = cross + 1000 * section.cross_ms, onset + 1000 * section.duration_ms
        timing = frames and Timing(
            trial.picture.image, trial.order, intended[0], onset, intended[1], offset, frames[0], frames[1]
        )
        stimulus = Stimulus(
            image=trial.picture.image,
            sha256=facts.sha256,
            picture_width=facts.size_wh[0],
            picture_height=facts.size_wh[1],
            onset_us=onset,
            offset_us=offset,
            order=trial.order,
            response="",
            **asdict(placement),
        )
        return stimulus, timing

    def _drift_check(self) -> None:
        limit = self.sections.validation.drift_check_deg
        if limit is None:
            return
        self.state.phase = "drift check"
        section = self.sections.validation.model_copy(update={"points": [(0.5, 0.5)], "gate_deg": limit})
        results: list[Validation | None] = []
        self._steadily(
            lambda: results.append(validate(self.tracker, self.display, self.recorder, section, self._screen))
        )
        if results[-1] is not None and results[-1].passed is False:
            self._message(f"drift check: worse than {limit:g} deg; calibrating again")
            self._prepare()

    def _ask(self, question: QuestionSection) -> None:
        answer = self.display.ask(question)
        self.recorder.event(Answer(self.tracker.now_us(), question.name, answer))

    def _steadily(self, step: Callable[[], Any]) -> None:
        """Do a step, and again from its start where the tracker was lost in it, a few times."""
        for left in reversed(range(_TRIES)):
            try:
                step()
                return
            except ConnectionLost as lost:
                reason = str(lost)
            except TrackerError as error:
                if self.tracker.alive() and not isinstance(error, TrackerGone):  # it is there, and refuses
                    raise
                reason = str(error)
            if not left:
                raise TrackerError(f"the tracker was lost {_TRIES} times in a row ({reason}); go on with --resume")
            self._wait_for_tracker(reason)

    def _wait_for_tracker(self, reason: str) -> None:
        phase, self.state.phase = self.state.phase, TRACKER_LOST
        self._message(f"connection to the tracker lost ({reason}); waiting for it")
        self.display.alarm("The eye tracker does not answer.\nPlease wait for the experimenter.")
        while not self.display.while_busy(self._is_back):  # Escape is heeded meanwhile
            pass
        if self.stop.is_set():
            raise EndSession
        self._deliveries, self._silent_s = self.recorder.deliveries, 0.0
        self._message("connection to the tracker restored")
        for difference in self.tracker.restore():
            self._message(f"after the reconnection: {difference}")
        if self._validated and self.sections.validation.points:
            self.state.phase = "validation"
            self._steadily(self._validate)
        self.state.phase = phase

    def _is_back(self) -> bool:
        """Wait for samples; connect again where none come. True as well where the session is to end."""
        if self._samples_come():
            return True
        if not self.tracker.reconnect():
            return self.stop.wait(1.0)
        return self._samples_come()

    def _samples_come(self) -> bool:
        deliveries = self.recorder.deliveries
        for _ in range(20):
            if self.stop.wait(0.05):
                return True
            if self.tracker.alive() and (self.recorder.deliveries > deliveries or not self.tracker.live):
                return True
        return False

    def _message(self, text: str) -> None:
        self.state.say(text)
        self.recorder.message(self.tracker.now_us(), text)

    def _trial_s(self) -> float:
        section = self.sections.presentation
        return (section.duration_ms + section.cross_ms) / 1000 + (3.0 if self.sections.rating else 0.0)
