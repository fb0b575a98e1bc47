"""Exclusions honoured: sessions and fixation tables without what is left out, and the account of it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Bools
from gazekit.gaze import Eye
from gazekit.session.exclusions import Exclusion, find_exclusions, read_exclusions
from gazekit.session.model import Session

RECORD = "excluded"  # the parameter of a provenance that holds the account
_ABOUT = ("participant", "image", "session", "order", "eye", "reason", "by", "utc")


@dataclass
class Exclusions:
    """The entries that hold, and how many trials each has left out so far.

    Attributes
    ----------
    entries : sequence of Exclusion
        Those that were not taken back.
    file : Path, optional
        Where they are from.

    Examples
    --------
    >>> left_out = Exclusions([Exclusion(participant="P1", image="a.jpg", reason="head moved")])
    >>> table = pd.DataFrame({"participant": ["P1", "P1", "P2"], "image": ["a.jpg", "b.jpg", "a.jpg"]})
    >>> len(left_out.of_fixations(table)), left_out.sentences()
    (2, ['1 trial of P1 excluded: head moved'])
    """

    entries: Sequence[Exclusion] = ()
    file: Path | None = None
    trials: Counter[int] = field(default_factory=Counter)  # by the entry's place in ``entries``
    _before: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: str | Path | None) -> Exclusions:
        """Read the entries of a file that hold."""
        if file is None:
            return cls()
        return cls([entry for entry in read_exclusions(file) if entry.holds], Path(file))

    @classmethod
    def of(cls, *places: str | Path | None) -> Exclusions:
        """Read those that belong to a study file or to files of data; see `find_exclusions`."""
        return cls.read(find_exclusions(*places))

    def of_session(self, session: Session) -> Session | None:
        """Return a session without the trials and eyes that are left out; None where nothing of it stays."""
        mine = [
            (n, entry)
            for n, entry in enumerate(self.entries)
            if entry.participant in ("", session.participant) and entry.session in ("", session.name)
        ]
        if not mine:
            return session
        stimuli = session.stimuli
        images, orders = stimuli["image"].astype(str).to_numpy(), stimuli["order"].to_numpy()
        stays = np.ones(len(stimuli), dtype=bool)
        for n, entry in mine:
            if entry.eye:
                continue
            gone = stays & _matches(entry, images, orders)
            self.trials[n] += int(gone.sum())
            stays &= ~gone
            if not entry.image and not len(stimuli):
                self.trials[n] += 1
                return None
        if len(stimuli) and not stays.any():
            return None
        for n, entry in mine:
            if entry.eye:
                shown = stays & _matches(entry, images, orders)
                self.trials[n] += int(shown.sum()) if len(stimuli) else 1
                session = _without_eye(session, entry, stimuli[shown])
        return replace(session, stimuli=stimuli[stays].reset_index(drop=True))

    def of_fixations(self, table: pd.DataFrame, path: str | Path | None = None) -> pd.DataFrame:
        """Return a fixation table without the trials that are left out.

        Parameters
        ----------
        table : DataFrame
            With ``image``, and ``participant`` where an entry names one.
        path : str or Path, optional
            The table's file: what its provenance (``<path>.json``) says was left out before is known, and is kept in
            the account.

        Raises
        ------
        InputError
            An entry cannot be honoured in a table: it is of an eye, of one session or of one showing of several.
        """
        self.remember(path)
        if not self.entries:
            return table
        if "participant" not in table and any(entry.participant for entry in self.entries):
            raise InputError(
                "exclusions name participants, and the fixation table does not say whose fixations they are"
            )
        images = table["image"].astype(str).to_numpy()
        people = table["participant"].astype(str).to_numpy() if "participant" in table else np.full(len(table), "")
        keys = [name for name in ("participant", "image", "showing") if name in table]
        stays = np.ones(len(table), dtype=bool)
        for n, entry in enumerate(self.entries):
            gone = stays & ((people == entry.participant) | (not entry.participant))
            gone &= (images == entry.image) | (not entry.image)
            if entry.eye or entry.session or entry.order >= 0:
                if gone.any() and entry.key not in self._before:
                    raise InputError(
                        f"{self.file or 'exclusions'}: {entry} cannot be left out of a table of fixations, which knows "
                        "neither eyes nor sessions: make the table again of the sessions (gazekit fixations), or "
                        "leave nothing out (--with-excluded)"
                    )
                continue
            self.trials[n] += len(table.loc[gone, keys].drop_duplicates())
            stays &= ~gone
        return table if stays.all() else table[stays].reset_index(drop=True)

    def remember(self, path: str | Path | None) -> None:
        """Take into the account what the provenance beside a file says was left out before."""
        for record in records_of(path):
            person, image, session, eye = (str(record.get(n, "")) for n in ("participant", "image", "session", "eye"))
            self._before[person, image, session, int(record.get("order", -1)), eye] = record

    def account(self) -> list[dict[str, Any]]:
        """Return what was left out, for a provenance: an entry each with its number of trials, those of before too."""
        records = {}
        for n, entry in enumerate(self.entries):
            if self.trials[n]:
                told = {name: getattr(entry, name) for name in _ABOUT}
                records[entry.key] = {k: v for k, v in told.items() if v not in ("", -1)} | {"trials": self.trials[n]}
        return list((self._before | records).values())

    def parameters(self) -> dict[str, Any]:
        """Return the account as a parameter of a provenance; nothing where nothing was left out."""
        account = self.account()
        return {RECORD: account} if account else {}

    def sentences(self) -> list[str]:
        """Say what was left out, such as ``4 trials of P03 excluded: head moved``."""
        return sentences(self.account())

    def tell(self) -> None:
        """Say on standard error what was left out, and which entries met nothing here."""
        for sentence in self.sentences():
            print(sentence, file=sys.stderr)
        idle = [e for n, e in enumerate(self.entries) if not self.trials[n] and e.key not in self._before]
        if idle:
            names = ", ".join(map(str, idle[:5])) + (", ..." if len(idle) > 5 else "")
            print(
                f"{len(idle)} of {len(self.entries)} entries of {self.file} meet nothing here: {names}", file=sys.stderr
            )


def records_of(path: str | Path | None) -> list[dict[str, Any]]:
    """Return what the provenance beside a table says was left out."""
    side = None if path is None else Path(f"{path}.json")
    if side is None or not side.is_file():
        return []
    try:
        parameters = json.loads(side.read_text("utf-8")).get("parameters", {})
        return [dict(record) for record in parameters.get(RECORD, []) if int(record.get("order", -1)) >= -1]
    except (ValueError, AttributeError, TypeError, OSError) as error:
        print(f"{side} cannot be read ({error}): what was left out before is not known", file=sys.stderr)
        return []


def sentences(account: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say an account in sentences; trials of one person with one reason are counted together.

    Examples
    --------
    >>> trial = {"participant": "P03", "reason": "head moved", "trials": 1}
    >>> sentences([trial | {"image": "a.jpg"}, trial | {"image": "b.jpg"}, {"image": "c.jpg", "reason": "blank"}])
    ['2 trials of P03 excluded: head moved', 'c.jpg excluded (0 trials): blank']
    """
    counts: dict[tuple[str, str, str], int] = {}
    for record in account:
        person, image, eye = (str(record.get(name, "")) for name in ("participant", "image", "eye"))
        kind = "trials" if person and image and not eye else "whole"
        what = person or image
        place = (f"{eye} eye of {what}" if eye else what, str(record.get("reason", "")), kind)
        counts[place] = counts.get(place, 0) + int(record.get("trials", 0))
    return [
        f"{_trials(count)} of {what} excluded: {reason}"
        if kind == "trials"
        else f"{what} excluded ({_trials(count)}): {reason}"
        for (what, reason, kind), count in counts.items()
    ]


