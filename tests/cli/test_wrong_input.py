"""Wrong input to the commands: one clear message, exit code 1, nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.session import open_session
from tests.conftest import ROOT

Failing = Callable[..., str]


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Failing:
    """Run a command that must fail with 1, one message and no file made; gives the message."""

    def run(*arguments: object) -> str:
        before = _outputs(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        errors = capsys.readouterr().err.strip()
        assert ended.value.code == 1, errors
        lines = [line for line in errors.splitlines() if line.startswith("gazekit: ")]
        assert (
            len([line for line in lines if "left out" not in line]) == 1
        )  # a batch names each bad file, then gives up
        assert "Traceback" not in errors
        assert _outputs(tmp_path) == before
        return errors

    return run


def _outputs(folder: Path) -> list[Path]:
    """Everything but the folder of finished parts that a dataset's build goes on from."""
    return sorted(path for path in folder.rglob("*") if not any(part.endswith(".build") for part in path.parts))


@pytest.fixture
def lab(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Twelve pictures, ratings and fixations that belong together."""
    (tmp_path / "pictures").mkdir()
    names = [f"{n:02d}.png" for n in range(12)]
    for name in names:
        cv2.imwrite(str(tmp_path / "pictures" / name), rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    counts = rng.multinomial(12, [0.1] * 10, len(names))
    table = pd.DataFrame(counts, columns=[f"c{k}" for k in range(1, 11)])
    table.insert(0, "image", names)
    table.to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path


def build(lab: Path, **changed: object) -> list[object]:
    options = {"pictures": lab / "pictures", "ratings": lab / "ratings.csv", "out": lab / "x.dataset.h5"} | changed
    arguments = [(f"--{name.replace('_', '-')}", value) for name, value in options.items()]
    return ["build-dataset", *(part for pair in arguments for part in pair)]


def test_the_lab_is_right_before_it_is_made_wrong(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in build(lab)])
    assert ended.value.code == 0, capsys.readouterr().err


def test_no_such_file(failing: Failing, tmp_path: Path) -> None:
    message = failing("fixations", tmp_path / "none.gaze.h5", "--out", tmp_path / "f.csv")
    assert "no such" in message
    assert "none.gaze.h5" in message


def test_an_empty_file(failing: Failing, tmp_path: Path) -> None:
    (tmp_path / "p.gaze.h5").touch()
    assert "empty" in failing("fixations", tmp_path / "p.gaze.h5", "--out", tmp_path / "f.csv")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_session(failing: Failing, tmp_path: Path, sample_data: Path, share: float) -> None:
    whole = (sample_data / "sessions" / "P01.gaze.h5").read_bytes()
    (tmp_path / "p.gaze.h5").write_bytes(whole[: int(len(whole) * share)])
    message = failing("fixations", tmp_path / "p.gaze.h5", "--out", tmp_path / "f.csv")
    assert "p.gaze.h5" in message


def test_a_file_that_is_not_hdf5(failing: Failing, tmp_path: Path) -> None:
    (tmp_path / "p.gaze.h5").write_text("these are notes about the session\n" * 40)
    assert "p.gaze.h5" in failing("fixations", tmp_path / "p.gaze.h5", "--out", tmp_path / "f.csv", "--strict")


def test_a_missing_column(failing: Failing, lab: Path) -> None:
    (lab / "f.csv").write_text("image,x_picture,duration_ms\n00.png,1,200\n")
    message = failing(*build(lab, fixations=lab / "f.csv", sigma_px=10))
    assert "y_picture" in message or "y" in message.split("lacks")[1]


def test_a_picture_that_is_none_is_named_and_the_rest_goes_on(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lab / "pictures" / "03.png").write_text("not a picture")
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in build(lab)])
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert "03.png" in said.out + said.err


def test_a_picture_that_is_none_stops_a_strict_build(failing: Failing, lab: Path) -> None:
    (lab / "pictures" / "03.png").write_text("not a picture")
    assert "03.png" in failing(*build(lab), "--strict")


def test_ratings_of_unknown_pictures(failing: Failing, lab: Path) -> None:
    table = pd.read_csv(lab / "ratings.csv")
    table.loc[0, "image"] = "nobody-has-this.png"
    table.to_csv(lab / "ratings.csv", index=False)
    assert "nobody-has-this.png" in failing(*build(lab), "--strict")


def test_a_scale_of_one_bucket(failing: Failing, lab: Path) -> None:
    pd.read_csv(lab / "ratings.csv")[["image", "c1"]].to_csv(lab / "ratings.csv", index=False)
    assert "2 or more" in failing(*build(lab))


def test_a_scale_that_differs(failing: Failing, lab: Path) -> None:
    message = failing(*build(lab, scale=7))
    assert "7" in message
    assert "10" in message


def test_a_session_is_not_a_dataset(failing: Failing, lab: Path, sample_data: Path) -> None:
    pytest.importorskip("torch", reason="train needs gazekit[train]")
    session = sample_data / "sessions" / "P01.gaze.h5"
    message = failing("train", session, "--out", lab / "runs", "--model", "nima-narrow")
    assert "P01.gaze.h5" in message


def test_a_report_of_nothing(failing: Failing, tmp_path: Path) -> None:
    assert "comparison.csv" in failing("report", tmp_path)


def test_ratings_off_the_scale(failing: Failing, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("rater,image,score\na,x.png,11\n")
    assert "11" in failing("survey", "aggregate", tmp_path / "r.csv", "--scale", 10, "--out", tmp_path / "h.csv")


def test_the_session_of_the_sample_is_whole(sample_data: Path) -> None:
    assert len(open_session(sample_data / "sessions" / "P01.gaze.h5").stimuli) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are always UTF-8 there")
def test_a_folder_whose_name_the_locale_cannot_say_is_answered_with_what_to_do(tmp_path: Path) -> None:
    study = (ROOT / "sample_data" / "study.toml").read_text("utf-8")
    (tmp_path / "study.toml").write_text(study.replace('list = "pictures.csv"', 'folder = "imagés"'), "utf-8")
    shutil.copytree(ROOT / "sample_data" / "comparison" / "pictures", tmp_path / "imagés")
    command = [sys.executable, "-m", "gazekit", "study", "check", str(tmp_path / "study.toml")]
    for utf8, code in (("0", 1), ("1", 0)):
        locale = {"LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ) | locale, cwd=ROOT)
        assert done.returncode == code, done.stderr
        assert ("names of files are read as ascii here" in done.stderr) == (code == 1)
        assert ("set PYTHONUTF8=1" in done.stderr) == (code == 1)
