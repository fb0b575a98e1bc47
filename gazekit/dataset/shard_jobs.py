"""Making the parts of a dataset: here, in several processes, or on a Dask cluster; finished parts are kept."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import h5py

from gazekit.core.errors import ConfigError, FormatError, OutputError
from gazekit.core.parallel import dask_executor
from gazekit.core.progress import track
from gazekit.dataset.layout import read_remarks
from gazekit.dataset.shards import PartJob, make_part, whole_part

UNUSABLE = ("missing", "unreadable", "broken")
CLUSTER_AHEAD = 256  # parts that a cluster is given at a time


def checked_target(out: str | Path) -> Path:
    """Where a dataset goes.

    Raises
    ------
    OutputError : there is a folder of that name.
    """
    out = Path(out)
    if out.is_dir():
        raise OutputError(f"{out} is a folder; give a file for the dataset, as {out / 'photos.dataset.h5'}")
    return out


def work_folder(out: Path) -> Path:
    """Where the parts of a dataset lie until it is whole."""
    return out.with_name(f"{out.name}.build")


def make_parts(
    jobs: Sequence[PartJob], out: Path, *, workers: int = 1, scheduler: str | None = None, strict: bool = False
) -> list[Path]:
    """Make every part that is not there yet; gives their files in order.

    Raises
    ------
    InputError : with ``strict``, a picture that cannot be used; always, if none can.
    """
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more; found {workers}")
    folder = work_folder(out)
    targets = [folder / f"{n:05d}-{job.key()[:32]}.h5" for n, job in enumerate(jobs)]
    todo = [(job, target) for job, target in zip(jobs, targets, strict=True) if not whole_part(target)]
    for target in track(_made(todo, workers, scheduler), "building", total=len(todo)):
        if strict:
            _refuse_unusable([target])
    for stale in set(folder.glob("*")) - set(targets):
        stale.unlink()
    if not any(_pictures_in(target) for target in targets):
        _refuse_unusable(targets)
    return targets


def _made(todo: list[tuple[PartJob, Path]], workers: int, scheduler: str | None) -> Iterable[Path]:
    if scheduler is not None:
        return _made_on_cluster(todo, scheduler)
    if workers == 1 or len(todo) <= 1:
        return (make_part(job, target) for job, target in todo)
    return _made_in_processes(todo, workers)


def _made_on_cluster(todo: list[tuple[PartJob, Path]], scheduler: str) -> Iterator[Path]:
    with dask_executor(scheduler) as cluster:
        yield from _as_ready([(job, target.resolve()) for job, target in todo], cluster, CLUSTER_AHEAD)


def _as_ready(todo: list[tuple[PartJob, Path]], executor: Executor, ahead: int) -> Iterator[Path]:
    """Parts as they become ready; at most so many are given out at a time, so that memory stays flat."""
    waiting = iter(todo)
    running: set[Future[Path]] = set()
    while True:
        while len(running) < ahead and (item := next(waiting, None)) is not None:
            running.add(executor.submit(make_part, *item))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _made_in_processes(todo: list[tuple[PartJob, Path]], workers: int) -> Iterator[Path]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(todo)), mp_context=context, initializer=_settle) as pool:
        try:
            yield from _as_ready(todo, pool, 2 * workers)
        except BrokenProcessPool:
            raise OutputError(
                "a process of the build died (killed, or out of memory); "
                "the parts that are done are kept: start it again"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _settle() -> None:
    """One thread a process, and no life without the process that started it."""
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: BaseProcess) -> None:
    wait_for([parent.sentinel])
    os._exit(1)


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
        raise FormatError(f"{len(faults)} pictures cannot be used: {'; '.join(faults[:10])}{more}")
