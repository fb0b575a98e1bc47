from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.attention import saliency
from gazekit.attention.viewings import Viewing
from gazekit.core.errors import ConfigError
from gazekit.dataset import open_dataset
from gazekit.stats.map_agreement import CEILING, FLOORS, agreement_table
from gazekit.stats.metrics import METRICS
from gazekit.training import compare, train
from tests.fixtures.small_grid import SMALL, tables


@pytest.fixture(scope="module")
def folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of one model, four conditions and two seeds, compared."""
    out = tmp_path_factory.mktemp("grid") / "comparison"
    train(dataset, out, conditions=["human", "shuffled", "synthetic"], seeds=2, **SMALL)
    return compare(out, resamples=200, permutations=199)


def test_the_folder_is_complete(folder: Path) -> None:
    cells = [p.parent for p in folder.glob("runs/nima-narrow/*/seed*/done.json")]
    assert sorted(f"{c.parent.name}/{c.name}" for c in cells) == [
        f"{condition}/seed{seed}" for condition in ("human", "original", "shuffled", "synthetic") for seed in (0, 1)
    ]
    for cell in cells:
        names = {p.name for p in cell.iterdir()}
        assert names >= {"config.json", "metrics.jsonl", "best.pt", "last.pt", "predictions.csv", "done.json"}
        assert not [name for name in names if name.endswith(".part")]
        rows = [json.loads(line) for line in (cell / "metrics.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in rows] == [1, 2]


def test_predictions_are_of_the_test_split(folder: Path, dataset: Path) -> None:
    data = open_dataset(dataset)
    table = pd.read_csv(folder / "runs/nima-narrow/human/seed1/predictions.csv")
    assert list(table["image"]) == [data.ids[i] for i in data.indices("test")]
    assert table.filter(regex="^p").sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def test_own_attention_has_the_area_of_the_human_one(folder: Path, dataset: Path) -> None:
    data = open_dataset(dataset)
    with np.load(folder / "synthetic/nima-narrow/seed0.npz") as content:
        boxes, maps = content["rectangles"], content["maps"]
    assert boxes.shape == (100, 1, 4)
    assert maps.reshape(100, -1).sum(axis=1) == pytest.approx(1, abs=1e-4)
    for i in range(100):
        top, left, bottom, right = boxes[i, 0]
        assert abs((bottom - top) * (right - left) - data.mask(i, "human").sum()) <= 48  # within a pixel row
    with np.load(folder / "synthetic/nima-narrow/seed1.npz") as other:
        assert not np.array_equal(other["rectangles"], boxes)  # each seed's own network


def test_the_tables(folder: Path) -> None:
    table = pd.read_csv(folder / "comparison.csv")
    assert dict(table["level"].value_counts()) == {"seed": 8, "condition": 4, "floor": 2, "ceiling": 3}
    conditions = table[table["level"] == "condition"]
    for metric in METRICS:
        seeds = table[table["level"] == "seed"].groupby("condition")[metric].mean()
        assert conditions.set_index("condition")[metric].to_dict() == pytest.approx(seeds.to_dict())
        assert (conditions[f"{metric}_low"] <= conditions[metric] + 1e-9).all()
        assert (conditions[metric] <= conditions[f"{metric}_high"] + 1e-9).all()
    paired = pd.read_csv(folder / "paired.csv")
    assert len(paired) == 5 * len(METRICS)  # human with 3, shuffled and synthetic with original
    row = paired[(paired["condition_b"] == "shuffled") & (paired["metric"] == "mae")].iloc[0]
    means = conditions.set_index("condition")["mae"]
    assert row["difference"] == pytest.approx(means["human"] - means["shuffled"])
    assert (paired["p"] <= paired["p_holm"]).all()


def test_agreement_lies_between_floor_and_ceiling(folder: Path) -> None:
    table = pd.read_csv(folder / "agreement.csv")
    assert set(table["metric"]) == set(saliency.METRICS)
    values = table.pivot(index="map", columns="metric", values="value")
    assert set(values.index) == {"nima-narrow", CEILING, *FLOORS}
    for metric, sign in saliency.BETTER.items():
        floor = values.loc[FLOORS[1], metric]
        assert sign * values.loc[CEILING, metric] > sign * floor  # viewers of the fixture do look at the spot
    assert values.loc[FLOORS[0], "ig"] == pytest.approx(0, abs=1e-6)  # its own baseline; maps are float32


def test_a_folder_begun_before_an_option_existed_goes_on(folder: Path, dataset: Path, tmp_path: Path) -> None:
    out = shutil.copytree(folder, tmp_path / "older")
    config = json.loads((out / "config.json").read_text())
    del config["recipe"]["new_head"]
    config["dataset"]["path"] = str(dataset)
    (out / "config.json").write_text(json.dumps(config))
    train(dataset, out, conditions=["human", "shuffled", "synthetic"], seeds=2, **SMALL)
    with pytest.raises(ConfigError, match="new_head: False there, True here"):
        train(dataset, out, conditions=["human"], seeds=2, new_head=True, **SMALL)


def test_the_ceiling_is_over_the_pictures_of_what_stands_under_it() -> None:
    rng = np.random.default_rng(0)

    class Looks:
        viewers = np.ones(10)

        def viewing(self, i: int) -> Viewing:
            viewer = np.repeat([0, 1], 4) if i % 2 else np.zeros(8, dtype=int)
            x, y = rng.uniform(0, 40, 8), rng.uniform(0, 30, 8)
            return Viewing(str(i), (30, 40), x, y, np.full(8, 200.0), viewer, ["P1", "P2"], 3.0)

    table = agreement_table(Looks(), np.arange(10), {"net": [list(rng.random((10, 6, 8), dtype=np.float32))]})
    assert set(table["map"]) == {"net", CEILING, *FLOORS}
    assert set(table["n"]) == {5}


def test_everybodys_map_is_no_better_than_the_ceiling(folder: Path) -> None:
    """Judged by one viewer in turn, as the ceiling is, it gains what that viewer's own share of it is worth."""
    data = open_dataset(folder / json.loads((folder / "config.json").read_text())["dataset"]["path"])
    maps = [data.human_map(i) for i in range(len(data))]
    table = agreement_table(data, data.indices("test"), {"everybody": [maps]})
    values = table.pivot(index="map", columns="metric", values="value")
    for metric in ("cc", "sim"):
        assert values.loc[CEILING, metric] > 0.7 * values.loc["everybody", metric]
    assert values.loc["everybody", "cc"] < 0.98  # against all viewers at once it would be 1


