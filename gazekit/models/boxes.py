"""Attended boxes of many pictures, computed once between the two stages of PF- and GPF-CNN, and cached."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gazekit.core.errors import FormatError
from gazekit.core.files import whole_file
from gazekit.core.progress import track
from gazekit.models.foveal import SHARE, PeripheralFoveal
from gazekit.models.input_spec import Look
from gazekit.models.pixels import Picture, box_in_picture, normalised, same_size_batches

Boxes = npt.NDArray[np.int64]


def attended_boxes(
    model: PeripheralFoveal,
    ids: Sequence[str],
    read: Callable[[int], Picture],
    *,
    look: Look,
    share: float = SHARE,
    batch: int = 32,
    cache: str | Path | None = None,
) -> Boxes:
    """Where the periphery of a model looks, in pixels of the originals.

    Parameters
    ----------
    model : PeripheralFoveal
        Trained in stage 1.
    ids : Sequence[str]
        The pictures' ids; ``read(i)`` gives the i-th one, uint8 RGB.
    look : Look
        How the model looks at pictures; ``share`` : of the attention that a box holds.
    cache : str or Path or None
        An ``.npz`` file: read where it was made for these pictures and settings by a periphery with these weights, else
        written.

    Returns
    -------
    Boxes
        Int64, (N, 4): (top, left, bottom, right), half open.

    Raises
    ------
    FormatError
        The cache is damaged.
    """
    key = _fingerprint(model, ids, look, share)
    if cache is not None and Path(cache).is_file():
        cached = _cached(Path(cache), key)
        if cached is not None:
            return cached
    boxes = np.zeros((len(ids), 4), dtype=np.int64)
    chunks = [range(start, min(start + batch, len(ids))) for start in range(0, len(ids), batch)]
    for chunk in track(chunks, "attention boxes", len(chunks)):
        boxes[chunk.start : chunk.stop] = _chunk_boxes(model, [read(i) for i in chunk], look, share)
    if cache is not None:
        with whole_file(cache) as path, open(path, "wb") as file:
            np.savez(file, key=np.array(key), boxes=boxes)
    return boxes


def _chunk_boxes(model: PeripheralFoveal, pictures: Sequence[Picture], look: Look, share: float) -> Boxes:
    boxes = np.zeros((len(pictures), 4), dtype=np.int64)
    shapes = [(p.shape[0], p.shape[1]) for p in pictures]
    views = [look.shape(shape) for shape in shapes]
    device = next(model.parameters()).device
    for index in same_size_batches(views, len(pictures)):
        view = np.stack([look.view(pictures[i]) for i in index])
        view_boxes = model.boxes(normalised(view, model.mean, model.std).to(device), share)  # type: ignore[arg-type]
        boxes[index] = [box_in_picture(box, views[i], shapes[i]) for i, box in zip(index, view_boxes, strict=True)]
    return boxes


def _fingerprint(model: PeripheralFoveal, ids: Sequence[str], look: Look, share: float) -> str:
    digest = hashlib.sha256(repr((list(ids), look, share, model.mean, model.std)).encode())
    for name, tensor in model.periphery.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _cached(path: Path, key: str) -> Boxes | None:
    try:
        with open(path, "rb") as file, np.load(file) as content:
            return np.asarray(content["boxes"], dtype=np.int64) if str(content["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} is not a cache of attended boxes, or is damaged; delete it: {error}") from error
