"""Own measure against own answer: what is planted is seen, levels and slopes that differ are not taken for it."""

from __future__ import annotations

import doctest
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gazekit.stats.own_answers as room
from gazekit.core.errors import InputError
from gazekit.stats.own_answers import answer_on_measure, centre, mixed_model, own_pairs, person_slopes, swap_test
from gazekit.stats.own_answers_picture import draw_own_answers
from tests.fixtures.answered_looks import AnsweredLooks
from tests.needs import need


def test_the_example_runs() -> None:
    result = doctest.testmod(room)
    assert (result.attempted > 3, result.failed) == (True, 0)


def test_a_planted_effect_is_found(rng: np.random.Generator) -> None:
    study = AnsweredLooks(20, 20, slope=0.6, people_differ=0.2, pictures_differ=0.1, missing=0.2).draw(rng)
    found = answer_on_measure(study, "answer", "measure", swaps=999, fit=False)
    assert found.p < 0.01
    assert 0 < found.low < 0.5 < found.high  # answers end at 1 and 10
    assert 0.1 < found.correlation < 0.6
    assert "own against own" in str(found)


def test_levels_of_people_and_pictures_are_no_effect(rng: np.random.Generator) -> None:
    """Who looks long rates high, and what is looked at long is rated high; within both there is nothing."""
    person, picture = (k.ravel() for k in np.indices((15, 15)))
    level = 3 * rng.normal(size=15)[person] + 3 * rng.normal(size=15)[picture]
    noise = rng.normal(size=(2, 225))
    study = pd.DataFrame({"participant": person, "image": picture, "x": level + noise[0], "y": level + noise[1]})
    assert np.corrcoef(study["x"], study["y"])[0, 1] > 0.9
    found = answer_on_measure(study, "y", "x", swaps=199, fit=False)
    assert found.p > 0.05
    assert abs(found.correlation) < 0.2


def test_nulls_whose_slopes_differ_are_rarely_claimed() -> None:
    """A small form of the benchmark: 250 studies without an effect, in which slopes differ in both ways."""
    rng = np.random.default_rng(5)
    null = AnsweredLooks(10, 12, people_differ=0.3, pictures_differ=0.6, missing=0.2)
    p = [swap_test(centre(own_pairs(null.draw(rng), "answer", "measure")), swaps=99, seed=k) for k in range(250)]
    claimed = np.array(p) <= 0.05
    assert claimed.all(axis=1).mean() <= 0.07
    assert claimed[:, 0].mean() > 0.07, "errors by people alone are too sure where pictures' slopes differ"


def test_the_centred_columns_are_residuals_of_least_squares(rng: np.random.Generator) -> None:
    data = own_pairs(AnsweredLooks(7, 9, missing=0.3).draw(rng), "answer", "measure")
    centred = centre(data)
    design = np.hstack([np.eye(centred.people)[centred.person], np.eye(centred.pictures)[centred.picture]])
    answer = data.sort_values("picture", kind="stable")["answer"].to_numpy(float)
    rest = answer - design @ np.linalg.lstsq(design, answer, rcond=None)[0]
    np.testing.assert_allclose(centred.answer, rest, atol=1e-8)


def test_the_mixed_model_is_that_of_statsmodels_formula(rng: np.random.Generator) -> None:
    try:
        import statsmodels.formula.api as formula
    except ImportError:
        formula = None
    need(formula, "statsmodels")
    data = own_pairs(AnsweredLooks(15, 12, slope=0.5, people_differ=0.5).draw(rng), "answer", "measure")
    model = mixed_model(data)
    assert model is not None
    assert model["converged"] == 1
    data = data.sort_values("picture", kind="stable").assign(within=centre(data).measure, one=1)
    data["p"], data["q"] = (data.groupby(n)["measure"].transform("mean") for n in ("person", "picture"))
    parts = {"person": "0+C(person)", "slope": "0+C(person):within", "picture": "0+C(picture)"}
    other = formula.mixedlm("answer ~ within + p + q", data, groups="one", vc_formula=parts).fit(method="lbfgs")
    assert model["within"] == pytest.approx(other.params["within"], rel=1e-3)
    assert model["within_se"] == pytest.approx(other.bse["within"], rel=0.02)
    assert model["person_level"] == pytest.approx(other.params["p"], rel=1e-2)
    assert model["slope_var"] == pytest.approx(other.params["slope Var"] * other.scale, rel=0.1)
    assert model["residual_var"] == pytest.approx(other.scale, rel=0.02)


