"""What 0.1.0 wrote opens with the same numbers, and each of its commands writes the same again.

``data`` was made by 0.1.0 (`make_fixtures`). Where libraries and processor are those that made it, everything is
compared digit for digit; elsewhere numbers may differ in their last digits. A whole chain is compared byte for byte
with an installed 0.1.0 on the same machine by `test_the_old_code_writes_the_same_bytes`, by hand.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

import gazekit as gk
from gazekit.cli import main
from survey.schema import VERSION
from tests.compatibility import opened
from tests.compatibility.chain import CONDITIONS, MASKS, MODEL, NEW, SEEDS, Step, steps
from tests.compatibility.content import (
    DATA,
    assert_same_file,
    assert_same_values,
    digest,
    listed,
    machine,
    sqlite_content,
)

SESSIONS = ("sessions/P01.gaze.h5", "recovered/P08.gaze.h5", "imported/eyelink.gaze.h5", "imported/plain.gaze.h5")
DATASETS = tuple(f"datasets/{name}.dataset.h5" for name in (*MASKS, "sharded"))
DIGESTS: dict[str, str] = json.loads((DATA / "digests.json").read_text())
ALONE = [step for step in steps() if step.alone]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture(scope="session")
def exact() -> bool:
    """Whether this machine is like the one that made the files, so that the last digit has to be the same."""
    return bool(json.loads((DATA / "machine.json").read_text()) == machine())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of everything that 0.1.0 made, as the working folder."""
    copy = tmp_path / "data"
    shutil.copytree(DATA, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture(scope="session")
def written_down() -> dict[str, Any]:
    """What 0.1.0 saw in its own files."""
    found: dict[str, Any] = json.loads((DATA / "opened.json").read_text())
    return found


def run(command: tuple[str, ...]) -> str:
    """Run a command of gazekit in this process; gives what it printed."""
    printed, faults = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(faults),
        pytest.raises(SystemExit) as end,
    ):
        main(list(command))
    assert not end.value.code, faults.getvalue()
    return printed.getvalue()


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


# -- what 0.1.0 made opens with the same numbers -----------------------------------------------------------------


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_opens_with_the_same_numbers(name: str, written_down: dict[str, Any]) -> None:
    assert_same_values(as_json(opened.session(DATA / name)), written_down["sessions"][name], True, name)


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_opens_with_the_same_pictures_masks_ratings_and_splits(
    name: str, written_down: dict[str, Any]
) -> None:
    assert_same_values(as_json(opened.dataset(DATA / name)), written_down["datasets"][name], True, name)


@pytest.mark.parametrize("name", DATASETS)
def test_networks_are_shown_the_same_pixels(name: str, written_down: dict[str, Any], exact: bool) -> None:
    seen, old = as_json(opened.drawn(DATA / name)), written_down["drawn"][name]
    if exact:
        assert_same_values(seen, old, True, name)
    else:
        assert list(seen["masked"]) == list(old["masked"])


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_whole(name: str, folder: Path) -> None:
    run(("dataset", "verify", name))


def test_a_survey_database_opens_and_stays_as_it_is(folder: Path, exact: bool) -> None:
    before = sqlite_content(DATA / "survey.db")
    run(("survey", "export", "study.toml", "--database-url", "survey.db", "--out", "again.csv"))
    assert_same_file(Path("again.csv"), Path("ratings.csv"), exact=exact)
    times = [pd.to_datetime(pd.read_csv(name)["rated_utc"], format="ISO8601") for name in ("again.csv", "ratings.csv")]
    assert (times[0] - times[1]).abs().max() < pd.Timedelta("1ms")
    before["meta"] = [row | ({"value": str(VERSION)} if row["key"] == "schema" else {}) for row in before["meta"]]
    after = sqlite_content(folder / "survey.db")
    for table, rows in before.items():  # a newer version adds columns and tables
        assert [{name: row[name] for name in old} for old, row in zip(rows, after[table], strict=True)] == rows


def test_histograms_are_read_alike() -> None:
    table = gk.read_histograms(DATA / "histograms.csv")
    counts = pd.read_csv(DATA / "histograms.csv")
    columns = [f"c{score}" for score in range(1, 11)]
    np.testing.assert_array_equal(table[columns].to_numpy(), counts[columns].to_numpy())
    assert table["image"].tolist() == counts["image"].tolist()


@needs_torch
def test_a_checkpoint_has_the_layers_of_todays_model() -> None:
    """The Residual Attention Network pools otherwise since 0.2 (as published): weights of 0.1.0 bring theirs along."""
    import torch

    kept = torch.load(DATA / f"runs/runs/{MODEL}/original/seed0/best.pt", weights_only=True, map_location="cpu")
    weights = next(part for part in _dicts(kept) if part and all(torch.is_tensor(v) for v in part.values()))
    model = gk.models.create(MODEL, buckets=10, pooling="padded")
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {name: tuple(value.shape) for name, value in weights.items()} == shapes


