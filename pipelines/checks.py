"""All that can be known to be wrong with a study before anything of it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gazekit.core.errors import ConfigError, InputError, MissingExtraError, unknown_name
from pipelines.config import Pipeline, dataset_files

if TYPE_CHECKING:
    from gazekit.training.recipe import Recipe

_PUBLISHED = Path("aesthetics_image_lists", "generic_test.jpgl")  # AVA's list of test pictures
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


def need_networks() -> None:
    """Raise a `MissingExtraError` where torch is not installed: before the first stage, not at the first training."""
    for name in ("torch", "timm"):
        if find_spec(name) is None:
            raise MissingExtraError(name, "train")


def check_files(config: Pipeline, base: Path) -> None:
    """Raise an `InputError` with everything that is not where the file says."""
    section = config.pipeline
    places = {n: base / p for n in ("study", "folder", "counts", "pictures") if (p := getattr(section, n)) is not None}
    wanted = places | ({"AVA.txt": places["folder"] / "AVA.txt"} if section.kind == "ava" else {})
    faults = [fault for name, place in wanted.items() if (fault := _misplaced(name, place))]
    if not faults:
        faults = [f"no such file: {place}" for place in dataset_files(config, base) if not place.exists()]
    if faults:
        advice = _WHAT_GOES_WHERE[section.kind].format(**{n: str(p) for n, p in places.items()})
        raise InputError(f"not there: {'; '.join(faults)}. {advice}")


def _misplaced(name: str, place: Path) -> str:
    """Say what is wrong with a place that the file names; an empty text where nothing is."""
    if not place.exists():
        return f"{name} ({place})"
    if place.is_dir() == (name in ("folder", "pictures")):
        return ""
    return (
        f"{name} ({place}) is a folder, not a file" if place.is_dir() else f"{name} ({place}) is a file, not a folder"
    )


def check_config(config: Pipeline, base: Path) -> None:
    """Raise a `ConfigError` with everything that is wrong with the study, before anything of it runs."""
    checks = (_study_faults, _condition_faults, _scheme_faults, _model_faults)
    faults = [fault for check in checks for fault in check(config, base)]
    if faults:
        raise ConfigError("\n  ".join(["the study cannot run:", *faults]))


def known_conditions(config: Pipeline, base: Path) -> list[str]:
    """List the conditions that the dataset will have, and those of networks' own attention where it has people's."""
    from gazekit.conditions import default_names, names_of_gaze, names_of_networks

    study = config.study(base)
    if study is None or not (study.dataset.sessions or study.dataset.fixations):
        return ["original"]
    chosen = default_names() if study.dataset.conditions is None else study.dataset.conditions
    there = [name for name in names_of_gaze(chosen) if name == "original" or name in chosen]
    there += ["predicted"] if study.dataset.predicted and "predicted" not in there else []
    return there + names_of_networks(there)


def known_schemes(config: Pipeline, base: Path) -> list[str]:
    """List the split schemes that the dataset will have."""
    section, study = config.pipeline, config.study(base)
    if study is not None:
        folds = [f"fold{number}" for number in range(1, study.dataset.folds + 1)]
        return ["default", *folds, *study.dataset.partitions, *study.dataset.lists]
    if section.kind == "photonet":
        return ["default", "photonet"]
    return ["default", "ava1", "ava2", *(["ava"] if (base / str(section.folder) / _PUBLISHED).is_file() else [])]


def _study_faults(config: Pipeline, base: Path) -> Iterator[str]:
    """Find what a lab's study file lacks for a dataset."""
    study = config.study(base)
    if study is None:
        return
    from gazekit.conditions import names_of_gaze
    from gazekit.dataset.partitions import PARTITIONS
    from gazekit.events import detectors

    section, file = study.dataset, config.pipeline.study
    if section.sessions and not any(path.name.endswith(".gaze.h5") for path in dataset_files(config, base)):
        yield f"{file}: dataset.sessions: no session file (*.gaze.h5) in {', '.join(map(str, section.sessions))}"
    if study.study.seed < 0:
        yield f"{file}: study.seed is {study.study.seed}; it must be 0 or more"
    if section.ratings is None:
        yield f"{file}: [dataset] needs ratings = '...', a table of counts or of ratings one by one"
    if section.sessions and section.fixations:
        yield f"{file}: [dataset] has both fixations and sessions; keep one"
    yield from _unknown_names(
        f"{file}: dataset.conditions", section.conditions or [], names_of_gaze(section.conditions or ()), "condition"
    )
    yield from _unknown_names(f"{file}: dataset.partitions", section.partitions, PARTITIONS, "partition")
    yield from _unknown_names(f"{file}: fixations.detector", [study.fixations.detector], detectors(), "detector")


