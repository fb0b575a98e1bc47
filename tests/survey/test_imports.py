from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gazekit.core.errors import GazekitError
from survey.errors import RatingsError, SurveyError
from survey.imports import ColumnMap, CountsFromZero, import_ratings, prolific_approved, read_names
from survey.ratings import from_table

LONG = "participant,picture,rating\np1,a.jpg,3\np1,b.jpg,9\np2,a.jpg,4\n"
WIDE = "subject,a.jpg,b.jpg\np1,3,9\np2,4,\n"
QUALTRICS = (
    "StartDate,Status,ResponseId,Q1_1,Q1_2\n"
    "Start Date,Response Type,Response ID,How beautiful? - a.jpg,How beautiful? - b.jpg\n"
    '"{""ImportId"":""startDate""}","{""ImportId"":""status""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1_1""}","{""ImportId"":""QID1_2""}"\n'
    "2026-01-01,Survey Preview,R_0,1,1\n"
    "2026-01-01,IP Address,p1,3,9 - very beautiful\n"
    "2026-01-01,IP Address,p2,4,\n"
)
GOOGLE = 'Timestamp,Email Address,"Rate [a.jpg]","Rate [b.jpg]"\n1/1/2026,p1,3,9\n1/1/2026,p2,4,\n'
LIME = 'id,submitdate,lastpage,startlanguage,"G1[a.jpg]","G1[b.jpg]"\np1,2026,3,en,3,9\np2,2026,3,en,4,\n'
MTURK = (
    "HITId,AssignmentId,WorkerId,AssignmentStatus,Input.image_url,Answer.rating\n"
    "h1,a1,p1,Approved,a.jpg,3\nh2,a2,p1,Approved,b.jpg,9\nh3,a3,p2,Submitted,a.jpg,4\nh4,a4,p3,Rejected,a.jpg,1\n"
)
MTURK_PAIRS = (
    "HITId,WorkerId,Input.url1,Input.url2,Answer.score1,Answer.score2\nh1,p1,a.jpg,b.jpg,3,9\nh2,p2,a.jpg,b.jpg,4,\n"
)
NAMES = ColumnMap(names={"Q1_1": "a.jpg", "Q1_2": "b.jpg"})


