"""Whether a person's own gaze predicts that person's own rating, beyond what everybody's gaze and ratings say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.stats.multiple_comparisons import holm
from gazekit.stats.own_answers import FEWEST, answer_on_measure


def own_gaze_answers(
    own: pd.DataFrame,
    ratings: pd.DataFrame,
    measures: Sequence[str],
    *,
    swaps: int = 1999,
    seed: int = 0,
    fit: bool = False,
) -> tuple[pd.DataFrame, str]:
    """Test each measure of people's own gaze against their own scores (`gazekit.stats.own_answers.answer_on_measure`).

    Parameters
    ----------
    own : DataFrame
        ``participant``, ``image`` and the measures, as `gazekit.attention.own_gaze.own_gaze_table` gives them.
    ratings : DataFrame
        ``participant`` (or ``rater``), ``image``, ``score``; by the same ids.
    measures : sequence of str
        Columns of ``own``.
    swaps, seed, fit : int, int, bool
        Of the test; ``fit`` adds the mixed model (`statsmodels`).

    Returns
    -------
    DataFrame
        A row a measure, with ``p`` and ``p_holm``.
    str
        What it says, in a sentence.

    Raises
    ------
    InputError
        Columns are missing, or gaze and ratings share the ids of too few people or pictures.
    """
    scores = own_scores(ratings)
    table = own.astype({"participant": str, "image": str})
    check_shared("people", table["participant"], scores["participant"])
    check_shared("pictures", table["image"], scores["image"])
    both = table.merge(scores, on=["participant", "image"], validate="one_to_many")
    both = both.groupby(["participant", "image"], as_index=False, sort=True).mean(numeric_only=True)
    results, untested = [], {}
    for name in measures:
        try:
            results.append(answer_on_measure(both, "score", name, swaps=swaps, seed=seed, fit=fit).row())
        except InputError as error:
            untested[name] = str(error)
    if not results:
        raise InputError("; ".join(f"{name}: {fault}" for name, fault in untested.items()))
    rows = pd.DataFrame(results)
    rows.insert(rows.columns.get_loc("p") + 1, "p_holm", holm(rows["p"]))
    return rows, _sentence(rows) + "".join(f" Not tested: {name} ({fault})." for name, fault in untested.items())


def own_scores(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return ``participant`` (or ``rater``), ``image`` and ``score`` of ratings; InputError where one is missing."""
    named = ratings if "participant" in ratings else ratings.rename(columns={"rater": "participant"})
    if missing := [name for name in ("participant", "image", "score") if name not in named]:
        raise InputError(f"the ratings lack {', '.join(missing)}; they have {', '.join(map(str, ratings))}")
    return named[["participant", "image", "score"]].astype({"participant": str, "image": str})


def check_shared(what: str, looked: Iterable[object], rated: Iterable[object]) -> None:
    """Refuse gaze and ratings that share the ids of too few people or pictures (InputError)."""
    seen, scored = sorted(set(map(str, looked))), sorted(set(map(str, rated)))
    shared = len(set(seen) & set(scored))
    if shared < FEWEST:
        raise InputError(
            f"own gaze against own ratings needs {FEWEST} {what} or more with one id in both; gaze and ratings "
            f"share {shared}: gaze has {', '.join(seen[:5])}, ratings have {', '.join(scored[:5])}"
        )


def _sentence(rows: pd.DataFrame) -> str:
    sure = rows[rows["p_holm"] <= 0.05]
    people, pictures = int(rows["people"].max()), int(rows["pictures"].max())
    ground = (
        f"{counted(people, 'person', 'people')}, {counted(pictures, 'picture')}; p by swaps within "
        f"pictures, corrected over {len(rows)} measures"
    )
    if sure.empty:
        return (
            f"People's own gaze does not predict their own ratings beyond everybody's (smallest p = "
            f"{rows['p_holm'].min():.2f}; {ground})."
        )
    parts = ", ".join(f"{row.measure} (r = {row.correlation:.2f}, p = {row.p_holm:.3f})" for row in sure.itertuples())
    return f"People's own gaze predicts their own ratings beyond everybody's: {parts} ({ground})."
