"""A Dask cluster as an executor. Its workers see the same files and have the same gazekit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from gazekit.core.errors import ConfigError, MissingExtraError, OutputError

TIMEOUT = "20s"  # for the scheduler to answer
RETRIES = 3  # work whose worker died so often is given up


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """The cluster at an address, as an executor; a worker that dies gives its work to the others.

    Raises
    ------
    MissingExtraError : Dask's distributed scheduler is not installed.
    ConfigError : nothing answers at the address, or it has no workers.
    OutputError : workers died again and again over the same work.
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
        try:
            yield executor
        except KilledWorker as error:
            raise OutputError(f"{error}; what is done is kept: start it again") from None
        finally:
            executor.shutdown(wait=False)