@pytest.mark.parametrize(
    ("text", "layout", "mapping"),
    [
        (LONG, "long", ColumnMap()),
        (WIDE, "wide", ColumnMap()),
        (QUALTRICS, "qualtrics", NAMES),
        (GOOGLE, "google-forms", ColumnMap()),
        (LIME, "limesurvey", ColumnMap()),
        (MTURK, "mturk", ColumnMap()),
        (MTURK_PAIRS, "mturk", ColumnMap()),
    ],
    ids=["long", "wide", "qualtrics", "google-forms", "limesurvey", "mturk", "mturk-pairs"],
)
@pytest.mark.parametrize("how", ["named", "auto", "utf-16"])
def test_every_layout_gives_the_same_ratings(
    tmp_path: Path, text: str, layout: str, mapping: ColumnMap, how: str
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(text, encoding="utf-16" if how == "utf-16" else "utf-8-sig")
    imported = import_ratings(path, layout=layout if how == "named" else "auto", mapping=mapping)
    assert imported.plan.layout == layout
    assert sorted(map(tuple, imported.ratings.to_numpy().tolist())) == [
        ("p1", "a.jpg", 3),
        ("p1", "b.jpg", 9),
        ("p2", "a.jpg", 4),
    ]
    assert imported.faults.empty


def test_xlsx_is_read_as_csv_is(tmp_path: Path) -> None:
    path = tmp_path / "ratings.xlsx"
    pd.DataFrame({"rater": ["007", "8"], "image": ["a", "b"], "score": [3, 4]}).to_excel(path, index=False)
    assert import_ratings(path).ratings.to_numpy().tolist() == [["007", "a", 3], ["8", "b", 4]]


def test_scores_that_cannot_be_used_are_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('rater,image,score\na,x,3\na,y,3.5\na,z,"4,5"\nb,x,11\nb,y,good\nb,,2\n,x,2\nc,x,7\nc,y,\n')
    imported = import_ratings(path)
    ratings, faults = imported.ratings, imported.faults
    assert ratings["score"].tolist() == [3, 7]
    assert faults["row"].tolist() == [3, 4, 5, 6, 7, 8, 10]
    assert faults["why"].tolist() == [
        "not a whole number",
        "not a whole number",
        "not on the scale 1 to 10",
        "not a number",
        "no image",
        "no rater",
        "not a number",
    ]
    with pytest.raises(RatingsError, match="7 scores cannot be used"):
        import_ratings(path, strict=True)


def test_scales_are_converted_on_request_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("rater,image,score\na,x,0\na,y,50\nb,x,100\nb,y,101\n")
    imported = import_ratings(path, from_scale=(0, 100))
    ratings, faults = imported.ratings, imported.faults
    assert ratings["score"].tolist() == [1, 6, 10]
    assert ratings["original"].tolist() == [0, 50, 100]
    assert faults["why"].tolist() == ["not a number from 0 to 100"]


def test_columns_by_name_and_by_pattern(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("who,age,q_a,q_b\nx,30,3,4\n")
    imported = import_ratings(path, layout="wide", mapping=ColumnMap(rater="who", columns="^q_"))
    assert imported.ratings["image"].tolist() == ["q_a", "q_b"]
    with pytest.raises(RatingsError, match="no column 'nobody'; there are who, age"):
        import_ratings(path, layout="wide", mapping=ColumnMap(rater="nobody"))
    with pytest.raises(RatingsError, match="no column looks like the rater"):
        import_ratings(path, layout="wide")


def test_a_row_a_rating_whose_columns_are_named_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("Teilnehmer;Bild;Schönheit\nR1;a.jpg;5\nR2;a.jpg;7\n", "cp1252")
    with pytest.raises(RatingsError, match="where a row is a rating, where it is with --rater, --image and --score"):
        import_ratings(path, pictures=["a.jpg"])
    imported = import_ratings(path, pictures=["a.jpg"], mapping=ColumnMap(image="Bild", score="Schönheit"))
    table = imported.ratings[["rater", "image", "score"]]
    assert table.to_numpy().tolist() == [["R1", "a.jpg", 5], ["R2", "a.jpg", 7]]


def test_a_map_names_the_picture_of_each_column(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("column,image\nQ1_1,a.jpg\nQ1_2,b.jpg\n")
    assert read_names(path) == {"Q1_1": "a.jpg", "Q1_2": "b.jpg"}


def test_prolific_says_whose_submission_counts(tmp_path: Path) -> None:
    path = tmp_path / "prolific.csv"
    path.write_text("Submission id,Participant id,Status\ns1,p1,APPROVED\ns2,p2,RETURNED\ns3,p3,AWAITING REVIEW\n")
    assert prolific_approved(path) == {"p1", "p3"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "is empty"),
        ("binary.csv", b"\xff\x00\x81\x92" * 50, "not a table"),
        ("fake.xlsx", b"not a workbook", "not a table"),
    ],
    ids=["absent", "empty", "binary", "fake-xlsx"],
)
def test_what_is_not_a_table_is_refused(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GazekitError, match=words):
        import_ratings(tmp_path / name)


PICTURES = ("reef1.jpg", "reef2.jpg", "Üfer 3.png")
HEAD = "StartDate,EndDate,Status,Progress,Finished,ResponseId"
IDS = '"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}","{""ImportId"":""status""}",x,y,z'


def taken(path: Path, text: str, **options: object) -> list[tuple[object, ...]]:
    """Write a file, import it, and return its ratings as rows."""
    path.write_text(text, encoding="utf-8")
    return [tuple(row) for row in import_ratings(path, **options).ratings.to_numpy().tolist()]  # type: ignore[arg-type]


QUALTRICS_STUDY = (
    f"{HEAD},agree,Q1,timer_First Click,timer_Page Submit,reef2,age,SC0,reef1_DO_1\n"
    "Start,End,Type,Progress,Finished,Response ID,Agree?,How beautiful is reef1?,t,t,And this?,Age,Score,order\n"
    f"{IDS},a,b,c,d,e,f,g,h\n"
    "d,d,{0},100,True,R_1,1,5,0.5,3,6,7,10,1\n"
    "d,d,{1},100,True,R_2,1,1,0.5,3,1,7,10,1\n"
    "d,d,{2},100,True,R_3,1,1,0.5,3,2,7,10,1\n"
    "d,d,{3},100,False,R_4,1,4,0.5,3,,7,10,2\n"
)
RIGHT = [("R_1", "reef1.jpg", 5), ("R_1", "reef2.jpg", 6), ("R_4", "reef1.jpg", 4)]


@pytest.mark.parametrize(
    "statuses",
    [("0", "1", "8", "16"), ("IP Address", "Survey Preview", "Spam", "Imported"), ("0", "2", "17", "4")],
    ids=["numbers", "words", "bits"],
)
def test_qualtrics_gives_only_pictures_and_only_real_answers(tmp_path: Path, statuses: tuple[str, ...]) -> None:
    text = QUALTRICS_STUDY.replace("{0}", statuses[0]).replace("{1}", statuses[1]).replace("{2}", statuses[2])
    path = tmp_path / "q.csv"
    assert taken(path, text.replace("{3}", statuses[3]), pictures=PICTURES, scale=7) == RIGHT
    plan = import_ratings(path, pictures=PICTURES, scale=7).plan
    assert plan.taken == ("Q1", "reef2")
    assert {"age", "SC0", "agree", "timer_First Click", "reef1_DO_1"} <= set(plan.left)
    assert sum(plan.left_out.values()) == 2
    assert plan.unfinished == 1
    assert "2 of 13 columns hold ratings: Q1, reef2" in plan.lines()


def test_nothing_is_taken_where_no_column_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    with pytest.raises(RatingsError, match="no column is named like one of the study's 1 pictures"):
        taken(path, QUALTRICS_STUDY, pictures=("other.jpg",))
    with pytest.raises(RatingsError, match="or give the study with --study"):
        taken(path, "rater,consent,age\na,1,30\n")


def test_a_loop_is_read_by_the_texts_of_its_questions(tmp_path: Path) -> None:
    text = (
        f"{HEAD},1_rate,2_rate\na,b,c,d,e,f,reef1 - How nice?,reef2 - How nice?\n{IDS},i,j\n"
        "d,d,IP Address,100,True,R_1,5 - beautiful,6\n"
    )
    assert taken(tmp_path / "q.csv", text, pictures=PICTURES) == RIGHT[:2]


ATTRIBUTES = [("1", "reef1.jpg", 2, "Calm"), ("1", "reef1.jpg", 7, "Beauty")]


@pytest.mark.parametrize(
    "text",
    [
        'Timestamp,Email Address,"Beauty [reef1.jpg]","Calm [reef1.jpg]",How many hours do you dive?\nt,1,7,2,3\n',
        'id,submitdate,lastpage,seed,"Beauty[reef1]","Calm[reef1]","Beauty[reef1]Time"\n1,d,3,1,A7,A2,4.5\n',
        "HITId,WorkerId,Input.url,Answer.Beauty,Answer.Calm,Answer.comment\nh,1,https://x.org/a/reef1.jpg?x=1,7,2,nice\n",
        "subject,reef1_Beauty,reef1_Calm,age\n1,7,2,5\n",
        "rater,image,attribute,score\n1,reef1.jpg,Beauty,7\n1,reef1.jpg,Calm,2\n",
        '[{"trial_type": "survey-likert", "rt": 5, "subject": 1, "stimulus": "<p><img src=\'img/reef1.jpg\'></p>", '
        '"response": {"Beauty": 6, "Calm": 1}}]',
    ],
    ids=["google-forms", "limesurvey", "mturk", "wide", "long", "jspsych"],
)
def test_several_questions_are_a_column(tmp_path: Path, text: str) -> None:
    zero = {"counts_from": 0} if text.startswith("[") else {}
    path = tmp_path / ("t.json" if text.startswith("[") else "t.csv")
    assert sorted(taken(path, text, pictures=PICTURES, **zero)) == ATTRIBUTES
    with pytest.raises(SurveyError, match="several questions: Beauty, Calm; choose one with --attribute"):
        from_table(import_ratings(path, pictures=PICTURES, **zero).ratings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("l.csv", "Rec_Session_Id,Exp_Subject_Id,Trial_Nr,image,rating\n1,P,1,reef1.jpg,5\n", "labvanced"),
        ("p.csv", "trials.thisN,image,slider.response,slider.rt,participant,session,date,expName\n"
                  "0,stim/reef1.jpg,5.0,1.2,P,1,2026,rate\n,,,,P,1,2026,rate\n", "psychopy"),
        ("g.csv", "Event Index,Participant Private ID,Screen Name,Response Type,Response,Spreadsheet: picture\n"
                  "1,P,Screen 1,response,5,reef1.jpg\n2,P,Screen 1,info,9,reef1.jpg\n3,P,End,response,y,\n", "gorilla"),
        ("j.csv", "rt,stimulus,response,trial_type,trial_index,subject\n900,img/reef1.jpg,5,image-slider-response,1,P\n"
                  "9,<p>age?</p>,7,html-slider-response,2,P\n", "jspsych"),
        ("j.json", '[{"rt": 9, "stimulus": "img/reef1.jpg", "response": 5, "trial_type": "image-slider-response", '
                   '"subject": "P"}, {"rt": 9, "stimulus": "+", "response": null, "trial_type": "x"}]', "jspsych"),
        ("j.jsonl", '[{"rt": 9, "stimulus": "reef1.jpg", "response": 5, "trial_type": "slider", "subject": "P"}]\n'
                    '[{"rt": 9, "stimulus": "+", "response": 1, "trial_type": "x", "subject": "Q"}]\n', "jspsych"),
        ("m.csv", "HITId,WorkerId,AssignmentStatus,Input.image_url,Answer.taskAnswers\n"
                  'h,P,Approved,reef1.jpg,"[{""rate"":{""4"":false,""5"":true}}]"\n', "mturk"),
        ("m.csv", "HITId,WorkerId,Input.image_url,Answer.taskAnswers\n"
                  'h,P,reef1.jpg,"[{""rate"":""5"",""comment"":""nice""}]"\n', "mturk"),
        ("m.csv", "HITId,WorkerId,Input.image_url,Answer.r.4,Answer.r.5\nh,P,reef1.jpg,false,true\n", "mturk"),
        ("s.csv", "Respondent ID,Collector ID,Start Date,Please rate,,Age\n,,,reef1.jpg,nonsense,Response\n"
                  "P,c,d,5,3,7\n", "surveymonkey"),
        ("t.csv", "participant,consent_1,reef1,TIME_start,TIME_end\nP,1,5,7,8\n", "psytoolkit"),
        ("x.csv", "image,P\nreef1.jpg,5\n", "transposed"),
        ("x.csv", "picture;P\nreef1;5,0\n", "transposed"),
        ("d.csv", "rater;image;score\n P ; reef1.jpg;5,0\nQ;reef2.jpg;5,5\n", "long"),
        ("d.tsv", "rater\timage\tscore\nP\tREEF1.JPG\t5\n", "long"),
    ],
    ids=["labvanced", "psychopy", "gorilla", "jspsych-csv", "jspsych-json", "jatos", "mturk-json", "mturk-json-text",
         "mturk-buttons", "surveymonkey", "psytoolkit", "transposed", "transposed-comma", "decimal-comma", "tsv"],
)  # fmt: skip
def test_tools_are_recognised_by_name(tmp_path: Path, name: str, text: str, layout: str) -> None:
    assert taken(tmp_path / name, text, pictures=PICTURES, scale=7) == [("P", "reef1.jpg", 5)]
    assert import_ratings(tmp_path / name, pictures=PICTURES, scale=7).plan.layout == layout


