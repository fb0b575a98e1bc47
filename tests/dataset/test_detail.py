"""How much each condition shows beside its area."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.cli.dataset_ import command
from gazekit.core.errors import InputError
from gazekit.dataset import Dataset, open_dataset
from gazekit.dataset.detail import detail_table, measures
from tests.fixtures.dataset_collection import Collection


def test_black_takes_away_what_lies_outside_and_a_blur_does_not(dataset: Dataset) -> None:
    black, foveated = (
        detail_table(dataset, range(8), fill=fill).set_index("condition") for fill in ("black", "foveated")
    )
    assert black.loc["original", ["area", "detail", "contrast", "colour"]].tolist() == [1, 1, 1, 1]
    controls = black.loc[["human", "centre", "shuffled", "random"], "area"]
    assert controls.max() - controls.min() < 0.02
    assert black.loc["human", "area"] + black.loc["human-removed", "area"] == pytest.approx(1)
    assert foveated.loc["human", "colour"] > black.loc["human", "colour"]
    assert (black["left"].drop("original") == 0).all()
    assert (foveated["left"].drop("original") > 0.1).all(), "what is not removed is not called removed"
    assert np.isnan(black.loc["original", "left"])
    small = detail_table(dataset, range(8), size=64).set_index("condition")
    assert small.loc[["human", "centre", "shuffled", "random"], "area"].nunique() == 1


def test_detail_of_no_picture_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="none of 0 pictures has a mask in each of original, human"):
        detail_table(dataset, [])


def test_the_measures(rng: np.random.Generator) -> None:
    assert measures(np.full((1, 1, 3), 90, np.uint8)) == {"detail": 0.0, "contrast": 0.0, "colour": 0.0}
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (20, 1))
    grey = measures(np.stack([ramp] * 3, axis=-1))
    assert grey["detail"] == pytest.approx(5 / 255)
    assert grey["contrast"] == pytest.approx(ramp.std() / 255)
    assert grey["colour"] == 0
    rgb = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    r, g, b = (rgb[..., k].astype(float) for k in range(3))
    rg, yb = r - g, 0.5 * (r + g) - b
    expected = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert measures(rgb)["colour"] == pytest.approx(expected)


def test_the_command(built: Path) -> None:
    result = CliRunner().invoke(command, ["detail", str(built), "--fill", "blur", "--size", "64", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["condition"]: row for row in json.loads(result.output)}
    assert rows["human"]["pictures"] == 40
    assert rows["human-removed"]["left"] > 0.01


@pytest.mark.once
@pytest.mark.parametrize("mask", ["rectangle", "region"])
def test_controls_of_equal_detail(collection: Collection, tmp_path: Path, mask: str) -> None:
    gaps = {}
    for match in ("area", "detail"):
        dataset = open_dataset(collection.build(tmp_path / f"{match}.h5", match=match, mask=mask))
        shares = [detail_table(dataset, [i]).set_index("condition") for i in range(12)]
        gaps[match] = {
            name: np.mean([abs(t.loc[name, "detail"] / t.loc["human", "detail"] - 1) for t in shares])
            for name in ("random", "centre", "shuffled")
        }
        assert max(abs(t.loc["random", "area"] - t.loc["human", "area"]) for t in shares) < 0.02
    assert gaps["detail"]["random"] < 0.6 * gaps["area"]["random"]
    assert gaps["detail"]["centre"] == gaps["area"]["centre"]
    assert gaps["detail"]["shuffled"] < 0.6 * gaps["area"]["shuffled"]
    assert dataset.provenance["parameters"]["match"] == "detail"
