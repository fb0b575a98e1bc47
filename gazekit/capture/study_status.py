"""How far a study is: its participants, its pictures, and what the design still needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.capture.design import first_assigned
from gazekit.capture.ledger import Ledger, all_ledgers
from gazekit.capture.plan import plan_session
from gazekit.capture.settings import SessionSections
from gazekit.events import session_quality
from gazekit.events.settings import QualitySection
from gazekit.session import Session, open_session

_NOTE = "note of the operator: "
_WORST = {"fail": 0, "bad": 0, "unknown": 1, "": 1, "pass": 2, "good": 2}


@dataclass(frozen=True)
class StudyStatus:
    """Tables of a study's progress.

    ``participants`` : a row each: date, parts, steps done of how many, complete, who ended it, what the operator
    skipped, quality and timing
    verdicts (the worst of the parts) with their reasons, notes of the operator, levels and language.
    ``pictures`` : a row each: viewers, and good viewers (of parts that passed, with no more gaze lost on the picture
    than the threshold).
    ``needed`` : what the design still needs, a line each.
    """

    participants: pd.DataFrame
    pictures: pd.DataFrame
    needed: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the same for a program."""
        return {
            "participants": self.participants.to_dict("records"),
            "pictures": self.pictures.to_dict("records"),
            "needed": self.needed,
        }


def study_status(
    sections: SessionSections, folder: str | Path, thresholds: QualitySection | None = None, *, judge: bool = True
) -> StudyStatus:
    """Read all sessions of a study.

    Parameters
    ----------
    sections : SessionSections
        The study.
    folder : str or Path
        The session files.
    thresholds : QualitySection, optional
        Of the quality verdicts.
    judge : bool
        False reads no gaze: fast, without verdicts; every viewer counts as good.
    """
    thresholds = thresholds or QualitySection()
    people = []
    for participant, ledger in all_ledgers(Path(folder)).items():
        parts = []
        for file in ledger.files:
            session = open_session(file, gaze=judge)
            judged = session_quality(session, thresholds) if judge and len(session.recording) else None
            parts.append(part_facts(session, judged, thresholds))
        people.append((participant, ledger, parts))
    return status_of(sections, people)


@dataclass(frozen=True)
class PartFacts:
    """What one session file says of a participant, and which pictures were looked at: well, or not."""

    date: str
    notes: tuple[str, ...]
    verdict: str = ""
    timing: str = ""
    reasons: str = ""
    viewings: Mapping[str, bool] = field(default_factory=dict)


def part_facts(session: Session, quality: pd.DataFrame | None, thresholds: QualitySection) -> PartFacts:
    """Gather what the status of a study needs of a session.

    Parameters
    ----------
    session : Session
        With or without its gaze.
    quality : DataFrame or None
        As `gazekit.events.session_quality` gives it; without it every viewing counts as good.
    thresholds : QualitySection
        Of the quality verdicts.
    """
    texts = session.messages["text"].astype(str)
    facts: dict[str, Any] = {
        "date": session.started_utc,
        "notes": tuple(text.removeprefix(_NOTE) for text in texts if text.startswith(_NOTE)),
        "viewings": dict.fromkeys(session.stimuli["image"], True),
    }
    return PartFacts(**facts | (_judged(quality, thresholds) if quality is not None else {}))


def status_of(sections: SessionSections | None, people: Iterable[tuple[str, Ledger, list[PartFacts]]]) -> StudyStatus:
    """Put together how far a study is, from what is known of each participant's parts.

    Parameters
    ----------
    sections : SessionSections or None
        The study; without one nothing is planned, and nothing needed.
    people : iterable of (str, Ledger, list of PartFacts)
        Each participant with what was planned, and the parts.
    """
    rows, viewings = [], []
    for participant, ledger, parts in people:
        rows.append(_participant(participant, ledger, parts))
        viewings += [(participant, image, good) for part in parts for image, good in part.viewings.items()]
    table = pd.DataFrame(rows)
    pictures = _pictures(sections, viewings)
    return StudyStatus(table, pictures, [] if sections is None else _needed(sections, table, pictures))


