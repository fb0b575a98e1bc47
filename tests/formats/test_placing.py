"""Pictures of a recording among files: ids, hashes, sizes, and places where the file said none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave

from gazekit.core.errors import InputError
from gazekit.formats import import_recording
from gazekit.formats.placing import PLACEMENTS

S = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
OPTIONS = {"onset": "^SHOW (?P<image>.+)", "offset": "^HIDE"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    imsave(folder / "Ray 1.png", np.zeros((384, 512, 3), np.uint8), check_contrast=False)
    imsave(folder / "full.png", np.zeros((768, 1024, 3), np.uint8), check_contrast=False)
    return folder


@pytest.mark.parametrize(
    ("placement", "place"),
    [("native", [256, 192, 512, 384]), ("fit", [0, 0, 1024, 768]), ("stretch", [0, 0, 1024, 768])],
)
def test_place_is_as_was_said(foreign, pictures: Path, tmp_path: Path, placement: str, place: list[float]) -> None:
    session = import_recording(
        foreign.eyelink.write(tmp_path), screen=S, pictures=pictures, placement=placement, strict=True, **OPTIONS
    )
    row = session.stimuli.iloc[0]
    assert row["image"] == "Ray 1.png"
    assert row["sha256"] == hashlib.sha256((pictures / "Ray 1.png").read_bytes()).hexdigest()
    assert row[["picture_width", "picture_height"]].tolist() == [512, 384]
    assert row[["x", "y", "width", "height"]].tolist() == place


def test_place_that_was_not_said_is_in_doubt_unless_the_picture_has_the_screens_size(
    foreign, pictures: Path, tmp_path: Path
) -> None:
    path = foreign.eyelink.write(tmp_path)
    account = import_recording(path, screen=S, pictures=pictures, **OPTIONS).provenance["account"]
    assert [doubt.split(":")[0] for doubt in account["doubts"]] == ["placement is a guess"]
    path.write_text(path.read_text().replace("ray 1.jpg", "full"))
    assert not import_recording(path, screen=S, pictures=pictures, **OPTIONS).provenance["account"]["doubts"]


def test_pictures_larger_than_the_screen_in_their_own_size_are_doubted(foreign, pictures: Path, tmp_path: Path) -> None:
    imsave(pictures / "Ray 1.png", np.zeros((900, 1600, 3), np.uint8), check_contrast=False)
    path = foreign.eyelink.write(tmp_path)
    own, fit = (
        import_recording(path, screen=S, pictures=pictures, placement=p, **OPTIONS).provenance["account"]["doubts"]
        for p in ("native", "fit")
    )
    assert "1 picture is larger than the screen, of which it showed the middle only: Ray 1.png (1600 x 900)" in own[-1]
    assert fit == []


def test_place_of_the_file_stays(foreign, pictures: Path, tmp_path: Path) -> None:
    (pictures / "Ray 1.png").rename(pictures / "reef.png")
    session = import_recording(foreign.prolab.write(tmp_path / "a.tsv"), screen=S, pictures=pictures, placement="fit")
    row = session.stimuli.iloc[0]
    assert (row["image"], row["x"], row["width"]) == ("reef.png", 560, 800)


def test_own_size_of_a_picture_that_was_shown_scaled_is_that_of_its_file(
    foreign, pictures: Path, tmp_path: Path
) -> None:
    export = foreign.prolab.write(tmp_path / "a.tsv")
    table = pd.read_csv(export, sep="\t", dtype=str, keep_default_na=False)
    table.drop(columns=[name for name in table if name.startswith("Original")]).to_csv(export, sep="\t", index=False)
    unknown = import_recording(export, screen=S)
    assert unknown.stimuli.iloc[0][["picture_width", "picture_height"]].tolist() == [800, 600]
    assert "size of pictures is a guess" in unknown.provenance["account"]["doubts"][0]
    (pictures / "Ray 1.png").rename(pictures / "reef.png")
    session = import_recording(export, screen=S, pictures=pictures)
    row = session.stimuli.iloc[0]
    assert row[["picture_width", "picture_height", "x", "width"]].tolist() == [512, 384, 560, 800]
    assert not session.provenance["account"]["doubts"]
    imsave(pictures / "reef.png", np.zeros((300, 300, 3), np.uint8), check_contrast=False)
    (doubt,) = import_recording(export, screen=S, pictures=pictures).provenance["account"]["doubts"]
    assert doubt.startswith("shown in another shape than their files: reef.png (its file has 300 x 300)")


def test_pictures_without_a_file_are_named(foreign, pictures: Path, tmp_path: Path) -> None:
    (pictures / "Ray 1.png").unlink()
    session = import_recording(foreign.eyelink.write(tmp_path), screen=S, pictures=pictures, **OPTIONS)
    assert session.provenance["account"]["doubts"][0].startswith("1 picture has no file in")
    with pytest.raises(InputError, match="unknown placement 'fits'; did you mean fit"):
        import_recording(foreign.eyelink.write(tmp_path), screen=S, placement="fits", **OPTIONS)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_attention_runs_from_an_import_with_a_folder_of_pictures(
    foreign, pictures: Path, tmp_path: Path, run, placement: str
) -> None:
    lines = "".join(f"{2000 + n}\t  {512 + n // 300:.1f}\t  384.0\t 1500.0\t...\n" for n in range(600))
    head = foreign.eyelink.HEAD.format(eyes="LEFT", rate="1000.00", reccfg="L")
    (tmp_path / "p1.asc").write_text(head + "MSG\t2000 SHOW ray 1.jpg\n" + lines + "MSG\t2600 HIDE\n")
    options = [text for name, value in OPTIONS.items() for text in ("--set", f"{name}={value}")]
    options += ["--pictures", pictures, "--placement", placement, "--screen-mm", "380x300", "--distance-mm", 670]
    assert run("import", tmp_path / "p1.asc", *options, "--out", tmp_path / "sessions").exit_code == 0
    assert run("fixations", tmp_path / "sessions", "--out", tmp_path / "f.csv").exit_code == 0
    arguments = ["--pictures", pictures, "--sigma-px", 20, "--tables-only", "--out", tmp_path / "out"]
    assert run("attention", tmp_path / "f.csv", *arguments).exit_code == 0
    (row,) = pd.read_csv(tmp_path / "out" / "attention.csv").to_dict("records")
    assert row["image"] == "Ray 1.png"
    assert row["left"] < 256 < row["right"]
    assert row["top"] < 192 < row["bottom"]
