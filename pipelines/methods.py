"""The method of a study in sentences, in which every number is a link to the file that it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.errors import InputError
from gazekit.stats.comparison_folder import CONCLUSION, CONFIG
from gazekit.study import Study

PARAMETERS = "parameters.json"
RESULTS_FOLDER = "results"
_PLACE = re.compile(r"\{(\w+)\}")
Sentence = tuple[str, str, str]  # heading, section of the parameters, text with {name} for a parameter of it
SETTINGS: Sequence[Sentence] = (
    ("Recording", "calibration", "Calibration had {points} points."),
    ("Recording", "validation", "Validation had {points} other points."),
    ("Detection", "fixations", "Fixations were found by {detector} with {parameters}."),
    ("Masks", "attention", "Maps are fixations blurred with a Gaussian of {sigma_deg} degrees."),
    ("Masks", "attention", "A fixation weighs by its {weight}."),
    ("Masks", "attention", "A mask keeps the {mask} that holds {share} of the {share_of}."),
    ("Masks", "attention", "Outside of it stands {fill}."),
    ("Survey", "survey", 'Raters were asked "{question}" on a scale of {scale} steps.'),
    ("Survey", "survey", "Each picture was to have {raters_per_picture} raters."),
    ("Survey", "survey", "Each rater was to have {pictures_per_rater} pictures."),
    ("Survey", "survey", "{repeats} pictures came twice."),
    ("Survey", "survey", "There were {attention_checks} checks of attention."),
    ("Training", "dataset", "Pictures were split into training, validation and test as {split}."),
    ("Training", "training", "Networks were {models}, each trained on {conditions}."),
    ("Training", "training", "Each was trained with the seeds {seeds} on the split {scheme}."),
    ("Training", "training", "They were cross-validated in {folds} folds, {repeats} times."),
    ("Training", "training", "They began with the weights {weights} (last layer anew: {new_head})."),
    ("Training", "training", "Further options of the networks: {model_options}."),
    ("Training", "training", "Pictures had {size} pixels, in {aspect_buckets} shapes."),
    ("Training", "training", "In training they were mirrored ({flip}) and cropped to shares of {crop}."),
    ("Training", "training", "Masked parts were filled with {fill}, with an edge of {soft_px} pixels."),
    ("Training", "training", "The loss was the earth mover's distance of order {r}."),
    ("Training", "training", "The optimiser was {optimizer} with momentum {momentum} and weight decay {weight_decay}."),
    ("Training", "training", "The rate was {lr} (of all but the head {lr_backbone})."),
    ("Training", "training", "Its schedule was {schedule}, with steps of {lr_step} epochs and the factor {lr_factor}."),
    ("Training", "training", "A step took {batch} pictures in {accumulate} parts."),
    ("Training", "training", "Gradients were cut to {clip}; weights were averaged with decay {ema}."),
    ("Training", "training", "It ran on {device}."),
    ("Training", "training", "Numbers were {precision} (channels last: {channels_last})."),
    ("Training", "training", "Training took {epochs} epochs, or ended {patience} epochs after the best one."),
    ("Statistics", "comparison", "Claims are about {metric}; a picture is high above a mean of {threshold}."),
    (
        "Statistics",
        "comparison",
        "Intervals are of {resamples} bootstrap resamples of the test pictures.",
    ),
    ("Statistics", "comparison", "p values are of {permutations} permutations, and were corrected after Holm."),
    ("Statistics", "comparison", "A difference was claimed where p was {alpha} or less."),
    ("Statistics", "comparison", "Everything random in it began with the seed {seed}."),
)
COUNTED: Sequence[tuple[str, str]] = (  # heading, text with {name} for what was counted in the published files
    ("Recording", "{participants} participants took part in {sessions} sessions."),
    ("Recording", "Gaze was recorded with {tracker} at {rate_hz:g Hz}."),
    ("Recording", "The screen had {screen_px} pixels, {screen_mm} mm, {distance_mm:g mm} from the eyes."),
    ("Recording", "A picture stayed for {shown_s:.2f s} in the median."),
    ("Quality", "Accuracy in validation was {accuracy_deg:.2f degrees} in the mean."),
    ("Quality", "Precision (RMS from sample to sample) was {rms_s2s_deg:.3f degrees}."),
    ("Quality", "Of the samples {loss_percent:.1f %} were lost."),
    ("Quality", "Left out before any analysis were {excluded} trials, people, pictures or eyes, each with its reason."),
    ("Statistics", "Networks were compared on {tested} pictures that they were not trained on."),
    ("Survey", "There are {ratings} ratings by {raters} raters of {rated} pictures."),
)
_WHOLE = (("Training", "training"), ("Statistics", "comparison"))  # sections of which every option is told
_ORDER = ("Recording", "Quality", "Detection", "Masks", "Survey", "Training", "Statistics")


@dataclass(frozen=True)
class Facts:
    """What was counted in the published files: a value, and the file that it stands in."""

    values: Mapping[str, tuple[Any, str]] = field(default_factory=dict)

    def link(self, name: str, form: str = "") -> str:
        """Return a value as a link to its file; the form is Python's, with a unit after a blank."""
        value, file = self.values[name]
        number, _, unit = form.partition(" ")
        return f"[{format(value, number)}{' ' + unit if unit else ''}]({file})"


