"""Scoring many pictures fast: the engine behind ``gazekit score`` and ``gazekit serve``.

Every core decodes pictures and computes batches of its own, so that none waits for another. The network computes
channels last, with batch normalisation and activations folded into the convolutions, in bfloat16 where the machine has
it and the scores of the first pictures move by less than 0.01, and on Linux the allocator keeps the memory of a batch
for the next one.

>>> scorer = Scorer(gazekit.models.create("nima-mobilenet", weights="nima.hdf5"))
>>> for name, result in scorer.files(paths):     # in order; result is probabilities (K,) or the error
...     ...
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.core.allocator import keep_memory
from gazekit.core.errors import GazekitError, InputError, unknown_name
from gazekit.core.files import existing_file
from gazekit.models.finetuning import add_adapters
from gazekit.models.folding import fold_normalisation
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.input_spec import Item
from gazekit.models.inputs import batches, example_inputs, look_of
from gazekit.models.onednn import use_onednn
from gazekit.models.pixels import Picture
from gazekit.models.weight_checks import check_finite

Precision = Literal["auto", "float32", "bfloat16"]
Probabilities = npt.NDArray[np.float32]
TOLERANCE = 0.01
FEWEST = 4  # pictures a forward pass: with fewer, weights are laid out anew too often
T = TypeVar("T")
R = TypeVar("R")
Source = TypeVar("Source", str, Path)
Outcome = Probabilities | GazekitError


class Scorer:
    """A model made ready for scoring.

    Parameters
    ----------
    model : nn.Module
        Of `gazekit.models.create`; a copy of it is used, so it stays as it is.
    size : int or None
        Side of the input in pixels; else the model's own.
    aspects : tuple[float, ...] or None
        Of its views, as it was trained; see `gazekit.models.inputs.look_of`.
    batch : int
        Pictures in the network at once. On a CPU the workers share them, four each or more.
    precision : Precision
        ``auto``: bfloat16 where the mean scores of the first batch move by less than 0.01 and the machine computes in
        it, else float32.
    device : str or torch.device or None
        Else the model's.
    workers : int or None
        Threads that decode, and on a CPU compute; else one a core.

    Raises
    ------
    InputError
        A setting that cannot be; weights that hold NaN or infinity.

    Attributes
    ----------
    step : pictures a forward pass; cut into other steps, scores differ in their last digits.
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
        if workers is not None and workers < 1:
            raise InputError(f"workers is {workers}; 1 or more is needed, or None for one a core")
        if size is not None and size < (smallest := int(getattr(model, "smallest", 1))):
            raise InputError(f"size is {size}; this model takes pictures of {smallest} x {smallest} pixels or more")
        check_finite(model.state_dict(), type(model).__name__)
        self.device = torch.device(device) if device is not None else next(model.parameters()).device
        self.size = size or int(getattr(model, "input_size", 224))
        self.batch = batch
        self.workers = workers or os.cpu_count() or 1
        on_cpu = self.device.type == "cpu"
        self.step = min(batch, max(FEWEST, batch // self.workers)) if on_cpu else batch
        self._steps_at_once = self.workers + 1 if on_cpu else 2
        self.precision: Precision = precision
        halves = computes_in_bfloat16(self.device)
        if precision == "auto" and not halves:
            self.precision = "float32"
        # oneDNN refuses bfloat16 where the processor has none; torch then computes it slowly
        onednn = on_cpu and (halves or self.precision == "float32")
        self._networks = {"float32": _ready(model, self.size, self.device, onednn)}
        self._look = look_of(self._networks["float32"], self.size, aspects)
        if self.precision != "float32":
            self._networks["bfloat16"] = _halved(self._networks["float32"])
        self._keep_chosen()
        self._shells = threading.local()
        keep_memory()

    def files(self, paths: Iterable[Source]) -> Iterator[tuple[Source, Outcome]]:
        """Score picture files, in the order given: probabilities (K,), or the error of a file that cannot be read.

        Of the paths only as many are taken ahead as pictures are under way.
        """
        return self._streamed(paths, self._read)

    def views(self, sources: Iterable[T], view: Callable[[T], Item]) -> Iterator[tuple[T, Probabilities]]:
        """Score what a function makes of each source, in the order given; as `files`, with views of one's own.

        ``view`` is called in several threads, and what it raises ends the scoring.
        """
        for source, outcome in self._streamed(sources, lambda source: (source, view(source))):
            assert not isinstance(outcome, GazekitError)
            yield source, outcome

    def _streamed(
        self, sources: Iterable[T], load: Callable[[T], tuple[T, Item | GazekitError]]
    ) -> Iterator[tuple[T, Outcome]]:
        with _single_threads(self.workers) as pool:
            read = _ahead(pool, load, sources, 2 * self.batch + self.workers)
            first: list[tuple[T, Item | GazekitError]] = []
            while self.precision == "auto" and (more := list(itertools.islice(read, self.batch))):
                self._choose([item for _, item in more if not isinstance(item, GazekitError)])
                first += more
            steps = _chunks(itertools.chain(first, read), self.step)
            for scored in _ahead(pool, self._scored, steps, self._steps_at_once):
                yield from scored

    def pictures(self, pictures: Sequence[Picture]) -> Probabilities:
        """Probabilities (N, K) of N > 0 pictures (uint8 RGB, any sizes), on this thread.

        Raises
        ------
        InputError
            No pictures; one that is grey, empty, not of bytes or too long for the network.
        """
        if not len(pictures):
            raise InputError("no picture to score was given")
        for number, picture in enumerate(pictures, 1):
            _check_picture(picture, number)
            self._look.check((picture.shape[0], picture.shape[1]), f"picture {number}")
        return self._in_turn(map(self._look, pictures))

    def encoded(self, pictures: Sequence[tuple[str, bytes]]) -> list[Outcome]:
        """As `files`, of pictures by name and encoded bytes, on this thread."""
        decoded = [self._decoded(name, encoded) for name, encoded in pictures]
        good = [item for item in decoded if not isinstance(item, GazekitError)]
        scores = iter(self._in_turn(good) if good else ())
        return [item if isinstance(item, GazekitError) else next(scores) for item in decoded]

    def _read(self, path: Source) -> tuple[Source, Item | GazekitError]:
        try:
            return path, self._decoded(str(path), existing_file(path, "picture").read_bytes())
        except GazekitError as error:
            return path, error
        except OSError as error:
            return path, InputError(f"{path} cannot be read: {error.strerror or error}")

    def _decoded(self, name: str, encoded: bytes) -> Item | GazekitError:
        try:
            return self._look.decoded(encoded, name)
        except GazekitError as error:
            return error

    def _in_turn(self, items: Iterable[Item]) -> Probabilities:
        parts = []
        for batch in _chunks(items, self.batch):
            if self.precision == "auto":
                self._choose(batch)
            parts.append(self._run(batch, self.precision))
        return np.concatenate(parts)

    def _scored(self, step: Sequence[tuple[T, Item | GazekitError]]) -> list[tuple[T, Outcome]]:
        good = [item for _, item in step if not isinstance(item, GazekitError)]
        scores = iter(self._run(good, self.precision) if good else ())
        return [(path, item if isinstance(item, GazekitError) else next(scores)) for path, item in step]

    def _choose(self, items: Sequence[Item]) -> None:
        """Choose the precision by some pictures, if there are any."""
        if not items:
            return
        exact, fast = self._run(items, "float32"), self._run(items, "bfloat16")
        moved = float(np.abs((exact - fast) @ np.arange(exact.shape[1])).max())
        self.precision = "bfloat16" if moved < TOLERANCE else "float32"
        self._keep_chosen()

    def _keep_chosen(self) -> None:
        if self.precision != "auto":
            self._networks = {self.precision: self._networks[self.precision]}

    def _run(self, items: Sequence[Item], precision: Precision) -> Probabilities:
        model = self._network(precision)
        dtype = next(model.parameters()).dtype
        mixed = precision == "bfloat16" and dtype == torch.float32
        parts, order = [], []
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            for index, inputs in batches(model, items, self.device):
                laid_out = (x.to(dtype, memory_format=_layout(x)) for x in inputs)
                parts.append(model(*laid_out).float().cpu().numpy())
                order.append(index)
        result = np.concatenate(parts)
        result[np.concatenate(order)] = result.copy()
        return result

    def _network(self, precision: Precision) -> nn.Module:
        """Return a shell around the weights that no other thread uses: a pass may set hooks, or keep a state."""
        shells = self._shells.__dict__
        if precision not in shells:
            model = self._networks[precision]
            shells[precision] = copy.deepcopy(model, {id(t): t for t in (*model.parameters(), *model.buffers())})
        return shells[precision]  # type: ignore[no-any-return]


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _ready(model: nn.Module, size: int, device: torch.device, onednn: bool) -> nn.Module:
    ready = copy.deepcopy(model).eval().requires_grad_(False)
    add_adapters(ready)
    if not isinstance(model, PeripheralFoveal):  # where it looks depends on the sign of what is folded
        example = example_inputs(ready, size)
        fold_normalisation(ready, *example)
        if onednn:
            use_onednn(ready, *example)
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


def _check_picture(picture: Picture, number: int) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(
            f"picture {number}: uint8 pixels of shape (height, width, 3) were expected, not {picture.dtype}"
            f" {picture.shape}"
        )


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.ndim == 4 else torch.contiguous_format


@contextlib.contextmanager
def _single_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch computes alone; afterwards new ones compute as they did before."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _ahead(pool: ThreadPoolExecutor, work: Callable[[T], R], sources: Iterable[T], window: int) -> Iterator[R]:
    """Results in the order of their sources; at most ``window`` are under way."""
    waiting: deque[Future[R]] = deque()
    for source in sources:
        waiting.append(pool.submit(work, source))
        if len(waiting) >= window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _chunks(items: Iterable[T], length: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, length)):
        yield chunk
