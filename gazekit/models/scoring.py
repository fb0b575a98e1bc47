"""Scoring many pictures fast: the engine behind ``gazekit score`` and ``gazekit serve``.

Pictures are decoded on other threads while the network computes; it computes in batches, channels last, with batch
normalisation folded into the convolutions, in bfloat16 where the machine has it and the scores of the first pictures
move by less than 0.01, and on Linux the allocator keeps the memory of a batch for the next one.

>>> scorer = Scorer(gazekit.models.create("nima-mobilenet", weights="nima.hdf5"))
>>> for name, result in scorer.files(paths):     # in order; result is probabilities (K,) or the error
...     ...
"""

from __future__ import annotations

import copy
import ctypes
import itertools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.errors import GazekitError, InputError, unknown_name
from gazekit.models.folding import fold_normalisation
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.inputs import batches, example_inputs, look_of
from gazekit.models.looks import Item
from gazekit.models.pixels import Picture
from gazekit.pictures import read_picture

Precision = Literal["auto", "float32", "bfloat16"]
Probabilities = npt.NDArray[np.float32]
TOLERANCE = 0.01
T = TypeVar("T")


class Scorer:
    """A model made ready for scoring.

    Parameters
    ----------
    model : of `gazekit.models.create`; a copy of it is used, so it stays as it is.
    size : side of the input in pixels; else the model's own.
    aspects : of its views, as it was trained; see `gazekit.models.inputs.look_of`.
    batch : pictures a forward pass.
    precision : ``auto``: bfloat16 where the mean scores of the first batch move by less than 0.01 and the machine
        computes in it, else float32.
    device : else the model's.
    workers : threads that decode; else one a core.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        size: int | None = None,
        aspects: tuple[float, ...] | None = None,
        batch: int = 32,
        precision: Precision = "auto",
        device: str | torch.device | None = None,
        workers: int | None = None,
    ) -> None:
        if precision not in get_args(Precision):
            raise unknown_name("precision", precision, get_args(Precision))
        if batch < 1:
            raise InputError(f"batch is {batch}; 1 or more is needed")
        self.device = torch.device(device) if device is not None else next(model.parameters()).device
        self.size = size or int(getattr(model, "input_size", 224))
        self.batch = batch
        self.workers = workers or os.cpu_count() or 1
        self.precision: Precision = precision
        self._exact: nn.Module | None = _ready(model, self.size, self.device)
        self._fast: nn.Module | None = None
        if precision == "bfloat16" or (precision == "auto" and computes_in_bfloat16(self.device)):
            self._fast = _halved(self._exact)
        elif precision == "auto":
            self.precision = "float32"
        self._look = look_of(self._exact, self.size, aspects)
        keep_memory()

    def files(self, paths: Iterable[str | Path]) -> Iterator[tuple[Path, Probabilities | GazekitError]]:
        """Score picture files, in the order given: probabilities (K,), or the error of a file that cannot be read."""

        def load(path: Path) -> Item | GazekitError:
            try:
                return self._look(read_picture(path))
            except GazekitError as error:
                return error

        yield from self._scored([Path(path) for path in paths], load)

    def pictures(self, pictures: Sequence[Picture]) -> Probabilities:
        """Probabilities (N, K) of N > 0 pictures (uint8 RGB, any sizes)."""
        if not len(pictures):
            raise InputError("no picture to score was given")
        return np.stack([p for _, p in self._scored(pictures, self._look) if not isinstance(p, GazekitError)])

    def _scored(
        self, sources: Sequence[T], load: Callable[[T], Item | GazekitError]
    ) -> Iterator[tuple[T, Probabilities | GazekitError]]:
        with ThreadPoolExecutor(self.workers, initializer=_one_thread) as pool:
            loaded = _ahead(pool, load, sources, 2 * self.batch + self.workers)
            for chunk in _chunks(zip(sources, loaded, strict=True), self.batch):
                good = [item for _, item in chunk if not isinstance(item, GazekitError)]
                scores = iter(self._forward(good))
                for source, item in chunk:
                    yield source, item if isinstance(item, GazekitError) else next(scores)

    def _forward(self, items: Sequence[Item]) -> Probabilities:
        if not items:
            return np.zeros((0, 0), dtype=np.float32)
        if self.precision == "auto":
            return self._choose(items)
        return self._run(self._fast if self.precision == "bfloat16" else self._exact, items)

    def _choose(self, items: Sequence[Item]) -> Probabilities:
        exact, fast = self._run(self._exact, items), self._run(self._fast, items)
        buckets = np.arange(exact.shape[1])
        moved = float(np.abs((exact - fast) @ buckets).max())
        self.precision = "bfloat16" if moved < TOLERANCE else "float32"
        if self.precision == "bfloat16":
            self._exact = None
        else:
            self._fast = None
        return fast if self.precision == "bfloat16" else exact

    def _run(self, model: nn.Module | None, items: Sequence[Item]) -> Probabilities:
        assert model is not None
        dtype = next(model.parameters()).dtype
        mixed = model is self._fast and dtype == torch.float32
        parts, order = [], []
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            for index, inputs in batches(model, items, self.device):
                laid_out = (x.to(dtype, memory_format=_layout(x)) for x in inputs)
                parts.append(model(*laid_out).float().cpu().numpy())
                order.append(index)
        result = np.concatenate(parts)
        result[np.concatenate(order)] = result.copy()
        return result


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def keep_memory() -> bool:
    """Let glibc keep freed memory for the next batch in place of giving it back; true where that is possible.

    It concerns the whole process, and is undone by its end.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    trim_threshold, mmap_max = -1, -4
    return bool(mallopt(trim_threshold, 2**31 - 1)) and bool(mallopt(mmap_max, 0))


def _ready(model: nn.Module, size: int, device: torch.device) -> nn.Module:
    ready = copy.deepcopy(model).eval().requires_grad_(False)
    if not isinstance(model, PeripheralFoveal):  # where it looks depends on the sign of what is folded
        fold_normalisation(ready, *example_inputs(ready, size))
    return ready.to(device=device, dtype=torch.float32, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _halved(exact: nn.Module) -> nn.Module:
    half = copy.deepcopy(exact)
    if isinstance(exact, PeripheralFoveal):  # its attention is computed in float32: bfloat16 comes by autocast
        return half
    half.to(dtype=torch.bfloat16)
    for ours, theirs in zip(half.modules(), exact.modules(), strict=True):
        if isinstance(ours, nn.BatchNorm2d):  # in bfloat16 its statistics alone would move scores by half as much again
            ours.float().load_state_dict(theirs.state_dict())
    return half


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.ndim == 4 else torch.contiguous_format


def _one_thread() -> None:
    torch.set_num_threads(1)


def _ahead(
    pool: ThreadPoolExecutor, load: Callable[[T], Item | GazekitError], sources: Sequence[T], window: int
) -> Iterator[Item | GazekitError]:
    waiting: deque[Future[Item | GazekitError]] = deque()
    for source in sources:
        waiting.append(pool.submit(load, source))
        if len(waiting) >= window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _chunks(items: Iterable[T], length: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, length)):
        yield chunk
