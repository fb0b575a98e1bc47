"""``gazekit study check`` names files of [dataset] that are not there; they may come later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.command_line import gazekit

STUDY = Path("sample_data/study.toml")


def test_files_that_are_not_there_are_named_and_no_fault(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = STUDY.read_text("utf-8")
    (tmp_path / "pictures.csv").write_text((STUDY.parent / "pictures.csv").read_text("utf-8"))
    (tmp_path / "there.csv").write_text("image,c1,c2\n")
    section = '[dataset]\nratings = "there.csv"\nsessions = ["sesions"]\nlists = {mine = "list.csv"}\n'
    (tmp_path / "study.toml").write_text(text + section)
    code, said = gazekit(capfd, "study", "check", tmp_path / "study.toml")
    assert code == 0, said
    assert "not there yet, for [dataset]: sesions, list.csv" in said
    code, said = gazekit(capfd, "study", "check", STUDY)
    assert (code, "not there yet" in said) == (0, False), said


def listed(folder: Path, rows: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    (folder / "pictures.csv").write_text((STUDY.parent / "pictures.csv").read_text("utf-8") + rows)
    (folder / "study.toml").write_text(STUDY.read_text("utf-8"))
    return gazekit(capfd, "study", "check", folder / "study.toml")


@pytest.mark.parametrize("row", [",skimage:coffee.png\n", "lost.png,\n"])
def test_a_picture_without_id_or_file_is_named(row: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = listed(tmp_path, row, capfd)
    assert code == 1
    assert "pictures.csv: 1 row without image or file (counted from 1): 7" in said


def test_one_picture_under_two_ids_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = listed(tmp_path, "again.png,skimage:coffee.png\n", capfd)
    assert code == 0
    assert "one picture under several ids: again.png = coffee.png" in said
    _, said = gazekit(capfd, "study", "check", tmp_path / "study.toml", "--json")
    assert json.loads(said)["one_picture_under_several_ids"] == [["again.png", "coffee.png"]]
