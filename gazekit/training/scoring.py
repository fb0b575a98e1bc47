"""Scoring pictures by the million: streamed, resumed, every input named once."""

from __future__ import annotations

import itertools
import socket
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import ConfigError, GazekitError, InputError
from gazekit.core.files import existing_file, sha256
from gazekit.core.progress import track
from gazekit.histograms import moments
from gazekit.pictures import SUFFIXES
from gazekit.training.load_model import Trained, checkpoint_of, load_trained
from gazekit.training.resumable_table import RowFile, open_rows, rows_done

if TYPE_CHECKING:
    from gazekit.models.scoring import Precision, Scorer

BLOCK = 256  # pictures between two places at which a run can go on
Result = npt.NDArray[np.float32] | GazekitError


@dataclass
class Summary:
    """What was scored, by a network trained on which condition, and how that was applied (see `Recipe.apply`)."""

    condition: str = ""
    apply: str = "mask"
    scored: int = 0
    skipped: int = 0  # done by an earlier run
    left: int = 0  # of a dry run: to be scored
    unreadable: list[str] = field(default_factory=list)  # the first hundred
    unreadable_count: int = 0


def score(
    model: str | Path,
    source: str | Path | Iterable[str],
    out: str | Path | None = None,
    *,
    format: str | None = None,
    batch: int = 32,
    precision: Precision = "auto",
    explain: str | Path | None = None,
    resume: bool = True,
    scheduler: str | None = None,
    workers: int | None = None,
    dry_run: bool = False,
) -> Summary:
    """Score pictures with a trained network, a row a picture in the order given.

    Columns: image, mean, std (score units 1..K), p1..pK, error. A picture that cannot be read has a row with the reason
    in ``error`` and nothing else. Memory does not grow with the number of pictures.

    Parameters
    ----------
    model : str or Path
        A checkpoint, or the folder of a run.
    source : str or Path or Iterable[str]
        A folder of pictures (with all below it), a text file with a path a line, or paths.
    out : str or Path, optional
        The table, by its suffix .csv, .jsonl or .parquet; None writes to standard output and cannot be resumed.
    format : str, optional
        ``csv``, ``jsonl`` or parquet, where the suffix does not say.
    precision : Precision
        ``auto``, ``float32`` or bfloat16; see `gazekit.models.scoring.Scorer`.
    explain : str or Path, optional
        A folder for the pictures with the network's attention over them: named after the picture and its score,
        in folders as the source's, or for a list after the number of the row as well.
    resume : bool
        Go on where a run with the same arguments was stopped. Rows are neither doubled nor lost.
    scheduler : str, optional
        Address of a Dask scheduler whose workers score; they must see the same files.
    dry_run : bool
        Check the model, the source and what an earlier run left, and score nothing.

    Raises
    ------
    InputError, FormatError
        No such model or source, no pictures; what an earlier run left is of other pictures.
    OutputError
        The disk is full; the same call goes on from there.
    """
    checkpoint = existing_file(checkpoint_of(model), "checkpoint")
    trained = load_trained(checkpoint)
    root = Path(source) if isinstance(source, str | Path) and Path(source).is_dir() else None
    if explain is not None and root is not None and Path(explain).resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{explain} lies in {root}, whose pictures are scored; choose a folder elsewhere")
    names = list_pictures(source)
    first = next(names, None)  # what is wrong with the source is said before anything is written
    if first is None:
        where = source if isinstance(source, str | Path) else "the paths given"
        raise InputError(f"no picture to score in {where}; pictures end in {', '.join(sorted(SUFFIXES))}")
    content = sha256(checkpoint)
    settings = {"model": content, "precision": precision, "size": trained.size, "batch": batch}
    told = {key: str(trained.identity[key]) for key in ("condition", "apply") if key in trained.identity}
    summary, names = Summary(**told), itertools.chain([first], names)  # type: ignore[arg-type]
    if dry_run:
        summary.skipped = rows_done(out, format, settings, names, resume=resume)
        summary.left = sum(1 for _ in names)
        return summary
    with open_rows(out, format, trained.buckets, settings, resume=resume) as rows:
        left = rows.skip_done(names)
        summary.skipped = rows.count
        count = (
            (lambda: sum(1 for _ in list_pictures(source)) - summary.skipped)
            if isinstance(source, str | Path)
            else None
        )
        if scheduler is not None:
            block, scored = _on_cluster(checkpoint, content, left, batch, precision, scheduler)
        else:
            block, scored = _here(trained, left, rows, batch, precision, workers)
        for name, result in track(scored, "scoring", count):
            if explain is not None and not isinstance(result, GazekitError):  # before its row: a run goes on after it
                write_overlay(trained, Path(name), Path(explain) / _place(name, root, rows.count + 1), result)
            rows.write(_row(name, result))
            if rows.count % block == 0:  # a run that goes on cuts its batches as this one does: the same scores
                rows.offer_sync()
            if isinstance(result, GazekitError):
                summary.unreadable_count += 1
                summary.unreadable += [name] if len(summary.unreadable) < 100 else []
            else:
                summary.scored += 1
    return summary


