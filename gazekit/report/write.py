"""The report of a comparison: one HTML file, with its tables as CSV and LaTeX beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
from markupsafe import Markup

from gazekit.conditions import references
from gazekit.core.counting import counted
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.files import write_text
from gazekit.core.tables import read_table
from gazekit.histograms import moments
from gazekit.pictures import SUFFIXES, read_picture
from gazekit.report import charts, method
from gazekit.report import comparison_tables as tables_of
from gazekit.report.examples import Example, example, own_attention, spread
from gazekit.report.first_screen import answer, facts
from gazekit.report.latex import latex
from gazekit.report.pictures import Shown, shown
from gazekit.report.prediction_examples import Judged, judge, shown_model
from gazekit.report.score_figures import distribution_figure, gain_figure, gains, learning_figure, scatter_figure
from gazekit.report.wording_of_metrics import condition, metric
from gazekit.stats.comparison_folder import PICTURES, REPORT, REPORT_TABLES, Comparison, distributions, read_comparison

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

FIGURES = ("srcc", "lcc", "accuracy", "emd2")
_FIXATIONS = ("image", "x_picture", "y_picture", "duration_ms")
_MANY = 6  # models and reference lines of a table; of more, what stands by rows is folded on paper
EXTRAS = 24  # pictures of the folder that a report takes in


def write_report(
    folder: str | Path,
    *,
    title: str | None = None,
    notes: Sequence[str] = (),
    dataset: str | Path | None = None,
    fixations: str | Path | None = None,
    pictures: int = 6,
    papers: Sequence[tables_of.Table] = (),
    own_answers: str | Path | None = None,
) -> Path:
    """Write ``report.html`` of a comparison folder: one file that opens anywhere.

    Parameters
    ----------
    folder : str or Path
        A comparison folder, as `gazekit.training` writes it. Pictures in its ``pictures/`` are shown as well,
        with the text of ``pictures/captions.json`` (an object: file name to text) under them.
    title : str, optional
        The report's heading.
    notes : Sequence[str]
        Sentences for the first lines, such as that the participants are simulated.
    dataset : str or Path, optional
        The dataset file; by default the one that the folder's ``config.json`` names.
    fixations : str or Path, optional
        A fixation table, for scanpaths; by default those that the dataset keeps.
    pictures : int
        How many test pictures are shown side by side, and how many in each row of histograms (2/3 of it).
    papers : sequence of Table
        Tables of published numbers with ours beside them.
    own_answers : str or Path, optional
        ``own-answers.csv`` of ``gazekit attention --own``: whether people's own gaze predicts their own ratings; by
        default the folder's own, where it has one.

    Returns
    -------
    Path of ``report.html``; its tables are in ``report-tables/`` beside it as CSV and LaTeX.

    Raises
    ------
    InputError
        No such folder, dataset or fixation table, or nothing compared yet.
    FormatError
        A file of the folder is damaged.

    Examples
    --------
    A folder is made as the example of `gazekit.compare` makes one; ``write_report(folder).name`` is then
    ``report.html``. A folder of nothing is named:

    >>> from gazekit.errors import InputError
    >>> try:
    ...     write_report("nothing")
    ... except InputError as error:
    ...     print(error)
    no such comparison folder: nothing
    """
    comparison = read_comparison(folder)
    data, provenance, picture_note = _dataset(comparison, dataset)
    answers, said = _own_answers(comparison.folder, own_answers)
    seen = None if fixations is None else read_table(fixations, _FIXATIONS, "fixation table")
    tables = [tables_of.results_table(comparison), *tables_of.paired_tables(comparison)]
    tables += [
        tables_of.agreement_table(comparison),
        tables_of.categories_table(comparison),
        tables_of.seeds_table(comparison),
        tables_of.worth_table(comparison),
        tables_of.own_answers_table(answers),
    ]
    lead, rest = _sentences(comparison.conclusion)
    if comparison.rows["model"].nunique() > _MANY:
        lead, rest = lead[:1], [*lead[1:], *rest]
    cells = comparison.rows[comparison.rows["level"] == "condition"]
    judged = _judged(comparison, data, max(2, round(pictures * 2 / 3)))
    extras = _extras(comparison.folder / PICTURES)
    context: dict[str, Any] = {
        "title": title or "Does human attention help a model judge a picture?",
        "notes": list(notes),
        "summary": _summary(comparison),
        "answer": answer(comparison),
        "facts": facts(comparison, data),
        "forest": charts.forest_figure(comparison),
        "sentences": lead,
        "comparisons": rest,
        "model_key": charts.model_key(list(dict.fromkeys(cells["model"]))),
        **{table.name.replace("-", "_"): table for table in tables},
        "papers": papers,
        "tables": REPORT_TABLES,
        "result_figures": _result_figures(comparison),
        "paired_figures": _paired_figures(comparison),
        "examples": _examples(comparison, data, seen, pictures),
        "picture_note": picture_note,
        "own_said": said,
        "extras": extras,
        "judged": judged,
        "distribution": distribution_figure(comparison),
        "learning": learning_figure(comparison),
        "gains": _gains(comparison, data, max(2, round(pictures * 2 / 3))),
        "curves": _curves(comparison),
        "method": method.method_text(comparison, provenance),
        "conditions": method.used_conditions(comparison, data.mask_kind if data else None),
        "metrics": method.used_metrics(comparison),
        "provenance": method.provenance_rows(comparison),
        "documents": method.documents(comparison, provenance),
        "style": Markup(_resource("style.css")),
        "script": Markup(_resource("script.js")),
    }
    context["contents"] = _contents(context)
    _write_tables(comparison.folder / REPORT_TABLES, [*tables, *papers])
    if context["gains"]:
        rows = pd.DataFrame([{**vars(row), "gain": row.gain} for row in context["gains"]["rows"]])
        write_text(comparison.folder / REPORT_TABLES / "gains.csv", rows.to_csv(index=False, lineterminator="\n"))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["counted"] = counted
    path = comparison.folder / REPORT
    write_text(path, environment.from_string(_resource("template.html")).render(context).lstrip())
    return path


def _dataset(comparison: Comparison, given: str | Path | None) -> tuple[Dataset | None, dict[str, Any], str]:
    """Return the dataset, its provenance, and what to say where it is not there."""
    from gazekit.dataset import open_dataset

    entry = comparison.config.get("dataset", "")
    named = entry.get("path", "") if isinstance(entry, dict) else entry
    if given is None and not named:
        return None, {}, ""
    path = Path(given) if given is not None else comparison.folder / str(named)
    path = path if given is not None or path.exists() else Path(str(named))
    try:
        data = open_dataset(path, verify=False)  # a few pictures of it are read, and each is checked then
    except GazekitError as error:
        if given is not None:
            raise
        return None, {}, f"The pictures are not shown, since the dataset cannot be opened ({error})."
    stated = entry.get("sha256") if isinstance(entry, dict) else None
    if stated and stated != data.sha256:
        return data, dict(data.provenance), f"{path.name} is not the dataset that the models were trained on."
    return data, dict(data.provenance), ""


def _own_answers(folder: Path, given: str | Path | None) -> tuple[pd.DataFrame | None, str]:
    """Return the table of people's own gaze and ratings, where there is one, and the sentence that it ends in."""
    path = folder / "own-answers.csv" if given is None else Path(given)
    if given is None and not path.is_file():
        return None, ""
    columns = ["measure", "correlation", "slope", "low", "high", "p_holm", "people", "pictures"]
    table, beside = read_table(path, columns, "table of own answers"), Path(f"{path}.json")
    if not beside.is_file():
        return table, ""
    return table, str(json.loads(beside.read_text(encoding="utf-8"))["parameters"].get("says", ""))


