"""A study as a folder for publication: what goes in, what stays out, and methods whose numbers have a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, OutputError
from gazekit.formats import import_recording
from gazekit.study import read_study
from pipelines.methods import Facts, parameters, sentences
from pipelines.publishing import publish
from tests.needs import need

STUDY = """
[study]
name = "reefs"
seed = 3
[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630
[pictures]
list = "pictures.csv"
[dataset]
sessions = ["sessions"]
ratings = "ratings.csv"
[survey]
scale = 10
[bids]
authors = ["Ada Reef", "Ben Ray"]
licence = "CC-BY-4.0"
doi = "10.5281/zenodo.1"
task_description = "Free viewing of photographs"
"""


@pytest.fixture
def study(sample_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "sessions").symlink_to(sample_data / "sessions")
    pictures = pd.read_csv(sample_data / "pictures.csv")
    pictures["licence"] = ["CC0"] + ["all rights reserved"] * (len(pictures) - 1)
    pictures["source"] = "scikit-image"
    pictures.to_csv(folder / "pictures.csv", index=False)
    ratings = pd.read_csv(sample_data / "ratings.csv")
    ratings["PROLIFIC_PID"], ratings["comment"] = "5f3a9b2c1d", "my name is Dora"
    ratings.to_csv(folder / "ratings.csv", index=False)
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


def test_folder_holds_what_may_travel_and_says_what_does_not(study: Path, tmp_path: Path) -> None:
    done = publish(study, tmp_path / "out")
    out = tmp_path / "out"
    assert (done.sessions, done.pictures) == (2, 1)
    text = "".join(
        path.read_text("utf-8") for path in out.rglob("*") if path.suffix in (".csv", ".json", ".md", ".cff")
    )
    assert "Dora" not in text
    assert "5f3a9b2c1d" not in text
    ratings = pd.read_csv(out / "ratings" / "ratings.csv")
    assert len(ratings) == done.ratings
    assert ratings["rater"].str.fullmatch(r"r\d{4}").all()
    assert set(json.loads((out / "ratings" / "codebook.json").read_text())) == set(ratings.columns)
    pictures = pd.read_csv(out / "pictures.csv")
    assert pictures["file"].notna().sum() == 1
    assert pictures["sha256"].str.len().eq(64).all()
    assert len(list((out / "pictures").iterdir())) == 1
    readme = (out / "README.md").read_text("utf-8")
    assert "PROLIFIC_PID, comment" in readme
    assert f"{len(pictures) - 1} of {len(pictures)} pictures" in readme
    assert "Ada Reef" in (out / "CITATION.cff").read_text("utf-8")
    session = import_recording(out / "bids", recording="P01")
    assert len(session.recording) > 100
    with pytest.raises(OutputError, match=r"exists|already"):
        publish(study, out)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, under mlcroissant
def test_croissant_is_valid_and_reads_the_ratings(study: Path, tmp_path: Path) -> None:
    try:
        import mlcroissant
    except ImportError:
        mlcroissant = None
    need(mlcroissant, "mlcroissant")
    publish(study, tmp_path / "out")
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    records = iter(dataset.records("ratings-rows"))
    assert any("score" in str(name) for name in next(records))


def test_official_validator_accepts_the_recordings(bids_issues, study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "out")
    assert bids_issues(tmp_path / "out" / "bids", "error") == []


def test_every_number_of_the_methods_has_a_file(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "out")
    text = (tmp_path / "out" / "methods.md").read_text("utf-8")
    for _, file in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text):
        assert (tmp_path / "out" / file).is_file(), file
    plain = re.sub(r"\[[^\]]+\]\([^)]+\)", "", text)
    assert not re.search(r"\d", plain), plain


CHANGES = [
    ("attention", "sigma_deg", 2.5),
    ("attention", "share", 0.4),
    ("attention", "mask", "region"),
    ("attention", "weight", "count"),
    ("attention", "fill", "mean"),
    ("fixations", "detector", "ivt"),
    ("fixations", "parameters", {"min_fixation_ms": 80}),
    ("survey", "scale", 7),
    ("survey", "raters_per_picture", 12),
    ("survey", "pictures_per_rater", 60),
    ("survey", "repeats", 9),
    ("survey", "attention_checks", 5),
    ("calibration", "points", 9),
    ("validation", "points", 5),
    ("dataset", "split", [0.5, 0.2, 0.3]),
]


@pytest.mark.parametrize(("section", "name", "value"), CHANGES, ids=[f"{s}.{n}" for s, n, _ in CHANGES])
def test_one_parameter_changes_exactly_one_sentence(study: Path, section: str, name: str, value: Any) -> None:
    settings = parameters(read_study(study))
    before = [text for _, text in sentences(settings, Facts())]
    settings[section] = settings[section] | {name: value}
    after = [text for _, text in sentences(settings, Facts())]
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_study_without_anything_to_publish(study: Path, tmp_path: Path) -> None:
    text = study.read_text().replace('sessions = ["sessions"]\nratings = "ratings.csv"\n', "")
    study.write_text(text)
    with pytest.raises(ConfigError, match="nothing to publish"):
        publish(study, tmp_path / "out")


def test_command(study: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(gazekit, ["publish", str(study), "--out", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["sessions"] == 2
