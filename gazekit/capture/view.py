"""A trial to look at: scanpath over the picture and the pupils below, or a window that plays it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.core.errors import InputError
from gazekit.core.files import picture_format, whole_file
from gazekit.core.types import Pixels
from gazekit.events import session_fixations
from gazekit.pictures import SUFFIXES, read_picture
from gazekit.screen import Placement
from gazekit.session import Session
from gazekit.session.model import Trial

_LEFT, _RIGHT, _PATH = "#1b6ca8", "#c8553d", "#f2c14e"


def find_trial(session: Session, number: int) -> Trial:
    """Return the n-th trial of a session, from 1; a session without pictures is one trial, the whole recording.

    Raises
    ------
    InputError
        The session has no such trial.
    """
    trials = session.trials() or [_whole_recording(session)]
    if not 1 <= number <= len(trials):
        raise InputError(f"the session has {len(trials)} trials; there is no trial {number}")
    return trials[number - 1]


def _whole_recording(session: Session) -> Trial:
    screen, time = session.screen, session.recording.system_time_us
    if not len(time):
        raise InputError(
            f"the session of {session.participant} has no pictures and no samples; there is nothing to show"
        )
    return Trial(
        image="",
        picture=(screen.width_px, screen.height_px),
        placement=Placement(0, 0, screen.width_px, screen.height_px),
        onset_us=int(time.min()),
        offset_us=int(time.max()) + 1,
        order=0,
        recording=session.recording,
    )


def picture_of(trial: Trial, folder: Path | None) -> Pixels:
    """Read the picture of a trial from a folder, by its id with or without a suffix; grey where no folder is given.

    Raises
    ------
    InputError
        The folder does not hold it, or the file is of another size than the one that was shown.
    """
    width, height = trial.picture
    if folder is None or not trial.image:
        return np.full((height, width, 3), 205, dtype=np.uint8)
    names = [trial.image, *(trial.image + suffix for suffix in sorted(SUFFIXES))]
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        raise InputError(f"{folder} does not hold the picture {trial.image}")
    pixels = read_picture(file)
    if pixels.shape[1::-1] != trial.picture:
        raise InputError(
            f"{file} has {pixels.shape[1]} x {pixels.shape[0]} pixels; the one shown had {width} x {height}"
        )
    return pixels


def draw_trial(session: Session, number: int, out: str | Path, *, pictures: Path | None = None) -> Path:
    """Write a trial as an image: fixations (area by duration, numbered), scanpath, pupil trace of both eyes.

    Raises
    ------
    InputError
        No such trial or picture.
    OutputError
        The image cannot be written.
    """
    trial = find_trial(session, number)
    pixels = picture_of(trial, pictures)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8.2), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[4, 1])
    _draw_scanpath(above, session, trial, pixels)
    _draw_pupils(below, trial)
    above.set_title(
        f"{session.participant} · {f'trial {number} · {trial.image}' if trial.image else 'the whole recording'}",
        loc="left",
    )
    out = Path(out)
    with whole_file(out) as beside:
        figure.savefig(beside, format=picture_format(out))
    return out


def _draw_scanpath(axes: Any, session: Session, trial: Trial, pixels: Pixels) -> None:
    axes.imshow(pixels)
    axes.set_axis_off()
    gaze = session.screen.display_to_px(trial.recording.point("average"))
    axes.plot(*trial.placement.to_picture(*gaze, trial.picture), color=_PATH, linewidth=0.6, alpha=0.8)
    table = session_fixations(session)
    across, down = ("x_picture", "y_picture") if trial.image else ("x_px", "y_px")
    shown = table[(table["image"] == trial.image) & table[across].notna()]
    axes.plot(shown[across], shown[down], color="white", linewidth=1.2)
    axes.scatter(shown[across], shown[down], s=100 + shown["duration_ms"], c=_RIGHT, alpha=0.65, edgecolors="white")
    for n, (x, y) in enumerate(zip(shown[across], shown[down], strict=True)):
        axes.annotate(str(n + 1), (x, y), color="white", ha="center", va="center", fontsize=8)


def _draw_pupils(axes: Any, trial: Trial) -> None:
    seconds = (trial.recording.system_time_us - trial.onset_us) / 1e6
    for side, colour in (("left", _LEFT), ("right", _RIGHT)):
        eye = getattr(trial.recording, side)
        axes.plot(seconds, np.where(eye.pupil_valid, eye.pupil_mm, np.nan), color=colour, label=side, linewidth=0.9)
    axes.set_xlabel("seconds from the onset")
    axes.set_ylabel("pupil, mm")
    axes.legend(loc="upper right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def play_trial(session: Session, number: int, *, pictures: Path | None = None, speed: float = 1.0) -> int:
    """Play a trial in a window (both eyes as dots) until its end or Escape; return the number of frames.

    Raises
    ------
    InputError
        No such trial or picture.
    """
    trial = find_trial(session, number)
    pixels = picture_of(trial, pictures)
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    scale = min(1.0, 1280 / session.screen.width_px)
    size = (round(session.screen.width_px * scale), round(session.screen.height_px * scale))
    pygame.display.init()
    try:
        surface = pygame.display.set_mode(size)
        pygame.display.set_caption(
            f"{session.participant} · {f'trial {number} · {trial.image}' if trial.image else 'the whole recording'}"
        )
        picture = pygame.image.frombuffer(pixels.tobytes(), (pixels.shape[1], pixels.shape[0]), "RGB")
        place = trial.placement
        picture = pygame.transform.smoothscale(picture, (round(place.width * scale), round(place.height * scale)))
        return _play(surface, picture, (round(place.x * scale), round(place.y * scale)), trial, speed)
    finally:
        pygame.display.quit()


def _play(surface: Any, picture: Any, corner: tuple[int, int], trial: Trial, speed: float) -> int:
    import pygame

    clock, elapsed_us, frames = pygame.time.Clock(), 0.0, 0
    stamps = trial.recording.system_time_us
    while elapsed_us < trial.offset_us - trial.onset_us:
        if any(
            event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE)
            for event in pygame.event.get()
        ):
            break
        surface.fill((128, 128, 128))
        surface.blit(picture, corner)
        now = int(np.searchsorted(stamps, trial.onset_us + elapsed_us))
        for side, colour in (("left", _LEFT), ("right", _RIGHT)):
            for point in getattr(trial.recording, side).gaze[max(0, now - 5) : now]:
                if np.isfinite(point).all():
                    pygame.draw.circle(surface, colour, (point * surface.get_size()).round().tolist(), 7)
        pygame.display.flip()
        frames += 1
        elapsed_us += clock.tick(60) * 1000 * speed
    return frames
