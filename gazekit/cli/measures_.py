"""``gazekit measures``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._files import DrawingFile
from gazekit.cli._found_fixations import TABLES, is_table_of_fixations
from gazekit.cli._recordings import screen_options
from gazekit.cli._selection import chosen_exclusions, exclusion_options, window_options
from gazekit.core.counting import counted

if TYPE_CHECKING:
    import pandas as pd

    from gazekit.measures import MeasureOptions
    from gazekit.session import Session
    from gazekit.session.excluding import Exclusions
    from gazekit.stats.own_answers import OwnAnswers


@click.command("measures")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Table to write: .csv, .tsv or .parquet.")
@click.option("--areas", type=click.Path(path_type=Path), help="Areas of interest, a JSON file as of `gazekit aoi`.")
@click.option("--answers", type=click.Path(path_type=Path), help="Ratings by the same people, to be put beside.")
@click.option("--pictures", type=click.Path(path_type=Path), help="The pictures, for the sizes that a table lacks.")
@window_options
@click.option("--detector", help="For sessions; default: the study file's, else adaptive.")
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A detector's parameter, repeatable."
)
@click.option(
    "--cut",
    type=click.Choice(["keep", "drop-start", "drop"]),
    help="Fixations that onset or offset cut; default: the study file's, else keep.",
)
@click.option("--study", type=click.Path(path_type=Path), help="Study file whose [fixations] and [screen] are used.")
@click.option(
    "--trials", type=click.Path(path_type=Path), help="Table of `gazekit quality --trials`: bad trials are left out."
)
@exclusion_options
@screen_options
@click.option(
    "--baseline-ms",
    type=click.FloatRange(0, min_open=True),
    default=200.0,
    show_default=True,
    help="Time before the picture that the pupil is compared with, ms.",
)
@click.option(
    "--coverage-deg",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="A fixation covers this far around itself, degrees.",
)
@click.option(
    "--least-gaze",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Viewings with a smaller share of gaze have no measures.",
)
@click.option("--values", is_flag=True, help="Write a value a row: person, picture, area, measure, value, unit.")
@click.option("--picture", type=DrawingFile(), help="Each measure by person, a page: .png, .pdf or .svg.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="ANSWER~MEASURE",
    help="Test whether people's own measures go with their own answers; MEASURE@AREA for an area. Repeatable.",
)
@click.option("--model-picture", type=DrawingFile(), help="Picture of the models: .png, .pdf or .svg.")
@click.option("--swaps", type=click.IntRange(99), default=1999, show_default=True, help="Swaps of the test of a model.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the swaps.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(inputs: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Measure each viewing: fixations, durations, scanpath, pupil and more, with the person's own answers.

    INPUTS are sessions (files or folders), one table of fixations, or one table of measures: gazekit's, or what
    Pro Lab or Studio exported, which stays as it is. A row is a person, a picture and an area; every picture that a
    session showed has its row. OUT.codebook.csv beside OUT says what each column means, and its unit.

    A model says whether a person's own measure goes with the person's own answer, beyond the levels of people and
    pictures: OUT.models.csv. Its p is of swaps of measures among the people of each picture, corrected after Holm for
    the number of models.

    \b
    Example:  gazekit measures recordings --out measures.csv
              gazekit measures recordings --out early.csv --window 0:2000 --areas areas.json
              gazekit measures fixations.csv --out m.csv --pictures pictures --answers ratings.csv
              gazekit measures m.csv --out tested.csv --model rating~fixation_ms --model-picture model.png
    """
    import json

    from gazekit.core.files import provenance
    from gazekit.core.tables import read_table, write_table
    from gazekit.events.aoi import tell_unmatched
    from gazekit.formats.metrics import makers_units, wide_metrics
    from gazekit.measures import codebook, one_value_a_row, with_answers
    from gazekit.measures.drawing import draw_measures
    from gazekit.stats.multiple_comparisons import holm

    asked = _asked(options)
    exclusions = chosen_exclusions(options, options["study"], *inputs)
    metrics = _makers_metrics(inputs, asked)
    if metrics is not None:
        table, files = exclusions.of_fixations(wide_metrics(metrics)), {"metrics": inputs[0]}
    else:
        table, files = _measured(inputs, asked, options, exclusions)
    exclusions.tell()
    if options["answers"] is not None:
        table = with_answers(table, read_table(options["answers"], ["image"], "table of answers"))
        files["answers"] = options["answers"]
    if options["areas"] is not None:
        tell_unmatched(asked.areas, table["image"], options["areas"])
        files["areas"] = options["areas"]
    given = {
        "window": asked.window_name,
        **{name: options[name] for name in ("baseline_ms", "coverage_deg", "least_gaze", "detector", "cut")},
        "parameters": list(options["parameters"]),
        **exclusions.parameters(),
    }
    book = codebook(table) if metrics is None else makers_units(codebook(table), metrics)
    values = one_value_a_row(table, book) if options["values"] else table
    write_table(values, out, provenance("gazekit.measures/1", given, files))
    write_table(book, out.with_name(f"{out.stem}.codebook.csv"))
    if options["picture"] is not None:
        draw_measures(table, options["picture"])
    results = _models(table, options, out, files)
    missing = book.loc[book["values"] == 0, "column"].tolist()
    summary = {
        "people": int(table["participant"].nunique()),
        "images": int(table["image"].nunique()),
        "rows": len(table),
        "without_gaze": int(table["fixations"].isna().sum()) if metrics is None else 0,
        "under_half_gaze": _under_half_gaze(table),
        "window": asked.window_name,
        "unknown": missing,
        **exclusions.parameters(),
        "models": [result.row() for result in results],
        "out": str(out),
    }
    if options["as_json"]:
        click.echo(json.dumps(summary))
        return
    click.echo(
        f"{counted(len(table), 'row')} of {counted(summary['people'], 'person', 'people')} and "
        f"{counted(summary['images'], 'picture')}: {out}"
    )
    corrected = holm([result.p for result in results]) if len(results) > 1 else [None] * len(results)
    for result, p in zip(results, corrected, strict=True):
        click.echo(f"{result}" + ("" if p is None else f"; after Holm p = {p:.3f}"))
    if summary["without_gaze"]:
        click.echo(
            f"{counted(summary['without_gaze'], 'row has', 'rows have')} too little gaze and no measures of it",
            err=True,
        )
    if summary["under_half_gaze"]:
        click.echo(
            f"{summary['under_half_gaze']} more have gaze in less than half of their time (gaze_share)", err=True
        )
    if missing:
        click.echo(f"not known from these files: {', '.join(missing)}", err=True)


