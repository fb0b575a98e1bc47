"""A grid of models, conditions and seeds, all trained alike."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gazekit.conditions import names_of_networks, networks
from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, FormatError, InputError, OutputError, unknown_name
from gazekit.core.files import existing_file, path_from, sha256, write_text
from gazekit.core.registration_log import opened_utc
from gazekit.core.tables import write_table
from gazekit.session.lock import take_lock
from gazekit.stats.comparison_folder import CONFIG, TRUTH, Run, runs_asked_for
from gazekit.training.cross_validation import Folds, folds_of, pool
from gazekit.training.distributed import Team, join_team, processes
from gazekit.training.leaks import leaks
from gazekit.training.logs import check_tensorboard
from gazekit.training.one_run import train_run
from gazekit.training.recipe import Recipe, completed, make_recipe, size_of_timm
from gazekit.training.runs import Job
from gazekit.training.two_stage import look_for

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

SCHEMA = "gazekit.comparison/1"
FEWEST_TEST_PICTURES = 8
LARGEST_SEED = 2**32 - 1
MOST_THREADS = 1024


def train(
    dataset: str | Path,
    out: str | Path,
    *,
    models: Sequence[str],
    conditions: Sequence[str] = ("original", "human"),
    seeds: int | Sequence[int] = 3,
    jobs: int = 1,
    threads: int | None = None,
    scheme: str = "default",
    scheduler: str | None = None,
    cross_validate: int | None = None,
    repeats: int = 1,
    learning_curve: Sequence[int] = (),
    **options: Any,
) -> Path:
    """Train every model on every condition with every seed, and keep predictions for the test split.

    Cells that are done are skipped and one that was stopped goes on, so that a run which was killed anywhere and
    started again ends in the same files, bit for bit.

    Parameters
    ----------
    dataset : str or Path
        A dataset file.
    out : str or Path
        The comparison folder.
    models : Sequence[str]
        Names of `gazekit.models.names`.
    conditions : Sequence[str]
        Of the dataset; ``synthetic`` is the attention of the same network, trained on whole pictures (condition
        ``original``, which is added where it is absent): its masks where it has them, else excitation backprop;
        ``synthetic-masks``, ``synthetic-excitation`` and ``synthetic-gradcam`` say which.
    seeds : int or Sequence[int]
        How many (0, 1, ...), or which.
    jobs : int
        Runs that are trained side by side, each in a process of its own.
    threads : int, optional
        Of each process; else the cores over the jobs. A folder keeps the number it was begun with, since
        results differ in the last digits with it.
    scheme : str
        Named split of the dataset.
    scheduler : str, optional
        Address of a Dask scheduler whose workers train the runs; they must see the same folders.
    cross_validate : int, optional
        Deal the pictures into so many folds and test on every one of them, with networks trained on the others. The
        dataset's own ``fold1 .. foldK`` where it has as many.
    repeats : int
        Deal the pictures into folds so often, each time anew.
    learning_curve : Sequence[int]
        Also train on so many % of the training pictures, each 1 to 99: `compare` then writes ``learning-curve.csv``.
    **options
        Of `gazekit.training.recipe.Recipe`: size, epochs, batch, lr, ...

    Returns
    -------
    The comparison folder, for `gazekit.training.compare`.

    Raises
    ------
    ConfigError, InputError
        Wrong options, names, conditions, a test split that is too small, a folder of another grid: all of it
        before anything is trained.
    TrainingError
        A loss that is not a number; the batch is named.
    OutputError
        The disk is full; what was written stays, and the same call goes on.

    Examples
    --------
    >>> import gazekit as gk
    >>> pictures = gk.list_pictures("sample_data/comparison/pictures")
    >>> ratings = gk.read_histograms("sample_data/comparison/histograms.csv")
    >>> spec = gk.DatasetSpec(split=(0.6, 0.2, 0.2))
    >>> dataset = gk.build_dataset(pictures, None, ratings, "whole.dataset.h5", spec)
    >>> network = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "epochs": 1, "size": 32}
    >>> folder = train(dataset, "runs", **network)
    >>> sorted(file.name for file in folder.glob("runs/*/*/*/predictions.csv"))
    ['predictions.csv']
    """
    grid = plan(
        dataset,
        out,
        models=models,
        conditions=conditions,
        seeds=seeds,
        jobs=jobs,
        threads=threads,
        scheme=scheme,
        scheduler=scheduler,
        cross_validate=cross_validate,
        repeats=repeats,
        learning_curve=learning_curve,
        **options,
    )
    team = join_team()
    if team.leads:
        grid.warn()
    with _lock(grid.out, team):
        if team.leads:
            write_text(grid.out / CONFIG, json.dumps(grid.config, indent=1, sort_keys=True) + "\n")
            mark = grid.dataset.registered
            if mark is None or not opened_utc(grid.out, mark.id):  # where it was opened, the ratings are in it
                write_truth(grid.dataset, scheme, grid.folds, grid.out / TRUTH)
        _run([job for job in grid.jobs if not job.run.done(grid.out)], jobs, scheduler, team)
        if team.leads and grid.folds.folds:
            pool(grid.out, grid.folds, grid.dataset, [job.run for job in grid.jobs])
    team.leave()
    return grid.out


@contextmanager
def _lock(out: Path, team: Team) -> Iterator[None]:
    """Keep a second training out of the folder while this one is at work; the system ends a lock with its process."""
    if not team.leads:
        yield
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".lock").touch()
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written as a folder: {error.strerror or error}; give --out another name"
        ) from error
    with open(out / ".lock", "w", encoding="utf-8") as file:
        if not take_lock(file):
            raise OutputError(f"another gazekit train is at work in {out}; wait for its end, or choose another folder")
        yield


@dataclass(frozen=True)
class Grid:
    """What `train` would do: everything is checked, nothing is written."""

    dataset: Dataset
    out: Path
    config: dict[str, Any]
    jobs: list[Job]
    folds: Folds

    def states(self) -> list[tuple[Run, str]]:
        """Return every run, and whether it is done, begun or new."""
        return [(job.run, _state(job.run, self.out)) for job in self.jobs]

    def warn(self) -> None:
        """Tell of pictures of the test that networks learn from, or have learnt from before."""
        scheme, runs = self.jobs[0].scheme, dict.fromkeys(job.run for job in self.jobs)
        files = dict.fromkeys(self.jobs[0].recipe.weights_of(run.model, run.seed) for run in runs)
        for leak in leaks(self.dataset, scheme, self.folds, [file for file in files if file]):
            print(f"warning: {leak}", file=sys.stderr)


def plan(
    dataset: str | Path,
    out: str | Path,
    *,
    models: Sequence[str],
    conditions: Sequence[str] = ("original", "human"),
    seeds: int | Sequence[int] = 3,
    jobs: int = 1,
    threads: int | None = None,
    scheme: str = "default",
    scheduler: str | None = None,
    cross_validate: int | None = None,
    repeats: int = 1,
    learning_curve: Sequence[int] = (),
    **options: Any,
) -> Grid:
    """Check everything that `train` would, with the same options; a dry run."""
    from gazekit.dataset import open_dataset

    dataset, out = existing_file(dataset, "dataset"), Path(out)
    recipe = make_recipe(**{**size_of_timm(models, options), **options})
    data = open_dataset(dataset)
    runs = list_runs(models, conditions, range(seeds) if isinstance(seeds, int) else seeds)
    folds = folds_of(cross_validate, repeats, scheme)
    check_grid(data, dataset, runs, scheme, folds, recipe)
    check_machine(recipe, threads, here=scheduler is None)
    if wrong := [share for share in learning_curve if not 1 <= share < 100]:
        raise ConfigError(f"a learning curve is of 1 to 99 % of the training pictures; found {wrong[0]}")
    if recipe.tensorboard:
        check_tensorboard()
    config = _config(dataset, out, data, recipe, runs, scheme, folds, threads or _threads(out, jobs))
    if learning_curve or "learning_curve" in _before(out):
        shares = [*_before(out).get("learning_curve", {}).get("shares", []), *learning_curve]
        first = Job(runs[0], dataset.resolve(), "", out, recipe, 1, scheme, 1, folds)
        pictures = len(replace(first, run=folds.runs([runs[0]])[0]).indices(data, "train"))
        config["learning_curve"] = {"shares": sorted(set(shares)), "pictures": pictures}
    common = (dataset.resolve(), data.sha256, out, recipe, config["threads"], scheme, config["processes"])
    rest = (folds, data.registered.id if data.registered else "")
    every = [*runs, *(replace(run, share=share) for share in sorted(learning_curve) for run in runs)]
    return Grid(data, out, config, [Job(run, *common, *rest) for run in folds.runs(every)], folds)


def list_runs(models: Iterable[str], conditions: Iterable[str], seeds: Iterable[int]) -> list[Run]:
    """Return the runs of a grid: ``original`` first, ``synthetic``, which needs it, last."""
    wanted, of_networks = list(dict.fromkeys(conditions)), networks()
    if "original" not in wanted and any(name in of_networks for name in wanted):
        wanted.insert(0, "original")
    wanted.sort(key=lambda name: (name in of_networks, name != "original"))
    names, numbers = list(dict.fromkeys(models)), list(dict.fromkeys(seeds))
    faults = [
        f"no {what} given"
        for what, given in (("models", names), ("conditions", wanted), ("seeds", numbers))
        if not given
    ]
    faults += [
        f"the seed {seed} is not one of 0 to {LARGEST_SEED}" for seed in numbers if not 0 <= seed <= LARGEST_SEED
    ]
    if faults:
        raise ConfigError("; ".join(faults))
    return [Run(model, condition, seed) for condition, model, seed in itertools.product(wanted, names, numbers)]


def check_grid(data: Dataset, path: Path, runs: Sequence[Run], scheme: str, folds: Folds, recipe: Recipe) -> None:
    """Raise a `ConfigError` with everything that is wrong, before anything is trained."""
    from gazekit.dataset.resampled import resampling_fault

    faults = []
    for name in dict.fromkeys(run.model for run in runs):
        try:
            seeds = {run.seed for run in runs if run.model == name}
            faults += [f"{name} {fault}" for fault in model_faults(name, data.scale, recipe, data.sizes, sorted(seeds))]
        except InputError as error:
            faults.append(str(error))
    known = [*data.conditions, *names_of_networks(data.conditions)]
    for condition in dict.fromkeys(run.condition for run in runs):
        if condition not in known:
            faults.append(f"{path} lacks the condition {condition!r}: {unknown_name('condition', condition, known)}")
        elif condition in networks():
            faults += networks()[condition].faults(run.model for run in runs if run.condition == condition)
    faults += _mask_faults(data, scheme, folds, [run.condition for run in runs])
    strange = recipe.weights_by_model.keys() - {run.model for run in runs}
    faults += [f"weights are given for {name}, which is not trained" for name in sorted(strange)]
    faults += [fault] if recipe.resample_viewers and (fault := resampling_fault(data)) else []
    faults += _split_faults(data, path, scheme, folds)
    if faults:
        raise ConfigError("; ".join(faults))


def _mask_faults(data: Dataset, scheme: str, folds: Folds, conditions: Sequence[str]) -> Iterator[str]:
    """Find pictures of the splits of which nothing would be shown: nobody looked at them, or nothing is predicted."""
    usable = np.flatnonzero(data.codes("default" if folds.folds else scheme)).tolist()
    for name in dict.fromkeys(conditions):
        mask = "human" if name in networks() else name  # a network's own is as large as people's
        if mask == "original" or mask not in data.conditions:
            continue
        masks = data.masks(mask)
        lacking = [data.ids[i] for i in usable if i not in masks]
        if lacking:
            yield (
                f"{len(lacking)} of {len(usable)} pictures of the splits have no mask in the condition {name}, as"
                f" {', '.join(lacking[:3])}: leave {name} out, or build a dataset of pictures that people looked at"
                " (--min-viewers 1)"
            )


def _split_faults(data: Dataset, path: Path, scheme: str, folds: Folds) -> Iterator[str]:
    """Find splits that are too small, and pictures of a split that nobody rated; others are never trained on."""
    if folds.folds:
        usable = np.flatnonzero(data.codes())
        if len(usable) < max(folds.folds, FEWEST_TEST_PICTURES):
            yield (
                f"{path} has {counted(len(usable), 'usable picture')} for {counted(folds.folds, 'fold')}; 8 or "
                f"more, and one a fold, are "
                f"needed{left_out(data)}"
            )
    else:
        for split, fewest in {"train": 2, "validation": 1, "test": FEWEST_TEST_PICTURES}.items():
            count = len(data.indices(split, scheme))  # type: ignore[arg-type]
            if count < fewest:
                yield (
                    f"the {split} split of {path} has {counted(count, 'picture')}; {fewest} or more are needed: "
                    f"build the dataset "
                    f"with more pictures, or with another --split{left_out(data)}"
                )
        usable = np.flatnonzero(data.codes(scheme))
    empty = [data.ids[i] for i in usable if not data.counts[i].any()]
    mark = data.registered
    if mark is not None and mark.hides == "labels":
        sealed = {data.ids[i] for i in data.indices("test", mark.scheme)}
        if (folds.folds or scheme != mark.scheme) and sealed & set(empty):
            yield (
                f"the ratings of {len(sealed)} test pictures of the split {mark.scheme!r} are sealed by the "
                f"registration {mark.id}; train on that split"
            )
        empty = [image for image in empty if image not in sealed]
    if empty:
        some = counted(len(empty), "picture of the splits has", "pictures of the splits have")
        yield f"{some} no ratings: {', '.join(empty[:5])}"


def left_out(data: Dataset) -> str:
    """Say why pictures are in no split, as the end of a sentence; empty where all are."""
    outside = {data.ids[i] for i in np.flatnonzero(np.asarray(data.codes()) == 0)}
    reasons = data.remarks[data.remarks["image"].isin(outside)].drop_duplicates(["image", "remark"])
    counts = reasons["remark"].value_counts()
    said = [
        f"{count} have {what}, as {reasons['text'][reasons['remark'] == what].iloc[0]}"
        for what, count in counts.items()
    ]
    return f" ({counted(len(outside), 'picture is', 'pictures are')} in no split: {'; '.join(said)})" if said else ""


def unrated(data: Dataset) -> list[str]:
    """Return the pictures that nobody rated; they are in no split, and so left out of training and test."""
    return [data.ids[i] for i in np.flatnonzero(np.asarray(data.counts).sum(axis=1) == 0)]


def check_machine(recipe: Recipe, threads: int | None, *, here: bool) -> None:
    """Raise a `ConfigError` where the device or the threads cannot be had; devices of another machine are not asked."""
    faults = []
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        faults.append(f"threads is {threads}; 1 to {MOST_THREADS} can be had")
    if recipe.device != "auto" and not _has_device(recipe.device, here):
        faults.append(f"there is no device {recipe.device!r}; auto takes a GPU if there is one, else the CPU")
    if faults:
        raise ConfigError("; ".join(faults))


def _has_device(name: str, here: bool) -> bool:
    """Return whether a name is one of torch's devices, and where ``here`` is meant the machine has it."""
    try:
        device = torch.device(name)
        return not here or (device.index or 0) < int(torch.get_device_module(device).device_count())
    except (RuntimeError, AttributeError):
        return False


