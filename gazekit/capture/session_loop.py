"""A session from calibration to the last picture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from gazekit.capture.calibration import calibrate, error_vectors, in_words, validate
from gazekit.capture.display import Display, EndSession
from gazekit.capture.plan import PlannedTrial, facts_of, placement_of
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import QuestionSection, SessionSections
from gazekit.capture.simulation.interest import drawn_by
from gazekit.capture.simulation.scanpath import PictureScene
from gazekit.capture.tracker import Tracker
from gazekit.core.errors import TrackerError
from gazekit.session import Validation
from gazekit.session.events import Onset, Response, Stimulus


class ConnectionLost(Exception):
    """The tracker has gone; the trial under way is to be repeated."""


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

    def run(self, trials: Sequence[PlannedTrial]) -> bool:
        """Run the whole session; return whether it ran to its end (else it was ended in order)."""
        self.state.trials = len(trials)
        try:
            self._prepare()
            self._questions("before")
            for n, trial in enumerate(trials):
                self.state.trial = n + 1
                self.state.seconds_left = (len(trials) - n) * self._trial_s()
                self._trial(trial, first=n == 0)
            self._questions("after")
        except EndSession:
            self._message("the session was ended before its end")
            return False
        return True

    def tick(self) -> None:
        """Look after the disk, the operator's wish, the connection and gaps; called while time passes."""
        self.recorder.check()
        if self.stop.is_set():
            raise EndSession
        if not self.tracker.alive():
            raise ConnectionLost
        while self.recorder.notices:
            self.state.say(self.recorder.notices.popleft())
        counts = self.recorder.counts
        if counts.gaps != self._reported_gaps:
            self._reported_gaps = counts.gaps
            self.state.say(f"gap of {counts.last_gap_us / 1000:.1f} ms; {counts.missing} samples missing so far")

    def _prepare(self) -> None:
        self.state.phase = "calibration"
        self._steadily(self._calibrate)
        self.state.phase = "validation"
        self._steadily(self._validate)

    def _calibrate(self) -> None:
        calibration = calibrate(self.tracker, self.display, self.recorder, self.sections.calibration, self._screen)
        if calibration is not None:
            errors = error_vectors(calibration, self._screen).groupby("eye")["error_deg"].mean()
            self.state.say("calibration: " + ", ".join(f"{eye} {error:.2f} deg" for eye, error in errors.items()))

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

    def _trial(self, trial: PlannedTrial, *, first: bool) -> None:
        if trial.break_before and not first:
            self.state.phase = "break"
            self._message("break")
            self._steadily(lambda: self.display.pause("A short break. Press the space bar to go on."))
            self._drift_check()
        self.state.phase = "picture"
        self._steadily(lambda: self._show(trial))
        if self.sections.rating is not None:
            rating = self.sections.rating
            self.state.phase = "rating"
            self.tracker.watch(None)
            self._steadily(lambda: self.recorder.event(Response(trial.order, self.display.rate(rating))))

    def _show(self, trial: PlannedTrial) -> None:
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
        self.recorder.event(
            Stimulus(
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
        )

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

    def _questions(self, when: str) -> None:
        self.state.phase = "questions"
        for question in self.sections.questions:
            if question.when == when:
                self._steadily(partial(self._ask, question))

    def _ask(self, question: QuestionSection) -> None:
        answer = self.display.ask(question)
        self.recorder.message(self.tracker.now_us(), f"answer {question.name}: {answer}")

    def _steadily(self, step: Callable[[], Any]) -> None:
        """Do a step, and again from its start where the tracker was lost in it."""
        while True:
            try:
                step()
                return
            except (ConnectionLost, TrackerError):
                if self.tracker.alive():  # it is there, and refuses
                    raise
                self._wait_for_tracker()

    def _wait_for_tracker(self) -> None:
        self._message("connection to the tracker lost; waiting for it")
        self.state.phase = "tracker lost"
        while not self.display.while_busy(self._reconnect):  # Escape is heeded meanwhile
            pass
        if self.stop.is_set():
            raise EndSession
        self._message("connection to the tracker restored")

    def _reconnect(self) -> bool:
        return self.tracker.reconnect() or self.stop.wait(1.0)

    def _message(self, text: str) -> None:
        self.state.say(text)
        self.recorder.message(self.tracker.now_us(), text)

    def _trial_s(self) -> float:
        section = self.sections.presentation
        return (section.duration_ms + section.cross_ms) / 1000 + (3.0 if self.sections.rating else 0.0)
