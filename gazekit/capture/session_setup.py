"""One part of a participant's session: files, tracker, display, and the session file at the end."""

from __future__ import annotations

import datetime
import re
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

from gazekit.capture.calibration import calibration_points, saved_calibration, validation_points
from gazekit.capture.claims import Claim, missing_folders, remove_empty, take_turn
from gazekit.capture.design import Assigned, assign
from gazekit.capture.desk import Desk
from gazekit.capture.discovery import open_tracker
from gazekit.capture.display import Display, NoDisplay
from gazekit.capture.ledger import Ledger, assigned_before, check_name, read_ledger
from gazekit.capture.look import look_of
from gazekit.capture.lsl import Outlet
from gazekit.capture.plan import PlannedTrial, Step, plan_session, plan_steps
from gazekit.capture.randomness import random_stream
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import SessionRun, State, seconds_of
from gazekit.capture.settings import PresentationSection, SessionSections
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.tracker import Tracker, TrackerSetup
from gazekit.core.counting import counted
from gazekit.core.errors import InputError, OutputError, TrackerError
from gazekit.core.files import provenance
from gazekit.session.backup import back_up
from gazekit.session.events import DisplayFacts
from gazekit.session.finalise import Recovered, recover, session_path
from gazekit.session.journal import SUFFIX, JournalWriter
from gazekit.session.samples import EYE_OPENNESS, SAMPLE

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Resume = bool | Literal["accept-changes"]
_SLACK_BYTES = 8 << 20


@dataclass(frozen=True)
class SessionPart:
    """A part of a session: all that is decided before the tracker is touched."""

    sections: SessionSections
    participant: str
    number: int
    seed: int
    trials: Sequence[PlannedTrial]  # of the pictures that are left
    steps: Sequence[Step]  # that are left
    plan: Sequence[Step]  # of the whole session
    changes: Sequence[str]  # against the plan that was begun
    journal: Path
    assigned: Assigned = field(default_factory=Assigned)
    earlier: Sequence[Path] = ()  # session files of the parts before
    claim: Claim | None = None  # of its place in the design, until the journal says it

    def release(self) -> None:
        """Let others have the place in the design that this part claims, where it is not begun."""
        if self.claim is not None:
            self.claim.release()

    @property
    def session(self) -> Path:
        """Where the session file will be."""
        return session_path(self.journal)

    @property
    def seconds(self) -> float:
        """How long the pictures and their answers take, about."""
        return sum(seconds_of(self.sections, trial) for trial in self.trials)

    def to_json(self) -> dict[str, Any]:
        """Return the plan for a program."""
        return {
            "participant": self.participant,
            "part": self.number,
            "session": str(self.session),
            "tracker": self.sections.tracker.kind,
            "seed": self.seed,
            "seconds": self.seconds,
            **self.assigned.to_json(),
            "trials": [
                {"order": t.order, "block": t.block, "image": t.picture.image, "presentation": t.presentation}
                for t in self.trials
            ],
            "steps": [{"kind": step.kind, "id": step.id} for step in self.steps],
        }

    def sentences(self) -> list[str]:
        """Say the plan in words."""
        sections, screen = self.sections, self.sections.screen
        gate, shown = sections.validation.gate_deg, sections.presentation
        points = calibration_points(sections.calibration.points), validation_points(sections.validation.points)
        lines = [
            f"study {sections.study.name}, participant {self.participant}, part {self.number}, seed {self.seed}",
            f"tracker {sections.tracker.kind}"
            + (f" at {sections.tracker.rate_hz:g} Hz" if sections.tracker.rate_hz else "")
            + f"; screen {screen.width_px} x {screen.height_px} px, {screen.width_mm:g} x {screen.height_mm:g} mm, "
            f"{screen.distance_mm:g} mm away ({screen.screen().pixels_per_degree:.1f} px a degree)",
            f"calibration with {counted(len(points[0]), 'point')}, validation with {len(points[1])}"
            + (f", gate {gate:g} deg" if gate else ", no gate"),
            f"{counted(len(self.trials), 'picture')} in {shown.order} order, {_viewing_words(shown)} "
            f"after {shown.cross_ms} ms of cross: {self.seconds / 60:.1f} min with answers"
            + "".join(f"; {answer.when} each: {answer.name} ({answer.kind})" for answer in sections.asked),
            *([f"assigned: {words}"] if (words := self._assigned_words()) else []),
            f"session file {self.session}",
        ]
        for trial in self.trials:
            pause = "  (after a break)" if trial.break_before else ""
            block = trial.task.name if trial.task else str(trial.block + 1)
            asked = self._shuffled(trial)
            lines.append(f"  {trial.order + 1:4d}  block {block}  {trial.id}{pause}{asked}")
        for kind in ("practice", "interview"):
            names = [step.id for step in self.steps if step.kind == kind]
            lines += [f"{kind}: {', '.join(names)}"] if names else []
        return lines

    def _shuffled(self, trial: PlannedTrial) -> str:
        """Return what is asked about a picture, in the order that was drawn."""
        if not self.sections.presentation.shuffle_answers:
            return ""
        names = [step.answer.name for step in self.steps if step.trial is trial and step.answer is not None]
        return f"  asks {', '.join(names)}" if names else ""

    def _assigned_words(self) -> str:
        many = len(self.sections.study.languages) > 1
        words = {**self.assigned.levels, **({"language": self.assigned.language} if many else {})}
        return ", ".join(f"{name} {level}" for name, level in words.items())


