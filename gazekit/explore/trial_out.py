"""A trial as a file, and the command and the lines of Python that write the same."""

from __future__ import annotations

import json
from pathlib import Path

from gazekit.capture.view import picture_of, trial_title, write_trial_figure, write_trial_table
from gazekit.core.files import is_table
from gazekit.explore.commands import Recipe, arguments, picture_options, screen_options, words
from gazekit.explore.material import Material
from gazekit.explore.summaries import SUFFIX, SessionFacts
from gazekit.explore.trial import DetectorChoice
from gazekit.explore.trial_reading import TrialGaze, detect_trial


def write_trial(
    material: Material, facts: SessionFacts, number: int, gaze: TrialGaze, choice: DetectorChoice, out: Path
) -> Path:
    """Write a trial as `gazekit view` does: a drawing, or its fixations as a table.

    Raises
    ------
    InputError
        The picture is of another size than the one that was shown.
    OutputError
        The file cannot be written, or its suffix is of another kind.
    """
    events = detect_trial(facts, gaze, choice.name, choice.parameters)
    if is_table(out):
        return write_trial_table(facts.participant, events, out)
    there = material.picture_file(gaze.trial.image) is not None
    pixels = picture_of(gaze.trial, material.pictures if there else None)
    return write_trial_figure(trial_title(facts.participant, gaze.trial, number), gaze.trial, events, pixels, out)


def trial_recipe(
    material: Material, facts: SessionFacts, number: int, choice: DetectorChoice, out: str = "trial.csv"
) -> Recipe:
    """Return the command and the lines of Python that write the same trial."""
    parameters = dict(choice.parameters)
    eye = parameters.pop("eye", None)
    there = material.picture_file(str(facts.trials["image"].iloc[number - 1])) is not None
    line = [
        *("gazekit", "view", str(facts.source), "--trial", str(number)),
        *(picture_options(material) if there else []),
        *screen_options(material),
        *("--detector", choice.name),
        *(["--eye", eye] if eye else []),
        *(part for name, value in parameters.items() for part in ("-p", f"{name}={value}")),
        *("--out", out),
    ]
    if str(facts.source).endswith(SUFFIX):
        opened = f"session = gk.open_session({str(facts.source)!r})"
    else:
        sizes = {"screen": dict(material.screen)} if material.screen else {}
        opened = f"session = gk.import_recording({str(facts.source)!r}{arguments(sizes)})"
    further = {"pictures": str(material.picture_source)} if there and material.picture_source else {}
    call = arguments({**further, "detector": choice.name, **choice.parameters})
    python = [
        "import gazekit as gk",
        "from gazekit.capture.view import draw_trial",
        opened,
        f"draw_trial(session, {number}, {out!r}{call})",
    ]
    return Recipe(words(line), "\n".join(python))


def study_lines(choice: DetectorChoice) -> str:
    """Return the lines of a study file that make every command use this detector."""
    parameters = [f"{name} = {json.dumps(value)}" for name, value in choice.parameters.items()]
    head = ["[fixations]", f"detector = {json.dumps(choice.name)}"]
    return "\n".join([*head, *(["[fixations.parameters]", *parameters] if parameters else [])])
