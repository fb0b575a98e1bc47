"""Work side by side: processes that end with their parent, a queue of bounded length, and Dask clusters.

A cluster's workers see the same files and have the same gazekit.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import Any, ParamSpec, TypeVar

from gazekit.core.allocator import keep_memory
from gazekit.core.errors import ConfigError, MissingExtraError, OutputError

_log = logging.getLogger(__name__)
TIMEOUT = "20s"  # for the scheduler to answer
RETRIES = 3  # work whose worker died so often is given up
BLAS_THREADS = "OPENBLAS_NUM_THREADS"  # of numpy and scipy, read when they are imported
CLUSTER_AHEAD = 256  # jobs that a cluster is given at a time
P = ParamSpec("P")
R = TypeVar("R")


def results(
    work: Callable[..., R], jobs: Iterable[tuple[Any, ...]], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[R]:
    """Yield ``work(*job)`` of every job as it becomes ready: here, in processes or on a Dask cluster.

    Parameters
    ----------
    work : callable
        A function that a process can import.
    jobs : iterable of tuple
        Arguments of each call; taken from the iterable only as fast as work is done.
    workers : int
        Processes on this machine; 1 works in this one.
    scheduler : str, optional
        Address of a Dask scheduler, as ``tcp://host:8786``, whose workers do it instead.

    Raises
    ------
    ConfigError
        ``workers`` below 1; no Dask scheduler answers.
    OutputError
        A process died.
    """
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more; found {workers}")
    if scheduler is not None:
        with dask_executor(scheduler) as cluster:
            yield from as_ready(cluster, work, jobs, CLUSTER_AHEAD)
    elif workers == 1:
        for job in jobs:
            yield work(*job)
    else:
        with process_pool(workers) as pool:
            yield from as_ready(pool, work, jobs, 2 * workers)


def as_ready(executor: Executor, work: Callable[..., R], jobs: Iterable[tuple[Any, ...]], ahead: int) -> Iterator[R]:
    """Yield results as they become ready; at most ``ahead`` jobs are given out at a time: memory stays flat."""
    waiting = iter(jobs)
    running: set[Future[R]] = set()
    while True:
        while len(running) < ahead and (job := next(waiting, None)) is not None:
            running.add(executor.submit(work, *job))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


Run = Callable[[Callable[..., R], Iterable[tuple[Any, ...]]], Iterator[R]]


@contextmanager
def side_by_side(workers: int) -> Iterator[Run[Any]]:
    """Give a function that does jobs as `results` does, by the same processes each time: they are started once.

    The processes keep the memory that a job frees for the next one.
    """
    if workers == 1:
        yield results
        return
    with process_pool(workers, keep=True) as pool:
        yield lambda work, jobs: as_ready(pool, work, jobs, 2 * workers)


@contextmanager
def process_pool(workers: int, *, keep: bool = False) -> Iterator[Executor]:
    """Start processes of one thread each that end when this process ends, even when it is killed.

    With ``keep`` they hold on to freed memory (`gazekit.core.allocator.keep_memory`).

    Raises
    ------
    OutputError
        A process died while it was at work.
    """
    _log.debug("%d processes", workers)
    context = multiprocessing.get_context("spawn")
    with (
        _single_threads(),
        ProcessPoolExecutor(workers, mp_context=context, initializer=_settle, initargs=(keep,)) as pool,
    ):
        try:
            yield pool
        except BrokenProcessPool:
            raise OutputError(
                "a process died (killed, or out of memory); what is done is kept: start it again"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let processes that are started meanwhile multiply matrices with one thread: more would wait for each other."""
    before = os.environ.get(BLAS_THREADS)
    os.environ[BLAS_THREADS] = "1"
    try:
        yield
    finally:
        del os.environ[BLAS_THREADS]
        os.environ |= {} if before is None else {BLAS_THREADS: before}


def _settle(keep: bool) -> None:
    if keep:
        keep_memory()
    import cv2

    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave() -> None:
            wait_for([parent.sentinel])
            os._exit(1)

        threading.Thread(target=leave, daemon=True).start()


class _InTurn(Executor):
    """Gives work to a cluster, whose processes do one job at a time, whatever number of threads they have.

    Random numbers, the number of threads and warnings are a process's: of two jobs each would change the other's.
    """

    def __init__(self, cluster: Executor) -> None:
        self._cluster = cluster

    def submit(self, work: Callable[P, R], /, *arguments: P.args, **options: P.kwargs) -> Future[R]:
        """Give a job to the cluster."""
        return self._cluster.submit(_in_turn, work, *arguments, **options)


_TURN = threading.Lock()


def _in_turn(work: Callable[P, R], /, *arguments: P.args, **options: P.kwargs) -> R:
    with _TURN:
        return work(*arguments, **options)


def _say_idle_threads(threads: Mapping[str, int]) -> None:
    """Warn of workers whose threads would not be used."""
    idle = sum(threads.values()) - len(threads)
    if idle:
        _log.warning(
            "%d of the cluster's %d threads stay idle: a worker does one job at a time, so that results do not depend"
            " on which; start workers with --nworkers N --nthreads 1",
            idle,
            sum(threads.values()),
        )


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """Connect to the cluster at an address, as an executor; a worker that dies gives its work to the others.

    Raises
    ------
    MissingExtraError
        Dask's distributed scheduler is not installed.
    ConfigError
        Nothing answers at the address, or it has no workers.
    OutputError
        Workers died again and again over the same work; the scheduler was lost.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise MissingExtraError("Dask's distributed scheduler", "cluster") from None
    if not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", scheduler):
        raise ConfigError(f"a scheduler's address is tcp://host:port, as tcp://10.0.0.1:8786; found {scheduler!r}")
    try:
        client = Client(scheduler, timeout=TIMEOUT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise ConfigError(
                f"the Dask scheduler at {scheduler} has no workers; start some with `dask worker {scheduler}`"
            )
        executor: Executor = client.get_executor(pure=False, retries=RETRIES)  # type: ignore[no-untyped-call]
        _say_idle_threads(client.nthreads())  # type: ignore[no-untyped-call]
        try:
            yield _InTurn(executor)
        except KilledWorker as error:
            raise OutputError(f"{error}; what is done is kept: start it again") from None
        except CancelledError:
            raise OutputError(
                f"the Dask scheduler at {scheduler} was lost; what is done is kept: start it again"
            ) from None
        finally:
            executor.shutdown(wait=False)
