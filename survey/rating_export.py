"""What the store holds, as tables and as one person's own copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, select

from survey.aggregation import aggregate
from survey.config import Scale
from survey.database import Store
from survey.schema import answer, compared, event, image, more_score, platform, rater, slot

KINDS = {"P": "practice", "M": "main", "R": "repeat", "G": "gold", "C": "check"}
RATING_COLUMNS = (
    "rater",
    "image",  # empty for an attention check
    "score",
    "kind",  # main, repeat, gold, check; practice on request
    "expected",  # the score that an attention check asks for
    "time_ms",  # from the picture's appearance to the answer
    "viewport_w",
    "viewport_h",
    "blurs",  # how often the page lost the focus
    "entered",  # keys, mouse, touch or pen
    "rated_utc",
    # the next are there where a page reported them: simulated raters and older versions did not
    "server_ms",  # from the making of the page to the answer, by the server's clock
    "load_ms",  # until the picture was there
    "shown_w",  # size of the picture on the page, CSS pixels
    "shown_h",
    "changes",  # how often the rater took the rating back
    "exposed_ms",  # how long a timed picture was on the screen
    "inputs",  # keys, presses and clicks of a person's device (`survey.traces`); a script makes none
)
WHOLE = ("score", "expected", "time_ms", "viewport_w", "viewport_h", "blurs", "server_ms", "load_ms", "shown_w",
         "shown_h", "changes", "exposed_ms", "inputs")  # fmt: skip
LATER = RATING_COLUMNS[RATING_COLUMNS.index("server_ms") :]
STORED = ("done", "spare", "excluded")


def export_ratings(store: Store, *, practice: bool = False, scales: Sequence[Scale] = ()) -> pd.DataFrame:
    """Read every rating, a row each (`RATING_COLUMNS`), in the order of time; raters by pseudonym only.

    Main ratings are of the kind ``spare`` where the picture had its ratings already, and ``excluded`` where their
    rater was left out; of the kind ``withdrawn`` where the picture was.

    Parameters
    ----------
    store : Store
        The survey's database.
    practice : bool
        Read the practice ratings too.
    scales : sequence of Scale
        The questions of every picture: where there are several, each answer is a row, and the column ``attribute``
        names its question. Without them only the first question's answers are read.
    """
    kinds = [letter for letter in KINDS if practice or letter != "P"]
    one_picture = (slot.c.kind == "C") | slot.c.image_id.is_not(None)
    query = _ratings().where(slot.c.state.in_(STORED), slot.c.kind.in_(kinds), one_picture)
    query = query.order_by(slot.c.rated_at, slot.c.id)
    with store.read() as connection:
        rows = connection.execute(query.add_columns(slot.c.id, slot.c.state, image.c.withdrawn_at)).all()
        more = connection.execute(select(more_score)).all() if len(scales) > 1 else []
    table = pd.DataFrame([tuple(row)[:-3] for row in rows], columns=list(RATING_COLUMNS))
    states = pd.Series([row.state for row in rows], dtype=object)
    withdrawn = pd.Series([row.withdrawn_at is not None for row in rows], dtype=bool)
    main = table["kind"] == "M"
    table["kind"] = table["kind"].map(KINDS).mask(main & (states != "done"), states)
    table["kind"] = table["kind"].mask(main & withdrawn, "withdrawn")
    table["image"] = table["image"].fillna("")
    table = _typed(table)
    return table if len(scales) < 2 else _with_more(table, [row.id for row in rows], more, scales)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Give columns their types, and leave out those that no page reported."""
    for name in WHOLE:
        table[name] = table[name].astype("Int64")
    table["rated_utc"] = _moments(table["rated_utc"])
    return table.drop(columns=[name for name in LATER if table[name].isna().all()])


def _with_more(table: pd.DataFrame, slots: list[int], more: Sequence[Any], scales: Sequence[Scale]) -> pd.DataFrame:
    """Add the answers to the other questions, each after the first answer of its showing."""
    table.insert(3, "attribute", scales[0].name)
    place = {slot_id: k for k, slot_id in enumerate(slots)}
    here = [row for row in more if row.slot_id in place]
    others = table.iloc[[place[row.slot_id] for row in here]].assign(
        attribute=[row.scale for row in here], score=pd.array([row.score for row in here], dtype="Int64")
    )
    return pd.concat([table, others]).sort_index(kind="stable").reset_index(drop=True)


