"""Answers to pictures as `survey export` writes ratings, so that gaze and survey speak of raters alike."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

RATING_COLUMNS = ("rater", "image", "score", "attribute", "kind", "time_ms")


def ratings_of(answers: Iterable[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn answers to pictures into ratings.

    Parameters
    ----------
    answers : iterable of DataFrame
        Of `gazekit.measures.answers_of`, a session each.

    Returns
    -------
    ratings : DataFrame
        `RATING_COLUMNS`, a row an answer that is a number; ``kind`` is ``main``, or ``repeat`` where a person answered
        the same of the same picture before.
    words : DataFrame
        Answers in words: rater, image, attribute, answer.

    Examples
    --------
    >>> given = pd.DataFrame({"participant": ["P1", "P1"], "image": ["a", "a"], "order": [0, 0],
    ...                       "attribute": ["beauty", "why"], "answer": ["7", "blue"], "score": [7, float("nan")],
    ...                       "time_ms": [3100.0, 9000.0]})
    >>> ratings, words = ratings_of([given])
    >>> ratings.values.tolist()
    [['P1', 'a', 7, 'beauty', 'main', 3100]]
    >>> words["answer"].tolist()
    ['blue']
    """
    table = pd.concat(list(answers), ignore_index=True).rename(columns={"participant": "rater"})
    numbers = table["score"].notna()
    words = table.loc[~numbers, ["rater", "image", "attribute", "answer"]].reset_index(drop=True)
    ratings = table[numbers].copy()
    before = ratings.groupby(["rater", "image", "attribute"], sort=False).cumcount()
    ratings["kind"] = before.map(lambda n: "repeat" if n else "main")
    ratings["time_ms"] = ratings["time_ms"].round().astype("Int64")
    if (ratings["score"] % 1 == 0).all():
        ratings["score"] = ratings["score"].astype("int64")
    return ratings[list(RATING_COLUMNS)].reset_index(drop=True), words
