"""Whether a stream beside gaze has fallen silent: a note, since only gaze is indispensable."""

from __future__ import annotations

from dataclasses import dataclass

_FEWEST = 3  # deliveries from which the usual step between two is known
_STEPS = 3.0  # silence is so many times the longest step so far
_LEAST_S = 2.0  # and so long


@dataclass
class Pulse:
    """The deliveries of one stream.

    Time is that of the gaze that came meanwhile: neither a lost tracker nor a busy machine is a silence.
    """

    last_s: float = 0.0
    longest_s: float = 0.0
    deliveries: int = 0
    silent: bool = False

    def beat(self, now_s: float) -> bool:
        """Count a delivery; return whether it ends a silence."""
        if self.deliveries:  # a silence counts too: a stream that is slow after a quick start is noted once, not always
            self.longest_s = max(self.longest_s, now_s - self.last_s)
        was_silent, self.silent = self.silent, False
        self.last_s, self.deliveries = now_s, self.deliveries + 1
        return was_silent

    def falls_silent(self, now_s: float) -> bool:
        """Return whether the stream has been silent for far longer than ever; once for each silence."""
        late = now_s - self.last_s > max(_LEAST_S, _STEPS * self.longest_s)
        if self.silent or self.deliveries < _FEWEST or not late:
            return False
        self.silent = True
        return True