def _sentences(conclusion: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the conclusion's sentences: what the study asked (people against whole pictures), and the rest.

    The last sentences are those of the claims, one each; what stands before them sums up.
    """
    sentences, claims = list(conclusion.get("sentences", [])), list(conclusion.get("claims", []))
    if not claims or len(claims) > len(sentences):
        return sentences[:3], sentences[3:]
    before = len(sentences) - len(claims)
    asked = [{claim.get("a"), claim.get("b")} == set(references()[:2]) for claim in claims]
    lead = [s for s, first in zip(sentences[before:], asked, strict=True) if first]
    rest = [s for s, first in zip(sentences[before:], asked, strict=True) if not first]
    return sentences[:before] + lead, rest


def _summary(comparison: Comparison) -> str:
    table = comparison.rows
    cells = table[table["level"] == "condition"]
    pictures = cells["n"].dropna()
    parts = [
        counted(cells["model"].nunique(), "model"),
        counted(cells["condition"].nunique(), "condition"),
        counted(table.loc[table["level"] == "seed", "seed"].nunique(), "seed"),
    ]
    if len(pictures):
        parts.append(f"{counted(int(pictures.max()), 'test picture')}")
    version = comparison.config.get("versions", {})
    if isinstance(version, dict) and "gazekit" in version:
        parts.append(f"gazekit {version['gazekit']}")
    return " · ".join(parts)


def _result_figures(comparison: Comparison) -> list[tuple[str, str]]:
    names = [name for name in FIGURES if name in comparison.metrics] or comparison.metrics[:4]
    return [(metric(name).label, charts.results_figure(comparison, name)) for name in names]


def _paired_figures(comparison: Comparison) -> list[tuple[str, str]]:
    there = list(dict.fromkeys(comparison.paired["metric"]))
    primary = str(comparison.conclusion.get("primary", ""))
    names = [name for name in dict.fromkeys([primary, "srcc", "emd2", *there]) if name in there][:2]
    return [(metric(name).label, charts.paired_figure(comparison, name)) for name in names]


def _curves(comparison: Comparison) -> list[tuple[str, str]]:
    pairs = dict.fromkeys((run.model, run.condition) for run in comparison.runs)
    drawn = [(f"{m}, {condition(c).lower()}", charts.training_figure(comparison, m, c)) for m, c in pairs]
    return [(label, svg) for label, svg in drawn if svg]


def _examples(comparison: Comparison, data: Dataset | None, seen: pd.DataFrame | None, count: int) -> list[Example]:
    if data is None or count < 1:
        return []
    place = {str(image): i for i, image in enumerate(data.ids)}
    truth = comparison.truth[comparison.truth["split"] == "test"] if len(comparison.truth) else comparison.truth
    networks = own_attention(comparison.folder, data)
    if not len(truth):
        return [example(data, i, "", seen, networks) for i in range(min(count, len(data.ids)))]
    share = distributions(truth, "c")
    means, spreads = (values.tolist() for values in moments(share.to_numpy()))
    mean, sd = (dict(zip(map(str, share.index), values, strict=True)) for values in (means, spreads))
    chosen = spread({image: value for image, value in mean.items() if image in place}, count)
    return [
        example(data, place[image], f"score {mean[image]:.2f} (± {sd[image]:.2f})", seen, networks) for image in chosen
    ]


def _judged(comparison: Comparison, data: Dataset | None, count: int) -> dict[str, Any] | None:
    model, name = shown_model(comparison)
    found = judge(comparison, model, name) if model else []
    if not found:
        return None
    place = {str(image): i for i, image in enumerate(data.ids)} if data is not None else {}

    def cards(items: Sequence[Judged]) -> list[tuple[Judged, Shown | None]]:
        return [(j, _small(data, place, j.image)) for j in items]

    ranked = sorted(found, key=lambda j: -j.predicted_mean)
    by_error = sorted(found, key=lambda j: j.emd)
    half = max(1, count // 2)
    ends = ranked if len(ranked) <= 2 * half else ranked[:half] + ranked[-half:]
    return {
        "model": model,
        "condition": condition(name),
        "count": len(found),
        "scatter": scatter_figure(found),
        "ranked": cards(ends),
        "best": cards(by_error[:count]),
        "worst": cards(by_error[::-1][:count]),
        "failure_text": _failure_text(found),
    }


def _gains(comparison: Comparison, data: Dataset | None, count: int) -> dict[str, Any] | None:
    """Return what each picture gains from people's attention: the figure, the pictures at both ends, the table."""
    rows = gains(comparison)
    if not rows:
        return None
    place = {str(image): i for i, image in enumerate(data.ids)} if data is not None else {}
    half = max(1, count // 2)
    ends = rows if len(rows) <= 2 * half else [*rows[:half], *rows[-half:]]
    return {
        "figure": gain_figure(rows),
        "rows": rows,
        "ends": [(row, _small(data, place, row.image)) for row in ends],
    }


def _small(data: Dataset | None, place: Mapping[str, int], image: str) -> Shown | None:
    if data is None or image not in place:
        return None
    return shown(data.picture(place[image]), f"Picture {image}", longest=320)


def _failure_text(found: Sequence[Judged]) -> str:
    """Return the mean error by shape of the true histogram, in words."""
    table = pd.DataFrame({"shape": [j.shape or "of one peak" for j in found], "emd": [j.emd for j in found]})
    by_shape = table.groupby("shape")["emd"].agg(["mean", "size"]).sort_values("mean", ascending=False)
    parts = [f"{shape} {row['mean']:.3f} (of {int(row['size'])})" for shape, row in by_shape.iterrows()]
    return "Mean EMD (r = 2) by the shape of the true histogram: " + "; ".join(parts) + "."


def _extras(folder: Path) -> list[Shown]:
    if not folder.is_dir():
        return []
    captions: dict[str, str] = {}
    if (folder / "captions.json").exists():
        try:
            captions = dict(json.loads((folder / "captions.json").read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{folder / 'captions.json'} should hold an object of file name and text: {error}"
            ) from error
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES][:EXTRAS]
    texts = [str(captions.get(path.name, path.stem.replace("-", " ").replace("_", " "))) for path in files]
    return [shown(read_picture(path), text, text, longest=1400) for path, text in zip(files, texts, strict=True)]


def _contents(context: dict[str, Any]) -> list[tuple[str, str]]:
    parts = [("conclusion", "Conclusion", True), ("results", "Results", True)]
    parts.append(("paired", "Paired differences", bool(context["paired"].rows)))
    parts.append(("categories", "By category", bool(context["categories"].rows)))
    parts.append(("papers", "Published numbers", bool(context["papers"])))
    parts.append(("agreement", "Agreement of maps", bool(context["agreement"].rows)))
    parts.append(("own-answers", "Own gaze, own rating", bool(context["own_answers"].rows)))
    names = ("examples", "picture_note", "extras", "distribution")
    shown_pictures = any(context[name] for name in names)
    parts.append(("pictures", "Pictures and masks", shown_pictures))
    parts.append(("predictions", "Predicted and true histograms", bool(context["judged"])))
    parts.append(("failures", "Failure cases", bool(context["judged"])))
    parts.append(("gains", "Gain by picture", bool(context["gains"])))
    parts.append(("training", "Training", bool(context["curves"] or context["learning"])))
    parts += [("method", "Method", True), ("provenance", "Provenance", True)]
    return [(anchor, name) for anchor, name, there in parts if there]


def _write_tables(folder: Path, tables: Sequence[tables_of.Table]) -> None:
    for table in tables:
        if table.rows:
            write_text(folder / f"{table.name}.csv", table.frame().to_csv(index=False, lineterminator="\n"))
            write_text(folder / f"{table.name}.tex", latex(table))


def _resource(name: str) -> str:
    return resources.files("gazekit.report").joinpath(name).read_text(encoding="utf-8")
