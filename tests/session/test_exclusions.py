"""What is left out with a reason: kept, honoured by every command, counted, taken back, and never deleted."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from gazekit.attention.fixation_io import read_fixations
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.tables import read_table
from gazekit.dataset import open_dataset
from gazekit.dataset.inputs import session_table
from gazekit.events.settings import FixationSection
from gazekit.session import write_session
from gazekit.session.excluding import Exclusions, records_of, sentences
from gazekit.session.exclusions import (
    EXCLUSIONS,
    Exclusion,
    bad_trials,
    exclude,
    find_exclusions,
    read_exclusions,
    undo_exclusion,
)
from pipelines.config import dataset_files, read_pipeline
from tests.fixtures.looks import Place, looks

PLACES: list[Place] = [(100, 100, 300), (300, 100, 200), (300, 300, 500)]
IMAGES = ("a.jpg", "b.jpg", "c.jpg")
MOVED = "head moved, “twice”\n\\ and more"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder of three people's sessions, each of three pictures."""
    (tmp_path / "study" / "sessions").mkdir(parents=True)
    for person in ("P01", "P02", "P03"):
        session = looks([(image, PLACES) for image in IMAGES], participant=person)
        write_session(session, tmp_path / "study" / "sessions" / f"{person}.gaze.h5")
    return tmp_path / "study"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(gazekit, [str(part) for part in arguments])


def test_a_reason_is_kept_and_an_entry_that_was_taken_back_stays_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "exclusions.toml"
    exclude(file, [Exclusion(participant="P1", image="a", reason=MOVED), Exclusion(image="b", reason="scan")], by="Ann")
    with pytest.raises(InputError, match="P1 on a is excluded already: entry 1"):
        exclude(file, [Exclusion(participant="P1", image="a", reason="again")])
    undo_exclusion(file, 1, reason="it was P2")
    first, second = read_exclusions(file)
    assert (first.reason, first.by, first.holds, first.undone_reason) == (MOVED, "Ann", False, "it was P2")
    assert second.holds
    assert second.utc
    with pytest.raises(InputError, match="taken back already"):
        undo_exclusion(file, 1)
    assert len(exclude(file, [Exclusion(participant="P1", image="a", reason="and yet")])) == 3


def test_what_says_too_little_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "exclusions.toml"
    file.write_text('[[exclude]]\nimage = "a"\nreason = " "\n[[exclude]]\neye = "left"\nimage = "a"\nreason = "x"\n')
    with pytest.raises(ConfigError, match="2 faults") as error:
        read_exclusions(file)
    assert "a reason is needed" in str(error.value)
    assert "name whose it is" in str(error.value)