def test_the_picture(rng: np.random.Generator, tmp_path: Path) -> None:
    study = AnsweredLooks(6, 6, slope=1).draw(rng)
    found = answer_on_measure(study, "answer", "measure", swaps=99, fit=False)
    centred = centre(own_pairs(study, "answer", "measure"))
    assert np.isfinite(person_slopes(centred)).all()
    assert draw_own_answers([(found, centred)], tmp_path / "m.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="answer"), "lacks answer"),
        (lambda t: t.assign(answer="blue"), "holds 'blue', which is no number"),
        (lambda t: pd.concat([t, t]), "has two rows for"),
        (lambda t: t[t["participant"] < "P03"], "3 people and 5 pictures"),
        (lambda t: t.assign(measure=t["image"].str[:2].astype(float)), "does not vary within people and pictures"),
    ],
    ids=["no column", "words", "twice", "few", "constant"],
)
def test_what_cannot_be_tested(change: object, message: str, rng: np.random.Generator) -> None:
    study = AnsweredLooks(5, 5).draw(rng)
    with pytest.raises(InputError, match=message):
        answer_on_measure(change(study), "answer", "measure", fit=False)  # type: ignore[operator]


def test_the_error_of_a_slope_is_how_much_it_changes_without_each(rng: np.random.Generator) -> None:
    """People, pictures and rows are really left out, one after the other."""
    pairs = centre(own_pairs(AnsweredLooks(9, 7, slope=0.5, missing=0.2).draw(rng), "answer", "measure"))

    def slope(kept: np.ndarray) -> float:
        return float(pairs.measure[kept] @ pairs.answer[kept] / (pairs.measure[kept] @ pairs.measure[kept]))

    everything, variances, freedom = slope(pairs.person >= 0), [], []
    for codes in (pairs.person, pairs.picture, np.arange(len(pairs.person))):
        parts = np.unique(codes)
        without = np.array([slope(codes != part) for part in parts])
        variances.append((len(parts) - 1) / len(parts) * ((without - everything) ** 2).sum())
        weights = np.array([(pairs.measure[codes == part] ** 2).sum() for part in parts])
        alike = weights.sum() ** 2 / (weights**2).sum(), (weights**2).sum() ** 2 / (weights**4).sum()
        freedom.append(np.mean(alike) - 1)
    people, pictures, rows = variances
    found = room._slope(pairs)
    assert found[0] == pytest.approx(everything)
    assert found[1] == pytest.approx(np.sqrt(max(people + pictures - rows, min(people, pictures))))
    assert found[2] == pytest.approx(max(1.0, min(freedom[:2])))


@pytest.mark.parametrize(("p", "said"), [(0.0304, "p = 0.030"), (0.001, "p = 0.001"), (0.0002, "p < .001")])
def test_the_sentence_says_p(p: float, said: str, rng: np.random.Generator) -> None:
    found = answer_on_measure(AnsweredLooks(5, 5).draw(rng), "answer", "measure", swaps=99, fit=False)
    assert f"r = {found.correlation:.2f}, {said} (99 swaps within pictures; 5 people" in str(replace(found, p=p))


def test_four_people_and_four_pictures_are_enough(rng: np.random.Generator) -> None:
    assert len(own_pairs(AnsweredLooks(4, 4).draw(rng), "answer", "measure")) == 16
    for people, pictures in ((3, 4), (4, 3)):
        with pytest.raises(InputError, match=f"{people} people and {pictures} pictures .* 4 of each are needed"):
            own_pairs(AnsweredLooks(people, pictures).draw(rng), "answer", "measure")


def test_rows_of_people_who_have_one_are_left_out(rng: np.random.Generator) -> None:
    study = AnsweredLooks(5, 5).draw(rng)
    alone = pd.DataFrame({"participant": ["P99"], "image": ["00.jpg"], "measure": [1.0], "answer": [5.0]})
    found = answer_on_measure(pd.concat([study, alone]), "answer", "measure", swaps=99, fit=False)
    assert (found.rows, found.left_out, found.people) == (25, 1, 5)


def pairs(rng: np.random.Generator, **study: float) -> room.Centred:
    table = AnsweredLooks(6, 5, missing=0.15, whole=False, **study).draw(rng)  # type: ignore[arg-type]
    return centre(own_pairs(table, "answer", "measure"))


def statistics(centred: room.Centred, measure: np.ndarray) -> list[float]:
    """Return the sum of products over its errors by people, pictures and both, one sum after the other."""
    products = measure * centred.answer
    variances = []
    for codes in (centred.person, centred.picture, np.arange(len(products))):
        sums = np.array([products[codes == code].sum() for code in np.unique(codes)])
        variances.append(sums.var(ddof=1) * len(sums))
    people, pictures, rows = variances
    both = max(people + pictures - rows, min(people, pictures))
    return [products.sum() / np.sqrt(variance) for variance in (people, pictures, both)]