def test_answers_that_may_count_from_zero_are_asked_about(tmp_path: Path) -> None:
    text = (
        '"rt","stimulus","response","trial_type","trial_index","subject"\n'
        '9,"img/reef1.jpg",4,"image-button-response",1,"S"\n9,"img/reef2.jpg",1,"image-button-response",2,"S"\n'
        '7,"<p>+</p>",,"html-keyboard-response",3,"S"\n7,"<p>How old?</p>",7,"html-button-response",4,"S"\n'
    )
    path = tmp_path / "j.csv"
    with pytest.raises(CountsFromZero, match="They run from 1 to 4, and this tool numbers buttons from 0"):
        taken(path, text)
    assert taken(path, text, counts_from=0) == [("S", "reef1.jpg", 5), ("S", "reef2.jpg", 2)]
    assert taken(path, text, counts_from=1) == [("S", "reef1.jpg", 4), ("S", "reef2.jpg", 1)]
    with pytest.raises(CountsFromZero, match="0 is among them"):
        taken(path, "rater,image,score\na,x,0\n")


def test_two_columns_of_one_name_are_not_guessed(tmp_path: Path) -> None:
    path, text = tmp_path / "d.csv", "rater,image,score,score\nA,reef1.jpg,5,3\n"
    with pytest.raises(RatingsError, match=r"'score' is the name of two columns.*--score 'score \(2\)'"):
        taken(path, text)
    assert taken(path, text, mapping=ColumnMap(score="score (2)")) == [("A", "reef1.jpg", 3)]
    with pytest.raises(RatingsError, match=r"'reef1.jpg' and 'reef1.jpg \(2\)' are both about reef1.jpg"):
        taken(path, "rater,reef1.jpg,reef1.jpg\nA,5,3\n", pictures=PICTURES)