def model_faults(
    name: str, buckets: int, recipe: Recipe, sizes: npt.ArrayLike, seeds: Iterable[int] = (0,)
) -> list[str]:
    """Return what keeps a model, which the texts do not name, from being trained on pictures of these sizes (N, 2).

    Raises
    ------
    InputError
        An unknown name; options or weights that are not the model's.
    """
    from gazekit import models
    from gazekit.models.cost import ShapesOnly
    from gazekit.models.finetuning import part_fault
    from gazekit.models.probe import PREFIX

    smallest = models.info(name).smallest
    if recipe.apply == "pooling" and not name.startswith(PREFIX):
        return ["is no probe, and --apply pooling is for these (probe-NAME)"]
    if recipe.apply == "pooling" and (recipe.fill != "black" or recipe.soft_px):
        return ["sees whole pictures with --apply pooling; leave fill and soft_px out"]
    for weights in dict.fromkeys(recipe.weights_of(name, seed) for seed in seeds):
        if weights is not None:
            models.create(name, buckets, weights=weights, new_head=recipe.new_head, **recipe.model_options)
    with torch.device("meta"), ShapesOnly():  # shapes are all that is asked of it
        model = models.create(name, buckets, **recipe.model_options).eval()
        part = part_fault(model, recipe.train_last, recipe.adapter_rank)
        look = look_for(model, sizes, recipe)
        shapes = {look.shape((h, w)): (h, w) for h, w in np.unique(sizes, axis=0).tolist()}
        narrow = [shape for shape in shapes if min(shape) < smallest and not _takes(model, shape)]
        side = _only_side(model)
    faults = [part] if part else []
    if side is not None and set(shapes) != {(side, side)}:
        faults.append(f"takes pictures of {side} x {side} px and no others; give --size {side}, and aspect_buckets 1")
    elif recipe.size < smallest:
        faults.append(f"needs pictures of {smallest} px or more; size is {recipe.size}")
    elif narrow and "patches" not in look.kind:
        view = min(narrow, key=min)
        faults.append(
            f"needs larger views than {view[0]} x {view[1]}, which size {recipe.size} gives pictures of"
            f" {shapes[view][1]} x {shapes[view][0]} px; take a larger --size, or leave these out of the dataset"
        )
    if recipe.crop is not None and (look.kind != "view" or name.startswith(PREFIX)):
        chooses = (
            "is a probe, which sees whole views" if name.startswith(PREFIX) else "chooses its own parts of pictures"
        )
        faults.append(f"{chooses}; leave crop out")
    return faults


