"""Every format of the registry: damaged files, and every export and the way back; a plug-in's format too."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.core.errors import FormatError, GazekitError
from gazekit.formats import edf, export_bids, export_tables, import_recording, registry
from gazekit.session import Session
from tests.fixtures.foreign import SOUND, Sample
from tests.fixtures.format_checks import harm, stands_damage, stands_exports

OURS: dict[str, Callable[[Session, Path], Path]] = {
    "our bids": lambda session, folder: export_bids([session], folder / "bids"),
    "csv": lambda session, folder: export_tables(session, folder / "csv", "csv"),
    "parquet": lambda session, folder: export_tables(session, folder / "parquet", "parquet"),
}


@pytest.fixture
def sound(tmp_path: Path, full_session: Session, request: pytest.FixtureRequest) -> Sample:
    """A sound file or folder of a format."""
    folder = tmp_path / "sound"
    folder.mkdir()
    if request.param in OURS:
        return Sample(OURS[request.param](full_session, folder))
    return SOUND[request.param](folder)


def test_every_registered_format_is_checked_here() -> None:
    checked = {name.split()[0] for name in SOUND} | {"tables"}
    assert checked == set(registry.formats()), "a format needs a writer of a sound file in tests/fixtures/foreign"


@pytest.mark.parametrize("sound", sorted({*SOUND, *OURS} - {"edf"}), indirect=True)
def test_harmed_files(sound: Sample, tmp_path: Path, rng: np.random.Generator) -> None:
    stands_damage(sound, tmp_path, rng)


@pytest.mark.parametrize("sound", sorted({*SOUND, *OURS}), indirect=True)
def test_every_import_survives_every_export(sound: Sample, tmp_path: Path, same_session: Any) -> None:
    stands_exports(sound, tmp_path, same_session)


PLUG_IN = """
import sys

from gazekit.formats.columns import eye, point, recording, whole_us
from gazekit.formats.session_builder import Part
from gazekit.formats.text import TextTable
from gazekit.gaze import Eye

TITLE = "table of a lab's own program"
this = sys.modules[__name__]


def looks_like(head):
    return head.has("lab_ms", "lab_x", "lab_y")


def read(head, request):
    draft, table = request.draft(head), TextTable(head, strict=request.strict)
    for batch in table.batches(dict.fromkeys(("lab_ms", "lab_x", "lab_y"), "number")):
        time = whole_us(batch.numbers("lab_ms"), "ms")
        gaze = point(batch.numbers("lab_x"), batch.numbers("lab_y")) / (draft.screen.width_px, draft.screen.height_px)
        yield Part(draft, recording(time, eye(gaze), Eye.missing(len(time))))
    table.describe(draft.account)
"""


@pytest.fixture
def plug_in(install: Any, tmp_path: Path) -> Iterator[Sample]:
    install(PLUG_IN, {registry.GROUP: {"lab": "this"}})
    registry.formats.cache_clear()
    path = tmp_path / "lab.csv"
    path.write_text("lab_ms,lab_x,lab_y\n" + "".join(f"{8 * n},{900 + n},{500 - n}\n" for n in range(60)))
    yield Sample(path, {"width_px": 1920, "height_px": 1080, "width_mm": 527, "height_mm": 296, "distance_mm": 630})
    registry.formats.cache_clear()


def test_format_of_a_plug_in_stands_the_same(
    plug_in: Sample, tmp_path: Path, rng: np.random.Generator, same_session: Any
) -> None:
    assert "lab" in registry.formats()
    assert "lab" not in {name.split()[0] for name in SOUND}
    stands_damage(plug_in, tmp_path, rng)
    stands_exports(plug_in, tmp_path, same_session)


def test_plain_table_with_a_harmed_mapping(foreign, tmp_path: Path, rng: np.random.Generator) -> None:
    table, screen, options = foreign.plain.sound(tmp_path)
    mapping = options["mapping"]
    sound = mapping.read_bytes()
    refused = 0
    for _ in range(40):
        mapping.write_bytes(harm(sound, rng))
        try:
            import_recording(table, screen=screen, mapping=mapping)
        except GazekitError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("share", [0.02, 0.6])
def test_edf_that_was_cut_ends_in_an_error_and_not_the_program(
    foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    path = foreign.edf.write(tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    monkeypatch.setattr(edf, "_SECONDS", (5.0, 0.0))  # the library never ends at some files
    with contextlib.suppress(GazekitError):
        assert len(import_recording(path, screen=foreign.MM).recording) > 1000


@pytest.fixture
def read_edf_by(foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float, list[str]], Session]:
    """Import a sound EDF file; its reader has so many seconds of a processor and begins in a program of these lines."""
    if sys.platform == "win32":
        pytest.skip("Windows gives a process no time of a processor")
    path, program = foreign.edf.write(tmp_path), tmp_path / "python"

    def read(seconds: float, lines: list[str]) -> Session:
        program.write_text("\n".join([f"#!{sys.executable}", "import os, sys, time", *lines]))
        program.chmod(0o755)
        monkeypatch.setattr(edf.sys, "executable", str(program))
        monkeypatch.setattr(edf, "_SECONDS", (seconds, 0.0))
        return import_recording(path, screen=foreign.MM)

    return read


def test_a_busy_machine_does_not_make_an_edf_file_damaged(read_edf_by) -> None:
    go_on = f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])"
    assert len(read_edf_by(6.0, ["time.sleep(8)", go_on]).recording) > 1000


def test_a_library_that_never_ends_is_ended_after_its_time_of_a_processor(read_edf_by) -> None:
    endless = ["from gazekit.formats import edf", "edf._allow(int(sys.argv[-1]))", "while True: pass"]
    with pytest.raises(FormatError, match="did not end in 1 s"):
        read_edf_by(1.0, endless)
