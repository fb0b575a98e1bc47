"""One run of a grid: a model trained on a condition with a seed, and its predictions for the test split."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gazekit.conditions import networks
from gazekit.core.files import machine, write_text
from gazekit.core.tables import write_table
from gazekit.session.lock import alone
from gazekit.stats.comparison_folder import Run
from gazekit.stats.registration import write_sealed
from gazekit.training.distributed import Team
from gazekit.training.loading import Reader
from gazekit.training.logs import EpochLog, json_lines
from gazekit.training.loop import TrainingState, predict, use_weights
from gazekit.training.probes import fit_probe
from gazekit.training.runs import Job
from gazekit.training.synthetic import own_attention
from gazekit.training.two_stage import Ground, train_network

if TYPE_CHECKING:
    from gazekit.dataset import Dataset


def train_run(job: Job, team: Team | None = None) -> Path:
    """Train a run, or go on where it stopped; predictions and ``done.json`` are written last.

    Returns
    -------
    The run's folder.
    """
    team = team or Team()
    folder = job.run.folder(job.out)
    # on a cluster a run goes on when the program that asked for it was killed: who asks again waits for it
    with alone(folder / "done.json", math.inf) if team.leads else nullcontext():
        team.wait()
        if not job.run.done(job.out):
            with _threads(job.threads):
                _train(job, team)
        team.wait()
    return folder


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Have torch compute in so many threads, and afterwards in as many as before: the process may be a notebook."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(job: Job, team: Team) -> None:
    started = time.monotonic()
    dataset = with_own_attention(_dataset_of(job), job, team)
    _open_folder(job, dataset.scale, team)
    ground = Ground(job, dataset, distributions(dataset.counts), team)
    network = build_network(job, dataset.scale)
    if hasattr(network, "set_head"):
        table, done = fit_probe(ground, network)
        _write(ground, table, done, time.monotonic() - started, network)
    else:
        log = EpochLog(str(job.run), sealed=ground.hides_scores)
        state, reader = train_network(ground, network, log)
        _finish(ground, state, reader, time.monotonic() - started, network)


def _dataset_of(job: Job) -> Dataset:
    """Open a run's dataset, with the masks of the viewers that its seed draws where the recipe asks for it."""
    from gazekit.dataset import open_dataset
    from gazekit.dataset.resampled import with_resampled_viewers

    dataset = open_dataset(job.dataset, verify=False)
    return with_resampled_viewers(dataset, job.run.seed) if job.recipe.resample_viewers else dataset


def with_own_attention(dataset: Dataset, job: Job, team: Team) -> Dataset:
    """Return the dataset with the network's own attention as a condition, where the run needs it."""
    if job.run.condition not in networks():
        return dataset
    from gazekit.dataset.synthetic import with_attention

    if not team.leads:
        team.wait()  # for the first process, which makes them
    boxes, maps = own_attention(dataset, job)
    if team.leads:
        team.wait()
    return with_attention(dataset, job.run.condition, boxes, maps)


def build_network(job: Job, buckets: int) -> torch.nn.Module:
    """Return the run's network: the same first weights for a seed and fold, whatever the condition."""
    from gazekit import models
    from gazekit.models.finetuning import train_part

    torch.manual_seed(_first_seed(job.run))
    recipe = job.recipe
    network = models.create(
        job.run.model,
        buckets,
        weights=recipe.weights_of(job.run.model, job.run.seed),
        new_head=recipe.new_head,
        **recipe.model_options,
    )
    train_part(network, recipe.train_last, recipe.adapter_rank)
    return network


def _first_seed(run: Run) -> int:
    """Return what first weights are drawn from; folds have their own, so that each tells of the luck by itself."""
    if not run.fold:
        return run.seed
    return int(np.random.SeedSequence([run.seed, run.repeat, run.fold]).generate_state(1)[0])


def distributions(counts: npt.NDArray[np.int64]) -> torch.Tensor:
    """Return rating distributions (N, K), float32, from counts."""
    array = np.asarray(counts, dtype=np.float64)
    total = np.maximum(array.sum(axis=1, keepdims=True), 1)  # what nobody rated is in no split
    return torch.from_numpy((array / total).astype(np.float32))


def _open_folder(job: Job, buckets: int, team: Team) -> None:
    if not team.leads:
        return
    folder = job.run.folder(job.out)
    for left_by_a_kill in folder.rglob(".*.part"):
        left_by_a_kill.unlink(missing_ok=True)
    write_text(folder / "config.json", json.dumps(job.identity(buckets), indent=1, sort_keys=True) + "\n")


def _finish(ground: Ground, state: TrainingState, reader: Reader, seconds: float, network: torch.nn.Module) -> None:
    assert state.best is not None
    use_weights(state, state.best)
    test = ground.part("test", reader)
    predicted = predict(state, test)
    table = pd.DataFrame(predicted.astype(np.float64), columns=[f"p{k + 1}" for k in range(predicted.shape[1])])
    table.insert(0, "image", [state.task.names[i] for i in test.indices])
    best = min(state.history, key=lambda row: row["validation_loss"])
    mark = ground.job.sealed_by(ground.dataset)
    if mark is not None and mark.hides == "scores" and ground.team.leads:
        log = ground.job.run.folder(ground.job.out) / "metrics.jsonl"
        write_sealed(log, json_lines(state.history), mark.public_key)
    _write(ground, table, {"epochs": len(state.history), "best": best}, seconds, network)


def _write(ground: Ground, table: pd.DataFrame, done: dict[str, Any], seconds: float, network: torch.nn.Module) -> None:
    if not ground.team.leads:
        return
    folder, mark = ground.job.run.folder(ground.job.out), ground.job.sealed_by(ground.dataset)
    if mark is None:
        write_table(table, folder / "predictions.csv")
    else:
        write_sealed(folder / "predictions.csv", table.to_csv(index=False, lineterminator="\n"), mark.public_key)
        if mark.hides == "scores":
            write_sealed(folder / "done.json", json.dumps(done, indent=1) + "\n", mark.public_key)
            done = {"epochs": done["epochs"]}
    made_with = _machine(ground.job, seconds)
    if getattr(network, "weights_from", None):
        made_with["weights"] = network.weights_from
    write_text(folder / "machine.json", json.dumps(made_with, indent=1) + "\n")
    write_text(folder / "done.json", json.dumps(done, indent=1) + "\n")


def _machine(job: Job, seconds: float) -> dict[str, Any]:
    """Return what the run was made with; `config.json` has what its results depend on."""
    versions = {name: version(name) for name in ("gazekit", "torch", "torchvision", "timm", "numpy")}
    return {**machine(), "seconds": round(seconds, 3), "threads": job.threads, "versions": versions}
