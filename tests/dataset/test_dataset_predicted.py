"""The condition ``predicted``: maps that a model of attention makes, out of fold where people looked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.attention.predicted_maps import LIST, read_maps, write_maps
from gazekit.cli import main
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.files import sha256
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import Picture, list_pictures

SIZE, SPOT = (60, 80), {n: (20 + 7 * n, 25 + 2 * n) for n in range(6)}  # x, y of the predicted peak


@pytest.fixture
def study(tmp_path: Path, rng: np.random.Generator) -> tuple[list[Picture], pd.DataFrame, pd.DataFrame]:
    """Six pictures, the first four looked at, all rated."""
    (tmp_path / "pictures").mkdir()
    for n in range(6):
        cv2.imwrite(str(tmp_path / "pictures" / f"{n}.png"), rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    rows = [
        (f"{n}.png", f"p{v}", *rng.normal((40, 30), 6), 200.0) for n in range(4) for v in range(3) for _ in range(4)
    ]
    looks = pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])
    ratings = pd.DataFrame(rng.multinomial(12, [0.2] * 5, 6), columns=[f"c{k}" for k in range(1, 6)])
    ratings.insert(0, "image", [f"{n}.png" for n in range(6)])
    return list_pictures(tmp_path / "pictures"), looks, ratings


def bumps(which: range) -> dict[str, np.ndarray]:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    maps = {f"{n}.png": np.exp(-((x - SPOT[n][0]) ** 2 + (y - SPOT[n][1]) ** 2) / 120) for n in which}
    return {name: (amap / amap.sum()).astype(np.float32) for name, amap in maps.items()}


@pytest.mark.parametrize("kind", ["rectangle", "region", "patches"])
def test_it_has_the_area_of_peoples_or_is_what_the_rule_says(
    kind: str, study: tuple[list[Picture], pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    write_maps(bumps(range(4)), tmp_path / "seen")
    write_maps(bumps(range(6)), tmp_path / "all", fitted_on=[f"{n}.png" for n in range(4)])
    spec = DatasetSpec(mask=kind, sigma_px=5, min_viewers=0, near_duplicates=None)
    path = build_dataset(*study, tmp_path / "a.dataset.h5", spec, predicted=[tmp_path / "seen", tmp_path / "all"])
    data = open_dataset(path)
    assert data.conditions[-1] == "predicted"
    assert "human" in data.conditions
    for n in range(6):
        mask = data.mask(n, "predicted")
        x, y = SPOT[n]
        assert mask[y, x], n
        if n < 4:
            assert abs(int(mask.sum()) - int(data.mask(n, "human").sum())) <= max(SIZE)
        else:
            assert not data.mask(n, "human").any()
            assert 0.05 < mask.mean() < 0.6
    assert data.indices("train").size + data.indices("test").size + data.indices("validation").size == 6


def test_maps_of_a_model_that_saw_the_fixations_are_refused(
    study: tuple[list[Picture], pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    write_maps(bumps(range(6)), tmp_path / "all", fitted_on=["0.png"])
    spec = DatasetSpec(sigma_px=5)
    with pytest.raises(InputError, match=r"1 predicted map is of pictures that the model was fitted on, as 0\.png"):
        build_dataset(*study, tmp_path / "a.dataset.h5", spec, predicted=[tmp_path / "all"])
    with pytest.raises(ConfigError, match="the condition predicted needs folders of predicted maps"):
        build_dataset(*study, tmp_path / "a.dataset.h5", DatasetSpec(sigma_px=5, conditions=("original", "predicted")))
    unseen = (study[0], None, study[2])
    with pytest.raises(InputError, match="1 predicted map is of pictures that the model was fitted on"):
        build_dataset(*unseen, tmp_path / "a.dataset.h5", spec, predicted=[tmp_path / "all"])
    write_maps(bumps(range(2)), tmp_path / "two")
    with pytest.raises(InputError, match=r"4 of 6 pictures have no predicted map: 2\.png"):
        build_dataset(
            *study, tmp_path / "a.dataset.h5", DatasetSpec(sigma_px=5, strict=True), predicted=[tmp_path / "two"]
        )
    (tmp_path / "two" / pd.read_csv(tmp_path / "two" / LIST)["file"][0]).write_bytes(b"no picture")
    with pytest.raises((InputError, FormatError), match="is not a map of gazekit attention-model"):
        build_dataset(*study, tmp_path / "a.dataset.h5", DatasetSpec(sigma_px=5, strict=True, conditions=("original",)),
                      predicted=[tmp_path / "two", tmp_path / "all"])  # fmt: skip
    assert not (tmp_path / "a.dataset.h5").exists()


def test_a_copy_of_a_picture_has_the_map_that_was_made_out_of_fold(tmp_path: Path) -> None:
    made_of = {f"{n}.png": f"content {n % 5}" for n in range(6)}
    write_maps(bumps(range(1)), tmp_path / "seen", made_of=made_of)
    write_maps(bumps(range(6)), tmp_path / "all", fitted_on=["0.png", "5.png"], made_of=made_of)
    found = read_maps([tmp_path / "seen", tmp_path / "all"], made_of)
    assert found["5.png"].file == found["0.png"].file == tmp_path / "seen" / "maps" / "0.png.png"
    with pytest.raises(InputError, match=r"2 predicted maps are of pictures that the model was fitted on"):
        read_maps([tmp_path / "all"], made_of)


def test_a_map_of_another_file_is_no_map_of_the_picture(
    study: tuple[list[Picture], pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    """A picture that was replaced, or of which no map was made, is named and in no split, looked at or not."""
    made_of = {picture.image: sha256(picture.file) for picture in study[0]}
    write_maps(bumps(range(5)), tmp_path / "all", made_of=made_of | {"1.png": made_of["0.png"]})
    spec = DatasetSpec(sigma_px=5, min_viewers=0, min_ratings=1, near_duplicates=None)
    data = open_dataset(build_dataset(*study, tmp_path / "a.dataset.h5", spec, predicted=[tmp_path / "all"]))
    assert [n for n in range(6) if not data.mask(n, "predicted").any()] == [1, 5]
    assert np.flatnonzero(data.codes() == 0).tolist() == [1, 5]
    said = data.remarks.groupby("image")["text"].apply("; ".join)
    assert said["1.png"].startswith("its map of predicted was made of another file")
    assert said["5.png"] == "nothing to make the mask of predicted of"
    spec = DatasetSpec(sigma_px=5, min_viewers=0, strict=True)
    write_maps(bumps(range(6)), tmp_path / "strict", made_of=made_of | {"1.png": made_of["0.png"]})
    with pytest.raises(FormatError, match=r"1\.png \(another file\): its map of predicted was made of another file"):
        build_dataset(*study, tmp_path / "b.dataset.h5", spec, predicted=[tmp_path / "strict"])


def test_the_command_takes_folders(study: tuple[list[Picture], pd.DataFrame, pd.DataFrame], tmp_path: Path) -> None:
    study[1].to_csv(tmp_path / "looks.csv", index=False)
    study[2].to_csv(tmp_path / "ratings.csv", index=False)
    write_maps(bumps(range(6)), tmp_path / "all")
    assert (tmp_path / "all" / LIST).is_file()
    out = tmp_path / "b.dataset.h5"
    with pytest.raises(SystemExit) as ended:
        main(["build-dataset", "--pictures", str(tmp_path / "pictures"), "--ratings", str(tmp_path / "ratings.csv"),
              "--fixations", str(tmp_path / "looks.csv"), "--sigma-px", "5", "--predicted", str(tmp_path / "all"),
              "--out", str(out)])  # fmt: skip
    assert ended.value.code == 0
    assert "predicted" in open_dataset(out).conditions
