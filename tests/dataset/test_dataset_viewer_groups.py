"""Conditions of groups of viewers: does the benefit of gaze differ between them?"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.conditions import condition
from gazekit.core.errors import InputError
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import list_pictures

A, B = "human@group=divers", "human@group=city people"


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Five pictures; divers look left, people of the city right."""
    (tmp_path / "pictures").mkdir()
    rows = []
    for n in range(5):
        cv2.imwrite(str(tmp_path / "pictures" / f"{n}.png"), rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        rows += [(f"{n}.png", f"d{v}", *rng.normal((18, 30), 4), 200.0) for v in range(3) for _ in range(4)]
        rows += [(f"{n}.png", f"c{v}", *rng.normal((62, 30), 4), 200.0) for v in range(3) for _ in range(4)]
    columns = ["image", "participant", "x_picture", "y_picture", "duration_ms"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "looks.csv", index=False)
    ratings = pd.DataFrame(rng.multinomial(12, [0.2] * 5, 5), columns=[f"c{k}" for k in range(1, 6)])
    ratings.insert(0, "image", [f"{n}.png" for n in range(5)])
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    people = [(f"d{v}", "divers") for v in range(3)] + [(f"c{v}", "city people") for v in range(3)]
    pd.DataFrame(people, columns=["participant", "group"]).to_csv(tmp_path / "groups.csv", index=False)
    return tmp_path


def test_each_group_has_its_masks_of_one_area(folder: Path) -> None:
    out = folder / "d.dataset.h5"
    with pytest.raises(SystemExit) as ended:
        main(["build-dataset", "--pictures", str(folder / "pictures"), "--ratings", str(folder / "ratings.csv"),
              "--fixations", str(folder / "looks.csv"), "--viewer-groups", str(folder / "groups.csv"),
              "--sigma-px", "4",
              "--share", "0.4", "--condition", "original", "--condition", "human", "--condition", A, "--condition", B,
              "--out", str(out)])  # fmt: skip
    assert ended.value.code == 0
    data = open_dataset(out)
    assert data.conditions == ("original", "human", A, B)
    for i in range(5):
        left, right = data.mask(i, A), data.mask(i, B)
        assert np.nonzero(left)[1].mean() < 40 < np.nonzero(right)[1].mean()
        for mask in (left, right):
            assert abs(int(mask.sum()) - int(data.mask(i, "human").sum())) <= 80
    assert condition(A).label == "Human attention, divers"
    assert condition(B).keeps == "what city people looked at"


def test_a_group_that_is_not_there_is_named(folder: Path) -> None:
    pictures, looks = list_pictures(folder / "pictures"), pd.read_csv(folder / "looks.csv")
    ratings, spec = pd.read_csv(folder / "ratings.csv"), DatasetSpec(sigma_px=4, conditions=("human", A))
    with pytest.raises(InputError, match="human@group=divers needs the group of every viewer"):
        build_dataset(pictures, looks, ratings, folder / "d.dataset.h5", spec)
    with pytest.raises(InputError, match="no viewer is of the group 'divers'; the groups are farmers"):
        build_dataset(pictures, looks.assign(group="farmers"), ratings, folder / "d.dataset.h5", spec)


def test_a_viewer_without_a_group_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = pd.read_csv(folder / "groups.csv")
    groups[~groups["participant"].isin(["c0", "d2"])].to_csv(folder / "groups.csv", index=False)
    with pytest.raises(SystemExit) as ended:
        main(["build-dataset", "--pictures", str(folder / "pictures"), "--ratings", str(folder / "ratings.csv"),
              "--fixations", str(folder / "looks.csv"), "--viewer-groups", str(folder / "groups.csv"),
              "--condition", "human", "--condition", A, "--out", str(folder / "d.dataset.h5")])  # fmt: skip
    assert ended.value.code == 1
    assert "2 viewers have no group: c0, d2" in capsys.readouterr().err
    assert not (folder / "d.dataset.h5").exists()
