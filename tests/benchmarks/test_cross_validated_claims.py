"""Which error of a cross-validated difference covers: thousands of studies with really trained probes.

Each study has its own pictures, ratings and features of two conditions. Ridge probes in closed form (strength chosen
on the validation fold) are trained in every fold and for every seed; each sees its own random 60 % of the features.
Equal: both conditions tell as much. Meaningless: the ratings are dealt to the pictures at random. Planted: one
condition tells more; what is true then is the mean over all studies.

    python -m tests.benchmarks.test_cross_validated_claims --pictures 40 --studies 2000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import t as student

from gazekit.dataset.splits import folds
from gazekit.histograms import moments
from gazekit.stats.metrics import Features, features, metrics
from gazekit.stats.standard_error import as_sample, defined, error_of, left_out, overlap_of, pooled_luck
from gazekit.stats.training_luck import luck_of_folds, together
from tests.benchmarks.figures import record

KINDS = {"equal": (2.0, 2.0), "meaningless": (2.0, 2.0), "planted": (1.2, 2.0)}  # noise of the two conditions' features
METHODS = ("pictures only", "folds as readers", "corrected resampling", "as gazekit does")
BUCKETS, FEATURES = 10, 64
LEFT_OUT = False  # --left-out: the probe that chooses its ridge by leaving out each picture
STRENGTHS = np.array([0.03, 0.3, 3.0, 30.0])


def study(rng: np.random.Generator, n: int, kind: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Features (N, D) of two conditions, and rating counts (N, K) of twelve raters."""
    mixing = np.random.default_rng(0).standard_normal((8, FEATURES)) / np.sqrt(
        8
    )  # of the world, the same in all studies
    hidden = rng.standard_normal((n, 8))
    opinion = hidden.mean(axis=1) * np.sqrt(8) + 0.6 * rng.standard_normal(n)
    shared = rng.standard_normal((n, FEATURES))
    seen = [
        hidden @ mixing + noise * np.sqrt(0.5) * (shared + rng.standard_normal((n, FEATURES))) for noise in KINDS[kind]
    ]
    share = np.exp(-((np.arange(1, BUCKETS + 1) - 5.5 - 1.3 * opinion[:, None]) ** 2) / 4)
    counts = rng.multinomial(12, share / share.sum(axis=1, keepdims=True))
    return seen, rng.permutation(counts) if kind == "meaningless" else counts


def out_of_fold(every: np.ndarray, columns: np.ndarray, shares: np.ndarray, fold: np.ndarray, k: int) -> np.ndarray:
    """Every picture's predicted histogram by the probe that did not see its fold; a row of columns a fold."""
    if LEFT_OUT:
        return left_out_ridge(every, columns, shares, fold, k)
    predicted = np.empty_like(shares)
    for test in range(k):
        seen = every[:, columns[test]]
        tested, tuned = fold == test, fold == (test + 1) % k
        trained = ~tested & ~tuned
        scale = seen[trained].std(axis=0) + 1e-9
        x = (seen - seen[trained].mean(axis=0)) / scale
        mean = shares[trained].mean(axis=0)
        strengths, vectors = np.linalg.eigh(x[trained].T @ x[trained])
        target = vectors.T @ (x[trained].T @ (shares[trained] - mean))
        candidates = [mean + x @ (vectors @ (target / (strengths + c * trained.sum())[:, None])) for c in STRENGTHS]
        best = min(candidates, key=lambda one: float(((one[tuned] - shares[tuned]) ** 2).sum()))
        predicted[tested] = best[tested]
    return np.maximum(predicted, 1e-6)


def left_out_ridge(every: np.ndarray, columns: np.ndarray, shares: np.ndarray, fold: np.ndarray, k: int) -> np.ndarray:
    """The same by the probe of ``head=cdf, ridge=left-out``, which is fitted on the validation pictures too."""
    from gazekit.models.probe import fit_head

    predicted = np.empty_like(shares)
    for test in range(k):
        seen, tested, tuned = every[:, columns[test]], fold == test, fold == (test + 1) % k
        trained = ~tested & ~tuned
        rest = (seen[tuned], shares[tuned])
        head = fit_head(seen[trained], shares[trained], rest, kind="cdf", choice="left-out")
        predicted[tested] = head.predict(seen[tested])
    return np.maximum(predicted, 1e-6)


