"""The plan of a session: what is shown and asked, in which order, where on the screen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from numpy.random import Generator

from gazekit.capture.design import Assigned, pictures_source
from gazekit.capture.design_settings import BlockSection, PageSection
from gazekit.capture.item_settings import AnswerSection, QuestionSection
from gazekit.capture.orders import latin_row, order_of, with_again
from gazekit.capture.randomness import random_stream
from gazekit.capture.settings import PresentationSection, SessionSections
from gazekit.capture.simulation.gaze import coarse_salience
from gazekit.capture.simulation.interest import Interest, read_interests
from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.types import Floats
from gazekit.pictures import Picture, list_pictures, read_picture
from gazekit.screen import Placement, Screen
from gazekit.session.events import trial_id

__all__ = ["PlannedTrial", "Step", "facts_of", "latin_row", "placement_of", "plan_session", "plan_steps"]
_LOW = 0.24  # share of the screen's height, at its foot, where one answers while a picture is shown


@dataclass(frozen=True)
class PlannedTrial:
    """A picture that is to be shown."""

    order: int
    block: int
    picture: Picture
    break_before: bool
    interest: Interest | None = None
    sha256: str = ""
    presentation: int = 1
    task: BlockSection | None = None  # the block of the study it is in
    practice: bool = False

    @property
    def id(self) -> str:
        """What the trial is called in the plan."""
        return trial_id(self.picture.image, self.presentation)


@dataclass(frozen=True)
class Step:
    """A thing to be done in a session; it is known by its kind and its id, whatever its place."""

    kind: str  # picture, rating, answer NAME, question, break, pages, practice, interview
    id: str
    sha256: str = ""
    trial: PlannedTrial | None = None
    question: QuestionSection | None = None
    answer: AnswerSection | None = None
    pages: tuple[PageSection, ...] = ()


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a picture's file before it is shown."""

    sha256: str
    size_wh: tuple[int, int]
    salience: Floats


