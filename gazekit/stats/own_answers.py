"""Whether a person's own measure goes with the person's own answer, beyond what all do and say of the picture.

People and pictures are crossed, and slopes differ from person to person and from picture to picture; a mixed model with
a Wald z takes the latter for certainty. So the p-value is of a test that swaps people's measures within pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from gazekit.core.counting import counted
from gazekit.core.errors import InputError, MissingExtraError
from gazekit.core.types import Floats, Index

FEWEST = 4  # people, and pictures
_CELLS = 1_000_000  # rows times swaps at a time
_MODEL_CELLS = 20_000_000  # rows times random effects that a mixed model is fitted to


@dataclass(frozen=True)
class OwnAnswers:
    """What an answer has to do with a measure, within people and within pictures.

    Attributes
    ----------
    answer, measure : str
        The columns.
    rows, people, pictures : int
        What the test is of.
    left_out : int
        Rows without the answer or the measure, and of people or pictures that have one row.
    slope, low, high : float
        Answer by one unit of the measure, and its 95 % interval, for new people and new pictures.
    correlation : float
        Of the answer and the measure without people's and pictures' levels.
    p : float
        Two-sided, by swaps: the largest of the next three.
    p_people, p_pictures, p_both : float
        With errors by people, by pictures, and by both.
    swaps : int
        How many were made.
    model : mapping, optional
        The mixed model: estimates with errors (``within``, and the levels of people and pictures), variances.
        Its Wald p is no claim.
    """

    answer: str
    measure: str
    rows: int
    people: int
    pictures: int
    left_out: int
    slope: float
    low: float
    high: float
    correlation: float
    p: float
    p_people: float
    p_pictures: float
    p_both: float
    swaps: int
    model: Mapping[str, float] | None = None

    def __str__(self) -> str:
        p = f"p = {self.p:.3f}" if self.p >= 0.001 else "p < .001"
        return (
            f"{self.answer} by {self.measure}, own against own: {self.slope:+.3g} a unit [{self.low:.3g}, "
            f"{self.high:.3g}], r = {self.correlation:.2f}, {p} ({self.swaps} swaps within pictures; {self.people} "
            f"people, {counted(self.pictures, 'picture')}, {counted(self.rows, 'row')}, {self.left_out} left out)"
        )

    def row(self) -> dict[str, Any]:
        """Return the same as a row of a table; the parts of the model are columns ``model_NAME``."""
        values = {name: value for name, value in asdict(self).items() if name != "model"}
        return values | {f"model_{name}": value for name, value in (self.model or {}).items()}


@dataclass(frozen=True)
class Centred:
    """Hold answers and measures without the levels of people and pictures, N rows sorted by picture."""

    person: Index
    picture: Index
    answer: Floats
    measure: Floats

    @property
    def people(self) -> int:
        """How many people there are."""
        return int(self.person.max()) + 1

    @property
    def pictures(self) -> int:
        """How many pictures there are."""
        return int(self.picture.max()) + 1


def answer_on_measure(
    table: pd.DataFrame,
    answer: str,
    measure: str,
    *,
    person: str = "participant",
    picture: str = "image",
    swaps: int = 1999,
    seed: int = 0,
    fit: bool = True,
) -> OwnAnswers:
    """Test whether people's own measures go with their own answers.

    The levels of people and of pictures are taken off both columns: who looks long at everything, and pictures that
    everybody looks at for long, say nothing. The statistic is the sum of products over its error; the error by people
    makes it hold where slopes differ between people, the error by pictures where they differ between pictures, the
    error by both (Cameron, Gelbach and Miller 2011) where they do either. Each is compared with itself after swapping
    measures at random among the people of each picture, and with Student's t; the largest p counts.

    Parameters
    ----------
    table : DataFrame
        A row a person and picture, such as the rows of the whole pictures of `gazekit measures`.
    answer, measure : str
        Columns of numbers.
    person, picture : str
        Columns of ids.
    swaps : int
        Random swaps; the one observed counts among them.
    seed : int
        Of the swaps.
    fit : bool
        Fit the mixed model too: answer on the measure within people and pictures and on its levels, with people and
        pictures as crossed random effects and random slopes by person (`statsmodels`).

    Returns
    -------
    OwnAnswers
        Slope, interval, p, and the model; the model is missing where the table is too large for it.

    Raises
    ------
    InputError
        A column is missing or no number, a person has two rows for one picture, too few people or pictures, or
        nothing varies.
    MissingExtraError
        `statsmodels` is not installed and the model is asked for.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame([(f"p{i}", f"a{k}", rng.normal()) for i in range(12) for k in range(10)],
    ...                      columns=["participant", "image", "fixations"])
    >>> table["beauty"] = 0.8 * table["fixations"] + rng.normal(size=120)
    >>> found = answer_on_measure(table, "beauty", "fixations", swaps=499, fit=False)
    >>> found.p, round(found.slope, 1)
    (0.004, 0.7)
    """
    data = own_pairs(table, answer, measure, person=person, picture=picture)
    centred = centre(data)
    p = swap_test(centred, swaps=swaps, seed=seed)
    slope, error, freedom = _slope(centred)
    margin = float(student.ppf(0.975, freedom)) * error
    spread = np.sqrt((centred.answer**2).sum() * (centred.measure**2).sum())
    return OwnAnswers(
        answer=answer,
        measure=measure,
        rows=len(data),
        people=centred.people,
        pictures=centred.pictures,
        left_out=len(table) - len(data),
        slope=slope,
        low=slope - margin,
        high=slope + margin,
        correlation=float((centred.answer * centred.measure).sum() / spread),
        p=max(p),
        p_people=p[0],
        p_pictures=p[1],
        p_both=p[2],
        swaps=swaps,
        model=mixed_model(data) if fit else None,
    )


def centre(data: pd.DataFrame) -> Centred:
    """Take the levels of people and pictures off answers and measures (columns person, picture, answer, measure)."""
    data = data.sort_values("picture", kind="stable")
    person, picture = (pd.factorize(data[name])[0].astype(np.int64) for name in ("person", "picture"))
    answer, measure = (_without_levels(data[name].to_numpy(float), person, picture) for name in ("answer", "measure"))
    return Centred(person, picture, answer, measure)


def swap_test(centred: Centred, *, swaps: int = 1999, seed: int = 0) -> tuple[float, float, float]:
    """Return p with errors by people, by pictures, and by both.

    Swapping evens out how much people differ in their measures, so that no p is below that of Student's t with one
    degree of freedom less than there are people (or pictures). The answers hold no level any more, so that a swapped
    measure needs no centring of its own: each swap is one sum.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    observed = np.abs(_statistics((centred.answer * centred.measure)[None], centred))
    at_least = np.zeros(3)
    n, left = len(centred.answer), swaps
    while left > 0:
        size = min(left, max(1, _CELLS // n))
        order = np.argsort(centred.picture + rng.random((size, n)), axis=1)
        swapped = np.abs(_statistics(centred.measure[order] * centred.answer, centred))
        at_least += (swapped >= observed - 1e-12).sum(axis=1)
        left -= size
    freedom = np.array([centred.people, centred.pictures, min(centred.people, centred.pictures)]) - 1
    by_t = 2 * student.sf(observed[:, 0], freedom)
    people, pictures, both = map(float, np.maximum((at_least + 1) / (swaps + 1), by_t))
    return people, pictures, both


def mixed_model(data: pd.DataFrame) -> dict[str, float] | None:
    """Fit the mixed model by REML; None where the table is too large for `statsmodels`.

    Parameters
    ----------
    data : DataFrame
        Columns person, picture, answer, measure.

    Returns
    -------
    dict
        ``within``, ``person_level``, ``picture_level`` (slopes) with ``..._se``; ``within_wald_p``, which is no claim;
        ``person_var``, ``slope_var``, ``picture_var``, ``residual_var``; ``converged`` 1 or 0.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    except ImportError:
        raise MissingExtraError("statsmodels", "stats") from None
    import warnings

    effects = 2 * data["person"].nunique() + data["picture"].nunique()
    if len(data) * effects > _MODEL_CELLS:
        return None
    centred = centre(data)
    data = data.sort_values("picture", kind="stable")
    scale = float(centred.measure.std())
    levels = {
        f"{name}_level": data.groupby(name)["measure"].transform("mean").to_numpy(float)
        for name in ("person", "picture")
    }
    fixed = pd.DataFrame({"intercept": 1.0, "within": centred.measure, **levels}, index=data.index) / scale
    fixed["intercept"] = 1.0
    fixed = fixed[[name for name in fixed if name == "intercept" or fixed[name].std() > 1e-9]]
    people, pictures = (
        np.eye(k)[codes] for k, codes in ((centred.people, centred.person), (centred.pictures, centred.picture))
    )
    within = fixed["within"].to_numpy(float)
    parts = {"person": people, "slope": people * within[:, None], "picture": pictures}
    columns = {name: [f"{name}{k}" for k in range(part.shape[1])] for name, part in parts.items()}
    spec = VCSpec(list(parts), [[columns[name]] for name in parts], [[part] for part in parts.values()])
    model = MixedLM(data["answer"].to_numpy(float), fixed, groups=np.ones(len(data)), exog_vc=spec)
    with warnings.catch_warnings():  # variances of 0 lie on the edge of what is possible, and it says so
        warnings.simplefilter("ignore")
        result = model.fit(reml=True, method=["lbfgs", "bfgs"])
        errors, wald = result.bse_fe, float(result.pvalues["within"])
    estimates: dict[str, float] = {}
    for name, value, error in zip(fixed, result.fe_params, errors, strict=True):
        if name != "intercept":
            estimates |= {str(name): float(value) / scale, f"{name}_se": float(error) / scale}
    estimates["within_wald_p"] = wald
    variances = dict(zip(parts, map(float, result.vcomp), strict=True))
    variances["slope"] /= scale**2
    estimates |= {f"{name}_var": value for name, value in variances.items()}
    return estimates | {"residual_var": float(result.scale), "converged": float(result.converged)}


def person_slopes(centred: Centred) -> Floats:
    """Return each person's own slope, (people,); NaN for whom the measure does not vary."""
    product, square = (
        np.bincount(centred.person, values) for values in (centred.answer * centred.measure, centred.measure**2)
    )
    slopes: Floats = np.divide(
        product, square, out=np.full(centred.people, np.nan), where=square > 1e-12 * square.max()
    )
    return slopes


def own_pairs(
    table: pd.DataFrame, answer: str, measure: str, *, person: str = "participant", picture: str = "image"
) -> pd.DataFrame:
    """Return the rows that can be tested, with columns person, picture, answer, measure.

    Raises
    ------
    InputError
        As `answer_on_measure`.
    """
    names = {person: "person", picture: "picture", answer: "answer", measure: "measure"}
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(f"the table lacks {', '.join(missing)}; it has {', '.join(map(str, table))}")
    data = table[list(names)].rename(columns=names)
    for name, column in (("answer", answer), ("measure", measure)):
        numbers = pd.to_numeric(data[name], errors="coerce")
        words = data.loc[numbers.isna() & data[name].notna(), name]
        if len(words):
            raise InputError(f"{column} holds {words.iloc[0]!r}, which is no number")
        data[name] = numbers.astype(float)
    data = data.dropna()
    if data.duplicated(["person", "picture"]).any():
        twice = data[data.duplicated(["person", "picture"])].iloc[0]
        raise InputError(f"{twice['person']} has two rows for {twice['picture']}: take one area, and one showing")
    while len(data):
        counts = [data.groupby(name)["answer"].transform("size") for name in ("person", "picture")]
        enough = (counts[0] > 1) & (counts[1] > 1)
        if enough.all():
            break
        data = data[enough]
    people, pictures = data["person"].nunique(), data["picture"].nunique()
    if people < FEWEST or pictures < FEWEST:
        raise InputError(
            f"{counted(people, 'person', 'people')} and {counted(pictures, 'picture has', 'pictures have')} "
            f"both {answer} and {measure} more than once; "
            f"{FEWEST} of each are needed"
        )
    return data


def _without_levels(values: Floats, person: Index, picture: Index) -> Floats:
    """Return the residuals of least squares on people and pictures, by taking means off in turn."""
    rest = values - values.mean()
    scale = float(np.abs(rest).max())
    for _ in range(1000):
        change = 0.0
        for codes in (person, picture):
            means = np.bincount(codes, rest) / np.bincount(codes)
            rest = rest - means[codes]
            change = max(change, float(np.abs(means).max()))
        if change <= 1e-12 * scale:
            break
    if not np.abs(rest).max() > 1e-9 * max(scale, 1e-300):
        raise InputError("the answer or the measure does not vary within people and pictures, so nothing can be tested")
    return np.asarray(rest)


def _statistics(products: Floats, centred: Centred) -> Floats:
    """Return the sums of products (B, N) over their errors by people, by pictures and by both, (3, B)."""
    total = products.sum(axis=1)
    by = np.argsort(centred.person, kind="stable")  # sums in one order, on every processor
    starts = [np.searchsorted(codes, np.arange(codes[-1] + 1)) for codes in (centred.person[by], centred.picture)]
    people = _variance(np.add.reduceat(products[:, by], starts[0], axis=1))
    pictures = _variance(np.add.reduceat(products, starts[1], axis=1))
    both = np.maximum(people + pictures - _variance(products), np.minimum(people, pictures))
    errors = np.sqrt(np.stack([people, pictures, both]))
    return np.asarray(np.divide(total, errors, out=np.zeros_like(errors), where=errors > 0))


def _variance(parts: Floats) -> npt.NDArray[np.float64]:
    """Return the variance of a sum of k parts, by how they differ, (B,)."""
    count = parts.shape[1]
    return np.asarray(parts.var(axis=1) * count * count / (count - 1))


def _slope(centred: Centred) -> tuple[float, float, float]:
    """Return the slope, its error by both people and pictures, and the degrees of freedom of its interval.

    The error is that of jackknives, by how much the slope changes without one of them (CR3, Bell and McCaffrey 2002),
    put together as for two ways of clustering. Those whose measures vary much count more, so that there are fewer
    degrees of freedom than people or pictures: between how many equal ones would weigh alike, and how many would in
    the variance (with the number of people alone 88 % of intervals hold the slope where ten people's measures are
    skewed; see tests/benchmarks/test_own_answers.py).
    """
    square = centred.measure**2
    total = float(square.sum())
    slope = float((centred.answer * centred.measure).sum()) / total
    scores = centred.measure * (centred.answer - slope * centred.measure)
    variances, freedom = [], []
    for codes in (centred.person, centred.picture):
        squares = np.asarray(np.bincount(codes, square), float)
        variances.append(_jackknife(np.asarray(np.bincount(codes, scores), float), squares))
        shares = squares / total
        equal = 1 / (shares**2).sum(), (shares**2).sum() ** 2 / (shares**4).sum()
        freedom.append(float(np.mean(equal)) - 1)
    both = max(sum(variances) - _jackknife(scores, square), min(variances))
    return slope, float(np.sqrt(both)), max(1.0, min(freedom))


def _jackknife(scores: Floats, squares: Floats) -> float:
    """Return the variance of a slope by leaving out each of k parts, from their scores and squares of the measure."""
    total, count = float(squares.sum()), len(scores)
    rest = np.maximum(total - squares, 1e-12 * total)
    return float(((scores / rest) ** 2).sum()) * (count - 1) / count
