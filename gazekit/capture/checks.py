"""What a study file says that no session could be recorded by, found before the participant sits down."""

from __future__ import annotations

import math
from collections import Counter

from gazekit.capture.calibration import saved_calibration
from gazekit.capture.contrast import LEAST, contrast
from gazekit.capture.design import design_faults, first_assigned
from gazekit.capture.plan import plan_practice, plan_session
from gazekit.capture.settings import SessionSections
from gazekit.capture.simulation.tracker import RATES_HZ
from gazekit.capture.texts import faults_of_texts
from gazekit.capture.tobii import fits
from gazekit.core.errors import GazekitError
from gazekit.core.files import existing_file
from gazekit.pictures import read_picture
from gazekit.session import open_session

_MOST_BELOW = 7
_SQUARE = 0.03  # pixels may be wider than high by so much
_LEAST_GATE_DEG = 0.1  # no eye tracker is as accurate as that
_LEAST_SCREEN_MM, _LEAST_DISTANCE_MM = 80.0, 150.0  # less are centimetres


def session_faults(sections: SessionSections) -> list[str]:
    """Return everything that is wrong with the sections that a session is recorded by, a line each."""
    return [
        *_files(sections),
        *_screen(sections),
        *_values(sections),
        *faults_of_texts(sections),
        *_asked(sections),
        *design_faults(sections),
        *_pictures(sections),
    ]


def _files(sections: SessionSections) -> list[str]:
    base, tracker, faults = sections.file.parent, sections.tracker, []
    if sections.calibration.reuse is not None:
        try:
            saved_calibration(base / sections.calibration.reuse)
        except GazekitError as error:
            faults.append(f"[calibration] reuse: {error}")
        if tracker.kind in ("lsl", "replay"):
            faults.append(f"[calibration] reuse: a tracker of kind {tracker.kind!r} takes no calibration; take it out")
    if tracker.license is not None:
        try:
            existing_file(base / tracker.license, "file")
        except GazekitError as error:
            faults.append(f"[tracker] license: {error}")
    if sections.record.backup is not None and not (base / sections.record.backup).is_dir():
        faults.append(
            f"[record] backup: there is no folder {base / sections.record.backup}; plug it in, make it, or take the "
            "line out"
        )
    if tracker.kind == "replay":
        if tracker.file is None:
            faults.append("[tracker] kind = 'replay' needs file, the session to play")
        else:
            try:
                open_session(base / tracker.file, gaze=False)
            except GazekitError as error:
                faults.append(f"[tracker] file: {error}")
    return faults


def _screen(sections: SessionSections) -> list[str]:
    screen, faults = sections.screen, []
    across, down = screen.width_mm / screen.width_px, screen.height_mm / screen.height_px
    if abs(across / down - 1) > _SQUARE:
        faults.append(
            f"[screen] pixels would be {across:.4f} mm wide and {down:.4f} mm high; they are square on every display: "
            "measure the lit area again, or correct width_px and height_px"
        )
    for name, value, least in (
        ("width_mm", screen.width_mm, _LEAST_SCREEN_MM),
        ("distance_mm", screen.distance_mm, _LEAST_DISTANCE_MM),
    ):
        if value < least:
            faults.append(f"[screen] {name} = {value:g}: are these centimetres? Then it is {10 * value:g}")
    if sections.tracker.display_area is not None:
        top_left, top_right, bottom_left = sections.tracker.display_area
        width, height = math.dist(top_left, top_right), math.dist(top_left, bottom_left)
        if not fits(width, height, screen.screen()):
            faults.append(
                f"[tracker] display_area is {width:.4g} x {height:.4g} mm, [screen] {screen.width_mm:g} x "
                f"{screen.height_mm:g} mm: gaze would be off; correct the corners (millimetres) or [screen]"
            )
    return faults


def _values(sections: SessionSections) -> list[str]:
    faults, rate = [], sections.tracker.rate_hz
    if sections.tracker.kind == "simulated" and rate is not None and not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        faults.append(
            f"[tracker] rate_hz = {rate:g}: the simulated tracker runs at {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz"
        )
    for name, gate in (
        ("gate_deg", sections.validation.gate_deg),
        ("drift_check_deg", sections.validation.drift_check_deg),
    ):
        if gate is not None and gate < _LEAST_GATE_DEG:
            faults.append(
                f"[validation] {name} = {gate:g}: no eye tracker is as accurate as that; usual are 0.5 to 1.5"
            )
    if sections.validation.gate_deg is not None and not sections.validation.points:
        faults.append("[validation] gate_deg has no meaning without points: take it out, or points = 4")
    if sections.presentation.order == "latin-square" and sections.presentation.block_size is not None:
        faults.append("[presentation] block_size has no meaning in a Latin square: take it out, or order = 'blocked'")
    background, colour = sections.presentation.background, sections.text.colour
    if colour is not None and contrast(colour, background) < LEAST:  # the program's own ink always stands out
        faults.append(
            f"[text] colour = {list(colour)} on [presentation] background = {list(background)} has a contrast of "
            f"{contrast(colour, background):.1f}; {LEAST:g} or more can be read"
        )
    names = Counter(question.name for question in sections.questions)
    faults += [f"[[questions]] name {name!r} stands {count} times" for name, count in names.items() if count > 1]
    return faults


def _asked(sections: SessionSections) -> list[str]:
    """Say what is wrong with what is asked and shown beside the pictures."""
    base, faults = sections.file.parent, []
    names = Counter(answer.name for answer in sections.asked)
    faults += [f"[[answers]] name {name!r} stands {count} times" for name, count in names.items() if count > 1]
    for n, page in enumerate(sections.pages):
        if page.picture is not None:
            try:
                read_picture(base / page.picture)
            except GazekitError as error:
                faults.append(f"[[pages]] {n + 1} ({page.place}) picture: {error}")
    below = [answer for answer in sections.asked if answer.when == "while"]
    for answer in below:
        if answer.kind in ("choice", "choices") and len(answer.choices) > _MOST_BELOW:
            faults.append(
                f"[[answers]] {answer.name}: {len(answer.choices)} choices have no room below a picture; at most "
                f"{_MOST_BELOW}, or when = 'after'"
            )
    return faults


def _pictures(sections: SessionSections) -> list[str]:
    """Plan a session for each combination of levels: what one of them meets is a fault of the study."""
    faults: dict[str, None] = {}
    try:
        plan_practice(sections)
    except GazekitError as error:
        faults |= dict.fromkeys(str(error).splitlines())
    for assigned in first_assigned(sections):
        try:
            trials = plan_session(sections, "P01", sections.study.seed, assigned)
            faults |= dict.fromkeys(_unknown(sections, {trial.picture.image for trial in trials}))
        except GazekitError as error:
            faults |= dict.fromkeys(str(error).splitlines())
    return list(faults)


def _unknown(sections: SessionSections, images: set[str]) -> list[str]:
    """Say which pictures are named and not shown."""
    interview = sections.interview.pictures if sections.interview else 0
    named = {"[presentation] again": sections.presentation.again, "[interview] pictures": interview}
    return [
        f"{where}: {image} is no picture of the study"
        for where, names in named.items()
        if isinstance(names, list)
        for image in names
        if image not in images
    ]
