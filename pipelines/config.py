"""The TOML file of ``gazekit run``: which study, from which files, trained how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, field_validator, model_validator

from gazekit.core.config import Section, read_toml, validated
from gazekit.session.exclusions import EXCLUSIONS
from gazekit.study import Study, read_study
from pipelines.papers import TABLES

Kind = Literal["gbr", "ava", "photonet"]
_NEEDS: dict[str, tuple[str, ...]] = {
    "gbr": ("study",),
    "ava": ("folder", "pictures"),
    "photonet": ("counts", "pictures"),
}
_TABLES: dict[str, list[str]] = {
    "gbr": ["paper1-1"],
    "ava": ["paper2-I", "paper2-III", "paper2-IV", "paper2-VI"],
    "photonet": ["paper2-VII"],
}
_SCHEMES = {"gbr": "default", "ava": "ava", "photonet": "photonet"}
_SCALES = {"ava": 10, "photonet": 7}


def _address(value: str) -> str:
    if not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", value):
        raise ValueError("a scheduler's address is tcp://host:port, as tcp://10.0.0.1:8786")
    return value


Address = Annotated[str, AfterValidator(_address)]


class PipelineSection(Section):
    """``[pipeline]``: the kind of study, and where its files lie.

    ``gbr`` takes a lab's study file, whose ``[dataset]`` names sessions and ratings; ``ava`` the folder with AVA.txt
    and the folder of pictures; ``photonet`` the list of counts and the folder of pictures.
    """

    kind: Kind
    out: Path = Path("results")
    title: str = ""
    note: str = ""
    study: Path | None = None
    folder: Path | None = None
    counts: Path | None = None
    pictures: Path | None = None
    tables: list[str] | None = None

    @model_validator(mode="after")
    def _complete(self) -> PipelineSection:
        needed = _NEEDS[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        extra = [
            n for n in ("study", "folder", "counts", "pictures") if n not in needed and getattr(self, n) is not None
        ]
        unknown = [name for name in self.tables or [] if name not in TABLES]
        faults = [f"kind = '{self.kind}' needs {name}" for name in missing]
        faults += [f"kind = '{self.kind}' has no use for {name}" for name in extra]
        faults += [f"no table {name!r}; known: {', '.join(TABLES)}" for name in unknown]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def paper_tables(self) -> list[str]:
        """Which of the papers' tables to write."""
        return _TABLES[self.kind] if self.tables is None else self.tables


class ListDataset(Section):
    """``[dataset]`` of ``ava`` and ``photonet`` (a lab's study file has its own)."""

    cache: int | None = Field(default=None, ge=16, le=4096)
    workers: PositiveInt = 1
    scheduler: Address | None = None
    min_ratings: int = Field(default=10, ge=0)
    seed: int = Field(default=0, ge=0, lt=2**32)


