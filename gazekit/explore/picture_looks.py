"""What all people looked at in one picture: found when it is asked for, and kept for the next question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock

import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.time_windows import TimeWindow
from gazekit.events.settings import FixationSection
from gazekit.explore.material import Material
from gazekit.explore.summaries import SessionFacts
from gazekit.explore.trial_reading import read_trial
from gazekit.measures import MeasureOptions
from gazekit.measures.sessions import session_looks
from gazekit.measures.viewing import Look
from gazekit.session.excluding import Exclusions
from gazekit.session.exclusions import EXCLUSIONS, find_exclusions
from gazekit.session.model import Session

_KEPT = 12  # pictures whose looks stay in memory


class EverythingExcluded(InputError):
    """Nothing of a picture is left to look at."""


@dataclass(frozen=True)
class PersonLook:
    """One showing of a picture to a person.

    Attributes
    ----------
    participant, session : str
        Whose, and in which session.
    order : int
        Place of the picture in the session.
    levels : dict
        What the person was assigned to: group, condition.
    look : Look
        Fixations and what else `gazekit measures` measures, but for the pupil.
    """

    participant: str
    session: str
    order: int
    levels: dict[str, str]
    look: Look

    @property
    def fixations(self) -> pd.DataFrame:
        """The fixations, with the columns of `gazekit fixations`."""
        return self.look.fixations


@dataclass(frozen=True)
class PictureLooks:
    """All showings of a picture, without those that are excluded.

    Attributes
    ----------
    image : str
        The picture.
    size : (int, int)
        Its height and width.
    looks : tuple of PersonLook
        In the order of participants.
    excluded : tuple of str
        What was left out, in sentences.
    """

    image: str
    size: tuple[int, int]
    looks: tuple[PersonLook, ...]
    excluded: tuple[str, ...] = ()

    @property
    def people(self) -> list[str]:
        """Who looked, each once."""
        return list(dict.fromkeys(one.participant for one in self.looks))

    @property
    def fixations(self) -> pd.DataFrame:
        """The fixations of all."""
        return pd.concat([one.fixations for one in self.looks], ignore_index=True)


class LookCache:
    """The looks at the pictures of a material; what is asked again is not computed again."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._kept: OrderedDict[tuple[object, ...], PictureLooks] = OrderedDict()
        self._turn = RLock()

    def size(self, image: str) -> tuple[int, int]:
        """Return height and width of a picture, as sessions say it.

        Raises
        ------
        InputError
            Nobody was shown it.
        """
        for facts in self._material.sessions:
            for number in _numbers(facts, image):
                return _size(facts, number)
        raise InputError(f"nobody was shown {image!r}")

    def of(self, image: str, window: TimeWindow | None = None) -> PictureLooks:
        """Return the looks at a picture, in a window of time.

        Raises
        ------
        InputError
            Nobody was shown the picture, or everything of it is excluded.
        """
        file = exclusions_file(self._material)
        stamp = (file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else None
        key = (image, str(window), stamp)
        with self._turn:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            found = picture_looks(self._material, image, window, Exclusions.read(file if file.exists() else None))
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found


def exclusions_file(material: Material) -> Path:
    """Return the file that says what is excluded of a material; it need not be there yet."""
    here = material.folder / EXCLUSIONS
    if here.is_file():
        return here
    return find_exclusions(material.study.file if material.study else None, *material.asked) or here


def picture_looks(
    material: Material, image: str, window: TimeWindow | None = None, exclusions: Exclusions | None = None
) -> PictureLooks:
    """Find what all people looked at in a picture, with the detector of the study.

    Parameters
    ----------
    material : Material
        The sessions.
    image : str
        The picture.
    window : TimeWindow, optional
        Of the viewings.
    exclusions : Exclusions, optional
        What is left out.

    Raises
    ------
    InputError
        Nobody was shown the picture.
    EverythingExcluded
        Everything of it is excluded.
    """
    section, left_out = material.fixations, exclusions or Exclusions()
    looks: list[PersonLook] = []
    size, shown = (0, 0), 0
    for facts in material.sessions:
        for number in _numbers(facts, image):
            shown += 1
            size = _size(facts, number)
            looks += _looks(facts, number, window, section, left_out)
    if not shown:
        raise InputError(f"nobody was shown {image!r}")
    if not looks:
        raise EverythingExcluded(f"everything of {image!r} is excluded: {'; '.join(left_out.sentences())}")
    return PictureLooks(image, size, tuple(looks), tuple(left_out.sentences()))


def trial_session(facts: SessionFacts, number: int) -> Session:
    """Return a session with one of its trials only, by its number from 1: `gazekit measures` measures it alike."""
    trial = read_trial(facts, number).trial
    streams = dict(facts.header.streams)
    if "regions" in streams:
        streams["regions"] = streams["regions"][streams["regions"]["image"] == trial.image]
    stimuli = facts.header.stimuli.iloc[[number - 1]].reset_index(drop=True)
    return replace(facts.header, recording=trial.recording, stimuli=stimuli, streams=streams)


def _looks(
    facts: SessionFacts, number: int, window: TimeWindow | None, section: FixationSection, left_out: Exclusions
) -> list[PersonLook]:
    session = left_out.of_session(trial_session(facts, number))
    if session is None or not len(session.stimuli):
        return []
    levels = {str(name): str(value) for name, value in facts.header.assigned.items()}
    found = session_looks(session, MeasureOptions(window), section.detector, cut=section.cut, **section.parameters)
    return [
        PersonLook(session.participant, session.name, order, levels, replace(look, pupil=None))  # of many samples
        for order, look in found
    ]


def _size(facts: SessionFacts, number: int) -> tuple[int, int]:
    row = facts.header.stimuli.iloc[number - 1]
    return int(row["picture_height"]), int(row["picture_width"])


def _numbers(facts: SessionFacts, image: str) -> Sequence[int]:
    """Return the places, from 1, at which a session showed a picture."""
    images = facts.header.stimuli["image"].astype(str)
    return [number for number, name in enumerate(images, start=1) if name == image]


def of_group(looks: PictureLooks, factor: str, level: str) -> PictureLooks:
    """Return the looks of those who were assigned to a level of a factor."""
    chosen = tuple(one for one in looks.looks if one.levels.get(factor) == level)
    return replace(looks, looks=chosen)
