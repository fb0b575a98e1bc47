"""The papers' tables: every published number is there, ours stand beside them with intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from gazekit.core.errors import InputError
from pipelines.papers import PAPER2, TABLES, paper_table, published, write_paper_tables


@pytest.mark.parametrize(
    ("table", "rows", "network", "metric", "value"),
    [
        ("paper1-1", 4, "Residual Attention Network", "lcc", 0.641),
        ("paper2-I", 4, "GPF-CNN", "srcc", 0.6762),
        ("paper2-III", 6, "GPF-CNN(InceptionNet)", "accuracy", 0.8181),
        ("paper2-IV", 32, "PF-CNN", "mae", 0.4091),
        ("paper2-VI", 10, "NIMA(VGG16)", "emd1", 0.052),
        ("paper2-VII", 5, "GPF-CNN(VGG16)", "rmse", 0.5211),
    ],
)
def test_published_numbers_are_as_printed(table: str, rows: int, network: str, metric: str, value: float) -> None:
    frame = published(table)
    assert len(frame) == rows
    assert frame[frame["network"] == network][metric].iloc[0] == pytest.approx(value)


def test_tables_pick_from_the_known_ones() -> None:
    assert set(TABLES) == {"paper1-1", "paper2-I", "paper2-III", "paper2-IV", "paper2-VI", "paper2-VII"}
    with pytest.raises(InputError, match="paper2-I"):
        published("paper2-II")


def measured(model: str, condition: str) -> dict[str, object]:
    row: dict[str, object] = {"level": "condition", "model": model, "condition": condition}
    for place, metric in enumerate([*PAPER2, "lcc_std"]):
        row |= {metric: 0.5 + place / 100, f"{metric}_low": 0.4, f"{metric}_high": 0.6}
    return row


def test_ours_stand_beside_the_published(tmp_path: Path) -> None:
    rows = pd.DataFrame([measured("nima-vgg16", "original"), measured("nima-vgg16", "human"), measured("own", "human")])
    frame = paper_table("paper1-1", rows)
    assert list(frame["network"]) == [
        "NIMA(MobileNet)",
        "NIMA(VGG16)",
        "NIMA(VGG16)",
        "NIMA(Inception-ResNet)",
        "Residual Attention Network",
        "own",
    ]
    vgg = frame[frame["network"] == "NIMA(VGG16)"]
    assert list(vgg["condition"]) == ["human", "original"]
    assert list(vgg["lcc_published"]) == [0.610, 0.610]
    assert vgg["lcc"].notna().all()
    by_category = paper_table("paper2-IV", rows.assign(category="animal"))
    assert list(dict.fromkeys(by_category["network"]))[-2:] == ["nima-vgg16", "own"]  # ours after the paper's own
    rows.to_csv(tmp_path / "comparison.csv", index=False)
    (path,) = write_paper_tables(tmp_path, ["paper1-1"])
    assert len(pd.read_csv(path)) == 6
    assert (
        "50.0 [40.0, 60.0] (80.60) & 0.520 [0.400, 0.600] (0.6100)"
        in (tmp_path / "tables" / "paper1-1.tex").read_text()
    )
