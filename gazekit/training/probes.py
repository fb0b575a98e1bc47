"""Probes in a grid: features once per picture and condition, kept by content, then a convex head for each run."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gazekit.conditions import networks
from gazekit.core.errors import FormatError
from gazekit.core.files import whole_file, write_text
from gazekit.core.progress import track
from gazekit.core.types import Index, Pixels
from gazekit.models.pixels import normalised
from gazekit.models.probe import FrozenFeatures, fit_head
from gazekit.models.scoring import Scorer
from gazekit.models.weights import digest
from gazekit.session.lock import alone
from gazekit.stats.registration import write_sealed
from gazekit.training.checkpoints import save_checkpoint
from gazekit.training.loading import Reader, in_order
from gazekit.training.logs import json_lines
from gazekit.training.loop import device_of
from gazekit.training.two_stage import Ground

BATCH = 32
_ROWS = 1000  # of a new file of features that are written at a time
_WAY = 2  # in which features are computed; threads of the first one mixed pictures
Features = npt.NDArray[np.float32]


def fit_probe(ground: Ground, network: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit the head of a probe on a run's training pictures; gives its predictions of the test split, and what was done.

    The ridge is chosen as the network's ``ridge`` says. The run's folder gets the epoch that there is
    (``metrics.jsonl``) and, but in folds of a masked condition, ``best.pt``: a checkpoint as of any other network.
    """
    job, reader = ground.job, ground.reader(network)
    split = {name: job.indices(ground.dataset, name) for name in ("train", "validation", "test")}
    features = _features(ground, network, reader, np.concatenate(list(split.values())))
    truth = ground.truth.numpy()
    head = fit_head(
        features[split["train"]],
        truth[split["train"]],
        (features[split["validation"]], truth[split["validation"]]),
        kind=network.kind,
        choice=network.ridge,
        groups=network.groups,
    )
    losses = {
        f"{name}_loss": float(_emd(head.predict(features[index]), truth[index], job.recipe.r))
        for name, index in split.items()
        if name != "test"
    }
    row = {"epoch": 1, **losses, "ridge": head.ridge}
    if ground.team.leads:
        _keep(ground, network, reader, head, row)
    predicted = head.predict(features[split["test"]])
    table = pd.DataFrame(predicted, columns=[f"p{k + 1}" for k in range(predicted.shape[1])])
    table.insert(0, "image", [ground.dataset.ids[i] for i in split["test"]])
    return table, {"epochs": 1, "best": row}


def _keep(ground: Ground, network: Any, reader: Reader, head: Any, row: dict[str, Any]) -> None:
    job = ground.job
    folder = job.run.folder(job.out)
    mark = job.sealed_by(ground.dataset)
    if mark is not None and mark.hides == "scores":
        write_sealed(folder / "metrics.jsonl", json_lines([row]), mark.public_key)
        row = {"epoch": row["epoch"], "train_loss": row["train_loss"]}
    write_text(folder / "metrics.jsonl", json_lines([row]))
    if job.run.fold and job.run.condition != "original":
        return
    network.set_head(head)
    content = {"identity": job.identity(int(ground.truth.shape[1])), "state_dict": network.state_dict()}
    stated = {"mean": list(network.mean), "std": list(network.std), "aspects": list(reader.look.aspects)}
    save_checkpoint(folder / "best.pt", {**content, **stated, "learnt_from": ground.learnt_from})


def _emd(p: npt.NDArray[np.float64], q: npt.NDArray[np.floating], r: float) -> float:
    return float(((np.abs((p - q).cumsum(1)) ** r).mean(1) ** (1 / r)).mean())


