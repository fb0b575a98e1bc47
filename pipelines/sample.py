"""Makes ``sample_data``: a small complete study with simulated people, by ``python -m pipelines.sample``.

Everything in it can be made again, bit for bit: the study file, a list of photographs that scikit-image carries, two
sessions of the simulated tracker and the individual ratings of simulated raters.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from gazekit.capture import record
from gazekit.core.files import whole_file, write_text
from gazekit.core.tables import read_table, write_table
from gazekit.events import session_fixations
from gazekit.histograms import write_histograms
from gazekit.pictures import read_picture
from gazekit.session import open_session
from gazekit.study import read_study
from pipelines.example import LABORATORY
from pipelines.planted import make_study
from survey.aggregation import aggregate
from survey.database import open_store
from survey.rating_export import export_ratings
from survey.simulate import fill

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg")
PARTICIPANTS = ("P01", "P02")
COMPARED = 40  # pictures of `comparison/`
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
recordings of the simulated tracker) and `ratings.csv` (individual ratings on a scale of 1 to 10). `comparison/` is what
a comparison of networks needs: 40 made pictures, and the fixations and histograms of simulated people.
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
    opinions = np.random.default_rng(SEED).uniform(3, 8, len(PHOTOGRAPHS))
    write_table(_ratings(dict(zip(PHOTOGRAPHS, opinions, strict=True))), folder / "ratings.csv")
    _make_comparison(folder / "comparison")
    return folder


def _make_comparison(folder: Path) -> None:
    """Write pictures with a planted truth, and what simulated people looked at and thought of them."""
    if folder.exists():
        shutil.rmtree(folder)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        table = make_study(scratch, COMPARED, SEED)
        table["image"] = table["image"].str.replace(".png", ".jpg")
        for image, file in zip(table["image"], table["file"], strict=True):
            pixels = cv2.cvtColor(read_picture(scratch / file), cv2.COLOR_RGB2BGR)
            with whole_file(folder / "pictures" / image) as temporary:
                temporary.write_bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
        table["file"] = [str((folder / "pictures" / image).resolve()) for image in table["image"]]
        write_table(table, scratch / "pictures.csv")
        interest = 'rate_hz = 120\ninterest = "pictures.csv"\n\n[presentation]\nduration_ms = 2000\n'
        write_text(scratch / "study.toml", f'[study]\nname = "comparison"\nseed = {SEED}\n{LABORATORY}{interest}')
        study = read_study(scratch / "study.toml")
        fixations = []
        for participant in ("P01", "P02", "P03"):
            session = open_session(record(study, participant, scratch / "sessions", realtime=False))
            fixations.append(session_fixations(session, "ivt").dropna(subset=["x_picture"]).round(3))
        write_table(pd.concat(fixations), folder / "fixations.csv")
        opinions = read_table(scratch / "opinions.csv", ["opinion"])["opinion"]
    ratings = _ratings(dict(zip(table["image"], opinions, strict=True)))
    write_histograms(
        aggregate(ratings, scale=10)[["image", "n", *(f"c{k}" for k in range(1, 11))]], folder / "histograms.csv"
    )


def _ratings(opinions: dict[str, float]) -> pd.DataFrame:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(Path(folder) / "survey.sqlite3", durable=False) as store,
    ):
        fill(store, opinions, per_picture=12, seed=SEED)
        return export_ratings(store)


if __name__ == "__main__":
    print(make_sample(sys.argv[1] if len(sys.argv) > 1 else "sample_data"))
