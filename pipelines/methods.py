"""The method of a study in sentences, in which every number is a link to the file that it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gazekit.study import Study

PARAMETERS = "parameters.json"


@dataclass(frozen=True)
class Facts:
    """What was counted in the published files: a value, and the file that it stands in."""

    values: Mapping[str, tuple[Any, str]] = field(default_factory=dict)

    def link(self, name: str, form: str = "{}") -> str:
        """Return a value as a link to its file."""
        value, file = self.values[name]
        return f"[{form.format(value)}]({file})"


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


def sentences(settings: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield a heading and a sentence each, for everything that the study has."""

    def setting(section: str, name: str, form: str = "{}") -> str:
        value = settings[section][name]
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        return f"[{form.format(text)}]({PARAMETERS})"

    if "sessions" in facts.values:
        yield "Recording", f"{facts.link('participants')} participants took part in {facts.link('sessions')} sessions."
        yield "Recording", f"Gaze was recorded with {facts.link('tracker')} at {facts.link('rate_hz', '{:g} Hz')}."
        screen = facts.link("screen_px") + " pixels, " + facts.link("screen_mm") + " mm"
        yield "Recording", f"The screen had {screen}, {facts.link('distance_mm', '{:g} mm')} from the eyes."
        yield "Recording", f"A picture stayed for {facts.link('shown_s', '{:.2f} s')} in the median."
    if "calibration" in settings:
        yield "Recording", f"Calibration had {setting('calibration', 'points')} points."
        yield "Recording", f"Validation had {setting('validation', 'points')} other points."
    if "accuracy_deg" in facts.values:
        yield "Quality", f"Accuracy in validation was {facts.link('accuracy_deg', '{:.2f} degrees')} in the mean."
    if "loss_percent" in facts.values:
        yield "Quality", f"Precision (RMS from sample to sample) was {facts.link('rms_s2s_deg', '{:.3f} degrees')}."
        yield "Quality", f"Of the samples {facts.link('loss_percent', '{:.1f} %')} were lost."
    settled = ", ".join(f"{name} {value}" for name, value in settings["fixations"]["parameters"].items())
    how = f"with [{settled}]({PARAMETERS})" if settled else "with its own parameters"
    yield "Detection", f"Fixations were found by {setting('fixations', 'detector')} {how}."
    yield "Masks", f"Maps are fixations blurred with a Gaussian of {setting('attention', 'sigma_deg', '{} degrees')}."
    yield "Masks", f"A fixation weighs by its {setting('attention', 'weight')}."
    held = setting("attention", "share") + " of the " + setting("attention", "share_of")
    yield "Masks", f"A mask keeps the {setting('attention', 'mask')} that holds {held}."
    yield "Masks", f"Outside of it stands {setting('attention', 'fill')}."
    if "survey" in settings:
        yield (
            "Survey",
            f'Raters were asked "{setting("survey", "question")}" on a scale of {setting("survey", "scale")} steps.',
        )
        yield "Survey", f"Each picture was to have {setting('survey', 'raters_per_picture')} raters."
        yield "Survey", f"Each rater was to have {setting('survey', 'pictures_per_rater')} pictures."
        yield "Survey", f"{setting('survey', 'repeats')} pictures came twice."
        yield "Survey", f"There were {setting('survey', 'attention_checks')} checks of attention."
    if "ratings" in facts.values:
        counts = f"{facts.link('ratings')} ratings by {facts.link('raters')} raters of {facts.link('rated')} pictures"
        yield "Survey", f"There are {counts}."
    yield "Training", f"Pictures were split into training, validation and test as {setting('dataset', 'split')}."


def write_methods(settings: Mapping[str, Any], facts: Facts) -> str:
    """Return the whole text, in Markdown."""
    table = pd.DataFrame(sentences(settings, facts), columns=["heading", "sentence"])
    parts = [
        f"## {heading}\n\n{' '.join(rows['sentence'])}\n" for heading, rows in table.groupby("heading", sort=False)
    ]
    return "# Methods\n\nEvery number is a link to the file that it came from.\n\n" + "\n".join(parts)
