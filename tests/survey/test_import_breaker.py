"""Exports as other tools and other languages write them: invented, of the kinds that went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from gazekit.core.errors import GazekitError
from survey.errors import RatingsError
from survey.imports import ColumnMap, import_ratings

PICTURES = ("reef1.jpg", "reef2.jpg", "reef10.jpg", "Üfer 3.png")
ONE, TWO = ("P", "reef1.jpg", 5), ("P", "reef2.jpg", 6)
QUALTRICS_DE = (
    "Startdatum,Status,Fortschritt,Beendet,Antwort-ID,Q1_1,Q1_2,Alter\n"
    "Startdatum,Antworttyp,x,x,Antwort-ID,Wie schön? - reef1,Wie schön? - reef2,Alter\n"
    '"{""ImportId"":""startDate""}","{""ImportId"":""status""}",a,"{""ImportId"":""finished""}",'
    '"{""ImportId"":""_recordId""}","{""ImportId"":""QID1_1""}","{""ImportId"":""QID1_2""}","{""ImportId"":""QID2""}"\n'
    "d,IP-Adresse,100,Wahr,P,5,6,33\nd,Umfragevorschau,100,Wahr,R_2,1,1,33\nd,Umfragetest,100,Falsch,R_3,1,1,3\n"
)
LIME = (
    '"Response ID","Date submitted","Last page","How beautiful? [reef1.jpg]","How beautiful? [reef2.jpg]",'
    '"Group time: reef1","Question time: reef2"\nP,2026,3,"AO05","AO06",7,6\n'
)
TASKS = json.dumps([{"rating": 5, "consent": {"on": True}, "age": "3", "hours a week": "7"}]).replace('"', '""')
TRIAL = {"trial_type": "image-slider-response", "trial_index": 1, "rt": "900"}

SOSCI = (
    "CASE\tQUESTNNR\tMODE\tSTARTED\tA101_01\tA101_02\tFINISHED\n"
    "Interview-Nummer\tFragebogen\tModus\tBeginn\tSchönheit: reef1.jpg\tSchönheit: reef2.jpg\tfertig\n"
    "7\tbase\tinterview\t2026-11-01\t5\t6\t1\n8\tbase\tpretest\t2026-11-01\t1\t1\t1\n"
    "9\tbase\tinterview\t2026-11-01\t-9\t-1\t0\n"
)
CASES = {
    "sosci-survey-with-labels.tsv": (SOSCI, "soscisurvey", [("7", *ONE[1:]), ("7", *TWO[1:])]),
    "limesurvey-codes-and-german-texts.csv": (
        '"id. Antwort ID","submitdate. Datum Abgeschickt","q[a]. Wie? [reef1.jpg]","q[b]. Wie? [reef2.jpg]"\n'
        "P,2026,5,6\n",
        "limesurvey",
        [ONE, TWO],
    ),
    "long-spanish.csv": ("participante;imagen;puntuación\nP;reef1.jpg;5\nP;reef2.jpg;6\n", "long", [ONE, TWO]),
    "long-french.csv": ("sujet;image;note\nP;reef1.jpg;5\nP;reef2.jpg;6\n", "long", [ONE, TWO]),
    "long-chinese.csv": ("被试,图片,评分\nP,reef1.jpg,5\nP,reef2.jpg,6\n", "long", [ONE, TWO]),
    "qualtrics-german.csv": (QUALTRICS_DE, "qualtrics", [ONE, TWO]),
    "google-forms-japanese.csv": (
        'タイムスタンプ,"美しさ [reef1.jpg]","美しさ [reef2.jpg]",年齢\n2026/01/01 10:00:00,5,6,7\n',
        "google-forms",
        [("row2", *ONE[1:]), ("row2", *TWO[1:])],
    ),
    "limesurvey-full-texts.csv": (LIME, "limesurvey", [ONE, TWO]),
    "limesurvey-semicolons.csv": (
        "id;submitdate;lastpage;G1[reef1];G1[reef2];G1[comment];interviewtime\nP;2026;3;5;6;nice;4,5\n",
        "limesurvey",
        [ONE, TWO],
    ),
    "mturk-with-an-age.csv": (
        "HITId,WorkerId,AssignmentStatus,Input.image_url,Answer.rating.4,Answer.rating.5,Answer.age\n"
        "h,P,Submitted,https://x/reef1.jpg,FALSE,TRUE,7\n",
        "mturk",
        [ONE],
    ),
    "mturk-crowd-form.csv": (
        f'HITId,WorkerId,AssignmentStatus,Input.image_url,Answer.taskAnswers\nh,P,Approved,reef1.jpg,"{TASKS}"\n',
        "mturk",
        [ONE],
    ),
    "P.json": (
        json.dumps([TRIAL | {"stimulus": "img/reef1.jpg", "response": "5"}, {"trial_type": "preload"}]),
        "jspsych",
        [ONE],
    ),
    "jspsych-text-answers.json": (
        json.dumps(
            [
                TRIAL | {"stimulus": "reef1.jpg", "response": 5, "subject": "P"},
                TRIAL | {"stimulus": "<img src='reef2.jpg'>", "response": {"beauty": 6, "age": 3}, "subject": "P"},
                {"trial_type": "survey-text", "response": {"age": "7"}, "subject": "P"},
            ]
        ),
        "jspsych",
        [ONE, TWO],
    ),
    "psychopy-keys.csv": (
        "image,trials.thisN,key_resp.keys,key_resp.rt,participant,date,expName\n"
        "reef1.jpg,0,num_5,0.9,P,2026,x\nreef2.jpg,1,\"['6']\",0.9,P,2026,x\n",
        "psychopy",
        [ONE, TWO],
    ),
    "gorilla.csv": (
        "Event Index,Participant Private ID,Spreadsheet: image,Response Type,Response,Reaction Time\n"
        "1,P,reef1.jpg,response,5,900\n2,P,reef1.jpg,action,CLICK,950\n3,P,,response,yes,9\n",
        "gorilla",
        [ONE],
    ),
    "surveymonkey.csv": (
        'Respondent ID,Collector ID,IP Address,"How beautiful is reef1?","How beautiful is reef2?",How old are you?\n'
        ",,,Response,Response,Open-Ended Response\nP,2,1.1.1.1,5,6,7\n",
        "surveymonkey",
        [ONE, TWO],
    ),
    "pictures-in-rows.csv": (
        "image,width,height,P,Q,mean\nreef1.jpg,8,6,5,,5\nreef2.jpg,8,6,6,,6\n", "transposed", [ONE, TWO]
    ),
    "wide-with-an-id.csv": ("id,age,consent,reef1,reef2,total\nP,3,1,5,6,7\n", "wide", [ONE, TWO]),
    "stems-that-begin-alike.csv": ("subject,reef1,reef10\nP,5,6\n", "wide", [ONE, ("P", "reef10.jpg", 6)]),
    "blanks-and-empty-rows.csv": (
        'rater,image,score\n"P ",reef1.jpg,5\n,,\n"P\u00a0", REEF2.JPG ,6\n', "long", [ONE, TWO]
    ),
    "long-with-times.csv": ("participant,trial,image,rating,rt,age\nP,1,reef1.jpg,5,9,3\n", "long", [ONE]),
    "times-and-comments-beside.csv": (
        "rater,reef1.jpg,reef2.jpg,rt_reef1.jpg,reef2.jpg_seconds,Kommentar reef1.jpg,reef1_order\nP,5,6,1,2,3,4\n",
        "wide",
        [ONE, TWO],
    ),
    "qualtrics-timers-renamed.csv": (
        "StartDate,EndDate,Status,Finished,ResponseId,reef1,reef1_t,reef2\nStart,End,Type,Finished,Id,How?,Klick,How?\n"
        + ",".join(f'"{{""ImportId"":""{one}""}}"' for one in ("startDate", "endDate", "status", "finished"))
        + ',"{""ImportId"":""_recordId""}","{""ImportId"":""Q1""}","{""ImportId"":""Q2_FIRST_CLICK""}",'
        + '"{""ImportId"":""Q3""}"\n2026,2026,IP Address,True,P,5,1,6\n',
        "qualtrics",
        [ONE, TWO],
    ),
    "qualtrics-of-two-header-rows.csv": (
        "ResponseID,Name,Status,StartDate,Finished,Q1,Q2\nResponseID,Name,Status,StartDate,Finished,reef1.jpg?,reef2.jpg?\n"
        "P,,0,2015,1,5,6\nQ,,1,2015,1,5,6\n",
        "qualtrics",
        [ONE, TWO],
    ),
    "long-with-practice.csv": (
        "participant,image,rating,phase,split\nP,reef1.jpg,3,practice,training\nP,reef1.jpg,5,main,training\n",
        "long",
        [ONE],
    ),
    "long-with-a-preview.csv": (
        "participant,image,rating,status\nQ,reef1.jpg,3,Preview\nP,reef1.jpg,5,complete\n", "long", [ONE]
    ),
    "wide-with-prolifics-status.csv": (
        "Participant id,Status,reef1.jpg,reef2.jpg\nQ,RETURNED,1,1\nP,APPROVED,5,6\nR,TIMED-OUT,1,2\n",
        "wide",
        [ONE, TWO],
    ),
    "a-title-above.csv": ("Beauty study\n\nrater,reef1.jpg,reef2.jpg\nP,5,6\n", "wide", [ONE, TWO]),
    "a-title-in-its-first-cell.csv": ("Beauty study,,\nrater,reef1.jpg,reef2.jpg\nP,5,6\n", "wide", [ONE, TWO]),
    "excels-separator.csv": ("sep=;\nrater;reef1.jpg;reef2.jpg\nP;5;6\n", "wide", [ONE, TWO]),
    "google-in-russian.csv": (
        "Отметка времени,Адрес электронной почты,Оцените reef1.jpg,Комментарий reef1.jpg,Сколько вам лет?\n"
        "01.02.2026 10:00:00,p@x.org,5,6,7\n",
        "google-forms",
        [("p@x.org", "reef1.jpg", 5)],
    ),
    "google-in-korean.csv": (
        "타임스탬프,사용자 이름,reef1.jpg,나이\n2026. 1. 1 오전 10:00:00,p@x.org,5,7\n",
        "google-forms",
        [("p@x.org", "reef1.jpg", 5)],
    ),
    "mturk-named-buttons.csv": (
        "HITId,WorkerId,AssignmentStatus,Input.image_url,Answer.beauty.b4,Answer.beauty.b5,Answer.tags.t1,Answer.tags.t2\n"
        "h,P,Approved,reef1.jpg,false,true,true,true\n",
        "mturk",
        [ONE],
    ),
    "gorilla-practice-and-buttons.csv": (
        "Event Index,Participant Private ID,Participant Status,Zone Type,Reaction Time,Response,display,image\n"
        "1,P,complete,response_slider_endValue,9,3,practice,reef1.jpg\n"
        "2,P,complete,response_slider_endValue,9,5,main,reef1.jpg\n2,P,complete,continue_button,9,Next,main,reef1.jpg\n"
        "1,Q,rejected,response_slider_endValue,9,5,main,reef1.jpg\nEND OF FILE,,,,,,,\n",
        "gorilla",
        [ONE],
    ),
    "psychopy-practice.csv": (
        "practice_trials.thisN,trials.thisN,image,slider.response,participant,date,expName\n"
        "0,,reef1.jpg,2,P,2026,x\n,0,reef1.jpg,5,P,2026,x\n",
        "psychopy",
        [ONE],
    ),
    "a-list-of-one.json": (json.dumps([TRIAL | {"stimulus": ["img/reef1.jpg"], "response": 5, "subject": "P"}]),
        "jspsych",
        [ONE],
    ),
    "sums-under-the-pictures.csv": (
        "image,P,Mean\nreef1.jpg,5,5\nreef2.jpg,6,6\nMean,5,5\n", "transposed", [ONE, TWO]
    ),
    "redcap-raw.csv": (
        "record_id,redcap_survey_identifier,rating_timestamp,age,rate_reef1,rate_reef2,rating_complete\n"
        "P,,2026-01-01 10:00,25,5,6,2\n",
        "redcap",
        [ONE, TWO],
    ),
    "redcap-labels.csv": ("Record ID,Age,How is reef1.jpg?,How is reef2.jpg?,Complete?\nP,3,5,6,Complete\n", "redcap",
        [ONE, TWO],
    ),
    "redcap-repeated.csv": (
        "record_id,redcap_repeat_instrument,redcap_repeat_instance,picture,rating\n"
        "P,,,,\nP,rate,1,reef1.jpg,5\nP,rate,2,reef2.jpg,6\n",
        "redcap",
        [ONE, TWO],
    ),
    "formr.csv": (
        "session,created,modified,ended,expired,reef1,reef2,age\nP,2026,2026,2026,,5,6,7\nabcXXX,2026,2026,NA,NA,1,2,7\n",
        "formr",
        [ONE, TWO],
    ),
    "checks-beside.csv": (
        "rater,reef1.jpg,reef1_check,reef2.jpg,page reef2,Please attend: choose 2 for reef2.jpg\nP,5,2,6,1,2\n",
        "wide",
        [ONE, TWO],
    ),
    "long-with-checks.csv": (
        "rater,image,score,kind\nP,reef1.jpg,5,main\nP,reef1.jpg,2,attention check\nP,reef2.jpg,2,Catch trial\n",
        "long",
        [ONE],
    ),
    "sums-under-the-raters.csv": (
        "rater,reef1.jpg,reef2.jpg\nP,5,6\nMean,5,6\nSD,1,1\n", "wide", [ONE, TWO]
    ),
    "a-rater-called-total.csv": (
        "rater,reef1.jpg,reef2.jpg\nTotal,5,6\nP,5,6\n", "wide", [("Total", *ONE[1:]), ("Total", *TWO[1:]), ONE, TWO]
    ),
    "times-among-raters.csv": (
        "image,P,P_rt,Q.rt\nreef1.jpg,5,3,2\nreef2.jpg,6,1,2\n", "transposed", [ONE, TWO]
    ),
    "timestamps-beside.csv": (
        "rater,reef1.jpg,reef1_timestamp,reef2.jpg\nP,5,3,6\n", "wide", [ONE, TWO]
    ),
    "signs-of-other-scripts.csv": ("rater,reef1.jpg,reef2.jpg\nP,５,+6\nQ,#NV,None\n", "wide", [ONE, TWO]),
    "exported-by-this-survey.csv": (
        "rater,image,score,kind,expected\nP,reef1.jpg,5,main,\nP,,2,check,2\nP,reef1.jpg,4,repeat,\nQ,reef1.jpg,1,excluded,\n"
        "R,reef2.jpg,1,spare,\n",
        "long",
        [ONE],
    ),
    "long-with-a-column-of-checks.csv": (
        "rater,image,score,is_attention_check\nP,reef1.jpg,5,FALSE\nP,reef2.jpg,2,TRUE\n", "long", [ONE]
    ),
    "long-with-a-survey-preview.csv": (
        "rater,image,score,Status\nQ,reef1.jpg,3,Survey Preview\nP,reef1.jpg,5,IP Address\n", "long", [ONE]
    ),
    "psychopy-prac.csv": (
        "prac.thisN,trials.thisN,image,slider.response,participant,date,expName\n"
        "0,,reef1.jpg,2,P,2026,x\n,0,reef1.jpg,5,P,2026,x\n",
        "psychopy",
        [ONE],
    ),
    "numbers-behind-words.csv": (
        "rater,reef1.jpg,reef2.jpg\nP,not at all beautiful 5,sehr schön (6)\n", "wide", [ONE, TWO]
    ),
    "percent-encoded.csv": (
        "rater,image,score\nP,https://x.org/i/%C3%9Cfer%203.png?v=1,5\nP,u%CC%88fer%203,4\nP,REEF2.JPG,6\n",
        "long",
        [("P", "Üfer 3.png", 5), ("P", "Üfer 3.png", 4), TWO],
    ),
    "numbered-rows.csv": (",rater,image,score\n0,P,reef1.jpg,5\n1,P,reef2.jpg,6\n", "long", [ONE, TWO]),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_only_the_ratings_are_taken_whoever_wrote_the_file(tmp_path: Path, name: str) -> None:
    text, layout, expected = CASES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    imported = import_ratings(tmp_path / name, pictures=PICTURES, scale=7)
    assert imported.plan.layout == layout
    assert [tuple(row) for row in imported.ratings[["rater", "image", "score"]].to_numpy().tolist()] == expected
    assert imported.faults.empty


def test_what_is_above_the_table_and_of_practice_is_said(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("Beauty study\n\nrater,image,score\nP,reef1.jpg,5\nP,reef2.jpg,nan\n")
    imported = import_ratings(tmp_path / "s.csv", pictures=PICTURES)
    assert "lines above the table, left out: 2" in imported.plan.lines()
    assert imported.faults["row"].tolist() == [5]
    text = CASES["gorilla-practice-and-buttons.csv"][0]
    (tmp_path / "g.csv").write_text(text)
    left_out = import_ratings(tmp_path / "g.csv", pictures=PICTURES).plan.left_out
    assert left_out == {"without a picture": 2, "practice": 1, "rejected": 1}


def test_what_was_written_in_part_is_an_error_that_says_so(tmp_path: Path) -> None:
    pd.DataFrame({"rater": ["P"], "reef1.jpg": [5]}).to_excel(tmp_path / "w.xlsx", index=False)
    whole = (tmp_path / "w.xlsx").read_bytes()
    parts = {
        "cut.xlsx": whole[: len(whole) // 2],
        "last-byte.xlsx": whole[:-1],
        "spoiled.xlsx": whole[:300] + bytes(200) + whole[500:],
        "deep.json": b"[" * 5000,
        "cut.json": b'[{"rt": 1, "stimulus": "reef1.jpg", "resp',
        "heads.csv": b"Respondent ID,Collector ID,reef1.jpg\n",
        "quote.csv": b'rater,reef1.jpg\nP,5\n"Q,',
    }
    for name, content in parts.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RatingsError, match=r"not a table that can be read|two header rows"):
            import_ratings(tmp_path / name, pictures=PICTURES)
    (tmp_path / "t.csv").write_text(
        'rt,stimulus,response,trial_type,subject\n9,reef1.jpg,"{""x"":",survey-likert,P\n9,reef2.jpg,6,x,P\n'
    )
    imported = import_ratings(tmp_path / "t.csv", pictures=PICTURES, counts_from=1)
    assert imported.ratings["image"].tolist() == ["reef2.jpg"]
    assert imported.faults["found"].tolist() == ['{"x":']


def test_the_text_that_jatos_writes_is_read_as_json(tmp_path: Path) -> None:
    trial = TRIAL | {"stimulus": "reef1.jpg", "response": 5, "subject": "P"}
    (tmp_path / "jatos_results.txt").write_text(
        json.dumps([trial]) + "\n" + json.dumps([trial | {"subject": "Q"}]) + "\n"
    )
    imported = import_ratings(tmp_path / "jatos_results.txt", pictures=PICTURES)
    assert imported.plan.layout == "jspsych"
    assert imported.ratings["rater"].tolist() == ["P", "Q"]


def test_order_may_be_what_is_asked(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("Timestamp,Order [reef1.jpg],Complexity [reef1.jpg]\nt,5,6\n")
    assert import_ratings(tmp_path / "g.csv", pictures=PICTURES).plan.attributes == ("Complexity", "Order")
    trial = TRIAL | {"stimulus": "reef1.jpg", "subject": "P", "response": {"order": 5, "complexity": 6, "age": 30}}
    (tmp_path / "j.json").write_text(json.dumps([trial]))
    assert import_ratings(tmp_path / "j.json", pictures=PICTURES).plan.attributes == ("complexity", "order")


def test_sums_are_no_picture_where_no_study_is_given(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("image,P,Mean\nreef1.jpg,5,5\nMean,5,5\n")
    assert import_ratings(tmp_path / "s.csv").ratings["image"].tolist() == ["reef1.jpg"]


def test_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = ["4,5", "5,0", "-5", "nan", "1e3", "∞", "5 ", "5/7", "0x5", "٥", "7 - best", "5.0.1", "+5"]
    path.write_text("rater;image;score\n" + "".join(f"r{k:02d};reef1.jpg;{cell}\n" for k, cell in enumerate(rows)))
    imported = import_ratings(path, pictures=PICTURES, scale=7)
    assert dict(imported.ratings[["rater", "score"]].to_numpy().tolist()) == {"r01": 5, "r06": 5, "r10": 7, "r12": 5}
    assert len(imported.faults) == len(rows) - 4


def test_what_excel_saves_in_western_europe_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes("rater;image;score\nJosé;Üfer 3.png;5\n".encode("cp1252"))
    imported = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7)
    assert imported.ratings.to_numpy().tolist() == [["José", "Üfer 3.png", 5]]
    assert "not UTF-8: read as Windows-1252; --encoding says another" in imported.plan.lines()


@pytest.mark.parametrize(
    ("encoding", "rater", "name"),
    [
        ("shift_jis", "表示", "reef1.jpg"),
        ("cp1251", "Анна", "reef1.jpg"),
        ("gb18030", "王芳", "reef1.jpg"),
        ("utf-16-le", "Zoë", "reef1.jpg"),
        ("utf-16-be", "Zoë", "reef1.jpg"),
    ],
)
def test_letters_are_what_the_option_says(tmp_path: Path, encoding: str, rater: str, name: str) -> None:
    (tmp_path / "r.csv").write_bytes(f"rater;image;score\n{rater};{name};5\n{rater};reef2.jpg;6\n".encode(encoding))
    said = "" if encoding.startswith("utf-16") else encoding  # UTF-16 is seen without a mark too
    imported = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7, encoding=said)
    assert imported.ratings["rater"].tolist() == [rater] * 2
    assert not any("UTF-8" in line for line in imported.plan.lines())
    with pytest.raises(GazekitError, match="unknown encoding 'shift-jiss'; for example utf-8"):
        import_ratings(tmp_path / "r.csv", pictures=PICTURES, encoding="shift-jiss")


def test_raters_that_are_named_like_a_test_are_said(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("Name,reef1.jpg,reef2.jpg\nTest 2,1,1\nTestarossa,5,6\n")
    lines = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7).plan.lines()
    assert "raters that are named like a test, and are taken: Test 2" in lines


def test_a_rating_given_twice_is_said(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("rater,image,score\nP,reef1.jpg,5\nP,reef1.jpg,5\nP,reef1,7\n")
    lines = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7).plan.lines()
    assert "ratings of a picture by a rater who rated it before: 2 (aggregate --duplicates)" in lines


def test_codes_of_parts_are_no_pictures_and_an_id_of_rows_is_no_rater(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('id,submitdate,lastpage,"beauty[SQ001]"\n1,2026,3,5\n')
    with pytest.raises(RatingsError, match="no column is named like a picture file"):
        import_ratings(tmp_path / "l.csv", scale=7)
    (tmp_path / "r.csv").write_text("id,image,score\n1,reef1.jpg,5\n2,reef2.jpg,6\n")
    with pytest.raises(RatingsError, match="no column looks like the rater"):
        import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7)
    taken = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7, mapping=ColumnMap(rater="id"))
    assert taken.ratings["rater"].tolist() == ["1", "2"]


def test_nan_is_a_fault_and_na_an_empty_cell_and_a_rater_may_be_called_na(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("rater,reef1.jpg,reef2.jpg\nNA,5,6\nB,nan,NA\nnull,N/A,4\n")
    imported = import_ratings(path, pictures=PICTURES, scale=7)
    rows = imported.ratings[["rater", "image", "score"]].to_numpy().tolist()
    assert rows == [["NA", "reef1.jpg", 5], ["NA", "reef2.jpg", 6], ["null", "reef2.jpg", 4]]
    assert imported.faults[["rater", "found", "why"]].to_numpy().tolist() == [["B", "nan", "not a number"]]


@pytest.mark.parametrize("name", ["Mittel", "Mean score", "std_dev", "moyenne", "Anzahl", "avg", "平均"])
def test_a_column_about_the_picture_is_no_rater_in_any_language(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"Bild,VP1,VP2,{name}\nreef1.jpg,5,7,6\nreef2.jpg,6,6,6\n", encoding="utf-8")
    imported = import_ratings(path, pictures=PICTURES, scale=7)
    assert imported.plan.layout == "transposed"
    assert set(imported.ratings["rater"]) == {"VP1", "VP2"}
    assert name in imported.plan.left


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mapping": ColumnMap(columns="(")}, r"--columns '\(' is not a regular expression"),
        ({"from_scale": (5.0, 5.0)}, "cannot be converted from 5 to 5"),
        ({"from_scale": (100.0, 0.0)}, "cannot be converted from 100 to 0"),
        ({"from_scale": (0.0, float("nan"))}, "cannot be converted from 0 to nan"),
    ],
)
def test_patterns_and_ranges_that_make_no_sense_are_refused(tmp_path: Path, options: dict, words: str) -> None:  # type: ignore[type-arg]
    path = tmp_path / "wide.csv"
    path.write_text("rater,reef1.jpg\nA,5\n")
    with pytest.raises(RatingsError, match=words):
        import_ratings(path, pictures=PICTURES, scale=7, **options)


QUALTRICS = (
    "StartDate,Status,Finished,ResponseId,PROLIFIC_PID,reef1\nStart,Type,Finished,Id,PROLIFIC_PID,How?\n"
    + ",".join(f'"{{""ImportId"":""{one}""}}"' for one in ("startDate", "status", "finished", "_recordId", "P", "Q1"))
    + "\n"
)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (("p1", "p2", "p1"), ["p1", "p2", "p1"]),
        (("p1", "", "p1"), ["p1", "R_2", "p1"]),
        (("{{%PROLIFIC_PID%}}",) * 3, ["R_1", "R_2", "R_3"]),
        (("${e://Field/PROLIFIC_PID}", "p2", "[id]"), ["R_1", "p2", "R_3"]),
        (("", "", ""), ["R_1", "R_2", "R_3"]),
    ],
    ids=["all", "one-without", "link-not-filled", "some-not-filled", "none"],
)
def test_a_platforms_id_is_the_rater_where_there_is_one(tmp_path: Path, ids: tuple[str, ...], expected: list) -> None:  # type: ignore[type-arg]
    rows = "".join(f"2026,IP Address,True,R_{n},{name},{n + 1}\n" for n, name in enumerate(ids, 1))
    (tmp_path / "q.csv").write_text(QUALTRICS + rows)
    imported = import_ratings(tmp_path / "q.csv", pictures=PICTURES, scale=7)
    assert imported.ratings["rater"].tolist() == expected
    assert imported.ratings["score"].tolist() == [2, 3, 4]


def _long(scores: list[object]) -> str:
    return "rater,image,score\n" + "".join(f"R{n},reef{1 + n % 2}.jpg,{score}\n" for n, score in enumerate(scores))


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (
            [-3, 3, 1, 2, 2, 1],
            r"from -3 to 3: is that a scale with a middle of 0\? .*--from-scale -3 3.*--from-scale 1 7",
        ),
        ([-2, -1, 1, 2, 1, 1], r"--from-scale -2 2"),
        ([7, 3, 10, 1, 8, 2], r"2 of 6 answers are no whole numbers from 1 to 7; they run from 1 to 10"),
        ([4.5, 3, 2.5, 1, 5, 2], r"2 of 6 answers .* half points from 1 to 5 with --scale 9"),
        ([1, 2, 3] * 10 + ["very ugly"] * 3 + ["lovely"] * 4, r"7 of 37 answers are words \('lovely', 'very ugly'\)"),
    ],
    ids=["around-zero", "around-zero-without-it", "longer-scale", "half-points", "ends-in-words"],
)
def test_answers_of_which_a_part_is_lost_are_refused(tmp_path: Path, scores: list[object], words: str) -> None:
    (tmp_path / "r.csv").write_text(_long(scores))
    with pytest.raises(RatingsError, match=words):
        import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7)


@pytest.mark.parametrize(
    ("scores", "said", "kept"),
    [
        ([*[1, 2, 3, 4] * 5, 77], "1 of 21 answers are no whole numbers from 1 to 7", 20),
        ([*[1, 2, 3, 4] * 5, "lovely"], "1 of 21 answers are words ('lovely')", 20),
        ([*[1, 2, 3, 4] * 5, -99, -99], "", 20),
        ([*[1, 2, 3, 4] * 5, "nan"], "", 20),
    ],
    ids=["typing-error", "one-word", "code-of-missing", "nan"],
)
def test_a_few_lost_answers_are_said(tmp_path: Path, scores: list[object], said: str, kept: int) -> None:
    (tmp_path / "r.csv").write_text(_long(scores))
    imported = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7)
    assert len(imported.ratings) == kept
    notes = [line for line in imported.plan.notes if "fair sample" in line]
    assert [line.startswith(said) for line in notes] == ([True] if said else [])


def test_names_that_differ_in_case_are_said_where_no_study_tells_them_apart(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("rater,image,score\nP,A.jpg,5\nP,a.JPG,4\nP,b.jpg,4\nP,b.png,4\n")
    notes = import_ratings(tmp_path / "r.csv", scale=7).plan.notes
    assert "taken for different pictures, though only case or suffix differs: A.jpg and a.JPG" in notes


def test_a_failure_says_that_the_letters_were_guessed(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes("被试,图片,评分\n1,reef1.jpg,5\n".encode("gb18030"))
    with pytest.raises(RatingsError, match="not UTF-8: read as Windows-1252; --encoding says another"):
        import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7)
    read = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7, encoding="gb18030")
    assert read.ratings["score"].tolist() == [5]


def test_every_question_has_a_name_by_which_it_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("rater,reef1.jpg,reef1_known,reef2.jpg,reef2_known\nP,5,1,6,2\n")
    ratings = import_ratings(tmp_path / "w.csv", pictures=PICTURES, scale=7).ratings
    assert sorted(set(ratings["attribute"])) == ["known", "rating"]


@pytest.mark.parametrize("cell", ["05.Mai", "5-May", "Mai 05", "3. Apr", "5½"])
def test_what_a_spreadsheet_made_of_half_points_is_no_rating(tmp_path: Path, cell: str) -> None:
    (tmp_path / "r.csv").write_text(_long([*[1, 2, 3, 4] * 5, cell]), encoding="utf-8")
    imported = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7)
    assert len(imported.ratings) == 20
    why = "not a number" if cell == "5½" else "a date, as spreadsheets make of 5.5 or 3-4"
    assert imported.faults["why"].tolist() == [why]


def test_a_table_of_histograms_is_no_table_of_raters(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("image,c1,c2,c3\nreef1.jpg,1,2,3\nreef2.jpg,2,2,2\n")
    with pytest.raises(RatingsError, match=r"a table of histograms \(c1 to c3 count the ratings\)"):
        import_ratings(tmp_path / "h.csv", pictures=PICTURES, scale=7)
    raters = import_ratings(tmp_path / "h.csv", pictures=PICTURES, scale=7, mapping=ColumnMap(columns="^c")).ratings
    assert sorted(set(raters["rater"])) == ["c1", "c2", "c3"]


@pytest.mark.parametrize(
    "text", ["rater,reef1.jpg,reef2_reversed\nP,5,6\n", "rater,image,score,reversed\nP,reef1.jpg,5,1\n"]
)
def test_reversed_items_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    notes = import_ratings(tmp_path / "r.csv", pictures=PICTURES, scale=7).plan.notes
    assert [note.startswith("called reversed, and nothing is turned round: ") for note in notes] == [True]
