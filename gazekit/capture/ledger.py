"""The plan of a session as a ledger: what was to be done, what is done, and whether a new plan is still the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py

from gazekit.capture.design import Assigned
from gazekit.capture.plan import PlannedTrial, Step
from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.core.files import names_device
from gazekit.session import Session, open_session
from gazekit.session.finalise import recover, session_path
from gazekit.session.journal import SUFFIX, read_header
from gazekit.session.session_file import json_attribute

SKIPPED = " was skipped by the operator"  # after kind and id of a step, in the messages of a session
_PRESENTATION = re.compile(r" \(\d+\)$")
_PART = re.compile(rf"(?P<participant>[A-Za-z0-9][\w-]*)(?:\.part(?P<number>\d+))?(?P<kind>\.gaze\.h5|{SUFFIX})", re.A)


@dataclass(frozen=True)
class PlannedStep:
    """A step as a session file keeps it: a picture has the SHA-256 of its file."""

    kind: str
    id: str
    sha256: str = ""


@dataclass
class Ledger:
    """All parts of a participant's session together."""

    parts: int = 0
    seed: int | None = None
    study_seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    plan: list[PlannedStep] = field(default_factory=list)
    done: set[PlannedStep] = field(default_factory=set)
    skipped: set[PlannedStep] = field(default_factory=set)  # and not done since
    end: Mapping[str, Any] = field(default_factory=dict)
    assigned: Assigned | None = None
    files: list[Path] = field(default_factory=list)

    def add(self, number: int, session: Session) -> None:
        """Enter a part; the plan of the latest counts."""
        parameters = session.provenance.get("parameters", {})
        self.parts = number
        self.seed, self.settings = parameters.get("seed"), parameters.get("study", {})
        self.study_seed = self.settings.get("study", {}).get("seed")
        if "assigned" in parameters:
            self.assigned = Assigned.from_json(parameters["assigned"])
        self.end = session.provenance.get("end", {"complete": session.finalised})
        table = session.streams.get("ledger")
        if table is None:  # of version 0.1: pictures and answers are all that it says
            self._add_old(session, parameters.get("planned", ()) if number == 1 else ())
            return
        texts = {text for text in session.messages["text"] if text.endswith(SKIPPED)}
        steps = [PlannedStep(*row) for row in table[["kind", "id", "sha256"]].itertuples(index=False)]
        self.done |= _under_new_names(self.done, renamed(self.plan, steps))
        self.done |= {step for step, done_us in zip(steps, table["done_us"], strict=True) if done_us >= 0}
        self.plan = steps
        skipped = {step for step in steps if f"{step.kind} {step.id}{SKIPPED}" in texts and step.kind != "break"}
        self.skipped = (self.skipped | skipped) - self.done

    def _add_old(self, session: Session, planned: Sequence[str]) -> None:
        digests = dict(zip(session.stimuli["image"], session.stimuli["sha256"], strict=True))
        self.plan = [PlannedStep("picture", image, digests.get(image, "")) for image in planned] or self.plan
        for row in session.stimuli.itertuples():
            kinds = ("picture", "rating") if row.response else ("picture",)
            self.done |= {PlannedStep(kind, str(row.image), str(row.sha256)) for kind in kinds}
        answers = session.messages["text"].str.extract(r"^answer ([a-z0-9_]+): ")[0].dropna()
        self.done |= {PlannedStep("question", name) for name in answers}

    @property
    def complete(self) -> bool:
        """Whether every step of the plan is done."""
        return bool(self.plan) and self.done.issuperset(step for step in self.plan if step.kind != "break")

    @property
    def skipped_words(self) -> str:
        """What the operator skipped: pictures by their id, other steps with their kind."""
        steps = sorted(self.skipped, key=lambda step: (step.kind != "picture", step.kind, step.id))
        return ", ".join(step.id if step.kind == "picture" else f"{step.kind} {step.id}" for step in steps)

    @property
    def words(self) -> str:
        """Say how far the session is."""
        pictures = {step.id for step in self.skipped if step.kind == "picture"}
        left = [step for step in self.plan if step not in self.done | self.skipped and step.kind != "break"]
        done = sum(step in self.done for step in self.plan)
        if self.complete:
            return "complete"
        if all(step.sha256 and step.id in pictures for step in left):  # what is asked of a skipped picture is skipped
            return f"at its end, skipped: {self.skipped_words}"
        skipped = f", skipped: {self.skipped_words}" if self.skipped else ""
        return f"stopped after {done} of {len(self.plan)} steps{skipped}"

    def differences(self, settings: Mapping[str, Any], seed: int, steps: Sequence[Step]) -> list[str]:
        """Say in what a new plan is not the one that was begun."""
        lines = [] if self.seed in (None, seed) else [f"the seed was {self.seed}, is {seed}"]
        old, new = _flat(self.settings), _flat(settings)
        lines += [
            f"[{section}] is {'new' if settings.get(section) else 'gone'}"
            for section in ("rating", "practice", "interview")
            if bool(self.settings.get(section)) != bool(settings.get(section))
        ]
        lines += [
            f"[{key.replace('.', '] ', 1)} was {old[key]!r}, is {new[key]!r}"
            for key in sorted(old.keys() & new.keys())
            if old[key] != new[key]
        ]
        before = {step.id: step.sha256 for step in self.plan if step.kind == "picture"}
        now = {step.id: step.sha256 for step in steps if step.kind == "picture"}
        names = renamed(self.plan, steps)
        lines += [f"the picture {names[image]} is called {image} now" for image in names]
        lines += [f"the picture {i} is new" for i in now if i not in before and i not in names]
        lines += [f"the picture {i} is gone" for i in before if i not in now and i not in names.values()]
        lines += [f"the picture {i} has another content" for i in now if before.get(i) and before[i] != now[i]]
        questions = [{step.id for step in plan if step.kind == "question"} for plan in (self.plan, steps)]
        lines += _other_entries("answers", self.settings, settings) + _other_entries("pages", self.settings, settings)
        if any(step.kind != "picture" for step in self.plan) and questions[0] != questions[1]:
            lines.append(f"the questions were {sorted(questions[0])}, are {sorted(questions[1])}")
        return lines

    def arrange(self, trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
        """Put trials in the order in which they were planned first; pictures that are new come last."""
        planned = [step.id for step in self.plan if step.kind == "picture"]
        pictures = [Step("picture", trial.id, trial.sha256) for trial in trials]
        names = renamed(self.plan, pictures)
        place = {image: n for n, image in enumerate(planned)}
        place |= {new: place[old] for new, old in names.items()}
        known = sorted((t for t in trials if t.id in place), key=lambda t: place[t.id])
        new = [trial for trial in trials if trial.id not in place]
        return [replace(trial, order=place[trial.id]) for trial in known] + [
            replace(trial, order=len(planned) + n) for n, trial in enumerate(new)
        ]

    def left(self, steps: Sequence[Step]) -> list[Step]:
        """Return the steps that are not done; a picture that has another name now is the same picture."""
        done = self.done | _under_new_names(self.done, renamed(self.plan, steps))
        return [step for step in steps if PlannedStep(step.kind, step.id, step.sha256) not in done]


def renamed(plan: Sequence[PlannedStep], steps: Sequence[PlannedStep | Step]) -> dict[str, str]:
    """Return new name -> old name of pictures whose content was planned under a name that is gone."""
    before, now = (
        {step.id: (step.sha256, "".join(_PRESENTATION.findall(step.id))) for step in p if step.kind == "picture"}
        for p in (plan, steps)
    )
    gone = {content: image for image, content in before.items() if image not in now and content[0]}
    return {image: gone[content] for image, content in now.items() if image not in before and content in gone}


def _under_new_names(done: set[PlannedStep], names: Mapping[str, str]) -> set[PlannedStep]:
    return {replace(step, id=new) for new, old in names.items() for step in done if step.id == old and step.sha256}


def check_name(folder: Path, participant: str) -> None:
    """Refuse a name that a system cannot store, or takes for another that is there already."""
    if names_device(participant):
        raise InputError(f"{participant} names a device on Windows and cannot name a file there; choose another")
    others = {match["participant"] for _, match in _files(folder)}
    same = [other for other in others if other != participant and other.lower() == participant.lower()]
    if same:
        raise OutputError(
            f"{folder} holds sessions of {same[0]}; {participant} would be the same file on Windows and macOS. "
            f"Did you mean {same[0]}?"
        )


def read_ledger(folder: Path, participant: str, *, resume: bool, write: bool) -> Ledger:
    """Read what a folder holds of a participant; a journal that a crash left is recovered first.

    Raises
    ------
    OutputError
        There is something, and it is not to be resumed; or a journal, and nothing may be written.
    """
    files = sorted((f, m) for f, m in _files(folder) if m["participant"] == participant)
    ledger = Ledger()
    if files and not resume:
        first = next((file for file, match in files if match["kind"] == SUFFIX), files[0][0])
        raise OutputError(
            f"{first} exists already and is never overwritten. Go on where {participant} stopped with --resume, "
            "or choose another participant or folder"
        )
    numbers = set()
    for file, match in files:
        if match["kind"] == SUFFIX:
            if not write:
                raise OutputError(f"{file} was left by a crash: gazekit recover {file}, then the plan can be shown")
            recover(file, keep_journal=False)
        numbers.add((int(match["number"] or 1), session_path(file) if match["kind"] == SUFFIX else file))
    for number, file in sorted(numbers):
        ledger.add(number, open_session(file, gaze=False))
        ledger.files.append(file)
    return ledger


def assigned_before(folder: Path, participant: str) -> dict[str, Mapping[str, str]]:
    """Return the levels of those who have a session or a journal in a folder, but for one participant.

    Sessions that are running count as well; a journal whose header is damaged is said, and counts for nobody.
    """
    levels: dict[str, Mapping[str, str]] = {}
    for file, match in sorted(_files(folder)):
        if match["participant"] == participant:
            continue
        parameters = _parameters_of_journal(file) if match["kind"] == SUFFIX else _parameters(file)
        if "assigned" in parameters:
            levels[match["participant"]] = parameters["assigned"]["levels"]
    return levels


def _parameters_of_journal(file: Path) -> Mapping[str, Any]:
    try:
        parameters: Mapping[str, Any] = read_header(file).get("provenance", {}).get("parameters", {})
        return parameters
    except InputError as error:
        if not file.exists() and session_path(file).exists():  # its session has just ended
            return _parameters(session_path(file))
        print(f"{error}; it does not count in the balance of the design", file=sys.stderr)
        return {}


def _parameters(file: Path) -> Mapping[str, Any]:
    """Read what a session was recorded with from its header alone: a folder may hold gigabytes of gaze."""
    try:
        with h5py.File(file, "r") as content:
            parameters: Mapping[str, Any] = json_attribute(content, "provenance").get("parameters", {})
            return parameters
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"{file} is not a session file, or is damaged: {error}") from error


