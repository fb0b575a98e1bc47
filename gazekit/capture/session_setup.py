"""One sitting of a participant: files, tracker, display, and the session file at the end."""

from __future__ import annotations

import datetime
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from gazekit.capture.calibration import calibration_points, saved_calibration, validation_points
from gazekit.capture.discovery import open_tracker
from gazekit.capture.display import Display, NoDisplay
from gazekit.capture.lsl import Outlet
from gazekit.capture.plan import PlannedTrial, plan_session, random_stream
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import SessionRun, State
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.tracker import Tracker
from gazekit.core.errors import InputError, OutputError
from gazekit.core.files import provenance
from gazekit.session import open_session
from gazekit.session.finalise import Recovered, recover, session_path
from gazekit.session.journal import SUFFIX, JournalWriter
from gazekit.session.samples import EYE_OPENNESS, SAMPLE
from gazekit.study import Study, read_study

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SLACK_BYTES = 8 << 20


@dataclass(frozen=True)
class Sitting:
    """All that is decided before the tracker is touched."""

    study: Study
    study_path: Path
    participant: str
    part: int
    seed: int
    trials: Sequence[PlannedTrial]
    journal: Path

    @property
    def session(self) -> Path:
        """Where the session file will be."""
        return session_path(self.journal)

    @property
    def seconds(self) -> float:
        """How long the pictures take, without ratings and breaks."""
        section = self.study.presentation
        return len(self.trials) * (section.duration_ms + section.cross_ms) / 1000

    def to_json(self) -> dict[str, Any]:
        """The plan for a program."""
        return {
            "participant": self.participant,
            "part": self.part,
            "session": str(self.session),
            "tracker": self.study.tracker.kind,
            "seed": self.seed,
            "seconds": self.seconds,
            "trials": [{"order": t.order, "block": t.block, "image": t.picture.image} for t in self.trials],
        }

    def sentences(self) -> list[str]:
        """The plan in words."""
        study, screen = self.study, self.study.screen
        gate = study.validation.gate_deg
        points = calibration_points(study.calibration.points), validation_points(study.validation.points)
        lines = [
            f"study {study.study.name}, participant {self.participant}, part {self.part}, seed {self.seed}",
            f"tracker {study.tracker.kind}"
            + (f" at {study.tracker.rate_hz:g} Hz" if study.tracker.rate_hz else "")
            + f"; screen {screen.width_px} x {screen.height_px} px, {screen.width_mm:g} x {screen.height_mm:g} mm, "
            f"{screen.distance_mm:g} mm away ({screen.screen().pixels_per_degree:.1f} px a degree)",
            f"calibration with {len(points[0])} points, validation with {len(points[1])}"
            + (f", gate {gate:g} deg" if gate else ", no gate"),
            f"{len(self.trials)} pictures in {study.presentation.order} order, {study.presentation.duration_ms} ms "
            f"each after {study.presentation.cross_ms} ms of cross: {self.seconds / 60:.1f} min"
            + (f", each rated {study.rating.low} to {study.rating.high}" if study.rating else ""),
            f"session file {self.session}",
        ]
        for trial in self.trials:
            pause = "  (after a break)" if trial.break_before else ""
            lines.append(f"  {trial.order + 1:4d}  block {trial.block + 1}  {trial.picture.image}{pause}")
        return lines


