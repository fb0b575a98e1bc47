"""``gazekit ratings``."""

from __future__ import annotations

from pathlib import Path

import click

from gazekit.core.counting import counted


@click.command("ratings")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Table to write: .csv, .tsv or .parquet.")
@click.option("--words", type=click.Path(path_type=Path), help="Table of the answers in words to write as well.")
@click.option(
    "--questions", type=click.Path(path_type=Path), help="Table of answers to the study's questions to write as well."
)
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    sessions: tuple[Path, ...], out: Path, words: Path | None, questions: Path | None, strict: bool, as_json: bool
) -> None:
    """Write what people in sessions (files or folders) answered of each picture, a row an answer.

    The columns are those of `gazekit survey export`: rater, image, score, attribute (what was asked), kind, time_ms
    (from the question's appearance to the answer); the participant is the rater. So `gazekit survey screen`,
    `reliability` and `aggregate --attribute NAME` read it.

    \b
    Example:  gazekit ratings recordings --out ratings.csv
              gazekit ratings recordings --out ratings.csv --words words.csv --questions questions.csv
              gazekit survey aggregate ratings.csv --scale 10 --attribute beauty --out histograms.csv
    """
    import json

    import pandas as pd

    from gazekit.cli._recordings import each_session
    from gazekit.core.errors import InputError
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from gazekit.measures import answers_of, people_answers, ratings_of

    answers, asked, files = [], [], {}
    for path, session in each_session(sessions, "ratings", strict=strict):
        answers.append(answers_of(session))
        asked.append(people_answers(session))
        files[str(path)] = path
    ratings, spoken = ratings_of(answers)
    if not len(ratings) and not len(spoken):
        raise InputError(f"no picture was rated in {counted(len(files), 'session')}; has the study a section [rating]?")
    made = provenance("gazekit.ratings/1", {}, files)
    write_table(ratings, out, made)
    if words is not None:
        write_table(spoken, words, made)
    if questions is not None:
        write_table(pd.concat(asked, ignore_index=True), questions, made)
    for sentence in _excluded(sessions, set(ratings["rater"].astype(str))):
        click.echo(sentence, err=True)
    unanswered = sum(not len(table) for table in answers)
    counts = {str(name): int(n) for name, n in ratings["attribute"].value_counts(sort=False).items()}
    summary = {
        "sessions": len(files),
        "sessions_without_answers": unanswered,
        "raters": int(ratings["rater"].nunique()),
        "images": int(ratings["image"].nunique()),
        "ratings": counts,
        "in_words": len(spoken),
        "without_time": int(ratings["time_ms"].isna().sum()),
        "out": str(out),
    }
    if as_json:
        click.echo(json.dumps(summary))
        return
    told = ", ".join(f"{n} of {name}" for name, n in counts.items()) or "none"
    click.echo(
        f"ratings by {counted(ratings['rater'].nunique(), 'person', 'people')} of "
        f"{counted(ratings['image'].nunique(), 'picture')}: {told}: {out}"
    )
    if unanswered:
        click.echo(f"{unanswered} of {len(files)} sessions have no answer to any picture", err=True)
    if len(spoken) and words is None:
        click.echo(
            f"{counted(len(spoken), 'answer in words is', 'answers in words are')} left out; --words FILE writes them",
            err=True,
        )


def _excluded(places: tuple[Path, ...], raters: set[str]) -> list[str]:
    """Say which people are excluded, whose answers are written all the same."""
    from gazekit.session.exclusions import find_exclusions, read_exclusions

    files = dict.fromkeys(file for place in places if (file := find_exclusions(place)))
    found = [entry for file in files for entry in read_exclusions(file) if entry.holds and entry.participant in raters]
    people = ", ".join(sorted({entry.participant for entry in found if not entry.eye}))
    return [f"excluded, all or some of their trials, and written all the same: {people}"] if people else []