def all_ledgers(folder: Path) -> dict[str, Ledger]:
    """Read what a folder holds of every participant, journals left aside."""
    ledgers: dict[str, Ledger] = {}
    files = [(m["participant"], int(m["number"] or 1), f) for f, m in _files(folder) if m["kind"] != SUFFIX]
    for participant, number, file in sorted(files):
        ledger = ledgers.setdefault(participant, Ledger())
        ledger.add(number, open_session(file, gaze=False))
        ledger.files.append(file)
    return ledgers


def _files(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    present = folder.iterdir() if folder.is_dir() else ()
    return [(file, match) for file in present if (match := _PART.fullmatch(file.name))]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what decides a session, by section and key; where things lie on the disk does not."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            flat |= _flat(dict(zip(_names(value), value, strict=True)), f"{name}.")
        elif name.partition(".")[0] in _DECIDING and name not in _NOT_DECIDING:
            flat[name] = value
    return flat


def _names(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the entries of a list of tables are called; pages have no names, but numbers."""
    return [str(entry.get("name", n + 1)) for n, entry in enumerate(entries)]


def _other_entries(section: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, now = (_names(settings.get(section, ())) for settings in (old, new))
    changed = [(name, "new") for name in now if name not in before] + [(n, "gone") for n in before if n not in now]
    return [f"[[{section}]] {name} is {word}" for name, word in changed]


_DECIDING = (
    *("study", "screen", "tracker", "calibration", "validation", "presentation", "rating", "answers", "questions"),
    *("design", "factors", "blocks", "practice", "pages", "text", "interview"),
)
_NOT_DECIDING = (
    "study.seed",  # has its own word
    "study.note",
    "study.messages",
    "practice.folder",
    "practice.list",
    "text.font",
    "calibration.reuse",
    "tracker.answers",
    "design.people",
    "design.viewers",
    "design.participants",
)