def _dicts(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    return [value, *(found for part in value.values() for found in _dicts(part))]


# -- every command writes the same again -------------------------------------------------------------------------


@pytest.mark.parametrize("step", [pytest.param(s, id=s.name, marks=needs_torch if s.torch else ()) for s in ALONE])
def test_a_command_writes_the_same_again(step: Step, folder: Path, exact: bool) -> None:
    for made in step.made:
        forget(folder / made)
    printed = run(step.command)
    if step.printed:
        Path(step.printed).parent.mkdir(parents=True, exist_ok=True)
        Path(step.printed).write_text(printed, encoding="utf-8")
    if step.torch and not exact:
        _same_scores()
        return
    compare_made(folder, step, exact)


def forget(path: Path) -> None:
    """Remove what a step made, with the provenance beside it."""
    for found in [path, *path.parent.glob(f"{path.name}.*json")]:
        shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)


def compare_made(folder: Path, step: Step, exact: bool) -> None:
    """Compare what a step made with the file of 0.1.0, or, where that is not kept, with its digest."""
    made = {name for name in listed(folder) if name.startswith(step.made)}
    before = {name for name in DIGESTS if name.startswith(step.made)}
    # a shard's name ends in its digest
    short = (lambda name: re.sub(r"(\.shards/\d+)-\w+", r"\1", name)) if step.changed else str
    assert set(map(short, made - NEW)) == set(map(short, before)), "other files"
    for name in sorted(made):
        if step.changed:
            if name.endswith((".csv", ".tsv")) and "report-tables" not in name and (DATA / name).exists():
                columns, old = (list(pd.read_csv(place / name, nrows=0)) for place in (folder, DATA))
                assert [column for column in columns if column in old] == old, f"{name}: columns are gone"
        elif (DATA / name).exists():
            assert_same_file(folder / name, DATA / name, exact=exact)
        elif exact and not name.endswith((".html", ".tex", ".db")):
            assert digest(folder / name) == DIGESTS[name], f"{name} is another"


def _same_scores() -> None:
    if Path("scores.csv").exists():
        new, old = pd.read_csv("scores.csv"), pd.read_csv(DATA / "scores.csv")
        pd.testing.assert_frame_equal(new, old, rtol=1e-3, atol=1e-4)


# -- training, as far as it is the same on every machine ----------------------------------------------------------


@needs_torch
def test_training_has_the_same_plan_and_the_same_files(folder: Path) -> None:
    shutil.rmtree("runs")
    step = next(step for step in steps() if step.name == "train")
    run(step.command)
    made = {name for name in listed(folder) if name.startswith("runs/") and not name.endswith(".lock")}
    assert made == {name for name in DIGESTS if name.startswith("runs/") and not _compared(name)}
    for name in ("config.json", "truth.csv"):
        assert_same_file(Path("runs") / name, DATA / "runs" / name, exact=True)
    for condition in CONDITIONS:
        for seed in SEEDS:
            _same_run(Path(f"runs/runs/{MODEL}/{condition}/seed{seed}"))


def _compared(name: str) -> bool:
    """Whether a file is the comparison's or the report's."""
    tables = ("comparison.csv", "paired.csv", "agreement.csv", "categories.csv", "conclusion.json", "report")
    return name.startswith(tuple(f"runs/{table}" for table in tables))


def _same_run(path: Path) -> None:
    old = DATA / path
    assert_same_file(path / "config.json", old / "config.json", exact=True)
    new, before = (pd.read_csv(place / "predictions.csv") for place in (path, old))
    assert list(new) == list(before)
    assert new["image"].tolist() == before["image"].tolist()
    logs = [[json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()] for place in (path, old)]
    assert [list(row) for row in logs[0]] == [list(row) for row in logs[1]]
    losses = [[row["train_loss"] for row in log] for log in logs]
    # another network on purpose: it pools as its authors' files do, which moves losses by 3 % (2 % were rounding's)
    np.testing.assert_allclose(*losses, rtol=0.05)


# -- the comparison itself notices a difference --------------------------------------------------------------------


def _other_number(path: Path) -> None:
    path.write_text(path.read_text().replace("0.", "1.", 1))


def _other_value(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["gaze/left_pupil_mm"][0] += 1


def _other_chunks(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file["gaze/left_pupil_mm"][()]
        del file["gaze/left_pupil_mm"]
        file.create_dataset("gaze/left_pupil_mm", data=values)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("runs/comparison.csv", _other_number),
        ("survey/reliability.json", _other_number),
        ("sessions/P01.gaze.h5", _other_value),
        ("sessions/P01.gaze.h5", _other_chunks),
    ],
)
@pytest.mark.parametrize("exactly", [True, False])
def test_a_changed_file_is_noticed(name: str, change: Callable[[Path], None], exactly: bool, folder: Path) -> None:
    change(folder / name)
    with pytest.raises(AssertionError):
        assert_same_file(folder / name, DATA / name, exact=exactly)
