"""The board: people by pictures, each cell a trial with a figure of its quality."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Bools, Floats, Index
from gazekit.explore.board_choice import BoardChoice
from gazekit.explore.board_exclusions import excluded_trials
from gazekit.explore.material import Material

PALETTE = "cividis"
"""From bad (dark blue) to good (yellow), made so that people with any colour vision read the same (Nunez 2018)."""


class _Figure(NamedTuple):
    column: str
    words: str
    unit: str
    limit: str  # of the thresholds
    usual: float  # where no limit is set
    upper: bool  # whether more is worse


FIGURES = {
    "loss": _Figure("loss_percent", "gaze lost", "%", "max_loss_percent", 25.0, True),
    "delivered": _Figure("delivered_percent", "samples delivered", "%", "min_delivered_percent", 95.0, False),
    "accuracy": _Figure("accuracy_deg", "accuracy of the validation", "deg", "max_accuracy_deg", 1.0, True),
    "precision": _Figure("rms_s2s_deg", "precision (RMS-S2S)", "deg", "max_rms_s2s_deg", 0.5, True),
    "timing": _Figure("onset_error_ms", "error of the onset", "ms", "max_onset_error_ms", 50.0, True),
}


@dataclass(frozen=True)
class Scale:
    """From which value to which the colours go, fixed by the thresholds: the same colour is the same quality."""

    words: str
    unit: str
    good: float
    bad: float
    limit: float

    def shares(self, values: Floats) -> Floats:
        """Return how good values are, from 0 (as bad as the scale goes) to 1; NaN stays."""
        return np.clip((values - self.bad) / (self.good - self.bad), 0.0, 1.0)


@dataclass(frozen=True)
class Board:
    """Hold the board of p people and q pictures.

    Attributes
    ----------
    choice : BoardChoice
        What was asked for.
    scale : Scale
        What the colours mean.
    people, pictures : list of str
        Names, in order.
    values : ndarray, shape (p, q)
        The figure of the worst of a person's trials with a picture; NaN where there is none, or it is not known.
    row : ndarray of int64, shape (p, q)
        The row of that trial in ``trials``; -1 where there is none.
    left_out : ndarray of bool, shape (p, q)
        Whether that trial is better left out.
    excluded : ndarray of bool, shape (p, q)
        Whether that trial is excluded (or an eye of it).
    trials : DataFrame
        The trials chosen, as in `Material.trials`, with ``figure``, which the colour shows, and ``excluded``, why.
    """

    choice: BoardChoice
    scale: Scale
    people: list[str]
    pictures: list[str]
    values: Floats
    row: Index
    left_out: Bools
    excluded: Bools
    trials: pd.DataFrame
    material: Material

    @cached_property
    def people_table(self) -> pd.DataFrame:
        """A row a person: `StudyStatus.participants`, the mean figure, trials shown, left out and excluded."""
        status = self.material.status.participants.set_index("participant", drop=False).loc[self.people]
        return status.assign(**self._counts("participant", self.people)).reset_index(drop=True)

    @cached_property
    def pictures_table(self) -> pd.DataFrame:
        """A row a picture: `StudyStatus.pictures`, the mean figure, trials shown, left out and excluded."""
        status = self.material.status.pictures.set_index("image", drop=False).reindex(self.pictures)
        status["image"] = self.pictures
        return status.assign(**self._counts("image", self.pictures)).reset_index(drop=True)

    def _counts(self, column: str, names: list[str]) -> dict[str, Any]:
        marked = {"left_out": self.trials["leave_out"] != "", "excluded": self.trials["excluded"] != ""}
        grouped = self.trials.assign(**marked).groupby(column, sort=False)
        counted = {"trials": ("left_out", "size"), **{name: (name, "sum") for name in marked}}
        facts = grouped.agg(mean=("figure", "mean"), **counted).reindex(names)
        return {"mean": facts["mean"].to_numpy(), **{
            name: facts[name].fillna(0).astype(int).to_numpy() for name in counted
        }}  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Return what the canvas draws, as JSON."""
        keys = self.trials["key"].to_numpy()[self.row]
        numbers = self.trials["number"].to_numpy()[self.row]
        sessions = sorted(set(self.trials["key"]))
        place = {key: number for number, key in enumerate(sessions)}
        here = self.row >= 0
        where = np.full(self.row.shape, -1)
        where[here] = [place[key] for key in keys[here]]
        shares = self.scale.shares(self.values)
        return {
            "people": self.people,
            "pictures": self.pictures,
            "sessions": sessions,
            "session": where.tolist(),
            "number": np.where(here, numbers, 0).tolist() if len(self.trials) else self.row.tolist(),
            "value": [[None if v != v else round(v, 3) for v in line] for line in self.values.tolist()],
            "colour": np.where(np.isnan(shares), -1, np.round(np.nan_to_num(shares) * 63)).astype(int).tolist(),
            "left_out": self.left_out.astype(int).tolist(),
            "excluded": self.excluded.astype(int).tolist(),
            "palette": palette(),
            "words": self.scale.words,
            "unit": self.scale.unit,
        }


