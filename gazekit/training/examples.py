"""Pictures on their way to a network: batches by index, from memory or from loader processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

Index = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]
Images = tuple[Tensor, ...]  # what a network takes of pictures: uint8 (b, 3, h, w), for some networks two of them


class Examples(Protocol):
    """Pictures that can be streamed in any order."""

    def stream(self, plan: Sequence[Index]) -> Iterator[Images]:
        """The images of each index array of the plan, in its order."""


@dataclass(frozen=True)
class Reader:
    """What a network takes of a dataset's picture under a condition.

    Attributes
    ----------
    shapes : (N, 2) height and width of each picture's view.
    boxes : (N, 4) what the fovea sees, in pixels of the originals; then a crop of ``crop`` pixels comes second.
    """

    dataset: Dataset
    condition: str
    fill: str
    shapes: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64] | None = None
    crop: int = 224

    def __call__(self, i: int) -> Images:
        """The view of picture ``i``, and what the fovea sees where there are boxes: uint8 (3, h, w)."""
        height, width = (int(n) for n in self.shapes[i])
        view = self.dataset.read(i, self.condition, size=(height, width), fill=self.fill)  # type: ignore[arg-type]
        return (_tensor(view),) if self.boxes is None else (_tensor(view), _tensor(self._fovea(i)))

    def original(self, i: int) -> Pixels:
        """The picture at its own size, masked as the condition has it."""
        from gazekit.attention.masks import apply_mask

        picture = self.dataset.picture(i)
        if self.condition == "original":
            return picture
        return apply_mask(picture, self.dataset.mask(i, self.condition), self.fill)  # type: ignore[arg-type]

    def _fovea(self, i: int) -> Pixels:
        from gazekit.models.pixels import resize

        assert self.boxes is not None
        top, left, bottom, right = self.boxes[i]
        return resize(self.original(i)[top:bottom, left:right], (self.crop, self.crop))


class InMemory:
    """Pictures held in memory, by their index."""

    def __init__(self, pictures: Mapping[int, Images]) -> None:
        self.pictures = pictures

    def stream(self, plan: Sequence[Index]) -> Iterator[Images]:
        """The images of each index array of the plan, in its order."""
        for batch in plan:
            yield _stacked([self.pictures[int(i)] for i in batch])


class FromDataset:
    """Pictures read from the dataset when they are needed, by ``workers`` processes ahead of the training."""

    def __init__(self, reader: Reader, workers: int) -> None:
        self.plan = _Plan()
        self.loader: torch.utils.data.DataLoader[Images] = torch.utils.data.DataLoader(
            _Batches(reader),
            sampler=self.plan,
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=2 if workers else None,
            persistent_workers=workers > 0,
        )

    def stream(self, plan: Sequence[Index]) -> Iterator[Images]:
        """The images of each index array of the plan, in its order."""
        self.plan.batches = plan
        for images in self.loader:
            yield tuple(images)


class _Plan(torch.utils.data.Sampler[Index]):
    """The batches that the loader is to bring next."""

    batches: Sequence[Index] = ()

    def __iter__(self) -> Iterator[Index]:
        return iter(self.batches)


class _Batches(torch.utils.data.Dataset[Images]):
    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __getitem__(self, batch: Index) -> Images:
        return _stacked([self.reader(int(i)) for i in batch])


def open_examples(reader: Reader, indices: Index, *, memory_gb: float, workers: int) -> Examples:
    """The pictures in memory where they fit, else read by loader processes as they are needed."""
    sides = reader.shapes[indices].prod(axis=1).sum() + (0 if reader.boxes is None else len(indices) * reader.crop**2)
    if 3 * sides <= memory_gb * 1e9:
        return InMemory({int(i): reader(int(i)) for i in indices})
    return FromDataset(reader, workers)


def view_shapes(sizes: npt.NDArray[np.integer], side: int, buckets: int) -> npt.NDArray[np.int64]:
    """Height and width (N, 2) of pictures' views: squares, or the aspect ratio of the nearest bucket.

    With buckets the longer side is ``side``; their aspect ratios are quantiles of the pictures' own, so that few
    batches are small.
    """
    if buckets == 1:
        return np.full((len(sizes), 2), side, dtype=np.int64)
    aspect = np.log(sizes[:, 0] / sizes[:, 1])
    centres = np.unique(np.quantile(aspect, (np.arange(buckets) + 0.5) / buckets))
    ratio = np.exp(centres[np.abs(aspect[:, None] - centres).argmin(axis=1)])
    shape = np.stack([np.minimum(ratio, 1), np.minimum(1 / ratio, 1)], axis=1)
    return np.asarray(np.maximum(1, np.rint(shape * side)), dtype=np.int64)


def epoch_plan(
    indices: Index, batch: int, seed: int, epoch: int, shapes: npt.NDArray[np.int64] | None = None
) -> list[Index]:
    """Batches of an epoch: every index once, in an order that is a pure function of (seed, epoch).

    The batches of pictures of one shape differ in size by one at most, so that no small one is left at the end to upset
    batch normalisation. With ``shapes`` (of all pictures) a batch holds one shape only.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch, 11]))
    order = rng.permutation(indices)
    if shapes is None or (shapes[indices] == shapes[indices[0]]).all():
        return np.array_split(order, max(1, -(-len(order) // batch)))
    batches = [part for group in _by_shape(order, shapes) for part in np.array_split(group, -(-len(group) // batch))]
    return [batches[place] for place in rng.permutation(len(batches))]


def in_order(indices: Index, batch: int, shapes: npt.NDArray[np.int64] | None = None) -> list[Index]:
    """Batches for prediction, of one shape each where ``shapes`` are given."""
    groups = [indices] if shapes is None else _by_shape(indices, shapes)
    return [group[start : start + batch] for group in groups for start in range(0, len(group), batch)]


def mirrored(images: Images, batch: Index, seed: int, epoch: int, total: int) -> Images:
    """Mirror the pictures that are to be in this epoch: a pure function of (seed, epoch, index).

    ``total`` is the number of pictures in the dataset.
    """
    flip = torch.from_numpy(_mirror_table(seed, epoch, total)[batch])[:, None, None, None]
    return tuple(torch.where(flip, one.flip(-1), one) for one in images)


@lru_cache(maxsize=4)
def _mirror_table(seed: int, epoch: int, size: int) -> npt.NDArray[np.bool_]:
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, 12])).random(size) < 0.5


def _by_shape(indices: Index, shapes: npt.NDArray[np.int64]) -> list[Index]:
    kinds, which = np.unique(shapes[indices], axis=0, return_inverse=True)
    return [indices[which.reshape(-1) == kind] for kind in range(len(kinds))]


def _stacked(pictures: Sequence[Images]) -> Images:
    return tuple(torch.stack(column) for column in zip(*pictures, strict=True))


def _tensor(picture: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
