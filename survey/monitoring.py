"""How a survey stands: pictures, raters, times, drop-outs, the distribution so far."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, func, select

from survey.config import SurveySection
from survey.database import Store
from survey.schema import image, rater, slot


def overview(
    store: Store, section: SurveySection, *, page: int = 1, per_page: int = 100, now: float | None = None
) -> dict[str, Any]:
    """The numbers of the operator's page.

    Returns
    -------
    dict with ``totals``, ``distribution`` (count a score), ``pictures`` (one page of them, the emptiest first),
    ``pages``, ``page`` and ``raters`` (the latest first).
    """
    now = time.time() if now is None else now
    with store.read() as connection:
        distribution = _distribution(connection, section.scale)
        pictures = _pictures(connection, section.scale, page, per_page)
        count, wanted, done, full = connection.execute(
            select(
                func.count(),
                func.coalesce(func.sum(image.c.target), 0),
                func.coalesce(func.sum(image.c.done), 0),
                func.count().filter(image.c.done >= image.c.target),
            ).select_from(image)
        ).one()
        raters = _raters(connection, section, now)
    totals = {"pictures": count, "wanted": int(wanted), "done": int(done), "full": full, "raters": len(raters)}
    for status in ("finished", "at work", "left", "deleted"):
        totals[status.replace(" ", "_")] = sum(r["status"] == status for r in raters)
    times = [r["seconds"] for r in raters if r["seconds"] is not None]
    totals["seconds"] = statistics.median(times) if times else None
    pages = max(1, -(-count // per_page))
    return {
        "totals": totals,
        "distribution": distribution,
        "pictures": pictures,
        "raters": raters[:200],
        "pages": pages,
        "page": page,
    }


def _distribution(connection: Connection, scale: int) -> list[int]:
    rows = connection.execute(
        select(slot.c.score, func.count()).where(slot.c.kind == "M", slot.c.state == "done").group_by(slot.c.score)
    ).all()
    found = {row[0]: row[1] for row in rows}
    return [found.get(k, 0) for k in range(1, scale + 1)]


def _pictures(connection: Connection, scale: int, page: int, per_page: int) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(image).order_by(image.c.done, image.c.name).limit(per_page).offset((page - 1) * per_page)
    ).all()
    ids = [row.id for row in rows]
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * scale)
    for image_id, score, n in connection.execute(
        select(slot.c.image_id, slot.c.score, func.count())
        .where(slot.c.image_id.in_(ids), slot.c.kind == "M", slot.c.state == "done")
        .group_by(slot.c.image_id, slot.c.score)
    ):
        counts[image_id][min(score, scale) - 1] = n
    return [
        {
            "name": row.name,
            "done": row.done,
            "held": row.taken - row.done,
            "target": row.target,
            "counts": counts[row.id],
            "mean": _mean(counts[row.id]),
        }
        for row in rows
    ]


def _mean(counts: list[int]) -> float | None:
    return sum(k * c for k, c in enumerate(counts, 1)) / sum(counts) if sum(counts) else None


def _raters(connection: Connection, section: SurveySection, now: float) -> list[dict[str, Any]]:
    times: dict[int, list[int]] = defaultdict(list)
    passed: dict[int, list[bool]] = defaultdict(list)
    for row in connection.execute(
        select(slot.c.rater_id, slot.c.kind, slot.c.time_ms, slot.c.score, slot.c.expected).where(
            slot.c.state == "done"
        )
    ):
        if row.kind == "C":
            passed[row.rater_id].append(row.score == row.expected)
        elif row.time_ms is not None:
            times[row.rater_id].append(row.time_ms)
    return [
        {
            "name": row.name,
            "place": row.place,
            "planned": len(row.plan),
            "status": _status(row, section, now),
            "seconds": statistics.median(times[row.id]) / 1000 if times[row.id] else None,
            "checks": f"{sum(passed[row.id])} of {len(passed[row.id])}" if passed[row.id] else "",
            "minutes_ago": max(0.0, (now - row.seen_at) / 60),
        }
        for row in connection.execute(select(rater).order_by(rater.c.id.desc()))
    ]


def _status(row: Any, section: SurveySection, now: float) -> str:
    if row.deleted_at is not None:
        return "deleted"
    if row.finished_at is not None:
        return "finished"
    return "left" if now - row.seen_at > 60 * section.hold_minutes else "at work"
