r"""Paths with drive letters and backslashes, played by `ntpath` and `PureWindowsPath`: ``C:\study``."""

from __future__ import annotations

import ntpath
import os
from pathlib import PureWindowsPath

import pytest

import survey.database
from gazekit.core import files
from gazekit.pictures import match_names
from survey.picture_names import unique_bases


class WindowsPath(PureWindowsPath):
    def absolute(self) -> WindowsPath:
        return self


@pytest.mark.parametrize(
    ("path", "folder", "seen"),
    [
        ("C:\\study\\gbr.dataset.h5", "C:\\study\\runs", "../gbr.dataset.h5"),
        ("C:\\study\\runs\\a.csv", "c:\\Study", "runs/a.csv"),
        ("D:\\pictures\\a.jpg", "C:\\study", "D:/pictures/a.jpg"),
        ("\\\\lab\\share\\a.jpg", "C:\\study", "//lab/share/a.jpg"),
    ],
)
def test_a_path_from_a_folder_knows_drives(path: str, folder: str, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "Path", WindowsPath)
    monkeypatch.setattr(os.path, "relpath", ntpath.relpath)
    assert files.path_from(WindowsPath(path), WindowsPath(folder)) == seen  # type: ignore[arg-type]


def test_a_survey_lies_on_a_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey.database, "Path", WindowsPath)
    url = survey.database._url("D:\\récifs #2\\survey.db")
    assert (url.drivername, url.database) == ("sqlite", "D:/récifs #2/survey.db")


def test_pictures_are_found_by_paths_of_windows() -> None:
    names = ["C:\\pictures\\reef.jpg", "d:/pictures/crab.jpg", "\\\\lab\\share\\eel.jpg"]
    images = ["reef.jpg", "crab.jpg", "eel.jpg"]
    assert match_names(names, images) == dict(zip(names, images, strict=True))
    assert match_names([names[0], "older/reef.jpg", "oldest/reef.jpg"], images) == {names[0]: "reef.jpg"}
    assert unique_bases(names) == dict(zip(names, images, strict=True))
