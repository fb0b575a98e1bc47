"""The page of figures is what its JSON files say."""

from __future__ import annotations

import pytest

from tests.benchmarks import figures


def test_the_page_is_made_from_its_files() -> None:
    assert figures.PAGE.read_text(encoding="utf-8") == figures.page()


@pytest.mark.parametrize("room", figures.ROOMS)
def test_every_figure_says_its_data_and_command(room: str) -> None:
    for figure in figures.read_figures(room):
        assert all((figure.value, figure.data, figure.command, figure.date)), figure.name


def test_a_figure_is_kept_only_when_asked(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    monkeypatch.delenv("GAZEKIT_FIGURES", raising=False)
    figures.record("events", "speed", "2 times", data="made up", command="pytest")
    assert figures.read_figures("events") == []
    monkeypatch.setenv("GAZEKIT_FIGURES", "1")
    figures.record("events", "speed", "2 times", data="made up", command="pytest")
    figures.record("events", "speed", "3 times", data="made up", command="pytest")
    assert [figure.value for figure in figures.read_figures("events")] == ["3 times"]
