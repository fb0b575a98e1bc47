from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, FormatError, OutputError
from gazekit.dataset import open_dataset
from gazekit.session.lock import take_lock
from gazekit.stats.comparison import compare
from gazekit.stats.comparison_folder import Run, read_predictions
from gazekit.training import plan, train
from gazekit.training.cross_validation import Folds, folds_of
from tests.fixtures.small_grid import SMALL

OPTIONS = {**SMALL, "conditions": ["human", "synthetic"], "seeds": 1, "cross_validate": 3, "epochs": 1}


@pytest.fixture(scope="module")
def folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(dataset, tmp_path_factory.mktemp("folds") / "run", **OPTIONS)


def pooled(folder: Path) -> dict[str, bytes]:
    """The tables, and what each network attends to."""
    files = [*folder.glob("runs/*/*/seed*/predictions.csv"), folder / "truth.csv"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_every_picture_is_predicted_once_by_networks_that_never_saw_it(folder: Path, dataset: Path) -> None:
    data, folds = open_dataset(dataset), Folds(3)
    table = pd.read_csv(folder / "runs/nima-narrow/human/seed0/predictions.csv")
    assert list(table["image"]) == data.ids
    assert list(table["fold"]) == folds.fold_of(data).tolist()
    for fold in (1, 2, 3):
        run = Run("nima-narrow", "human", 0, fold=fold)
        own = pd.read_csv(run.folder(folder) / "predictions.csv")
        assert set(own["image"]) == set(table.loc[table["fold"] == fold, "image"])
        parts = [set(folds.indices(data, split, run).tolist()) for split in ("train", "validation", "test")]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(data)
        assert {data.ids[i] for i in parts[2]} == set(own["image"])
        assert not {data.groups[i] for i in parts[0]} & {data.groups[i] for i in parts[2]}


def test_own_attention_is_of_the_networks_that_never_saw_the_picture(folder: Path, dataset: Path) -> None:
    fold = Folds(3).fold_of(open_dataset(dataset))
    with np.load(folder / "synthetic/nima-narrow/seed0.npz") as whole:
        for number in (1, 2, 3):
            with np.load(folder / f"synthetic/nima-narrow/fold{number}/seed0.npz") as part:
                for name in ("maps", "rectangles"):
                    assert np.array_equal(whole[name][fold == number], part[name][fold == number])


def test_the_comparison_is_of_all_pictures(folder: Path, dataset: Path) -> None:
    predictions = read_predictions(folder)
    assert len(predictions.images) == 100
    assert not len(predictions.training)
    data, fold = open_dataset(dataset), Folds(3).fold_of(open_dataset(dataset))
    share = data.counts / data.counts.sum(axis=1, keepdims=True)
    assert predictions.constant[fold == 2][0] == pytest.approx(share[fold == 1].mean(axis=0))
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "comparison.csv")
    assert set(table["n"]) == {100}
    assert len(table[table["level"] == "seed"]) == 3
    assert pd.read_csv(folder / "agreement.csv")["n"].min() == 100


def test_folds_that_were_copied_from_another_condition_are_refused(folder: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "copied"))
    runs = out / "runs/nima-narrow"
    shutil.rmtree(runs / "synthetic")
    shutil.copytree(runs / "human", runs / "synthetic")
    with pytest.raises(FormatError, match=r"synthetic/seed0/fold\d should hold .* says condition human: it was copied"):
        read_predictions(out)


def test_the_datasets_own_folds_are_taken_where_there_are_as_many(dataset: Path) -> None:
    data = open_dataset(dataset)
    codes = {f"fold{k}": np.roll(np.repeat([3, 2, 1, 1], 25), 25 * k).astype(np.uint8) for k in range(1, 5)}
    data._tables.split.update(codes)
    assert np.array_equal(Folds(4).fold_of(data), np.repeat([4, 1, 2, 3], 25))
    assert not np.array_equal(Folds(4, 2).fold_of(data, 2), Folds(4).fold_of(data))
    assert sorted(np.bincount(Folds(5).fold_of(data)).tolist()) == [0, 20, 20, 20, 20, 20]