def sides(rng: np.random.Generator, n: int, k: int, seeds: int, kind: str) -> tuple[Features, Features, np.ndarray]:
    """Features of either condition's out-of-fold predictions, and every picture's fold."""
    seen, counts = study(rng, n, kind)
    schemes = folds(moments(counts)[0], np.arange(n), np.ones(n, dtype=bool), k, int(rng.integers(1 << 31)))
    fold = np.sum([(schemes[f"fold{j + 1}"] == 3) * j for j in range(k)], axis=0)
    shares = counts / counts.sum(axis=1, keepdims=True)
    chosen = [
        np.stack([rng.choice(FEATURES, FEATURES * 6 // 10, replace=False) for _ in range(k)]) for _ in range(seeds)
    ]
    predicted = [np.stack([out_of_fold(one, columns, shares, fold, k) for columns in chosen]) for one in seen]
    return features(predicted[0], counts), features(predicted[1], counts), fold


def errors(
    a: Features, b: Features, fold: np.ndarray, k: int, metric: str
) -> tuple[float, float, dict[str, np.ndarray]]:
    """The difference, its mean over folds, and of every method standard error and degrees of freedom."""
    each_side = np.stack([defined(metrics(side, 5.0))[metric] for side in (a, b)])
    each_without = np.stack([left_out(side, 5.0)[metric] for side in (a, b)])
    values, without = each_side[0] - each_side[1], each_without[0] - each_without[1]
    by_fold = luck_of_folds(each_side, each_without, np.broadcast_to(fold + 1, (len(values), a.n)))
    luck = together(pooled_luck(each_side), by_fold)
    one = error_of(values, without, a.n)
    ours = error_of(values, without, a.n, luck, overlap=overlap_of(k))

    def difference(rows: np.ndarray) -> float:
        here = (Features(*(value[:, rows] for value in side.arrays())) for side in (a, b))
        left, right = (defined(metrics(side, 5.0))[metric].mean() for side in here)
        return float(left - right)

    jackknife = np.array([difference(fold != j) for j in range(k)])
    each = np.array([difference(fold == j) for j in range(k)])
    made = {
        "pictures only": (one.se, min(one.df, a.n - 1)),
        "folds as readers": (np.sqrt((k - 1) / k * ((jackknife - jackknife.mean()) ** 2).sum()), k - 1),
        "corrected resampling": (np.sqrt((1 / k + 1 / (k - 2)) * each.var(ddof=1)), k - 1),
        "as gazekit does": (ours.se, ours.df),
    }
    return float(values.mean()), float(each.mean()), {name: np.array(pair) for name, pair in made.items()}


def cover(n: int, k: int, seeds: int, kind: str, studies: int, metric: str) -> Iterator[tuple[str, float, float, int]]:
    """Of every method: share of studies whose 95 % interval holds the truth, mean half width, studies that miss 0."""
    rng = np.random.default_rng([n, k, seeds, sorted(KINDS).index(kind)])
    rows = [errors(*sides(rng, n, k, seeds, kind), k, metric) for _ in range(studies)]
    for method in METHODS:
        value = np.array([row[1 if method == "corrected resampling" else 0] for row in rows])
        se, df = np.array([row[2][method] for row in rows]).T
        half = student.ppf(0.975, df) * se
        true = value.mean() if kind == "planted" else 0.0
        yield (
            method,
            float((np.abs(value - true) <= half).mean()),
            float(half.mean()),
            int((np.abs(value) > half).sum()),
        )


def over_networks(
    n: int, k: int, networks: int, differ: float, studies: int, metric: str = "srcc"
) -> Iterator[tuple[str, float, float, int]]:
    """The same of the mean over networks of another kind each, in studies in which both conditions tell as much.

    Every network has its own 60 % of the features and, for either condition, noise of its own: ``differ`` is the
    standard deviation of its logarithm, so that one network does better with the one and another with the other.
    """
    rng, rows = np.random.default_rng([n, k, networks, int(1000 * differ)]), []
    for _ in range(studies):
        seen, counts = study(rng, n, "equal")
        schemes = folds(moments(counts)[0], np.arange(n), np.ones(n, dtype=bool), k, int(rng.integers(1 << 31)))
        fold = np.sum([(schemes[f"fold{j + 1}"] == 3) * j for j in range(k)], axis=0)
        shares = counts / counts.sum(axis=1, keepdims=True)
        values, without = [], []
        for _ in range(networks):
            columns = np.tile(rng.choice(FEATURES, FEATURES * 6 // 10, replace=False), (k, 1))
            noise = 2 * np.exp(differ * rng.standard_normal(2))
            own = [s + e * rng.standard_normal(s.shape) for s, e in zip(seen, noise, strict=True)]
            a, b = (features(out_of_fold(one, columns, shares, fold, k)[None], counts) for one in own)
            values.append((defined(metrics(a, 5.0))[metric] - defined(metrics(b, 5.0))[metric])[0])
            without.append((left_out(a, 5.0)[metric] - left_out(b, 5.0)[metric])[0])
        each, rest, overlap = np.array(values), np.stack(without), overlap_of(k)
        fixed = error_of(each.mean(keepdims=True), rest.mean(axis=0, keepdims=True), n, overlap=overlap)
        both = (fixed, as_sample(fixed, each, rest, overlap))
        rows.append((each.mean(), *(student.ppf(0.975, error.df) * error.se for error in both)))
    value, *halves = np.array(rows).T
    for method, half in zip(("these networks alone", "networks as a sample"), halves, strict=True):
        missed = np.abs(value) > half
        yield method, float(1 - missed.mean()), float(half.mean()), int(missed.sum())


def widths(n: int, k: int, studies: int, metric: str = "srcc") -> tuple[float, float]:
    """Mean half width of the 95 % interval of a planted difference: of K folds, and of one 80/10/10 split."""
    rng, halves = np.random.default_rng([n, k]), []
    for _ in range(studies):
        a, b, fold = sides(rng, n, k, 1, "planted")
        whole = errors(a, b, fold, k, metric)[2]["as gazekit does"]
        rows = np.flatnonzero(fold == 0)  # a tenth, as one split has to test on, with networks that are as good
        one, other = (Features(*(value[:, rows] for value in side.arrays())) for side in (a, b))
        values = defined(metrics(one, 5.0))[metric] - defined(metrics(other, 5.0))[metric]
        split = error_of(values, left_out(one, 5.0)[metric] - left_out(other, 5.0)[metric], len(rows))
        halves.append((student.ppf(0.975, whole[1]) * whole[0], student.ppf(0.975, split.df) * split.se))
    return tuple(np.mean(halves, axis=0))


@pytest.mark.benchmark
@pytest.mark.parametrize("pictures", [100, 500])
def test_ten_folds_are_twice_as_sharp_as_one_split(pictures: int) -> None:
    folds_, split = widths(pictures, 10, 100)
    record(
        "stats",
        f"95 % interval of a difference with {pictures} pictures: one 80/10/10 split against ten folds",
        f"{split / folds_:.2f} times as wide (half widths {split:.3f} and {folds_:.3f})",
        data="really trained ridge probes, SRCC, one seed, 100 studies",
        command="pytest -m benchmark tests/benchmarks/test_cross_validated_claims.py -k twice_as_sharp",
        bar=">= 2",
    )
    assert split >= 2 * folds_


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["equal", "meaningless"])
def test_of_null_studies_few_claim_a_difference(kind: str) -> None:
    _, covered, _, claims = list(cover(100, 10, 1, kind, 300, "srcc"))[-1]
    print(f"\n{kind}: {covered:.3f} covered, {claims} of 300 claim a difference")
    assert claims <= binom.ppf(0.999, 300, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--metric", default="srcc")
    parser.add_argument("--networks", type=int, default=0, help="the mean over so many networks, instead of one")
    parser.add_argument("--differ", type=float, default=0.3, help="how much networks differ in what helps them")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--left-out", action="store_true", help="probes of ridge=left-out")
    asked = parser.parse_args()
    global LEFT_OUT
    LEFT_OUT = asked.left_out
    if asked.networks:
        print("| pictures, folds, networks, differing by | studies | method | cover, % | half width |")
        how = (asked.pictures, asked.folds, asked.networks, asked.differ)
        for method, covered, half, _ in over_networks(*how, asked.studies, asked.metric):
            print(f"| {', '.join(map(str, how))} | {asked.studies} | {method} | {100 * covered:.1f} | {half:.3f} |")
        return
    print("| pictures, folds, seeds | studies | method | cover, % | half width | null studies that claim, % |")
    for kind in asked.kinds:
        for method, covered, half, claims in cover(
            asked.pictures, asked.folds, asked.seeds, kind, asked.studies, asked.metric
        ):
            false = "" if kind == "planted" else f"{100 * claims / asked.studies:.1f}"
            print(
                f"| {asked.pictures}, {asked.folds}, {asked.seeds} | {kind} | {method} | {100 * covered:.1f} "
                f"| {half:.3f} | {false} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
