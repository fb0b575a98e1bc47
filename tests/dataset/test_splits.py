"""Splits: shares, strata, groups, folds, lists and the field's partitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.core.errors import ConfigError, InputError
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.dataset.duplicates import components, near_pairs, perceptual_hash
from gazekit.dataset.partitions import partition, tails
from gazekit.dataset.splits import fixed, folds, split
from gazekit.pictures import Picture, read_picture
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_ratings


def alone(n: int) -> np.ndarray:
    return np.arange(n)


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(2, [1, 1, 0]), (3, [1, 1, 1]), (6, [4, 1, 1]), (10, [8, 1, 1]), (99, [79, 10, 10]), (1000, [800, 100, 100])],
)
def test_shares_are_kept(n: int, sizes: list[int], rng: np.random.Generator) -> None:
    codes = split(rng.normal(5, 1, n), alone(n), everyone(n))
    assert np.bincount(codes, minlength=4)[1:].tolist() == sizes


def test_every_part_has_the_same_range_of_scores(rng: np.random.Generator) -> None:
    mean = rng.normal(5, 1, 2000)
    codes = split(mean, alone(2000), everyone(2000))
    deciles = np.quantile(mean, np.linspace(0, 1, 11)[1:-1])
    for part in (1, 2, 3):
        share = np.bincount(np.searchsorted(deciles, mean[codes == part]), minlength=10) / (codes == part).sum()
        np.testing.assert_allclose(share, 0.1, atol=0.02)


def test_the_seed_decides(rng: np.random.Generator) -> None:
    mean = rng.normal(5, 1, 300)
    first, again, other = (split(mean, alone(300), everyone(300), seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 20 < ((first == 3) & (other != 3)).sum() <= 30


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(0, 5))
def test_a_group_is_never_on_two_sides(groups: list[int], seed: int) -> None:
    group = np.array(groups)
    usable = np.arange(len(group)) % 7 != 3
    codes = split(np.linspace(2, 8, len(group)), group, usable, seed=seed)
    assert not codes[~usable].any()
    assert codes[usable].all()
    for number in np.unique(group[usable]):
        assert len(set(codes[usable & (group == number)].tolist())) == 1


def test_folds_test_every_picture_once(rng: np.random.Generator) -> None:
    group = rng.integers(0, 60, 200)
    schemes = folds(rng.normal(5, 1, 200), group, everyone(200), 5)
    tested = np.sum([codes == 3 for codes in schemes.values()], axis=0)
    validated = np.sum([codes == 2 for codes in schemes.values()], axis=0)
    assert list(schemes) == [f"fold{k}" for k in range(1, 6)]
    assert (tested == 1).all()
    assert (validated == 1).all()
    with pytest.raises(ConfigError, match="3 or more"):
        folds(np.zeros(5), alone(5), everyone(5), 2)


def by_list(lists: dict[str, list[str]], group: list[int] | None = None) -> list[int]:
    ids = [f"p{n}" for n in range(8)]
    mean = np.linspace(1, 9, 8)
    codes = fixed("mine", lists, ids, mean, np.array(group or list(range(8))), everyone(8))
    return [int(code) for code in codes]


def test_fixed_lists_are_followed() -> None:
    assert by_list({"train": ["p0", "p7", "gone"], "validation": ["p1"], "test": ["p2"]}) == [1, 2, 3, 0, 0, 0, 0, 1]


def test_a_list_of_the_test_alone_leaves_the_rest_for_training_but_near_duplicates_of_the_test() -> None:
    codes = by_list({"test": ["p2", "p5"]}, [0, 1, 2, 3, 4, 5, 6, 2])
    assert [codes[2], codes[5], codes[7]] == [3, 3, 0]
    assert set(codes[:2] + codes[3:5] + codes[6:7]) <= {1, 2}


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": ["p0"], "test": ["p0"]}, "more than one list: p0"),
        ({"train": ["x"]}, "none of the pictures"),
        ({"training": ["p0"]}, "unknown part of the split 'mine' 'training'; did you mean train"),
    ],
)
def test_wrong_lists_are_refused(lists: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        by_list(lists)


def test_ava1_and_ava2_follow_paper_1(rng: np.random.Generator) -> None:
    n = 255_503
    mean = rng.normal(5.4, 0.7, n)
    ava1 = partition("ava1", mean, alone(n), everyone(n))
    assert np.bincount(ava1)[3] == 25_549
    assert (ava1 > 0).all()
    ava2 = partition("ava2", mean, alone(n), everyone(n))
    kept = ava2 > 0
    assert kept.sum() == 51_100
    assert mean[kept & (mean < 5.4)].max() < mean[~kept].min()
    assert mean[kept & (mean > 5.4)].min() > mean[~kept].max()
    np.testing.assert_array_equal(ava2[kept], ava1[kept])


def test_photonet_follows_paper_2(rng: np.random.Generator) -> None:
    codes = partition("photonet", rng.normal(5, 0.7, 17_200), alone(17_200), everyone(17_200))
    assert np.bincount(codes)[1:].tolist() == [15_000, 1_000, 1_200]


def test_tails_leave_out_what_is_not_usable() -> None:
    usable = np.array([True] * 10 + [False] * 5)
    np.testing.assert_array_equal(np.flatnonzero(tails(np.arange(15.0), usable)), [0, 9])


def brighter(pixels: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(pixels, alpha=1.1, beta=8)


def smaller(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (pixels.shape[1] * 2 // 3, pixels.shape[0] * 2 // 3), interpolation=cv2.INTER_AREA)


def recompressed(pixels: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)


def trimmed(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[2:-2, 2:-2])


@pytest.mark.parametrize("change", [brighter, smaller, recompressed, trimmed])
def test_near_duplicates_are_found_and_other_pictures_are_not(
    collection: Collection, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    pixels = [read_picture(p.file) for p in collection.pictures[:24]]
    hashes = np.array([perceptual_hash(p) for p in pixels] + [perceptual_hash(change(p)) for p in pixels], np.uint64)
    pairs = near_pairs(hashes)
    found = [(a, b) for a, b in pairs if b == a + 24]
    assert len(found) >= 20
    assert len(pairs) - len(found) <= 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=40, unique=True), st.integers(0, 7), st.randoms())
def test_near_pairs_are_those_of_brute_force(values: list[int], distance: int, chance: object) -> None:
    near = [v ^ (1 << (i % 64)) ^ (1 << (7 * i % 64)) for i, v in enumerate(values)]
    hashes = np.unique(np.array(values + near, dtype=np.uint64))
    plain = hashes.tolist()
    expected = [
        (a, b)
        for a in range(len(plain))
        for b in range(a + 1, len(plain))
        if bin(plain[a] ^ plain[b]).count("1") <= distance
    ]
    assert near_pairs(hashes, distance) == expected


def test_equal_pictures_are_joined_though_they_are_many() -> None:
    hashes = np.array([7] * 5000 + [6, 2**64 - 1], dtype=np.uint64)
    group = components([str(n) for n in range(5002)], {}, near_pairs(hashes))
    assert (group[:5001] == 0).all()
    assert group[5001] == 5001


def test_old_numpy_counts_bits_the_same(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    hashes = rng.integers(0, 2**20, 300).astype(np.uint64)
    expected = near_pairs(hashes, 5)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert expected
    assert near_pairs(hashes, 5) == expected


def test_groups_and_near_duplicates_stay_together_in_a_dataset(tmp_path: Path) -> None:
    pictures = cut_photographs(tmp_path / "p", 30)
    for n in range(10):
        copy = tmp_path / "p" / f"z{n}.jpg"
        assert cv2.imwrite(str(copy), smaller(cv2.imread(str(pictures[n].file))))
        pictures.append(Picture(copy.name, copy))
    groups = {p.image: f"photographer {n % 3}" for n, p in enumerate(pictures[10:19])}
    histograms = made_up_ratings([p.image for p in pictures])
    path = build_dataset(pictures, None, histograms, tmp_path / "d.h5", DatasetSpec(groups=groups, folds=4))
    dataset = open_dataset(path)
    for scheme in dataset.schemes:
        codes = dict(zip(dataset.ids, dataset.codes(scheme).tolist(), strict=True))
        assert all(codes[f"p{n:03d}.jpg"] == codes[f"z{n}.jpg"] for n in range(10))
        assert all(len({codes[i] for i in groups if groups[i] == who}) == 1 for who in groups.values())
    said = dataset.remarks[dataset.remarks["remark"] == "near-duplicate"]
    assert [f"z{n}.jpg" for n in range(10)] == said["image"].tolist()
    free = open_dataset(build_dataset(pictures, None, histograms, tmp_path / "f.h5", DatasetSpec(near_duplicates=None)))
    assert len(np.unique(free.groups)) == 40


def test_a_partition_that_nobody_knows_is_answered_with_the_close_ones() -> None:
    n = 10
    with pytest.raises(InputError, match=r"unknown partition 'ava3'; did you mean ava"):
        partition("ava3", np.linspace(2, 8, n), np.arange(n), np.ones(n, bool))