def export_choices(store: Store, *, practice: bool = False) -> pd.DataFrame:
    """Read every comparison, a row each, in the order of time; raters by pseudonym only.

    Columns rater, kind (as in `export_ratings`), picture1 ... in the order in which they were shown, best, worst (empty
    where two were compared), expected and score (of attention checks: a position), and the columns of behaviour that
    pages reported.

    Parameters
    ----------
    store : Store
        The survey's database.
    practice : bool
        Read practice too.
    """
    kinds = [letter for letter in KINDS if practice or letter != "P"]
    several = (slot.c.kind == "C") | slot.c.image_id.is_(None)
    query = _ratings().where(slot.c.state.in_(STORED), slot.c.kind.in_(kinds), several)
    members = (
        select(compared.c.slot_id, compared.c.position, compared.c.picked, image.c.name, image.c.withdrawn_at)
        .join(image, image.c.id == compared.c.image_id)
        .order_by(compared.c.slot_id, compared.c.position)
    )
    with store.read() as connection:
        rows = connection.execute(query.add_columns(slot.c.id, slot.c.state).order_by(slot.c.rated_at, slot.c.id)).all()
        of_slot: dict[int, list[Any]] = {}
        for member in connection.execute(members):
            of_slot.setdefault(member.slot_id, []).append(member)
    table = pd.DataFrame([tuple(row)[:-2] for row in rows], columns=list(RATING_COLUMNS))
    table["kind"] = table["kind"].map(KINDS)
    for k, row in enumerate(rows):
        withdrawn = any(member.withdrawn_at is not None for member in of_slot.get(row.id, []))
        if table.loc[k, "kind"] == "main" and (withdrawn or row.state != "done"):
            table.loc[k, "kind"] = "withdrawn" if withdrawn else row.state
    sets = [of_slot.get(row.id, []) for row in rows]
    most = max([2, *map(len, sets)])
    shown = {f"picture{n}": [m[n - 1].name if len(m) >= n else "" for m in sets] for n in range(1, most + 1)}
    chosen = {word: [next((m.name for m in one if m.picked == word), "") for one in sets] for word in ("best", "worst")}
    table = pd.concat(
        [table[["rater", "kind"]], pd.DataFrame(shown | chosen), table.drop(columns=["rater", "image", "kind"])], axis=1
    )
    return _typed(table)


def export_raters(store: Store) -> pd.DataFrame:
    """Read a row a rater: pseudonym, consent, progress, times; nothing that says who it is."""
    columns = [rater.c.name, rater.c.consent_version, rater.c.consent_at, rater.c.seen_at, rater.c.finished_at]
    columns += [rater.c.deleted_at, rater.c.place, rater.c.plan, rater.c.language]
    with store.read() as connection:
        rows = connection.execute(select(*columns)).all()
    table = pd.DataFrame([tuple(r)[:-2] for r in rows], columns=[*_RATER[:-2]])
    table["planned"] = [len(row.plan) for row in rows]
    table["language"] = [row.language or "" for row in rows]
    for name in ("consent_at", "seen_at", "finished_at", "deleted_at"):
        table[name] = _moments(table[name])
    return table


def export_answers(store: Store) -> pd.DataFrame:
    """Read the answers to the questions at the end: rater, question, value."""
    query = select(rater.c.name, answer.c.question, answer.c.value).join(rater, rater.c.id == answer.c.rater_id)
    with store.read() as connection:
        rows = connection.execute(query.order_by(rater.c.id, answer.c.question)).all()
    return pd.DataFrame([tuple(row) for row in rows], columns=["rater", "question", "value"])


def export_platform(store: Store) -> pd.DataFrame:
    """Read platform ids and completion codes, for paying people: keep this apart from the ratings."""
    query = select(platform, rater.c.name, rater.c.code, rater.c.finished_at).join(
        rater, rater.c.id == platform.c.rater_id
    )
    with store.read() as connection:
        rows = connection.execute(query.order_by(rater.c.id)).mappings().all()
    names = ["source", "participant", "study", "session", "code", "finished_at"]
    return pd.DataFrame([[row[n] for n in names] for row in rows], columns=names)


