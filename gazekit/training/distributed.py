"""The processes that train one network together (torchrun, DistributedDataParallel), or one alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Team:
    """Rank and size of the group; alone unless started by torchrun."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Return whether this process writes the files."""
        return self.rank == 0

    def share(self, batch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this process's part of a global batch; every index is in exactly one part."""
        return batch[self.rank :: self.world]

    def sum(self, value: float) -> float:
        """Return the sum of a number over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return float(total)

    def together(self, rows: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
        """Return rows that each process made of its share of ``count``, put back in the order of the whole."""
        if self.world == 1:
            return rows
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, rows)
        whole = np.empty((count, *rows.shape[1:]), dtype=rows.dtype)
        for rank, part in enumerate(parts):
            whole[rank :: self.world] = part
        return whole

    def leave(self) -> None:
        """End the group, when all is done."""
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.world > 1:
            dist.barrier()


def processes() -> int:
    """Return how many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join_team() -> Team:
    """Return the group that torchrun started this process in (nccl on GPUs, gloo on CPUs), or a team of one."""
    if processes() == 1:
        return Team()
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return Team(dist.get_rank(), dist.get_world_size())


def shares(plan: Sequence[npt.NDArray[np.int64]], team: Team) -> list[npt.NDArray[np.int64]]:
    """Return a process's part of every batch of a plan."""
    return [team.share(batch) for batch in plan]
