"""Tables of SPSS as text: words for values, zeros in front, empty cells, names of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import FormatError
from gazekit.core.spss import numbers_and_ids, read_spss
from tests.needs import need

try:
    import pyreadstat
except ImportError:
    pyreadstat = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    need(pyreadstat, "pyreadstat")
    table = pd.DataFrame(
        {
            "place": [1.0, 2.0, np.nan, 1.0],
            "scale": [1.0, 3.0, 5.0, np.nan],
            "score": [1.0, 2.5, 10.0, np.nan],
            "said": ["yes ", "", "no", "n/a"],
            "V1": [4.0, 5.0, 6.0, 7.0],
        }
    )
    labels = {"place": {1: "reef", 2: "town"}, "scale": {1: "low", 5: "high"}, "score": {1: "1 of 10", 10: "10 of 10"}}
    pyreadstat.write_sav(
        table, str(tmp_path / "t.sav"), variable_value_labels=labels, column_labels={"V1": "How beautiful is p7.jpg?"}
    )
    return tmp_path / "t.sav"


def test_words_stand_for_values_where_all_have_one_and_none_is_a_number(path: Path) -> None:
    table = read_spss(path)
    assert table["place"].tolist() == ["reef", "town", "", "reef"]
    assert table["scale"].tolist() == ["1", "3", "5", ""]
    assert table["score"].tolist() == ["1", "2.5", "10", ""]
    assert table["said"].tolist() == ["yes", "", "no", "n/a"]
    assert table["How beautiful is p7.jpg?"].tolist() == ["4", "5", "6", "7"]


def test_ids_get_their_words_and_numbers_stay(path: Path) -> None:
    table = numbers_and_ids(path, lambda name: name == "place")
    assert table["place"].fillna("").tolist() == ["reef", "town", "", "reef"]
    assert table["score"].dtype.kind == "f"


def test_what_is_no_table_of_spss_is_refused(tmp_path: Path) -> None:
    need(pyreadstat, "pyreadstat")
    (tmp_path / "t.sav").write_bytes(b"image;score\n")
    with pytest.raises(FormatError, match=r"t\.sav is no table of SPSS that can be read"):
        read_spss(tmp_path / "t.sav")
