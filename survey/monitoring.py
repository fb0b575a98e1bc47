"""How a survey stands: pictures, raters, times, drop-outs, the distribution so far."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from survey.anytime import FEWEST, half_width
from survey.config import SurveySection
from survey.database import Store
from survey.operations import opening
from survey.schema import compared, event, image, platform, rater, slot

RATERS_SHOWN = 200
BARS = 10


@dataclass(frozen=True)
class PictureState:
    """How far a picture is: ratings done, held and asked for, the count of each score (or of best and worst)."""

    name: str
    done: int
    held: int
    target: int
    counts: list[int]
    withdrawn: bool
    failures: int  # times that it could not be shown
    strength: float | None = None  # of pictures that are compared, so far
    best: int = 0  # times that it was picked as the best, and as the worst, of those that were compared
    worst: int = 0

    @property
    def mean(self) -> float | None:
        """Return the mean score, or None without a rating."""
        return sum(k * c for k, c in enumerate(self.counts, 1)) / sum(self.counts) if any(self.counts) else None

    @property
    def bound(self) -> float | None:
        """Return how far the mean may be off (95 %), however often one looks; None for few ratings."""
        n, mean = sum(self.counts), self.mean
        if mean is None or n < FEWEST:
            return None
        squares = sum(c * (k - mean) ** 2 for k, c in enumerate(self.counts, 1))
        half = float(
            half_width(n, math.sqrt(max(squares, (n - 1) / n) / (n - 1)))
        )  # where all agree: as one a point off
        return half if math.isfinite(half) else None


@dataclass(frozen=True)
class RaterState:
    """How far a rater is, and how this rater works."""

    name: str
    place: int
    planned: int
    status: str  # finished, at work, left or deleted
    seconds: float | None  # median time a picture, by the server's clock where it is known
    checks: str
    minutes_ago: float
    findings: list[str]  # rules that this rater breaks, with the value


@dataclass(frozen=True)
class Totals:
    """The survey in a few numbers."""

    pictures: int
    wanted: int
    done: int
    full: int
    raters: int
    finished: int
    at_work: int
    left: int
    deleted: int
    excluded: int
    seconds: float | None  # median over raters of their median time a picture


@dataclass(frozen=True)
class Overview:
    """All that the operator's page shows; ``pictures`` is one page of them, the emptiest first."""

    totals: Totals
    distribution: list[int]  # count of each score; where pictures are compared, of each position that was picked
    pictures: list[PictureState]
    raters: list[RaterState]  # those with findings, then the latest
    pages: int
    page: int
    opening: str
    twice: list[tuple[str, str]]  # raters who came with the same platform id
    comparing: bool = False
    strengths: list[int] = field(default_factory=list)  # pictures that are compared, from the weakest to the strongest


