"""Many session files to one folder for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gazekit.core.errors import InputError
from gazekit.core.files import whole_folder
from gazekit.core.progress import track
from gazekit.formats.batch import unique_stems
from gazekit.formats.bids_out import Detector, export_bids
from gazekit.formats.session_tables import export_tables
from gazekit.formats.settings import BidsSection
from gazekit.formats.writing import SUFFIX
from gazekit.session.session_file import open_session


def export_sessions(
    paths: Iterable[str | Path],
    out: str | Path,
    kind: str,
    *,
    name: str = "",
    fixations: Detector | None = None,
    about: BidsSection | None = None,
) -> list[Path]:
    """Write session files, or folders of them, as one BIDS dataset or a folder of tables each."""
    files = session_files(paths)
    out = Path(out)
    if kind == "bids":
        sessions = (open_session(file) for file in track(files, "exporting"))
        return [export_bids(sessions, out, name=name, fixations=fixations, about=about)]
    stems = {file: stem.removesuffix(".gaze") for file, stem in unique_stems(files).items()}
    with whole_folder(out) as temporary:
        for file in track(files, "exporting"):
            export_tables(open_session(file), temporary / stems[file], "csv" if kind == "csv" else "parquet")
    return [out / stem for stem in stems.values()]


def session_files(paths: Iterable[str | Path]) -> list[Path]:
    """List session files: a folder stands for all that are under it."""
    files: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"the folder {path} holds no session file (*{SUFFIX}); import other files by name")
        files += inside
    return list(dict.fromkeys(files))