def _only_side(model: torch.nn.Module) -> int | None:
    """Return the side of the only square that a network takes, pixels; None where it takes others too."""
    sides = (getattr(module, "only", None) for module in model.modules())
    return next((int(side) for side in sides if side is not None), None)


def _takes(model: torch.nn.Module, shape: tuple[int, int]) -> bool:
    """Return whether a model without numbers gets through with a view of (height, width)."""
    from gazekit.models.inputs import example_inputs

    try:
        model(*example_inputs(model, shape))
    except RuntimeError:
        return False
    return True


def write_truth(data: Dataset, scheme: str, folds: Folds, path: Path) -> None:
    """Write the ratings by split or by fold, so that a comparison needs no more than its folder."""
    counts = np.asarray(data.counts)
    if folds.folds:
        fold = folds.fold_of(data)
        index = np.flatnonzero(fold)
        table = pd.DataFrame(counts[index], columns=[f"c{k + 1}" for k in range(counts.shape[1])])
        for repeat in range(folds.repeats, 1, -1):
            table.insert(0, f"fold_of_repeat{repeat}", folds.fold_of(data, repeat)[index])
        table.insert(0, "fold", fold[index])
        table.insert(0, "split", "test")
        table.insert(0, "image", [data.ids[i] for i in index])
        write_table(table, path)
        return
    rows = []
    for split in ("train", "validation", "test"):
        index = data.indices(split, scheme)
        table = pd.DataFrame(counts[index], columns=[f"c{k + 1}" for k in range(counts.shape[1])])
        table.insert(0, "split", split)
        table.insert(0, "image", [data.ids[i] for i in index])
        rows.append(table)
    write_table(pd.concat(rows, ignore_index=True), path)


