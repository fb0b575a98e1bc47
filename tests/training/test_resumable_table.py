"""A table that is killed anywhere, any number of times, ends in the bytes of one that was not."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gazekit.core.errors import ConfigError, FormatError, InputError, OutputError
from gazekit.training import resumable_table
from gazekit.training.resumable_table import open_rows, rows_done

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a sync costs nothing there
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), min_size=1, max_size=12
)  # no file has a NUL


class Killed(BaseException):
    """What a kill looks like from inside."""


def row(name: str) -> dict[str, object]:
    number = len(name)
    return (
        {"image": name, "mean": number / 3, "std": 0.5, "histogram": [0.25, 0.75]}
        if number % 3
        else {
            "image": name,
            "error": f"no picture, {name!r}",
        }
    )


def score(out: Path, names: list[str], kind: str | None, stop: int | None, sync_every: int) -> None:
    """Write the rows that are left; killed after so many, where ``stop`` says so."""
    with open_rows(out, kind, 2, {"model": "m"}, resume=True) as rows:
        for number, name in enumerate(rows.skip_done(iter(names))):
            if number == stop:
                raise Killed
            rows.write(row(name))
            if number % sync_every == 0:
                rows.sync()


class Table(RuleBasedStateMachine):
    """Runs that are killed, files that are torn or lost, sources and settings that are others: in any order."""

    @initialize(names=NAMES, kind=st.sampled_from(["csv", "jsonl"]))
    def begin(self, names: list[str], kind: str) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.names, self.kind = names, kind
        self.out, whole = Path(self.folder.name) / "out", Path(self.folder.name) / "whole"
        self.part, self.state = self.out.with_name("out.part"), self.out.with_name("out.part.json")
        score(whole, names, kind, None, 1)
        self.whole = whole.read_bytes()
        whole.unlink()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            score(self.out, self.names, self.kind, None, 3)
            assert self.out.read_bytes() == self.whole
            assert [path.name for path in Path(self.folder.name).iterdir()] == ["out"]
            self.folder.cleanup()

    @rule(stop=st.none() | st.integers(0, 6), sync_every=st.integers(1, 5))
    def run(self, stop: int | None, sync_every: int) -> None:
        with contextlib.suppress(Killed):
            score(self.out, self.names, self.kind, stop, sync_every)
            assert self.out.read_bytes() == self.whole
            self.out.unlink()  # it was through: begin anew

    @rule(share=st.floats(0, 1), rubbish=st.binary(max_size=9))
    def tear(self, share: float, rubbish: bytes) -> None:
        """Lose of what was not synced some, and find rubbish behind it."""
        if self.part.exists():
            content, synced = self.part.read_bytes(), self.synced()
            self.part.write_bytes(content[: synced + round(share * max(0, len(content) - synced))] + rubbish)

    @rule(lost=st.sampled_from(["part", "state"]))
    def lose(self, lost: str) -> None:
        """Lose one of the two files: what was done is done again."""
        getattr(self, lost).unlink(missing_ok=True)

    @rule()
    def come_with_another_source(self) -> None:
        if self.part.exists() and self.rows():
            with pytest.raises(InputError, match="rows of other pictures"):
                score(self.out, ["another", *self.names], self.kind, None, 1)

    @rule()
    def come_with_other_settings(self) -> None:
        if self.part.exists() and self.state.exists():
            with (
                pytest.raises(InputError, match="begun with another model"),
                open_rows(self.out, self.kind, 2, {"model": "n"}, resume=True),
            ):
                pass

    def synced(self) -> int:
        return json.loads(self.state.read_text("utf-8"))["bytes"] if self.state.exists() else 0

    def rows(self) -> int:
        return json.loads(self.state.read_text("utf-8"))["rows"] if self.state.exists() else 0

    @invariant()
    def what_was_synced_is_the_beginning_of_the_whole(self) -> None:
        if hasattr(self, "folder") and self.part.exists():
            content = self.part.read_bytes()[: self.synced()]
            assert self.whole.startswith(content)
            assert not self.out.exists()


TestTable = Table.TestCase
TestTable.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("kind", ["parquet", None])
def test_a_parquet_table_goes_on_and_has_its_types(tmp_path: Path, kind: str | None) -> None:
    """The format is that of the suffix where none is given; what is missing is neither 0 nor a text."""
    out, names = tmp_path / "out.parquet", ["a", "none", "b", "nan"]
    with pytest.raises(Killed):
        score(out, names, kind, 2, 1)
    score(out, names, kind, None, 1)
    table = pd.read_parquet(out)
    assert table["image"].tolist() == names
    assert {str(table[name].dtype) for name in ("mean", "std", "p1", "p2")} == {"float64"}
    assert table["mean"].isna().tolist() == [not len(name) % 3 for name in names]
    assert table["error"].tolist() == ["", "", "", "no picture, 'nan'"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_what_is_no_name_of_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the format 'xls' is not one of csv, jsonl, parquet"):
        score(tmp_path / "out.xls", ["a"], None, None, 1)
    with pytest.raises(OutputError, match="is a folder or a device"):
        score(tmp_path, ["a"], "csv", None, 1)


def test_a_table_is_synced_from_time_to_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next run remembers what the first one chose."""
    with contextlib.suppress(Killed), open_rows(tmp_path / "out", "csv", 2, {}, resume=True) as rows:
        assert rows.remember("batch", 8) == 8
        rows.write(row("a"))
        rows.offer_sync()
        assert not (tmp_path / "out.part.json").exists()
        monkeypatch.setattr(resumable_table, "_SECONDS", -1.0)
        rows.offer_sync()
        raise Killed
    with open_rows(tmp_path / "out", "csv", 2, {}, resume=True) as rows:
        assert (rows.remember("batch", 2), rows.count) == (8, 1)


