"""Makes ``sample_data``: a small complete study with simulated people, by ``python -m pipelines.sample``.

Everything in it can be made again, bit for bit: the study file, a list of photographs that scikit-image carries, two
sessions of the simulated tracker and the individual ratings of simulated raters.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.capture import record
from gazekit.core.files import write_text
from gazekit.core.tables import write_table
from gazekit.study import read_study
from pipelines.example import LABORATORY
from survey.database import open_store
from survey.rating_export import export_ratings
from survey.simulate import fill

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg")
PARTICIPANTS = ("P01", "P02")
SEED = 7
_STUDY = f"""\
# A small study for trying gazekit. Its participants and raters are simulated.
[study]
name = "sample"
seed = {SEED}
note = "simulated participants and raters"
{LABORATORY}rate_hz = 120

[presentation]
duration_ms = 3000
cross_ms = 500
order = "random"
"""
_README = """\
# Sample study (simulated)

A complete small study: `study.toml`, `pictures.csv` (photographs that scikit-image carries), `sessions/` (two
recordings of the simulated tracker) and `ratings.csv` (individual ratings on a scale of 1 to 10).
**Nobody looked at or rated anything: participants and raters are simulated.** Made again, bit for bit, by
`python -m pipelines.sample`.
"""


def make_sample(folder: str | Path) -> Path:
    """Write the sample study into a folder; what is there is replaced."""
    folder = Path(folder)
    pictures = pd.DataFrame({"image": PHOTOGRAPHS, "file": [f"skimage:{name}" for name in PHOTOGRAPHS]})
    write_table(pictures, folder / "pictures.csv")
    write_text(folder / "study.toml", _STUDY)
    write_text(folder / "README.md", _README)
    sessions = folder / "sessions"
    if sessions.exists():
        shutil.rmtree(sessions)
    study = read_study(folder / "study.toml")
    for participant in PARTICIPANTS:
        record(study, participant, sessions, realtime=False)
    write_table(_ratings(), folder / "ratings.csv")
    return folder


def _ratings() -> pd.DataFrame:
    opinion = np.random.default_rng(SEED).uniform(3, 8, len(PHOTOGRAPHS))
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/survey.sqlite3", durable=False)
        try:
            fill(store, dict(zip(PHOTOGRAPHS, opinion, strict=True)), per_picture=12, seed=SEED)
            return export_ratings(store)
        finally:
            store.close()


if __name__ == "__main__":
    print(make_sample(sys.argv[1] if len(sys.argv) > 1 else "sample_data"))
