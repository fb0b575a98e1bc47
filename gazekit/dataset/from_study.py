"""What a study file says about its dataset, read and ready for `build_dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.attention.fixation_io import read_fixations
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.progress import track
from gazekit.dataset.build import build_dataset
from gazekit.dataset.sources import read_ava, read_mapping, read_photonet, read_ratings, read_scheme
from gazekit.pictures import PicturesSection, list_pictures
from gazekit.study import Study, read_study


def build_study(study: str | Path, out: str | Path | None = None, **options: Any) -> Path:
    """Build the dataset that a study file describes; ``options`` go before what the file says.

    Raises
    ------
    ConfigError : the file is wrong, or says nothing of ratings or of where to write.
    """
    study = Path(study)
    section = (settings := read_study(study)).dataset
    target = out or (study.parent / section.out if section.out else None)
    if target is None:
        raise ConfigError(f"{study}: say where the dataset goes: [dataset] out = '...', or --out")
    if section.ratings is None:
        raise ConfigError(f"{study}: [dataset] needs ratings = '...', a table of counts or of ratings one by one")
    base = study.parent
    histograms = read_ratings(base / section.ratings, section.scale, section.min_ratings)
    chosen: dict[str, Any] = {
        **settings.attention.model_dump(exclude={"fill"}),
        "seed": settings.study.seed,
        "schemes": {name: read_scheme(base / path) for name, path in section.lists.items()},
        "groups": read_mapping(base / section.groups, "group") if section.groups else None,
        "categories": read_categories(base / section.categories) if section.categories else None,
        "near_duplicates": section.near_duplicates if section.near_duplicates >= 0 else None,
    }
    plain = ("sigma_px", "split", "folds", "partitions", "min_ratings", "min_viewers", "include_marked", "scale")
    chosen |= {name: getattr(section, name) for name in (*plain, "cache", "shard")}
    chosen |= {"conditions": section.conditions} if section.conditions else {}
    fixations = study_fixations(settings, base)
    return build_dataset(list_pictures(settings.pictures, base), fixations, histograms, target, **(chosen | options))


def study_fixations(study: Study, base: Path) -> pd.DataFrame | None:
    """The fixation table of a study: read, or found in its sessions; None where the study names neither."""
    section = study.dataset
    if section.fixations is not None:
        if section.sessions:
            raise ConfigError("[dataset] has both fixations and sessions; keep one")
        return read_fixations(base / section.fixations)
    if not section.sessions:
        return None
    return session_table([base / path for path in section.sessions], study)


def session_table(paths: Sequence[Path], study: Study) -> pd.DataFrame:
    """The fixations of session files, or of all in a folder, by the study's detector."""
    from gazekit.events import session_fixations
    from gazekit.session import open_session

    files = [f for path in paths for f in (sorted(path.rglob("*.gaze.h5")) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"no session file (*.gaze.h5) in {', '.join(map(str, paths))}")
    chosen = study.fixations
    tables = [
        session_fixations(open_session(file), chosen.detector, **chosen.parameters)
        for file in track(files, "fixations", len(files))
    ]
    return pd.concat(tables, ignore_index=True)


def read_categories(path: str | Path) -> dict[str, list[str]]:
    """A CSV with the columns image and category, as category -> pictures."""
    found: dict[str, list[str]] = {}
    for image, name in read_mapping(path, "category").items():
        found.setdefault(name, []).append(image)
    return found


def build_tables(
    *,
    pictures: Path,
    out: Path,
    ratings: Path | None = None,
    fixations: Path | None = None,
    one_based: bool = False,
    ava: Path | None = None,
    photonet: Path | None = None,
    groups: Path | None = None,
    lists: Mapping[str, Path] | None = None,
    categories: Path | None = None,
    **options: Any,
) -> Path:
    """Build a dataset from files named one by one; ``options`` are those of `build_dataset`.

    Raises
    ------
    ConfigError : more or fewer than one of ratings, ava and photonet.
    """
    if sum(source is not None for source in (ratings, ava, photonet)) != 1:
        raise ConfigError("give one of ratings, AVA and Photo.net")
    if groups is not None:
        options["groups"] = read_mapping(groups, "group")
    schemes = {name: read_scheme(path) for name, path in (lists or {}).items()}
    kinds = read_categories(categories) if categories is not None else {}
    table = read_fixations(fixations, one_based=one_based) if fixations else None
    if ratings is not None:
        if not pictures.exists():
            raise InputError(f"no such folder of pictures, and no such picture list: {pictures}")
        where = PicturesSection(folder=pictures) if pictures.is_dir() else PicturesSection(list=pictures)
        histograms = read_ratings(ratings, options.get("scale"), options.get("min_ratings", 10))
        options |= {"schemes": schemes, "categories": kinds}
        return build_dataset(list_pictures(where, Path()), table, histograms, out, **options)
    found = read_ava(ava, pictures) if ava is not None else read_photonet(str(photonet), pictures)
    return build_dataset(
        found.pictures,
        table,
        found.histograms,
        out,
        schemes=found.schemes | schemes,
        categories=found.categories | kinds,
        partitions=found.partitions,
        remarks=found.remarks,
        unknown="remark",
        **options,
    )
