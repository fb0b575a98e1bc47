from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from gazekit.cli import gazekit, main
from survey.cli import survey
from survey.database import open_store
from tests.fixtures.survey import STUDY, write_study


def run(*arguments: str) -> Result:
    return CliRunner().invoke(gazekit, ["survey", *arguments], catch_exceptions=False)


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """Twelve raters of nine pictures through the store, as a table."""
    study = write_study(tmp_path, STUDY.replace("raters_per_picture = 3", "raters_per_picture = 6"))
    assert run("simulate", str(study), "--raters", "12", "--json").exit_code == 0
    out = tmp_path / "ratings.csv"
    assert run("export", str(study), "--out", str(out)).exit_code == 0
    return out


def test_every_command_has_help_with_an_example() -> None:
    for name, command in survey.commands.items():
        text = run(name, "--help").output
        assert f"gazekit survey {name}" in text, name
        assert "\\b" not in text, name
        assert command.help


def test_from_simulated_raters_to_the_histogram_table(ratings: Path) -> None:
    out = ratings.with_name("histograms.csv")
    answer = run("aggregate", str(ratings), "--out", str(out), "--min-ratings", "6", "--joint", "--json")
    assert json.loads(answer.output) == {"pictures": 9, "ratings": 54, "few": 0, "out": str(out)}
    table = pd.read_csv(out)
    assert table["n"].tolist() == [6] * 9
    assert table["joint"].notna().all()
    kept = json.loads(Path(f"{out}.json").read_text())
    assert kept["parameters"]["scale"] == 10
    assert len(kept["inputs"]["ratings"]) == 64


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_report_is_a_picture_and_repeats(ratings: Path, suffix: str) -> None:
    pictures = [ratings.with_name(f"{name}{suffix}") for name in ("one", "two")]
    for picture in pictures:
        options = ["--out", str(ratings.with_name("h.csv")), "--screen", "--report", str(picture)]
        assert run("aggregate", str(ratings), *options).exit_code == 0
    start = pictures[0].read_bytes()[:300]
    assert start.startswith(b"\x89PNG") if suffix == ".png" else b"<svg" in start or b"<?xml" in start
    if suffix == ".png":
        assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert ratings.with_name("h.screening.csv").exists()


def test_the_report_of_ratings_that_nobody_screened_shows_all_raters(ratings: Path) -> None:
    out, picture = ratings.with_name("h.csv"), ratings.with_name("plain.svg")
    assert run("aggregate", str(ratings), "--out", str(out), "--report", str(picture)).exit_code == 0
    shown = picture.read_text(encoding="utf-8")
    assert "kept" in shown
    assert "excluded" not in shown
    assert not ratings.with_name("h.screening.csv").exists()


def test_screening_writes_who_and_why(ratings: Path) -> None:
    table = pd.read_csv(ratings)
    table.loc[table["rater"] == "sim00003", "time_ms"] = 100
    table.to_csv(ratings, index=False)
    out = ratings.with_name("screening.csv")
    answer = json.loads(run("screen", str(ratings), "--out", str(out), "--exclude-by", "too fast", "--json").output)
    assert "sim00003" in answer["excluded"]
    assert "too fast" in set(pd.read_csv(out)["rule"])


def test_reliability_for_people_and_programs(ratings: Path) -> None:
    assert "Krippendorff's alpha (interval)" in run("reliability", str(ratings)).output
    rows = json.loads(run("reliability", str(ratings), "--json").output)
    assert {row["measure"] for row in rows} >= {"ICC(1)", "noise ceiling"}


