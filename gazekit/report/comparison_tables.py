"""The report's tables: cells of value and interval, the same for HTML, CSV and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import pandas as pd

from gazekit.report.wording_of_metrics import condition, finite, interval, metric, number, p_value
from gazekit.stats.comparison_folder import Comparison


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: text, the interval under it, the number to sort by."""

    text: str
    interval: str = ""
    sort: float | str = ""
    strong: bool = False


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
        """Return the table as text, an interval after its value."""
        cells = [[f"{c.text} {c.interval}".strip() for c in row] for row in self.rows]
        return pd.DataFrame(cells, columns=[head for head, _ in self.heads])


def results_table(comparison: Comparison) -> Table:
    """Return every model and condition with its interval, floors and ceilings beneath."""
    names = comparison.metrics
    table = comparison.rows[comparison.rows["level"] != "seed"]
    order = table["level"].map({"condition": 0, "floor": 1, "ceiling": 2})
    table = table.assign(_order=order).sort_values("_order", kind="stable")
    best = _best(table[table["level"] == "condition"], names)
    one_size = table["n"].nunique() == 1
    rows, kinds = [], []
    for key, row in table.iterrows():
        cells = [*_row_names(row), *([] if one_size else [Cell(number(row["n"], 0), sort=_sortable(row["n"]))])]
        cells += [
            value_cell(
                row[name], row.get(f"{name}_low"), row.get(f"{name}_high"), name, strong=key in best.get(name, ())
            )
            for name in names
        ]
        rows.append(cells)
        kinds.append(str(row["level"]))
    heads = [("Model", ""), ("Sees", "what the model sees of a picture")]
    heads += [] if one_size else [("n", "pictures of the test split")]
    size = f", {number(table['n'].iloc[0], 0)} pictures" if one_size else ""
    caption = (
        f"Test split{size}. Means over seeds; in brackets the 95 % interval from resampling pictures and seeds. The "
        "best value of a column is bold, which says nothing of whether the difference is real: see the next table."
    )
    return Table("results", caption, heads + metric_heads(names), rows, kinds, row_heads=2)


def paired_tables(comparison: Comparison) -> tuple[Table, Table]:
    """Return the paired differences: of the metric that is concluded from, and of all metrics."""
    there = list(dict.fromkeys(comparison.paired["metric"]))
    primary = next((m for m in (comparison.conclusion.get("primary"), "srcc", *there) if m in there), "")
    first = comparison.paired[comparison.paired["metric"] == primary]
    caption = (
        f"Paired differences in {metric(str(primary)).label}: the same pictures, the same seeds, first condition minus "
        "second. Bold where the interval leaves out 0."
    )
    every = "Paired differences in every metric. Bold where the interval leaves out 0."
    return _paired_table("paired", caption, first), _paired_table("paired-all", every, comparison.paired)


def _paired_table(name: str, caption: str, table: pd.DataFrame) -> Table:
    rows = []
    for row in table.to_dict("records"):
        digits = metric(str(row["metric"])).digits
        cells = [
            Cell(str(row["model"]), sort=str(row["model"])),
            Cell(f"{condition(row['condition_a'])} − {condition(row['condition_b'])}", sort=str(row["condition_a"])),
            Cell(metric(str(row["metric"])).label, sort=str(row["metric"])),
            Cell(
                number(row["difference"], digits, signed=True),
                interval(row["low"], row["high"], digits, signed=True),
                _sortable(row["difference"]),
                strong=excludes_zero(row["low"], row["high"]),
            ),
        ]
        for key, write in (("p", p_value), ("p_holm", p_value), ("effect_size", number)):
            cells.append(Cell(write(row.get(key)), sort=_sortable(row.get(key))))
        needed, seen = row.get("pictures_needed"), row.get("detectable")
        cells.append(Cell(number(needed, 0), sort=_sortable(needed)))
        cells.append(Cell(number(seen, digits), sort=_sortable(seen)))
        rows.append(cells)
    heads = [
        ("Model", ""),
        ("Difference", "first condition minus second, on the same pictures"),
        ("Metric", ""),
        ("Value", "with its 95 % interval; bold where the interval leaves out 0"),
        ("p", "the larger of a permutation test on paired pictures and a t test that counts the luck of training"),
        ("p (Holm)", "corrected for the number of tests"),
        ("Effect size", "difference over its standard deviation between pictures"),
        ("Pictures needed", "test pictures with which a difference of this size would be seen 8 times in 10"),
        ("Detectable", "the least true difference that would be seen 8 times in 10 with these pictures and seeds"),
    ]
    return Table(name, caption, heads, rows, row_heads=2)


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
        "The ceiling is what other people's maps reach, the floor what the centre of the picture reaches."
    )
    return Table("agreement", caption, [("Map", ""), *metric_heads(names)], rows)


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
    return Cell(number(value, digits), interval(low, high, digits), _sortable(value), strong)


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


def _best(table: pd.DataFrame, names: Iterable[str]) -> dict[str, list[Hashable]]:
    """Return the rows with the best value of each metric, where there is a worse one."""
    best = {}
    for name in names:
        values = table[name].dropna()
        if values.nunique() > 1:
            best[name] = list(values.index[values == (values.max() if metric(name).higher_is_better else values.min())])
    return best


def _sortable(value: object) -> float | str:
    found = finite(value)
    return "" if found is None else found


def latex(table: Table) -> str:
    """Return the table as a LaTeX float (packages booktabs and inputenc with UTF-8)."""
    frame = table.frame().replace("−", "-", regex=True)
    frame = frame.rename(columns=lambda head: head.replace("↑", "").replace("↓", "").strip())
    layout = "l" * table.row_heads + "r" * (len(frame.columns) - table.row_heads)
    caption = re.sub(r"([%&#_$])", r"\\\1", table.caption)
    return str(
        frame.to_latex(index=False, escape=True, column_format=layout, caption=caption, label=f"tab:{table.name}")
    )
