"""A table that is killed anywhere, any number of times, ends in the bytes of one that was not."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from gazekit.core.errors import ConfigError, FormatError, InputError, OutputError
from gazekit.training.resumable_table import open_rows

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a sync costs nothing there
NAMES = st.lists(st.text(max_size=12), min_size=1, max_size=12)


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


def score(out: Path, names: list[str], kind: str, stop: int | None, sync_every: int) -> None:
    """Write the rows that are left; killed after so many, where ``stop`` says so."""
    with open_rows(out, kind, 2, {"model": "m"}, resume=True) as rows:
        for number, name in enumerate(rows.skip_done(iter(names))):
            if number == stop:
                raise Killed
            rows.write(row(name))
            if number % sync_every == 0:
                rows.sync()


@given(
    names=NAMES,
    kind=st.sampled_from(["csv", "jsonl"]),
    kills=st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1), st.binary(max_size=9)), max_size=4),
    sync_every=st.integers(1, 5),
)
@example(names=["a", "b"], kind="csv", kills=[(1, 0.0, b""), (0, 1.0, b"\xff\xfe\n,")], sync_every=1)
@settings(max_examples=60, deadline=None)
def test_kills_leave_no_trace(
    names: list[str], kind: str, kills: list[tuple[int, float, bytes]], sync_every: int
) -> None:
    """What was not synced may be lost, torn or followed by rubbish; the next run cuts it off."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        whole, out = Path(folder) / "whole", Path(folder) / "out"
        score(whole, names, kind, None, 1)
        part, state = out.with_name("out.part"), out.with_name("out.part.json")
        for stop, share, rubbish in kills:
            try:
                score(out, names, kind, stop, sync_every)
            except Killed:
                if part.exists():
                    synced = json.loads(state.read_text("utf-8"))["bytes"] if state.exists() else 0
                    content = part.read_bytes()
                    kept = synced + round(share * max(0, len(content) - synced))
                    part.write_bytes(content[:kept] + rubbish)
            else:
                out.unlink()  # it was through: begin anew
        score(out, names, kind, None, sync_every)
        assert out.read_bytes() == whole.read_bytes()
        assert sorted(path.name for path in Path(folder).iterdir()) == ["out", "whole"]


def begun(folder: Path) -> Path:
    with pytest.raises(Killed):
        score(folder / "out", ["a", "b", "c"], "csv", 2, 1)
    return folder / "out"


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
