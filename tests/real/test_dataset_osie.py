"""The masked set from 99 real photographs and the real fixations of 15 viewers; the ratings are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.attention import saliency
from gazekit.dataset import Dataset, open_dataset
from gazekit.dataset.export import export_images
from gazekit.dataset.inputs import Inputs
from gazekit.dataset.rating_formats import read_ratings
from gazekit.dataset.spec import DatasetSection
from gazekit.pictures import PicturesSection, read_picture
from tests.fixtures.dataset_collection import made_up_ratings

CONTROLS = ("centre", "shuffled", "random")


@pytest.fixture(scope="module")
def osie(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build(real_data, tmp_path_factory.mktemp("osie"), "rectangle")


def build(real_data: Path, folder: Path, mask: str) -> Dataset:
    images = [f.name for f in sorted((real_data / "osie" / "stimuli").glob("*.jpg"))]
    made_up_ratings(images, n=20).to_csv(folder / "simulated_ratings.csv", index=False)
    section = DatasetSection(
        ratings=folder / "simulated_ratings.csv", fixations=real_data / "osie" / "fixations.csv", min_viewers=15
    )
    inputs = Inputs(Path(), PicturesSection(folder=real_data / "osie" / "stimuli"), section, one_based=True)
    return open_dataset(inputs.build(folder / "osie.dataset.h5", {"sigma_px": 24.0, "mask": mask}))


def test_all_photographs_and_viewers_are_in(osie: Dataset) -> None:
    assert len(osie) == 99
    assert (osie.viewers == 15).all()
    assert [len(osie.indices(s)) for s in ("train", "validation", "test")] == [79, 10, 10]
    assert len(osie.remarks) == 0, "no two of these photographs are taken for near-duplicates"


def held(osie: Dataset, i: int, condition: str) -> float:
    """The share of looking time on a picture that a mask keeps."""
    looks, (height, width) = osie.fixations_of(i), osie.sizes[i]
    x, y = looks["x_picture"].to_numpy(), looks["y_picture"].to_numpy()
    on = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    kept = osie.mask(i, condition)[y[on].astype(int), x[on].astype(int)]
    time = looks["duration_ms"].to_numpy()[on]
    return float(time[kept].sum() / time.sum())


def test_masks_are_where_people_looked_and_controls_less_so(osie: Dataset) -> None:
    shares = {c: np.array([held(osie, i, c) for i in range(99)]) for c in ("human", *CONTROLS)}
    assert shares["human"].min() > 0.6
    assert 0.65 < shares["human"].mean() < 0.8
    areas = {c: np.array([osie.mask(i, c).mean() for i in range(99)]) for c in ("human", *CONTROLS)}
    for control in CONTROLS:
        np.testing.assert_allclose(areas[control], areas["human"], atol=0.002)
        assert shares[control].mean() < shares["human"].mean() - 0.2
    assert shares["random"].mean() < shares["shuffled"].mean() < shares["centre"].mean(), "people look to the centre"


@pytest.mark.once
@pytest.mark.parametrize("mask", ["patches", "region"])
def test_patches_and_regions_hold_more_than_controls_of_their_area(
    real_data: Path, tmp_path: Path, mask: str, osie: Dataset
) -> None:
    made = build(real_data, tmp_path, mask)
    shares = {c: np.mean([held(made, i, c) for i in range(99)]) for c in ("human", *CONTROLS)}
    areas = {c: np.array([made.mask(i, c).mean() for i in range(99)]) for c in ("human", *CONTROLS)}
    for control in CONTROLS:
        np.testing.assert_allclose(areas[control], areas["human"], atol=0.001 if mask == "patches" else 1e-9)
        assert shares[control] < shares["human"] - 0.4
    rectangles = np.mean([osie.mask(i, "human").mean() for i in range(99)])
    assert areas["human"].mean() < 0.7 * rectangles, "the same attention on less of the picture"
    assert shares["human"] > 0.7
    if mask == "region":
        assert np.mean([len(made.rectangles(i, "human")) for i in range(0, 99, 9)]) > 2, "people look at several things"


def test_the_rectangle_holds_its_share_of_the_map_at_the_pictures_own_size(osie: Dataset) -> None:
    for i in range(0, 99, 11):
        top, left, bottom, right = osie.rectangles(i, "human")[0]
        held = osie.viewing(i).map()[top:bottom, left:right].sum(dtype=np.float64)
        assert 0.7 - 1e-6 <= held < 0.71


def test_written_pictures_are_black_outside_the_attended_patch(osie: Dataset, tmp_path: Path) -> None:
    for n, file in enumerate(export_images(osie, tmp_path, range(0, 99, 20), conditions=("human",))):
        i = 20 * n
        pixels, mask = read_picture(file), osie.mask(i, "human")
        assert not pixels[~mask].any()
        np.testing.assert_array_equal(pixels[mask], osie.picture(i)[mask])


def test_the_small_map_agrees_with_where_people_looked(osie: Dataset) -> None:
    for i in range(0, 99, 20):
        looks, amap = osie.fixations_of(i), osie.human_map(i)
        scale = amap.shape[1] / osie.sizes[i][1]
        own = saliency.nss(amap, looks["x_picture"] * scale, looks["y_picture"] * scale)
        other = osie.fixations_of((i + 50) % 99)
        assert own > 1.5
        assert own > saliency.nss(amap, other["x_picture"] * scale, other["y_picture"] * scale)


def test_koniq_proportions_are_whole_ratings(real_data: Path) -> None:
    table, _ = read_ratings(real_data / "koniq" / "koniq10k_distributions_sets.csv")
    given = pd.read_csv(real_data / "koniq" / "koniq10k_distributions_sets.csv")
    assert len(table) == 10_073
    np.testing.assert_array_equal(table["n"], given["c_total"])
    counts = table[[f"c{k}" for k in range(1, 6)]].to_numpy()
    n = counts.sum(axis=1)
    np.testing.assert_allclose(table["std"] * np.sqrt(n / (n - 1)), given["SD"], atol=1e-6)
