"""Whole studies from a TOML file: a lab's own from the sample data, AVA and Photo.net on stand-ins of their layout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.errors import ConfigError, InputError
from pipelines.config import read_pipeline
from pipelines.planted import make_picture
from pipelines.studies import run_study

pytest.importorskip("torch", reason="a study trains: pip install 'gazekit[train]'")

TRAINING = """
[training]
models = ["nima-narrow"]
conditions = [{conditions}]
seeds = 1
[training.options]
size = 32
epochs = 2
"""


def pictures(folder: Path, count: int, suffix: str = "jpg") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [str(1000 + n) for n in range(count)]
    for n, name in enumerate(names):
        pixels = make_picture(np.random.default_rng(n)).pixels[::2, ::2]
        cv2.imwrite(str(folder / f"{name}.{suffix}"), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return names


def counts(rng: np.random.Generator, scale: int) -> np.ndarray:
    return rng.multinomial(200, rng.dirichlet(np.full(scale, 2.0)))


@pytest.fixture
def ava(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A stand-in of AVA's layout: list, tags, test list, pictures."""
    names = pictures(tmp_path / "images", 100)
    folder = tmp_path / "AVA_dataset"
    (folder / "aesthetics_image_lists").mkdir(parents=True)
    rows = [f"{i} {name} {' '.join(map(str, counts(rng, 10)))} {1 + i % 2} 0 7" for i, name in enumerate(names, 1)]
    (folder / "AVA.txt").write_text("\n".join(rows) + "\n")
    (folder / "tags.txt").write_text("1 Animals\n2 Landscape\n")
    (folder / "aesthetics_image_lists" / "generic_test.jpgl").write_text("\n".join(names[:20]) + "\n")
    file = tmp_path / "ava.toml"
    head = '[pipeline]\nkind = "ava"\nfolder = "AVA_dataset"\npictures = "images"\nout = "out"\n'
    file.write_text(head + TRAINING.format(conditions='"original"'))
    return file


def test_ava_gives_the_papers_tables(ava: Path) -> None:
    out, outcomes = run_study(ava)
    assert [o.state for o in outcomes] == ["done"] * 5
    table = pd.read_csv(out / "tables" / "paper2-VI.csv")
    assert table.loc[table["network"] == "NIMA(VGG16)", "srcc_published"].iloc[0] == 0.592
    assert np.isfinite(table.loc[table["network"] == "nima-narrow", ["srcc", "srcc_low", "srcc_high"]]).all(axis=None)
    categories = pd.read_csv(out / "tables" / "paper2-IV.csv")
    ours = categories[categories["network"] == "nima-narrow"]
    assert set(ours["category"]) == {"animal", "landscape"}
    report = (out / "report.html").read_text()
    assert "State of the art on AVA" in report
    assert "published 0.592" in report
    assert {o.state for o in run_study(ava)[1]} == {"unchanged"}
    file = ava.read_text()
    ava.write_text(file.replace("epochs = 2", "epochs = 3"))
    again = {o.stage: o.state for o in run_study(ava, dry_run=True)[1]}
    assert again["dataset"] == "unchanged"
    assert again["train"] == again["report"] == "would run"


def test_photonet_runs_on_its_layout(tmp_path: Path, rng: np.random.Generator) -> None:
    names = pictures(tmp_path / "images", 150)
    rows = []
    for i, name in enumerate(names, 1):
        given = counts(rng, 7)
        rows.append(f"{i} {name} {given.sum()} 4.0 1.0 {' '.join(map(str, given))}")
    (tmp_path / "photonet.txt").write_text("\n".join(rows) + "\n")
    head = '[pipeline]\nkind = "photonet"\ncounts = "photonet.txt"\npictures = "images"\nout = "out"\n'
    (tmp_path / "photonet.toml").write_text(head + TRAINING.format(conditions='"original"'))
    out, _ = run_study(tmp_path / "photonet.toml")
    table = pd.read_csv(out / "tables" / "paper2-VII.csv")
    assert table.loc[table["network"] == "GPF-CNN(VGG16)", "lcc_published"].iloc[0] == 0.5464


def test_a_lab_study_runs_from_sessions_to_report(sample_data: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    study = tmp_path / "study"
    shutil.copytree(sample_data / "sessions", study / "sessions")
    names = pictures(study / "pictures", 96, "png")
    rows = [(f"r{r}", f"{n}.png", int(rng.integers(1, 11))) for n in names for r in range(10)]
    pd.DataFrame(rows, columns=["rater", "image", "score"]).to_csv(study / "ratings.csv", index=False)
    fixations = pd.DataFrame(
        {
            "participant": np.repeat([f"P{p}" for p in range(3)], 96 * 4),
            "image": np.tile(np.repeat([f"{n}.png" for n in names], 4), 3),
            "x_picture": rng.uniform(10, 150, 96 * 12),
            "y_picture": rng.uniform(10, 110, 96 * 12),
            "duration_ms": rng.uniform(100, 400, 96 * 12),
        }
    )
    fixations.to_csv(study / "fixations.csv", index=False)
    text = (sample_data / "study.toml").read_text().replace('list = "pictures.csv"', 'folder = "pictures"')
    more = '\n[dataset]\nratings = "ratings.csv"\nfixations = "fixations.csv"\nscale = 10\nsigma_px = 8.0\n'
    (study / "study.toml").write_text(text + more)
    file = tmp_path / "gbr.toml"
    head = '[pipeline]\nkind = "gbr"\nstudy = "study/study.toml"\nout = "out"\nnote = "simulated"\n'
    file.write_text(head + TRAINING.format(conditions='"original", "human", "shuffled"'))
    out, _ = run_study(file)
    table = pd.read_csv(out / "tables" / "paper1-1.csv")
    ours = table[table["network"] == "nima-narrow"]
    assert set(ours["condition"]) == {"original", "human", "shuffled"}
    assert ours["emd1"].notna().all()
    assert "simulated" in (out / "report.html").read_text()


def test_what_is_not_downloaded_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "ava.toml"
    head = '[pipeline]\nkind = "ava"\nfolder = "AVA_dataset"\npictures = "images"\n'
    file.write_text(head + TRAINING.format(conditions='"original"'))
    with pytest.raises(InputError, match=r"not there: folder .*AVA\.txt.*Put its list into"):
        run_study(file)


def test_all_faults_of_the_file_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[pipeline]\nkind = "gbr"\nfolder = "x"\n[training]\nmodel = ["a"]\n')
    with pytest.raises(ConfigError) as caught:
        read_pipeline(file)
    message = str(caught.value)
    assert "needs study" in message
    assert "no use for folder" in message
    assert "did you mean 'models'" in message


def test_the_command_plans_and_runs(ava: Path) -> None:
    command = [sys.executable, "-m", "gazekit", "run", str(ava)]
    plan = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True)
    assert plan.stderr.count("would run") == 5
    wrong = subprocess.run([*command[:-1], "no.toml"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "no such study file" in wrong.stderr


def test_wrong_training_is_refused_before_anything_runs(ava: Path) -> None:
    text = ava.read_text().replace("nima-narrow", "nima-narow").replace("epochs = 2", 'epohs = 2\nfill = "red"')
    ava.write_text(text)
    with pytest.raises(ConfigError) as found:
        run_study(ava, dry_run=True)
    for words in ("epohs: unknown key; did you mean 'epochs'", "fill", "found 'red'", "did you mean nima-narrow"):
        assert words in str(found.value)
    assert not (ava.parent / "out").exists()