def palette() -> list[str]:
    """Return the 64 colours from bad to good, as the web writes them."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[PALETTE](share)) for share in np.linspace(0.0, 1.0, 64)]


def make_board(material: Material, choice: BoardChoice | None = None) -> Board:
    """Make the board of what is explored.

    Raises
    ------
    InputError
        A level or block that nobody has.

    Examples
    --------
    >>> from gazekit.explore import load_material
    >>> board = make_board(load_material(["sample_data/sessions"], keep=False))
    >>> board.people, len(board.pictures), board.values.shape
    (['P01', 'P02'], 6, (2, 6))
    """
    choice = choice or BoardChoice()
    trials = _chosen(material, choice)
    people = list(dict.fromkeys(facts.participant for facts in material.sessions))
    present = set(trials["participant"])
    people = [name for name in people if name in present]
    pictures = sorted(set(trials["image"]))
    scale = _scale(material, choice)
    figures = trials[FIGURES[choice.colour].column].to_numpy(dtype=float)
    figures = np.abs(figures) if choice.colour == "timing" else figures
    trials = trials.assign(figure=figures)
    shares = np.nan_to_num(scale.shares(figures), nan=2.0)
    row = np.full((len(people), len(pictures)), -1, dtype=np.int64)
    order = np.argsort(-shares, kind="stable")  # the worst is written last
    at_person = {name: n for n, name in enumerate(people)}
    at_picture = {name: n for n, name in enumerate(pictures)}
    person = np.array([at_person[name] for name in trials["participant"]], dtype=np.int64)
    picture = np.array([at_picture[name] for name in trials["image"]], dtype=np.int64)
    row[person[order], picture[order]] = order
    values = np.where(row >= 0, figures[row] if len(figures) else np.nan, np.nan)
    left_out, excluded = (
        (row >= 0) & ((trials[name] != "").to_numpy()[row] if len(trials) else False)
        for name in ("leave_out", "excluded")
    )
    board = Board(choice, scale, people, pictures, values, row, left_out, excluded, trials, material)
    return _sorted(board)


def _scale(material: Material, choice: BoardChoice) -> Scale:
    figure = FIGURES[choice.colour]
    limit = getattr(material.quality, figure.limit)
    limit = figure.usual if limit is None else float(limit)
    good, bad = (0.0, 2 * limit) if figure.upper else (100.0, 2 * limit - 100.0)
    return Scale(figure.words, figure.unit, good, bad if bad != good else good - 10.0, limit)


def _chosen(material: Material, choice: BoardChoice) -> pd.DataFrame:
    trials = material.trials
    trials = trials.assign(excluded=excluded_trials(material, trials))
    keep = np.ones(len(trials), dtype=bool)
    for text in filter(None, choice.level):
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"{text!r} is not of the form group=a")
        if value not in material.levels.get(name, ()):
            known = [f"{key}={one}" for key, values in material.levels.items() for one in values]
            raise unknown_name("level", text, known)
        keep &= (trials[f"level.{name}"] == value).to_numpy()
    if choice.block:
        keep &= (trials["block"] == choice.block).to_numpy()
        if not keep.any():
            raise unknown_name("block", choice.block, sorted(set(trials["block"])))
    if choice.verdict != "all":
        keep &= (trials["verdict"] == choice.verdict).to_numpy()
    if choice.show == "excluded":
        keep &= (trials["excluded"] != "").to_numpy()
    elif choice.show != "all":
        keep &= ((trials["leave_out"] == "") == (choice.show == "good")).to_numpy()
    if choice.search:
        text = choice.search.lower()
        names = trials["participant"] + "\n" + trials["image"].astype(str)
        keep &= names.str.lower().str.contains(text, regex=False).to_numpy()
    return trials[keep].reset_index(drop=True)


def _sorted(board: Board) -> Board:
    choice = board.choice
    people = np.arange(len(board.people))
    pictures = np.arange(len(board.pictures))
    if choice.sort_people == "value":
        people = _worst_first(board, board.people_table["mean"])
    elif choice.sort_people == "date":
        people = board.people_table["date"].astype(str).argsort(kind="stable").to_numpy()
    if choice.sort_pictures == "value":
        pictures = _worst_first(board, board.pictures_table["mean"])
    elif choice.sort_pictures == "viewers":
        pictures = board.pictures_table["good_viewers"].fillna(0).argsort(kind="stable").to_numpy()
    if choice.reverse:
        people, pictures = people[::-1], pictures[::-1]
    at = np.ix_(people, pictures)
    return Board(
        choice,
        board.scale,
        [board.people[n] for n in people],
        [board.pictures[n] for n in pictures],
        board.values[at],
        board.row[at],
        board.left_out[at],
        board.excluded[at],
        board.trials,
        board.material,
    )


def _worst_first(board: Board, means: pd.Series[float]) -> Index:
    return np.argsort(np.nan_to_num(board.scale.shares(means.to_numpy(dtype=float)), nan=2.0), kind="stable")
