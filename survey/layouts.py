"""How other tools lay out ratings: for each, how it is recognised and where its ratings are.

A reader turns a table of texts into cells (row, rater, image, attribute, cell) and says which columns it used and
which rows it left out, and why. Nothing is judged here: `survey.imports` does that for all of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from survey.errors import RatingsError
from survey.not_real import NOT_SEEN, did_not_load, qualtrics_status, why_not_real, why_refused
from survey.picture_names import PictureNames, source_of, unique_bases

KNOWN = {
    "rater": ("rater", "participant", "participant_id", "subject", "subject_id", "user", "user_id", "worker",
              "workerid", "viewer", "prolific_pid", "exp_subject_id", "participant_private_id", "run_id"),
    "image": ("image", "picture", "image_id", "stimulus", "filename", "file", "item", "photo", "image_url"),
    "score": ("score", "rating", "response", "value", "answer", "vote"),
}  # fmt: skip
_ELSEWHERE = {  # German, French, Spanish, Portuguese, Italian, Dutch, Russian, Chinese, Japanese
    "rater": "teilnehmer teilnehmerin versuchsperson vp vpn proband bewerter sujet participante sujeto partecipante "
    "soggetto deelnemer proefpersoon участник испытуемый 被试 参与者 受试者 评分者 参加者 被験者 評価者",
    "image": "bild bildname bilddatei foto imagen imagem immagine afbeelding изображение картинка фото 图片 图像 照片 "
    "画像 写真",
    "score": "bewertung wertung urteil note évaluation puntuación puntuacion valoración calificación nota avaliação "
    "punteggio voto valutazione beoordeling оценка балл 评分 得分 分数 評価 点数 評点",
}
KNOWN = {role: (*names, *_ELSEWHERE[role].split()) for role, names in KNOWN.items()}
IDS = ("id", "respondent", "respondent_id", "pid", "name", "nr", "no")  # of raters, where no column is better named
CELLS = ["row", "rater", "image", "attribute", "cell"]
TIMES = re.compile(
    r"(First Click|Last Click|Page Submit|Click Count|Time|[._ ]rt|_DO(_\d+)?|[._]duration)$"
    r"|^(Question|Group|Total) time\b|^interviewtime"
)
"""Columns that time or order a question and are no answer to it."""
ABOUT_PEOPLE = re.compile(
    r"(^|[\W_])(age|alter|year|gender|sex|consent|agree|agreement|comments?|country|language|education|hours?|captcha|"
    r"duration|seconds|rt|browser|device|code|feedback|email)([\W_]|$)",
    re.IGNORECASE,
)
"""Answers about the rater or the task, beside those about a picture: taken only where they are named."""
BESIDE = re.compile(
    ABOUT_PEOPLE.pattern
    + r"|(^|[\W_])(sec|ms|times?|timestamp|timing|timer|latency|clicks?|order|trial|page|seite|página|"
    r"checks?|catch|instructed|attend|aufmerksamkeit|(choose|select|click|wählen sie) (\w+ ){0,2}\d+|"
    r"zeit|dauer|sekunden|klicks?|reihenfolge|kommentar|temps|durée|secondes|ordre|commentaire|tiempo|duración|"
    r"segundos|orden|comentario|tempo|duração|durata|secondi|ordine|commento|время|секунды|порядок|комментарий)"
    r"([\W_]|$)|时间|用时|顺序|评论|時間|順序|コメント",
    re.IGNORECASE,
)
"""The same, and what a column beside a picture's may hold: times, checks, comments. Grids may ask about order."""
ABOUT_PICTURES = frozenset(
    ("width", "height", "w", "h", "size", "mean", "average", "std", "sd", "var", "n", "count", "counts", "total", "sum",
     "median", "category", "tag", "tags", "title", "url", "path", "file", "license", "author", "date", "year", "camera",
     "avg", "mos", "variance", "deviation", "stdev", "stddev", "min", "max", "mittel", "mittelwert", "durchschnitt",
     "standardabweichung", "varianz", "anzahl", "summe", "breite", "höhe", "kategorie", "moyenne", "médiane",
     "somme", "nombre", "largeur", "hauteur", "catégorie", "media", "promedio", "mediana", "suma", "ancho", "alto",
     "número", "categoría", "平均", "平均值", "均值", "标准差", "総数", "合計", "总数")
)  # fmt: skip
"""Columns about a picture that are no raters, in a table with a row a picture."""