def overview(
    store: Store,
    section: SurveySection,
    findings: pd.DataFrame | None = None,
    *,
    page: int = 1,
    per_page: int = 100,
    now: float | None = None,
) -> Overview:
    """Read the numbers of the operator's page; ``findings`` are those of `survey.live_quality.judge`."""
    now = time.time() if now is None else now
    broken: dict[str, list[str]] = defaultdict(list)
    if findings is not None:
        for row in findings.itertuples():
            broken[str(row.rater)].append(f"{row.rule} {row.value:.2f}")
    with store.read() as connection:
        distribution = _distribution(connection, section.answers)
        pictures = _pictures(connection, section.answers, page, per_page)
        raters = _raters(connection, section, broken, now)
        totals = _totals(connection, raters)
        state, twice = opening(connection), _twice(connection)
        comparing = section.task != "rate"
        strengths = _strengths(connection) if comparing else []
    raters.sort(key=lambda rater_state: not (rater_state.findings and rater_state.status != "excluded"))
    pages = max(1, -(-totals.pictures // per_page))
    shown = raters[:RATERS_SHOWN]
    return Overview(totals, distribution, pictures, shown, pages, page, state, twice, comparing, strengths)


def _twice(connection: Connection) -> list[tuple[str, str]]:
    first, second = platform.alias(), platform.alias()
    one, other = rater.alias(), rater.alias()
    query = (
        select(one.c.name, other.c.name)
        .select_from(first)
        .join(second, (first.c.source == second.c.source) & (first.c.participant == second.c.participant))
        .join(one, one.c.id == first.c.rater_id)
        .join(other, other.c.id == second.c.rater_id)
        .where(first.c.rater_id < second.c.rater_id, other.c.deleted_at.is_(None))
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def _totals(connection: Connection, raters: list[RaterState]) -> Totals:
    full = func.count().filter(image.c.done >= image.c.target)
    sums = [func.coalesce(func.sum(column), 0) for column in (image.c.target, image.c.done)]
    query = select(func.count(), *sums, full).where(image.c.practice.is_(None))
    pictures, wanted, done, complete = connection.execute(query.select_from(image)).one()
    status = Counter(state.status for state in raters)
    times = [state.seconds for state in raters if state.seconds is not None]
    return Totals(
        pictures=pictures,
        wanted=int(wanted),
        done=int(done),
        full=complete,
        raters=len(raters),
        finished=status["finished"],
        at_work=status["at work"],
        left=status["left"],
        deleted=status["deleted"],
        excluded=status["excluded"],
        seconds=statistics.median(times) if times else None,
    )


def _distribution(connection: Connection, scale: int) -> list[int]:
    rows = connection.execute(
        select(slot.c.score, func.count()).where(slot.c.kind == "M", slot.c.state == "done").group_by(slot.c.score)
    ).all()
    counts = {row[0]: row[1] for row in rows}
    return [counts.get(score, 0) for score in range(1, scale + 1)]


def _strengths(connection: Connection) -> list[int]:
    """Count the compared pictures in ten equal steps from the weakest to the strongest so far."""
    known = select(image.c.strength).where(image.c.practice.is_(None), image.c.strength.is_not(None))
    values = [float(value) for value in connection.execute(known).scalars()]
    low, high = min(values, default=0.0), max(values, default=0.0)
    counts = [0] * BARS
    for value in values:
        counts[min(int(BARS * (value - low) / (high - low)), BARS - 1) if high > low else BARS // 2] += 1
    return counts


def _picked(connection: Connection, ids: list[int]) -> dict[tuple[int, str], int]:
    """Count how often pictures were picked as the best and as the worst, by number and word."""
    rows = connection.execute(
        select(compared.c.image_id, compared.c.picked, func.count())
        .join(slot, slot.c.id == compared.c.slot_id)
        .where(compared.c.image_id.in_(ids), compared.c.picked.is_not(None), slot.c.kind == "M", slot.c.state == "done")
        .group_by(compared.c.image_id, compared.c.picked)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _pictures(connection: Connection, scale: int, page: int, per_page: int) -> list[PictureState]:
    rows = connection.execute(
        select(image)
        .where(image.c.practice.is_(None))
        .order_by(image.c.done, image.c.name)
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * scale)
    for image_id, score, n in connection.execute(
        select(slot.c.image_id, slot.c.score, func.count())
        .where(slot.c.image_id.in_([row.id for row in rows]), slot.c.kind == "M", slot.c.state == "done")
        .group_by(slot.c.image_id, slot.c.score)
    ):
        counts[image_id][min(score, scale) - 1] = n
    failed = select(event.c.image_id, func.count()).where(event.c.kind == "picture failed").group_by(event.c.image_id)
    failures = {row[0]: row[1] for row in connection.execute(failed)}
    picked = _picked(connection, [row.id for row in rows])
    return [
        PictureState(
            row.name,
            row.done,
            row.taken - row.done,
            row.target,
            counts[row.id],
            row.withdrawn_at is not None,
            failures.get(row.id, 0),
            row.strength,
            picked.get((row.id, "best"), 0),
            picked.get((row.id, "worst"), 0),
        )
        for row in rows
    ]


def _raters(
    connection: Connection, section: SurveySection, broken: Mapping[str, list[str]], now: float
) -> list[RaterState]:
    times: dict[int, list[int]] = defaultdict(list)
    passed: dict[int, list[bool]] = defaultdict(list)
    took = func.coalesce(slot.c.server_ms, slot.c.time_ms).label("time_ms")
    columns = (slot.c.rater_id, slot.c.kind, took, slot.c.score, slot.c.expected)
    for row in connection.execute(select(*columns).where(slot.c.state == "done")):
        if row.kind == "C":
            passed[row.rater_id].append(row.score == row.expected)
        elif row.time_ms is not None:
            times[row.rater_id].append(row.time_ms)
    return [
        RaterState(
            name=row.name,
            place=row.place,
            planned=len(row.plan),
            status=_status(row, section, now),
            seconds=statistics.median(times[row.id]) / 1000 if times[row.id] else None,
            checks=f"{sum(passed[row.id])} of {len(passed[row.id])}" if passed[row.id] else "",
            minutes_ago=max(0.0, (now - row.seen_at) / 60),
            findings=[str(row.excluded_why)] if row.excluded_at is not None else list(broken.get(row.name, [])),
        )
        for row in connection.execute(select(rater).order_by(rater.c.id.desc()))
    ]


def _status(row: Any, section: SurveySection, now: float) -> str:
    if row.deleted_at is not None:
        return "deleted"
    if row.excluded_at is not None:
        return "excluded"
    if row.finished_at is not None:
        return "finished"
    return "left" if now - row.seen_at > 60 * section.hold_minutes else "at work"