def _config(
    dataset: Path,
    out: Path,
    data: Dataset,
    recipe: Recipe,
    runs: Sequence[Run],
    scheme: str,
    folds: Folds,
    threads: int,
) -> dict[str, Any]:
    before = _before(out)
    grid: dict[str, list[Any]] = {
        "models": list(dict.fromkeys(run.model for run in runs)),
        "conditions": list(dict.fromkeys(run.condition for run in runs)),
        "seeds": list(dict.fromkeys(run.seed for run in runs)),
    }
    earlier = before.get("grid", {})
    config = {
        "schema": SCHEMA,
        "grid": {key: list(dict.fromkeys(earlier.get(key, []) + values)) for key, values in grid.items()},
        "cells": list(dict.fromkeys((r.model, r.condition, r.seed) for r in [*runs_asked_for(before), *runs])),
        "dataset": {"path": path_from(dataset.resolve(), out.resolve()), "sha256": data.sha256},
        "scheme": scheme,
        "buckets": data.scale,
        "recipe": recipe.result_options(),
        "threads": threads,
        "processes": processes(),
        "versions": {name: version(name) for name in ("gazekit", "torch", "numpy")},
    }
    if weights := {**before.get("weights", {}), **_weights(recipe, runs, data.scale)}:
        config["weights"] = weights
    if folds.folds:
        config["cross_validation"] = asdict(folds)
    if data.registered is not None:
        config["registration"] = data.registered.id
    if before:
        _same_folder(before, config, out)
    return config


