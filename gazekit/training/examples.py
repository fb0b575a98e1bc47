"""Pictures on their way to a network: batches by index, from memory or from loader processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

Index = npt.NDArray[np.int64]


class Examples(Protocol):
    """Pictures that can be streamed in any order."""

    def stream(self, plan: Sequence[Index]) -> Iterator[Tensor]:
        """A uint8 tensor (b, 3, h, w) for each index array of the plan, in its order."""


class InMemory:
    """All pictures of some indices of a dataset, held as one uint8 tensor."""

    def __init__(self, pixels: Tensor, indices: Index) -> None:
        self.pixels = pixels
        self.row = {int(i): row for row, i in enumerate(indices)}

    def stream(self, plan: Sequence[Index]) -> Iterator[Tensor]:
        """A uint8 tensor (b, 3, h, w) for each index array of the plan, in its order."""
        for batch in plan:
            yield self.pixels[[self.row[int(i)] for i in batch]]


class FromDataset:
    """Pictures read from the dataset when they are needed, by ``workers`` processes ahead of the training."""

    def __init__(self, dataset: Dataset, condition: str, size: int, fill: str, workers: int) -> None:
        self.plan = _Plan()
        self.loader: torch.utils.data.DataLoader[Tensor] = torch.utils.data.DataLoader(
            _Reader(dataset, condition, size, fill),
            sampler=self.plan,
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=2 if workers else None,
            persistent_workers=workers > 0,
        )

    def stream(self, plan: Sequence[Index]) -> Iterator[Tensor]:
        """A uint8 tensor (b, 3, h, w) for each index array of the plan, in its order."""
        self.plan.batches = plan
        yield from self.loader


class _Plan(torch.utils.data.Sampler[Index]):
    """The batches that the loader is to bring next."""

    batches: Sequence[Index] = ()

    def __iter__(self) -> Iterator[Index]:
        return iter(self.batches)


class _Reader(torch.utils.data.Dataset[Tensor]):
    def __init__(self, dataset: Dataset, condition: str, size: int, fill: str) -> None:
        self.dataset, self.condition, self.size, self.fill = dataset, condition, size, fill

    def __getitem__(self, batch: Index) -> Tensor:
        return read_pictures(self.dataset, batch, self.condition, self.size, self.fill)


def read_pictures(dataset: Dataset, indices: Index, condition: str, size: int, fill: str) -> Tensor:
    """Pictures of a condition as uint8 (n, 3, size, size)."""
    pixels = dataset.batch(indices, condition, size=size, fill=fill)  # type: ignore[arg-type]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def open_examples(
    dataset: Dataset, indices: Index, condition: str, *, size: int, fill: str, memory_gb: float, workers: int
) -> Examples:
    """The pictures in memory where they fit, else read by loader processes as they are needed."""
    if len(indices) * size * size * 3 <= memory_gb * 1e9:
        return InMemory(read_pictures(dataset, indices, condition, size, fill), indices)
    return FromDataset(dataset, condition, size, fill, workers)


def epoch_plan(indices: Index, batch: int, seed: int, epoch: int) -> list[Index]:
    """Batches of an epoch: every index once, in an order that is a pure function of (seed, epoch).

    The batches differ in size by one at most, so that no small one is left at the end to upset batch normalisation.
    """
    order = np.random.default_rng(np.random.SeedSequence([seed, epoch, 11])).permutation(indices)
    return np.array_split(order, max(1, -(-len(order) // batch)))


def in_order(indices: Index, batch: int) -> list[Index]:
    """Batches in the given order, for prediction."""
    return [indices[start : start + batch] for start in range(0, len(indices), batch)]


@lru_cache(maxsize=4)
def _mirror_table(seed: int, epoch: int, size: int) -> npt.NDArray[np.bool_]:
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, 12])).random(size) < 0.5


def mirrored(images: Tensor, batch: Index, seed: int, epoch: int, total: int) -> Tensor:
    """Mirror the pictures that are to be in this epoch: a pure function of (seed, epoch, index).

    ``total`` is the number of pictures in the dataset.
    """
    flip = torch.from_numpy(_mirror_table(seed, epoch, total)[batch])
    return torch.where(flip[:, None, None, None], images.flip(-1), images)
