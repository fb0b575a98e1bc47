"""The report's tables: cells of value and interval, the same for HTML, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from gazekit.attention.judging import CONVENTIONS
from gazekit.report.wording_of_metrics import condition, finite, interval, metric, number, p_value
from gazekit.stats.comparison_folder import Comparison


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: text, the interval under it, the number to sort by, the interval as numbers."""

    text: str
    interval: str = ""
    sort: float | str = ""
    strong: bool = False
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    """A table: heads with what they mean, and rows of cells; the first cells of a row head it."""

    name: str
    caption: str
    heads: list[tuple[str, str]]
    rows: list[list[Cell]]
    kinds: list[str] = field(default_factory=list)  # a class a row: condition, floor, ceiling
    row_heads: int = 1

    def frame(self) -> pd.DataFrame:
        """Return the table with plain numbers, the ends of an interval in columns of their own."""
        columns: dict[str, list[float | str]] = {}
        for place, (head, _) in enumerate(self.heads):
            cells = [row[place] for row in self.rows]
            name = head.replace("↑", "").replace("↓", "").strip()
            numbers = place >= self.row_heads and any(isinstance(cell.sort, float) for cell in cells)
            columns[name] = [cell.sort if numbers else cell.text for cell in cells]
            if any(cell.bounds for cell in cells):
                for side, end in enumerate(("low", "high")):
                    columns[f"{name} {end}"] = ["" if c.bounds is None else c.bounds[side] for c in cells]
        return pd.DataFrame(columns)


def results_table(comparison: Comparison) -> Table:
    """Return every model and condition with its interval, floors and ceilings beneath."""
    names = comparison.metrics
    table = comparison.rows[comparison.rows["level"] != "seed"]
    order = table["level"].map({"condition": 0, "floor": 1, "ceiling": 2})
    table = table.assign(_order=order).sort_values("_order", kind="stable")
    one_size = table["n"].nunique() == 1
    rows, kinds = [], []
    for _, row in table.iterrows():
        cells = [*_row_names(row), *([] if one_size else [Cell(number(row["n"], 0), sort=_sortable(row["n"]))])]
        cells += [value_cell(row[name], row.get(f"{name}_low"), row.get(f"{name}_high"), name) for name in names]
        rows.append(cells)
        kinds.append(str(row["level"]))
    heads = [("Model", ""), ("Sees", "what the model sees of a picture")]
    heads += [] if one_size else [("n", "pictures of the test split")]
    size = f": {number(table['n'].iloc[0], 0)}" if one_size else ""
    caption = (
        f"Test pictures{size}. Means over seeds; in brackets the 95 % interval from resampling pictures and seeds. "
        "Whether a difference is real is for the next table to say."
    )
    return Table("results", caption, heads + metric_heads(names), rows, kinds, row_heads=2)


def paired_tables(comparison: Comparison) -> tuple[Table, Table]:
    """Return the paired differences: of the metric that is concluded from, and of all metrics."""
    there = list(dict.fromkeys(comparison.paired["metric"]))
    primary = next((m for m in (comparison.conclusion.get("primary"), "srcc", *there) if m in there), "")
    first = comparison.paired[comparison.paired["metric"] == primary]
    alpha = float(comparison.conclusion.get("alpha", 0.05))
    bold = f"Bold where a difference is claimed: corrected p of at most {alpha:g}, and an interval that leaves out 0."
    caption = (
        f"Paired differences in {metric(str(primary)).label}: the same pictures, the same seeds, first side minus "
        f"second. {bold}"
    )
    return (
        _paired_table("paired", caption, _with_registration(first, comparison.conclusion), alpha),
        _paired_table(
            "paired-all",
            f"Paired differences in every metric. {bold}",
            _with_registration(comparison.paired, comparison.conclusion),
            alpha,
        ),
    )


def _with_registration(paired: pd.DataFrame, words: Mapping[str, Any]) -> pd.DataFrame:
    """Add the column ``registered`` where the study was: what was registered, and what is exploratory."""
    if "registration" not in words:
        return paired
    registered = {
        (c["model"], c["a"], c["b"], c["metric"], c.get("model_b", "")) for c in words["claims"] if c["registered"]
    }
    second = paired["model_b"].fillna("") if "model_b" in paired else [""] * len(paired)
    names = (paired[name] for name in ("model", "condition_a", "condition_b", "metric"))
    rows = zip(*names, second, strict=True)
    return paired.assign(registered=["yes" if row in registered else "exploratory" for row in rows])


def claimed(row: Mapping[Hashable, Any], alpha: float) -> bool:
    """Return whether a row of ``paired.csv`` claims a difference."""
    p = finite(row.get("p_holm"))
    return p is not None and p <= alpha and excludes_zero(row["low"], row["high"])


