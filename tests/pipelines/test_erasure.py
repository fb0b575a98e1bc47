"""One person taken out of a study: shown first, done when confirmed, recorded without the person."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from gazekit.cli import gazekit
from gazekit.core.errors import InputError
from gazekit.explore import load_material
from gazekit.session.exclusions import EXCLUSIONS, Exclusion, exclude, read_exclusions
from pipelines.erasure import RECORD, find_person
from pipelines.publishing import LEDGER, publications, publish
from survey.database import open_store
from survey.schema import platform, rater, slot

STUDY = """
[study]
name = "reefs"
[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630
[pictures]
list = "pictures.csv"
[dataset]
out = "reefs.dataset.h5"
sessions = ["sessions"]
ratings = "ratings.csv"
"""


@pytest.fixture
def study(sample_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    shutil.copytree(sample_data / "sessions", folder / "sessions", ignore=shutil.ignore_patterns(".explore"))
    shutil.copy(sample_data / "pictures.csv", folder)
    ratings = pd.read_csv(sample_data / "ratings.csv")
    ratings.loc[ratings["rater"] == "sim00001", "rater"] = "P01"
    ratings.to_csv(folder / "ratings.csv", index=False)
    (folder / "study.toml").write_text(STUDY)
    (folder / "reefs.dataset.h5").write_bytes(b"made of everybody")
    return folder / "study.toml"


def files_with(name: bytes, folder: Path) -> list[str]:
    return sorted(
        p.name for p in folder.rglob("*") if p.is_file() and (name in p.read_bytes() or name.decode() in p.name)
    )


def test_person_is_gone_from_every_file_and_the_rest_stays(study: Path, tmp_path: Path) -> None:
    folder, elsewhere, moved = study.parent, tmp_path / "elsewhere" / "reefs", tmp_path / "moved"
    elsewhere.parent.mkdir()
    publish(study, elsewhere)
    shutil.copytree(elsewhere, folder / "published")  # as before there was a list of publications
    with open(folder / LEDGER, "a") as file:
        file.write(f"2026-11-01T10:00:00+00:00,{moved}\n")
    before = pd.read_csv(folder / "ratings.csv")
    mine = (before["rater"] == "P01").sum()
    erasure = find_person("P01", study)
    assert (folder / "sessions" / "P01.gaze.h5").exists()  # nothing is done yet
    text = "\n".join(erasure.lines())
    assert "P01.gaze.h5: the session is deleted" in text
    assert f"ratings.csv: {mine} of {len(before)} rows are taken out" in text
    assert "reefs.dataset.h5: deleted: build it again" in text
    assert "published: written anew" in text
    assert f"{elsewhere}: written anew" in text
    assert f"{moved}: published there on 2026-11-01, and not there now" in text
    erasure.carry_out()
    assert files_with(b"P01", tmp_path) == []
    assert [Path(row["folder"]) for row in publications(study)] == [elsewhere, moved]
    assert (folder / "sessions" / "P02.gaze.h5").exists()
    assert len(pd.read_csv(folder / "ratings.csv")) == len(before) - mine
    assert not (folder / "reefs.dataset.h5").exists()
    for published in (folder / "published", elsewhere):
        assert [path.name for path in (published / "bids").glob("sub-*")] == ["sub-P02"]
    record = pd.read_csv(folder / RECORD)
    assert record[["sessions", "ratings", "datasets", "published"]].iloc[0].tolist() == [1, mine, 1, 2]


def test_entries_of_what_is_excluded_go_with_the_person(study: Path) -> None:
    file = study.parent / EXCLUSIONS
    exclude(file, [Exclusion(participant="P01", image="coffee.png", reason="asleep"), Exclusion(image="x", reason="y")])
    (study.parent / "areas.anna.history.jsonl").write_text('"drawn as P01 said"')
    erasure = find_person("P01", study)
    assert f"{file}: 1 entry is taken out" in erasure.lines()
    assert any("areas.anna.history.jsonl: not touched, and it names the person" in line for line in erasure.lines())
    erasure.carry_out()
    assert [entry.image for entry in read_exclusions(file)] == ["x"]


def test_what_explore_kept_goes_with_the_session(study: Path) -> None:
    load_material([study.parent / "sessions"])
    kept = study.parent / "sessions" / ".explore"
    shutil.copy(study.parent / "sessions" / "P01.gaze.h5", study.parent / "sessions" / "P01.part2.gaze.h5")
    assert files_with(b"P01", kept)
    find_person("P01", study).carry_out()
    assert not files_with(b"P01", kept)
    assert files_with(b"P02", kept)


def test_journals_of_all_parts_go_and_those_of_others_stay(study: Path) -> None:
    sessions = study.parent / "sessions"
    shutil.copy(sessions / "P01.gaze.h5", sessions / "P01.part2.gaze.h5")
    gone = [f"P01{rest}.gaze.journal" for rest in ("", ".part2", ".part3")]
    stay = ["P012.gaze.journal", "P01-b.gaze.journal", "P02.gaze.journal"]
    for name in (*gone, *stay):
        (sessions / name).write_bytes(b"of a session")
    find_person("P01", study).carry_out()
    assert sorted(file.name for file in sessions.glob("*.journal")) == sorted(stay)
    assert [file.name for file in sessions.glob("*.gaze.h5")] == ["P02.gaze.h5"]


def test_two_erasures_are_recorded_one_below_the_other(study: Path) -> None:
    for person in ("P01", "P02"):
        find_person(person, study).carry_out()
    lines = (study.parent / RECORD).read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["sessions", "1", "1"]


def test_a_table_that_names_nobody_is_said(study: Path) -> None:
    table = pd.read_csv(study.parent / "ratings.csv").drop(columns="rater")
    table.to_csv(study.parent / "ratings.csv", index=False)
    lines = find_person("P01", study).lines()
    assert any("ratings.csv has no column rater: what one person gave cannot be told apart" in line for line in lines)


def test_command_shows_asks_and_leaves_all_as_it_is_where_the_answer_is_no(study: Path) -> None:
    result = CliRunner().invoke(gazekit, ["erase", "P01", "--study", str(study)], input="n\n")
    assert "P01.gaze.h5: the session is deleted" in result.output
    assert "nothing was changed" in result.output
    assert (study.parent / "sessions" / "P01.gaze.h5").exists()
    assert not (study.parent / RECORD).exists()
    done = CliRunner().invoke(gazekit, ["erase", "P01", "--study", str(study), "--yes"])
    assert "done; recorded in" in done.output
    assert not (study.parent / "sessions" / "P01.gaze.h5").exists()


def test_exports_that_still_name_the_person_are_said(study: Path) -> None:
    (study.parent / "fixations.csv").write_text("participant,x\nP01,3\nP012,4\n")
    (study.parent / "others.csv").write_text("participant,x\nP012,4\n")
    (study.parent / "bids" / "sub-P01" / "beh").mkdir(parents=True)
    left = [line.split(":")[0] for line in find_person("P01", study).lines() if "not touched" in line]
    assert left == [str(study.parent / "bids" / "sub-P01"), str(study.parent / "fixations.csv")]


def test_person_that_nobody_knows(study: Path) -> None:
    with pytest.raises(InputError, match=r"holds 'P99': sessions, fixation table and ratings of \[dataset\]") as error:
        find_person("P99", study)
    assert "not named there" not in str(error.value)


def test_a_session_that_the_study_file_does_not_name_is_said(study: Path) -> None:
    (study.parent / "elsewhere").mkdir()
    (study.parent / "elsewhere" / "P99.gaze.h5").touch()
    with pytest.raises(InputError, match=r"not named there \(\[dataset\] sessions\), and they name .*P99\.gaze\.h5"):
        find_person("P99", study)


def test_sessions_are_found_where_record_writes_them_unless_told_otherwise(study: Path) -> None:
    study.write_text(STUDY.split("[dataset]")[0])
    assert [step.path.name for step in find_person("P01", study).steps] == ["P01.gaze.h5"]


def test_rater_of_the_survey_with_the_platforms_id(study: Path) -> None:
    study.write_text(STUDY + "[survey]\nscale = 10\nraters_per_picture = 2\npictures_per_rater = 5\n")
    database = study.with_suffix(".survey.db")
    runner = CliRunner()
    assert runner.invoke(gazekit, ["survey", "simulate", str(study), "--raters", "4"]).exit_code == 0
    with open_store(database, create=False) as store:
        with store.write() as connection:
            first = connection.execute(select(rater.c.id, rater.c.name).order_by(rater.c.id)).first()
            row = {"rater_id": first.id, "source": "prolific", "participant": "5f3a", "study": "s", "session": "t"}
            connection.execute(platform.insert().values(**row))
        find_person(first.name, study).carry_out()
        with store.read() as connection:
            assert connection.execute(select(platform).where(platform.c.rater_id == first.id)).all() == []
            assert connection.execute(select(slot).where(slot.c.rater_id == first.id)).all() == []
            assert len(connection.execute(select(rater).where(rater.c.deleted_at.is_(None))).all()) == 3


def test_the_row_of_the_participant_table_goes_too(study: Path) -> None:
    people = study.parent / "people.csv"
    people.write_text("participant,group,age\nP01,a,31\nP02,b,44\n")
    study.write_text(STUDY + '[design]\nparticipants = "people.csv"\n')
    find_person("P01", study).carry_out()
    assert people.read_text().splitlines() == ["participant,group,age", "P02,b,44"]


HEAD, OTHERS = (
    "rater;image;score;share;note",
    ["NA;a.jpg;6;0,30000000000000004;NA", '"B;b";"c\nd.jpg";;1,0;null', "p01 ;;7;;"],
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_of_others_stay_as_they_are_written(study: Path, encoding: str, end: str) -> None:
    rows = [HEAD, *OTHERS[:1], "P01;a.jpg;5;0,1;é", "", *OTHERS[1:], "P01;b.jpg;1;;"]
    table = study.parent / "ratings.csv"
    table.write_bytes(end.join([*rows, ""]).encode(encoding))
    erasure = find_person("P01", study)
    assert f"{table}: 2 of 5 rows are taken out" in erasure.lines()
    assert f"{table}: 'p01 ' stays: if that is the same person, erase that name too" in erasure.lines()
    erasure.carry_out()
    assert table.read_bytes() == end.join([HEAD, *OTHERS[:1], "", *OTHERS[1:], ""]).encode(encoding)


def test_nothing_is_changed_where_a_table_cannot_be_written(study: Path) -> None:
    pytest.importorskip("openpyxl")
    pd.read_csv(study.parent / "ratings.csv").to_excel(study.parent / "ratings.xlsx", index=False)
    study.write_text(STUDY.replace("ratings.csv", "ratings.xlsx"))
    with pytest.raises(InputError, match=r"nothing was changed: \d+ of \d+ rows of .*ratings\.xlsx are of P01"):
        find_person("P01", study)
    assert (study.parent / "sessions" / "P01.gaze.h5").exists()
