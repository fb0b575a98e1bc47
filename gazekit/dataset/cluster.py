"""Making the parts of a dataset on a Dask cluster, whose workers see the same files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gazekit.dataset.parts import PartJob, make_part
from gazekit.errors import ConfigError, MissingExtraError, OutputError

PATIENCE = "10s"
RETRIES = 3  # a part whose worker died so often is given up


def made_on_cluster(todo: Sequence[tuple[PartJob, Path]], scheduler: str) -> Iterator[Path]:
    """Parts as the cluster's workers finish them; a worker that dies gives its parts to the others.

    Raises
    ------
    MissingExtraError : Dask's distributed scheduler is not installed.
    ConfigError : nothing answers at the address, or it has no workers.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise MissingExtraError("Dask's distributed scheduler", "cluster") from None
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise ConfigError(
                f"the Dask scheduler at {scheduler} has no workers; start some with `dask worker {scheduler}`"
            )
        futures = [
            client.submit(make_part, job, target.resolve(), key=f"gazekit-{target.stem}", pure=False, retries=RETRIES)
            for job, target in todo
        ]
        try:
            for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
                yield future.result()
        except KilledWorker as error:
            raise OutputError(f"{error}; the parts that are done are kept: start the build again") from None