def _under_half_gaze(table: pd.DataFrame) -> int:
    if not {"fixations", "gaze_share"} <= set(table):
        return 0
    return int((table["fixations"].notna() & (table["gaze_share"] < 0.5)).sum())


def _makers_metrics(inputs: tuple[Path, ...], asked: MeasureOptions) -> pd.DataFrame | None:
    """Read the measures that a maker's program computed; None where the input is something else."""
    from gazekit.core.errors import ConfigError, GazekitError
    from gazekit.formats.metrics import is_metrics, read_makers_metrics
    from gazekit.formats.text import Head

    if len(inputs) != 1 or not inputs[0].is_file():
        return None
    try:
        if not is_metrics(Head.of(inputs[0])):
            return None
    except GazekitError:
        return None
    if asked.window is not None or asked.areas:
        raise ConfigError(f"{inputs[0]} holds measures already: --window and --areas need sessions or fixations")
    return read_makers_metrics(inputs[0])


def _models(table: pd.DataFrame, options: dict[str, Any], out: Path, files: dict[str, Path]) -> list[OwnAnswers]:
    """Test the models that are asked for, and write them."""
    if not options["models"]:
        return []
    import pandas as pd

    from gazekit.core.errors import ConfigError
    from gazekit.core.files import provenance
    from gazekit.core.progress import track
    from gazekit.core.tables import write_table
    from gazekit.measures.viewing import WHOLE
    from gazekit.stats.multiple_comparisons import holm
    from gazekit.stats.own_answers import answer_on_measure, centre, own_pairs
    from gazekit.stats.own_answers_picture import draw_own_answers

    results, drawn = [], []
    for text in track(options["models"], "models", len(options["models"])):
        answer, sign, measure = (part.strip() for part in text.partition("~"))
        measure, _, area = measure.partition("@")
        if not (answer and sign and measure):
            raise ConfigError(f"a model is ANSWER~MEASURE or ANSWER~MEASURE@AREA; not {text!r}")
        areas = table["area"].unique()
        if (area or WHOLE) not in areas:
            raise ConfigError(f"there is no area {area or WHOLE!r}; there are {', '.join(map(str, areas))}")
        rows = table[(table["area"] == (area or WHOLE)) & (table["showing"] == 1)]
        results.append(answer_on_measure(rows, answer, measure, swaps=options["swaps"], seed=options["seed"]))
        drawn.append((results[-1], centre(own_pairs(rows, answer, measure))))
    written = pd.DataFrame([{"model": text} | r.row() for text, r in zip(options["models"], results, strict=True)])
    written.insert(written.columns.get_loc("p") + 1, "p_holm", holm(written["p"]))
    made = provenance("gazekit.measures.models/1", {name: options[name] for name in ("swaps", "seed")}, files)
    write_table(written, out.with_name(f"{out.stem}.models.csv"), made)
    if options["model_picture"] is not None:
        draw_own_answers(drawn, options["model_picture"])
    return results