def _weights(recipe: Recipe, runs: Sequence[Run], buckets: int) -> dict[str, str]:
    """Return the SHA-256 of every file of weights that runs start from, and of what a publisher gives a model."""
    from gazekit import models
    from gazekit.models.registry import PUBLISHERS

    sums = {}
    for model, name in dict.fromkeys((run.model, recipe.weights_of(run.model, run.seed)) for run in runs):
        if name in PUBLISHERS:
            network = models.create(model, buckets, weights=name, new_head=recipe.new_head, **recipe.model_options)
            sums[f"{name} ({model})"] = str(network.weights_from["sha256"])  # type: ignore[index]
        elif name is not None and name not in sums:
            sums[name] = sha256(name)
    return sums


def _before(out: Path) -> dict[str, Any]:
    path = out / CONFIG
    if not path.exists():
        return {}
    try:
        before = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError):
        before = None
    if not isinstance(before, dict) or before.get("schema") != SCHEMA:
        raise FormatError(f"{path} is damaged, or of something else than gazekit train; choose another folder")
    return before


def _threads(out: Path, jobs: int) -> int:
    """Return what the folder was begun with, else the cores over the jobs."""
    beside = max(1, jobs) * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return int(_before(out).get("threads") or max(1, (os.cpu_count() or 1) // beside))


def _state(run: Run, out: Path) -> str:
    if run.done(out):
        return "done"
    return "begun" if (run.folder(out) / "last.pt").exists() else "new"


def _same_folder(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    then, here = completed(before.get("recipe", {})), now["recipe"]
    faults = [
        f"{k}: {then.get(k)!r} there, {here.get(k)!r} here" for k in sorted(then | here) if then.get(k) != here.get(k)
    ]
    for key in ("scheme", "cross_validation", "buckets", "threads", "processes"):
        if before.get(key) != now.get(key):
            faults.append(f"{key}: {before.get(key)!r} there, {now.get(key)!r} here")
    if before.get("dataset", {}).get("sha256") != now["dataset"]["sha256"]:
        faults.append("it was begun with another dataset")
    then, here = before.get("weights", {}), now.get("weights", {})
    faults += [f"the weights of {name} are others than then" for name in then if then[name] != here[name]]
    if faults:
        raise ConfigError(f"{out} holds a grid of other options ({'; '.join(faults)}); choose another folder")


def _run(todo: Sequence[Job], jobs: int, scheduler: str | None, team: Team) -> None:
    if team.world > 1 or (jobs == 1 and scheduler is None):
        for job in todo:
            train_run(job, team)
        return
    from gazekit.core.parallel import dask_executor, process_pool

    count = min(jobs, max(1, len(todo)))
    with dask_executor(scheduler) if scheduler is not None else process_pool(count) as executor:
        _run_beside(executor, list(todo))


def _run_beside(executor: Executor, waiting: list[Job]) -> None:
    from gazekit.core.progress import track

    running: dict[Future[Path], Job] = {}
    for _ in track(range(len(waiting)), "Training", len(waiting)):
        for job in [job for job in waiting if _ready(job)]:
            running[executor.submit(train_run, job)] = job
            waiting.remove(job)
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        first = next(iter(finished))
        del running[first]
        first.result()


def _ready(job: Job) -> bool:
    return job.run.condition not in networks() or replace(job.run, condition="original").done(job.out)
