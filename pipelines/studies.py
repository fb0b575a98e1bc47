"""Whole studies from one TOML file: a lab's own (``gbr``), AVA and Photo.net."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gazekit.core.registration_log import opened_utc
from gazekit.stats.comparison_folder import COMPARED, REPORTED, RESULTS, WORK, keep_to_grid
from gazekit.stats.registration import read_registration
from gazekit.training.recipe import make_recipe
from pipelines.checks import check_config, check_files, need_networks
from pipelines.config import Pipeline, dataset_files, read_pipeline
from pipelines.stages import Outcome, Stage, run_stages


def run_study(
    path: str | Path,
    *,
    dry_run: bool = False,
    tell: Callable[[str], object] = lambda text: None,
) -> tuple[Path, list[Outcome]]:
    """Run a whole study, or go on with one that was stopped.

    Unchanged stages are skipped; changed inputs, parameters or code rerun what depends on them. The dataset of a
    registered study stays as it was registered, and nothing is compared before its scores are opened.

    Returns
    -------
    tuple[Path, list[Outcome]]
        The folder with ``report.html``, the papers' tables (``tables/``) and all that lies between; and what was done.

    Raises
    ------
    ConfigError
        The file, a model or an option of training is wrong, all faults at once.
    InputError
        Files that are missing; the message says what goes where.
    """
    path = Path(path)
    config = read_pipeline(path)
    if config.training.after is not None:
        _, before = run_study(path.parent / config.training.after, dry_run=dry_run, tell=tell)
        if any(outcome.state == "would run" for outcome in before):
            tell(f"{path}: what would run is known when {config.training.after} is done")
            return path.parent / config.pipeline.out, before
    check_files(config, path.parent)
    check_config(config, path.parent)
    if not dry_run:
        need_networks()
    out = path.parent / config.pipeline.out
    stages = study_stages(config, path.parent)
    registration = read_registration(out)
    if registration is None:
        return out, run_stages(stages, out, dry_run=dry_run, tell=tell)
    sealed = not opened_utc(out, registration.id)
    wanted = ("train",) if sealed else ("train", "compare", "tables", "report")
    outcomes = run_stages([s for s in stages if s.name in wanted], out, dry_run=dry_run, tell=tell)
    if sealed:
        tell(f"all scores are sealed until: gazekit register open {path}")
    return out, outcomes


def study_stages(config: Pipeline, base: Path) -> list[Stage]:
    """Plan dataset, training, comparison, tables and report as stages."""
    section, training = config.pipeline, config.training
    out = base / section.out
    dataset, trained = out / f"{section.kind}.dataset.h5", out / "config.json"
    results = [out / name for name in RESULTS]
    tables = [out / "tables" / f"{name}.csv" for name in section.paper_tables]
    options = config.recipe_options(base)
    grid = {"models": training.models, "conditions": training.conditions, "seeds": training.seed_list}
    grid |= {"learning_curve": training.learning_curve} if training.learning_curve else {}
    recipe = make_recipe(**options).result_options() | {"scheme": config.scheme}
    if training.cross_validate is not None:
        recipe |= {"cross_validate": training.cross_validate, "repeats": training.repeats}
    claims = config.comparison.model_dump(exclude_defaults=True)
    settings = config.dataset.model_dump(exclude={"workers", "scheduler"})
    return [
        Stage(
            "dataset",
            partial(_dataset, config, base, dataset),
            dataset_files(config, base),
            [dataset],
            settings | {"pictures": _listing(config, base)},
        ),
        Stage(
            "train",
            partial(_train, config, options, dataset, out),
            [dataset, *_weights(config, options)],
            [trained],
            recipe,
            work=[out / name for name in WORK],
            grid=grid,
        ),
        Stage(
            "compare",
            partial(_compare, dataset, out, claims),
            [dataset, trained],
            results,
            recipe | claims,
            also=COMPARED,
            grid=grid,
        ),
        Stage(
            "tables",
            partial(_tables, out, section.paper_tables),
            results,
            tables,
            {"tables": section.paper_tables},
            also=["categories.csv"],
        ),
        Stage(
            "report",
            partial(_report, config, out, dataset),
            [*results, *tables, dataset, trained],
            [out / "report.html"],
            {"title": section.title, "note": section.note, "tables": section.paper_tables},
            also=REPORTED,
        ),
    ]


def _weights(config: Pipeline, options: dict[str, Any]) -> list[Path]:
    """List the files of weights that the training begins with."""
    recipe, training = make_recipe(**options), config.training
    pairs = [(model, seed) for model in training.models for seed in training.seed_list]
    files = dict.fromkeys(recipe.weights_of(*pair) for pair in pairs)
    return [Path(file) for file in files if file not in (None, "timm", "torchvision")]


def _listing(config: Pipeline, base: Path) -> str:
    """Digest the pictures' names, sizes and times: 255,000 files are not read to see that nothing changed."""
    section, study = config.pipeline, config.study(base)
    if study is not None:
        from gazekit.pictures import list_pictures

        listed = list_pictures(study.pictures, (base / str(section.study)).parent)
        files = [(picture.image, picture.file) for picture in listed if picture.file.exists()]
    else:
        files = [(p.name, p) for p in sorted((base / str(section.pictures)).iterdir()) if p.is_file()]
    digest = hashlib.sha256()
    for name, file in files:
        stat = file.stat()
        digest.update(f"{name}\0{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _dataset(config: Pipeline, base: Path, dataset: Path) -> None:
    from gazekit.dataset.inputs import Inputs
    from gazekit.dataset.spec import DatasetSection
    from gazekit.pictures import PicturesSection
    from gazekit.study import dataset_inputs

    section, options = config.pipeline, config.dataset
    work: dict[str, Any] = {"workers": options.workers, "scheduler": options.scheduler}
    if section.kind == "gbr":
        dataset_inputs(base / str(section.study)).build(dataset, **work)
        return
    ava = section.kind == "ava"
    source: dict[str, Any] = {"ava": base / str(section.folder)} if ava else {"photonet": base / str(section.counts)}
    inputs = Inputs(base, PicturesSection(folder=section.pictures), DatasetSection(), **source)
    inputs.build(dataset, {name: getattr(options, name) for name in ("cache", "min_ratings", "seed")}, **work)


def _train(config: Pipeline, options: dict[str, Any], dataset: Path, out: Path) -> None:
    from gazekit.training import train
    from gazekit.training.grid import list_runs

    training, seeds = config.training, config.training.seed_list
    keep_to_grid(out, list_runs(training.models, training.conditions, seeds))
    train(
        dataset,
        out,
        models=training.models,
        conditions=training.conditions,
        seeds=seeds,
        jobs=training.jobs,
        threads=training.threads,
        scheme=config.scheme,
        scheduler=training.scheduler,
        cross_validate=training.cross_validate,
        repeats=training.repeats,
        learning_curve=training.learning_curve,
        **options,
    )


def _compare(dataset: Path, out: Path, claims: dict[str, Any]) -> None:
    from gazekit.stats.comparison import compare

    compare(out, dataset=dataset, **claims)


def _tables(out: Path, names: list[str]) -> None:
    from pipelines.papers import write_paper_tables

    write_paper_tables(out, names)


def _report(config: Pipeline, out: Path, dataset: Path) -> None:
    from gazekit.report import write_report
    from pipelines.papers import paper_grids

    section = config.pipeline
    notes = [section.note] if section.note else []
    papers = paper_grids(out, section.paper_tables)
    write_report(out, title=section.title or None, notes=notes, dataset=dataset, papers=papers)