def _judged(table: pd.DataFrame, thresholds: QualitySection) -> dict[str, Any]:
    table = table[table["eye"] == "average"]
    whole = table[table["part"] == "whole"].iloc[0]
    limit = thresholds.max_loss_percent if thresholds.max_loss_percent is not None else 100.0
    trials = table[table["part"] == "trial"]
    good = (whole["verdict"] != "fail") & (trials["loss_percent"].fillna(100.0) <= limit)
    reasons = "; ".join(str(text) for text in (whole["reasons"], whole["timing_reasons"]) if text)
    viewings: dict[str, bool] = {}
    for image, fine in zip(trials["image"], good, strict=True):
        viewings[image] = viewings.get(image, False) or bool(fine)
    return {"verdict": whole["verdict"], "timing": whole["timing"], "reasons": reasons, "viewings": viewings}


def _participant(name: str, ledger: Ledger, parts: list[PartFacts]) -> dict[str, Any]:
    def worst(key: str) -> str:
        return str(min((getattr(part, key) for part in parts), key=lambda verdict: _WORST.get(verdict, 0), default=""))

    assigned: Mapping[str, Any] = {} if ledger.assigned is None else ledger.assigned.levels
    return {
        "participant": name,
        "date": next((part.date[:10] for part in parts if part.date), ""),
        "parts": ledger.parts,
        "done": sum(step in ledger.done for step in ledger.plan),
        "steps": len(ledger.plan),
        "complete": ledger.complete,
        "ended_by": str(ledger.end.get("ended_by", "")),
        "skipped": ledger.skipped_words,
        "quality": worst("verdict"),
        "timing": worst("timing"),
        "reasons": "; ".join(part.reasons for part in parts if part.reasons),
        "notes": " / ".join(note for part in parts for note in part.notes),
        **assigned,
        "language": "" if ledger.assigned is None else ledger.assigned.language,
    }


def _pictures(sections: SessionSections | None, viewings: list[tuple[str, str, bool]]) -> pd.DataFrame:
    """Count viewers of each picture of the study, and of those that are not the study's any more."""
    planned: dict[str, None] = {}
    if sections is not None:
        for assigned in first_assigned(sections):
            trials = plan_session(sections, "P01", sections.study.seed, assigned)
            planned |= dict.fromkeys(trial.picture.image for trial in trials)
    viewers: dict[str, set[str]] = {}
    good_viewers: dict[str, set[str]] = {}
    for participant, image, good in viewings:
        viewers.setdefault(image, set()).add(participant)
        if good:
            good_viewers.setdefault(image, set()).add(participant)
    return pd.DataFrame(
        [
            {
                "image": image,
                "viewers": len(viewers.get(image, ())),
                "good_viewers": len(good_viewers.get(image, ())),
                "in_study": image in planned or sections is None,
            }
            for image in [*sorted(planned), *sorted(viewers.keys() - planned)]
        ],
        columns=["image", "viewers", "good_viewers", "in_study"],
    )


def _needed(sections: SessionSections, people: pd.DataFrame, pictures: pd.DataFrame) -> list[str]:
    """Say what the design still needs: people in each combination of levels, good viewers of each picture."""
    design, lines = sections.design, []
    usable = people[people["complete"] & (people["quality"] != "fail")] if len(people) else people
    if design.people is not None:
        names = [factor.name for factor in sections.factors]
        for cell in itertools.product(*(factor.levels for factor in sections.factors)):
            here = usable
            for name, level in zip(names, cell, strict=True):
                here = here[here[name] == level] if name in here else here.iloc[:0]
            if len(here) < design.people:
                words = " ".join(f"{name}={level}" for name, level in zip(names, cell, strict=True)) or "participants"
                lines.append(f"{words}: {len(here)} of {design.people} people (complete, quality not failed)")
    if design.viewers is not None:
        few = pictures[pictures["in_study"] & (pictures["good_viewers"] < design.viewers)]
        lines += [
            f"{row.image}: {row.good_viewers} of {design.viewers} good viewers" for row in few.itertuples(index=False)
        ]
    for row in people[~people["complete"]].itertuples() if len(people) else ():
        skipped = f", skipped: {row.skipped}" if row.skipped else ""
        lines.append(f"not complete: {row.participant}{skipped} (gazekit record --resume)")
    return lines