def plan_session(
    sections: SessionSections, participant: str, seed: int, assigned: Assigned | None = None
) -> list[PlannedTrial]:
    """Plan the trials of a participant in order; the same participant and seed give the same plan.

    Raises
    ------
    ConfigError
        No pictures, or pictures that are missing or cannot be decoded (all are named).
    """
    section, base = sections.presentation, sections.file.parent
    chosen = None if assigned is None else pictures_source(sections, assigned)
    if chosen is None and any(factor.pictures for factor in sections.factors):
        chosen = next(base / path for factor in sections.factors for path in factor.pictures.values())
    own = bool(sections.blocks) and all(block.pictures for block in sections.blocks)
    shared = [] if own else _all_pictures(sections, chosen)
    faults = []
    trials: list[tuple[Picture, int, BlockSection | None]] = []
    for n, block in enumerate(_blocks_in_order(sections, participant, seed)):
        pictures = shared if block is None or block.pictures is None else list_pictures(base / block.pictures)
        faults += _undecodable(pictures)
        purpose = "order" if block is None else f"order {block.name}"
        kind = section.order if block is None or block.order is None else block.order
        order = order_of(len(pictures), kind, participant, seed, purpose=purpose, size=section.block_size or 0)
        order = _again(order, [p.image for p in pictures], section, random_stream(seed, participant, f"again {n}"))
        size = (section.block_size if block is None else None) or len(order)
        start = trials[-1][1] + 1 if trials else 0
        trials += [(pictures[index], start + place // size, block) for place, index in enumerate(order)]
    if faults:
        raise ConfigError(f"[pictures] {len(faults)} cannot be shown:\n" + "\n".join(faults))
    interests = read_interests(base / sections.tracker.interest) if sections.tracker.interest else {}
    shown: Counter[str] = Counter()
    planned = []
    for n, (picture, number, task) in enumerate(trials):
        shown[picture.image] += 1
        planned.append(
            PlannedTrial(
                order=n,
                block=number,
                picture=picture,
                break_before=bool(section.break_every and n and n % section.break_every == 0),
                interest=interests.get(picture.image),
                sha256=facts_of(picture).sha256,
                presentation=shown[picture.image],
                task=task,
            )
        )
    return planned


def _all_pictures(sections: SessionSections, chosen: Path | None) -> list[Picture]:
    return list_pictures(sections.pictures, sections.file.parent) if chosen is None else list_pictures(chosen)


def _undecodable(pictures: Sequence[Picture]) -> list[str]:
    faults = []
    for picture in pictures:
        try:
            facts_of(picture)
        except InputError as error:
            faults.append(f"  {picture.image}: {error}")
    return faults


def _blocks_in_order(sections: SessionSections, participant: str, seed: int) -> Sequence[BlockSection | None]:
    if not sections.blocks:
        return [None]
    order = order_of(len(sections.blocks), sections.design.blocks, participant, seed, purpose="blocks")
    return [sections.blocks[n] for n in order]


def _again(order: list[int], images: Sequence[str], section: PresentationSection, rng: Generator) -> list[int]:
    """Put the pictures that are to be shown again into the order of a block."""
    if isinstance(section.again, int):
        room = max(0, len(order) - section.again_after)
        if section.again > len(images) or (section.again and not room):
            raise ConfigError(
                f"[presentation] again = {section.again}: there are {counted(len(images), 'picture')}, and "
                f"again_after = "
                f"{section.again_after} needs as many trials between"
            )
        wanted = [int(n) for n in rng.permutation(len(images))[: section.again]]
    else:
        wanted = [images.index(image) for image in section.again if image in images]
        if wanted and len(order) <= section.again_after:
            raise ConfigError(
                f"[presentation] again_after = {section.again_after}: there are {counted(len(images), 'picture')}"
            )
    return with_again(order, wanted, section.again_after, rng) if wanted else order


def plan_practice(sections: SessionSections) -> list[PlannedTrial]:
    """Return the trials for practice; they have no place among the others."""
    if sections.practice is None:
        return []
    try:
        pictures = list_pictures(sections.practice, sections.file.parent)[: sections.practice.number]
    except ConfigError as error:
        raise ConfigError(str(error).replace("[pictures]", "[practice]")) from error
    if faults := _undecodable(pictures):
        raise ConfigError(f"[practice] {len(faults)} cannot be shown:\n" + "\n".join(faults))
    return [
        PlannedTrial(-1, -1, picture, break_before=False, sha256=facts_of(picture).sha256, practice=True)
        for picture in pictures
    ]


def plan_steps(
    sections: SessionSections, trials: Sequence[PlannedTrial], participant: str = "", seed: int = 0
) -> list[Step]:
    """List everything that is to be done, in order.

    Pages and questions before, practice, blocks of pictures with their answers and breaks, pages and questions after,
    the interview.
    """
    asked = {
        when: [Step("question", q.name, question=q) for q in sections.questions if q.when == when]
        for when in ("before", "after")
    }
    practice = [Step("practice", t.picture.image, t.sha256, t) for t in plan_practice(sections)]
    if practice:
        first, last = PageSection(standard="practice"), PageSection(standard="practice_over")
        practice = [Step("pages", "practice", pages=(first,)), *practice, Step("pages", "practice over", pages=(last,))]
    shown: list[Step] = []
    task: BlockSection | None = None
    for trial in trials:
        if trial.task is not None and trial.task is not task and trial.task.text is not None:
            page = PageSection(place="pictures", text=trial.task.text)
            shown.append(Step("pages", f"block {trial.task.name}", trial=trial, pages=(page,)))
        task = trial.task
        if trial.break_before:
            shown.append(Step("break", f"before {trial.id}", trial=trial))
        shown += _trial_steps(sections, trial, participant, seed)
    before = [*_pages(sections, "start"), *_pages(sections, "before"), *asked["before"], *practice]
    after = [*_pages(sections, "after"), *asked["after"], *_interview(sections, trials, participant, seed)]
    closing = [step for step in after if step.kind == "pages" and _says_thanks(step)]
    after = [step for step in after if step not in closing] + closing
    return [*before, *_pages(sections, "pictures"), *shown, *after]


def _says_thanks(step: Step) -> bool:
    return any(page.standard == "thanks" for page in step.pages)


def _pages(sections: SessionSections, place: str) -> list[Step]:
    pages = tuple(page for page in sections.pages if page.place == place)
    return [Step("pages", place, pages=pages)] if pages else []


def answers_of(sections: SessionSections, trial: PlannedTrial) -> list[AnswerSection]:
    """Return what is asked about a trial's picture."""
    names = None if trial.task is None else trial.task.answers
    return [answer for answer in sections.asked if names is None or answer.name in names]


def _trial_steps(sections: SessionSections, trial: PlannedTrial, participant: str, seed: int) -> list[Step]:
    """Return a picture and its answers; those of one moment are shuffled where the study asks for it."""
    steps: dict[str, list[Step]] = {"before": [], "while": [], "after": []}
    for answer in answers_of(sections, trial):
        kind = "rating" if sections.rating is not None and answer.name == "rating" else f"answer {answer.name}"
        steps[answer.when].append(Step(kind, trial.id, trial.sha256, trial, answer=answer))
    if sections.presentation.shuffle_answers:
        rng = random_stream(seed, participant, f"answers of {trial.id}")
        steps = {when: [some[int(n)] for n in rng.permutation(len(some))] for when, some in steps.items()}
    return [*steps["before"], Step("picture", trial.id, trial.sha256, trial), *steps["while"], *steps["after"]]


def _interview(sections: SessionSections, trials: Sequence[PlannedTrial], participant: str, seed: int) -> list[Step]:
    section = sections.interview
    if section is None:
        return []
    first = {trial.picture.image: trial for trial in trials if trial.presentation == 1}
    if isinstance(section.pictures, list):
        names = [name for name in section.pictures if name in first]
    else:
        drawn = random_stream(seed, participant, "interview").permutation(len(first))[: section.pictures]
        names = [sorted(first)[int(n)] for n in sorted(drawn)]
    return [Step("interview", name, first[name].sha256, first[name]) for name in names]


def facts_of(picture: Picture) -> PictureFacts:
    """Return size, hash and salience of a picture; kept, so that the next participant need not decode it."""
    stat = picture.file.stat() if picture.file.exists() else None
    return _facts(str(picture.file), stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)


@lru_cache(maxsize=4096)
def _facts(file: str, modified_ns: int, size: int) -> PictureFacts:
    pixels = read_picture(file)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return PictureFacts(digest, (pixels.shape[1], pixels.shape[0]), coarse_salience(pixels))


def placement_of(facts: PictureFacts, screen: Screen, section: PresentationSection, *, low: bool = False) -> Placement:
    """Return where a picture goes: centred, as large as fits (or at most its own size).

    ``low`` : leave the foot of the screen free, for answers while the picture is shown.
    """
    if not low:
        return Placement.fit(facts.size_wh, screen, enlarge=section.enlarge)
    width, height = facts.size_wh
    room = screen.height_px - foot_px(screen)
    scale = min(screen.width_px / width, room / height)
    scale = scale if section.enlarge else min(scale, 1.0)
    w, h = width * scale, height * scale
    return Placement((screen.width_px - w) / 2, (room - h) / 2, w, h)


def foot_px(screen: Screen) -> int:
    """Return the height of the part of the screen where one answers while a picture is shown."""
    return round(_LOW * screen.height_px)