def test_the_conclusion_follows_from_the_table(folder: Path) -> None:
    words = json.loads((folder / "conclusion.json").read_text())
    paired = pd.read_csv(folder / "paired.csv").query("metric == 'srcc'")
    for claim, (_, row) in zip(words["claims"], paired.iterrows(), strict=True):
        outside = row["low"] > 0 or row["high"] < 0
        assert claim["claimed"] == (outside and row["p_holm"] <= 0.05)
    assert "19 test pictures" in words["sentences"][0] or "20 test pictures" in words["sentences"][0]


def test_side_by_side_and_one_by_one_are_the_same(folder: Path, dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path, conditions=["human", "shuffled", "synthetic"], seeds=2, jobs=2, **SMALL)
    compare(tmp_path, resamples=200, permutations=199)
    assert tables(tmp_path) == tables(folder)


def test_a_finished_cell_is_not_trained_again(folder: Path, dataset: Path) -> None:
    weights = folder / "runs/nima-narrow/human/seed0/best.pt"
    before = weights.stat().st_mtime_ns
    train(dataset, folder, conditions=["human", "shuffled", "synthetic"], seeds=2, **SMALL)
    assert weights.stat().st_mtime_ns == before


def test_each_way_to_read_attention_is_a_condition(dataset: Path, tmp_path: Path) -> None:
    ways, threads = ["synthetic-masks", "synthetic-excitation", "synthetic-gradcam"], torch.get_num_threads()
    options = {**SMALL, "models": ["residual-attention-narrow"], "epochs": 1, "threads": threads + 1}
    train(dataset, tmp_path, conditions=ways, seeds=1, **options)
    assert torch.get_num_threads() == threads, "a notebook goes on as before"
    boxes = []
    for way in ways:
        with np.load(
            tmp_path / f"synthetic/residual-attention-narrow/seed0{way.removeprefix('synthetic')}.npz"
        ) as kept:
            boxes.append(kept["rectangles"])
        assert (tmp_path / f"runs/residual-attention-narrow/{way}/seed0/done.json").exists()
    assert not np.array_equal(boxes[0], boxes[1])
    assert not np.array_equal(boxes[1], boxes[2])
    compare(tmp_path, resamples=100, permutations=99)
    assert {f"residual-attention-narrow ({way[10:]})" for way in ways} <= set(
        pd.read_csv(tmp_path / "agreement.csv")["map"]
    )
    with pytest.raises(ConfigError, match="synthetic-masks needs Residual Attention Networks; nima-narrow is none"):
        train(dataset, tmp_path / "other", conditions=["synthetic-masks"], seeds=1, **SMALL)


def test_resampled_viewers_are_part_of_a_run_and_change_masked_conditions_only(dataset: Path, tmp_path: Path) -> None:
    grid = {**SMALL, "conditions": ["original", "human"], "seeds": 1, "epochs": 1}
    plain, drawn = (train(dataset, tmp_path / str(again), resample_viewers=again, **grid) for again in (False, True))
    tables = {
        (folder.name, condition): (folder / f"runs/nima-narrow/{condition}/seed0/predictions.csv").read_text()
        for folder in (plain, drawn)
        for condition in ("original", "human")
    }
    assert tables["False", "original"] == tables["True", "original"]
    assert tables["False", "human"] != tables["True", "human"]
    config = json.loads((drawn / "runs/nima-narrow/human/seed0/config.json").read_text())
    assert json.dumps(config).count('"resample_viewers": true') == 1
