"""Scores of pictures from comparisons: the model of Bradley and Terry (1952), and counts of best and worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.types import Floats
from survey.errors import RatingsError

STEPS = 100
MOST_PICTURES = 5000  # a matrix of all pairs is kept in memory
PRIOR = 0.1
"""Weight of a normal prior on the strengths: a picture that always won is strong, not infinitely so."""


@dataclass(frozen=True)
class Comparisons:
    """Who beat whom (positions in ``images``), by whom (positions in ``raters``), in the rows of a table of choices."""

    winner: npt.NDArray[np.int64]
    loser: npt.NDArray[np.int64]
    rater: npt.NDArray[np.int64]
    images: npt.NDArray[np.object_]
    raters: npt.NDArray[np.object_]


def comparisons(choices: pd.DataFrame, kinds: tuple[str, ...] = ("main",)) -> Comparisons:
    """Read comparisons of two from a table of choices (`survey.rating_export.export_choices`).

    The best of several beats all others; all others beat the worst.

    Raises
    ------
    RatingsError
        Columns are missing, nothing is chosen, or what was chosen was not among the pictures (rows are named).
    """
    pictures = [str(name) for name in choices.columns if str(name).startswith("picture")]
    missing = [name for name in ("rater", "picture1", "picture2", "best") if name not in choices.columns]
    if missing:
        raise RatingsError(
            f"comparisons need the columns rater, picture1, picture2 ..., best; missing: {', '.join(missing)} (found "
            f"{', '.join(map(str, choices.columns[:20]))})"
        )
    if "kind" in choices.columns:
        choices = choices[choices["kind"].isin(kinds).to_numpy()]
    shown = choices[pictures].fillna("").astype(str).to_numpy()
    best = choices["best"].fillna("").astype(str).to_numpy()
    worst = choices["worst"].fillna("").astype(str).to_numpy() if "worst" in choices.columns else np.full(len(best), "")
    chosen = shown == best[:, None]
    bad = np.flatnonzero(
        (chosen.sum(axis=1) != 1) | ((worst != "") & ((shown == worst[:, None]).sum(axis=1) != 1)) | (worst == best)
    )
    if len(bad):
        rows = ", ".join(str(choices.index[k] + 2) for k in bad[:10])
        raise RatingsError(
            f"{counted(len(bad), 'row chooses', 'rows choose')} a picture that is not among theirs, or none, or "
            f"one as best and worst: {rows}"
        )
    if not len(best):
        raise RatingsError("there is no comparison in this table")
    images = np.unique(np.concatenate([shown[shown != ""], best]))
    raters, who = np.unique(choices["rater"].astype(str).to_numpy(), return_inverse=True)
    row, column = np.nonzero((shown != "") & ~chosen)
    beaten = shown[row, column]
    pairs = [(best[row], beaten, who[row])]
    others = (worst[row] != "") & (beaten != worst[row])
    pairs.append((beaten[others], worst[row][others], who[row][others]))
    winner, loser, rater = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return Comparisons(np.searchsorted(images, winner), np.searchsorted(images, loser), rater, images, raters)


def bradley_terry(data: Comparisons) -> tuple[Floats, Floats]:
    """Estimate strengths (mean 0, in logits) and their standard errors, shape (pictures,) each.

    The strengths are the most likely ones under a weak normal prior (`PRIOR`), by Newton's method (the optimum that
    choix finds, 100 times as fast). The errors are those of raters: one rater's comparisons are one cluster (a
    sandwich), since a rater's taste is in all of them.

    Raises
    ------
    RatingsError
        There are more than `MOST_PICTURES`.
    """
    n = len(data.images)
    if n > MOST_PICTURES:
        raise RatingsError(
            f"{counted(n, 'picture is', 'pictures are')} compared; scores are computed for up to "
            f"{MOST_PICTURES} at once"
        )
    from scipy.sparse import coo_array

    wins = coo_array((np.ones(len(data.winner)), (data.winner, data.loser)), shape=(n, n)).toarray()
    strength = np.zeros(n)
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))  # of the row against the column
        surprise = wins * (1 - chances)
        weight = (wins + wins.T) * chances * (1 - chances)
        information = np.diag(weight.sum(axis=1) + PRIOR) - weight
        step = np.linalg.solve(information, surprise.sum(axis=1) - surprise.sum(axis=0) - PRIOR * strength)
        strength = strength + step / max(1.0, float(np.abs(step).max()))  # never more than one logit at once
        if np.abs(step).max() < 1e-9:
            break
    strength = strength - strength.mean()
    chance = 1 / (1 + np.exp(strength[data.loser] - strength[data.winner]))
    inverse = np.linalg.inv(information)
    centred = inverse - inverse.mean(axis=0)
    by_rater = np.zeros((len(data.raters), n))
    np.add.at(by_rater, (data.rater, data.winner), 1 - chance)
    np.add.at(by_rater, (data.rater, data.loser), chance - 1)
    spread = by_rater @ centred.T
    few = len(data.raters) / max(len(data.raters) - 1, 1)
    clustered = few * (spread**2).sum(axis=0)
    model = np.einsum("ij,jk,ik->i", centred, information - np.eye(n) * PRIOR, centred)
    return strength, np.sqrt(np.maximum(clustered, model))


def comparison_scores(choices: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Score pictures by the comparisons of a table of choices, a row a picture, the best first.

    Parameters
    ----------
    choices : DataFrame
        Columns rater, picture1, picture2 ..., best, and worst where more than two were compared.
    confidence : float
        Cover of the intervals, 0 to 1.

    Returns
    -------
    DataFrame
        image, shown, best, worst (how often), best_worst ((best - worst) / shown; of pairs, (won - lost) / shown),
        score (strength in logits, mean 0: a picture one above another wins 73 of 100 comparisons), se, score_low,
        score_high, chance (to win against a picture of mean strength), group (pictures of one group are connected by
        comparisons; scores of different groups cannot be compared).
    """
    from scipy import stats

    data = comparisons(choices)
    score, error = bradley_terry(data)
    main = choices[(choices["kind"] == "main").to_numpy()] if "kind" in choices.columns else choices
    pictures = [str(name) for name in choices.columns if str(name).startswith("picture")]
    shown = _counts(main[pictures].fillna("").to_numpy().ravel(), data.images)
    best = _counts(main["best"].to_numpy(), data.images)
    worst = (
        _counts(main["worst"].fillna("").to_numpy(), data.images) if "worst" in main else np.zeros(len(best), np.int64)
    )
    lost = worst if worst.any() else shown - best
    half = stats.norm.ppf(0.5 + confidence / 2) * error
    table = pd.DataFrame(
        {
            "image": data.images,
            "shown": shown,
            "best": best,
            "worst": worst,
            "best_worst": (best - lost) / shown,
            "score": score,
            "se": error,
            "score_low": score - half,
            "score_high": score + half,
            "chance": 1 / (1 + np.exp(-score)),
            "group": _groups(data),
        }
    )
    return table.sort_values("score", ascending=False, ignore_index=True)


def _counts(names: npt.NDArray[np.object_], images: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    counts = pd.Series(names).value_counts().reindex(images, fill_value=0)
    return np.asarray(counts.to_numpy(np.int64))


def _groups(data: Comparisons) -> npt.NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(data.images)
    graph = coo_array((np.ones(len(data.winner)), (data.winner, data.loser)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64) + 1