def _paired_table(name: str, caption: str, table: pd.DataFrame, alpha: float) -> Table:
    sized = "pictures_for_size" in table and table["pictures_for_size"].notna().any()
    margin = "p_equivalence" in table
    rows = []
    for row in table.to_dict("records"):
        second = f" of {row['model_b']}" if isinstance(row.get("model_b"), str) and row["model_b"] else ""
        cells = [
            Cell(str(row["model"]), sort=str(row["model"])),
            Cell(f"{condition(row['condition_a'])} − {condition(row['condition_b'])}{second}", sort=row["condition_a"]),
            Cell(metric(str(row["metric"])).label, sort=str(row["metric"])),
            value_cell(row["difference"], row["low"], row["high"], str(row["metric"]), strong=claimed(row, alpha)),
        ]
        columns = [("p", p_value), ("p_holm", p_value)]
        columns += [("p_equivalence", p_value), ("p_not_inferior", p_value)] if margin else []
        cells += [Cell(write(row.get(key)), sort=_sortable(row.get(key))) for key, write in columns]
        cells.append(Cell(number(row.get("effect_size")), sort=_sortable(row.get("effect_size"))))
        if sized:
            cells.append(Cell(number(row["pictures_for_size"], 0), sort=_sortable(row["pictures_for_size"])))
        cells.append(replace(value_cell(row.get("detectable"), None, None, str(row["metric"])), bounds=None))
        cells += [Cell(row["registered"], sort=row["registered"])] if "registered" in row else []
        rows.append(cells)
    heads = [
        ("Model", ""),
        ("Difference", "first side minus second, on the same pictures"),
        ("Metric", ""),
        ("Value", "with its 95 % interval"),
        ("p", "the larger of a permutation test on paired pictures and a t test that counts the luck of training"),
        ("p corrected", "for the number of tests (Holm), and for those that come first"),
    ]
    if margin:
        heads.append(("p equivalent", "of two one-sided tests, corrected"))
        heads.append(("p not worse", "that the first side is not worse by the margin, corrected"))
    heads.append(("Effect size", "difference over its standard deviation between pictures"))
    if sized:
        heads.append(("Pictures needed", "test pictures with which the stated difference would be seen 8 times in 10"))
    heads.append(
        ("Detectable", "the least true difference that would be seen 8 times in 10 with these pictures and seeds")
    )
    if "registered" in table:
        heads.append(("Registered", "before any score was seen; all else is exploratory"))
    return Table(name, caption, heads, rows, row_heads=2)


def worth_table(comparison: Comparison) -> Table:
    """Return what the scores are worth: their share of the reachable gain, and how many raters."""
    primary = str(comparison.conclusion.get("primary", "srcc"))
    rows = []
    for row in comparison.worth[comparison.worth["metric"] == primary].to_dict("records"):
        share = [row.get(key) for key in ("reachable", "reachable_low", "reachable_high")]
        cells = [Cell(str(row["model"]), sort=str(row["model"])), Cell(condition(str(row["condition"])))]
        between = interval(share[1], share[2], 2)
        cells.append(Cell(number(share[0], 2), between, _sortable(share[0]), bounds=_bounds(*share[1:])))
        ends = [row.get(key) for key in ("raters", "raters_low", "raters_high")]
        text, low, high = ("> 500" if finite(end) is None else number(end, 1) for end in ends)
        cells.append(Cell(text, f"[{low}, {high}]", _sortable(ends[0]), bounds=_bounds(*ends[1:])))
        rows.append(cells)
    caption = (
        f"What a score is worth, by {metric(primary).label}: the share of the way from the floor, which sees no "
        "picture, to the ceiling, the true distributions of ratings; and how many raters it takes for their mean to "
        "reach the same score."
    )
    heads = [("Model", ""), ("Sees", ""), ("Share of the reachable", ""), ("Worth in raters", "")]
    return Table("worth", caption, heads, rows, row_heads=2)


def agreement_table(comparison: Comparison) -> Table:
    """Return the agreement of maps with where people looked: a row a model or baseline, a column a metric."""
    table = comparison.agreement
    who = next((c for c in table.columns if c not in ("metric", "value", "low", "high", "n")), "")
    names = [str(name) for name in dict.fromkeys(table["metric"])]
    rows = []
    for name in dict.fromkeys(table[who]) if who else []:
        found = table[table[who] == name].drop_duplicates("metric").set_index("metric")
        cells = [Cell(str(name), sort=str(name))]
        for m in names:
            row = found.loc[m] if m in found.index else {}
            cells.append(value_cell(row.get("value"), row.get("low"), row.get("high"), m))
        rows.append(cells)
    caption = (
        "How well each map tells where people looked on the test pictures, with 95 % intervals; all maps are judged by "
        "one viewer after the other. "
        "The ceiling is what other people's maps reach, the floor what the centre of the picture reaches. "
        f"Convention: {CONVENTIONS[comparison.conclusion.get('method', {}).get('convention', 'gazekit')]}."
    )
    return Table("agreement", caption, [("Map", ""), *metric_heads(names)], rows)