def _asked(options: dict[str, Any]) -> MeasureOptions:
    from gazekit.cli._selection import chosen_window
    from gazekit.events.aoi import read_areas
    from gazekit.measures import MeasureOptions

    window = chosen_window(options)
    numbers = {name: options[name] for name in ("baseline_ms", "coverage_deg", "least_gaze")}
    return MeasureOptions(window, read_areas(options["areas"]) if options["areas"] else {}, **numbers)


def _measured(
    inputs: tuple[Path, ...], asked: MeasureOptions, options: dict[str, Any], exclusions: Exclusions
) -> tuple[pd.DataFrame, dict[str, Path]]:
    """Measure a table of fixations, or sessions; return the table and the files that it is of."""
    from gazekit.cli._recordings import read_any_fixations, screen_sizes
    from gazekit.study import read_study

    plan = read_study(options["study"]) if options["study"] else None
    screen = screen_sizes(
        plan.screen.screen() if plan else None, options["pixels"], options["screen_mm"], options["distance_mm"]
    )
    if len(inputs) == 1 and inputs[0].is_file():
        if (measured := _measures(inputs[0], asked)) is not None:
            return exclusions.of_fixations(measured, inputs[0]), {"measures": inputs[0]}
        if is_table_of_fixations(inputs[0]):
            fixations = read_any_fixations(inputs[0], screen, pixels=options["pictures"] is None)
            fixations = exclusions.of_fixations(fixations, inputs[0])
            return _of_fixations(fixations, asked, options["pictures"]), {"fixations": inputs[0]}
    return _of_sessions(inputs, asked, screen, plan, options, exclusions)


def _measures(path: Path, asked: MeasureOptions) -> pd.DataFrame | None:
    """Read a table of measures; None where it is another file."""
    from gazekit.core.errors import ConfigError, GazekitError
    from gazekit.core.tables import read_table
    from gazekit.measures import KEYS

    if path.suffix.lower() not in TABLES:
        return None
    try:
        table = read_table(path, (*KEYS, "fixations"), "table of measures")
    except GazekitError:
        return None
    if asked.window is not None or asked.areas:
        raise ConfigError(f"{path} holds measures already: windows and areas are for sessions and tables of fixations")
    return table


def _of_fixations(fixations: pd.DataFrame, asked: MeasureOptions, pictures: Path | None) -> pd.DataFrame:
    from gazekit.attention.fixation_io import on_pictures
    from gazekit.measures import fixation_measures
    from gazekit.pictures import inspect_picture, list_pictures

    if pictures is None:
        return fixation_measures(fixations, asked)
    there = list_pictures(pictures)
    fixations = on_pictures(fixations, there)
    looked_at = set(fixations["image"].dropna())
    sizes = {p.image: inspect_picture(p.file.read_bytes(), p.image).upright for p in there if p.image in looked_at}
    return fixation_measures(fixations, asked, sizes)


def _of_sessions(
    sessions: tuple[Path, ...],
    asked: MeasureOptions,
    screen: dict[str, float],
    plan: Any,
    options: dict[str, Any],
    exclusions: Exclusions,
) -> tuple[pd.DataFrame, dict[str, Path]]:
    import pandas as pd

    from gazekit.cli._recordings import each_result, each_session, good_trials, not_excluded, parameter, session_files
    from gazekit.core.errors import InputError
    from gazekit.events.settings import FixationSection
    from gazekit.measures import answers_of, join_sessions, session_measures
    from gazekit.measures.sessions import regions_of_later_parts

    section = plan.fixations if plan else FixationSection()
    name = options["detector"] or section.detector
    values = dict(section.parameters) if name == section.detector else {}
    values |= dict(map(parameter, options["parameters"]))
    cut = options["cut"] or section.cut
    tables, answers, files = [], [], {}
    marked = regions_of_later_parts(session_files(sessions))
    opened = each_session(sessions, "measures", strict=options["strict"], screen=screen)
    opened = not_excluded(good_trials(opened, options["trials"]), exclusions)

    def measured(session: Session) -> pd.DataFrame | None:
        if not len(session.stimuli) and session.provenance.get("parameters", {}).get("part", 1) > 1:
            return None  # the part of a resumed session in which only answers were left to give
        later = marked.get(session.participant)
        return session_measures(session, asked, name, cut=cut, regions=later, **values)

    for path, session, table in each_result(opened, measured, strict=options["strict"]):
        tables += [] if table is None else [table]
        answers.append(answers_of(session))
        files[str(path)] = path
    if not tables:
        raise InputError("no picture was shown in these parts of sessions: give the earlier parts as well")
    return join_sessions(tables, pd.concat(answers, ignore_index=True)), files