def prepare(
    study_path: str | Path,
    participant: str,
    out_dir: str | Path,
    *,
    seed: int | None = None,
    resume: bool = False,
    kind: str | None = None,
    write: bool = True,
) -> Sitting:
    """Read and check everything that can be checked before the first trial.

    With ``resume`` the trials that earlier sittings of the participant completed are left out, and a journal that
    was left behind by a crash is recovered first. ``kind`` is a tracker in place of the study's. Without ``write``
    nothing is written: a dry run.

    Raises
    ------
    ConfigError, InputError : the study file, its pictures or the pseudonym.
    OutputError : there is a session of this participant already, or a journal, or the disk is too full.
    """
    if not _PSEUDONYM.fullmatch(participant):
        raise InputError(
            f"a participant is a pseudonym of letters, digits, _ and - (at most 64); found {participant!r}. "
            "Keep names and dates of birth out of it"
        )
    study = read_study(study_path)
    if kind is not None:
        study = study.model_copy(update={"tracker": study.tracker.model_copy(update={"kind": kind})})
    if study.calibration.reuse is not None:
        reuse = Path(study_path).parent / study.calibration.reuse
        saved_calibration(reuse)  # said now, not when the participant sits there
        study = study.model_copy(update={"calibration": study.calibration.model_copy(update={"reuse": reuse})})
    seed = study.study.seed if seed is None else seed
    folder = Path(out_dir)
    trials = plan_session(study, Path(study_path).parent, participant, seed)
    part, left = _remaining(folder, participant, trials, resume=resume, write=write)
    stem = participant if part == 1 else f"{participant}.part{part}"
    sitting = Sitting(study, Path(study_path), participant, part, seed, left, folder / f"{stem}{SUFFIX}")
    if write:
        _check_room(folder, sitting)
    return sitting


def record(
    study_path: str | Path,
    participant: str,
    out_dir: str | Path,
    *,
    realtime: bool = True,
    seed: int | None = None,
    resume: bool = False,
    keep_journal: bool = False,
    headless: bool | None = None,
    state: State | None = None,
    stop: threading.Event | None = None,
    tracker: Tracker | None = None,
    watch: Callable[[Recorder, State], Any] | None = None,
) -> Path:
    """Run a session and write ``<out_dir>/<participant>.gaze.h5`` (``.part2`` and so on when resumed).

    Parameters
    ----------
    realtime : False runs a simulated session as fast as the machine can, through the same recorder and journal.
    seed : in place of the study's seed; with the participant it decides the order and the simulated person.
    resume : go on at the trial where an earlier sitting stopped.
    keep_journal : keep the journal beside the verified session file.
    headless : no window; by default exactly when ``realtime`` is False.
    stop : set it to end the session in order.
    tracker : in place of the one that the study names.
    watch : called once with the recorder and the state, before the session begins.

    Raises
    ------
    ConfigError, InputError, OutputError, TrackerError : see `prepare`; the tracker; a disk that fills up.
    """
    sitting = prepare(study_path, participant, out_dir, seed=seed, resume=resume)
    return run_sitting(
        sitting,
        realtime=realtime,
        keep_journal=keep_journal,
        headless=not realtime if headless is None else headless,
        state=state or State(),
        stop=stop or threading.Event(),
        tracker=tracker,
        watch=watch,
    ).session


def run_sitting(
    sitting: Sitting,
    *,
    realtime: bool,
    keep_journal: bool,
    headless: bool,
    state: State,
    stop: threading.Event,
    tracker: Tracker | None = None,
    watch: Callable[[Recorder, State], Any] | None = None,
) -> Recovered:
    """Record a prepared sitting; see `record`."""
    if not realtime and sitting.study.tracker.kind != "simulated" and tracker is None:
        raise InputError("only a simulated session runs faster than real time; [tracker] kind is not 'simulated'")
    person = random_stream(sitting.seed, sitting.participant, f"person {sitting.part}")
    tracker = tracker or open_tracker(
        sitting.study, sitting.study_path.parent, seed=person.integers(1 << 62), realtime=realtime
    )
    state.participant = sitting.participant
    try:
        display = _open_display(sitting, tracker, headless=headless)
        outlet = Outlet(tracker.info, sitting.participant) if sitting.study.tracker.lsl_outlet else None
        journal = JournalWriter(sitting.journal, _header(sitting, tracker, realtime=realtime))
        recorder = Recorder(journal, tracker.converters, tracker.info.rate_hz, outlet)
        run = SessionRun(sitting.study, tracker, display, recorder, state, stop)
        display.tick = run.tick
        if watch is not None:
            watch(recorder, state)
        _record(run, sitting.trials)
    finally:
        tracker.close()
    recorder.check()
    state.phase = "writing the session file"
    return recover(sitting.journal, keep_journal=keep_journal)


