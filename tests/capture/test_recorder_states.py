"""Whatever a tracker delivers and whenever the computer stops: what was flushed comes back, once and in its order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, rule

from gazekit.capture.recorder import Recorder
from gazekit.capture.tobii_streams import CONVERTERS
from gazekit.session import open_session
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from tests.fixtures.fake_tobii import gaze_dictionary
from tests.fixtures.journals import HEADER

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a sync costs nothing there
RATE_HZ = 600.0


class Recording(RuleBasedStateMachine):
    """Samples that come, are lost or late, and make no sense; messages between them; crashes of the computer."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.path = Path(self.folder.name) / "P01.gaze.journal"
        self.recorder = Recorder(JournalWriter(self.path, HEADER), CONVERTERS, RATE_HZ)
        self.next = self.crashes = self.nonsense = 0
        self.numbers: list[int] = []  # of the samples, as they were delivered
        self.lost: list[int] = []
        self.texts: list[str] = []
        self.samples_come(5)  # without one there is no session
        self.flush()

    def deliver(self, number: int) -> None:
        self.recorder.put("gaze", gaze_dictionary(number, RATE_HZ, 0))
        self.numbers.append(number)

    @rule(count=st.integers(1, 40))
    def samples_come(self, count: int) -> None:
        for _ in range(count):
            self.deliver(self.next)
            self.next += 1

    @rule(count=st.integers(1, 30))
    def samples_are_lost(self, count: int) -> None:
        self.lost += range(self.next, self.next + count)
        self.next += count

    @rule()
    def one_comes_late(self) -> None:
        if self.lost:
            self.deliver(self.lost.pop())

    @rule(item=st.sampled_from([{"device_time_stamp": 5}, {}, None, "gaze"]))
    def nonsense_comes(self, item: object) -> None:
        self.recorder.put("gaze", item)
        self.nonsense += 1

    @rule(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
    def something_is_said(self, text: str) -> None:
        self.recorder.message(len(self.texts), text)
        self.texts.append(text)

    @rule()
    def flush(self) -> None:
        """Wait for the journal; its counts are those of the samples."""
        self.recorder.flush()
        self.recorder.check()
        steps = [after - before for before, after in zip(self.numbers, self.numbers[1:], strict=False)]
        counts = self.recorder.counts
        assert counts.samples == len(self.numbers)
        assert counts.missing == sum(step - 1 for step in steps if step > 1)
        assert counts.out_of_order == sum(step < 0 for step in steps)
        self.safe = self.path.stat().st_size, len(self.numbers), len(self.texts)

    @rule(share=st.floats(0, 1), rubbish=st.binary(max_size=9))
    def the_computer_stops(self, share: float, rubbish: bytes) -> None:
        """What was not flushed is lost, torn or followed by rubbish; what was comes back."""
        content = self.path.read_bytes()
        size, samples, texts = self.safe
        copy = self.path.with_name(f"C{self.crashes}.gaze.journal")
        self.crashes += 1
        copy.write_bytes(content[: size + round(share * (len(content) - size))] + rubbish)
        self.examine(copy, samples, texts)

    def examine(self, journal: Path, samples: int, texts: int) -> None:
        """Recover a journal; it holds at least so many samples and texts, and none that was not given."""
        session = open_session(recover(journal).session)
        stamps = [gaze_dictionary(number, RATE_HZ, 0)["device_time_stamp"] for number in self.numbers]
        back = session.recording.device_time_us.tolist()
        assert len(back) >= samples
        assert back == stamps[: len(back)]
        said = session.messages["text"].tolist()
        assert len(said) >= texts
        assert said == self.texts[: len(said)]

    def teardown(self) -> None:
        self.recorder.close({"complete": True})
        self.examine(self.path, len(self.numbers), len(self.texts))
        self.folder.cleanup()


TestRecording = Recording.TestCase
TestRecording.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