def _condition_faults(config: Pipeline, base: Path) -> Iterator[str]:
    from gazekit.conditions import networks

    known = known_conditions(config, base)
    faults = list(_unknown_names("training.conditions", config.training.conditions, known, "condition"))
    yield from faults
    if faults and len(known) == 1:
        yield "training.conditions: the study has no gaze (fixations or sessions), so that it has whole pictures only"
    for name, network in networks().items():
        if name in config.training.conditions:
            yield from (f"training.conditions: {fault}" for fault in network.faults(config.training.models))


def _scheme_faults(config: Pipeline, base: Path) -> Iterator[str]:
    faults = list(_unknown_names("training.scheme", [config.scheme], known_schemes(config, base), "split scheme"))
    yield from faults
    if faults and config.pipeline.kind == config.scheme == "ava":
        yield f"training.scheme: 'ava' is AVA's published split, by {_PUBLISHED}, which is not there"


def _model_faults(config: Pipeline, base: Path) -> Iterator[str]:
    """Find what is wrong with models, with the recipe, and with both together."""
    from gazekit import models
    from gazekit.training.recipe import make_recipe

    options = config.recipe_options(base)
    names = list(dict.fromkeys(config.training.models))
    unknown = list(_refusals("training.models", (partial(models.info, name) for name in names)))
    wrong = list(_refusals("training.options", [partial(make_recipe, **options)]))
    yield from [*unknown, *wrong]
    if unknown or wrong:
        return
    recipe = make_recipe(**options)
    faults = list(_recipe_faults(recipe, config))
    yield from faults
    if not faults:
        for name in names:
            fit = partial(_fit, name, config.scale(base), recipe, config.training.seed_list)
            yield from _refusals(f"training.options: {name}", [fit])


def _fit(name: str, scale: int | None, recipe: Recipe, seeds: Iterable[int]) -> None:
    """Raise a `ConfigError` where a model cannot be trained by a recipe, as far as can be known without pictures."""
    from gazekit.training.grid import model_faults

    if scale is None:  # whether weights fit depends on it
        recipe = recipe.model_copy(update={"weights": None, "weights_by_model": {}})
    if faults := model_faults(name, scale or 10, recipe, [(recipe.size, recipe.size)], seeds):
        raise ConfigError("; ".join(faults))


def _recipe_faults(recipe: Recipe, config: Pipeline) -> Iterator[str]:
    from gazekit.training.grid import check_machine

    if recipe.weights not in (None, "timm", "torchvision") and not Path(str(recipe.weights)).is_file():
        yield f"training.options: no such file of weights: {recipe.weights}"
    for name in recipe.weights_by_model.keys() - set(config.training.models):
        yield f"training.weights: {name} is not one of the models that are trained"
    here = config.training.scheduler is None
    yield from _refusals("training", [partial(check_machine, recipe, config.training.threads, here=here)])


def _unknown_names(where: str, names: Iterable[str], known: Iterable[str], kind: str) -> Iterator[str]:
    """Yield a fault for every name that is not known."""
    there = list(known)
    return (f"{where}: {unknown_name(kind, name, there)}" for name in dict.fromkeys(names) if name not in there)


def _refusals(where: str, calls: Iterable[Callable[[], object]]) -> Iterator[str]:
    """Yield a fault for every call that refuses its arguments."""
    for call in calls:
        try:
            call()
        except (InputError, TypeError, ValueError) as error:
            yield f"{where}: {error}"
