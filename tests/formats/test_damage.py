"""Damaged files of every format: a session or an error on purpose, never a crash, and nothing half-written."""

from __future__ import annotations

import contextlib
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import GazekitError
from gazekit.formats import export_bids, export_tables, import_recording
from gazekit.formats.batch import import_files
from gazekit.session import Session, open_session
from tests.formats import prolab_file, test_eyelink, test_gazepoint, test_plain, test_pupil, test_studio, test_tx300

SIZES = {"width_mm": 380.0, "height_mm": 300.0, "distance_mm": 670.0}
PIXELS = SIZES | {"width_px": 1920.0, "height_px": 1080.0}


@pytest.fixture
def sources(tmp_path: Path, full_session: Session) -> dict[str, tuple[Path, dict[str, float]]]:
    """A sound file of each text format, and sound folders."""
    folder = tmp_path / "sound"
    folder.mkdir()
    (folder / "t.tsv").write_text(
        test_tx300.HEADER + "\n" + "".join(f"{3333 * n}\t{test_tx300.SEEN}\t{test_tx300.LOST}\t0\n" for n in range(20))
    )
    (folder / "g.csv").write_text(
        "\n".join([test_gazepoint.HEADER, *(test_gazepoint.row("m", n / 60, n * 166_667, 1, 1) for n in range(20))])
    )
    studio_rows = [test_studio.row(17 * n, "0", ["640", "512", "650", "510"], "Fixation", 1) for n in range(20)]
    studio = ["\t".join(r.get(name, "") for name in test_studio.HEADER) for r in studio_rows]
    (folder / "s.tsv").write_text("\n".join(["\t".join(test_studio.HEADER), *studio]) + "\n")
    return {
        "tx300": (folder / "t.tsv", PIXELS),
        "gazepoint": (folder / "g.csv", PIXELS),
        "studio": (folder / "s.tsv", SIZES),
        "prolab": (prolab_file.write(folder / "p.tsv"), SIZES),
        "prolab utf-16": (prolab_file.write(folder / "p16.tsv", encoding="utf-16", decimal=","), SIZES),
        "eyelink": (test_eyelink.write(folder, test_eyelink.BINOCULAR), SIZES),
        "pupil": (test_pupil.write(folder / "pupil", "mapped"), PIXELS),
        "bids": (export_bids([full_session], folder / "bids"), {}),
        "csv": (export_tables(full_session, folder / "csv"), {}),
        "parquet": (export_tables(full_session, folder / "parquet", "parquet"), {}),
    }


KINDS = ["tx300", "gazepoint", "studio", "prolab", "prolab utf-16", "eyelink", "pupil", "bids", "csv", "parquet"]


def harm(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, bytes exchanged, a piece left out or doubled."""
    kind, at = rng.integers(0, 4), int(rng.integers(0, len(data)))
    end = min(len(data), at + int(rng.integers(1, 60)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.integers(0, 256, end - at, dtype=np.uint8).tobytes() + data[end:]
    return data[:at] + (data[end:] if kind == 2 else data[at:end] + data[at:])


@pytest.mark.parametrize("kind", KINDS)
def test_harmed_files(
    sources: dict[str, tuple[Path, dict[str, float]]], tmp_path: Path, rng: np.random.Generator, kind: str
) -> None:
    path, sizes = sources[kind]
    assert len(import_recording(path, screen=sizes).recording)
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
            import_recording(copy, screen=sizes)
        batch = import_files([copy], tmp_path / "out", screen=sizes)
        assert len(batch.imported) + len(batch.faults) >= 1
    written = sorted((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []
    assert all(file.name.endswith(".gaze.h5") for file in written)
    for file in written:
        open_session(file)


def test_plain_table_with_a_harmed_mapping(tmp_path: Path, rng: np.random.Generator) -> None:
    table, mapping = test_plain.write(tmp_path, [f"{4 * n},5,5,ray,note" for n in range(10)])
    sound = mapping.read_bytes()
    refused = 0
    for _ in range(40):
        mapping.write_bytes(harm(sound, rng))
        try:
            import_recording(table, screen=test_plain.SCREEN, mapping=mapping)
        except GazekitError:
            refused += 1
    assert refused > 0
