"""Names in tables of ratings that are aggregated: blanks, nobody, one person under two ways to write a name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from survey.cli import survey

ROWS = [("A", "a.jpg", 1), ("B", "a.jpg", 3), ("C", "a.jpg", 5), ("A", "b.jpg", 2), ("B", "b.jpg", 2)]


def aggregated(folder: Path, table: pd.DataFrame) -> tuple[int, str, Path]:
    table.to_csv(folder / "ratings.csv", index=False)
    out = folder / "histograms.csv"
    result = CliRunner().invoke(
        survey, ["aggregate", str(folder / "ratings.csv"), "--scale", "5", "--out", str(out)], catch_exceptions=True
    )
    return result.exit_code, result.output + str(result.exception or ""), out


def ratings() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["rater", "image", "score"])


@pytest.mark.parametrize("column", ["image", "rater"])
def test_a_rating_of_nothing_or_by_nobody_is_refused(tmp_path: Path, column: str) -> None:
    table = ratings()
    table.loc[1, column] = " "
    code, said, out = aggregated(tmp_path, table)
    assert code == 1
    assert "1 score without rater or image: row 3" in said
    assert not out.exists()


def test_blanks_around_a_name_make_no_other_picture(tmp_path: Path) -> None:
    table = ratings()
    table.loc[2, "image"] = "a.jpg "
    code, said, out = aggregated(tmp_path, table)
    assert code == 0, said
    written = pd.read_csv(out)
    assert written[["image", "n", "mean"]].to_numpy().tolist() == [["a.jpg", 3, 3.0], ["b.jpg", 2, 2.0]]


def test_raters_apart_by_case_and_weights_are_told(tmp_path: Path) -> None:
    _, said, _ = aggregated(tmp_path, ratings())
    assert "differs" not in said
    _, said, _ = aggregated(tmp_path, ratings().assign(rater=["A", "a", "C", "A", "B"], weight=[1, 2, 1, 1, 1]))
    assert "taken for different raters, though only capitals or blanks differ: A and a" in said
    assert "weight is not used: each rating counts once" in said