def test_import_reports_faults_beside_the_ratings(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("rater,image,score\na,x,3\na,y,12\nb,x,4\n")
    (tmp_path / "prolific.csv").write_text("Participant id,Status\na,APPROVED\nb,RETURNED\n")
    out = tmp_path / "out.csv"
    options = ["--out", str(out), "--prolific", str(tmp_path / "prolific.csv"), "--json"]
    answer = json.loads(run("import", str(tmp_path / "in.csv"), *options).output)
    assert (answer["ratings"], answer["faults"], answer["not approved"]) == (1, 1, ["b"])
    assert pd.read_csv(tmp_path / "out.faults.csv")["row"].tolist() == [3]
    assert pd.read_csv(out)["score"].tolist() == [3]


def test_serve_checks_the_study_first(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    assert "9 pictures, 3 ratings each: at least 5 raters" in run("serve", str(study), "--check").output


def test_a_section_that_is_nearly_called_survey_is_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    text = study.read_text("utf-8")
    for name in ("Survey", "suvery"):
        study.write_text(text.replace("[survey]", f"[{name}]"), "utf-8")
        answer = CliRunner().invoke(survey, ["serve", str(study), "--check"])
        assert f"[{name}] is no section; did you mean [survey]?" in str(answer.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "{study}"], "the operator's page needs a password: set GAZEKIT_SURVEY_PASSWORD"),
        (["aggregate", "{table}"], "ratings need the columns rater, image, score; missing: rater"),
        (["import", "{table}"], "no column looks like the rater"),
        (["export", "{study}", "--database-url", "nonsense://"], "is not a database that can be opened"),
    ],
    ids=["serve", "aggregate", "import", "export"],
)
def test_failures_print_what_to_do_and_end_with_one(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.delenv("GAZEKIT_SURVEY_PASSWORD", raising=False)
    table = tmp_path / "table.csv"
    table.write_text("image,score\nx,3\n")
    places = {"study": str(write_study(tmp_path)), "table": str(table)}
    with pytest.raises(SystemExit) as end:
        main(["survey", *(argument.format(**places) for argument in arguments)])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_the_plan_is_shown_before_anything_is_taken(tmp_path: Path) -> None:
    study, out = write_study(tmp_path), tmp_path / "out.csv"
    (tmp_path / "in.csv").write_text("subject,consent,p000,p001.jpg,age\nA,1,3,9,7\n")
    arguments = ["import", str(tmp_path / "in.csv"), "--study", str(study), "--out", str(out)]
    planned = run(*arguments, "--plan").output
    assert "2 of 4 columns hold ratings: p000, p001.jpg" in planned
    assert "columns left: consent, age" in planned
    assert not out.exists()
    assert run(*arguments).output.startswith(planned)
    assert pd.read_csv(out)["image"].tolist() == ["p000.jpg", "p001.jpg"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rater,image,score\na,p000.jpg,99\n", "no rating is left; nothing was written (the faults are in"),
        ("rater,image,score\na,other.jpg,3\n", "no rating found"),
        ("subject,consent,age\na,1,7\n", "no column is named like one of the study's 9 pictures"),
    ],
    ids=["off-the-scale", "other-pictures", "no-pictures"],
)
def test_no_rating_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    study = write_study(tmp_path)
    (tmp_path / "in.csv").write_text(text)
    out = tmp_path / "out.csv"
    with pytest.raises(SystemExit) as end:
        main(["survey", "import", str(tmp_path / "in.csv"), "--study", str(study), "--out", str(out)])
    assert end.value.code == 1
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_one_question_of_several_is_chosen_on_the_way(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('Timestamp,"Beauty [a.jpg]","Calm [a.jpg]"\nt,7,2\nu,6,3\n')
    run("import", str(source), "--out", str(out))
    assert run("aggregate", str(out), "--attribute", "Calm", "--out", str(tmp_path / "h.csv")).exit_code == 0
    assert pd.read_csv(tmp_path / "h.csv")["mean"].tolist() == [2.5]
    run("import", str(source), "--out", str(out), "--attribute", "Beauty")
    assert pd.read_csv(out).columns.tolist() == ["rater", "image", "score"]


def test_a_survey_is_operated_and_backed_up_from_the_command_line(ratings: Path) -> None:
    study = ratings.with_name("study.toml")
    answer = json.loads(run("operate", str(study), "--pause", "--exclude", "sim00001", "--json").output)
    assert answer["survey"] == "paused"
    assert answer["left out"] == ["sim00001"]
    assert answer["opened again"] > 0
    copy = ratings.with_name("copy.db")
    assert run("backup", str(study), "--out", str(copy)).exit_code == 0
    again = ratings.with_name("again.csv")
    run("export", str(study), "--database-url", str(copy), "--out", str(again))
    assert "excluded" in set(pd.read_csv(again)["kind"])
    assert again.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("command", ["export", "pay", "operate"])
def test_where_there_is_no_database_nothing_is_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    study = write_study(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["survey", command, str(study)])
    assert end.value.code == 1
    assert "there is no survey database at" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.db*"))


def test_an_empty_database_is_not_exported_as_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = write_study(tmp_path)
    open_store(study.with_suffix(".survey.db")).close()
    with pytest.raises(SystemExit) as end:
        main(["survey", "export", str(study), "--out", str(tmp_path / "r.csv")])
    assert end.value.code == 1
    assert "there is no rating in" in capsys.readouterr().err


def test_pairs_of_known_order_are_read_from_a_table(ratings: Path) -> None:
    names = sorted(pd.read_csv(ratings)["image"].dropna().unique())
    means = pd.read_csv(ratings).query("kind == 'main'").groupby("image")["score"].mean()[names].sort_values()
    pairs = ratings.with_name("gold.csv")
    turned = [(low, high) for low in means.index[:4] for high in means.index[-4:]]
    pd.DataFrame(turned, columns=["better", "worse"]).to_csv(pairs, index=False)
    out = ratings.with_name("s.csv")
    run("screen", str(ratings), "--gold", str(pairs), "--exclude-by", "gold", "--out", str(out))
    assert "gold" in set(pd.read_csv(out)["rule"])


def test_raters_come_back_are_merged_and_pictures_withdrawn_from_the_command_line(ratings: Path) -> None:
    study = str(ratings.with_name("study.toml"))
    run("operate", study, "--exclude", "sim00001")
    picture = pd.read_csv(ratings)["image"].iloc[0]
    orders = ["--readmit", "sim00001", "--merge", "sim00002", "sim00003", "--withdraw", picture]
    assert json.loads(run("operate", study, *orders, "--json").output)["left out"] == []
    again = ratings.with_name("again.csv")
    run("export", study, "--out", str(again))
    table = pd.read_csv(again)
    assert "excluded" not in set(table["kind"])
    assert "sim00001" in set(table["rater"])
    assert "sim00003" not in set(table["rater"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["operate", "study.toml", "--merge", "sim00002", "sim00002"], "sim00002 cannot be merged with itself"),
        (["pay", "study.toml", "--send"], "sending to Prolific needs a token: set PROLIFIC_TOKEN"),
        (["claim", "ratings.csv", "--groups", "groups.csv"], "has 1 group (a); two are compared"),
        (["aggregate", "ratings.csv", "--attribute", "calm", "--out", "h.csv"], "unknown question 'calm'"),
        (["import", "ratings.csv", "--layout", "tall", "--out", "x.csv"], "'tall' is not one of"),
        (["import", "ratings.csv", "--map", "groups.csv", "--out", "x.csv"], "a map has the columns column and image"),
        (["import", "ratings.csv", "--prolific", "groups.csv", "--out", "x.csv"], "is not a Prolific export"),
    ],
    ids=["itself", "token", "one-group", "question", "layout", "map", "prolific"],
)
def test_what_cannot_be_done_is_refused(
    ratings: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(ratings.parent)
    monkeypatch.delenv("PROLIFIC_TOKEN", raising=False)
    Path("groups.csv").write_text("image,group\np000.jpg,a\n")
    with pytest.raises(SystemExit) as end:
        main(["survey", *arguments])
    assert end.value.code != 0
    assert words in capsys.readouterr().err
    assert not {"h.csv", "x.csv"} & {file.name for file in Path().iterdir()}