def test_repeats_deal_anew_and_each_counts(dataset: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "conditions": ["original"], "repeats": 2}
    states = plan(dataset, tmp_path, **options).states()
    assert [str(run) for run, _ in states][-1] == "nima-narrow / original / seed 0, repeat 2 / fold 3"
    assert {state for _, state in states} == {"new"}
    train(dataset, tmp_path, **options)
    assert [tuple(one) for one in read_predictions(tmp_path).predicted["nima-narrow", "original"]] == [(0, 1), (0, 2)]
    truth = pd.read_csv(tmp_path / "truth.csv")
    assert (truth["fold"] != truth["fold_of_repeat2"]).any()
    compare(tmp_path, resamples=100, permutations=99)
    assert len(pd.read_csv(tmp_path / "comparison.csv").query("level == 'seed'")) == 2


def test_what_is_done_is_not_trained_again_and_the_rest_goes_on(folder: Path, dataset: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "stopped"))
    expected = pooled(folder)
    shutil.rmtree(out / "runs/nima-narrow/synthetic/seed0/fold2")
    (out / "runs/nima-narrow/synthetic/seed0/done.json").unlink()
    (out / "runs/nima-narrow/synthetic/seed0/predictions.csv").unlink()
    weights = out / "runs/nima-narrow/human/seed0/fold1/best.pt"
    before = weights.stat().st_mtime_ns
    os.utime(weights, ns=(before, before))
    config = json.loads((out / "config.json").read_text())
    config["dataset"]["path"] = str(dataset)
    (out / "config.json").write_text(json.dumps(config))
    train(dataset, out, **OPTIONS)
    assert weights.stat().st_mtime_ns == before
    assert pooled(out) == expected


def test_folds_side_by_side_are_those_one_after_the_other(folder: Path, dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path, **OPTIONS | {"conditions": ["human"], "jobs": 2})
    table = Path("runs/nima-narrow/human/seed0/predictions.csv")
    assert (tmp_path / table).read_bytes() == (folder / table).read_bytes()


def test_what_does_not_go_together_is_refused(folder: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        train(dataset, tmp_path, models=["nima-narrow"], cross_validate=5, scheme="fold1")
    with pytest.raises(ConfigError, match="--repeats deals the folds of --cross-validate"):
        folds_of(None, 2, "default")
    with pytest.raises(ConfigError, match="3 folds or more"):
        folds_of(2, 1, "default")
    with pytest.raises(ConfigError, match="cross_validation"):
        train(dataset, folder, **{**OPTIONS, "cross_validate": 4})
    with pytest.raises(ConfigError, match="100 usable pictures for 101 folds"):
        plan(dataset, tmp_path, **{**OPTIONS, "cross_validate": 101})


def test_two_trainings_do_not_share_a_folder(folder: Path, dataset: Path) -> None:
    with open(folder / ".lock", "w") as file:
        assert take_lock(file)
        with pytest.raises(OutputError, match="another gazekit train is at work in"):
            train(dataset, folder, **OPTIONS)


def test_the_command_lists_the_runs_of_folds(dataset: Path, tmp_path: Path) -> None:
    arguments = ["train", str(dataset), "--out", str(tmp_path / "o"), "--model", "nima-narrow", "--size", "32"]
    result = CliRunner().invoke(gazekit, [*arguments, "--cross-validate", "4", "--seeds", "2", "--dry-run"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 2 * 2 * 4
    assert "nima-narrow / human / seed 1 / fold 4" in result.output
    rows = json.loads(CliRunner().invoke(gazekit, [*arguments, "--cross-validate", "3", "--dry-run", "--json"]).output)
    assert {(row["condition"], row["seed"], row["fold"]) for row in rows} == {
        (condition, seed, fold) for condition in ("original", "human") for seed in (0, 1, 2) for fold in (1, 2, 3)
    }
    assert not (tmp_path / "o").exists()
