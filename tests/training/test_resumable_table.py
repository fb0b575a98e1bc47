"""A table that is killed anywhere, any number of times, ends in the bytes of one that was not."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from gazekit.core.errors import FormatError, InputError
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
