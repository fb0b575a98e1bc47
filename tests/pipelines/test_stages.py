"""Stages are skipped by content, and rerun when input, parameter or code changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazekit.errors import GazekitError, InputError
from pipelines.stages import Stage, code_hash, run_stages


def chain(folder: Path, factor: int = 2) -> list[Stage]:
    source, middle, end = folder / "source.txt", folder / "middle.txt", folder / "end.txt"
    return [
        Stage(
            "double",
            lambda: middle.write_text(str(int(source.read_text()) * factor)),
            [source],
            [middle],
            {"factor": factor},
            ["gazekit.errors"],
        ),
        Stage("square", lambda: end.write_text(str(int(middle.read_text()) ** 2)), [middle], [end]),
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
    assert not (tmp_path / "middle.txt").exists()


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
        run_stages([Stage("idle", lambda: None, [], [tmp_path / "never"])], tmp_path)


def test_code_is_part_of_a_stage() -> None:
    assert code_hash(["gazekit.errors"]) != code_hash(["gazekit.files"])
    assert code_hash(["gazekit.session"]) == code_hash(["gazekit.session"])
    with pytest.raises(InputError, match="no_such_module"):
        code_hash(["no_such_module"])


def test_unfinished_work_goes_on_only_from_the_same_inputs(tmp_path: Path) -> None:
    source, work, end = tmp_path / "source.txt", tmp_path / "work", tmp_path / "end.txt"
    source.write_text("a")

    def action(fail: bool) -> None:
        work.mkdir(exist_ok=True)
        (work / f"step{len(list(work.iterdir()))}").touch()
        if fail:
            raise OSError("power cut")
        end.write_text(str(len(list(work.iterdir()))))

    def stage(fail: bool) -> list[Stage]:
        return [Stage("walk", lambda: action(fail), [source], [end], work=[work])]

    for _ in range(2):
        with pytest.raises(OSError, match="power cut"):
            run_stages(stage(True), tmp_path)
    run_stages(stage(False), tmp_path)
    assert end.read_text() == "3"
    source.write_text("b")
    run_stages(stage(False), tmp_path)
    assert end.read_text() == "1"
