"""Pictures that a network is tested on and has seen: copies across a split, weights that were trained on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from gazekit.core.counting import counted
from gazekit.core.types import Bools, Index
from gazekit.dataset.duplicates import near_pairs
from gazekit.dataset.splits import across
from gazekit.stats.comparison_folder import Run
from gazekit.training.cross_validation import Folds

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

SHOWN = 5
Codes = npt.NDArray[np.uint64]


def leaks(data: Dataset, scheme: str, folds: Folds, weights: Iterable[str]) -> list[str]:
    """Say which pictures of the test a network learns from, or has learnt from before.

    Parameters
    ----------
    data : Dataset
        What is trained on.
    scheme : str
        Its split.
    folds : Folds
        Or its folds, in which groups always stay together.
    weights : iterable of str
        Files of weights to start from; those of other makers say nothing of their pictures.
    """
    said = [] if folds.folds else [*_across(data, scheme)]
    tested = folds.fold_of(data) > 0 if folds.folds else data.codes(scheme) == 3
    for file in weights:
        same, alike = (found & tested for found in _seen(data, _content(Path(file))))
        if same.any():
            said.append(f"{_told(data, file, same, tested)}: its scores are no test")
        if alike.any():
            said.append(
                f"{_told(data, file, alike, tested, 'copies that look almost as ')}: look at these pictures, and leave "
                "out those that are copies"
            )
    return said


def learnt_from(data: Dataset, indices: Index, weights: str | None) -> dict[str, torch.Tensor]:
    """Return what a checkpoint keeps of the pictures that it learnt from: codes of their content and of their looks.

    Whoever tests a network that starts from it can then tell that it has seen a picture before, in whatever dataset.

    Parameters
    ----------
    data : Dataset
        What is trained on.
    indices : ndarray
        The pictures of it that are trained on, or that tell when to stop.
    weights : str, optional
        The file that training starts from: what it learnt from counts too.
    """
    before = _known(_content(Path(weights))) if weights else None
    mine = (_content_codes(data)[indices], _look_codes(data)[indices])
    joined = [np.concatenate(pair) for pair in zip(mine, before, strict=True)] if before else mine
    names = ("content", "looks")
    return {name: torch.from_numpy(np.unique(codes).view(np.int64)) for name, codes in zip(names, joined, strict=True)}


def _told(data: Dataset, file: str, seen: Bools, tested: Bools, of: str = "") -> str:
    return (
        f"{file} was trained on {of}{counted(int(seen.sum()), 'picture')} of the {int(tested.sum())} that are "
        f"tested here, as {', '.join(_named(data, np.flatnonzero(seen)))}"
    )


def _across(data: Dataset, scheme: str) -> list[str]:
    pairs = across(data.groups, data.codes(scheme))
    if not len(pairs):
        return []
    shown = [f"{data.ids[tested]} (with {data.ids[trained]})" for tested, trained in pairs[:SHOWN]]
    return [
        f"the split {scheme!r} tests on {counted(len(pairs), 'picture')} of a group, or copies, of pictures that are "
        f"trained on: {', '.join(shown)}{' ...' if len(pairs) > SHOWN else ''}"
    ]


def _named(data: Dataset, places: Any) -> list[str]:
    return [data.ids[place] for place in places[:SHOWN]]


def _content(path: Path) -> dict[str, Any]:
    """Return what a checkpoint says of its training; nothing of weights of other makers."""
    from gazekit.models.weights import read_content

    if path.suffix.lower() not in (".pt", ".pth") or not path.is_file():
        return {}
    content = read_content(path)
    return content if isinstance(content, dict) and isinstance(content.get("identity"), dict) else {}


def _seen(data: Dataset, content: dict[str, Any]) -> tuple[Bools, Bools]:
    """Return the pictures of this dataset that a network learnt from, or was stopped by, and those that look so; (N,).

    The first checkpoints do not say which these are: they are known of the same dataset alone.
    """
    known = _known(content)
    if known is None:
        return _seen_here(data, content.get("identity", {})), np.zeros(len(data), dtype=bool)
    same = np.isin(_content_codes(data), known[0])
    return same, _look_alike(_look_codes(data), known[1]) & ~same


def _look_alike(codes: Codes, known: Codes) -> Bools:
    """Return which codes are among the known ones, or differ from one in few bits, (N,)."""
    pairs = near_pairs(np.concatenate([known, codes]))
    near = [codes[j - len(known)] for i, j in pairs if i < len(known) <= j]
    return np.isin(codes, np.array(near, dtype=np.uint64))


def _known(content: dict[str, Any]) -> tuple[Codes, Codes] | None:
    kept = content.get("learnt_from")
    return (kept["content"].numpy().view(np.uint64), kept["looks"].numpy().view(np.uint64)) if kept else None


def _content_codes(data: Dataset) -> Codes:
    """Return the first 64 bits of the SHA-256 of each picture's file."""
    return np.array([int(data.sha256_of(i)[:16], 16) for i in range(len(data))], dtype=np.uint64)


def _look_codes(data: Dataset) -> Codes:
    """Return the perceptual hash of each picture."""
    return np.asarray(data.image_table(np.arange(len(data)))["phash"], dtype=np.uint64)


def _seen_here(data: Dataset, identity: dict[str, Any]) -> Bools:
    """Return the pictures that a checkpoint's split or fold of this very dataset trains on, (N,)."""
    none = np.zeros(len(data), dtype=bool)
    if identity.get("dataset") != data.sha256:
        return none
    if "fold" in identity:
        run = Run(identity["model"], identity["condition"], identity["seed"], identity["repeat"], identity["fold"])
        dealt = Folds(identity["folds"], identity["repeats"])
        seen = none.copy()
        for split in ("train", "validation"):
            seen[dealt.indices(data, split, run)] = True
        return seen
    known = identity.get("scheme") in data.schemes
    return np.asarray(np.isin(data.codes(identity["scheme"]), (1, 2))) if known else none
