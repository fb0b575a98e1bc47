"""How far a study is: its participants, its pictures, and what the design still needs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
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

    ``participants`` : a row each: date, parts, steps done of how many, complete, who ended it, quality and timing
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
    rows, viewings = [], []
    for participant, ledger in all_ledgers(Path(folder)).items():
        parts = [_part(file, thresholds, judge=judge) for file in ledger.files]
        rows.append(_participant(participant, ledger, parts))
        viewings += [(participant, image, good) for part in parts for image, good in part["viewings"].items()]
    people = pd.DataFrame(rows)
    pictures = _pictures(sections, viewings)
    return StudyStatus(people, pictures, _needed(sections, people, pictures))


def _part(file: Path, thresholds: QualitySection, *, judge: bool) -> dict[str, Any]:
    session = open_session(file, gaze=judge)
    texts = session.messages["text"].astype(str)
    facts: dict[str, Any] = {
        "date": session.started_utc,
        "notes": [text.removeprefix(_NOTE) for text in texts if text.startswith(_NOTE)],
        "skipped": int(texts.str.endswith(" was skipped by the operator").sum()),
        "verdict": "",
        "timing": "",
        "reasons": "",
        "viewings": dict.fromkeys(session.stimuli["image"], True),
    }
    return facts | _judged(session, thresholds) if judge and len(session.recording) else facts


def _judged(session: Session, thresholds: QualitySection) -> dict[str, Any]:
    table = session_quality(session, thresholds)
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


def _participant(name: str, ledger: Ledger, parts: list[dict[str, Any]]) -> dict[str, Any]:
    def worst(key: str) -> str:
        return str(min((part[key] for part in parts), key=lambda verdict: _WORST.get(verdict, 0), default=""))

    assigned: Mapping[str, Any] = {} if ledger.assigned is None else ledger.assigned.levels
    return {
        "participant": name,
        "date": next((part["date"][:10] for part in parts if part["date"]), ""),
        "parts": ledger.parts,
        "done": sum(step in ledger.done for step in ledger.plan),
        "steps": len(ledger.plan),
        "complete": ledger.complete,
        "ended_by": str(ledger.end.get("ended_by", "")),
        "skipped": sum(part["skipped"] for part in parts),
        "quality": worst("verdict"),
        "timing": worst("timing"),
        "reasons": "; ".join(part["reasons"] for part in parts if part["reasons"]),
        "notes": " / ".join(note for part in parts for note in part["notes"]),
        **assigned,
        "language": "" if ledger.assigned is None else ledger.assigned.language,
    }


def _pictures(sections: SessionSections, viewings: list[tuple[str, str, bool]]) -> pd.DataFrame:
    """Count viewers of each picture of the study, and of those that are not the study's any more."""
    planned: dict[str, None] = {}
    for assigned in first_assigned(sections):
        trials = plan_session(sections, "P01", sections.study.seed, assigned)
        planned |= dict.fromkeys(trial.picture.image for trial in trials)
    table = pd.DataFrame(viewings, columns=["participant", "image", "good"])
    images = [*sorted(planned), *sorted(set(table["image"]) - set(planned))]
    rows = []
    for image in images:
        seen = table[table["image"] == image]
        good = seen[seen["good"].astype(bool)]
        rows.append(
            {
                "image": image,
                "viewers": int(seen["participant"].nunique()),
                "good_viewers": int(good["participant"].nunique()),
                "in_study": image in planned,
            }
        )
    return pd.DataFrame(rows)


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
    open_sessions = people[~people["complete"]]["participant"].tolist() if len(people) else []
    if open_sessions:
        lines.append(f"not complete: {', '.join(open_sessions)} (gazekit record --resume)")
    return lines
