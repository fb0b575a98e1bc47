"""A study as a folder for publication: what goes in, what stays out, and methods whose numbers have a file."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError, OutputError
from gazekit.core.tables import read_table
from gazekit.explore.material import load_material
from gazekit.formats import export_bids, import_recording
from gazekit.pictures import list_pictures
from gazekit.session import Session, open_session, write_session
from gazekit.session.exclusions import EXCLUSIONS, Exclusion, exclude, undo_exclusion
from gazekit.study import read_study, sessions_of
from gazekit.training.recipe import make_recipe
from pipelines.erasure import find_person
from pipelines.methods import Facts, parameters, results_settings, sentences
from pipelines.publishable import publishable
from pipelines.publishing import is_open, publications, publish
from survey.simulate import fill
from tests.fixtures.comparison_folder import make_comparison
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


def test_what_was_excluded_is_published_with_its_reasons(study: Path, tmp_path: Path) -> None:
    entries = [Exclusion(participant="P02", image="coffee.png", reason="head moved"), Exclusion(image="x", reason="y")]
    exclude(study.parent / EXCLUSIONS, entries, by="Dora")
    undo_exclusion(study.parent / EXCLUSIONS, 2, reason="a mistake")
    done = publish(study, tmp_path / "out")
    assert [text.split(":")[0] for text in done.look_through] == ["exclusions.csv"]
    table = pd.read_csv(tmp_path / "out" / "exclusions.csv")
    assert table[["participant", "image", "reason"]].values.tolist() == [["P02", "coffee.png", "head moved"]]
    assert "Left out before any analysis were [1](exclusions.csv) trials" in (tmp_path / "out/methods.md").read_text()


def test_every_number_of_the_methods_has_a_file(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "out")
    text = (tmp_path / "out" / "methods.md").read_text("utf-8")
    for _, file in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text):
        assert (tmp_path / "out" / file).is_file(), file
    plain = re.sub(r"\[[^\]]+\]\([^)]+\)", "", text)
    assert not re.search(r"\d", plain), plain


@pytest.fixture
def results(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A comparison of two networks, with the whole recipe, whose weights were a file."""
    images = [f"p{n}.png" for n in range(12)]
    folder = make_comparison(tmp_path / "results", images, rng.multinomial(20, [0.1] * 10, 12))
    config = json.loads((folder / "config.json").read_text())
    config["recipe"] = make_recipe(weights="/home/dora/weights.pt").result_options()
    config["recipe"]["option_of_a_later_version"] = 3
    config["grid"] = {"models": ["nima-narrow"], "conditions": ["original", "human"], "seeds": [0, 1]}
    config |= {"scheme": "default", "cross_validation": {"folds": 5, "repeats": 2}}
    (folder / "config.json").write_text(json.dumps(config))
    words = json.loads((folder / "conclusion.json").read_text())
    (folder / "conclusion.json").write_text(json.dumps(words | {"primary": "srcc", "pictures": 12}))
    return folder


def test_methods_tell_training_and_statistics(study: Path, results: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "out", results=results)
    text = (tmp_path / "out" / "methods.md").read_text("utf-8")
    for _, file in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text):
        assert (tmp_path / "out" / file).is_file(), file
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    assert "Networks were nima-narrow, each trained on original, human." in plain
    assert "compared on [12](results/conclusion.json) pictures" in text
    assert "Intervals are of 1234 bootstrap resamples" in plain
    assert "A difference was claimed where p was 0.04 or less." in plain
    assert not re.search(r"\d", re.sub(r"\[[^\]]+\]\([^)]+\)", "", text))
    assert (tmp_path / "out" / "results" / "comparison.csv").is_file()
    assert "dora" not in "".join(p.read_text("utf-8") for p in (tmp_path / "out").rglob("*.json"))


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [*value, "other"]
    return {"width": 2} if isinstance(value, dict) else f"{value or ''}other"


def test_every_parameter_of_training_and_statistics_is_in_exactly_one_sentence(study: Path, results: Path) -> None:
    settings = parameters(read_study(study)) | results_settings(results)
    before = [text for _, text in sentences(settings, Facts())]
    assert set(make_recipe().result_options()) <= set(settings["training"])
    for section in ("training", "comparison"):
        for name, value in settings[section].items():
            other = settings | {section: settings[section] | {name: changed(value)}}
            after = [text for _, text in sentences(other, Facts())]
            assert sum(a != b for a, b in zip(before, after, strict=True)) == 1, (section, name)


def test_folder_without_a_comparison_is_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks config\.json, conclusion\.json: give the folder of a comparison"):
        publish(study, tmp_path / "out", results=tmp_path)
    assert not (tmp_path / "out").exists()


