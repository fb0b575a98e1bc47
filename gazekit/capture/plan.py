"""The plan of a session: which pictures, in which order, where on the screen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from gazekit.capture.settings import PresentationSection, QuestionSection, SessionSections
from gazekit.capture.simulation.gaze import coarse_salience
from gazekit.capture.simulation.interest import Interest, read_interests
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.types import Floats
from gazekit.pictures import Picture, list_pictures, read_picture
from gazekit.screen import Placement, Screen


@dataclass(frozen=True)
class PlannedTrial:
    """A picture that is to be shown."""

    order: int
    block: int
    picture: Picture
    break_before: bool
    interest: Interest | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Step:
    """A thing to be done in a session; it is known by its kind and its id, whatever its place."""

    kind: str
    id: str
    sha256: str = ""
    trial: PlannedTrial | None = None
    question: QuestionSection | None = None


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a picture's file before it is shown."""

    sha256: str
    size_wh: tuple[int, int]
    salience: Floats


def plan_session(sections: SessionSections, participant: str, seed: int) -> list[PlannedTrial]:
    """Plan the trials of a participant in order; the same participant and seed give the same plan.

    Raises
    ------
    ConfigError
        No pictures, or pictures that are missing or cannot be decoded (all are named).
    """
    base = sections.file.parent
    pictures = list_pictures(sections.pictures, base)
    faults = []
    for picture in pictures:
        try:
            facts_of(picture)
        except InputError as error:
            faults.append(f"  {picture.image}: {error}")
    if faults:
        raise ConfigError(f"[pictures] {len(faults)} cannot be shown:\n" + "\n".join(faults))
    section = sections.presentation
    order = _order(len(pictures), section, participant, seed)
    size = section.block_size or len(pictures)
    every = section.break_every
    interests = read_interests(base / sections.tracker.interest) if sections.tracker.interest else {}
    return [
        PlannedTrial(
            order=n,
            block=n // size,
            picture=pictures[index],
            break_before=bool(every and n and n % every == 0),
            interest=interests.get(pictures[index].image),
            sha256=facts_of(pictures[index]).sha256,
        )
        for n, index in enumerate(order)
    ]


def plan_steps(sections: SessionSections, trials: Sequence[PlannedTrial]) -> list[Step]:
    """List everything that is to be done, in order: questions, pictures with their ratings and breaks, questions."""
    asked = {
        when: [Step("question", q.name, question=q) for q in sections.questions if q.when == when]
        for when in ("before", "after")
    }
    shown = []
    for trial in trials:
        image = trial.picture.image
        if trial.break_before:
            shown.append(Step("break", f"before {image}", trial=trial))
        shown.append(Step("picture", image, trial.sha256, trial))
        if sections.rating is not None:
            shown.append(Step("rating", image, trial.sha256, trial))
    return [*asked["before"], *shown, *asked["after"]]


def random_stream(seed: int, participant: str, purpose: str) -> np.random.Generator:
    """Make random numbers that depend on the study's seed, the participant and what they are for."""
    digest = hashlib.sha256(f"{seed}\0{participant}\0{purpose}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def facts_of(picture: Picture) -> PictureFacts:
    """Return size, hash and salience of a picture; kept, so that the next participant need not decode it."""
    stat = picture.file.stat() if picture.file.exists() else None
    return _facts(str(picture.file), stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)


@lru_cache(maxsize=4096)
def _facts(file: str, modified_ns: int, size: int) -> PictureFacts:
    pixels = read_picture(file)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return PictureFacts(digest, (pixels.shape[1], pixels.shape[0]), coarse_salience(pixels))


def placement_of(facts: PictureFacts, screen: Screen, section: PresentationSection) -> Placement:
    """Return where a picture goes: centred, as large as fits (or at most its own size)."""
    return Placement.fit(facts.size_wh, screen, enlarge=section.enlarge)


def _order(n: int, section: PresentationSection, participant: str, seed: int) -> list[int]:
    if section.order == "listed":
        return list(range(n))
    if section.order == "random":
        return [int(i) for i in random_stream(seed, participant, "order").permutation(n)]
    if section.order == "blocked":
        return _blocked(n, section.block_size or n, participant, seed)
    return latin_row(n, _row_of(participant, n))


def _blocked(n: int, size: int, participant: str, seed: int) -> list[int]:
    """Return the list's blocks in random order, pictures in random order within each."""
    rng = random_stream(seed, participant, "order")
    blocks = [list(range(start, min(start + size, n))) for start in range(0, n, size)]
    return [int(i) for b in rng.permutation(len(blocks)) for i in rng.permutation(blocks[int(b)])]


def latin_row(n: int, row: int) -> list[int]:
    """Return a row of a balanced Latin square (Williams 1949).

    Over n rows (2n for odd n) each picture stands once at each place, and directly after each other picture equally
    often.
    """
    first = [0] + [(k + 1) // 2 if k % 2 else n - k // 2 for k in range(1, n)]
    shifted = [(value + row) % n for value in first]
    return shifted[::-1] if n % 2 and row >= n else shifted


def _row_of(participant: str, n: int) -> int:
    """Return the row of a participant: the number in the pseudonym, else a hash of it."""
    rows = n if n % 2 == 0 else 2 * n
    digits = "".join(c for c in participant if c.isdigit())
    number = int(digits) - 1 if digits else int(hashlib.sha256(participant.encode()).hexdigest()[:12], 16)
    return number % rows
