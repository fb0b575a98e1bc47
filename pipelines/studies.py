"""Whole studies from one TOML file: a lab's own (``gbr``), AVA and Photo.net."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gazekit.errors import ConfigError, InputError
from pipelines.config import Pipeline, read_pipeline
from pipelines.stages import Outcome, Stage, run_stages

_WHAT_GOES_WHERE = {
    "ava": (
        "AVA is not ours to ship. Put its list into {folder} (AVA.txt; tags.txt and aesthetics_image_lists/ where you "
        "have them) and its pictures (<image id>.jpg) into {pictures}"
    ),
    "photonet": (
        "Photo.net's pictures are not ours to ship. Put the list of counts at {counts} (index, image, number of "
        "ratings, mean, deviation, counts of 1 to 7) and the pictures (<image id>.jpg) into {pictures}"
    ),
    "gbr": "Put the lab's study file at {study}; its [pictures] and [dataset] name pictures, sessions and ratings",
}


def run_study(
    path: str | Path,
    *,
    dry_run: bool = False,
    tell: Callable[[str], object] = lambda text: None,
) -> tuple[Path, list[Outcome]]:
    """Run a whole study, or go on with one that was stopped.

    Unchanged stages are skipped; changed inputs, parameters or code rerun what depends on them.

    Returns
    -------
    The folder with ``report.html``, the papers' tables (``tables/``) and all that lies between; and what was done.

    Raises
    ------
    ConfigError : the file, a model or an option of training is wrong, all faults at once.
    InputError : files that are missing; the message says what goes where.
    """
    path = Path(path)
    config = read_pipeline(path)
    check_files(config, path.parent)
    check_training(config)
    out = path.parent / config.pipeline.out
    stages = study_stages(config, path.parent)
    return out, run_stages(stages, out, dry_run=dry_run, tell=tell)


def check_files(config: Pipeline, base: Path) -> None:
    """Raise an `InputError` with everything that is not where the file says."""
    section = config.pipeline
    places = {n: base / p for n in ("study", "folder", "counts", "pictures") if (p := getattr(section, n)) is not None}
    if section.kind == "ava":
        places["AVA.txt"] = places["folder"] / "AVA.txt"
    missing = [f"{name} ({place})" for name, place in places.items() if not place.exists()]
    if missing:
        advice = _WHAT_GOES_WHERE[section.kind].format(**{n: str(p) for n, p in places.items()})
        raise InputError(f"not there: {', '.join(missing)}. {advice}")


def check_training(config: Pipeline) -> None:
    """Raise a `ConfigError` with everything that is wrong with models and training options, before anything runs."""
    from gazekit.models import info
    from gazekit.training.recipe import make_recipe

    faults = []
    checks: list[Callable[[], object]] = [partial(info, name) for name in config.training.models]
    checks.append(partial(make_recipe, **config.training.options))
    for check in checks:
        try:
            check()
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))


def study_stages(config: Pipeline, base: Path) -> list[Stage]:
    """Dataset, training, comparison, tables and report as stages."""
    section, training = config.pipeline, config.training
    out = base / section.out
    dataset, trained = out / f"{section.kind}.dataset.h5", out / "config.json"
    results = [out / name for name in ("comparison.csv", "paired.csv", "agreement.csv", "conclusion.json")]
    tables = [out / "tables" / f"{name}.csv" for name in section.paper_tables]
    inputs = _inputs(config, base)
    grid = training.model_dump(exclude={"jobs", "threads", "scheduler"}) | {"scheme": config.scheme}
    settings = config.dataset.model_dump(exclude={"workers", "scheduler"})
    return [
        Stage(
            "dataset",
            lambda: _dataset(config, base, dataset),
            inputs,
            [dataset],
            settings | {"pictures": _listing(config, base)},
            ["gazekit.dataset", "gazekit.attention", "gazekit.events"],
        ),
        Stage(
            "train",
            lambda: _train(config, dataset, out),
            [dataset],
            [trained],
            grid,
            ["gazekit.training", "gazekit.models"],
            work=[trained, out / "runs", out / "synthetic"],
        ),
        Stage("compare", lambda: _compare(dataset, out), [dataset, trained], results, grid, ["gazekit.training"]),
        Stage(
            "tables",
            lambda: _tables(out, section.paper_tables),
            results,
            tables,
            {"tables": section.paper_tables},
            ["pipelines.papers"],
        ),
        Stage(
            "report",
            lambda: _report(config, out, dataset),
            [*results, *tables],
            [out / "report.html"],
            {"title": section.title, "note": section.note},
            ["gazekit.report", "pipelines.papers"],
        ),
    ]


def _inputs(config: Pipeline, base: Path) -> list[Path]:
    """The files, apart from the pictures, that the dataset is made of."""
    section = config.pipeline
    if section.kind == "photonet":
        return [base / str(section.counts)]
    if section.kind == "ava":
        folder = base / str(section.folder)
        lists = sorted((folder / "aesthetics_image_lists").glob("*.jpgl"))
        return [folder / "AVA.txt", *(p for p in [folder / "tags.txt"] if p.exists()), *lists]
    from gazekit.study import read_study

    study = base / str(section.study)
    named = read_study(study).dataset
    found = [study]
    for place in [
        *named.sessions,
        named.fixations,
        named.ratings,
        named.groups,
        named.categories,
        *named.lists.values(),
    ]:
        if place is not None:
            full = study.parent / place
            found += sorted(full.rglob("*.gaze.h5")) if full.is_dir() else [full]
    return found


def _listing(config: Pipeline, base: Path) -> str:
    """A digest of the pictures' names, sizes and times: 255,000 files are not read to see that nothing changed."""
    section = config.pipeline
    if section.kind == "gbr":
        from gazekit.pictures import list_pictures
        from gazekit.study import read_study

        study = base / str(section.study)
        files = [picture.file for picture in list_pictures(read_study(study).pictures, study.parent)]
    else:
        files = sorted(p for p in (base / str(section.pictures)).iterdir() if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        stat = file.stat()
        digest.update(f"{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _dataset(config: Pipeline, base: Path, dataset: Path) -> None:
    from gazekit.dataset.inputs import build_study, build_tables

    section, options = config.pipeline, config.dataset
    work: dict[str, Any] = {"workers": options.workers, "scheduler": options.scheduler}
    if section.kind == "gbr":
        build_study(base / str(section.study), dataset, **work)
        return
    source: dict[str, Any] = {}
    if section.kind == "ava":
        source["ava"] = base / str(section.folder)
    else:
        source["photonet"] = base / str(section.counts)
    build_tables(
        pictures=base / str(section.pictures),
        out=dataset,
        cache=options.cache,
        min_ratings=options.min_ratings,
        seed=options.seed,
        **source,
        **work,
    )


def _train(config: Pipeline, dataset: Path, out: Path) -> None:
    from gazekit.training import train

    training = config.training
    train(
        dataset,
        out,
        models=training.models,
        conditions=training.conditions,
        seeds=training.seeds,
        jobs=training.jobs,
        threads=training.threads,
        scheme=config.scheme,
        scheduler=training.scheduler,
        **training.options,
    )


def _compare(dataset: Path, out: Path) -> None:
    from gazekit.dataset import open_dataset
    from gazekit.tables import write_table
    from gazekit.training import compare

    data = open_dataset(dataset)
    categories = None
    if data.categories:
        import pandas as pd

        rows = [(data.ids[i], name) for name in data.categories for i in data.category(name)]
        categories = write_table(pd.DataFrame(rows, columns=["image", "category"]), out / "category-of-pictures.csv")
    compare(out, dataset=dataset, categories=categories)


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
