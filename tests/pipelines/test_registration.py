"""A registered study: fifteen ways of seeing a sealed score early, what opening shows, what is called exploratory."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.core.encryption import decrypt, encrypt, new_keys
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.registration_log import opened_utc
from gazekit.dataset import open_dataset
from gazekit.stats.comparison import compare
from gazekit.stats.power import world_of
from gazekit.stats.registration import SEALED, read_registration
from tests.conftest import ROOT
from tests.needs import need

torch = pytest.importorskip("torch", reason="a study trains: pip install 'gazekit[train]'")
need(find_spec("cryptography"), "cryptography")

from gazekit import models  # noqa: E402
from gazekit.training import train  # noqa: E402
from gazekit.training.checkpoints import load_checkpoint  # noqa: E402
from gazekit.training.logs import EpochLog  # noqa: E402
from gazekit.training.scoring import score  # noqa: E402
from pipelines.registration import open_study, register_study  # noqa: E402
from pipelines.studies import run_study  # noqa: E402

STUDY = """
[pipeline]
kind = "gbr"
study = "lab.toml"
out = "out"
title = "Reef"
[training]
models = ["nima-narrow"]
conditions = ["original", "human"]
seeds = 1
HOW
[training.options]
size = 32
epochs = 1
batch = 16
[comparison]
primary_contrast = ["human", "original"]
[registration]
hypotheses = ["Seeing what people looked at helps."]
exclusions = ["Pictures with fewer than ten ratings"]
"""
LAB = """
[study]
name = "lab"
[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630
[pictures]
folder = "pictures"
[dataset]
ratings = "histograms.csv"
fixations = "fixations.csv"
sigma_px = 8.0
split = [0.5, 0.2, 0.3]
"""
NETWORK: dict[str, Any] = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "size": 32, "epochs": 1}


def made(folder: Path, how: str) -> Path:
    data = ROOT / "sample_data" / "comparison"
    shutil.copytree(data, folder, dirs_exist_ok=True)
    (folder / "lab.toml").write_text(LAB)
    (folder / "study.toml").write_text(STUDY.replace("HOW", how))
    return folder / "study.toml"


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose pictures are all tested once, registered and trained; nothing is opened."""
    study = made(tmp_path_factory.mktemp("folds"), "cross_validate = 3")
    register_study(study)
    run_study(study)
    return study


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a test split."""
    study = made(tmp_path_factory.mktemp("split"), "")
    register_study(study)
    run_study(study)
    return study


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(str(ended.value.code))


def texts(folder: Path) -> str:
    """All that can be read in a folder without a key."""
    files = [path for path in folder.rglob("*") if path.suffix in (".csv", ".json", ".jsonl", ".html", ".log")]
    return "\n".join(path.read_text() for path in files)


# -- fifteen ways of seeing a sealed score ----------------------------------------------------------------------------


def test_1_compare_shows_nothing(folds: Path, held_out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for study in (folds, held_out):
        assert command("compare", study.parent / "out") == 1
        assert "is sealed: the study" in capsys.readouterr().err
        assert not (study.parent / "out" / "comparison.csv").exists()


def test_2_report_shows_nothing(folds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folds.parent / "out"
    (out / "comparison.csv").write_text("level,model,condition,seed,n\ncondition,a,human,,8\n")  # of who knows what
    assert command("report", out) == 1
    assert "the comparison is sealed" in capsys.readouterr().err
    (out / "comparison.csv").unlink()


def test_3_the_study_stops_behind_its_training(folds: Path) -> None:
    said: list[str] = []
    _, outcomes = run_study(folds, tell=said.append)
    assert [outcome.stage for outcome in outcomes] == ["train"]
    assert f"gazekit register open {folds}" in said[-1]


def test_4_predictions_cannot_be_read(folds: Path, held_out: Path) -> None:
    for study in (folds, held_out):
        runs = study.parent / "out" / "runs"
        assert not list(runs.rglob("predictions.csv"))
        sealed = list(runs.rglob(f"predictions.csv{SEALED}"))
        assert len(sealed) == (6 if study is folds else 2)
        assert all(b"image" not in file.read_bytes() for file in sealed)
        assert not (study.parent / "out" / "runs/nima-narrow/human/seed0/predictions.csv").exists()


def test_5_losses_on_pictures_that_are_tested_are_not_told(folds: Path, held_out: Path) -> None:
    assert "train_loss" in texts(folds.parent / "out" / "runs")
    assert "validation_loss" not in texts(folds.parent / "out" / "runs")
    assert "validation_loss" in texts(held_out.parent / "out" / "runs")  # validation pictures are not tested there


def test_6_another_folder_is_sealed_as_well(folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "other"
    network = ("--model", "nima-narrow", "--condition", "original", "--seeds", 1, "--size", 32, "--epochs", 1)
    assert command("train", folds.parent / "out" / "gbr.dataset.h5", "--out", out, *network) == 0
    assert "all scores are sealed until" in capsys.readouterr().out
    assert list(out.rglob(f"*{SEALED}"))
    with pytest.raises(InputError, match="what was predicted is sealed"):
        compare(out)
    with pytest.raises(InputError, match="is sealed"):
        world_of(out)  # the pilot of a power analysis


def test_7_its_networks_score_no_picture(folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folds.parent / "out" / "runs/nima-narrow/original/seed0/fold1"
    with pytest.raises(InputError, match="what it predicts is sealed"):
        score(run, folds.parent / "pictures", tmp_path / "scores.csv")
    shutil.copy(run / "best.pt", tmp_path / "elsewhere.pt")
    assert command("serve", tmp_path / "elsewhere.pt") == 1
    assert "what it predicts is sealed" in capsys.readouterr().err


def test_8_no_dataset_is_made_of_it_that_forgets(folds: Path, tmp_path: Path) -> None:
    from gazekit.dataset.subset_merge import merge, subset

    data = open_dataset(folds.parent / "out" / "gbr.dataset.h5")
    with pytest.raises(InputError, match="a part of it would leave the registration behind"):
        subset(data, np.arange(30), tmp_path / "part.dataset.h5")
    with pytest.raises(InputError, match="a merged dataset would leave the registration behind"):
        merge([data, data], tmp_path / "all.dataset.h5")


def test_9_held_out_ratings_are_in_no_table(held_out: Path, tmp_path: Path) -> None:
    out = held_out.parent / "out"
    data = open_dataset(out / "gbr.dataset.h5")
    test, rest = data.indices("test"), data.indices("train")
    assert not data.counts[test].any()
    assert np.isnan(data.mean[test]).all()
    assert data.counts[rest].any(axis=1).all()
    truth = pd.read_csv(out / "truth.csv").set_index("split").filter(regex=r"^c\d+$")
    assert truth.loc["test"].to_numpy().sum() == 0
    assert command("dataset", "export", data.path, "--out", tmp_path / "export") == 0
    table = pd.read_csv(next((tmp_path / "export").glob("*rating*.csv"), tmp_path / "export" / "histograms.csv"))
    named = table[table["image"].isin([data.ids[i] for i in test])].filter(regex=r"^c\d+$")
    assert named.to_numpy().sum() == 0


def test_10_another_split_does_not_train_on_them(held_out: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the ratings of 12 test pictures of the split 'default' are sealed"):
        train(held_out.parent / "out" / "gbr.dataset.h5", tmp_path / "other", cross_validate=3, **NETWORK)


def test_11_it_is_not_registered_again_and_not_opened_before_it_is_done(folds: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is registered already"):
        register_study(folds)
    shutil.copytree(folds.parent, tmp_path / "copy")
    study = tmp_path / "copy" / "study.toml"
    next((tmp_path / "copy" / "out").rglob(f"predictions.csv{SEALED}")).unlink()
    with pytest.raises(InputError, match=r"1 run is not done .*; scores are opened when all are"):
        open_study(study)
    log = tmp_path / "copy" / "out" / "registration.log"
    row = json.loads(log.read_text()) | {"event": "opened"}
    log.write_text(log.read_text() + json.dumps(row) + "\n")  # an opening that was written by hand
    with pytest.raises(FormatError, match="a line does not follow from the one before it"):
        compare(tmp_path / "copy" / "out")


def test_12_checkpoints_hold_no_loss_on_pictures_that_are_tested(folds: Path) -> None:
    files = sorted((folds.parent / "out" / "runs").rglob("*.pt"))
    assert len(files) == 12
    for file in files:
        content = load_checkpoint(file)
        assert [row.keys() for row in content["history"]] == [{"epoch", "lr", "train_loss"}]
        assert ("covered" in content) == (file.name == "last.pt")  # a run cannot go on without them
        assert b"validation_loss" not in file.read_bytes()
        assert b"validation_loss" not in bytes.fromhex(content.get("covered", ""))


def test_13_its_networks_are_not_exported(folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = folds.parent / "out" / "runs/nima-narrow/original/seed0/fold1/best.pt"
    target = ("--weights", best, "--out", tmp_path / "narrow.onnx")
    assert command("models", "export", "nima-narrow", *target) == 1
    assert "what it predicts is sealed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="what it predicts is sealed"):
        models.create("nima-narrow", weights=best)


def test_14_joined_with_another_folder_it_stays_sealed(
    folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folds.parent / "out", tmp_path / "copy")
    assert command("compare", folds.parent / "out", tmp_path / "copy", "--out", tmp_path / "both", "--json") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "what was predicted is sealed" in shown.err
    assert not (tmp_path / "both").exists()


def test_15_trained_on_again_with_curve_and_json_nothing_is_shown(
    folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ("--model", "nima-narrow", "--condition", "original", "--size", 32, "--epochs", 1, "--cross-validate", 3)
    for _ in range(2):  # the second time there is nothing left to train
        again = ("train", folds.parent / "out" / "gbr.dataset.h5", "--out", tmp_path / "runs", "--learning-curve", 50)
        assert command(*again, *how, "--seeds", 1, "--tensorboard", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told.keys() == {"out", "sealed"}
    assert len(list((tmp_path / "runs").rglob(f"predictions.csv{SEALED}"))) == 6
    assert not list((tmp_path / "runs").rglob("predictions.csv"))
    assert "validation_loss" not in texts(tmp_path / "runs")
    events = list((tmp_path / "runs").rglob("events.out.tfevents*"))
    assert events
    assert not any(b"validation" in file.read_bytes() for file in events)


def test_a_sealed_run_that_was_stopped_ends_in_the_same_files(
    folds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, network = folds.parent / "out" / "gbr.dataset.h5", NETWORK | {"epochs": 3, "checkpoint_seconds": 0}
    train(data, tmp_path / "whole", **network)

    def stop(log: EpochLog, state: Any, folder: Path) -> None:
        if len(state.history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(EpochLog, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "stopped", **network)
    train(data, tmp_path / "stopped", **network)
    run = "runs/nima-narrow/original/seed0"
    for name in ("best.pt", "last.pt", "metrics.jsonl"):
        assert (tmp_path / "stopped" / run / name).read_bytes() == (tmp_path / "whole" / run / name).read_bytes()


# -- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folds", "held_out"])
def test_opened_it_is_compared_as_registered(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(request.getfixturevalue(kind).parent, tmp_path / "copy")
    study, out = tmp_path / "copy" / "study.toml", tmp_path / "copy" / "out"
    assert command("register", "open", study) == 0
    assert "files opened, and logged" in capsys.readouterr().out
    terms = read_registration(out)
    assert terms is not None
    assert opened_utc(out, terms.id) >= terms.registered_utc
    assert not list(out.rglob(f"*{SEALED}"))
    with pytest.raises(InputError, match="was opened already"):
        open_study(study)
    compare(out, primary_contrast=("human", "original"), resamples=100, permutations=99)
    words = json.loads((out / "conclusion.json").read_text())
    assert words["registration"]["id"] == terms.id
    assert words["registration"]["departures"] == []
    assert [claim["registered"] for claim in words["claims"]] == [True]
    assert words["pictures"] == terms.n == (40 if kind == "folds" else 12)
    truth = pd.read_csv(out / "truth.csv").set_index("image").filter(regex=r"^c\d+$")
    ratings = pd.read_csv(tmp_path / "copy" / "histograms.csv").set_index("image").filter(regex=r"^c\d+$")
    assert (truth == ratings.loc[truth.index]).all(axis=None)
    from gazekit.report import write_report

    page = write_report(out).read_text()
    assert "Seeing what people looked at helps." in page
    compare(out, metric="emd2", resamples=100, permutations=99)
    words = json.loads((out / "conclusion.json").read_text())
    assert words["registration"]["departures"][0] == "metric: srcc registered, emd2 here"
    assert not any(claim["registered"] for claim in words["claims"])
    assert words["sentences"][-1].startswith("Exploratory, not registered: nima-narrow:")
    assert "Exploratory" in write_report(out).read_text()
    assert [o.stage for o in run_study(study)[1]] == ["train", "compare", "tables", "report"]


def test_what_is_registered_is_said_and_kept(folds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folds.parent / "out"
    assert command("register", "show", out) == 0
    shown = capsys.readouterr().out
    assert '"hypotheses": [' in shown
    assert '"event": "registered"' in shown
    terms = read_registration(out)
    assert terms is not None
    assert len(terms.pictures) == terms.n == 40
    assert set(terms.files) == {"study.toml", "lab.toml", "histograms.csv", "fixations.csv"}
    assert {"gazekit", "train", "compare"} == set(terms.code)
    altered = out / "registration.json"
    text = altered.read_text()
    altered.write_text(text.replace('"alpha": 0.05', '"alpha": 0.5'))
    with pytest.raises(FormatError, match="altered since it was registered"):
        read_registration(out)
    altered.write_text(text)
    assert (out / "registration.key").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[registration]", "[registration]\npictures = 99", "registration.pictures is 99, and 40 of the dataset's 40"),
        ('primary_contrast = ["human", "original"]', "", "needs primary_contrast or pairs"),
        ('hypotheses = ["Seeing what people looked at helps."]', "", "registration.hypotheses: is missing"),
        (STUDY[STUDY.index("[registration]") :], "", r"\[registration\] with hypotheses = \[\.\.\.\] is missing"),
    ],
    ids=["other-pictures", "nothing-to-test", "no-hypothesis", "no-section"],
)
def test_what_cannot_be_registered_is_said(old: str, new: str, fault: str, tmp_path: Path) -> None:
    study = made(tmp_path, "cross_validate = 3")
    study.write_text(study.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=fault):
        register_study(study)
    assert not (tmp_path / "out" / "registration.json").exists()


def test_a_study_with_scores_is_not_registered(tmp_path: Path) -> None:
    study = made(tmp_path, "cross_validate = 3")
    (tmp_path / "out" / "runs").mkdir(parents=True)
    with pytest.raises(InputError, match="scores may have been seen"):
        register_study(study)


def test_the_terms_are_shown_before_anything_is_registered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = made(tmp_path, "cross_validate = 3")
    assert command("register", study, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "would be registered: " in told
    assert "40 pictures are tested\n  " in told
    assert "keep registration.key" not in told
    assert command("register", study, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 40
    assert not list((tmp_path / "out").glob("registration*"))
    assert command("register", "open", study) == 1
    assert "gazekit register STUDY.toml writes it" in capsys.readouterr().err


def test_another_key_reads_nothing() -> None:
    private, public = new_keys()
    locked = encrypt(b"0.61", public)
    assert decrypt(locked, private) == b"0.61"
    assert encrypt(b"0.61", public) != locked
    with pytest.raises(InputError, match="the key does not fit"):
        decrypt(locked, new_keys()[0])
    with pytest.raises(InputError, match="the key does not fit"):
        decrypt(locked[:-1] + bytes([locked[-1] ^ 1]), private)
    with pytest.raises(FormatError, match="not sealed by gazekit"):
        decrypt(b"0.61", private)