def list_pictures(source: str | Path | Iterable[str]) -> Iterator[str]:
    """Yield paths of pictures, one by one: of a folder in the order of their names, of a list, or as given.

    Raises
    ------
    InputError
        No such folder or list.
    """
    if not isinstance(source, str | Path):
        yield from source
        return
    path = Path(source)
    if path.is_dir():
        yield from (str(p) for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file())
        return
    path = existing_file(path, "list of pictures or folder")
    if path.suffix.lower() in SUFFIXES:
        yield str(path)
        return
    with open(path, encoding="utf-8") as lines:
        yield from _lines(lines, str(path))


def lines_of_stdin() -> Iterator[str]:
    """Return paths from standard input, a line each.

    Raises
    ------
    InputError
        None comes, or something else than text.
    """
    return _lines(sys.stdin, "standard input")


def make_scorer(trained: Trained, batch: int, precision: Precision, workers: int | None = None) -> Scorer:
    """Return the models' fast scorer for a trained network."""
    from gazekit.models.scoring import Scorer

    look = trained.look
    return Scorer(
        trained.network, size=look.size, aspects=look.aspects, batch=batch, precision=precision, workers=workers
    )


def write_overlay(trained: Trained, picture: Path, place: Path, result: npt.NDArray[np.float32]) -> None:
    """Write the picture with the network's attention over it, as a JPEG named after a place and its score."""
    import cv2
    import torch

    from gazekit.attention.drawing import heatmap
    from gazekit.core.files import whole_file
    from gazekit.models.attention import synthetic_attention
    from gazekit.models.pixels import normalised
    from gazekit.pictures import read_picture

    rgb = read_picture(picture)
    device = next(trained.network.parameters()).device
    view = normalised(trained.look.view(rgb), trained.network.mean, trained.network.std)  # type: ignore[arg-type]
    with torch.enable_grad():
        amap = synthetic_attention(trained.network, view.to(device))[0].detach().cpu().numpy()
    mean = float(moments(result)[0])
    done, encoded = cv2.imencode(".jpg", heatmap(rgb, amap)[..., ::-1])
    assert done
    with whole_file(place.with_name(f"{place.name}.{mean:.2f}.jpg")) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _lines(lines: Iterable[str], where: str) -> Iterator[str]:
    """Yield paths of a list, without the mark that editors put before the first one."""
    paths = (line.rstrip("\r\n").removeprefix("\ufeff") for line in lines)
    empty = True
    try:
        for path in paths:
            if path.strip():
                empty = False
                yield path
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not text with the path of a picture a line: {error}") from error
    if empty:
        raise InputError(f"{where} holds no path of a picture; a path a line was expected")


def _place(name: str, root: Path | None, number: int) -> Path:
    """Return where a picture's overlay belongs: as the picture in its source's folder, or by the number of its row."""
    path = Path(name)
    return Path(f"{number:06d}.{path.name}") if root is None else path.relative_to(root)


def _row(name: str, result: Result) -> dict[str, Any]:
    if isinstance(result, GazekitError):
        return {"image": name, "error": str(result)}
    mean, std = moments(result)
    return {"image": name, "mean": float(mean), "std": float(std), "histogram": [float(p) for p in result]}


def _here(
    trained: Trained, names: Iterator[str], rows: RowFile, batch: int, precision: Precision, workers: int | None
) -> tuple[int, Iterator[tuple[str, Result]]]:
    """Yield how many rows lie between places to go on from, and the scores."""
    # what was chosen for the first pictures holds for a run that goes on
    scorer = make_scorer(trained, batch, rows.remember("precision chosen", precision), workers)
    step = rows.remember("step", scorer.step)
    if step != scorer.step:
        raise InputError(
            f"{rows.part} was begun with {step} pictures a forward pass, and here they are {scorer.step}; give as many "
            "--workers as then (by default one a core), or choose --no-resume to begin anew"
        )

    def scores() -> Iterator[tuple[str, Result]]:
        for scored in scorer.files(names):
            rows.remembered["precision chosen"] = scorer.precision
            yield scored

    return scorer.step * -(-BLOCK // scorer.step), scores()


def _on_cluster(
    checkpoint: Path, content: str, names: Iterator[str], batch: int, precision: Precision, scheduler: str
) -> tuple[int, Iterator[tuple[str, Result]]]:
    """Yield the same from blocks side by side, in order; only as many are under way as keep the workers busy."""
    if precision == "auto":
        raise ConfigError("on a cluster every worker must compute alike: give --precision float32 or bfloat16")
    from gazekit.core.parallel import dask_executor

    def scores() -> Iterator[tuple[str, Result]]:
        with dask_executor(scheduler) as executor:
            waiting: deque[Future[list[tuple[str, Result]]]] = deque()
            while block := list(itertools.islice(names, BLOCK)):
                arguments = (str(checkpoint.resolve()), content, block, batch, precision)
                waiting.append(executor.submit(score_block, *arguments))
                if len(waiting) > 16:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    return BLOCK, scores()


def score_block(
    checkpoint: str, content: str, names: list[str], batch: int, precision: Precision
) -> list[tuple[str, Result]]:
    """Return some pictures, on a worker that keeps the network for the next ones; ``content`` is the file's SHA-256."""
    return list(_kept_scorer(checkpoint, content, batch, precision).files(names))


@lru_cache(maxsize=1)
def _kept_scorer(checkpoint: str, content: str, batch: int, precision: Precision) -> Scorer:
    if sha256(checkpoint) != content:
        raise InputError(f"{checkpoint} on {socket.gethostname()} is another file than where the scoring was begun")
    return make_scorer(load_trained(checkpoint), batch, precision, workers=2)
