"""Pictures on their way to a network: batches by index, from memory or from loader processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gazekit.core.types import Index, Pixels

if TYPE_CHECKING:
    from gazekit.dataset import Dataset
    from gazekit.models.input_spec import Look

Images = tuple[Tensor, ...]  # what a network takes of pictures: uint8 (b, 3, h, w), or two of them, or (b, 5, 3, h, w)


@dataclass(frozen=True)
class Draw:
    """What decides the random parts of pictures in an epoch, with a picture's index."""

    seed: int
    epoch: int

    def of(self, i: int) -> np.random.Generator:
        """Return the generator of a picture: the same wherever and whenever it is read."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.epoch, i, 14]))


class Examples(Protocol):
    """Pictures that can be streamed in any order."""

    def stream(self, plan: Sequence[Index], draw: Draw | None = None) -> Iterator[Images]:
        """Return the images of each index array of the plan, in its order; ``draw`` decides random parts."""


@dataclass(frozen=True)
class Reader:
    """What a network takes of a dataset's picture under a condition.

    Attributes
    ----------
    look : Look
        How the network looks at pictures.
    fill, soft_px : Fill, float
        What stands outside a mask, and the width of its soft edge in pixels of the view.
    boxes : ndarray, optional
        (N, 4) what the fovea sees, in pixels of the originals; then a crop of ``crop`` pixels comes second.
    margin : float
        How much longer the sides of views are, for crops to be cut from them.
    """

    dataset: Dataset
    condition: str
    look: Look
    fill: str = "black"
    soft_px: float = 0.0
    boxes: npt.NDArray[np.int64] | None = None
    crop: int = 224
    margin: float = 1.0

    @cached_property
    def shapes(self) -> npt.NDArray[np.int64]:
        """Return height and width of every picture's view, (N, 2)."""
        return np.array([self.look.shape((int(h), int(w))) for h, w in self.dataset.sizes], dtype=np.int64)

    def __call__(self, i: int, draw: Draw | None = None) -> Images:
        """Return what the network takes of picture ``i``: uint8 (3, h, w), or (5, 3, h, w) of patches."""
        if "patches" in self.look.kind:
            return (_tensor(self.look.part(self.original(i), _generator(draw, i))),)
        if self.look.kind == "crop":
            return self._view(i), _tensor(self.look.part(self.original(i), _generator(draw, i)))
        return (self._view(i),) if self.boxes is None else (self._view(i), _tensor(self._fovea(i)))

    def original(self, i: int) -> Pixels:
        """Return the picture at its own size, masked as the condition has it."""
        from gazekit.shapes.masks import apply_mask

        picture = self.dataset.picture(i)
        if self.condition == "original":
            return picture
        scale = max(picture.shape[:2]) / self.look.size
        return apply_mask(picture, self.dataset.mask(i, self.condition), self.fill, self.soft_px * scale)

    def values(self, i: int) -> int:
        """Return how many bytes the picture takes in memory."""
        second = self.crop**2 if self.boxes is not None else self.look.size**2 if self.look.kind == "crop" else 0
        first = 5 * self.look.size**2 if "patches" in self.look.kind else self.shapes[i].prod() * self.margin**2
        return 3 * int(first + second)

    def _view(self, i: int) -> Tensor:
        height, width = (round(int(n) * self.margin) for n in self.shapes[i])
        return _tensor(self.dataset.read(i, self.condition, (height, width), self.fill, self.soft_px * self.margin))

    def _fovea(self, i: int) -> Pixels:
        from gazekit.models.pixels import resize

        assert self.boxes is not None
        top, left, bottom, right = self.boxes[i]
        return resize(self.original(i)[top:bottom, left:right], (self.crop, self.crop))


class InMemory:
    """Pictures held in memory, by their index."""

    def __init__(self, pictures: Mapping[int, Images]) -> None:
        self.pictures = pictures

    def stream(self, plan: Sequence[Index], draw: Draw | None = None) -> Iterator[Images]:
        """Yield the images of each index array of the plan, in its order; they are the same in every epoch."""
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

    def stream(self, plan: Sequence[Index], draw: Draw | None = None) -> Iterator[Images]:
        """Yield the images of each index array of the plan, in its order."""
        self.plan.batches, self.plan.draw = plan, draw
        for images in self.loader:
            yield tuple(images)


class _Plan(torch.utils.data.Sampler[tuple[Index, Draw | None]]):
    """The batches that the loader is to bring next."""

    batches: Sequence[Index] = ()
    draw: Draw | None = None

    def __iter__(self) -> Iterator[tuple[Index, Draw | None]]:
        return ((batch, self.draw) for batch in self.batches)


class _Batches(torch.utils.data.Dataset[Images]):
    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __getitem__(self, asked: tuple[Index, Draw | None]) -> Images:
        batch, draw = asked
        return _stacked([self.reader(int(i), draw) for i in batch])


def open_examples(reader: Reader, indices: Index, *, memory_gb: float, workers: int, changing: bool) -> Examples:
    """Return the pictures in memory where they fit, else read by loader processes as they are needed.

    ``changing`` : other parts of them are needed in every epoch, so that they are always read.
    """
    if not changing and sum(map(reader.values, indices)) <= memory_gb * 1e9:
        return InMemory({int(i): reader(int(i)) for i in indices})
    return FromDataset(reader, workers)


def epoch_plan(
    indices: Index, batch: int, seed: int, epoch: int, shapes: npt.NDArray[np.int64] | None = None
) -> list[Index]:
    """Return batches of an epoch: every index once, in an order that is a pure function of (seed, epoch).

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
    """Return batches for prediction, of one shape each where ``shapes`` are given."""
    groups = [indices] if shapes is None else _by_shape(indices, shapes)
    return [group[start : start + batch] for group in groups for start in range(0, len(group), batch)]


def mirrored(images: Images, batch: Index, draw: Draw, total: int) -> Images:
    """Mirror the pictures that are to be in this epoch: a pure function of (seed, epoch, index).

    ``total`` is the number of pictures in the dataset.
    """
    flip = torch.from_numpy(_mirror_table(draw.seed, draw.epoch, total)[batch])
    return tuple(torch.where(flip.reshape(-1, *(1,) * (one.ndim - 1)), one.flip(-1), one) for one in images)


def cropped(images: Images, batch: Index, draw: Draw, shape: Sequence[int]) -> Images:
    """Return a crop of (height, width) of each picture, at a place that is a pure function of (seed, epoch, index)."""
    (whole,) = images
    height, width = (int(n) for n in shape)
    crops = []
    for one, i in zip(whole, batch, strict=True):
        rng = draw.of(int(i))
        top, left = (int(rng.integers(n - m + 1)) for n, m in zip(one.shape[1:], (height, width), strict=True))
        crops.append(one[:, top : top + height, left : left + width])
    return (torch.stack(crops),)


@lru_cache(maxsize=4)
def _mirror_table(seed: int, epoch: int, size: int) -> npt.NDArray[np.bool_]:
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, 12])).random(size) < 0.5


def _by_shape(indices: Index, shapes: npt.NDArray[np.int64]) -> list[Index]:
    kinds, which = np.unique(shapes[indices], axis=0, return_inverse=True)
    return [indices[which.reshape(-1) == kind] for kind in range(len(kinds))]


def _stacked(pictures: Sequence[Images]) -> Images:
    return tuple(torch.stack(column) for column in zip(*pictures, strict=True))


def _tensor(picture: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, -3)))


def _generator(draw: Draw | None, i: int) -> np.random.Generator | None:
    return None if draw is None else draw.of(i)