def test_names_are_compared_without_blanks_case_folder_and_form(tmp_path: Path) -> None:
    text = 'rater,image,score\n"A ",pictures/REEF1,5\nA,U\u0308fer 3.png,3\nB,reef9.jpg,4\n'
    path = tmp_path / "r.csv"
    assert taken(path, text, pictures=PICTURES) == [("A", "reef1.jpg", 5), ("A", "Üfer 3.png", 3)]
    assert import_ratings(path, pictures=PICTURES).plan.not_of_the_study == ("reef9.jpg",)


def test_a_map_may_name_the_part_of_an_array(tmp_path: Path) -> None:
    text = 'id,submitdate,lastpage,"beauty[SQ001]","beauty[SQ002]"\n1,d,3,7,6\n'
    names = ColumnMap(names={"SQ001": "reef1.jpg", "SQ002": "reef2.jpg"})
    assert taken(tmp_path / "l.csv", text, mapping=names) == [("1", "reef1.jpg", 7), ("1", "reef2.jpg", 6)]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("[3]", {}, "a list of trials was expected, found '3'"),
        ("[]", {}, "there is no trial in it"),
        (LONG, {"layout": "tall"}, "unknown layout 'tall'; known: auto, "),
        (LIME.replace("id,sub", "no,sub"), {"layout": "limesurvey"}, "name the raters' column with --rater"),
        (WIDE, {"mapping": ColumnMap(columns="^z")}, "no column matches '^z'; there are a.jpg, b.jpg"),
        (WIDE, {"mapping": ColumnMap(names={"z": "a.jpg"})}, "columns of the map are not in the table: z"),
        (MTURK_PAIRS.replace("score", "s").replace("1,A", "3,A").replace("s2", "s4"), {}, "which input belongs"),
        ("rater,trial,rating\np1,1,3\np1,2,4\n", {"layout": "long"}, "--image"),
    ],
    ids=["json-number", "json-empty", "layout", "limesurvey", "pattern", "map", "mturk", "no-picture"],
)
def test_a_table_that_cannot_be_read_so_says_what_would_help(
    tmp_path: Path, text: str, options: dict[str, Any], words: str
) -> None:
    path = tmp_path / ("r.json" if text[0] == "[" else "r.csv")
    path.write_text(text)
    with pytest.raises(GazekitError) as refusal:
        import_ratings(path, **options)
    assert words in str(refusal.value)