def _viewing_words(shown: PresentationSection) -> str:
    if shown.viewing == "fixed":
        return f"{shown.duration_ms} ms each"
    return f"self-paced ({shown.least_ms} to {shown.longest_ms} ms) each"


def prepare_part(
    sections: SessionSections,
    participant: str,
    out_dir: str | Path,
    *,
    seed: int | None = None,
    resume: Resume = False,
    kind: str | None = None,
    given: Mapping[str, str] | None = None,
    write: bool = True,
) -> SessionPart:
    """Check everything that can be checked before the first trial.

    Parameters
    ----------
    sections : SessionSections
        A study, as `gazekit.read_study` gives it.
    participant : str
        Pseudonym: letters, digits, _ and -.
    out_dir : str or Path
        Folder of the session files.
    seed : int, optional
        In place of the study's.
    resume : bool or "accept-changes"
        Leave out the steps that earlier parts completed; a journal that a crash left is recovered first. With
        ``"accept-changes"`` also where pictures, seed or settings are not those of the plan that was begun, which is
        written down.
    kind : str, optional
        Kind of tracker, in place of the study's.
    given : mapping, optional
        Levels of factors, and ``language``, of this participant.
    write : bool
        False writes nothing: a dry run.

    Returns
    -------
    SessionPart
        What `record_part` records.

    Raises
    ------
    ConfigError, InputError
        The pictures or the pseudonym.
    OutputError
        There is a session of this participant already, or a journal, or the disk is too full.
    """
    if not _PSEUDONYM.fullmatch(participant):
        raise InputError(
            f"a participant is a pseudonym of letters, digits, _ and - (at most 64); found {participant!r}. "
            "Keep names and dates of birth out of it"
        )
    if kind is not None:
        sections = sections.model_copy(update={"tracker": sections.tracker.model_copy(update={"kind": kind})})
    if sections.calibration.reuse is not None:
        reuse = sections.file.parent / sections.calibration.reuse
        saved_calibration(reuse)  # said now, not when the participant sits there
        sections = sections.model_copy(update={"calibration": sections.calibration.model_copy(update={"reuse": reuse})})
    folder = Path(out_dir)
    check_name(folder, participant)
    ledger = read_ledger(folder, participant, resume=bool(resume), write=write)
    accepted = resume == "accept-changes"
    if seed is None:
        seed = sections.study.seed if ledger.seed is None or accepted else ledger.seed
    assigned, claim = _assigned(ledger, sections, participant, seed, given, folder, write=write)
    try:
        part = _plan_part(sections, participant, folder, seed, ledger, assigned, accepted=accepted)
        if write:
            _check_places(folder, part)
    except BaseException:
        if claim is not None:
            claim.release()
        raise
    return replace(part, claim=claim)


