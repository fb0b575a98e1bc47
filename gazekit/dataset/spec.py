"""Options of a dataset: for Python, for the command line and for the study file, from one list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from gazekit.attention.settings import AttentionOptions
from gazekit.core.config import Section, Spec
from gazekit.core.errors import InputError
from gazekit.dataset.duplicates import DISTANCE
from gazekit.dataset.splits import checked_shares
from gazekit.histograms import ZeroScore
from gazekit.shapes.mask_spec import MaskSpec

RatingFormat = Literal["table", "ava", "dpchallenge", "photonet", "json"]
Match = Literal["area", "detail"]
MOST = 0.5  # of the picture that patches may cover


class DatasetOptions(Section):
    """What stands in a study file's ``[dataset]`` and in `DatasetSpec` alike."""

    sigma_px: float | None = Field(
        default=None, gt=0, description="sigma of the maps, picture pixels, instead of degrees"
    )
    conditions: tuple[str, ...] | None = Field(
        default=None,
        description="only this condition; repeat  [default: all six]",
        json_schema_extra={"option": "--condition"},
    )
    match: Match = Field(
        default="area",
        description="what controls share with people's mask: its area; detail: of 32 places the one that shows as much "
        "detail too (random and shuffled; the centre has one place)",
    )
    split: tuple[float, ...] = Field(default=(0.8, 0.1, 0.1), description="shares of train, validation and test")
    folds: int = Field(default=0, ge=0, description="also k folds (3 or more), as schemes fold1 .. foldk")
    partitions: tuple[str, ...] = Field(
        default=(),
        description="also this named split: ava1, ava2, photonet; repeat",
        json_schema_extra={"option": "--partition"},
    )
    near_duplicates: Annotated[int | None, AfterValidator(lambda bits: None if bits == -1 else bits)] = Field(
        default=DISTANCE,
        ge=-1,
        le=DISTANCE,
        description="bits of a 64-bit hash in which copies may differ; -1: not looked for",
    )
    scale: int | None = Field(default=None, ge=2, le=100, description="number of scores; needed for ratings one by one")
    min_ratings: int = Field(default=10, ge=0, description="pictures with fewer are marked and left out of splits")
    min_viewers: int = Field(default=1, ge=0, description="pictures with fewer are marked and left out of splits")
    include_marked: bool = Field(default=False, description="put marked pictures into splits all the same")
    cache: int | None = Field(
        default=None, ge=16, le=4096, description="also keep squares of so many pixels: fast training"
    )
    shard: int | None = Field(
        default=None,
        ge=0,
        description="pictures a shard; 0: one file  [default: one file up to 1,000 pictures, else 500]",
    )

    @field_validator("split")
    @classmethod
    def _three_shares(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        try:
            checked_shares(shares)
        except InputError as error:
            raise ValueError(str(error)) from None
        return shares


class DatasetSection(DatasetOptions):
    """``[dataset]``: what is joined to one file, and how it is split."""

    out: Path | None = None
    sessions: list[Path] = []  # session files, or folders of them
    fixations: Path | None = None  # or a fixation table
    ratings: Path | None = None  # a histogram table, ratings one by one (rater, image, score), or a public list
    ratings_format: RatingFormat | None = None
    c0: ZeroScore | None = None  # what a column c0 of a histogram table is
    groups: Path | None = None  # CSV: image, group
    lists: dict[str, Path] = {}  # split schemes, CSV: image, split
    categories: Path | None = None  # CSV: image, category
    viewer_groups: Path | None = None  # CSV: participant, group; for conditions human@group=NAME
    predicted: list[Path] = []  # folders of predicted maps, of gazekit attention-model


class DatasetSpec(DatasetOptions, AttentionOptions, Spec):
    """Options of a dataset: masks, maps, splits, and which pictures are in them.

    Parameters
    ----------
    mask, share, share_of, patches, patch_share
        What of people's attention a mask keeps, and all controls keep elsewhere; see
        `gazekit.shapes.mask_spec.MaskSpec`. Patches cover at most half of a picture.
    conditions : sequence of str, optional
        Conditions that the dataset has; by default all that can be made.
    match : {"area", "detail"}
        What controls share with people's mask beside its area; see `gazekit.dataset.detail_match`.
    sigma_deg, sigma_px, weight : float, float or None, {"duration", "count"}
        Of the human map; see `gazekit.attention.viewings.viewings`.
    map : {"gaussian", "likelihood"}
        What the human map is; see `gazekit.attention.density.LikelyViewing`.
    map_size : int
        Longer side of the stored human map, pixels.
    split, seed : int
        Three floats, int Shares of train, validation and test, drawn stratified by mean score.
    folds : int
        Also the schemes ``fold1 .. foldk``.
    schemes : dict
        Also fixed lists, ``{scheme: {"train": ids, "validation": ids, "test": ids}}``; with ``test`` alone the rest
        is dealt out to train and validation.
    partitions : sequence of str
        Also named partitions (`gazekit.dataset.partitions`): ava1, ava2, photonet.
    categories : dict
        Category to pictures, kept as ``dataset.category(name)``.
    groups : dict
        Picture to group (photographer, burst): never on two sides of a split.
    near_duplicates : int or None
        Bits of the 64-bit perceptual hash in which near-duplicates may differ; they form groups. None: not looked for.
    scale : int, optional
        Number of buckets that the histograms must have.
    min_ratings, min_viewers, include_marked : int, int, bool
        Pictures with fewer are marked, and left out of splits unless ``include_marked``.
    strict : bool
        Stop where a picture cannot be read, has no ratings, or is rated and not there, instead of naming it.
    remarks : sequence of (picture, remark, text)
        Kept with those of the build.
    excluded : sequence of dict
        What was left out before, kept in the provenance (`gazekit.session.excluding.Exclusions.account`).
    cache : int, optional
        Also keep every picture as a square of so many pixels.
    shard : int, optional
        Pictures a shard; 0 for one file; by default one file up to 1,000 pictures, beyond that shards of 500.

    Raises
    ------
    ConfigError
        Options that make no sense; all are named.

    Examples
    --------
    >>> spec = DatasetSpec(mask="patches", patches=2, sigma_px=24, folds=5)
    >>> spec.rule().count, spec.split
    (2, (0.8, 0.1, 0.1))
    >>> DatasetSpec(share=1.5)
    Traceback (most recent call last):
    gazekit.core.errors.ConfigError: DatasetSpec has 1 fault:
      share: should be less than or equal to 1, found 1.5
    """

    map_size: int = Field(default=64, ge=8, le=1024, description="longer side of the stored human map, pixels")
    seed: int = Field(default=0, description="of everything random; a study file has its own")
    strict: bool = Field(
        default=False, description="stop at pictures that cannot be read, are not rated, or are rated and not there"
    )
    schemes: dict[str, dict[str, list[str]]] = {}
    categories: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    remarks: list[tuple[str, str, str]] = []
    excluded: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _possible_mask(self) -> DatasetSpec:
        covered = self.patches * self.patch_share**2
        if self.mask == "patches" and covered > MOST + 1e-9:
            raise ValueError(
                f"{self.patches} patches of {self.patch_share:g} of height and width cover {covered:.0%} of a picture; "
                f"at most {MOST:.0%} leaves room for controls elsewhere"
            )
        self.rule()
        return self

    def rule(self) -> MaskSpec:
        """Return what of a map a mask keeps."""
        return MaskSpec(self.mask, self.share, self.share_of, self.patches, self.patch_share)