def own_copy(connection: Connection, person: Row[Any]) -> dict[str, Any]:
    """Collect all that is stored about one rater, for that rater."""
    ratings = connection.execute(_ratings().where(slot.c.rater_id == person.id, slot.c.state.in_(STORED))).all()
    answers = connection.execute(select(answer.c.question, answer.c.value).where(answer.c.rater_id == person.id)).all()
    ids = connection.execute(select(platform).where(platform.c.rater_id == person.id)).mappings().one_or_none()
    others = connection.execute(
        select(image.c.name, more_score.c.scale, more_score.c.score)
        .join(slot, slot.c.id == more_score.c.slot_id)
        .join(image, image.c.id == slot.c.image_id)
        .where(slot.c.rater_id == person.id)
    )
    sets = connection.execute(
        select(compared.c.slot_id, compared.c.position, image.c.name, compared.c.picked)
        .join(slot, slot.c.id == compared.c.slot_id)
        .join(image, image.c.id == compared.c.image_id)
        .where(slot.c.rater_id == person.id, slot.c.state.in_(STORED))
        .order_by(compared.c.slot_id, compared.c.position)
    )
    comparisons: dict[int, dict[str, Any]] = {}
    for row in sets:
        one = comparisons.setdefault(row.slot_id, {"pictures": [], "best": "", "worst": ""})
        one["pictures"].append(row.name)
        if row.picked:
            one[row.picked] = row.name
    traces = connection.execute(
        select(slot.c.steps).where(slot.c.rater_id == person.id, slot.c.steps.is_not(None)).order_by(slot.c.place)
    ).all()
    single = [row for row in ratings if row[1] is not None or row[3] == "C"]
    return {
        "name": person.name,
        "consent": {"version": person.consent_version, "time": person.consent_at},
        "last_seen": person.seen_at,
        "finished": person.finished_at,
        "platform": {k: v for k, v in ids.items() if k != "rater_id"} if ids else None,
        "language": person.language,
        "traces": [row.steps for row in traces],
        "ratings": [dict(zip(RATING_COLUMNS[1:], tuple(row)[1:], strict=True)) for row in single],
        "comparisons": list(comparisons.values()),
        "other_scales": [dict(row) for row in others.mappings()],
        "answers": {row.question: row.value for row in answers},
    }


_RATER = (
    "rater",
    "consent_version",
    "consent_at",
    "seen_at",
    "finished_at",
    "deleted_at",
    "shown",
    "planned",
    "language",
)


def _moments(seconds: pd.Series[Any]) -> pd.Series[Any]:
    return pd.to_datetime(seconds.astype(float), unit="s", utc=True).dt.floor("ms")


def _ratings() -> Any:
    columns = [slot.c["rated_at" if name == "rated_utc" else name] for name in RATING_COLUMNS[2:]]
    return (
        select(rater.c.name, image.c.name, *columns)
        .join(rater, rater.c.id == slot.c.rater_id)
        .join(image, image.c.id == slot.c.image_id, isouter=True)
    )


def export_events(store: Store) -> pd.DataFrame:
    """Read what happened besides ratings: failed pictures, downloads, exclusions, pauses."""
    query = (
        select(event.c.at, event.c.kind, rater.c.name, image.c.name, event.c.detail)
        .join(rater, rater.c.id == event.c.rater_id, isouter=True)
        .join(image, image.c.id == event.c.image_id, isouter=True)
        .order_by(event.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    table = pd.DataFrame([tuple(row) for row in rows], columns=["utc", "kind", "rater", "image", "detail"])
    return table.assign(utc=_moments(table["utc"]), rater=table["rater"].fillna(""), image=table["image"].fillna(""))


def export_histograms(store: Store, scale: int) -> pd.DataFrame:
    """Make the histogram table of the ratings so far, unscreened, on the study's scale."""
    ratings = export_ratings(store)
    main = ratings[ratings["kind"] == "main"]
    if main.empty:
        return pd.DataFrame(columns=["image", "n"])
    return aggregate(main, scale=scale)
