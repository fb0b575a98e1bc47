"""A study registered before any score of it is seen, and opened when its training is done."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gazekit.core.counting import counted
from gazekit.core.encryption import decrypt, new_keys
from gazekit.core.errors import ConfigError, InputError, OutputError
from gazekit.core.files import existing_file, sha256, write_text
from gazekit.core.registration_log import log, now, opened_utc
from gazekit.core.tables import read_table, write_table
from gazekit.stats.comparison_folder import (
    CONFIG,
    TRUTH,
    Run,
    learning_runs,
    read_configuration,
    runs_asked_for,
)
from gazekit.stats.registration import KEY, REGISTRATION, SEALED, Registration, read_registration
from gazekit.training.recipe import make_recipe
from pipelines.checks import check_config, check_files
from pipelines.code import code_hash
from pipelines.config import Pipeline, dataset_files, read_pipeline
from pipelines.stages import run_stages
from pipelines.studies import study_stages

if TYPE_CHECKING:
    from gazekit.dataset import Dataset


def register_study(path: str | Path, *, dry_run: bool = False) -> Registration:
    """Put a study on record, and seal its scores until `open_study`.

    The dataset is built, and marked: the ratings of held-out pictures are locked away in it or, where every picture is
    tested once (``cross_validate``), all that is predicted from it is locked as it is written.

    Parameters
    ----------
    path : str or Path
        The study's TOML file, with ``[registration]``, and pairs or a primary contrast in ``[comparison]``.
    dry_run : bool
        Return the terms; write nothing but the dataset.

    Raises
    ------
    ConfigError
        The file is wrong, or says too little to be registered.
    InputError
        It is registered already, or scores of it may have been seen.
    """
    path = Path(path)
    config = read_pipeline(path)
    _check_terms(config, path)
    check_files(config, path.parent)
    check_config(config, path.parent)
    out = path.parent / config.pipeline.out
    known = read_registration(out)
    if known is not None:
        raise InputError(f"{path} is registered already ({known.id}, {known.registered_utc}); its terms stay")
    if (out / CONFIG).exists() or (out / "runs").exists():
        raise InputError(f"{out} holds runs, whose scores may have been seen; register a study before it is trained")
    dataset = _built(config, path.parent, out)
    private, public = new_keys()
    registration = _terms(config, path, dataset, public)
    if not dry_run:
        _seal(registration, out, dataset, private)
    return registration


def open_study(study: str | Path, folders: tuple[str | Path, ...] = ()) -> list[Path]:
    """Open the sealed scores of a registered study; the opening is logged.

    Parameters
    ----------
    study : str or Path
        The study's TOML file, or its folder of results.
    folders : tuple of str or Path
        Other folders that were trained on its dataset, to be opened instead of the study's own.

    Returns
    -------
    list of Path
        The files that were opened.

    Raises
    ------
    InputError
        Not registered, not all runs done, or no key.
    """
    home = Path(study) if Path(study).is_dir() else Path(study).parent / read_pipeline(study).pipeline.out
    registration = read_registration(home)
    if registration is None:
        raise InputError(f"{home} holds no {REGISTRATION}; gazekit register STUDY.toml writes it")
    private = existing_file(home / KEY, "key of the registration").read_text(encoding="ascii").strip()
    wanted = [Path(folder) for folder in folders] or [home]
    for folder in wanted:
        _check_done(folder, registration)
    files = []
    for folder in wanted:
        if folder.resolve() != home.resolve():
            shutil.copy(home / REGISTRATION, folder / REGISTRATION)
            log(home, "opened elsewhere", registration.id, where=str(folder.resolve()))
        opened = _open(folder, registration, private)
        files += opened
        log(folder, "opened", registration.id, files=len(opened))
    return files


def _check_terms(config: Pipeline, path: Path) -> None:
    faults = []
    if config.registration is None:
        faults.append("[registration] with hypotheses = [...] is missing")
    if config.comparison.primary_contrast is None and not config.comparison.pairs:
        faults.append("[comparison] needs primary_contrast or pairs: what is to be tested")
    if faults:
        raise ConfigError(f"{path} cannot be registered: {'; '.join(faults)}")


def _built(config: Pipeline, base: Path, out: Path) -> Dataset:
    from gazekit.dataset import open_dataset

    (stage,) = [stage for stage in study_stages(config, base) if stage.name == "dataset"]
    (file,) = stage.outputs
    if file.exists() and open_dataset(file, verify=False).registered is not None:
        file.unlink()  # an earlier try was cut off before its terms were written
    run_stages([stage], out)
    return open_dataset(file)


def _terms(config: Pipeline, path: Path, data: Dataset, public: str) -> Registration:
    section, training, asked = config.registration, config.training, config.comparison
    assert section is not None
    codes = data.codes(config.scheme)
    tested = int((codes > 0).sum() if training.cross_validate else (codes == 3).sum())
    if section.pictures is not None and section.pictures != tested:
        raise ConfigError(
            f"{path}: registration.pictures is {section.pictures}, and {tested} of the dataset's {len(data)} pictures "
            "are tested"
        )
    from gazekit.training.grid import FEWEST_TEST_PICTURES, left_out

    if tested < FEWEST_TEST_PICTURES:
        raise ConfigError(
            f"{path}: {tested} of the dataset's {len(data)} pictures can be tested, and {FEWEST_TEST_PICTURES} are "
            f"needed{left_out(data)}"
        )
    remarks = dict(zip(data.remarks["image"], data.remarks["text"], strict=True))
    digests = [digest.decode() for digest in data.image_table(np.arange(len(data)))["sha256"]]
    terms: dict[str, Any] = {
        "registered_utc": now(),
        "title": config.pipeline.title,
        "hypotheses": section.hypotheses,
        **asked.model_dump(include={"metric", "primary_contrast", "margin", "difference", "alpha"}),
        "pairs": asked.pairs or [],
        **training.model_dump(include={"models", "conditions", "cross_validate", "repeats"}),
        "seeds": training.seed_list,
        "scheme": config.scheme,
        "recipe": make_recipe(**config.recipe_options(path.parent)).result_options(),
        "n": tested,
        "pictures": dict(zip(data.ids, digests, strict=True)),
        "splits": hashlib.sha256(np.concatenate([data.codes(name) for name in data.schemes]).tobytes()).hexdigest(),
        "exclusions": section.exclusions,
        "excluded": {data.ids[i]: remarks.get(data.ids[i], "") for i in np.flatnonzero(codes == 0)},
        "files": {file.name: sha256(file) for file in [path, *dataset_files(config, path.parent)]},
        "code": {"gazekit": version("gazekit"), **{name: code_hash(work) for name, work in _works().items()}},
        "public_key": public,
    }
    registration = Registration(**terms)
    return registration.model_copy(update={"id": registration.digest()})


def _works() -> dict[str, Any]:
    from gazekit.stats.comparison import compare
    from gazekit.training.grid import train

    return {"train": train, "compare": compare}


def _seal(registration: Registration, out: Path, data: Dataset, private: str) -> None:
    from gazekit.dataset.registered import RegisteredMark, mark_dataset

    write_text(out / KEY, private + "\n")
    os.chmod(out / KEY, 0o600)
    hides: Any = "scores" if registration.cross_validate else "labels"
    mark_dataset(data.path, RegisteredMark(registration.id, registration.public_key, hides, registration.scheme))
    write_text(out / REGISTRATION, registration.model_dump_json(indent=1) + "\n")
    log(out, "registered", registration.id)


def _check_done(folder: Path, registration: Registration) -> None:
    config = read_configuration(folder)
    if config.registration != registration.id:
        raise InputError(f"{folder} was not trained on the dataset of the registration {registration.id}")
    if opened_utc(folder, registration.id):
        raise InputError(f"{folder} was opened already, {opened_utc(folder, registration.id)}")
    missing = [str(run) for run in _runs(folder) if not (run.folder(folder) / f"predictions.csv{SEALED}").exists()]
    if missing:
        raise InputError(
            f"{folder}: {counted(len(missing), 'run is', 'runs are')} not done ({', '.join(missing[:5])}); "
            f"scores are opened when all are, "
            "by training on"
        )


def _runs(folder: Path) -> list[Run]:
    from gazekit.training.cross_validation import Folds

    content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    folds = Folds(**content.get("cross_validation", {}))
    whole = [replace(run, repeat=1) for run in [*runs_asked_for(content), *learning_runs(content)]]
    return folds.runs(dict.fromkeys(whole))


def _open(folder: Path, registration: Registration, private: str) -> list[Path]:
    from gazekit.dataset import open_dataset
    from gazekit.training.cross_validation import Folds, pool

    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    data = open_dataset(folder / config["dataset"]["path"], verify=False)
    if data.registered is None or data.registered.id != registration.id:
        raise OutputError(f"{data.path} is not the dataset of the registration {registration.id}")
    _open_ratings(folder, data, private)
    sealed = sorted(folder.glob(f"runs/**/*{SEALED}"))
    for file in sealed:
        write_text(file.with_name(file.name.removesuffix(SEALED)), decrypt(file.read_bytes(), private).decode())
    folds = Folds(**config.get("cross_validation", {}))
    if folds.folds:
        pool(folder, folds, data, _runs(folder))
    for file in sealed:  # last, so that an opening that was cut off is done again
        file.unlink()
    return [file.with_name(file.name.removesuffix(SEALED)) for file in sealed]


def _open_ratings(folder: Path, data: Dataset, private: str) -> None:
    """Complete ``truth.csv`` where the ratings of test pictures were locked away."""
    from gazekit.dataset.registered import unlocked_counts

    truth = read_table(folder / TRUTH, ["image", "split"], "table of ratings")
    columns = [f"c{k + 1}" for k in range(data.scale)]
    truth[columns] = unlocked_counts(data, private)[[data.index(image) for image in truth["image"]]]
    write_table(truth, folder / TRUTH)