def parameters(study: Study) -> dict[str, Any]:
    """Return the settings that the method tells of, by section."""
    named = ("screen", "calibration", "validation", "presentation", "fixations", "quality", "attention", "dataset")
    sections = {name: getattr(study, name, None) for name in named}
    document = {name: section.model_dump(mode="json") for name, section in sections.items() if section is not None}
    if study.survey is not None:
        asked = ("question", "scale", "raters_per_picture", "pictures_per_rater", "repeats", "attention_checks")
        document["survey"] = {name: getattr(study.survey, name) for name in asked}
    paths = ("out", "sessions", "fixations", "ratings", "groups", "lists", "categories")
    document["dataset"] = {name: value for name, value in document["dataset"].items() if name not in paths}
    return document


def results_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what was trained and how it was compared, as the folder of a comparison says it.

    Raises
    ------
    InputError
        No such folder, or nothing was compared in it yet.
    """
    lacking = [name for name in (CONFIG, CONCLUSION) if not (folder / name).is_file()]
    if lacking:
        raise InputError(f"{folder} lacks {', '.join(lacking)}: give the folder of a comparison (gazekit compare)")
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    words = json.loads((folder / CONCLUSION).read_text("utf-8"))
    training = dict(config["recipe"])
    if training.get("weights"):
        training["weights"] = Path(training["weights"]).name
    if training.get("weights_by_model"):
        training["weights_by_model"] = {n: Path(file).name for n, file in training["weights_by_model"].items()}
    training |= {name: config.get("grid", {}).get(name, []) for name in ("models", "conditions", "seeds")}
    training["scheme"] = config.get("scheme", "default")
    folds = config.get("cross_validation") or {}
    training |= {"folds": folds.get("folds", 0), "repeats": folds.get("repeats", 1)} if folds else {}
    comparison = {"metric": words.get("primary", "srcc"), "alpha": words.get("alpha")} | words.get("method", {})
    return {"training": training, "comparison": comparison}


def sentences(settings: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield a heading and a sentence each, for everything that the study has."""
    told = [(heading, _counted(text, facts)) for heading, text in COUNTED]
    told += [(heading, _set(text, settings.get(section, {}))) for heading, section, text in SETTINGS]
    told += [(heading, text) for heading, section in _WHOLE for text in _further(section, settings.get(section, {}))]
    for heading in _ORDER:
        yield from ((heading, text) for of, text in told if of == heading and text)


def _counted(text: str, facts: Facts) -> str:
    """Fill a sentence with what was counted; empty where something of it was not."""
    places = re.findall(r"\{(\w+)(?::([^}]*))?\}", text)
    if not all(name in facts.values for name, _ in places):
        return ""
    return re.sub(r"\{(\w+)(?::([^}]*))?\}", lambda place: facts.link(place[1], place[2] or ""), text)


def _set(text: str, section: Mapping[str, Any]) -> str:
    """Fill a sentence with parameters; empty where the study has none of them."""
    if not all(name in section for name in _PLACE.findall(text)):
        return ""
    return _PLACE.sub(lambda place: f"[{_words(section[place[1]])}]({PARAMETERS})", text)


def _further(section: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each option of a section that no other tells of."""
    known = {name for _, of, text in SETTINGS if of == section for name in _PLACE.findall(text)}
    for name, value in settings.items():
        if name not in known:
            yield f"{name.replace('_', ' ').capitalize()}: [{_words(value)}]({PARAMETERS})."


def _words(value: Any) -> str:
    """Write a parameter as words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items()) or "no parameters of its own"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value)) or "none"
    if value is None or value == "":
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def write_methods(settings: Mapping[str, Any], facts: Facts) -> str:
    """Return the whole text, in Markdown."""
    table = pd.DataFrame(sentences(settings, facts), columns=["heading", "sentence"])
    parts = [
        f"## {heading}\n\n{' '.join(rows['sentence'])}\n" for heading, rows in table.groupby("heading", sort=False)
    ]
    return "# Methods\n\nEvery number is a link to the file that it came from.\n\n" + "\n".join(parts)