def _plan_part(
    sections: SessionSections,
    participant: str,
    folder: Path,
    seed: int,
    ledger: Ledger,
    assigned: Assigned,
    *,
    accepted: bool,
) -> SessionPart:
    trials = plan_session(sections, participant, seed, assigned)
    changes = _changes(ledger, sections, seed, trials) if ledger.parts else []
    if changes and not accepted:
        raise InputError(
            f"the session of {participant} was begun with another plan:\n"
            + "\n".join(f"  {change}" for change in changes)
            + "\nRestore the study, or go on with --accept-changes, which is written down in the session"
        )
    trials = ledger.arrange(trials)
    plan = plan_steps(sections, trials, participant, seed)
    left = ledger.left(plan)
    if not any(step.kind != "break" for step in left):
        raise InputError(f"{participant} has seen all {len(trials)} pictures; there is nothing to resume")
    number = ledger.parts + 1
    stem = participant if number == 1 else f"{participant}.part{number}"
    shown = [step.trial for step in left if step.kind == "picture" and step.trial is not None]
    journal = folder / f"{stem}{SUFFIX}"
    return SessionPart(
        sections, participant, number, seed, shown, left, plan, changes, journal, assigned, tuple(ledger.files)
    )


def _check_places(folder: Path, part: SessionPart) -> None:
    """Say that the disk will not do, or that the folder of second copies is not there."""
    _check_room(folder, part)
    if (backup := _backup_folder(part.sections)) is not None and not backup.is_dir():
        raise OutputError(f"[record] backup: there is no folder {backup}; plug it in, make it, or take the line out")
    if backup is not None and folder.is_dir() and backup.samefile(folder):
        raise OutputError(f"[record] backup: {backup} is the folder of the sessions; name one on another disk")


def _assigned(
    ledger: Ledger,
    sections: SessionSections,
    participant: str,
    seed: int,
    given: Mapping[str, str] | None,
    folder: Path,
    *,
    write: bool,
) -> tuple[Assigned, Claim | None]:
    """Return what a participant was assigned in the first part; in it, assign, and claim it before other stations."""
    if ledger.assigned is None:
        if not (write and any(factor.assign == "balanced" for factor in sections.factors)):
            others = assigned_before(folder, participant) if sections.factors else {}
            return assign(sections, participant, seed, given=given, others=list(others.values())), None
        with take_turn(folder) as turn:
            claimed = {name: levels for name, levels in turn.claimed().items() if name != participant}
            others = claimed | assigned_before(folder, participant)
            assigned = assign(sections, participant, seed, given=given, others=list(others.values()))
            return assigned, turn.claim(participant, assigned.levels)
    before = {**ledger.assigned.levels, "language": ledger.assigned.language}
    for name, level in (given or {}).items():
        if before.get(name) != level:
            raise InputError(
                f"{name} of {participant} was {before.get(name)!r} when the session was begun, not {level!r}"
            )
    return ledger.assigned, None


def _changes(ledger: Ledger, sections: SessionSections, seed: int, trials: Sequence[PlannedTrial]) -> list[str]:
    """Say in what a study is not the one that a session was begun with."""
    changes = ledger.differences(_settings(sections), seed, plan_steps(sections, trials))
    levels = {factor.name for factor in sections.factors}
    if ledger.assigned is not None and levels != set(ledger.assigned.levels):
        changes.append(f"[[factors]] were {sorted(ledger.assigned.levels)}, are {sorted(levels)}")
    if sections.study.seed != ledger.study_seed and seed == ledger.seed:
        changes.append(f"[study] seed was {ledger.study_seed}, is {sections.study.seed}")
    return changes