def _record(run: SessionRun, trials: Sequence[PlannedTrial]) -> None:
    """The tracker runs, the session runs; however it ends, all that came is in the journal."""
    complete: bool | None = None
    try:
        measured = run.display.prepare(trials)
        if measured.get("flips_follow_refresh") is False:
            run.state.say(
                f"the flips do not follow the display's refresh: {measured['probe_median_ms']:.1f} ms each where "
                f"{measured['refresh_reported_hz']} Hz are reported"
            )
        run.recorder.event("display", **measured, **run.tracker.facts())
        run.tracker.start(run.recorder.put)
        complete = run.run(trials)
    finally:
        run.tracker.stop()
        measured = run.display.close()
        if measured:
            run.recorder.event("display", **measured)
        counts = run.recorder.counts
        run.recorder.close(None if complete is None else {"complete": complete, "samples": counts.samples})


def _open_display(sitting: Sitting, tracker: Tracker, *, headless: bool) -> Display:
    simulated = isinstance(tracker, SimulatedTracker)
    answers = random_stream(sitting.seed, sitting.participant, f"answers {sitting.part}")
    if headless:
        if not isinstance(tracker, SimulatedTracker):
            raise InputError("a session without a window needs the simulated tracker; nobody would see the pictures")
        return NoDisplay(tracker, answers)
    from gazekit.capture.window import Window

    return Window(sitting.study, tracker, answers=answers if simulated else None)


def _header(sitting: Sitting, tracker: Tracker, *, realtime: bool) -> dict[str, Any]:
    study = sitting.study
    parameters = {
        "study": study.model_dump(mode="json", exclude={"survey"}),
        "seed": sitting.seed,
        "part": sitting.part,
        "planned": [trial.picture.image for trial in sitting.trials],
    }
    return {
        "participant": sitting.participant,
        "name": study.study.name,
        "task": "free viewing" if study.rating is None else "free viewing and rating",
        # a session that no time passes in has no date, so that it repeats byte for byte
        "started_utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds") if realtime else "",
        "screen": asdict(study.screen.screen()),
        "tracker": asdict(tracker.info),
        "provenance": provenance("gazekit.session/1", parameters, {"study": sitting.study_path}),
    }


def _remaining(
    folder: Path, participant: str, trials: list[PlannedTrial], *, resume: bool, write: bool
) -> tuple[int, Sequence[PlannedTrial]]:
    """The part's number and its trials, from what is in the folder already."""
    names = re.compile(rf"{re.escape(participant)}(?:\.part(\d+))?(\.gaze\.h5|{re.escape(SUFFIX)})")
    present = folder.iterdir() if folder.is_dir() else ()
    found = {file: match for file in present if (match := names.fullmatch(file.name))}
    if not found:
        return 1, trials
    journals = sorted(file for file, match in found.items() if match[2] == SUFFIX)
    if not resume:
        first = (journals or sorted(found))[0]
        raise OutputError(
            f"{first} exists already and is never overwritten. Go on where {participant} stopped with --resume, "
            "or choose another participant or folder"
        )
    for journal in journals if write else []:
        recover(journal, keep_journal=False)
    done: set[int] = set()
    for file, match in found.items():
        if match[2] == SUFFIX and not write:
            raise OutputError(f"{file} was left by a crash: gazekit recover {file}, then the plan can be shown")
        session = open_session(file if match[2] != SUFFIX else session_path(file))
        done |= set(map(int, session.stimuli["order"]))
    left = [trial for trial in trials if trial.order not in done]
    if not left:
        raise InputError(f"{participant} has seen all {len(trials)} pictures; there is nothing to resume")
    return 1 + max(int(match[1] or 1) for match in found.values()), left


def _check_room(folder: Path, sitting: Sitting) -> None:
    """Say before the first trial that the disk will not do."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):  # of no name: others may be starting in this folder now
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    rate, seconds = sitting.study.tracker.rate_hz or 300.0, sitting.seconds
    need = int(2 * seconds * rate * (SAMPLE.itemsize + EYE_OPENNESS.itemsize)) + _SLACK_BYTES
    if free < need:
        raise OutputError(
            f"{folder} has {free / 1e6:.0f} MB free; this session needs about {need / 1e6:.0f} MB "
            f"({seconds:.0f} s at {rate:g} Hz). Make room, or choose another folder with --out"
        )
