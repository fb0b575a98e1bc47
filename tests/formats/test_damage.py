"""Damaged files of every format: a session or an error on purpose, never a crash, and nothing half-written."""

from __future__ import annotations

import contextlib
import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.core.errors import GazekitError
from gazekit.formats import edf, export_bids, export_tables, import_recording, registry
from gazekit.formats.batch import import_files
from gazekit.session import Session, open_session

KINDS = [
    "bids",
    "edf",
    "eprime",
    "eyelink",
    "gazepoint",
    "glasses 2",
    "glasses 3",
    "glasses neon",
    "iohub",
    "iohub csv",
    "plain",
    "prolab",
    "prolab utf-16",
    "prolab xlsx",
    "pupil",
    "pygaze",
    "smi idf",
    "smi begaze",
    "studio",
    "studio xlsx",
    "titta",
    "titta-matlab",
    "tobii-sdk",
    "tobii-sdk tuples",
    "tx300",
    "webgazer",
    "xdf",
]
KINDS += ["csv", "parquet", "our bids"]


@pytest.fixture
def sound(foreign, tmp_path: Path, full_session: Session, request: pytest.FixtureRequest) -> Any:
    """A sound file or folder of a format."""
    folder = tmp_path / "sound"
    folder.mkdir()
    ours = {"our bids": lambda: export_bids([full_session], folder / "bids")}
    ours |= {kind: lambda kind=kind: export_tables(full_session, folder / kind, kind) for kind in ("csv", "parquet")}
    return foreign.Sample(ours[request.param]()) if request.param in ours else foreign.SOUND[request.param](folder)


def test_every_registered_format_is_damaged_here(foreign) -> None:
    assert {name.split()[0] for name in foreign.SOUND} | {"tables"} == set(registry.formats())
    assert set(foreign.SOUND) <= set(KINDS)


def harm(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, bytes exchanged, a piece left out or doubled."""
    kind, at = rng.integers(0, 4), int(rng.integers(0, len(data)))
    end = min(len(data), at + int(rng.integers(1, 60)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.integers(0, 256, end - at, dtype=np.uint8).tobytes() + data[end:]
    return data[:at] + (data[end:] if kind == 2 else data[at:end] + data[at:])


@pytest.mark.parametrize("sound", [kind for kind in KINDS if kind != "edf"], indirect=True)
def test_harmed_files(sound: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    path, sizes, options = sound.path, sound.screen, sound.options
    assert len(import_recording(path, screen=sizes, **options).recording)
    for n in range(5 if path.is_dir() else 12):
        copy = tmp_path / "harmed" / f"{n}{path.suffix}"
        if path.is_dir():
            shutil.copytree(path, copy)
            files = sorted(p for p in copy.rglob("*") if p.is_file() and p.suffix != ".png")
            target = files[int(rng.integers(0, len(files)))]
        else:
            copy.parent.mkdir(exist_ok=True)
            target = copy
            shutil.copy(path, copy)
        packed = target.suffix == ".gz" and rng.random() < 0.7
        data = gzip.decompress(target.read_bytes()) if packed else target.read_bytes()
        harmed = harm(data, rng)
        target.write_bytes(gzip.compress(harmed) if packed else harmed)
        with contextlib.suppress(GazekitError):
            import_recording(copy, screen=sizes, **options)
        batch = import_files([copy], tmp_path / "out", screen=sizes, **options)
        assert len(batch.imported) + len(batch.faults) >= 1
    written = sorted((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []
    assert all(file.name.endswith(".gaze.h5") for file in written)
    for file in written:
        open_session(file)


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
