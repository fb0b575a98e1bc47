"""The plans of participants who have not come yet: what chance and balance make of a design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from gazekit.capture.design import Assigned, assign, read_participants
from gazekit.capture.plan import plan_session
from gazekit.capture.settings import SessionSections


@dataclass(frozen=True)
class Preview:
    """Plans of several participants.

    ``plans`` : a row for each picture that is shown: participant, the levels of the factors, language, position
    (from 1), block, image, presentation.
    """

    plans: pd.DataFrame
    factors: list[str]

    def cells(self) -> pd.DataFrame:
        """Count participants in each combination of levels (and language)."""
        people = self.plans.drop_duplicates("participant")
        by = [*self.factors, "language"]
        return people.groupby(by, sort=True).size().rename("participants").reset_index()

    def positions(self) -> pd.DataFrame:
        """Say where each picture comes: mean, first and last position, in how many different ones, how often first."""
        first = self.plans[self.plans["presentation"] == 1]
        groups = first.groupby("image", sort=True)["position"]
        table = groups.agg(["mean", "min", "max", "nunique"])
        table["first"] = groups.agg(lambda place: int((place == 1).sum()))
        return table.rename(columns={"nunique": "different"}).reset_index()

    def blocks(self) -> pd.DataFrame:
        """Count how often each block stands at each place; empty without blocks."""
        named = self.plans[self.plans["block"] != ""]
        order = named.drop_duplicates(["participant", "block"]).copy()
        order["place"] = order.groupby("participant").cumcount() + 1
        return order.groupby(["block", "place"]).size().rename("participants").reset_index()

    def to_json(self) -> dict[str, Any]:
        """Return the same for a program."""
        tables = {"plans": self.plans, "cells": self.cells(), "positions": self.positions(), "blocks": self.blocks()}
        return {name: table.to_dict("records") for name, table in tables.items()}

    def sentences(self) -> list[str]:
        """Say it in words: a line a participant, then the balance."""
        lines = []
        for participant, rows in self.plans.groupby("participant", sort=False):
            levels = [*(rows[name].iloc[0] for name in self.factors), rows["language"].iloc[0]]
            images = ", ".join(
                image if number == 1 else f"{image} ({number})"
                for image, number in zip(rows["image"], rows["presentation"], strict=True)
            )
            lines.append(f"{participant}  {' '.join(map(str, levels))}  {images}")
        for title, table in (
            ("participants of each combination", self.cells()),
            ("blocks at each place", self.blocks()),
            ("positions of the pictures, from 1", self.positions()),
        ):
            if len(table):
                lines += ["", title, table.to_string(index=False, float_format="{:.1f}".format)]
        return lines


def preview_study(sections: SessionSections, participants: int = 20) -> Preview:
    """Draw the plans of participants P01, P02, ... in their order of arrival.

    Levels that are given or in the participant table are taken in turn, since nobody has come yet.

    Parameters
    ----------
    sections : SessionSections
        The study.
    participants : int
        How many.

    Returns
    -------
    Preview
        Their plans, and what is balanced in them.
    """
    table = read_participants(sections)
    names = [f"P{n + 1:02d}" for n in range(participants)] if table is None else list(table["participant"])
    names = (names + [f"P{n + 1:02d}" for n in range(len(names), participants)])[:participants]
    seed, assigned, rows = sections.study.seed, list[Assigned](), []
    for n, name in enumerate(names):
        known = (
            {}
            if table is None
            else {
                str(key): value for key, value in table[table["participant"] == name].iloc[:1].to_dict("list").items()
            }
        )
        given, turn = {}, n
        for factor in sections.factors:
            if factor.assign != "balanced" and not any(known.get(factor.name, [])):
                given[factor.name] = factor.levels[turn % len(factor.levels)]
                turn //= len(factor.levels)
        assigned.append(assign(sections, name, seed, given=given, others=[other.levels for other in assigned]))
        for trial in plan_session(sections, name, seed, assigned[-1]):
            rows.append(
                {
                    "participant": name,
                    **assigned[-1].levels,
                    "language": assigned[-1].language,
                    "position": trial.order + 1,
                    "block": trial.task.name if trial.task else "",
                    "image": trial.picture.image,
                    "presentation": trial.presentation,
                }
            )
    return Preview(pd.DataFrame(rows), [factor.name for factor in sections.factors])