def test_ratings_of_the_surveys_database_with_a_codebook(study: Path, tmp_path: Path) -> None:
    text = study.read_text().replace('ratings = "ratings.csv"\n', "")
    study.write_text(text.replace("scale = 10", 'scale = 10\nquestion = "How beautiful?"\nanchors = { 1 = "not" }'))
    fill(str(study.with_suffix(".survey.db")), {"coffee.png": 6.0, "rocket.jpg": 4.0}, per_picture=5, seed=1)
    done = publish(study, tmp_path / "out")
    ratings = read_table(tmp_path / "out" / "ratings" / "ratings.csv", ["rater", "image", "score", "kind"])
    assert len(ratings) == done.ratings
    assert ratings.loc[ratings["kind"] == "main", "image"].value_counts().to_dict() == {
        "coffee.png": 5,
        "rocket.jpg": 5,
    }
    assert ratings["rater"].str.fullmatch(r"r\d{4}").all()
    assert "rated_utc" not in ratings
    book = json.loads((tmp_path / "out" / "ratings" / "codebook.json").read_text())
    assert book["score"]["questions"] == {"score": {"question": "How beautiful?", "anchors": {"1": "not"}}}
    assert (book["score"]["minimum"], book["score"]["maximum"], book["time_ms"]["unit"]) == (1, 10, "ms")
    assert "who they are on a platform" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_words_of_people_stay_out_of_their_sessions(study: Path, tmp_path: Path, full_session: Session) -> None:
    secret = "my name is Dora"
    messages = pd.DataFrame(
        {"time_us": [1, 2, 3], "text": [f"answer name: {secret}", f"note of the operator: {secret}", "ok"]}
    )
    stimuli = full_session.stimuli.assign(response=[secret, "7"], answer_why=secret)
    ledger = pd.DataFrame(
        {"step": [0, 1, 2], "kind": ["question", "question", "answer beauty"], "id": ["name", "age", "a"]}
    )
    ledger = ledger.assign(sha256="", done_us=1, answer=[secret, "33", "7"])
    regions = pd.DataFrame({"image": ["a"], "word": [secret]})
    session = replace(
        full_session,
        messages=messages,
        stimuli=stimuli,
        streams={"ledger": ledger, "regions": regions},
        started_utc="2026-11-28T10:00:00",
        provenance={"inputs": {"/home/dora/a.asc": "0"}, "gazekit": "1"},
    )
    left_out: Counter[str] = Counter()
    public = publishable(session, left_out)
    assert public.messages["text"].tolist() == ["ok"]
    assert public.stimuli["response"].tolist() == ["", "7"]
    assert public.streams["ledger"]["answer"].tolist() == ["", "", "7"]
    folder = export_bids([public], tmp_path / "bids")
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    everything = b"".join(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in files)
    assert b"Dora" not in everything
    assert b"dora" not in everything
    assert b"2026-11-28T10" not in everything
    assert left_out["messages with answers of a person or notes of the operator"] == 2
    assert left_out["answers to questions about the person, and answers in words"] == 2


def test_card_has_front_matter_that_hubs_read(study: Path, tmp_path: Path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="it comes with timm: pip install 'gazekit[train]'")
    publish(study, tmp_path / "out")
    card = huggingface_hub.DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.pretty_name == "reefs"
    for config in card.data.configs:
        assert (tmp_path / "out" / config["data_files"]).is_file()
    for heading in ("Who is in it", "Personal data", "Consent and ethics", "Uses and limits", "Licence", "Citation"):
        assert f"\n## {heading}\n" in card.text
    for _, file in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", card.text):
        assert (tmp_path / "out" / file).exists(), file


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
    (study.parent / "sessions").unlink()  # a link
    with pytest.raises(ConfigError, match="nothing to publish"):
        publish(study, tmp_path / "out")