class TrainingSection(Section):
    """``[training]``: the grid; ``[training.options]``: the recipe (size, epochs, batch, lr, ...).

    ``after`` is another study's file, which is run first. ``[training.weights]`` says what each model starts from: a
    file, with {seed} for the seed's number, or the folder of results of a study that trained it.
    """

    models: list[str] = Field(min_length=1)
    conditions: list[str] = Field(default=["original"], min_length=1)
    seeds: int | list[int] = 3
    jobs: PositiveInt = 1
    threads: PositiveInt | None = None
    scheme: str | None = None
    cross_validate: int | None = Field(default=None, ge=3)
    repeats: PositiveInt = 1
    learning_curve: list[int] = []
    scheduler: Address | None = None
    after: Path | None = None
    weights: dict[str, str] = {}
    options: dict[str, Any] = {}

    @property
    def seed_list(self) -> list[int]:
        """All seeds."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @model_validator(mode="after")
    def _one_way_of_splitting(self) -> TrainingSection:
        if self.cross_validate is not None and self.scheme not in (None, "default"):
            raise ValueError(f"cross_validate tests on every picture, and scheme = '{self.scheme}' on some; give one")
        if self.cross_validate is None and self.repeats > 1:
            raise ValueError("repeats deals the folds of cross_validate anew; give that as well")
        return self

    @field_validator("seeds")
    @classmethod
    def _usable(cls, value: int | list[int]) -> int | list[int]:
        if value == [] or (value < 1 if isinstance(value, int) else not 0 <= min(value) <= max(value) < 2**32):
            raise ValueError(f"give the number of seeds, 1 or more, or a list of seeds, each 0 to {2**32 - 1}")
        return value


class ComparisonSection(Section):
    """``[comparison]``: what is to be claimed, as the options of ``gazekit compare``."""

    metric: str = "srcc"
    primary_contrast: tuple[str, str] | None = None
    pairs: list[tuple[str, str]] | None = None
    margin: float | None = Field(default=None, gt=0)
    difference: float | None = Field(default=None, gt=0)
    alpha: float = Field(default=0.05, gt=0, lt=1)

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        from gazekit.core.errors import unknown_name
        from gazekit.stats.metrics import METRICS

        if value not in METRICS:
            raise ValueError(str(unknown_name("metric", value, METRICS)))
        return value


class RegistrationSection(Section):
    """``[registration]``: what `gazekit register` puts on record before any score is seen, beside ``[comparison]``."""

    hypotheses: list[str] = Field(min_length=1)
    exclusions: list[str] = []
    pictures: PositiveInt | None = None  # that are tested; checked when the study is registered


class Pipeline(Section):
    """A whole file."""

    pipeline: PipelineSection
    training: TrainingSection
    comparison: ComparisonSection = ComparisonSection()
    registration: RegistrationSection | None = None
    dataset: ListDataset = ListDataset()

    @property
    def scheme(self) -> str:
        """The split that is trained and tested on."""
        if self.training.cross_validate is not None:
            return "default"
        return self.training.scheme or _SCHEMES[self.pipeline.kind]

    def study(self, base: Path) -> Study | None:
        """Read the lab's own study file; None for AVA and Photo.net."""
        return None if self.pipeline.study is None else read_study(base / self.pipeline.study)

    def scale(self, base: Path) -> int | None:
        """Return the number of scores of the ratings; None where only the lab's table of counts says it."""
        study = self.study(base)
        return _SCALES[self.pipeline.kind] if study is None else study.dataset.scale

    def recipe_options(self, base: Path) -> dict[str, Any]:
        """Return the recipe of training; a file of weights is looked for from the folder of the TOML file."""
        from gazekit.training.recipe import size_of_timm

        options = {**size_of_timm(self.training.models, self.training.options), **self.training.options}
        if isinstance(options.get("weights"), str) and options["weights"] not in ("timm", "torchvision"):
            options["weights"] = str((base / options["weights"]).resolve())
        if self.training.weights:
            named = self.training.weights.items()
            options["weights_by_model"] = {model: str((base / file).resolve()) for model, file in named}
        return options


def read_pipeline(path: str | Path) -> Pipeline:
    """Read and validate the file of a whole study.

    Raises
    ------
    ConfigError
        No such file, not TOML, or wrong; the message lists every fault.
    """
    return validated(Pipeline, read_toml(path), path)


def dataset_files(config: Pipeline, base: Path) -> list[Path]:
    """List the files, apart from the pictures, that the dataset is made of."""
    section = config.pipeline
    if section.kind == "photonet":
        return [base / str(section.counts)]
    if section.kind == "ava":
        folder = base / str(section.folder)
        lists = sorted((folder / "aesthetics_image_lists").glob("*.jpgl"))
        return [folder / "AVA.txt", *(p for p in [folder / "tags.txt"] if p.exists()), *lists]
    file = base / str(section.study)
    study = read_study(file)
    named = study.dataset
    places = [study.pictures.list, named.fixations, named.ratings, named.groups, named.categories]
    excluded = file.parent / EXCLUSIONS
    inputs = [file, *([excluded] if excluded.exists() else [])]
    for place in [*places, *named.lists.values(), *named.sessions]:
        if place is not None:
            full = file.parent / place
            inputs += sorted(full.rglob("*.gaze.h5")) if full.is_dir() else [full]
    return inputs