SUMS = frozenset(
    ("mean", "average", "avg", "sd", "std", "stddev", "stdev", "stdabw", "variance", "varianz", "sum", "total",
     "median", "count", "mittelwert", "durchschnitt", "summe", "anzahl",
     "standardabweichung", "moyenne", "somme", "promedio", "suma", "平均", "平均值")
)  # fmt: skip
"""What stands for a rater's id in rows under a table of raters; beside one of these, `MAYBE_SUMS` too."""
MAYBE_SUMS = frozenset(("n", "m", "mw", "min", "max", "minimum", "maximum", "se", "sem", "var", "mode", "range"))
UNANSWERED = ("", "NA", "N/A", "#N/A", "#NV", "<NA>", "NULL", "#NULL!", "null", "None")
"""What tools write where nothing was answered; nan is a number that went wrong, and a fault."""


@dataclass(frozen=True)
class ColumnMap:
    """How a table's columns are to be read.

    ``rater``, ``image``, ``score`` name columns (found by their usual names where empty); ``columns`` is a regular
    expression that the rating columns of a wide table match; ``names`` says which picture a column stands for.
    """

    rater: str = ""
    image: str = ""
    score: str = ""
    columns: str = ""
    names: Mapping[str, str] | None = None


@dataclass
class Extract:
    """What a reader takes from a table."""

    rater: str  # the raters' column
    columns: list[str]  # the columns that ratings are taken from
    cells: pd.DataFrame
    left_out: Counter[str] = field(default_factory=Counter)  # rows, by reason
    unfinished: int = 0  # raters who did not come to the end; their ratings are taken
    from_zero: bool = False  # this tool numbers its answers from 0
    named_in: list[str] = field(default_factory=list)  # the columns that name the picture and the question of a rating


@dataclass(frozen=True)
class Item:
    """A column of ratings: of which picture, by which question."""

    column: str
    image: str
    attribute: str


NOTHING = "without picture and answer"
Reader = Callable[[pd.DataFrame, ColumnMap, PictureNames], Extract]


def recognise(table: pd.DataFrame, pictures: PictureNames) -> str:
    """Name the layout of a table: the tool that wrote it, or its shape."""
    columns = [str(name) for name in table.columns]
    lower = {name.lower() for name in columns}
    for tool, belongs in SIGNATURES.items():
        if belongs(columns, lower):
            return tool
    if _marker(table) is not None:
        return "qualtrics"
    plain = {name.replace(" ", "_") for name in lower}
    asks = any("[" in name or pictures.within(name) for name in columns[1:])
    if asks and _begins_with_moments(table) and not plain & {*KNOWN["rater"], *IDS}:
        return "google-forms"
    if all(plain & set(KNOWN[role]) for role in ("image", "score")):
        return "long"
    first = table.iloc[:, 0].map(pictures.match)
    others_are_pictures = any(pictures.within(name) for name in columns[1:])
    if len(table) and not others_are_pictures and (first.notna().mean() > 0.5 or columns[0].lower() in KNOWN["image"]):
        return "transposed"
    return "wide"


def column(table: pd.DataFrame, role: str, named: str, usual: Iterable[str] = (), last: Iterable[str] = ()) -> str:
    """Find the column of a role: the one named, or one with a usual name (``last``: where there is no other)."""
    if named:
        if named not in table.columns:
            raise RatingsError(f"no column {named!r}; there are {', '.join(map(str, table.columns[:30]))}")
        return named
    lower = {str(name).lower().replace(" ", "_"): str(name) for name in reversed(table.columns)}
    for name in (*usual, *KNOWN[role], *last):
        if name in lower:
            if f"{lower[name]} (2)" in table.columns:
                raise RatingsError(
                    f"{lower[name]!r} is the name of two columns; say which one holds the {role}: "
                    f"--{role} {lower[name]!r} or --{role} {lower[name] + ' (2)'!r}"
                )
            return lower[name]
    raise RatingsError(
        f"no column looks like the {role} ({', '.join(KNOWN[role][:5])} ...); name it with --{role}. "
        f"There are {', '.join(map(str, table.columns[:30]))}"
    )


