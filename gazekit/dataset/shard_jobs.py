"""Making the parts of a dataset: here, in several processes, or on a Dask cluster; finished parts are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, OutputError
from gazekit.core.parallel import results
from gazekit.core.progress import track
from gazekit.dataset.layout import read_remarks
from gazekit.dataset.shards import ANOTHER_FILE, PartJob, make_part, whole_part

UNUSABLE = ("missing", "unreadable", "broken", ANOTHER_FILE)


def checked_target(out: str | Path) -> Path:
    """Return where a dataset goes.

    Raises
    ------
    OutputError
        There is a folder of that name.
    """
    out = Path(out)
    if out.is_dir():
        raise OutputError(f"{out} is a folder; give a file for the dataset, as {out / 'photos.dataset.h5'}")
    return out


def work_folder(out: Path) -> Path:
    """Return where the parts of a dataset lie until it is whole."""
    return out.with_name(f"{out.name}.build")


def make_parts(
    jobs: Sequence[PartJob], out: Path, *, workers: int = 1, scheduler: str | None = None, strict: bool = False
) -> list[Path]:
    """Make every part that is not there yet; gives their files in order.

    Raises
    ------
    InputError
        With ``strict``, a picture that cannot be used; always, if none can.
    """
    folder = work_folder(out)
    targets = [folder / f"{n:05d}-{job.key()[:32]}.h5" for n, job in enumerate(jobs)]
    todo = [(job, target.resolve()) for job, target in zip(jobs, targets, strict=True) if not whole_part(target)]
    parts = results(make_part, todo, workers=min(workers, len(todo) or 1), scheduler=scheduler)
    for target in track(parts, "building", total=len(todo)):
        if strict:
            _refuse_unusable([target])
    for stale in set(folder.glob("*")) - set(targets):
        stale.unlink()
    if not any(_pictures_in(target) for target in targets):
        _refuse_unusable(targets)
    return targets


def _pictures_in(target: Path) -> int:
    with h5py.File(target, "r") as file:
        return len(file["image/id"])


def _refuse_unusable(targets: Iterable[Path]) -> None:
    faults = []
    for target in targets:
        with h5py.File(target, "r") as file:
            table = read_remarks(file)
        faults += [f"{row.image} ({row.remark}): {row.text}" for row in table.itertuples() if row.remark in UNUSABLE]
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise FormatError(f"{counted(len(faults), 'picture')} cannot be used: {'; '.join(faults[:10])}{more}")
