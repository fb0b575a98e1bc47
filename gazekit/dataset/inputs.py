"""What a dataset is built of, read from the files that a study or a command line names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.attention.fixation_io import read_fixations
from gazekit.attention.settings import AttentionSection
from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.progress import track
from gazekit.core.tables import read_table
from gazekit.dataset.build import build_dataset, check_names
from gazekit.dataset.rating_formats import read_ratings
from gazekit.dataset.sources import Collection, read_ava, read_mapping, read_pairs, read_photonet, read_scheme
from gazekit.dataset.spec import DatasetOptions, DatasetSection, DatasetSpec
from gazekit.dataset.splits import check_folds
from gazekit.events.settings import FixationSection
from gazekit.events.table_checks import tell_findings
from gazekit.formats.fixation_tables import account_lines, import_fixations, layout_of
from gazekit.histograms import count_columns
from gazekit.pictures import Picture, PicturesSection, list_pictures
from gazekit.session.excluding import Exclusions
from survey.doubts import doubts


@dataclass(frozen=True)
class Inputs:
    """The files that a dataset is built of, and the options that come with them.

    Attributes
    ----------
    base : Path
        Folder that the paths of the sections are relative to.
    pictures, dataset, attention, fixations
        Sections of a study file.
    seed : int
        Of everything random.
    one_based : bool
        The fixations' pixels are counted from 1.
    screen : mapping of str to float
        Sizes of the screen, for another program's file of fixations that needs them.
    ava, photonet : Path, optional
        A public collection instead of the ratings: AVA's folder, Photo.net's list.
    exclusions : Exclusions
        What is left out: trials and people of the gaze, pictures altogether.
    """

    base: Path
    pictures: PicturesSection
    dataset: DatasetSection
    attention: AttentionSection = field(default_factory=AttentionSection)
    fixations: FixationSection = field(default_factory=FixationSection)
    seed: int = 0
    one_based: bool = False
    screen: Mapping[str, float] = field(default_factory=dict)
    ava: Path | None = None
    photonet: Path | None = None
    exclusions: Exclusions = field(default_factory=Exclusions)

    def build(self, out: str | Path | None = None, options: Mapping[str, Any] | None = None, **work: Any) -> Path:
        """Read the files and build the dataset; ``options`` of the spec go before what the sections say.

        Raises
        ------
        ConfigError
            Nothing is said of ratings or of where to write, or more than one source of ratings is given.
        """
        section = self.dataset
        target = out or (self.base / section.out if section.out else None)
        if target is None:
            raise ConfigError("say where the dataset goes: [dataset] out = '...', or --out")
        sources = [source for source in (section.ratings, self.ava, self.photonet) if source is not None]
        if not sources:
            raise ConfigError("[dataset] needs ratings = '...', a table of counts or of ratings one by one")
        if len(sources) > 1:
            raise ConfigError("give one of ratings, AVA and Photo.net")
        spec = DatasetSpec(**(self._options() | dict(options or {})))
        collection, fixations = self._collection(spec), self.fixation_table()
        self.exclusions.tell()
        spec = spec.model_copy(
            update={
                "schemes": collection.schemes | spec.schemes,
                "categories": collection.categories | spec.categories,
                "partitions": (*collection.partitions, *spec.partitions),
                "remarks": collection.remarks,
                "excluded": self.exclusions.account(),
            }
        )
        pictures, histograms, spec = _without_excluded(collection, spec, self.exclusions)
        work["predicted"] = [self.base / folder for folder in section.predicted]
        return build_dataset(pictures, fixations, histograms, target, spec, **work)

    def fixation_table(self) -> pd.DataFrame | None:
        """Return the fixations: of a table, or found in sessions, with viewers' groups; None where neither is named."""
        table = self._fixations()
        if table is None or self.dataset.viewer_groups is None:
            return table
        groups = read_table(
            self.base / self.dataset.viewer_groups, ["participant", "group"], "table of viewers' groups"
        )
        known = dict(zip(groups["participant"].astype(str), groups["group"].astype(str), strict=True))
        missing = sorted(set(table["participant"].astype(str)) - set(known))
        if missing:
            raise InputError(
                f"{self.dataset.viewer_groups}: {counted(len(missing), 'viewer has', 'viewers have')} no group: "
                f"{', '.join(missing[:10])}"
            )
        return table.assign(group=table["participant"].astype(str).map(known))

    def _fixations(self) -> pd.DataFrame | None:
        section = self.dataset
        if section.fixations is not None:
            if section.sessions:
                raise ConfigError("[dataset] has both fixations and sessions; keep one")
            path = self.base / section.fixations
            other = layout_of(path) is not None
            table = self._makers(path) if other else read_fixations(path, one_based=self.one_based)
            tell_findings(path, table)
            return self.exclusions.of_fixations(table, path)
        if not section.sessions:
            return None
        return session_table([self.base / path for path in section.sessions], self.fixations, self.exclusions)

    def _makers(self, path: Path) -> pd.DataFrame:
        """Read a file of fixations that another program found, and say what was taken of it."""
        table, account = import_fixations(path, self.screen)
        print(f"{path}: {counted(len(table), 'fixation')}", *account_lines(account), sep="\n", file=sys.stderr)
        return table

    def _options(self) -> dict[str, Any]:
        """Return what the sections say of the spec."""
        section = self.dataset
        options = _said(section, self.attention) | {"seed": self.seed}
        options["schemes"] = {name: read_scheme(self.base / path) for name, path in section.lists.items()}
        if section.groups:
            options["groups"] = read_mapping(self.base / section.groups, "group")
        if section.categories:
            options["categories"] = read_categories(self.base / section.categories)
        return options

    def _collection(self, spec: DatasetSpec) -> Collection:
        if self.dataset.ratings is None:
            folder = self.base / str(self.pictures.folder)
            return read_ava(self.ava, folder) if self.ava else read_photonet(str(self.photonet), folder)
        section = self.dataset
        path = self.base / str(section.ratings)
        ratings, remarks = read_ratings(
            path, spec.scale, spec.min_ratings, format=section.ratings_format, c0=section.c0
        )
        for doubt in _doubts(ratings):
            print(f"{path}: {doubt}", file=sys.stderr)
        pictures = list_pictures(self.pictures, self.base, missing=not spec.strict)
        return Collection(pictures, ratings, remarks=remarks)


