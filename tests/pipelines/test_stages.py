"""Stages are skipped by content, and rerun when input, parameter or code changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gazekit.core.errors import GazekitError, InputError, OutputError
from pipelines.stages import Stage, run_stages


def multiply(source: Path, target: Path, factor: int) -> None:
    target.write_text(str(int(source.read_text()) * factor))


def square(source: Path, target: Path) -> None:
    target.write_text(str(int(source.read_text()) ** 2))


def idle() -> None:
    """Work that makes nothing."""


def chain(folder: Path, factor: int = 2) -> list[Stage]:
    source, middle, end = folder / "source.txt", folder / "middle.txt", folder / "end.txt"
    return [
        Stage("double", partial(multiply, source, middle, factor), [source], [middle], {"factor": factor}),
        Stage("square", partial(square, middle, end), [middle], [end]),
    ]


def states(folder: Path, **options: int) -> list[str]:
    return [o.state for o in run_stages(chain(folder, **options), folder)]


def test_unchanged_stages_are_skipped_and_changed_ones_run(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("3")
    assert states(tmp_path) == ["done", "done"]
    assert (tmp_path / "end.txt").read_text() == "36"
    assert states(tmp_path) == ["unchanged", "unchanged"]
    source.write_text("4")
    assert states(tmp_path) == ["done", "done"]
    assert states(tmp_path, factor=3) == ["done", "done"]
    (tmp_path / "end.txt").unlink()
    assert states(tmp_path, factor=3) == ["unchanged", "done"]


def test_a_dry_run_says_what_would_run_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("3")
    outcomes = run_stages(chain(tmp_path), tmp_path, dry_run=True)
    assert [o.state for o in outcomes] == ["would run", "would run"]
    assert [path.name for path in tmp_path.iterdir()] == ["source.txt"]


def test_a_stage_that_failed_runs_again(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("three")
    with pytest.raises(ValueError, match="three"):
        run_stages(chain(tmp_path), tmp_path)
    (tmp_path / "source.txt").write_text("3")
    assert states(tmp_path) == ["done", "done"]


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"double needs .*source\.txt"):
        run_stages(chain(tmp_path), tmp_path)


def test_a_stage_without_its_output_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GazekitError, match="ended without making"):
        run_stages([Stage("idle", partial(idle), [], [tmp_path / "never"])], tmp_path)


def walk(work: Path, end: Path, fail: bool) -> None:
    """Leaves a step behind with every start, and ends in how many there are."""
    work.mkdir(exist_ok=True)
    (work / f"step{len(list(work.iterdir()))}").touch()
    if fail:
        raise OSError("power cut")
    end.write_text(str(len(list(work.iterdir()))))


def walking(folder: Path, fail: bool, pace: int = 1) -> list[str]:
    work, end, said = folder / "work", folder / "end.txt", list[str]()
    stage = Stage("walk", partial(walk, work, end, fail), [folder / "source.txt"], [end], {"pace": pace}, [work])
    run_stages([stage], folder, tell=said.append)
    return said


def test_unfinished_work_goes_on_only_from_the_same_inputs(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("a")
    for _ in range(2):
        with pytest.raises(OSError, match="power cut"):
            walking(tmp_path, fail=True)
    walking(tmp_path, fail=False)
    assert (tmp_path / "end.txt").read_text() == "3"
    (tmp_path / "source.txt").write_text("b")
    assert walking(tmp_path, fail=False)[0] == "[1/1] walk from the start (other inputs) ..."
    assert (tmp_path / "end.txt").read_text() == "1"


def test_a_stage_that_was_cut_off_is_not_taken_for_the_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("a")
    walking(tmp_path, fail=False)
    with pytest.raises(OSError, match="power cut"):
        walking(tmp_path, fail=True, pace=2)  # the end of pace 1 is still there, its work is not
    assert walking(tmp_path, fail=False)[0] == "[1/1] walk from the start (other parameters) ..."


def total(folder: Path) -> None:
    (folder / "total.txt").write_text(str(sum(int(file.read_text()) for file in folder.glob("parts/*.txt"))))


def test_files_that_a_stage_finds_are_inputs_too(tmp_path: Path) -> None:
    def states() -> list[str]:
        stage = Stage("total", partial(total, tmp_path), [], [tmp_path / "total.txt"], also=["parts/*.txt"])
        return [o.state for o in run_stages([stage], tmp_path)]

    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.txt").write_text("1")
    assert states() == ["done"]
    (tmp_path / "parts" / "a.txt").write_text("1")  # written again, the same
    assert states() == ["unchanged"]
    (tmp_path / "parts" / "a.txt").write_text("22")
    assert states() == ["done"]
    (tmp_path / "parts" / "b.txt").write_text("3")
    assert states() == ["done"]
    assert (tmp_path / "total.txt").read_text() == "25"


def test_unchanged_is_unchanged_from_wherever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source.txt").write_text("3")
    assert states(tmp_path) == ["done", "done"]
    monkeypatch.chdir(tmp_path)
    assert states(Path()) == ["unchanged", "unchanged"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_files_of_somebody_else_are_not_replaced(tmp_path: Path, dry_run: bool) -> None:
    (tmp_path / "source.txt").write_text("3")
    (tmp_path / "end.txt").write_text("a thesis")
    with pytest.raises(OutputError, match=r"holds end\.txt, which no earlier run"):
        run_stages(chain(tmp_path), tmp_path, dry_run=dry_run)
    assert (tmp_path / "end.txt").read_text() == "a thesis"


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, words in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "results", "cannot be written")):
        with pytest.raises(OutputError, match=words):
            run_stages([Stage("idle", partial(idle), [], [])], folder)


def test_a_damaged_state_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("3")
    (tmp_path / ".stages.sqlite3").write_text("not a database, whatever its name says\n" * 40)
    with pytest.raises(InputError, match=r"stages\.sqlite3 is damaged"):
        states(tmp_path)


@pytest.mark.once
def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Another program is writing it; in a folder without rights SQLite says so in the same way."""
    (tmp_path / "source.txt").write_text("3")
    assert states(tmp_path) == ["done", "done"]
    with closing(sqlite3.connect(tmp_path / ".stages.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputError, match=r"stages\.sqlite3 cannot be written: database is locked"):
            states(tmp_path, factor=3)