def test_two_programs_that_exclude_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "exclusions.toml"
    jobs = [
        threading.Thread(target=exclude, args=(file, [Exclusion(participant=f"P{n}", reason="x")])) for n in range(12)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert {entry.participant for entry in read_exclusions(file)} == {f"P{n}" for n in range(12)}


def test_trials_people_pictures_and_eyes_leave_a_session() -> None:
    session = looks([(image, PLACES) for image in IMAGES], participant="P03")
    left_out = Exclusions(
        [
            Exclusion(participant="P03", image="a.jpg", reason="moved"),
            Exclusion(image="b.jpg", reason="blank"),
            Exclusion(participant="P03", eye="left", reason="lens"),
            Exclusion(participant="P09", reason="asleep"),
        ]
    )
    rest = left_out.of_session(session)
    assert rest is not None
    assert rest.stimuli["image"].tolist() == ["c.jpg"]
    assert np.isnan(rest.recording.left.gaze).all()
    assert np.isfinite(rest.recording.right.gaze).all()
    assert left_out.sentences() == [
        "1 trial of P03 excluded: moved",
        "b.jpg excluded (1 trial): blank",
        "left eye of P03 excluded (1 trial): lens",
    ]
    assert Exclusions([Exclusion(participant="P03", reason="asleep")]).of_session(session) is None


def test_an_eye_leaves_one_trial_only() -> None:
    session = looks([(image, PLACES) for image in IMAGES], participant="P03")
    rest = Exclusions([Exclusion(participant="P03", image="b.jpg", eye="right", reason="lens")]).of_session(session)
    assert rest is not None
    lost = [bool(np.isnan(trial.recording.right.gaze).all()) for trial in rest.trials()]
    kept = [bool(np.isfinite(trial.recording.right.gaze).all()) for trial in rest.trials()]
    assert (lost, kept) == ([False, True, False], [True, False, True])
    assert np.isfinite(session.recording.right.gaze).all()  # nothing of the session itself is changed


def test_one_showing_of_two_is_left_out_of_sessions_and_asked_of_tables() -> None:
    session = looks([("a.jpg", PLACES), ("b.jpg", PLACES), ("a.jpg", PLACES)])
    entry = Exclusion(participant="P1", image="a.jpg", order=2, reason="repeated")
    rest = Exclusions([entry]).of_session(session)
    assert rest is not None
    assert rest.stimuli["order"].tolist() == [0, 1]
    table = pd.DataFrame({"participant": ["P1"], "image": ["a.jpg"]})
    with pytest.raises(InputError, match="make the table again of the sessions"):
        Exclusions([entry]).of_fixations(table)


@pytest.mark.parametrize("command", ["fixations", "measures"])
def test_commands_on_sessions_count_what_is_left_out_and_write_it(study: Path, tmp_path: Path, command: str) -> None:
    for image in ("a.jpg", "b.jpg"):
        done = run("exclude", study, "--person", "P03", "--picture", image, "--reason", "head moved", "--by", "Ann")
        assert done.exit_code == 0, done.output
    out = tmp_path / "out.csv"
    done = run(command, study / "sessions", "--out", out, "--detector", "idt")
    assert done.exit_code == 0, done.output
    assert "2 trials of P03 excluded: head moved" in done.stderr
    rows = read_table(out, ["participant", "image"])
    assert set(zip(rows["participant"], rows["image"], strict=True)) == {
        (person, image)
        for person in ("P01", "P02", "P03")
        for image in IMAGES
        if (person, image) not in {("P03", "a.jpg"), ("P03", "b.jpg")}
    }
    records = json.loads(Path(f"{out}.json").read_text())["parameters"]["excluded"]
    assert [(r["participant"], r["image"], r["reason"], r["by"], r["trials"]) for r in records] == [
        ("P03", "a.jpg", "head moved", "Ann", 1),
        ("P03", "b.jpg", "head moved", "Ann", 1),
    ]
    everything = run(command, study / "sessions", "--out", out, "--detector", "idt", "--with-excluded")
    assert everything.exit_code == 0
    assert "excluded" not in everything.stderr
    assert len(read_table(out, ["participant"])) > len(rows)
    assert "excluded" not in Path(f"{out}.json").read_text()


def test_a_table_of_fixations_is_filtered_once_and_remembers_what_went_before(study: Path, tmp_path: Path) -> None:
    run("exclude", study, "--person", "P02", "--eye", "left", "--reason", "lens")
    run("exclude", study, "--person", "P03", "--reason", "asleep")
    out = study / "fixations.csv"
    assert run("fixations", study / "sessions", "--out", out, "--detector", "idt").exit_code == 0
    run("exclude", study, "--picture", "c.jpg", "--reason", "a blank scan")
    measured = run("measures", out, "--out", tmp_path / "m.csv")
    assert measured.exit_code == 0, measured.output
    table = read_table(tmp_path / "m.csv", ["participant", "image"])
    assert set(table["image"]) == {"a.jpg", "b.jpg"}
    assert set(table["participant"]) == {"P01", "P02"}
    assert sentences(records_of(tmp_path / "m.csv")) == [
        "left eye of P02 excluded (3 trials): lens",
        "P03 excluded (3 trials): asleep",
        "c.jpg excluded (2 trials): a blank scan",
    ]
    Path(f"{out}.json").unlink()  # now nobody knows whether the eye was left out
    refused = run("measures", out, "--out", tmp_path / "m.csv")
    assert refused.exit_code == 1
    assert "left eye of P02 cannot be left out of a table" in str(refused.exception)


def test_a_provenance_that_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.csv.json").write_text('{"parameters": {"excluded": [{"ord', encoding="utf-8")
    assert records_of(tmp_path / "f.csv") == []
    assert "what was left out before is not known" in capsys.readouterr().err


def test_names_that_match_nothing_are_refused(study: Path) -> None:
    for arguments, words in (
        (["--person", "P3"], "unknown participant 'P3'; did you mean P03"),
        (["--picture", "a.png"], "unknown picture 'a.png'; did you mean a.jpg"),
        (["--person", "P01", "--picture", "a.jpg", "--shown-as", "2"], "was not shown"),
        (["--person", "P01", "--session", "two"], "was not shown"),
    ):
        refused = run("exclude", study, *arguments, "--reason", "x")
        assert refused.exit_code == 1, refused.output
        assert isinstance(refused.exception, InputError) or words in refused.output
        assert words in str(refused.exception or "") + refused.output
    assert not (study / "exclusions.toml").exists()
    silent = run("exclude", study, "--person", "P01")
    assert silent.exit_code != 0
    assert "a reason is needed" in str(silent.exception) + silent.output


def test_bad_trials_of_quality_are_excluded_with_their_reasons_once(study: Path, tmp_path: Path) -> None:
    rows = [(p, "", image, n, "no gaze" if (p, n) in (("P01", 1), ("P03", 2)) else "") for p in ("P01", "P02", "P03")
            for n, image in enumerate(IMAGES)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["participant", "session", "image", "order", "leave_out"])
    table.to_csv(tmp_path / "trials.csv", index=False)
    assert run("exclude", study, "--trials", tmp_path / "trials.csv", "--by", "Ann").exit_code == 0
    again = run("exclude", study, "--trials", tmp_path / "trials.csv")
    assert "2 bad trials" in again.stderr
    assert "2 of them excluded already" in again.stderr
    entries = read_exclusions(study / EXCLUSIONS)
    assert [(str(e), e.reason, e.by) for e in entries] == [
        ("P01 on b.jpg", "no gaze", "Ann"),
        ("P03 on c.jpg", "no gaze", "Ann"),
    ]
    twice = pd.concat([table, table.assign(order=table["order"] + 3)])
    assert [entry.order for entry in bad_trials(twice)] == [1, 2, 4, 5]


def test_the_list_and_undo_of_the_command(study: Path) -> None:
    run("exclude", study, "--person", "P01", "--person", "P02", "--reason", "asleep")
    assert run("exclude", study, "--undo", 1).exit_code != 0
    assert run("exclude", study, "--undo", 1, "--reason", "a mistake").exit_code == 0
    lines = run("exclude", study, "--list").output.splitlines()
    assert lines[0].startswith("1  P01: asleep")
    assert lines[0].endswith("a mistake")
    entries = json.loads(run("exclude", study, "--list", "--json").stdout)
    assert [entry["undone_reason"] for entry in entries] == ["a mistake", ""]


def test_where_the_file_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a" / "sessions").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        exclude(tmp_path / folder / "exclusions.toml", [Exclusion(participant="P", reason="x")])
    (tmp_path / "a" / "sessions" / "s.gaze.h5").touch()
    assert find_exclusions(tmp_path / "a" / "sessions" / "s.gaze.h5") == tmp_path / "a" / "exclusions.toml"
    assert (
        find_exclusions(tmp_path / "a" / "study.toml", tmp_path / "a" / "sessions")
        == tmp_path / "a" / "exclusions.toml"
    )
    assert find_exclusions(tmp_path / "c" / "f.csv") is None
    with pytest.raises(InputError, match=r"several exclusions\.toml"):
        find_exclusions(tmp_path / "a", tmp_path / "b")


def test_a_dataset_is_built_without_what_is_excluded(study: Path) -> None:
    left_out = Exclusions([Exclusion(participant="P01", reason="asleep")], study / "exclusions.toml")
    table = session_table([study / "sessions"], FixationSection(detector="idt"), left_out)
    assert set(table["participant"]) == {"P02", "P03"}
    everybody = Exclusions([Exclusion(participant=f"P0{n}", reason="asleep") for n in (1, 2, 3)])
    with pytest.raises(InputError, match="everything in 3 sessions is excluded"):
        session_table([study / "sessions"], FixationSection(detector="idt"), everybody)


def test_aoi_leaves_out_what_is_excluded(study: Path, tmp_path: Path) -> None:
    fixations = study / "fixations.csv"
    assert run("fixations", study / "sessions", "--out", fixations, "--detector", "idt").exit_code == 0
    (tmp_path / "areas.json").write_text(json.dumps({"a.jpg": {"left": {"rectangle": [0, 0, 200, 400]}}}))
    run("exclude", study, "--person", "P02", "--picture", "a.jpg", "--reason", "head moved")
    done = run("aoi", fixations, tmp_path / "areas.json", "--out", tmp_path / "aoi.csv")
    assert done.exit_code == 0, done.output
    assert "1 trial of P02 excluded: head moved" in done.stderr
    assert read_table(tmp_path / "aoi.csv", ["participant"])["participant"].tolist() == ["P01", "P03"]
    assert sentences(records_of(tmp_path / "aoi.csv")) == ["1 trial of P02 excluded: head moved"]


def test_attention_leaves_out_what_is_excluded(tmp_path: Path, sample_data: Path) -> None:
    source = sample_data / "comparison"
    table = read_fixations(source / "fixations.csv")
    person, image = str(table["participant"].iloc[0]), str(table["image"].iloc[0])
    file = tmp_path / "exclusions.toml"
    exclude(file, [Exclusion(participant=person, image=image, reason="moved"), Exclusion(participant="X", reason="x")])
    arguments = ["attention", source / "fixations.csv", "--pictures", source / "pictures", "--sigma-px", "20"]
    arguments += ["--tables-only", "--no-agreement", "--exclusions", file, "--out", tmp_path / "out"]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert f"1 trial of {person} excluded: moved" in done.stderr
    assert "meet nothing here: X" in done.stderr
    viewers = read_table(tmp_path / "out" / "attention.csv", ["image"]).set_index("image").loc[image, "viewers"]
    assert viewers == table.loc[table["image"] == image, "participant"].nunique() - 1
    assert sentences(records_of(tmp_path / "out" / "attention.csv")) == [f"1 trial of {person} excluded: moved"]


def test_build_dataset_leaves_out_people_and_pictures_and_says_so(tmp_path: Path, sample_data: Path) -> None:
    source = sample_data / "comparison"
    table, rated = read_fixations(source / "fixations.csv"), read_table(source / "histograms.csv", ["image"])
    images = sorted(set(table["image"]) & set(rated["image"]))[:4]
    (tmp_path / "pictures").mkdir()
    for image in images:
        (tmp_path / "pictures" / image).write_bytes((source / "pictures" / image).read_bytes())
    rated[rated["image"].isin(images)].to_csv(tmp_path / "ratings.csv", index=False)
    person = str(table["participant"].iloc[0])
    table[table["image"].isin(images)].to_csv(tmp_path / "fixations.csv", index=False)
    entries = [Exclusion(participant=person, reason="asleep"), Exclusion(image=images[0], reason="a blank scan")]
    exclude(tmp_path / "exclusions.toml", entries)
    arguments = ["build-dataset", "--pictures", tmp_path / "pictures", "--ratings", tmp_path / "ratings.csv"]
    arguments += ["--fixations", tmp_path / "fixations.csv", "--sigma-px", "20", "--condition", "original"]
    done = run(*arguments, "--condition", "human", "--out", tmp_path / "d.dataset.h5")
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"{person} excluded (4 trials): asleep" in done.stderr
    dataset = open_dataset(tmp_path / "d.dataset.h5")
    assert list(dataset.ids) == images[1:]
    assert person not in dataset.participants
    account = dataset.provenance["parameters"]["excluded"]
    assert sentences(account)[0] == f"{person} excluded (4 trials): asleep"
    assert any(record["reason"] == "a blank scan" for record in account)


def test_a_study_that_is_run_is_stale_where_exclusions_change(tmp_path: Path, sample_data: Path) -> None:
    (tmp_path / "study.toml").write_text((sample_data / "study.toml").read_text())
    (tmp_path / "run.toml").write_text(
        '[pipeline]\nkind = "gbr"\nstudy = "study.toml"\n[training]\nmodels = ["nima-narrow"]\n'
    )
    config = read_pipeline(tmp_path / "run.toml")
    before = dataset_files(config, tmp_path)
    exclude(tmp_path / "exclusions.toml", [Exclusion(participant="P01", reason="asleep")])
    assert set(dataset_files(config, tmp_path)) - set(before) == {tmp_path / "exclusions.toml"}


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({}, "a participant, an image or both are needed"),
        ({"session": "2", "image": "a"}, "name whose it is"),
        ({"order": 3, "image": "a"}, "order is of a participant and an image"),
        ({"order": 0, "participant": "P1"}, "order is of a participant and an image"),
    ],
    ids=["of nothing", "session of nobody", "order of nobody", "order of no picture"],
)
def test_an_entry_that_could_be_of_anything_is_refused(entry: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Exclusion(reason="x", **entry)  # type: ignore[arg-type]


def test_an_order_and_a_number_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "exclusions.toml"
    first = exclude(file, [Exclusion(participant="P1", image="a", order=0, reason="moved")])
    assert [entry.order for entry in read_exclusions(file)] == [0]
    assert str(first[0]) == "P1 on a (shown as number 1)"
    for number in (0, 2):
        with pytest.raises(InputError, match=f"has 1 entry; there is no number {number}"):
            undo_exclusion(file, number)
    undo_exclusion(file, 1)
    with pytest.raises(InputError, match="was taken back already"):
        undo_exclusion(file, 1)
