"""From `sample_data` to a report: python examples/quickstart.py [folder].

The people are simulated, and so few that nothing can be concluded; the report says so.
"""

import sys
from pathlib import Path

import gazekit as gk
from gazekit.attention.fixation_io import read_fixations

data = Path(__file__).resolve().parents[1] / "sample_data"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart")

# a session from the lab: how good is the gaze, and where did the person look?
study = gk.read_study(data / "study.toml")
session = gk.open_session(data / "sessions" / "P01.gaze.h5")
quality = gk.data_quality(session.recording, session.screen)
print(quality[["eye", "rms_s2s_deg", "loss_percent"]].round(2).to_string(index=False))
looks = gk.session_fixations(session, study.fixations.detector)
print(f"{session.participant}: {len(looks)} fixations on {looks['image'].nunique()} pictures")

# pictures, what people looked at, and how they rated it, in one dataset with masks, controls and splits
pictures = gk.list_pictures(data / "comparison" / "pictures")
fixations = read_fixations(data / "comparison" / "fixations.csv")
ratings = gk.read_histograms(data / "comparison" / "histograms.csv")
spec = gk.DatasetSpec(split=(0.6, 0.2, 0.2), share=0.6, seed=1)
dataset = gk.build_dataset(pictures, fixations, ratings, out / "sample.dataset.h5", spec)

# a small network that sees whole pictures, what people looked at, or the middle of the picture
gk.train(dataset, out, models=["nima-narrow"], conditions=["original", "human", "centre"], seeds=2, epochs=2, size=64)
gk.compare(out)
print(gk.write_report(out, title="sample_data", notes=["People and raters are simulated."]))