def _features(ground: Ground, network: Any, reader: Reader, wanted: Index) -> Features:
    """Return features (N, D), those of the wanted pictures at least: read where they are kept, else computed.

    The file is filled row by row: who is stopped goes on with what is missing, and memory holds what is asked for.
    """
    path, leads = _file(ground, network, reader), ground.team.leads
    with alone(path, math.inf) if leads else nullcontext():  # runs side by side need the same: one computes
        if leads and not path.is_file():
            with whole_file(path) as temporary, open(temporary, "wb") as file:
                _write_missing(file, (len(ground.dataset.ids), network.head.in_features))
        ground.team.wait()
        features = _read(path, "r+" if leads else "c")
        missing = np.unique(wanted[np.isnan(features[wanted]).any(axis=1)])
        if len(missing):
            device = device_of(ground.job.recipe)
            if ground.job.recipe.apply == "pooling":
                _attend(copy.deepcopy(network).eval().to(device), reader, missing, features, device)
            else:
                _stream(network, reader, missing, features, ground.job.threads, device)
            if isinstance(features, np.memmap):
                features.flush()
    return features


def _write_missing(file: BinaryIO, shape: tuple[int, int]) -> None:
    """Write an array of NaN, a part at a time."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    part = np.full((_ROWS, shape[1]), np.nan, np.float32)
    for first in range(0, shape[0], _ROWS):
        file.write(part[: shape[0] - first].tobytes())


def _stream(
    network: Any, reader: Reader, numbers: Index, features: Features, threads: int, device: torch.device
) -> None:
    """Fill in the features of some pictures, decoded and computed side by side."""

    def view(i: int) -> tuple[Pixels, ...]:
        return (np.ascontiguousarray(reader(i)[0].permute(1, 2, 0).numpy()),)

    frozen = FrozenFeatures(network)
    scorer = Scorer(frozen, size=reader.look.size, batch=BATCH, precision="float32", device=device, workers=threads)
    view(int(numbers[0]))  # files are opened before threads share them
    for i, vector in track(scorer.views(numbers.tolist(), view), f"features of {reader.condition}", len(numbers)):
        features[i] = vector


def _attend(network: Any, reader: Reader, numbers: Index, features: Features, device: torch.device) -> None:
    """Fill in the features of some whole pictures, pooled where a condition keeps them."""
    plan, whole = in_order(numbers, BATCH, reader.shapes), replace(reader, condition="original")
    for batch in track(plan, f"features of {reader.condition}", len(plan)):
        views = np.stack([whole(int(i))[0].permute(1, 2, 0).numpy() for i in batch])
        with torch.no_grad():
            inputs = normalised(views, network.mean, network.std).to(device)
            features[batch] = network.attended_features(inputs, _weights(reader, batch).to(device)).cpu().numpy()


def _weights(reader: Reader, batch: Index) -> torch.Tensor:
    """Return a condition's masks at the size of the views (n, h, w): 1 where the picture is kept, and 0 elsewhere."""
    masks = [reader.dataset.mask_at(int(i), reader.condition, tuple(reader.shapes[i].tolist())) for i in batch]
    return torch.from_numpy(np.stack(masks).astype(np.float32))


def _file(ground: Ground, network: Any, reader: Reader) -> Path:
    """Name the file by all that features depend on: dataset, condition, fill, view, and the network's weights."""
    job, recipe = ground.job, ground.job.recipe
    depends = [_WAY, job.dataset_sha256, job.run.condition, recipe.fill, recipe.soft_px, repr(reader.look)]
    if network.cells:
        depends += ["cells", recipe.apply]
    if job.run.condition in networks():  # masks of the run's own network
        depends += [job.run.model, job.run.seed, job.run.fold, job.run.repeat, job.run.share]
    elif recipe.resample_viewers and job.run.condition != "original":  # masks of the viewers that its seed draws
        depends += ["viewers", job.run.seed]
    depends += [digest(network.trunk.state_dict()), list(network.mean), list(network.std), *network.stages]
    name = hashlib.sha256(json.dumps(depends, default=str).encode()).hexdigest()[:24]
    return job.out / "features" / f"{name}.npy"


def _read(path: Path, mode: Literal["r+", "c"]) -> Features:
    try:
        features: Features = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is no file of features, or is damaged; delete it: {error}") from error
    return features