def _long(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    rater, image, score = (column(table, role, getattr(mapping, role)) for role in ("rater", "image", "score"))
    attribute = next((name for name in ("attribute", "scale_name") if name in table.columns), "")
    why = why_not_real(table.drop(columns=list({rater, image, score})))
    why[(table[[image, score]].apply(lambda cells: cells.str.strip()) == "").all(axis=1) & (why == "")] = NOTHING
    data = table.assign(_row=_rows(table))[why == ""]
    cells = _cells(data["_row"], data[rater], data[image], data[attribute] if attribute else "", data[score])
    named_in = [image, *filter(None, [attribute])]
    return Extract(rater, [score], cells, Counter(why[why != ""]), named_in=named_in)


def _wide(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a row a rater, a column a picture."""
    rater, why = column(table, "rater", mapping.rater, last=IDS), why_refused(table)
    word = table[rater].str.casefold().str.replace(r"[\W_]+", "", regex=True)
    under = word.isin(SUMS | MAYBE_SUMS)[::-1].cummin()[::-1].astype(bool)  # under the raters, nowhere else
    if word[under].isin(SUMS).any():
        why = why.where(~under, "of sums")
    data = (table if "_row" in table else table.assign(_row=_rows(table)))[why == ""]
    extract = _from_items(data, rater, items(table, mapping, pictures, {rater}))
    extract.left_out += Counter(why[why != ""])
    return extract


def _transposed(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a row a picture, a column a rater."""
    image = mapping.image or str(table.columns[0])
    counts = [str(name) for name in table.columns if re.fullmatch(r"c[1-9]\d*", str(name))]
    if len(counts) > 1 and counts == [f"c{k}" for k in range(1, len(counts) + 1)] and not mapping.columns:
        raise RatingsError(
            f"this is a table of histograms ({counts[0]} to {counts[-1]} count the ratings), and needs no import: give "
            "it as it is (gazekit build-dataset --ratings); where they are raters, say so (--columns '^c')"
        )
    others = [str(name) for name in table.columns if name != image]
    raters = [name for name in others if not _about_pictures(name) and not TIMES.search(name)]
    if mapping.columns:
        raters = [str(name) for name in table.columns if name != image and re.search(mapping.columns, str(name))]
    sums = table[image].map(lambda name: pictures.match(name) is None and _about_pictures(name)).astype(bool)
    table = table.assign(_row=_rows(table))[~sums]
    height = len(table)
    cells = _cells(
        np.repeat(table["_row"].to_numpy(), len(raters)),
        np.tile(np.array(raters, dtype=object), height),
        np.repeat(table[image].to_numpy(dtype=object), len(raters)),
        "",
        table[raters].to_numpy(dtype=object).ravel(),
    )
    left_out = +Counter({"of sums": int(sums.sum())})
    return Extract("(the heads of the columns)", raters, _answered(cells), left_out, named_in=[image])


def _about_pictures(name: str) -> bool:
    """Say whether a column is about the picture itself: so called, or with such a word in it (Mean score, std_dev)."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if len(word) > 2]
    return name.strip().lower() in ABOUT_PICTURES or any(word in ABOUT_PICTURES for word in words)


def _qualtrics(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read three header rows (names, question texts, ImportId; older: two); previews, tests and spam are left out.

    The ImportIds are the same in every language; the names and words are not.
    """
    marker = _marker(table)
    record = next((str(name) for name in table if str(name).lower() == "responseid"), "ResponseId")
    older = marker is None and record in table and table[record].head(1).str.lower().eq("responseid").any()
    texts = table.iloc[0].to_dict() if marker or older else {}
    data = table.assign(_row=_rows(table)).iloc[int(older) if marker is None else marker + 1 :]
    names = {"status": "Status", "finished": "Finished", "_recordId": record}
    timers: set[str] = set()
    if marker is not None:
        timers = {str(name) for name, text in table.iloc[marker].items() if _TIMER_ID.search(text)}
        ids = {match.group(1): name for name, text in table.iloc[marker].items() if (match := _IMPORT_ID.search(text))}
        names |= {part: str(ids[part]) for part in names if part in ids}
    status = data[names["status"]].map(qualtrics_status) if names["status"] in data else pd.Series("", index=data.index)
    channel = next((str(name) for name in data if str(name).lower() == "distributionchannel"), "")
    if channel:
        status = status.where(status != "", data[channel].map(qualtrics_status))
    data, left_out = data[status == ""], Counter(status[status != ""])
    platform = next((name for name in ("PROLIFIC_PID", "workerId") if name in data), "")
    rater = mapping.rater or names["_recordId"]
    skip = {platform, *timers}
    if platform and not mapping.rater:
        data, rater = _platform_raters(data, platform, column(data, "rater", rater))
    found = items(data, mapping, pictures, {rater, *skip}, texts)
    extract = _from_items(data, column(data, "rater", rater), found)
    extract.left_out += left_out
    if names["finished"] in data:
        no = {"false", "0", "falsch", "faux", "falso", "no", "nein", "non"}
        extract.unfinished = int(data[names["finished"]].str.lower().isin(no).sum())
    return extract


def _platform_raters(data: pd.DataFrame, platform: str, record: str) -> tuple[pd.DataFrame, str]:
    """Take the platform's ids for raters; the response's own id where there is none, or a link's place for it."""
    ids = data[platform].str.strip()
    ids = ids.where(~ids.str.fullmatch(_PLACE_OF_ID), "")
    if (ids != "").all() or (ids == "").all():
        return data, record if (ids == "").all() else platform
    both = f"{platform} ({record} where there is none)"
    return data.assign(**{both: ids.where(ids != "", data[record])}), both


_PLACE_OF_ID = r"\{\{.*\}\}|\$\{.*\}|\[.*\]|<.*>|%.*%"
_IMPORT_ID = re.compile(r'"ImportId"\s*:\s*"([^"]+)"')
_TIMER_ID = re.compile(r'_(FIRST_CLICK|LAST_CLICK|PAGE_SUBMIT|CLICK_COUNT|DO(_\d+)?)"')
THE_ROW = "(the row)"
ADDRESSES = ("email address", "username")


def _google(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a time, perhaps an e-mail address, then a column a question; ``Question [picture]`` is a grid."""
    addresses = (n for n in table.columns[1:] if n.lower() in ADDRESSES or table[n].str.contains("@").mean() > 0.5)
    rater = mapping.rater or next(addresses, "")
    data = table
    if not rater:
        rater = THE_ROW
        data = table.assign(**{rater: [f"row{number}" for number in _rows(table)]})
    return _from_items(data, rater, items(data, mapping, pictures, {rater, str(table.columns[0])}))


RESPONSE_IDS = ("id", "response id", "antwort id", "id de la réponse", "id de respuesta", "id risposta", "antwoord id")


SUBMITTED = ("submitdate", "date submitted", "datum abgeschickt", "date de soumission", "fecha de envío")


def _code(name: object) -> str:
    """Return what a column of LimeSurvey is called before its question's text: ``submitdate. Date submitted``."""
    return str(name).split(".")[0].strip().lower()


def _limesurvey(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read columns ``code[part]``, whose part names the picture; answers may be codes A1, A2 ..."""
    rater = mapping.rater or next((str(n) for n in table if _code(n) in RESPONSE_IDS), "")
    if not rater:
        raise RatingsError("a LimeSurvey export has a column id or Response ID; name the raters' column with --rater")
    extract = _from_items(table, rater, items(table, mapping, pictures, {rater}))
    extract.cells["cell"] = (
        extract.cells["cell"].astype(str).str.replace(r"^\s*[A-Z]{1,2}0*(\d+)\s*$", r"\1", regex=True)
    )
    submitted = next((table[n] for n in table if _code(n) in SUBMITTED), None)
    extract.unfinished = 0 if submitted is None else int((submitted.str.strip() == "").sum())
    return extract


def _sosci(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a header, perhaps a row of labels under it, and a row an interview; negative answers are missing ones."""
    names = {str(name).lower(): str(name) for name in table.columns}
    labelled = len(table) > 0 and not str(table[names["case"]].iloc[0]).strip().isdigit()
    texts = {str(name): str(text) for name, text in table.iloc[0].items()} if labelled else {}
    data = table.assign(_row=_rows(table)).iloc[int(labelled) :]
    left_out: Counter[str] = Counter()
    if "mode" in names:
        mode = data[names["mode"]].str.strip().str.lower()
        real = mode.isin(["interview", ""])
        data, left_out = data[real], Counter(mode[~real])
    rater = mapping.rater or names["case"]
    extract = _from_items(data, rater, items(data, mapping, pictures, {rater}, texts))
    missing = extract.cells["cell"].astype(str).str.fullmatch(r"\s*-\d+\s*")
    extract.cells = extract.cells[~missing].reset_index(drop=True)
    extract.left_out += left_out
    if "finished" in names:
        extract.unfinished = int((data[names["finished"]].str.strip() == "0").sum())
    return extract


def _surveymonkey(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read two header rows: a question over its first column, and the parts of the question under it."""
    if table.empty:
        raise RatingsError("SurveyMonkey writes two header rows; there is one here, and nothing under it")
    parts, question, texts = table.iloc[0], "", {}
    for name in table.columns:
        question = question if re.fullmatch(r"column \d+", str(name)) else str(name)
        texts[name] = f"{question} [{parts[name]}]" if parts[name] not in ("", "Response") else question
    data = table.assign(_row=_rows(table)).iloc[1:]
    rater = mapping.rater or column(table, "rater", "", ("respondent_id",))
    return _from_items(data, rater, items(data, mapping, pictures, {rater}, texts))


def _mturk(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a batch's results: inputs are pictures; answers are numbers, ticked buttons, or JSON (crowd forms)."""
    if "WorkerId" not in table:
        raise RatingsError(
            f"results of MTurk without WorkerId: no rater is known. There are {', '.join(table.columns)}"
        )
    data = _one_answer_a_question(_open_answers(table.assign(_row=_rows(table))))
    left_out: Counter[str] = Counter()
    if "AssignmentStatus" in data:
        rejected = data["AssignmentStatus"].str.lower() == "rejected"
        data, left_out = data[~rejected], Counter({"rejected": int(rejected.sum())})
    inputs = [mapping.image] if mapping.image else [str(c) for c in data if str(c).startswith("Input.")]
    answers = [mapping.score] if mapping.score else [str(c) for c in data if str(c).startswith("Answer.")]
    answers = [name for name in answers if mapping.score or _is_numeric(data[name])]
    if len(answers) > 1 and not mapping.score:
        answers = [name for name in answers if not ABOUT_PEOPLE.search(name.removeprefix("Answer."))]
    pairs = _pairs(inputs, answers)
    several = len({source for source, _ in pairs}) < len(pairs)
    parts = [
        _cells(
            data["_row"], data["WorkerId"], data[source], name.removeprefix("Answer.") if several else "", data[name]
        )
        for source, name in pairs
    ]
    cells = _answered(pd.concat(parts, ignore_index=True)).sort_values("row", kind="stable", ignore_index=True)
    named_in = list(dict.fromkeys(source for source, _ in pairs))
    return Extract("WorkerId", [name for _, name in pairs], cells, +left_out, named_in=named_in)


def _open_answers(data: pd.DataFrame) -> pd.DataFrame:
    """Put the JSON of ``Answer.taskAnswers`` into columns of its own, ticked buttons as true and false."""
    if "Answer.taskAnswers" not in data:
        return data
    rows = []
    for text in data["Answer.taskAnswers"]:
        answers: dict[str, str] = {}
        try:
            for form in json.loads(text or "[]"):
                for name, value in form.items():
                    options = value.items() if isinstance(value, dict) else [("", value)]
                    for option, answer in options:
                        key = f"Answer.{name}" + (f".{option}" if isinstance(answer, bool) else "")
                        answers[key] = str(answer).lower() if isinstance(answer, bool) else str(answer)
        except (ValueError, AttributeError) as error:
            raise RatingsError(
                f"Answer.taskAnswers is not the JSON that MTurk writes: {text[:80]!r} ({error})"
            ) from None
        rows.append(answers)
    opened = pd.DataFrame(rows, index=data.index).fillna("")
    return pd.concat([data.drop(columns="Answer.taskAnswers"), opened], axis=1)


def _one_answer_a_question(data: pd.DataFrame) -> pd.DataFrame:
    """Turn buttons (``Answer.rating.3`` = true) into the number of the one that was chosen."""
    buttons: dict[str, dict[str, str]] = {}
    for name in map(str, data.columns):
        ending = re.fullmatch(r"(Answer\..+)\.[A-Za-z_-]*(\d+)(?:\.on)?", name)
        if ending and data[name].str.lower().isin({"true", "false", "on", ""}).all():
            buttons.setdefault(ending.group(1), {})[ending.group(2)] = name
    for question, options in buttons.items():
        chosen = pd.DataFrame({score: data[name].str.lower().isin({"true", "on"}) for score, name in options.items()})
        answer = chosen.idxmax(axis=1).where(chosen.sum(axis=1) == 1, "")
        data = data.drop(columns=list(options.values())).assign(**{question: answer})
    return data


def _pairs(inputs: list[str], answers: list[str]) -> list[tuple[str, str]]:
    """Pair inputs and answers that belong together: one input for all, or equal numbers at their ends."""
    if len(inputs) == 1 and answers:
        return [(inputs[0], answer) for answer in answers]
    number = {ending.group(): name for name in answers if (ending := re.search(r"\d+$", name))}
    pairs = [
        (name, number[ending.group()])
        for name in inputs
        if (ending := re.search(r"\d+$", name)) and ending.group() in number
    ]
    if not pairs:
        raise RatingsError(
            f"which input belongs to which answer? inputs: {', '.join(inputs)}; answers: {', '.join(answers)}. "
            f"Name one pair with --image and --score"
        )
    return pairs


def _events(scores: str, raters: tuple[str, ...] = (), kind: str = "", from_zero: str = "") -> Reader:
    """Make a reader for experiments: a row a trial, of which only some show a picture and take an answer."""

    def read(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
        table = _with_raters(table, mapping, raters)
        rater = column(table, "rater", mapping.rater, (THE_FILE, *raters))
        image = mapping.image or _picture_column(table, pictures, {rater})
        answers = (
            [mapping.score] if mapping.score else [str(n) for n in table if re.search(scores, str(n), re.IGNORECASE)]
        )
        if not answers:
            raise RatingsError(
                f"no column of answers; name it with --score. There are {', '.join(map(str, table.columns))}"
            )
        shows = table[image].map(lambda text: pictures.match(text) is not None)
        if kind and kind in table:
            shows &= table[kind].str.lower().isin({"response", ""})
        if "Zone Type" in table:  # Gorilla's buttons that go on
            shows &= ~table["Zone Type"].str.startswith("continue")
        not_real = why_not_real(table.drop(columns=[rater, image, *answers]))
        not_real[did_not_load(table, rater, image, pictures)] = NOT_SEEN
        data = table.assign(_row=_rows(table))[shows & (not_real == "")]
        parts = [
            _cells(data["_row"], data[rater], data[image], re.sub(r"\.?(response|keys)$", "", name), data[name])
            for name in answers
        ]
        cells = _opened(pd.concat(parts, ignore_index=True))
        cells = _single_attributes(cells[~cells["attribute"].map(lambda name: bool(ABOUT_PEOPLE.search(name)))])
        cells["cell"] = cells["cell"].map(_pressed)
        zero = bool(from_zero) and "trial_type" in data and data["trial_type"].str.contains(from_zero).any()
        left_out = Counter({"without a picture": int((~shows).sum())}) + Counter(not_real[shows & (not_real != "")])
        return Extract(rater, answers, _answered(cells), left_out, from_zero=bool(zero), named_in=[image])

    return read


THE_FILE = "(the_file's_name)"


def _with_raters(table: pd.DataFrame, mapping: ColumnMap, usual: tuple[str, ...]) -> pd.DataFrame:
    """Take the file's name for the rater, where no column names one: such tools write a file a participant."""
    names = {str(name).lower().replace(" ", "_") for name in table.columns}
    if mapping.rater or names & {*usual, *KNOWN["rater"]} or "file" not in table.attrs:
        return table
    return table.assign(**{THE_FILE: str(table.attrs["file"])})


def _pressed(cell: str) -> str:
    """Take the digit out of a key as PsychoPy writes it: ``num_5``, ``['5']``."""
    match = re.fullmatch(r"\[?\s*['\"]?(?:num_|numpad_)?(\d{1,2})['\"]?\s*\]?", cell.strip())
    return match.group(1) if match else cell


def _opened(cells: pd.DataFrame) -> pd.DataFrame:
    """Spread answers that are JSON objects (jsPsych's survey trials) over a row for each question."""
    parts = cells["cell"].map(_parts)
    objects = parts.map(bool)
    rows = [
        row | {"attribute": str(name), "cell": str(value)}
        for row, answers in zip(cells[objects].to_dict("records"), parts[objects], strict=True)
        for name, value in answers.items()
    ]
    return pd.concat([cells[~objects], pd.DataFrame(rows, columns=CELLS)]) if rows else cells


def _parts(cell: str) -> dict[str, Any]:
    """Read an answer that is a JSON object; empty where it is none (a number, a text, an object that is cut off)."""
    try:
        answers = json.loads(cell) if cell.startswith("{") else {}
    except ValueError:
        return {}
    return dict(answers)


def _picture_column(table: pd.DataFrame, pictures: PictureNames, skip: set[str]) -> str:
    """Find the column whose cells name pictures most often."""
    hits = {
        str(name): int(table[name].map(lambda t: pictures.match(t) is not None).sum())
        for name in table
        if name not in skip
    }
    best = max(hits, key=lambda name: hits[name])
    if not hits[best]:
        raise RatingsError(
            f"no column names a picture{' of the study' if pictures.ids else ' (a.jpg, b.png ...)'}; name it with "
            f"--image. There are {', '.join(hits)}"
        )
    return best


def items(
    table: pd.DataFrame,
    mapping: ColumnMap,
    pictures: PictureNames,
    skip: set[str],
    texts: Mapping[str, str] | None = None,
) -> list[Item]:
    """Find the columns of a wide table that are ratings of pictures.

    They are those that ``mapping`` says, else those whose name, bracket or question text names a picture.
    """
    candidates = [str(name) for name in table.columns if name not in skip and not str(name).startswith("_")]
    if mapping.names is not None:
        return _single(_mapped(candidates, mapping.names, pictures))
    chosen = [name for name in candidates if not TIMES.search(name)]
    if mapping.columns:
        chosen = [name for name in candidates if re.search(mapping.columns, name)]
        if not chosen:
            raise RatingsError(f"no column matches {mapping.columns!r}; there are {', '.join(candidates[:20])}")
    taken = []
    for name in chosen:
        item = _item(name, (texts or {}).get(name, ""), pictures)
        if item is None and mapping.columns:
            item = Item(name, name, "")
        if item is not None:
            taken.append(item)
    if not mapping.columns:
        taken = [item for item in taken if "[" in item.column or not BESIDE.search(item.attribute)] or taken
    return _single(taken)


def _mapped(candidates: list[str], names: Mapping[str, str], pictures: PictureNames) -> list[Item]:
    result = []
    for name in candidates:
        bracket = re.search(r"^(.*)\[([^\]]+)\]\s*$", name)
        if name in names:
            result.append(Item(name, names[name], bracket.group(1).strip() if bracket else ""))
        elif bracket and bracket.group(2).strip() in names:
            result.append(Item(name, names[bracket.group(2).strip()], bracket.group(1).strip()))
    used = {item.column for item in result} | {
        part for item in result for part in re.findall(r"\[([^\]]+)\]", item.column)
    }
    missing = [name for name in names if name not in used]
    if missing:
        raise RatingsError(f"columns of the map are not in the table: {', '.join(missing[:20])}")
    return result


def _item(name: str, text: str, pictures: PictureNames) -> Item | None:
    """Read a column's name, then the text of its question."""
    for words in (name, text):
        bracket = re.search(r"^(.*)\[([^\]]+)\]\s*$", words)
        image = pictures.match(bracket.group(2)) if bracket else None
        if bracket and image:
            return Item(name, image, bracket.group(1).strip())
        named = pictures.within(words, question=words == text != name) if words else None
        if named is not None:
            return Item(name, *named)
    return None


def _single(columns: list[Item]) -> list[Item]:
    """Leave the attribute out where every picture has one column."""
    images = Counter(item.image for item in columns)
    if all(count == 1 for count in images.values()):
        return [Item(item.column, item.image, "") for item in columns]
    columns = [Item(i.column, i.image, "" if i.attribute.isdigit() else i.attribute) for i in columns]
    if len({item.attribute for item in columns}) > 1:  # each question has a name, by which it can be chosen
        columns = [Item(i.column, i.image, i.attribute or "rating") for i in columns]
    twice = [pair for pair, count in Counter((i.image, i.attribute) for i in columns).items() if count > 1]
    if twice:
        same = [item.column for item in columns if (item.image, item.attribute) == twice[0]]
        raise RatingsError(
            f"{' and '.join(map(repr, same))} are both about {twice[0][0]}; choose with --columns, or rename them"
        )
    return columns


def _single_attributes(cells: pd.DataFrame) -> pd.DataFrame:
    answered = cells[cells["cell"].astype(str).str.strip() != ""]
    return cells.assign(attribute="") if answered["attribute"].nunique() < 2 else cells


def _from_items(table: pd.DataFrame, rater: str, columns: list[Item]) -> Extract:
    body = table[[item.column for item in columns]].to_numpy(dtype=object)
    height, width = body.shape
    rows = table["_row"].to_numpy() if "_row" in table else _rows(table)
    cells = _cells(
        np.repeat(rows, width),
        np.repeat(table[rater].to_numpy(dtype=object), width),
        np.tile(np.array([item.image for item in columns], dtype=object), height),
        np.tile(np.array([item.attribute for item in columns], dtype=object), height),
        body.ravel(),
    )
    return Extract(rater, [item.column for item in columns], _answered(cells))


def _cells(row: Any, rater: Any, image: Any, attribute: Any, cell: Any) -> pd.DataFrame:
    values = (getattr(part, "to_numpy", lambda part=part: part)() for part in (row, rater, image, attribute, cell))
    return pd.DataFrame(dict(zip(CELLS, values, strict=True)))


def _answered(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[~cells["cell"].astype(str).str.strip().isin(UNANSWERED)].reset_index(drop=True)


def _rows(table: pd.DataFrame) -> Any:
    """Count rows as a text editor does: the header is row 1, where nothing stands above it."""
    return np.arange(len(table)) + 2 + table.attrs.get("above", 0)


def _is_numeric(texts: pd.Series[Any]) -> bool:
    answers = texts.str.strip()
    answers = answers[answers != ""]
    return len(answers) > 0 and bool(answers.str.match(r"^-?\d+([.,]\d+)?\b").mean() > 0.5)


def _begins_with_moments(table: pd.DataFrame) -> bool:
    """Say whether the first column holds dates with times: Google Forms' one, whatever it is called."""
    moment = re.compile(r"^\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}\.?,?\s.*\d{1,2}[:.]\d{2}")
    return len(table) > 0 and bool(table.iloc[:, 0].map(lambda cell: moment.match(str(cell)) is not None).mean() > 0.5)


def _marker(table: pd.DataFrame) -> int | None:
    """Find Qualtrics' row of ImportIds."""
    rows = table.iloc[:3].apply(lambda row: row.astype(str).str.contains("ImportId").any(), axis=1).to_numpy(bool)
    return int(np.flatnonzero(rows)[0]) if rows.any() else None


def shorten(images: pd.Series[Any], pictures: PictureNames) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Give each cell's picture its id, and say which are pictures of the study (all, where no study is given)."""
    texts = images.map(source_of)
    if pictures.ids:
        ids = {text: pictures.match(text) for text in texts.unique()}
        matched = texts.map(ids)
        return matched.where(matched.notna(), texts), matched.notna()
    names = {text: pictures.match(text) for text in texts.unique()}
    bases = unique_bases(text for text, picture in names.items() if picture is not None)
    return texts.map(lambda text: bases.get(text, text)), pd.Series(True, index=images.index)


def _redcap(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a row a record, or a row a repeated form."""
    record = next((str(name) for name in table if _plain(name) in RECORDS), "")
    mapping = replace(mapping, rater=mapping.rater or record)
    plain = {_plain(name) for name in table}
    repeated = all(plain & set(KNOWN[role]) or getattr(mapping, role) for role in ("image", "score"))
    return (_long if repeated else _wide)(table, mapping, pictures)


def _formr(table: pd.DataFrame, mapping: ColumnMap, pictures: PictureNames) -> Extract:
    """Read a row a run; runs that researchers try out have XXX in their code."""
    session = mapping.rater or column(table, "rater", "", ("session",))
    tests = table[session].str.contains("XXX")
    extract = _wide(table.assign(_row=_rows(table))[~tests], replace(mapping, rater=session), pictures)
    extract.left_out += Counter({"test": int(tests.sum())})
    return extract


def _plain(name: object) -> str:
    return str(name).lower().replace(" ", "_")


RECORDS = ("record_id",)
TIMESTAMPS = {"timestamp", "zeitstempel", "horodateur", "marca temporal", "informazioni cronologiche",
              "carimbo de data/hora", "tijdstempel", "sygnatura czasowa"}  # fmt: skip
SIGNATURES: dict[str, Callable[[list[str], set[str]], bool]] = {
    "mturk": lambda _, lower: {"hitid", "workerid"} <= lower,
    "qualtrics": lambda _, lower: (
        "responseid" in lower and bool(lower & {"recordeddate", "startdate"}) and "status" in lower
    ),
    "soscisurvey": lambda _, lower: {"case", "questnnr", "started"} <= lower,
    "limesurvey": lambda names, lower: (
        all(any(_code(name) in usual for name in names) for usual in (RESPONSE_IDS, SUBMITTED))
        or any(re.search(r"\[SQ\d+\]", name) for name in names)
    ),
    "surveymonkey": lambda _, lower: {"respondent id", "collector id"} <= lower,
    "gorilla": lambda _, lower: "participant private id" in lower,
    "labvanced": lambda _, lower: "rec_session_id" in lower or "exp_subject_id" in lower,
    "jspsych": lambda _, lower: "trial_type" in lower and bool(lower & {"trial_index", "rt", "time_elapsed"}),
    "psychopy": lambda names, lower: (
        any(n.endswith((".thisN", ".thisTrialN")) for n in names) or {"expname", "date"} <= lower
    ),
    "psytoolkit": lambda _, lower: {"participant", "time_start"} <= lower,
    "redcap": lambda _, lower: (
        any(name.startswith("redcap_") for name in lower) or bool(lower & {"record_id", "record id"})
    ),
    "formr": lambda _, lower: {"session", "created", "ended"} <= lower,
    "google-forms": lambda names, _: names[0].lower() in TIMESTAMPS,
}
LAYOUTS: dict[str, Reader] = {
    "long": _long,
    "wide": _wide,
    "transposed": _transposed,
    "qualtrics": _qualtrics,
    "google-forms": _google,
    "limesurvey": _limesurvey,
    "surveymonkey": _surveymonkey,
    "soscisurvey": _sosci,
    "mturk": _mturk,
    "jspsych": _events(r"^(response|rating|button_pressed)$", from_zero="button|likert|multi-choice"),
    "psychopy": _events(r"\.(response|keys|rating)$"),
    "labvanced": _events(r"^(rating|score|response|value|answer)$", ("exp_subject_id", "rec_session_id")),
    "gorilla": _events(r"^(response|rating)$", ("participant_private_id",), kind="Response Type"),
    "psytoolkit": _wide,
    "redcap": _redcap,
    "formr": _formr,
}