def test_command(study: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(gazekit, ["publish", str(study), "--out", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["sessions"] == 2


def test_the_command_tells_what_is_published_and_what_is_not(study: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(gazekit, ["publish", str(study), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    first, *rest = result.output.splitlines()
    assert first.startswith(f"{tmp_path / 'out'}: 2 sessions, ")
    assert any(line.startswith("left out: 5 of 6 pictures, whose licence does not say") for line in rest)


def test_ratings_alone_of_pictures_that_all_travel(study: Path, tmp_path: Path) -> None:
    """No gaze, ratings without raters, a folder of pictures: each is told or left out as it is."""
    table = pd.read_csv(study.parent / "ratings.csv")
    table[["image", "score"]].to_csv(study.parent / "ratings.csv", index=False)
    text = study.read_text().replace('sessions = ["sessions"]\n', "")
    study.write_text(text.replace("authors =", 'funding = ["Reef Fund"]\nauthors ='))
    (study.parent / "sessions").unlink()  # a link
    pictures = pd.read_csv(study.parent / "pictures.csv").assign(licence="CC0")
    pictures.to_csv(study.parent / "pictures.csv", index=False)
    done = publish(study, tmp_path / "out")
    assert (done.sessions, done.pictures, done.left_out) == (0, len(pictures), [])
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "## Funding\n\nReef Fund" in card
    assert "people whose gaze was recorded" not in card
    publish(study, tmp_path / "again")
    assert len(publications(study)) == 2


def test_pictures_that_say_where_they_were_taken_are_told(study: Path, tmp_path: Path) -> None:
    (study.parent / "sessions").unlink()  # a link
    study.write_text(study.read_text().replace('sessions = ["sessions"]\n', ""))
    table = pd.read_csv(study.parent / "pictures.csv").assign(licence="CC0")
    with Image.open(list_pictures(read_study(study).pictures, study.parent)[1].file).convert("RGB") as image:
        exif = image.getexif()
        exif.get_ifd(0x8825).update({1: "S", 2: (16.0, 55.0, 0.0)})
        image.save(tmp_path / "placed.jpg", exif=exif)
    table.loc[1, "file"] = str(tmp_path / "placed.jpg")
    table.to_csv(study.parent / "pictures.csv", index=False)
    (told,) = publish(study, tmp_path / "out").look_through
    assert told == f"pictures: 1 file says where it was taken (GPS in EXIF), such as {table['image'][1]}; may one know?"


def test_ids_that_may_be_names_are_told(study: Path, sample_data: Path, tmp_path: Path) -> None:
    (study.parent / "sessions").unlink()  # a link
    session = replace(open_session(sample_data / "sessions" / "P01.gaze.h5"), participant="Dora")
    write_session(session, study.parent / "sessions" / "a.gaze.h5")
    told = publish(study, tmp_path / "out").look_through
    assert told == ["bids: people are published under their ids; may these be names? Dora"]


@pytest.mark.parametrize(
    "licence", ["CC0", " CC-BY-4.0", "cc by-sa 3.0 (Ada)", "MIT License", "own photo", "Apache-2.0", "BSD-3-Clause"]
)
def test_pictures_of_an_open_licence_travel(licence: str) -> None:
    assert is_open(licence)


@pytest.mark.parametrize(
    "licence", ["", "mit Genehmigung von A. Reef", "owned by a museum", "MITRE", "CC", "public?", f"own {'1' * 60}x"]
)
def test_pictures_of_another_licence_stay_here(licence: str) -> None:
    assert not is_open(licence)


def test_pictures_of_a_folder_have_no_licence_and_stay_here(study: Path, tmp_path: Path) -> None:
    (study.parent / "photos").mkdir()
    (study.parent / "photos" / "coffee.png").write_bytes(
        list_pictures(read_study(study).pictures, study.parent)[2].file.read_bytes()
    )
    study.write_text(study.read_text().replace('list = "pictures.csv"', 'folder = "photos"'))
    done = publish(study, tmp_path / "out")
    assert done.pictures == 0
    assert any(line.startswith("1 of 1 pictures, whose licence does not say") for line in done.left_out)


def test_comparisons_and_several_questions_of_a_database(study: Path, tmp_path: Path) -> None:
    study.write_text(study.read_text().replace("scale = 10", 'scale = 10\ntask = "pairs"'))
    arguments = ["survey", "simulate", str(study), "--raters", "3"]
    done = CliRunner().invoke(gazekit, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    published = publish(study, tmp_path / "out")
    assert any("the ratings are those of the survey's database" in line for line in published.left_out)
    table = pd.read_csv(tmp_path / "out" / "ratings" / "ratings.csv")
    assert {"picture1", "picture2", "best"} <= set(table.columns)


def test_sessions_are_found_by_one_rule(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = study.read_text()
    unnamed = named.replace('sessions = ["sessions"]\n', "")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    study.write_text(unnamed)
    assert sessions_of(read_study(study)) == [study.parent / "sessions"]
    assert publish(study, tmp_path / "out").sessions == 2
    assert {step.path.parent for step in find_person("P01", study).steps} >= {study.parent / "sessions"}
    assert [facts.participant for facts in load_material([study], keep=False).sessions] == ["P01", "P02"]
    run = CliRunner().invoke(gazekit, ["study", "status", str(study), "--no-quality", "--no-checklist"])
    assert f"sessions of the folder {study.parent / 'sessions'}" in run.output
    (here / "sessions").mkdir()
    for refused in (lambda: publish(study, tmp_path / "o"), lambda: find_person("P01", study)):
        with pytest.raises(ConfigError, match=r"sessions are in sessions and in .*: name those of the study"):
            refused()
    with pytest.raises(ConfigError, match="or with --sessions"):
        load_material([study], keep=False)
    assert len(load_material([study], sessions=study.parent / "sessions", keep=False).sessions) == 2
    study.write_text(named.replace('["sessions"]', '["sessions/P01.gaze.h5"]'))
    assert publish(study, tmp_path / "one").sessions == 1
    assert [facts.participant for facts in load_material([study], keep=False).sessions] == ["P01"]


def test_an_empty_folder_of_sessions_is_none(study: Path, tmp_path: Path) -> None:
    study.write_text(study.read_text().replace('sessions = ["sessions"]\n', ""))
    (study.parent / "sessions").unlink()  # a link
    (study.parent / "sessions").mkdir()
    assert publish(study, tmp_path / "out").sessions == 0
