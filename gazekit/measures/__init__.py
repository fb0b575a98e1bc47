"""From gaze to the lab's own tables: what each person did on each picture, and what the person said of it."""

from gazekit.measures.answers import ANSWER_COLUMNS, answers_of, people_answers
from gazekit.measures.codebook import codebook, one_value_a_row
from gazekit.measures.fixation_tables import fixation_measures, with_answers
from gazekit.measures.ratings import RATING_COLUMNS, ratings_of
from gazekit.measures.sessions import join_sessions, session_measures
from gazekit.measures.viewing import KEYS, MEASURES, WHOLE, MeasureOptions

__all__ = [
    "ANSWER_COLUMNS",
    "KEYS",
    "MEASURES",
    "RATING_COLUMNS",
    "WHOLE",
    "MeasureOptions",
    "answers_of",
    "codebook",
    "fixation_measures",
    "join_sessions",
    "one_value_a_row",
    "people_answers",
    "ratings_of",
    "session_measures",
    "with_answers",
]
