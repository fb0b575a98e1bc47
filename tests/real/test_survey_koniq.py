"""KonIQ-10k's rating distributions: 10,073 pictures, 93 to 157 votes each, scale 1 to 5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from survey.aggregation import aggregate, describe


def test_counts_means_and_numbers_of_koniq_come_out_exactly(real_data: Path) -> None:
    koniq = pd.read_csv(real_data / "koniq" / "koniq10k_distributions_sets.csv")
    columns = [f"c{k}" for k in range(1, 6)]
    counts = np.rint(koniq[columns].to_numpy() * koniq[["c_total"]].to_numpy()).astype(int)
    assert np.abs(counts / koniq[["c_total"]].to_numpy() - koniq[columns].to_numpy()).max() < 1e-9
    score = np.tile(np.arange(1, 6), len(koniq))
    image = np.repeat(koniq["image_name"].to_numpy(), 5)
    ratings = pd.DataFrame({"image": np.repeat(image, counts.ravel()), "score": np.repeat(score, counts.ravel())})
    ratings["rater"] = ratings.groupby("image").cumcount()
    found = aggregate(ratings.sample(frac=1, random_state=0), scale=5).set_index("image").loc[koniq["image_name"]]
    np.testing.assert_array_equal(found[columns].to_numpy(), counts)
    np.testing.assert_array_equal(found["n"].to_numpy(), koniq["c_total"].to_numpy())
    expected = (counts @ np.arange(1, 6)) / koniq["c_total"].to_numpy()
    np.testing.assert_array_equal(found["mean"].to_numpy(), expected)
    np.testing.assert_allclose(found["sd_sample"].to_numpy(), koniq["SD"].to_numpy(), atol=1e-6)
    assert found["sd_sample"].gt(found["std"]).all()


def test_intervals_of_ten_real_ratings_cover_the_mean_of_all(real_data: Path) -> None:
    koniq = pd.read_csv(real_data / "koniq" / "koniq10k_distributions_sets.csv")
    shares = koniq[[f"c{k}" for k in range(1, 6)]].to_numpy()
    shares /= shares.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    described = describe(np.array([rng.multinomial(10, share) for share in shares]))
    truth = shares @ np.arange(1, 6)
    for low, high in (("mean_low", "mean_high"), ("dirichlet_low", "dirichlet_high")):
        cover = ((described[low] <= truth) & (truth <= described[high])).mean()
        assert 0.93 <= cover <= 0.97, (low, cover)
        assert (described[high] - described[low]).min() > 0.1