def _trials(count: int) -> str:
    return counted(count, "trial")


def _matches(entry: Exclusion, images: Any, orders: Any) -> Bools:
    there = np.ones(len(images), dtype=bool)
    if entry.image:
        there &= images == entry.image
    if entry.order >= 0:
        there &= orders == entry.order
    return there


def _without_eye(session: Session, entry: Exclusion, shown: pd.DataFrame) -> Session:
    """Return a session without an eye: in all of it, or while some pictures were shown."""
    recording = session.recording
    gone = np.full(len(recording), not entry.image)
    for onset, offset in shown[["onset_us", "offset_us"]].itertuples(index=False):
        gone |= (recording.system_time_us >= onset) & (recording.system_time_us < offset)
    columns = dict(vars(getattr(recording, entry.eye)))
    for name, nothing in vars(Eye.missing(len(recording))).items():
        columns[name] = columns[name].copy()
        columns[name][gone] = nothing[gone]
    streams = dict(session.streams)
    if "eye_openness" in streams:
        table = streams["eye_openness"]
        lost = table["device_time_us"].isin(recording.device_time_us[gone])
        side = f"{entry.eye}_valid"
        streams["eye_openness"] = table.assign(**{side: table[side].astype(bool) & ~lost})
    changes: dict[str, Any] = {entry.eye: Eye(**columns)}
    if recording.openness_mm is not None:
        openness = recording.openness_mm.copy()
        openness[gone, ("left", "right").index(entry.eye)] = np.nan
        changes["openness_mm"] = openness
    return replace(session, recording=replace(recording, **changes), streams=streams)
