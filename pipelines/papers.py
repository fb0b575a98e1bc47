"""The tables of the two papers in their own layout: our numbers with intervals beside the published ones.

Published numbers: Mandal, Becken, Connolly and Stantic (2021), "Residual Attention Network vs Real Attention on
Aesthetic Assessment", Table 1, whose NIMA rows are NIMA's numbers on AVA, not on the reef pictures; Zhang, Gao, Lu and
He (2019), "A Gated Peripheral-Foveal Convolutional Neural Network for Unified Image Aesthetic Prediction", Tables I,
III, IV, V/VI and VII.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.errors import unknown_name
from gazekit.core.files import write_text
from gazekit.core.tables import read_table, write_table
from gazekit.report import wording_of_metrics as words
from gazekit.report.comparison_tables import Cell, Table, metric_heads, value_cell

PAPER1 = {"accuracy": "Accuracy", "lcc": "LCC-Mean", "lcc_std": "LCC-std.dev", "emd1": "EMD"}
PAPER2 = {"accuracy": "Accuracy", "srcc": "SRCC(mean)", "lcc": "LCC(mean)", "mae": "MAE", "rmse": "RMSE", "emd1": "EMD"}
TABLES = {
    "paper1-1": ("Performance of the networks on reef pictures (Mandal et al. 2021, Table 1)", PAPER1),
    "paper2-I": ("Effectiveness of the attention module (Zhang et al. 2019, Table I)", PAPER2),
    "paper2-III": ("Other network architectures (Zhang et al. 2019, Table III)", PAPER2),
    "paper2-IV": ("Eight categories (Zhang et al. 2019, Table IV)", PAPER2),
    "paper2-VI": ("State of the art on AVA (Zhang et al. 2019, Tables V and VI)", PAPER2),
    "paper2-VII": ("Photo.net (Zhang et al. 2019, Table VII)", PAPER2),
}


def published(table: str) -> pd.DataFrame:
    """Read the published rows of a table: category, network, model (our name), condition, metrics."""
    if table not in TABLES:
        raise unknown_name("table", table, TABLES)
    with files("pipelines").joinpath("published.csv").open(encoding="utf-8") as file:
        rows = pd.read_csv(file)
    return rows[rows["table"] == table].drop(columns="table").fillna({"category": "", "condition": ""})


def paper_table(table: str, measured: pd.DataFrame) -> pd.DataFrame:
    """Make a table of a paper with what was measured beside what was published.

    Parameters
    ----------
    measured : DataFrame
        Rows of level ``condition`` of a comparison table; with a column ``category`` for Table IV.

    Returns
    -------
    DataFrame
        A row a published network and measured condition (one without numbers where it was not trained), and a row for
        each measured model that the paper does not have. Per metric: ``<metric>_published``, ``<metric>``,
        ``<metric>_low``, ``<metric>_high``.
    """
    metrics = list(TABLES[table][1]) if table in TABLES else []
    papers = published(table)
    ours = measured.assign(category=measured.get("category", ""))
    columns = ["model", "category", "condition", *(m + end for m in metrics for end in ("", "_low", "_high"))]
    ours = ours.reindex(columns=columns)
    theirs = papers.drop(columns=["condition", *(m for m in ("srcc", "lcc_std", "mae", "rmse") if m not in metrics)])
    joined = theirs.merge(ours, on=["model", "category"], how="outer", suffixes=("_published", ""), sort=False)
    joined["network"] = joined["network"].fillna(joined["model"])
    order = {name: place for place, name in enumerate(dict.fromkeys(papers["network"]))}
    joined["_place"] = joined["network"].map(order).fillna(len(order))
    joined = joined.sort_values(["_place", "network", "category", "condition"], kind="stable")
    columns = ["category", "network", "condition"]
    columns += [m + end for m in metrics for end in ("_published", "", "_low", "_high")]
    return joined[columns].reset_index(drop=True)


def write_paper_tables(folder: str | Path, tables: list[str]) -> list[Path]:
    """Write ``tables/<table>.csv`` and ``.tex`` into a comparison folder."""
    written = []
    for table in tables:
        frame = paper_table(table, _measured(Path(folder), table))
        written.append(write_table(frame, Path(folder) / "tables" / f"{table}.csv"))
        write_text(Path(folder) / "tables" / f"{table}.tex", latex(table, frame))
    return written


def paper_grids(folder: str | Path, tables: list[str]) -> list[Table]:
    """Make the tables for the report: our number with its interval, and the published one under it."""
    return [_grid(table, paper_table(table, _measured(Path(folder), table))) for table in tables]


def latex(table: str, frame: pd.DataFrame) -> str:
    """Write a table as LaTeX (booktabs): ours with its interval, and the published number behind it."""
    title, metrics = TABLES[table]
    lead = [name for name in ("category", "network", "condition") if frame[name].fillna("").ne("").any()]
    titles = [f"{title} (\\%)" if words.metric(name).scale == 100 else title for name, title in metrics.items()]
    head = " & ".join([*(name.capitalize() for name in lead), *titles])
    lines = [
        f"% {title}; ours [95 % interval] (published)",
        rf"\begin{{tabular}}{{{'l' * len(lead)}{'r' * len(metrics)}}}",
        rf"\toprule {head} \\ \midrule",
    ]
    for row in frame.to_dict("records"):
        cells = [_escaped(row[name]) for name in lead] + [_cell(row, metric) for metric in metrics]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _measured(folder: Path, table: str) -> pd.DataFrame:
    if table == "paper2-IV" and (folder / "categories.csv").exists():
        return read_table(folder / "categories.csv", ["category", "model", "condition"], "category table")
    rows = read_table(folder / "comparison.csv", ["level", "model", "condition"], "comparison table")
    return rows[rows["level"] == "condition"]


def _grid(table: str, frame: pd.DataFrame) -> Table:
    title, metrics = TABLES[table]
    lead = {"category": "Category", "network": "Network", "condition": "Sees"}
    there = [name for name in lead if frame[name].fillna("").ne("").any()]
    rows = [
        [*(_name_cell(name, row[name]) for name in there), *(_value_cell(row, m) for m in metrics)]
        for row in frame.to_dict("records")
    ]
    heads = [*((lead[name], "") for name in there), *metric_heads(metrics)]
    return Table(table, f"{title}.", heads, rows, row_heads=len(there))


def _name_cell(column: str, value: object) -> Cell:
    text = "" if pd.isna(value) else str(value)
    shown = words.condition(text) if column == "condition" and text else text
    return Cell(shown, sort=shown)


def _value_cell(row: dict[str, Any], metric: str) -> Cell:
    ours = value_cell(row[metric], row[f"{metric}_low"], row[f"{metric}_high"], metric)
    if pd.isna(row[f"{metric}_published"]):
        return ours
    theirs = f"published {words.number(row[f'{metric}_published'] * words.metric(metric).scale, _digits(metric))}"
    return replace(ours, interval=f"{ours.interval} {theirs}".strip())


def _cell(row: dict[str, float], metric: str) -> str:
    digits, scale = words.metric(metric).digits, words.metric(metric).scale
    names = (metric, f"{metric}_low", f"{metric}_high")
    ours, low, high = ("--" if pd.isna(row[name]) else f"{row[name] * scale:.{digits}f}" for name in names)
    theirs = row[f"{metric}_published"]
    text = ours if ours == "--" else f"{ours} [{low}, {high}]"
    return text if pd.isna(theirs) else f"{text} ({theirs * scale:.{_digits(metric)}f})"


def _digits(metric: str) -> int:
    """Return the digits of a published number: four of a share, which are two of a per cent."""
    return 2 if words.metric(metric).scale == 100 else 4


def _escaped(value: object) -> str:
    return "" if pd.isna(value) else str(value).replace("_", r"\_").replace("&", r"\&").replace("%", r"\%")