def _doubts(ratings: pd.DataFrame) -> list[str]:
    """Say what may be wrong with ratings that were read."""
    counts = ratings[count_columns(ratings)].to_numpy()
    several = ratings.attrs.get("duplicates", {}).get("pairs", 0)
    twice = f"{counted(several, 'picture')} rated twice by one rater, whose first score counts"
    return [*doubts(ratings["image"], counts), *([twice] if several else [])]


def _said(dataset: DatasetSection, attention: AttentionSection) -> dict[str, Any]:
    options = {name: getattr(dataset, name) for name in DatasetOptions.model_fields}
    return options | attention.model_dump(exclude={"fill"})


def check_options(dataset: DatasetSection, attention: AttentionSection) -> None:
    """Refuse options that no dataset can be built with, whatever pictures and ratings there will be.

    Raises
    ------
    ConfigError
        What makes no sense.
    InputError
        A condition or partition that there is none of.
    """
    spec = DatasetSpec(**_said(dataset, attention))
    check_names(spec)
    if spec.folds:
        check_folds(spec.folds, sys.maxsize)


def _without_excluded(
    collection: Collection, spec: DatasetSpec, exclusions: Exclusions
) -> tuple[list[Picture], pd.DataFrame, DatasetSpec]:
    """Return pictures, ratings and lists without the pictures that are excluded for everybody."""
    gone = {e.image: e.reason for e in exclusions.entries if not e.participant}
    gone = {p.image: gone[p.image] for p in collection.pictures if p.image in gone}
    if not gone:
        return list(collection.pictures), collection.histograms, spec
    print(f"{counted(len(gone), 'picture')} excluded: {', '.join(list(gone)[:10])}", file=sys.stderr)
    pictures = [p for p in collection.pictures if p.image not in gone]
    histograms = collection.histograms[~collection.histograms["image"].astype(str).isin(gone)].reset_index(drop=True)
    named = {name: [i for i in images if i not in gone] for name, images in spec.categories.items()}
    schemes = {
        name: {part: [i for i in images if i not in gone] for part, images in lists.items()}
        for name, lists in spec.schemes.items()
    }
    remarks = [*spec.remarks, *((image, "excluded", reason) for image, reason in gone.items())]
    told = [{"image": image, "reason": reason} for image, reason in gone.items()]
    known = {record["image"] for record in spec.excluded if not record.get("participant") and "image" in record}
    excluded = [*spec.excluded, *(record for record in told if record["image"] not in known)]
    update = {"categories": named, "schemes": schemes, "remarks": remarks, "excluded": excluded}
    return pictures, histograms, spec.model_copy(update=update)


def session_table(
    paths: Sequence[Path], section: FixationSection, exclusions: Exclusions | None = None
) -> pd.DataFrame:
    """Return the fixations of session files, or of all in a folder, by the section's detector."""
    from gazekit.events import session_fixations
    from gazekit.session import open_session

    files = [f for path in paths for f in (sorted(path.rglob("*.gaze.h5")) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"no session file (*.gaze.h5) in {', '.join(map(str, paths))}")
    left_out, tables = exclusions or Exclusions(), []
    for file in track(files, "fixations", len(files)):
        session = left_out.of_session(open_session(file))
        if session is not None:
            tables.append(session_fixations(session, section.detector, cut=section.cut, **section.parameters))
    if not tables:
        raise InputError(
            f"everything in {counted(len(files), 'session')} is excluded ({left_out.file}): nothing is left"
        )
    return pd.concat(tables, ignore_index=True)


def read_categories(path: str | Path) -> dict[str, list[str]]:
    """Read a CSV with the columns image and category, as category -> pictures."""
    categories: dict[str, list[str]] = {}
    for image, name in read_pairs(path, "category"):
        categories.setdefault(name, []).append(image)
    return categories