def record(
    study: SessionSections,
    participant: str,
    out_dir: str | Path,
    *,
    realtime: bool = True,
    seed: int | None = None,
    given: Mapping[str, str] | None = None,
    resume: Resume = False,
    keep_journal: bool = False,
    headless: bool | None = None,
    stop: threading.Event | None = None,
    tracker: Tracker | None = None,
    watch: Callable[[Recorder, State], Any] | None = None,
) -> Path:
    """Run a session and write ``<out_dir>/<participant>.gaze.h5`` (``.part2`` and so on when resumed).

    Parameters
    ----------
    study : Study
        The study, as `gazekit.read_study` gives it.
    participant : str
        Pseudonym: letters, digits, _ and -.
    out_dir : str or Path
        Folder of the session files; it is made where it does not exist.
    realtime : bool
        False runs a simulated session as fast as the machine can, through the same recorder and journal.
    seed : int, optional
        In place of the study's; with the participant it decides the order and the simulated person.
    given : mapping, optional
        Levels of the study's factors, and ``language``, of this participant: ``{"group": "chinese"}``.
    resume : bool or "accept-changes"
        Go on at the step where an earlier part stopped; with ``"accept-changes"`` also where pictures, seed or settings
        are others than those of the plan that was begun.
    keep_journal : bool
        Keep the journal beside the verified session file.
    headless : bool, optional
        Open no window; by default exactly when ``realtime`` is False.
    stop : threading.Event, optional
        Set it to end the session in order.
    tracker : Tracker, optional
        In place of the one that the study names.
    watch : callable, optional
        Is called once with the recorder and the state (what an operator's view shows), before the session begins.

    Returns
    -------
    Path
        The session file.

    Raises
    ------
    ConfigError, InputError, OutputError, TrackerError
        See `prepare_part`; the tracker; a disk that fills up.

    Examples
    --------
    >>> import tempfile, gazekit as gk
    >>> study = gk.read_study("sample_data/study.toml")
    >>> gk.record(study, "P07", tempfile.mkdtemp(), realtime=False).name
    'P07.gaze.h5'
    """
    part = prepare_part(study, participant, out_dir, seed=seed, resume=resume, given=given)
    return record_part(
        part,
        realtime=realtime,
        keep_journal=keep_journal,
        headless=not realtime if headless is None else headless,
        state=State(),
        stop=stop or threading.Event(),
        tracker=tracker,
        watch=watch,
    ).session


def record_part(
    part: SessionPart,
    *,
    realtime: bool,
    keep_journal: bool,
    headless: bool,
    state: State,
    stop: threading.Event,
    tracker: Tracker | None = None,
    watch: Callable[[Recorder, State], Any] | None = None,
    desk: Desk | None = None,
) -> Recovered:
    """Record a part that was prepared; see `record`."""
    sections = part.sections
    try:
        tracker = _open_tracker(part, realtime=realtime) if tracker is None else tracker
    except BaseException:
        part.release()
        raise
    state.participant = part.participant
    made = part.claim.made if part.claim is not None else missing_folders(part.journal.parent)
    try:
        if calibration_points(sections.calibration.points) and sections.calibration.reuse is None:
            tracker.check_calibration(sections.calibration.eyes)
        display = _open_display(part, tracker, headless=headless)
        try:
            outlet = Outlet(tracker.info, part.participant) if sections.tracker.lsl_outlet else None
            journal = JournalWriter(part.journal, _header(part, tracker, realtime=realtime))
            part.release()
        except BaseException:
            display.close()
            raise
        recorder = Recorder(journal, tracker.converters, tracker.info.rate_hz, outlet)
        look = look_of(sections, part.assigned.language)
        run = SessionRun(sections, tracker, display, recorder, state, stop, desk=desk, look=look, earlier=part.earlier)
        display.tick = run.tick
        if watch is not None:
            watch(recorder, state)
        _record(run, part)
    finally:
        tracker.close()
        part.release()
        remove_empty(made)
    recorder.check()
    state.phase = "writing the session file"
    recovered = recover(part.journal, keep_journal=keep_journal)
    if (backup := _backup_folder(sections)) is not None:
        for file in (*part.earlier, recovered.session):  # a part before may have been recovered just now
            back_up(file, backup)
    if not recovered.valid_samples or 0 < recovered.stimuli == len(recovered.pictures_without_gaze):
        where = "on any of its pictures" if recovered.valid_samples else "in it"
        raise TrackerError(
            f"{recovered.session} is whole, but there is no valid gaze {where} "
            f"({counted(recovered.samples, 'sample')}): was "
            "the tracker covered, the participant outside its view? Record again under another name, or with --resume"
        )
    return recovered