def test_p_is_how_often_swaps_within_pictures_say_as_much(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swapped one picture after the other; and by Student's t where that is more."""
    centred = pairs(rng, slope=0.3)
    observed = np.abs(statistics(centred, centred.measure))
    swaps, at_least = np.random.default_rng(1), np.zeros(3)
    for _ in range(4000):
        measure = centred.measure.copy()
        for picture in range(centred.pictures):
            measure[centred.picture == picture] = swaps.permutation(measure[centred.picture == picture])
        at_least += np.abs(statistics(centred, measure)) >= observed
    freedom = np.array([centred.people, centred.pictures, min(centred.people, centred.pictures)]) - 1
    expected = np.maximum(at_least / 4000, 2 * stats.t.sf(observed, freedom))
    assert expected.min() < 0.9
    monkeypatch.setattr(room, "_CELLS", 1000)  # in blocks
    found = swap_test(centred, swaps=4000, seed=2)
    assert found == pytest.approx(expected.tolist(), abs=0.04)
    np.testing.assert_allclose(
        room._statistics((centred.measure * centred.answer)[None], centred)[:, 0], statistics(centred, centred.measure)
    )


def test_the_one_observed_counts_among_the_swaps(rng: np.random.Generator) -> None:
    """So that p of a large effect is 1 in 20 of 19 swaps, where Student's t says less."""
    table = AnsweredLooks(12, 12, slope=4.0, whole=False).draw(rng)
    centred = centre(own_pairs(table, "answer", "measure"))
    assert swap_test(centred, swaps=19) == (0.05, 0.05, 0.05)
    assert swap_test(centred, swaps=19, seed=0) == swap_test(centred, swaps=19)


def test_a_statistic_without_any_error_says_nothing(rng: np.random.Generator) -> None:
    centred = pairs(rng)
    assert (room._statistics(np.zeros((2, len(centred.answer))), centred) == 0).all()


def test_slopes_of_people_are_their_own(rng: np.random.Generator) -> None:
    centred = pairs(rng, slope=1.0)
    still = replace(centred, measure=np.where(centred.person == 2, 0.0, centred.measure))
    slopes = person_slopes(still)
    assert np.isnan(slopes).tolist() == [person == 2 for person in range(6)]
    for person in (0, 1, 3, 4, 5):
        mine = centred.person == person
        expected = np.linalg.lstsq(centred.measure[mine, None], centred.answer[mine], rcond=None)[0][0]
        assert slopes[person] == pytest.approx(expected)


def test_what_is_said_is_of_the_rows_that_were_tested(rng: np.random.Generator) -> None:
    study = AnsweredLooks(8, 6, slope=0.5, missing=0.1, whole=False).draw(rng)
    study.loc[[1, 5], "answer"] = np.nan
    found = answer_on_measure(study, "answer", "measure", swaps=99, seed=4)
    data = own_pairs(study, "answer", "measure")
    centred = centre(data)
    slope, error, freedom = room._slope(centred)
    margin = stats.t.ppf(0.975, freedom) * error
    assert [found.slope, found.low, found.high] == pytest.approx([slope, slope - margin, slope + margin])
    assert found.correlation == pytest.approx(np.corrcoef(centred.answer, centred.measure)[0, 1])
    assert (found.p_people, found.p_pictures, found.p_both) == swap_test(centred, swaps=99, seed=4)
    assert found.p == max(found.p_people, found.p_pictures, found.p_both)
    assert (found.rows, found.left_out) == (len(data), len(study) - len(data))
    assert found.left_out >= 2
    assert found.model == mixed_model(data)
    row = found.row()
    assert row["model_within"] == found.model["within"]  # type: ignore[index]
    assert "model" not in row
    plain = answer_on_measure(study, "answer", "measure", fit=False)
    assert plain.model is None
    assert not [name for name in plain.row() if name.startswith("model")]
    assert (plain.swaps, plain.p_both) == (1999, swap_test(centred, swaps=1999, seed=0)[2])
    assert set(plain.row()) == set(asdict(plain)) - {"model"}


def test_levels_that_do_not_vary_and_tables_that_are_too_large(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(find_spec("statsmodels"), "statsmodels")
    study = AnsweredLooks(8, 8, slope=0.5, whole=False).draw(rng)
    people, pictures = study.groupby("participant")["measure"], study.groupby("image")["measure"]
    study["measure"] -= people.transform("mean") + pictures.transform("mean") - study["measure"].mean()
    data = own_pairs(study, "answer", "measure")
    model = mixed_model(data)
    assert model is not None
    assert not {"person_level", "picture_level"} & set(model)
    assert model["within_wald_p"] == pytest.approx(2 * stats.norm.sf(abs(model["within"] / model["within_se"])))
    monkeypatch.setattr(room, "_MODEL_CELLS", 64 * 24)
    assert mixed_model(data) is not None
    monkeypatch.setattr(room, "_MODEL_CELLS", 64 * 24 - 1)
    assert mixed_model(data) is None


def test_the_model_is_in_the_units_of_the_measure(rng: np.random.Generator) -> None:
    need(find_spec("statsmodels"), "statsmodels")
    data = own_pairs(AnsweredLooks(10, 10, slope=0.5, people_differ=0.6).draw(rng), "answer", "measure")
    model, thousandths = mixed_model(data), mixed_model(data.assign(measure=1000 * data["measure"]))
    assert model is not None
    assert thousandths is not None
    for name in ("within", "within_se", "person_level", "person_level_se", "picture_level"):
        assert thousandths[name] == pytest.approx(model[name] / 1000, rel=1e-3)
    assert thousandths["slope_var"] == pytest.approx(model["slope_var"] / 1e6, rel=0.02)
    for name in ("person_var", "picture_var", "residual_var", "within_wald_p"):
        assert thousandths[name] == pytest.approx(model[name], rel=0.02)
