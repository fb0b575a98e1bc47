"""What the operator's page shows, as JSON: small, taken some fifteen times a second."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from gazekit.capture.desk import Desk
from gazekit.capture.head import head_view
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.screen import Screen
from gazekit.session.samples import SIDES

_WINDOW_S = 2.0


class Snapshots:
    """Takes snapshots of a session; what seldom changes is in one only where it has."""

    def __init__(self, recorder: Recorder, state: State, desk: Desk, screen: Screen) -> None:
        self._recorder, self._state, self._desk, self._screen = recorder, state, desk, screen
        self._history: list[tuple[float, int, int]] = []
        self._sent: dict[str, Any] = {}

    def take(self) -> dict[str, Any]:
        """Return what has to be sent now."""
        state, counts = self._state, self._recorder.counts
        rate, loss = self._rate_and_loss(counts.samples, counts.lost)
        head = head_view(counts.latest, self._recorder.latest.get("user_position"), self._screen)
        content = {
            "phase": state.phase,
            "trial": state.trial,
            "seconds_left": round(state.seconds_left),
            "gaze": self._gaze(),
            "rate": rate,
            "loss": loss,
            "samples": counts.samples,
            "lost": counts.lost,
            "gaps": counts.gaps,
            "missing": counts.missing,
            "head": {
                "eyes": [[round(value, 3) for value in eye] for eye in head.eyes],
                "distance": None if head.distance is None else round(head.distance, 3),
                "advice": head.advice,
                "place": None if head.place is None else [round(value, 2) for value in head.place],
                "unit": head.unit,
            },
        }
        return content | self._changed(
            {
                "participant": state.participant,
                "planned_hz": self._recorder.rate_hz,
                "screen": [self._screen.width_px, self._screen.height_px],
                "notices": list(state.notices),
                "planned": list(state.planned),
                "verdicts": [asdict(verdict) for verdict in state.verdicts],
                "picture": self._picture(),
                "asking": self._desk.asking(),
            }
        )

    def _changed(self, content: dict[str, Any]) -> dict[str, Any]:
        changed = {name: value for name, value in content.items() if self._sent.get(name, _UNSENT) != value}
        self._sent |= changed
        return changed

    def _gaze(self) -> list[list[float] | None]:
        """Return where both eyes look, shares of the screen."""
        latest = self._recorder.counts.latest
        if latest is None:
            return [None, None]
        points = [latest[f"{side}_gaze"][0] for side in SIDES]
        return [[round(float(v), 4) for v in point] if np.isfinite(point).all() else None for point in points]

    def _picture(self) -> dict[str, Any] | None:
        trial, placement = self._state.showing, self._state.placement
        if trial is None or placement is None:
            return None
        width, height = self._screen.width_px, self._screen.height_px
        place = [placement.x / width, placement.y / height, placement.width / width, placement.height / height]
        return {"id": trial.id, "file": str(trial.picture.file.absolute()), "place": place}

    def _rate_and_loss(self, samples: int, lost: int) -> tuple[float | None, float | None]:
        """Return samples a second, and the share lost, over the last two seconds."""
        now = time.monotonic()
        self._history = [row for row in self._history if now - row[0] < _WINDOW_S] + [(now, samples, lost)]
        (t0, n0, l0), (t1, n1, l1) = self._history[0], self._history[-1]
        rate = round((n1 - n0) / (t1 - t0), 1) if t1 > t0 else None
        return rate, round((l1 - l0) / (n1 - n0), 3) if n1 > n0 else None


_UNSENT = object()
