"""A session from calibration to the last picture."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.capture.calibration import calibrate, error_vectors, in_words, validate
from gazekit.capture.desk import Desk, Review
from gazekit.capture.display import Display, EndSession, MarkedRegion, PageContent, PauseAsked
from gazekit.capture.head import HeadView, head_view
from gazekit.capture.interview import own_scanpath, regions_of
from gazekit.capture.item_settings import AnswerSection, QuestionSection
from gazekit.capture.items import Given, Item, item_in
from gazekit.capture.ledger import SKIPPED
from gazekit.capture.look import Look, look_of
from gazekit.capture.picture_show import PictureShow, Shown, presentation_of
from gazekit.capture.plan import PlannedTrial, Step, answers_of, facts_of, placement_of
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import SessionSections
from gazekit.capture.tracker import Tracker, TrackerGone
from gazekit.core.counting import counted
from gazekit.core.errors import TrackerError
from gazekit.core.messages import SOURCE, Catalogue, catalogue, text_in
from gazekit.screen import Placement
from gazekit.session import Calibration, Validation
from gazekit.session.events import Answer, PictureAnswer, PracticePicture, Response, StepDone, Stimulus
from gazekit.session.samples import SAMPLE, SIDES, Block

TRACKER_LOST = "TRACKER LOST"
_FIRST_SAMPLE_S = 3.0  # how long a tracker may take from its start to its first sample
_TRIES = 5  # of a step in which the tracker is lost
_USUAL_LOOK_MS = 5000
_SKIPPABLE = ("picture", "rating", "questions", "pages", "practice", "interview", "break")
_BUSY = ("calibration", "validation", "drift check", TRACKER_LOST)
_TICK_S = 0.05  # what a longer step between two ticks counts: then this process was held up, not the tracker


class ConnectionLost(Exception):
    """The tracker has gone or is silent; the trial under way is to be repeated."""


class SettingsPutBack(Exception):
    """Another program changed the tracker, which is as it was again; the step under way is to be repeated."""


class OperatorWish(Exception):
    """The operator wants something done now (calibrate, drift check); the step under way is done again after it."""


class SkipAsked(Exception):
    """The operator wants the step under way left out."""


@dataclass(frozen=True)
class TrialVerdict:
    """How a picture went, for the operator."""

    image: str
    valid: float  # share of the samples that were due
    frames_missed: int
    verdict: str  # good, thin, skipped


@dataclass
class State:
    """What the operator sees."""

    participant: str = ""
    phase: str = "starting"
    trial: int = 0
    trials: int = 0
    seconds_left: float = 0.0
    notices: list[str] = field(default_factory=list)
    verdicts: list[TrialVerdict] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)  # pictures of this part, in order
    showing: PlannedTrial | None = None
    placement: Placement | None = None
    link: Callable[[], str] | None = None  # of the operator's page

    def say(self, text: str) -> None:
        """Add a line for the operator; the last few are kept."""
        self.notices = [*self.notices[-5:], text]


class SessionRun:
    """Runs the plan: calibration, validation, pages, pictures, what is asked, breaks, the interview.

    `tick` is called by the display while it waits: it raises where the session has to stop or the tracker is gone, and
    does what the operator wants.
    """

    def __init__(
        self,
        sections: SessionSections,
        tracker: Tracker,
        display: Display,
        recorder: Recorder,
        state: State,
        stop: threading.Event,
        *,
        desk: Desk | None = None,
        look: Look | None = None,
        earlier: Sequence[Path] = (),
    ) -> None:
        self.sections = sections
        self.tracker = tracker
        self.display = display
        self.recorder = recorder
        self.state = state
        self.stop = stop
        self.desk = desk or Desk()
        self._look = look or look_of(sections)
        self._words = self._look.words
        self._earlier = earlier
        self._show_picture = PictureShow(sections, tracker, display, recorder)
        self._screen = sections.screen.screen()
        self._reported_gaps = 0
        self._deliveries = 0
        self._silent_s = -_FIRST_SAMPLE_S
        self._ticked_s = time.monotonic()
        self._validated = self._paused = self._to_mend = False
        self._thin: list[PlannedTrial] = []
        self._given: dict[tuple[str, str], Given] = {}  # answers that were given while the picture was there
        self._gaze: dict[str, Block] = {}  # of pictures that the interview shows again
        self._last: PlannedTrial | None = None
        self._again = False
        self.skipped: set[str] = set()
        self.step = self.steps = 0
        self.ended_by = "the plan"

    def run(self, steps: Sequence[Step]) -> bool:
        """Do every step; return whether the session ran to its end (else it was ended in order)."""
        pictures = [step for step in steps if step.kind == "picture"]
        self.state.trials, self.steps = len(pictures), len(steps)
        self.state.planned = [step.id for step in pictures]
        self._interviewed = {step.id for step in steps if step.kind == "interview"}
        begun = False
        try:
            for n, step in enumerate(steps):
                self.step = n + 1
                if not begun and not (step.kind == "pages" and step.id == "start"):
                    self._prepare_unless_all_is_shown(steps)
                    begun = True
                if step.kind == "picture":
                    self.state.trial += 1
                    self.state.seconds_left = (len(pictures) - self.state.trial + 1) * self._trial_s()
                if step.kind != "break" or n:
                    self._do_unless_skipped(step)
                if not _goes_on(step, steps[n + 1 : n + 2]):
                    self._repeat_where_asked()
                after = next((later.trial for later in steps[n + 1 :] if later.trial is not None), None)
                if step.trial is not None and (after is None or after.block != step.trial.block):
                    self._repeat_thin_trials()
        except EndSession as end:
            self.ended_by = str(end) or "the experimenter"
            self._message("the session was ended before its end")
            return False
        return True

    def _do_unless_skipped(self, step: Step) -> None:
        """Do a step, unless the operator skips it; what is asked of a skipped picture is skipped too."""
        if step.answer is not None and step.trial is not None and step.trial.id in self.skipped:
            return
        try:
            self._do(step)
        except SkipAsked:
            self._message(f"{step.kind} {step.id}{SKIPPED}")
            if step.trial is not None and step.kind == "picture":
                self.skipped |= {step.trial.id}
                self.state.verdicts.append(TrialVerdict(step.id, 0.0, 0, "skipped"))

    def _repeat_where_asked(self) -> None:
        """Show the last picture again where the operator wants it, once all that is asked about it is answered."""
        try:
            while self._again and self._last is not None:
                self._again = False
                self._show_again(self._last)
        except SkipAsked:
            self._message("the repetition was skipped by the operator")

    def _do(self, step: Step) -> None:
        """Do a step; its own record, or a `StepDone`, is the last thing that is written of it."""
        if step.kind == "question" and step.question is not None:
            self.state.phase = "questions"
            self._steadily(partial(self._ask, step.question))
        elif step.kind == "picture" and step.trial is not None:
            self.state.phase = "picture"
            self._steadily(partial(self._show, step.trial))
        elif step.answer is not None and step.trial is not None:
            self.state.phase = "rating"
            self._steadily(partial(self._answer, step.answer, step.trial))
        else:
            others = {
                "break": lambda: self._break(),
                "pages": lambda: self._pages(step),
                "practice": lambda: self._practise(step),
                "interview": lambda: self._interview(step),
            }
            self.state.phase = step.kind
            others[step.kind]()
            self.recorder.event(StepDone(self.tracker.now_us(), step.kind, step.id))

    def tick(self) -> None:
        """Look after the disk, the operator's wish, the connection and gaps; called while time passes."""
        self.recorder.check()
        if self.stop.is_set():
            raise EndSession("a signal")
        self._obey()
        if self.state.phase != TRACKER_LOST:  # else it is waited for
            if not self.tracker.alive():
                raise ConnectionLost("the tracker says so")
            self._notice_silence()
            self._notice_changes()
        while self.display.notices:
            self._message(self.display.notices.popleft())
        while self.recorder.notices:
            self.state.say(self.recorder.notices.popleft())
        counts = self.recorder.counts
        if counts.gaps != self._reported_gaps:
            self._reported_gaps = counts.gaps
            self.state.say(
                f"gap of {counts.last_gap_us / 1000:.1f} ms; {counted(counts.missing, 'sample')} missing so far"
            )

    def _obey(self) -> None:
        """Do what the operator wants; some of it leaves the step under way."""
        for command in self.desk.take():
            kind = command.kind
            if kind in ("note", "page"):
                words = "note of the operator: " if kind == "note" else "the operator's page was "
                self._message(words + command.text)
                continue
            self._message(f"the operator: {kind}")
            if kind == "end":
                raise EndSession("the operator")
            if kind == "go on":
                self._paused = False
            elif kind == "pause" and not self._paused and self.state.phase != TRACKER_LOST:
                raise PauseAsked("the operator")
            elif kind == "start":
                self._show_picture.begin_now = True
            elif kind == "repeat":
                self._again = self._last is not None
            elif kind in ("calibrate", "drift check") and self.state.phase not in _BUSY:
                raise OperatorWish(kind)
            elif kind == "skip" and self.state.phase in _SKIPPABLE:
                raise SkipAsked
            elif kind in ("calibrate", "drift check", "skip"):
                self.state.say(f"not now: {kind} ({self.state.phase})")

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

    def _notice_changes(self) -> None:
        """Put back what another program changed on the tracker."""
        differences = self.tracker.restore() if self.tracker.unsettled() else []
        for difference in differences:
            self._message(f"another program changed the tracker: {difference}")
        self._to_mend |= bool(differences)
        if differences and self.state.phase != "paused":
            raise SettingsPutBack

    def _prepare_unless_all_is_shown(self, steps: Sequence[Step]) -> None:
        """Calibrate where a picture is left to be shown."""
        if any(step.kind in ("picture", "practice") for step in steps):
            self._prepare()
        else:
            self._message("no picture is left to be shown: no calibration")

    def _prepare(self) -> None:
        self._validated = False
        self.state.phase = "calibration"
        self._steadily(self._calibrate)
        self.state.phase = "validation"
        self._steadily(self._validate)
        self._validated = True

    def _calibrate(self) -> None:
        with self._in_phase("calibration"):
            if self.sections.calibration.head_page:
                self.display.head(self._head)
                self.recorder.flush()
                self._message(f"head: {self._head().words}")
            calibration = calibrate(
                self.tracker, self.display, self.recorder, self.sections.calibration, self._screen, self._review
            )
        if calibration is not None:
            errors = error_vectors(calibration, self._screen).groupby("eye")["error_deg"].mean()
            self.state.say("calibration: " + ", ".join(f"{eye} {error:.2f} deg" for eye, error in errors.items()))

    @contextlib.contextmanager
    def _in_phase(self, phase: str) -> Iterator[None]:
        """Be in a phase while the block runs, and in the one before after it, however it ends."""
        before, self.state.phase = self.state.phase, phase
        try:
            yield
        finally:
            self.state.phase = before

    def _head(self) -> HeadView:
        position = self.recorder.latest.get("user_position")
        return head_view(self.recorder.counts.latest, position, self._screen)

    def _review(
        self, calibration: Calibration, attempt: int, attempts: int, failed: Sequence[tuple[float, float]] = ()
    ) -> list[tuple[float, float]]:
        """Ask the operator which points are to be done again; where nobody sits there, the participant's window."""
        if not self.desk.attended:
            return self.display.review(calibration, attempt, attempts, failed)
        self.display.show_text(self._words("session.wait"))
        review = Review.of(calibration, error_vectors(calibration, self._screen), attempt, attempts, failed)
        chosen = self._decide(lambda: self.desk.publish_review(review), "review")
        if chosen is None:
            return self.display.review(calibration, attempt, attempts, failed)
        return [review.targets[n] for n in chosen if 0 <= n < len(review.targets)]

    def _confirm(self, question: str, keys: dict[str, str], **values: object) -> str:
        """Ask the operator in his language; where nobody sits there, the participant's window in English.

        ``question``, and the answers to each key, are texts ``ask_...`` of the catalogue.
        """

        def worded(words: Catalogue) -> tuple[str, dict[str, str]]:
            text = words(f"operator.ask_{question}", **values)
            return text, {key: words(f"operator.ask_{answer}") for key, answer in keys.items()}

        if self.desk.attended:
            self.display.show_text(self._words("session.wait"))
            key = self._decide(lambda: self.desk.publish_question(*worded(self.desk.words)), "answer")
            if key in keys:
                return str(key)
        return self.display.confirm(*worded(catalogue(SOURCE)))

    def _decide(self, publish: Callable[[], None], kind: str) -> Any:
        """Wait for the operator's decision; None where the operator has left."""
        publish()
        try:
            while self.desk.attended:
                decision = self.desk.decision(kind)
                if decision is not None:
                    self._message(f"the operator decided: {kind} {decision.value}")
                    return decision.value
                self.display.wait_until(self.tracker.now_us() + 50_000)
            return None
        finally:
            self.desk.withdraw()

    def _validate(self) -> None:
        section = self.sections.validation
        for attempt in range(self.sections.calibration.attempts):
            result = validate(self.tracker, self.display, self.recorder, section, self._screen)
            if result is not None:
                self.state.say(f"validation: {in_words(result.table)}")
            if result is None or result.passed is not False:
                return
            self.state.say(f"validation {attempt + 1} did not pass the gate of {section.gate_deg:g} deg")
            answer = self._confirm("accuracy", {"r": "calibrate", "c": "all_the_same"}, gate=f"{section.gate_deg:g}")
            if answer == "c":
                self._message("the experimenter went on although the validation did not pass the gate")
                return
            self._calibrate()
        raise TrackerError(
            f"the validation did not pass the gate of {section.gate_deg:g} deg in {self.sections.calibration.attempts} "
            "attempts; nothing was shown. Check the position and start again with --resume"
        )

    def _break(self) -> None:
        self._message("break")
        self._steadily(lambda: self.display.pause(self._words("session.break")))
        self._drift_check()

    def _pages(self, step: Step) -> None:
        self.tracker.watch(None)
        base = self.sections.file.parent
        contents = [
            PageContent(
                text=self._words(f"session.{page.standard}") if page.standard else self._text(page.text),
                picture=base / page.picture if page.picture else None,
                button=self._words("session.start") if page.standard == "ready" else "",
            )
            for page in step.pages
        ]
        self._steadily(partial(self.display.pages, contents))

    def _text(self, text: str | Mapping[str, str] | None) -> str:
        return "" if text is None else text_in(text, self._words.lang)

    def _practise(self, step: Step) -> None:
        """Show a picture for practice and ask what is asked of the others; it counts nowhere."""
        assert step.trial is not None
        trial, answers = step.trial, answers_of(self.sections, step.trial)

        def once() -> None:
            given = {a.name: self._asked(a).answer for a in answers if a.when == "before"}
            shown = self._show_picture.show(trial, [self._item(a) for a in answers if a.when == "while"])
            given |= {name: answer.answer for name, answer in shown.viewed.answers.items()}
            given |= {a.name: self._asked(a).answer for a in answers if a.name not in given}
            picture = shown.stimulus
            words = json.dumps(given, ensure_ascii=False)
            self.recorder.event(
                PracticePicture(
                    picture.image, picture.sha256, picture.onset_us, picture.offset_us, picture.ended_by, words
                )
            )

        self._steadily(once)

    def _item(self, answer: AnswerSection | QuestionSection) -> Item:
        return item_in(answer, self._words.lang)

    def _asked(self, answer: AnswerSection | QuestionSection) -> Given:
        self.tracker.watch(None)
        return self.display.ask(self._item(answer))

    def _answer(self, answer: AnswerSection, trial: PlannedTrial) -> None:
        """Ask something about a picture, unless it was answered while the picture was there."""
        given = self._given.pop((trial.id, answer.name), None) or self._asked(answer)
        if self.sections.rating is not None and answer.name == "rating":
            self.recorder.event(Response(trial.order, given.answer, trial.id, given.time_us))
        else:
            self.recorder.event(
                PictureAnswer(trial.order, trial.id, answer.name, given.answer, given.by, given.shown_us, given.time_us)
            )

    def _interview(self, step: Step) -> None:
        """Show a picture again, with the person's own scanpath or alone, and take the regions that are marked."""
        section, trial = self.sections.interview, step.trial
        assert section is not None
        assert trial is not None
        self.tracker.watch(None)
        facts = facts_of(trial.picture)
        placement = placement_of(facts, self._screen, self.sections.presentation, low=True)
        where = placement_of(facts, self._screen, self.sections.presentation)
        path = (
            own_scanpath(self._gaze.get(trial.id), self._earlier, trial.id, self._screen, (where, placement))
            if section.scanpath
            else []
        )
        regions: list[MarkedRegion] = []
        words = self._words("session.mark") if section.text is None else self._text(section.text)

        def once() -> None:
            regions[:] = self.display.mark(trial, placement, words, path, section.least)

        self._steadily(once)
        for region in regions_of(regions, trial, facts, placement, self.tracker.now_us()):
            self.recorder.event(region)

    def _repeat_thin_trials(self) -> None:
        """Offer the block's trials with too little valid gaze for repetition, once each."""
        trials, self._thin = self._thin, []
        if not trials:
            return
        keys = {"r": "show_again", "c": "without"}
        answer: list[str] = []
        self._steadily(lambda: answer.append(self._confirm("thin", keys, number=len(trials))))
        if answer[-1] == "r":
            for trial in trials:
                self._show_again(trial)
            self._thin = []

    def _show_again(self, trial: PlannedTrial) -> None:
        self._message(f"picture {trial.id} is shown again")
        self.state.phase = "picture"
        self._steadily(partial(self._show, trial))
        self.state.phase = "rating"
        for answer in answers_of(self.sections, trial):
            if answer.when != "before":
                self._steadily(partial(self._answer, answer, trial))

    def _show(self, trial: PlannedTrial) -> None:
        items = [self._item(a) for a in answers_of(self.sections, trial) if a.when == "while"]
        self.state.placement = placement_of(
            facts_of(trial.picture), self._screen, self.sections.presentation, low=bool(items)
        )
        self.state.showing = trial
        try:
            with self.recorder.tapped() as tap:
                shown = self._show_picture.show(trial, items, tap)
                rows = self._rows_of(shown.stimulus, tap)
        finally:
            self.state.showing = None
        stimulus = shown.stimulus
        if shown.timing is not None:
            self.recorder.event(shown.timing)
        self.recorder.event(stimulus)
        self._given |= {(trial.id, name): given for name, given in shown.viewed.answers.items()}
        self._last = trial
        if trial.id in self._interviewed:
            self._gaze[trial.id] = rows
        due = (stimulus.offset_us - stimulus.onset_us) * self.tracker.info.rate_hz / 1e6
        share = float((rows["left_valid"] | rows["right_valid"]).sum() / max(due, len(rows), 1.0))
        least = self.sections.presentation.repeat_below
        thin = least is not None and share < least
        self._judge(trial, shown, share, thin=thin)
        lost = [side for side in SIDES if side in self.recorder.counts.eyes and not rows[f"{side}_valid"].any()]
        if lost:
            self._message(f"picture {trial.id}: no valid gaze of the {' and the '.join(lost)} eye")
        if thin:
            self._message(f"picture {trial.id}: {100 * share:.0f} % valid gaze, asked for {100 * (least or 0):.0f} %")
            self._thin.append(trial)

    def _judge(self, trial: PlannedTrial, shown: Shown, share: float, *, thin: bool) -> None:
        missed = shown.timing.frames_missed if shown.timing else 0
        verdict = "thin" if thin or share < 0.5 else "good"
        self.state.verdicts = [
            *(v for v in self.state.verdicts if v.image != trial.id),
            TrialVerdict(trial.id, share, missed, verdict),
        ]

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

    def _drift_check(self, otherwise_deg: float | None = None) -> None:
        limit = self.sections.validation.drift_check_deg or otherwise_deg
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
        given = self._asked(question)
        self.recorder.event(Answer(given.time_us, question.name, given.answer))

    def _steadily(self, step: Callable[[], Any]) -> None:
        """Do a step; again from its start where the tracker was lost in it (a few times), or the operator cut in."""
        left = _TRIES
        while True:
            try:
                self._mend()
                step()
                return
            except PauseAsked as asked:
                self._pause(str(asked))
                continue
            except OperatorWish as wish:
                self._do_wish(str(wish))
                continue
            except SettingsPutBack:
                continue
            except ConnectionLost as lost:
                reason = str(lost)
            except TrackerError as error:
                if self.tracker.alive() and not isinstance(error, TrackerGone):  # it is there, and refuses
                    raise
                reason = str(error)
            left -= 1
            if not left:
                raise TrackerError(f"the tracker was lost {_TRIES} times in a row ({reason}); go on with --resume")
            self._wait_for_tracker(reason)

    def _do_wish(self, kind: str) -> None:
        phase = self.state.phase
        if kind == "calibrate":
            self._prepare()
        else:
            self._drift_check(1.5 if self.sections.validation.drift_check_deg is None else None)
        self.state.phase = phase

    def _pause(self, reason: str) -> None:
        """Wait until the operator goes on; where nobody sits there, the participant's window asks."""
        phase, self.state.phase = self.state.phase, "paused"
        self._message(f"pause ({reason})")
        self._paused = True
        self.tracker.watch(None)
        self.display.show_text(self._words("session.paused"))
        while self._paused:
            try:
                if self.desk.attended:
                    self.display.wait_until(self.tracker.now_us() + 50_000)
                else:
                    self._ask_at_the_window()
            except PauseAsked:  # Escape once more: it is paused
                pass
            except OperatorWish as wish:
                self._do_wish(str(wish))
                self.state.phase = "paused"
                self.display.show_text(self._words("session.paused"))
            except ConnectionLost as lost:
                self._wait_for_tracker(str(lost))
                self.display.show_text(self._words("session.paused"))
        self._message("the session goes on")
        self.state.phase = phase

    def _ask_at_the_window(self) -> None:
        """Ask in the participant's window what the operator wants; the end is asked for twice."""
        keys = {"g": "go on", "e": "end the session"}
        if self.display.confirm(self._words("session.paused"), keys) == "g":
            self._paused = False
        elif self.display.confirm("End the session?", {"n": "no, go on", "y": "yes, end it"}) == "y":
            raise EndSession("Escape")

    def _wait_for_tracker(self, reason: str) -> None:
        phase, self.state.phase = self.state.phase, TRACKER_LOST
        self._message(f"connection to the tracker lost ({reason}); waiting for it")
        self.display.alarm(self._words("session.tracker_lost"))
        while not self._came_back():
            self._obey()  # notes, and the end
        if self.stop.is_set():
            raise EndSession
        self._deliveries, self._silent_s = self.recorder.deliveries, 0.0
        self._message("connection to the tracker restored")
        self.state.phase = phase
        self._to_mend = True

    def _mend(self) -> None:
        """Put back what the tracker lost with its connection, and validate, before a step is done again."""
        if not self._to_mend:
            return
        for difference in self.tracker.restore():
            self._message(f"after the reconnection: {difference}")
        if self._validated and self.sections.validation.points:
            with self._in_phase("validation"):
                self._validate()
        self._to_mend = False

    def _came_back(self) -> bool:
        """Wait in a thread while the screen goes on; Escape asks whether to wait on."""
        try:
            return self.display.while_busy(self._is_back)
        except PauseAsked:
            keys = {"w": "wait on", "e": "end the session"}
            with contextlib.suppress(PauseAsked):  # Escape once more
                if self.display.confirm(self._words("session.tracker_lost"), keys) == "e":
                    raise EndSession("Escape") from None
            self.display.alarm(self._words("session.tracker_lost"))
            return False

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
        return seconds_of(self.sections)


def _goes_on(step: Step, later: Sequence[Step]) -> bool:
    """Whether the next step asks about the same picture."""
    return any(other.answer is not None and other.trial is step.trial for other in later)


def seconds_of(sections: SessionSections, trial: PlannedTrial | None = None) -> float:
    """Return how long a picture with its answers takes, about: five seconds of self-paced viewing, three an answer."""
    section = sections.presentation if trial is None else presentation_of(sections.presentation, trial)
    shown_ms = section.duration_ms
    if section.viewing == "self-paced":
        shown_ms = min(section.longest_ms, section.least_ms + _USUAL_LOOK_MS)
    answers = sections.asked if trial is None else answers_of(sections, trial)
    return (shown_ms + section.cross_ms + section.after_ms) / 1000 + 3.0 * len(answers)