def test_pictures_that_are_not_the_studys_are_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(LONG)
    plan = import_ratings(path, pictures=["a.jpg"]).plan
    assert "not pictures of the study, left out: b.jpg" in "\n".join(plan.lines())


def test_a_row_a_picture_with_raters_by_pattern(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("image,r1,r2,remark\na.jpg,3,4,5\nb.jpg,9,,6\n")
    imported = import_ratings(path, layout="transposed", mapping=ColumnMap(columns=r"^r\d"))
    assert sorted(map(tuple, imported.ratings.to_numpy().tolist())) == [
        ("r1", "a.jpg", 3),
        ("r1", "b.jpg", 9),
        ("r2", "a.jpg", 4),
    ]


def test_answers_of_another_scale_are_refused_where_a_few_would_fit(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("rater,image,score\np1,a.jpg,10\np2,a.jpg,40\np3,a.jpg,70\n")
    with pytest.raises(RatingsError, match=r"2 of 3 answers are no whole numbers from 1 to 10; they run from 10 to 70"):
        import_ratings(path, scale=10)
    assert import_ratings(path, scale=10, from_scale=(0, 100)).ratings["score"].tolist() == [2, 5, 7]


def test_columns_that_name_the_picture_are_not_left(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("rater,image,attribute,score,age\nr1,a.jpg,beauty,3,20\nr2,b.jpg,mood,4,21\n")
    (tmp_path / "turned.csv").write_text("image,Ann,Ben\na.jpg,3,4\nb.jpg,5,2\n")
    plan = import_ratings(tmp_path / "long.csv", scale=7).plan
    assert (plan.left, plan.named_in) == (("age",), ("image", "attribute"))
    assert plan.lines()[:2] == [
        "read as long; raters are in rater, pictures and questions in image, attribute",
        "1 of 4 columns hold ratings: score",
    ]
    assert "columns left: age" in plan.lines()
    plan = import_ratings(tmp_path / "turned.csv", scale=7, layout="transposed").plan
    assert (plan.left, plan.named_in) == ((), ("image",))


def test_results_of_mturk_without_workers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "batch.csv"
    path.write_text(MTURK.replace("WorkerId", "Worker"))
    with pytest.raises(RatingsError, match="results of MTurk without WorkerId: no rater is known"):
        import_ratings(path, scale=10, layout="mturk")
