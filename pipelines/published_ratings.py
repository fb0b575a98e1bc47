"""Ratings of a published study: of the survey's database or of a table, without what could tell who gave them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.files import write_text
from gazekit.core.tables import read_table, write_table
from gazekit.study import Study

FOLDER = "ratings"
TABLE, CODEBOOK = f"{FOLDER}/ratings.csv", f"{FOLDER}/codebook.json"
TYPES = {"i": "sc:Integer", "f": "sc:Float", "b": "sc:Boolean"}
COLUMNS: Mapping[str, tuple[str, str]] = {  # description and unit; every other column stays out
    "rater": ("Rater, numbered anew for publication", ""),
    "image": ("Id of the picture", ""),
    "score": ("The rating", "points"),
    "kind": ("main, repeat, practice, gold, check, spare, excluded or withdrawn", ""),
    "expected": ("What a check of attention asked for", "points"),
    "time_ms": ("Time from picture to answer", "ms"),
    "attribute": ("What was rated", ""),
    "count": ("Number of ratings", ""),
    "mean": ("Mean rating", "points"),
    "std": ("Standard deviation of the ratings", "points"),
    "n": ("Number of ratings", ""),
    "best": ("The picture that was chosen, as the better or the best one", ""),
    "worst": ("The picture that was chosen as the worst one", ""),
    **{f"picture{n}": ("A picture that was shown, in its place", "") for n in range(1, 10)},
    **dict.fromkeys(("blurs", "entered", "changes", "inputs"), ("Behaviour that the page reported", "")),
    **dict.fromkeys(("server_ms", "load_ms", "exposed_ms"), ("Time that the page reported", "ms")),
    **dict.fromkeys(("shown_w", "shown_h"), ("Size of the picture on the page", "CSS pixels")),
}


def database_of(study: Path, database: str | None) -> str | None:
    """Return the survey's database: the one that is given, or the one beside the study file where it is there."""
    beside = study.with_suffix(".survey.db")
    return database or (str(beside) if beside.is_file() else None)


def write_ratings(
    plan: Study, base: Path, database: str | None, root: Path, left_out: list[str]
) -> dict[str, tuple[Any, str]]:
    """Write ratings and their codebook into a published folder; return what the methods tell of them."""
    if plan.survey is not None and database is not None:
        table, name = _of_database(plan, database), "the survey's database"
        if plan.dataset.ratings is not None:
            left_out.append(f"{plan.dataset.ratings}: the ratings are those of the survey's database, one by one")
        left_out.append("answers of raters about themselves, times of day, and who they are on a platform")
    else:
        path = base / str(plan.dataset.ratings)
        table, name = read_table(path, [], "table of ratings"), path.name
    counts = [str(column) for column in table.columns if re.fullmatch(r"c\d+", str(column))]
    keep = [str(column) for column in table.columns if column in COLUMNS or column in counts]
    dropped = [str(column) for column in table.columns if column not in keep]
    if dropped:
        left_out.append(f"columns of {name} that could tell who a rater is, or are free text: {', '.join(dropped)}")
    table = table[keep].copy()
    if "rater" in table:
        codes, names = pd.factorize(table["rater"], sort=True)
        table["rater"] = [f"r{code + 1:04d}" if code >= 0 else "" for code in codes]
        left_out.append(f"the ids of {len(names)} raters, who are numbered anew")
    (root / FOLDER).mkdir()
    write_table(table, root / TABLE)
    write_text(root / CODEBOOK, json.dumps(codebook(table, plan), indent=1, ensure_ascii=False) + "\n")
    pictures = {name for column in ("image", *(f"picture{n}" for n in range(1, 10))) if column in table
                for name in table[column].dropna() if name}  # fmt: skip
    facts: dict[str, tuple[Any, str]] = {"ratings": (len(table), TABLE), "rated": (len(pictures), TABLE)}
    facts["raters"] = (table["rater"].nunique() if "rater" in table else "unnamed", TABLE)
    return facts


def _of_database(plan: Study, database: str) -> pd.DataFrame:
    from survey.database import open_store
    from survey.rating_export import export_choices, export_ratings

    assert plan.survey is not None
    with open_store(database, create=False) as store:
        if plan.survey.task == "rate":
            return export_ratings(store, scales=plan.survey.asked)
        return export_choices(store)


def codebook(table: pd.DataFrame, plan: Study) -> dict[str, dict[str, Any]]:
    """Describe every column: meaning, unit, type, cells that are missing; of answers the question and its words too."""
    book: dict[str, dict[str, Any]] = {}
    for name in map(str, table.columns):
        description, unit = COLUMNS.get(name, (f"Number of ratings of {name[1:]}", ""))
        kind = getattr(table[name].dtype, "kind", "O")
        book[name] = {"description": description, "type": TYPES.get(kind, "sc:Text"), "unit": unit}
        book[name]["missing"] = int((table[name].isna() | (table[name].astype(str) == "")).sum())
    if plan.survey is None:
        return book
    questions = {
        scale.name: {"question": scale.question, "anchors": {str(k): v for k, v in scale.anchors.items()}}
        for scale in plan.survey.asked
    }
    if "score" in book:
        book["score"] |= {"minimum": 1, "maximum": plan.survey.scale, "questions": questions}
    if "attribute" in book:
        book["attribute"]["values"] = list(questions)
    return book
