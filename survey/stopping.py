"""When a picture has enough ratings: its interval is narrow enough, between the least and the most ratings."""

from __future__ import annotations

import math
from functools import lru_cache

from sqlalchemy import Connection, func, select, update

from survey.config import SurveySection
from survey.schema import image, slot

CONFIDENCE = 0.96
"""Of the t interval that stops a picture. It covers 95 %: pictures stop where the spread happens to be small."""


@lru_cache(maxsize=1000)
def _quantile(freedom: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom))


def width(n: int, total: float, squares: float) -> float:
    """Compute the width of a picture's t interval from the number, sum and sum of squares of its ratings, in points.

    Where all agree, the spread is that of ratings of which one lies a point off (`survey.aggregation.describe`).
    """
    if n < 2:
        return math.inf
    spread = max(squares - total**2 / n, (n - 1) / n) / (n - 1)
    return 2 * _quantile(n - 1) * math.sqrt(spread / n)


def stop_if_narrow(connection: Connection, image_id: int, section: SurveySection) -> bool:
    """Ask for no more ratings of a picture whose interval is narrow enough; return whether it stopped."""
    if section.stop_width is None:
        return False
    score = slot.c.score
    n, total, squares = connection.execute(
        select(func.count(), func.coalesce(func.sum(score), 0), func.coalesce(func.sum(score * score), 0)).where(
            slot.c.image_id == image_id, slot.c.kind == "M", slot.c.state == "done"
        )
    ).one()
    if n < section.least or width(n, float(total), float(squares)) > section.stop_width:
        return False
    done_early = update(image).where(image.c.id == image_id, image.c.taken < image.c.target)
    return connection.execute(done_early.values(target=image.c.taken)).rowcount == 1
