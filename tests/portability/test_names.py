"""Names of pictures and of others' files become names of files that every system takes."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from gazekit.core.files import file_names, whole_file
from gazekit.formats.writing import safe_name
from tests.fixtures.as_windows import is_refused

LONG = "é" * 150 + ".jpg"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("CON.jpg", "_CON.jpg"),
        ("nul", "_nul"),
        ("lpt9.tar.gz", "_lpt9.tar.gz"),
        ("com¹.png", "_com¹.png"),
        ("contour.jpg", "contour.jpg"),
        ("a:b?.png", "a_b_.png"),
        ("..", "_"),
        ("dots. . .", "dots._._"),
        ("e\u0301te\u0301.jpg", "été.jpg"),
    ],
)
def test_what_windows_refuses_is_mended(label: str, name: str) -> None:
    assert file_names([label]) == {label: name}


@given(st.lists(st.text(max_size=20) | st.sampled_from(["aux", "COM3.x", "b.", " ", "B.", "é.", "e\u0301."])))
@example(["", "\0", "/", "\\", ".", "..", "a ", "a.", "prn .txt"])
def test_every_label_becomes_a_name_of_its_own(labels: list[str]) -> None:
    names = file_names(labels)
    assert set(names) == set(labels)
    assert len({name.casefold() for name in names.values()}) == len(set(labels))
    assert [name for name in names.values() if is_refused(name)] == []


@given(st.text(max_size=20) | st.sampled_from(["aux", "COM3.x", "lpt¹", "b.", " ", "..", ""]))
def test_an_imported_file_gives_its_session_a_name(stem: str) -> None:
    assert not is_refused(safe_name(stem) + ".gaze.h5")


def test_names_that_differ_in_case_or_form_alone_are_two_files() -> None:
    names = file_names(["Reef.jpg", "reef.JPG", "e\u0301.jpg", "é.jpg"])
    assert len({name.casefold() for name in names.values()}) == 4


def test_long_names_are_cut_by_bytes_and_stay_apart(tmp_path: Path) -> None:
    """Names that are there for a while (a dot, a number, .part) are longer, and must fit too."""
    names = file_names([LONG, LONG.replace("é", "è")])
    assert len(set(names.values())) == 2
    for name in names.values():
        assert name.endswith(".jpg")
        with whole_file(tmp_path / name) as temporary:
            temporary.write_bytes(b"")


def test_the_longest_name_that_is_not_cut_fits(tmp_path: Path) -> None:
    label = "a" * 196 + ".jpg"
    assert file_names([label]) == {label: label}
    with whole_file(tmp_path / label) as temporary:
        temporary.write_bytes(b"")
    assert len(file_names([f"a{label}"])[f"a{label}"]) < 200