def _record(run: SessionRun, part: SessionPart) -> None:
    """Run the tracker and the session; however they end, all that came is in the journal."""
    complete: bool | None = None
    started = False
    try:
        measured = run.display.prepare(part.trials)
        if measured.get("flips_follow_refresh") is False:
            run.state.say(
                f"the flips do not follow the display's refresh: {measured['probe_median_ms']:.1f} ms each where "
                f"{measured['refresh_reported_hz']} Hz are reported"
            )
        run.recorder.event(DisplayFacts({**measured, **run.tracker.facts()}))
        run.tracker.start(run.recorder.put)
        started = True
        complete = run.run(part.steps)
    finally:
        run.tracker.stop()
        measured = run.display.close()
        if measured:
            run.recorder.event(DisplayFacts(measured))
        run.recorder.flush()
        end = {
            "complete": complete,
            "ended_by": run.ended_by,
            "step": run.step,
            "steps": run.steps,
            "samples": run.recorder.counts.samples,
            **({"skipped": sorted(run.skipped)} if run.skipped else {}),
            "out_of_order": run.recorder.counts.out_of_order,
        }
        run.recorder.close(None if complete is None else end)
        if not started:  # refused before anything came: nothing stays behind
            part.journal.unlink(missing_ok=True)


def _open_tracker(part: SessionPart, *, realtime: bool) -> Tracker:
    sections = part.sections
    if not realtime and sections.tracker.kind != "simulated":
        raise InputError("only a simulated session runs faster than real time; [tracker] kind is not 'simulated'")
    seed = random_stream(part.seed, part.participant, f"person {part.number}").integers(1 << 62)
    return open_tracker(TrackerSetup(sections.tracker, sections.screen.screen(), sections.file.parent, seed, realtime))


def _open_display(part: SessionPart, tracker: Tracker, *, headless: bool) -> Display:
    simulated = isinstance(tracker, SimulatedTracker) and part.sections.tracker.answers == "simulated"
    answers = random_stream(part.seed, part.participant, f"answers {part.number}")
    if headless:
        if not isinstance(tracker, SimulatedTracker):
            raise InputError("a session without a window needs the simulated tracker; nobody would see the pictures")
        return NoDisplay(tracker, answers)
    from gazekit.capture.window import Window

    look = look_of(part.sections, part.assigned.language)
    return Window(part.sections, tracker, answers=answers if simulated else None, look=look)


def _header(part: SessionPart, tracker: Tracker, *, realtime: bool) -> dict[str, Any]:
    sections = part.sections
    parameters = {
        "study": _settings(sections),
        "seed": part.seed,
        "part": part.number,
        "planned": [trial.picture.image for trial in part.trials],
        "assigned": part.assigned.to_json(),
        **({"accepted_changes": list(part.changes)} if part.changes else {}),
    }
    return {
        "participant": part.participant,
        "name": sections.study.name,
        "task": "free viewing and rating" if sections.asked else "free viewing",
        # a session that no time passes in has no date, so that it repeats byte for byte
        "started_utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds") if realtime else "",
        "screen": asdict(sections.screen.screen()),
        "tracker": asdict(tracker.info),
        "plan": [(step.kind, step.id, step.sha256) for step in part.plan],
        "provenance": provenance("gazekit.session/1", parameters, {"study": sections.file}),
    }


def _check_room(folder: Path, part: SessionPart) -> None:
    """Say before the first trial that the disk will not do."""
    try:
        present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with TemporaryFile(dir=present):  # of no name: others may be starting in this folder now
            pass
        free = shutil.disk_usage(present).free
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    rate, seconds = part.sections.tracker.rate_hz or 300.0, part.seconds
    need = int(2 * seconds * rate * (SAMPLE.itemsize + EYE_OPENNESS.itemsize)) + _SLACK_BYTES
    if free < need:
        raise OutputError(
            f"{folder} has {free / 1e6:.0f} MB free; this session needs about {need / 1e6:.0f} MB "
            f"({seconds:.0f} s at {rate:g} Hz). Make room, or choose another folder with --out"
        )


def _settings(sections: SessionSections) -> dict[str, Any]:
    return sections.model_dump(mode="json", exclude={"survey", "record"})  # where a copy lies is no property of it


def _backup_folder(sections: SessionSections) -> Path | None:
    return None if sections.record.backup is None else sections.file.parent / sections.record.backup