def own_answers_table(answers: pd.DataFrame | None) -> Table:
    """Return whether people's own gaze predicts their own ratings: a row a measure, as `gazekit attention --own`."""
    rows = []
    for row in () if answers is None else answers.to_dict("records"):
        rows.append([
            Cell(str(row["measure"]), sort=str(row["measure"])),
            Cell(number(row["correlation"], 2), sort=_sortable(row["correlation"])),
            Cell(number(row["slope"], 3), interval(row["low"], row["high"], 3), _sortable(row["slope"]),
                 bounds=_bounds(row["low"], row["high"])),
            Cell(p_value(row["p_holm"]), sort=_sortable(row["p_holm"])),
            *(Cell(number(row[name], 0), sort=_sortable(row[name])) for name in ("people", "pictures")),
        ])  # fmt: skip
    heads = [
        ("Measure", ""),
        ("r", "correlation of measure and rating without the levels of people and pictures"),
        ("Slope", "score by one unit of the measure, with its 95 % interval"),
        ("p", "two-sided, by swaps within pictures, corrected over the measures (Holm)"),
        ("People", ""),
        ("Pictures", ""),
    ]
    caption = "Each person's own gaze against that person's own rating, beyond what everybody does and says."
    return Table("own-answers", caption, heads, rows)


def categories_table(comparison: Comparison) -> Table:
    """Return every category of picture by itself, as in Table IV of Zhang et al. 2019."""
    table = comparison.categories
    names = [name for name in comparison.metrics if name in table]
    rows = [
        [
            Cell(str(row["category"]), sort=str(row["category"])),
            *_row_names(row),
            Cell(number(row["n"], 0), sort=_sortable(row["n"])),
            *(value_cell(row[name], row.get(f"{name}_low"), row.get(f"{name}_high"), name) for name in names),
        ]
        for _, row in table.assign(level="condition").iterrows()
    ]
    heads = [
        ("Category", ""),
        ("Model", ""),
        ("Sees", ""),
        ("n", "test pictures of the category"),
        *metric_heads(names),
    ]
    caption = "The same metrics on the test pictures of one category, with 95 % intervals."
    return Table("categories", caption, heads, rows, row_heads=3)


def seeds_table(comparison: Comparison) -> Table:
    """Return every single run."""
    names = comparison.metrics
    table = comparison.rows[comparison.rows["level"] == "seed"]
    rows = [
        [
            *_row_names(row),
            Cell(number(row["seed"], 0), sort=_sortable(row["seed"])),
            *(value_cell(row[name], None, None, name) for name in names),
        ]
        for _, row in table.iterrows()
    ]
    heads = [("Model", ""), ("Sees", ""), ("Seed", ""), *metric_heads(names)]
    return Table("seeds", "Every run by itself.", heads, rows, row_heads=2)


def metric_heads(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return heads of metric columns, with an arrow that says which way is better."""
    return [(f"{metric(n).label} {'↑' if metric(n).higher_is_better else '↓'}", metric(n).meaning) for n in names]


def value_cell(value: object, low: object, high: object, name: str, *, strong: bool = False) -> Cell:
    """Return a metric's value with its interval."""
    digits = metric(name).digits
    value, low, high = (None if (v := finite(one)) is None else v * metric(name).scale for one in (value, low, high))
    return Cell(number(value, digits), interval(low, high, digits), _sortable(value), strong, _bounds(low, high))


def excludes_zero(low: object, high: object) -> bool:
    """Return whether an interval lies wholly on one side of 0."""
    bottom, top = finite(low), finite(high)
    return bottom is not None and top is not None and (bottom > 0 or top < 0)


def _row_names(row: pd.Series) -> list[Cell]:
    model, name = str(row["model"]), str(row["condition"])
    if row["level"] in ("floor", "ceiling"):
        label = " ".join(part for part in dict.fromkeys([model, name]) if part)
        return [Cell(label, sort=label), Cell(str(row["level"]), sort=f"~{row['level']}")]
    return [Cell(model, sort=model), Cell(condition(name), sort=condition(name))]


def _bounds(low: object, high: object) -> tuple[float, float] | None:
    bottom, top = finite(low), finite(high)
    return None if bottom is None or top is None else (bottom, top)


def _sortable(value: object) -> float | str:
    found = finite(value)
    return "" if found is None else found
