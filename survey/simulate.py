"""Simulated raters, put through the store as real ones are: for rehearsals and demonstrations."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from sqlalchemy import Row, select

from survey import raters as people
from survey.assignment import Behaviour, advance, finish, slot_at, submit
from survey.config import SurveySection
from survey.counters import is_set
from survey.database import Store, open_store
from survey.schema import compared, image

Kind = Literal["careful", "biased", "random", "straight-lining"]


class SimulatedRater:
    """One simulated person: a kind, a bias, an inconsistency and a pace."""

    def __init__(self, kind: Kind, scale: int, rng: np.random.Generator) -> None:
        self.kind = kind
        self.scale = scale
        self.rng = rng
        unit = (scale - 1) / 9  # the spreads are in points of a 1-10 scale
        spread = 1.6 if kind == "biased" else 0.4
        self.bias = float(rng.normal(0.0, spread)) * unit
        self.noise = float(rng.uniform(0.7, 1.5)) * unit
        self.favourite = int(rng.integers(1, scale + 1))

    def score(self, truth: float) -> int:
        """Score a picture whose true mean is known."""
        if self.kind == "random":
            return int(self.rng.integers(1, self.scale + 1))
        if self.kind == "straight-lining":
            return self.favourite
        return int(np.clip(np.rint(truth + self.bias + self.rng.normal(0.0, self.noise)), 1, self.scale))

    def choose(self, truths: list[float]) -> tuple[int, int | None]:
        """Choose the best and the worst of several pictures whose true means are known, by position from 1."""
        if self.kind == "random":
            best, worst = self.rng.permutation(len(truths))[:2]
        elif self.kind == "straight-lining":
            best, worst = 0, len(truths) - 1
        else:
            impression = np.array(truths) + self.rng.normal(0.0, self.noise, len(truths))
            best, worst = impression.argmax(), impression.argmin()
        return int(best) + 1, int(worst) + 1

    def check(self, expected: int, most: int) -> int:
        """Answer an attention check."""
        if self.kind in ("careful", "biased"):
            return expected
        return min(self.score(0.0), most)

    def time_ms(self) -> int:
        """Draw how long this person looks: a lognormal about 3 s, or less than half a second."""
        median = 3000.0 if self.kind in ("careful", "biased") else 400.0
        return int(median * np.exp(self.rng.normal(0.0, 0.35)))


def fill(
    store: Store | str,
    truth: Mapping[str, float],
    *,
    raters: int | None = None,
    per_picture: int = 10,
    scale: int = 10,
    kinds: Mapping[Kind, float] | None = None,
    section: SurveySection | None = None,
    seed: int = 0,
    start: float = 1_767_225_600.0,
) -> dict[str, Kind]:
    """Fill a survey with simulated raters until every picture has its ratings.

    Parameters
    ----------
    store : Store or str
        An open store, or the URL or file of one (rehearsal: commits are not synced to the disk).
    truth : mapping of str to float
        True mean score of each picture, on 1..``scale``.
    raters : int, optional
        How many people; as many as are needed where none is given.
    per_picture : int
        Ratings asked for.
    scale : int
        Scores are 1 to this.
    kinds : mapping of str to float, optional
        Share of each kind of person; careful ones only where none is given.
    section : SurveySection, optional
        The survey's settings, which else follow from ``per_picture`` and ``scale``.
    seed : int
        The same seed and start give the same ratings.
    start : float
        When the first of them comes, seconds since 1970.

    Returns
    -------
    dict of str to str
        The kind of each rater, by pseudonym (``sim00001`` ...: nobody takes them for real people).
    """
    opened = open_store(store, durable=False) if isinstance(store, str) else None
    target = opened or store
    assert isinstance(target, Store)
    try:
        section = section or _section(len(truth), raters, per_picture, scale)
        target.add_images(sorted(truth), section.raters_per_picture)
        rng = np.random.default_rng(seed)
        showings = -(-len(truth) * section.raters_per_picture // section.together)
        count = raters or -(-showings // section.pictures_per_rater) + 1
        chosen = _kinds(count, kinds or {"careful": 1.0}, rng)
        persons = [SimulatedRater(kind, section.scale, rng) for kind in chosen]
        order = random.Random(seed)
        names = []
        for k, person in enumerate(persons):
            names.append(_take_part(target, truth, person, section, order, start + 30.0 * k))
        return dict(zip(names, chosen, strict=True))
    finally:
        if opened is not None:
            opened.close()


def _section(pictures: int, raters: int | None, per_picture: int, scale: int) -> SurveySection:
    share = -(-pictures * per_picture // raters) if raters else 50
    return SurveySection(
        scale=scale,
        raters_per_picture=per_picture,
        pictures_per_rater=min(pictures, share + 5),
        repeats=min(3, max(0, min(pictures, share) - 1)),
        practice=0,
    )


def _kinds(count: int, shares: Mapping[Kind, float], rng: np.random.Generator) -> list[Kind]:
    total = sum(shares.values())
    edges = np.cumsum([shares[k] / total for k in shares]) * count
    names = list(shares)
    chosen = [names[min(int(np.searchsorted(edges, i + 0.5)), len(names) - 1)] for i in range(count)]
    return [chosen[i] for i in rng.permutation(count)]


def _take_part(
    store: Store,
    truth: Mapping[str, float],
    person: SimulatedRater,
    section: SurveySection,
    rng: random.Random,
    now: float,
) -> str:
    """One person from consent to the end, each showing in a transaction of its own; the pseudonym."""
    with store.write() as connection:
        token = people.join(connection, section, rng=rng, prefix=people.SIMULATED, now=now)
        row = people.find(connection, token)
        assert row is not None
        names = {row.id: row.name for row in connection.execute(select(image.c.id, image.c.name))}
        advance(connection, row, section, now)
    pseudonym, through = str(row.name), False
    while not through:
        with store.write() as connection:
            row = people.find(connection, token)
            assert row is not None
            through, took = _show(connection, row, truth, names, person, section, now)
            now += took
    return pseudonym


def _show(
    connection: Any,
    row: Row[Any],
    truth: Mapping[str, float],
    names: Mapping[int, str],
    person: SimulatedRater,
    section: SurveySection,
    now: float,
) -> tuple[bool, float]:
    row = advance(connection, row, section, now)
    current = slot_at(connection, row.id, row.place)
    if current is None:
        finish(connection, row, now)
        return True, 0.0
    took = person.time_ms()
    if is_set(current):
        members = select(compared.c.image_id).where(compared.c.slot_id == current.id).order_by(compared.c.position)
        means = [truth[names[image_id]] for image_id in connection.execute(members).scalars()]
        best, worst = person.choose(means)
        behaviour = Behaviour(took, 1280, 720, 0, "mouse")
        worst = worst if len(means) > 2 else None
        submit(connection, row, current.id, best, section, behaviour, now + took / 1000, worst=worst)
        return False, took / 1000
    score = (
        person.check(current.expected, section.answers)
        if current.kind == "C"
        else person.score(truth[names[current.image_id]])
    )
    others = section.asked[1:] if current.kind != "C" else []
    more = {scale.name: person.score(truth[names[current.image_id]]) for scale in others}
    behaviour = Behaviour(took, 1280, 720, 0, "mouse")
    submit(connection, row, current.id, score, section, behaviour, now + took / 1000, more)
    return False, took / 1000
