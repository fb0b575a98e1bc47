"""Where two groups look differently: planted differences are found, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.attention.differences import (
    condition_difference,
    condition_table,
    difference_table,
    group_difference,
)
from gazekit.attention.viewings import Viewing, viewings
from gazekit.cli.attention_ import command
from gazekit.core.errors import InputError

SIZE = (24, 32)
GROUPS = {f"v{n:02d}": "old" if n < 8 else "young" for n in range(16)}


def looks(rng: np.random.Generator, shift: float = 0.0, pictures: int = 1) -> pd.DataFrame:
    rows = [
        (f"p{k}.png", who, *np.clip(rng.normal((10 + (shift if group == "young" else 0), 12), 3), 0, 23), 200.0)
        for k in range(pictures)
        for who, group in GROUPS.items()
        for _ in range(5)
    ]
    return pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])


def viewing(table: pd.DataFrame) -> dict[str, Viewing]:
    return viewings(table, dict.fromkeys(table["image"].unique(), SIZE), sigma_px=2.0)


@pytest.mark.once
def test_false_alarms_are_as_rare_as_they_should_be(rng: np.random.Generator) -> None:
    """Of 200 nulls at most 10 % (5 % are expected; more than 9.5 % arise once in 500 times)."""
    alarms = 0
    for _ in range(200):
        found = group_difference(viewing(looks(rng))["p0.png"], GROUPS, permutations=39)
        alarms += any(cluster.p <= 0.05 for cluster in found.clusters)
    assert alarms <= 20


def test_a_planted_difference_is_found_where_it_is(rng: np.random.Generator) -> None:
    table, found = difference_table(viewing(looks(rng, shift=8, pictures=3)), GROUPS, permutations=199)
    assert (table["p_holm"] <= 0.05).all()
    assert (table["p_holm"] >= table["p"]).all()
    for row in table.itertuples():
        clusters = {cluster.mass > 0: cluster.mask for cluster in reversed(found[row.image].clusters)}
        old, young = (np.flatnonzero(clusters[sign].any(axis=0)).mean() for sign in (True, False))
        assert old < young, "the young look to the right"
        assert found[row.image].people == (8, 8)


@pytest.mark.parametrize("shift", [0, 8])
def test_conditions_are_compared_within_people(rng: np.random.Generator, shift: float, tmp_path: Path) -> None:
    """Of 40 nulls at most 5 alarm (5 % are expected; more arise once in 70 times); a planted difference is found."""
    places = {who: rng.uniform(8, 16, 2) for who in GROUPS}  # people differ more than conditions
    rows = [
        (f"p{k:02d}.png", who, task, *np.clip(rng.normal(np.add(place, (late * shift, 0)), 3), 0, 23), 200.0)
        for k in range(3 if shift else 40)
        for who, place in places.items()
        for late, task in enumerate(("free", "search"))
        for _ in range(5)
    ]
    columns = ["image", "participant", "task", "x_picture", "y_picture", "duration_ms"]
    table = pd.DataFrame(rows, columns=columns)
    free, search = (viewing(table[table["task"] == task]) for task in ("free", "search"))
    result, found = condition_table(free, search, ("free", "search"), permutations=39 if not shift else 199)
    assert (result["p"] <= 0.05).mean() == 1 if shift else (result["p"] <= 0.05).sum() <= 5
    assert found["p00.png"].people == (16, 16)
    if shift:
        (tmp_path / "p").mkdir()
        for image in table["image"].unique():
            cv2.imwrite(str(tmp_path / "p" / image), np.zeros((*SIZE, 3), np.uint8))
        table.to_csv(tmp_path / "f.csv", index=False)
        given = [str(tmp_path / "f.csv"), "--pictures", str(tmp_path / "p"), "--out", str(tmp_path / "o"), "--sigma-px"]
        given += ["2", "--tables-only", "--no-agreement", "--differences", "199", "--conditions", "task"]
        assert CliRunner().invoke(command, given, catch_exceptions=False).exit_code == 0
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "o" / "differences.csv"), result, check_dtype=False)


def test_too_few_people_in_both_conditions_are_said(rng: np.random.Generator) -> None:
    look = viewing(looks(rng))["p0.png"]
    some = look.of("v00", "v01", "v02")
    with pytest.raises(InputError, match=r"p0\.png: 6 people or more in both conditions are compared; 3 looked at it"):
        condition_difference(look, some)
    with pytest.raises(InputError, match=r"no picture can be compared between conditions; the first: p0\.png: nobody"):
        condition_table({"p0.png": look}, {}, ("a", "b"))


def test_groups_that_are_too_small_are_named(rng: np.random.Generator) -> None:
    look = viewing(looks(rng))["p0.png"]
    with pytest.raises(
        InputError, match=r"p0\.png: two groups of 3 people or more are compared; found 2 groups, .* 2 of .*, 1 of"
    ):
        group_difference(look, {"v00": "a", "v01": "a", "v02": "b"})


def test_everybody_counts_alike(rng: np.random.Generator) -> None:
    table = looks(rng)
    long = table["participant"] == "v00"
    sizes = {"p0.png": SIZE}
    plain, alike = (viewings(table.assign(duration_ms=table["duration_ms"].where(~long, 20_000.0)), sizes, sigma_px=2.0,
                             alike=how)["p0.png"] for how in (False, True))  # fmt: skip
    mean = np.mean([alike.of(name).unscaled_map() for name in alike.participants], axis=0)
    np.testing.assert_allclose(alike.map(), mean / mean.sum(), atol=1e-6)
    assert np.abs(plain.map() - plain.of("v00").map()).sum() < 0.5 < np.abs(alike.map() - plain.of("v00").map()).sum()


def test_the_command_writes_table_and_pictures(rng: np.random.Generator, tmp_path: Path) -> None:
    table = looks(rng, shift=8, pictures=2)
    (tmp_path / "p").mkdir()
    for image in table["image"].unique():
        cv2.imwrite(str(tmp_path / "p" / image), np.full((*SIZE, 3), 90, np.uint8))
    table.to_csv(tmp_path / "f.csv", index=False)
    pd.Series(GROUPS, name="group").rename_axis("participant").to_csv(tmp_path / "g.csv")
    arguments = [str(tmp_path / "f.csv"), "--pictures", str(tmp_path / "p"), "--sigma-px", "2", "--tables-only"]
    arguments += ["--normalise", "person", "--no-agreement", "--differences", "99", "--out", str(tmp_path / "out")]
    with pytest.raises(InputError, match="--groups"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    result = CliRunner().invoke(command, [*arguments, "--groups", str(tmp_path / "g.csv")], catch_exceptions=False)
    assert result.exit_code == 0
    found = pd.read_csv(tmp_path / "out" / "differences.csv")
    assert found["image"].tolist() == ["p0.png", "p1.png"]
    assert set(found["more"]) <= {"old", "young"}
    picture = cv2.imread(str(tmp_path / "out" / "differences" / "p0.png.png"))
    assert picture.shape == (*SIZE, 3)
    assert (picture == 0).all(axis=2).any(), "the cluster is outlined"
