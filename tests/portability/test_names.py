"""Names of pictures become names of files that every system takes."""

from __future__ import annotations

import pytest

from gazekit.core.files import file_names

LONG = "é" * 300 + ".jpg"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("CON.jpg", "_CON.jpg"),
        ("nul", "_nul"),
        ("lpt9.tar.gz", "_lpt9.tar.gz"),
        ("contour.jpg", "contour.jpg"),
        ("a:b?.png", "a_b_.png"),
        ("..", "_"),
        ("dots. . .", "dots"),
        ("e\u0301te\u0301.jpg", "été.jpg"),
    ],
)
def test_what_windows_refuses_is_mended(label: str, name: str) -> None:
    assert file_names([label])[label].rstrip("_. ") == name.rstrip("_. ")


def test_names_that_differ_in_case_or_form_alone_are_two_files() -> None:
    names = file_names(["Reef.jpg", "reef.JPG", "e\u0301.jpg", "é.jpg"])
    assert len({name.casefold() for name in names.values()}) == 4


def test_long_names_are_cut_by_bytes_and_stay_apart() -> None:
    names = file_names([LONG, LONG.replace("é", "è")])
    assert len(set(names.values())) == 2
    assert all(len(name.encode()) <= 255 and name.endswith(".jpg") for name in names.values())
