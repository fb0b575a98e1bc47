"""Run a lab session and look at what it holds: python examples/record.py [folder].

The tracker and the person are simulated; with `[tracker] kind = "tobii"` the same lines record people.
"""

import sys
from pathlib import Path

import gazekit as gk

out = Path(sys.argv[1] if len(sys.argv) > 1 else "sessions")
study = gk.read_study(Path(__file__).resolve().parents[1] / "sample_data" / "study.toml")

file = gk.record(study, "P03", out, realtime=False)  # a simulated clock: no need to wait
session = gk.open_session(file)
print(f"{file}: {len(session.recording)} samples of {session.participant}, {len(session.stimuli)} pictures")