def begun(folder: Path) -> Path:
    with pytest.raises(Killed):
        score(folder / "out", ["a", "b", "c"], "csv", 2, 1)
    return folder / "out"


def test_a_dry_run_says_what_an_earlier_run_left(tmp_path: Path) -> None:
    out, names = begun(tmp_path), iter(["a", "b", "c"])
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert rows_done(out, "csv", {"model": "m"}, names, resume=True) == 2
    assert list(names) == ["c"]
    assert rows_done(out, "csv", {"model": "m"}, iter("abc"), resume=False) == 0
    assert rows_done(None, None, {}, iter("abc"), resume=True) == 0
    with pytest.raises(InputError, match="rows of other pictures"):
        rows_done(out, "csv", {"model": "m"}, iter("xbc"), resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_another_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rows of other pictures"):
        score(begun(tmp_path), ["x", "b", "c"], "csv", None, 1)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    out = begun(tmp_path)
    with (
        pytest.raises(InputError, match="begun with another model"),
        open_rows(out, "csv", 2, {"model": "n"}, resume=True),
    ):
        pass


@pytest.mark.parametrize("state", ["{", '{"bytes": 99999, "rows": 1, "digest": ""}', '{"rows": 1}'])
def test_a_damaged_state_is_refused(tmp_path: Path, state: str) -> None:
    out = begun(tmp_path)
    out.with_name("out.part.json").write_text(state, encoding="utf-8")
    with pytest.raises(FormatError, match="damaged, or of another file"):
        score(out, ["a", "b", "c"], "csv", None, 1)


def test_rows_go_to_standard_output_too(capsys: pytest.CaptureFixture[str]) -> None:
    with open_rows(None, None, 2, {}, resume=True) as rows:
        assert list(rows.skip_done(iter("a"))) == ["a"]
        rows.write(row("a"))
        rows.offer_sync()
        rows.sync()  # there is nothing to go on from
    assert capsys.readouterr().out.splitlines() == ["image,mean,std,p1,p2,error", f"a,{1 / 3},0.5,0.25,0.75,"]
    with (
        pytest.raises(ConfigError, match="Parquet cannot be written to standard output"),
        open_rows(None, "parquet", 2, {}, resume=True),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "expected"), [(BrokenPipeError(), BrokenPipeError), (OSError(28, "full"), OutputError)]
)
def test_an_output_that_ends_is_said_and_a_pipe_that_closes_is_not(
    error: OSError, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads from a pipe may have enough (`head`); a disk that is full is a fault."""

    class Ends(io.StringIO):
        def flush(self) -> None:
            raise error

    monkeypatch.setattr("sys.stdout", Ends())
    with pytest.raises(expected), open_rows(None, "jsonl", 2, {}, resume=True) as rows:
        rows.write(row("a"))


def test_a_first_row_that_fails_leaves_nothing_and_a_later_one_all_before(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        score(out, ["a", "b"], "csv", 0, 1)
    assert list(tmp_path.iterdir()) == []
    names = ["a", "b", "c"]
    with pytest.raises(Killed):
        score(out, names, "csv", 2, 1)
    with pytest.raises(Killed):
        score(out, names, "csv", 0, 1)  # at once, but there are rows from before
    assert out.with_name("out.part").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"cannot be written: .*; the same command goes on"),
        open_rows(tmp_path / "file" / "out.csv", None, 2, {}, resume=True),
    ):
        pass
