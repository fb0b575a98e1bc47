"""Whole studies from a TOML file: a lab's own from the sample data, AVA and Photo.net on stand-ins of their layout."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import ConfigError, InputError
from pipelines.config import read_pipeline
from pipelines.planted import make_picture
from pipelines.stages import run_stages
from pipelines.studies import run_study, study_stages
from tests.conftest import ROOT
from tests.fixtures.code_copy import OTHER_NETWORK, Copy
from tests.fixtures.command_line import gazekit

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


@cache
def encoded(number: int, suffix: str) -> bytes:
    pixels = make_picture(np.random.default_rng(number)).pixels[::2, ::2]
    return cv2.imencode(f".{suffix}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def pictures(folder: Path, count: int, suffix: str = "jpg") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [str(1000 + n) for n in range(count)]
    for n, name in enumerate(names):
        (folder / f"{name}.{suffix}").write_bytes(encoded(n, suffix))
    return names


def study_file(folder: Path, kind: str, source: str) -> Path:
    """The study of a published dataset whose pictures lie in ``images``."""
    file = folder / f"{kind}.toml"
    head = f'[pipeline]\nkind = "{kind}"\n{source}\npictures = "images"\nout = "out"\n'
    file.write_text(head + TRAINING.format(conditions='"original"'))
    return file


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
    return study_file(tmp_path, "ava", 'folder = "AVA_dataset"')


def test_ava_gives_the_papers_tables_and_only_what_tells_on_them_runs_again(ava: Path) -> None:
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
    ava.write_text(file.replace("seeds = 1", "seeds = 1\njobs = 2") + "checkpoint_seconds = 5\nworkers = 1\n")
    assert {o.state for o in run_study(ava)[1]} == {"unchanged"}
    ava.write_text(file.replace("epochs = 2", "epochs = 3"))
    again = {o.stage: o.state for o in run_study(ava, dry_run=True)[1]}
    assert again["dataset"] == "unchanged"
    assert again["train"] == again["report"] == "would run"


def test_changed_code_of_a_network_reaches_tables_and_report(ava: Path, own_copy: Copy) -> None:
    def states() -> dict[str, str]:
        stages = json.loads(own_copy.run("-m", "gazekit", "run", str(ava), "--json"))["stages"]
        return {stage["stage"]: stage["state"] for stage in stages}

    results = ("comparison.csv", "categories.csv", "tables/paper2-VI.csv", "tables/paper2-IV.csv", "report.html")
    out = ava.parent / "out"
    assert set(states().values()) == {"done"}
    before = {name: (out / name).read_text() for name in results}
    own_copy.change("gazekit/models/distribution.py", *OTHER_NETWORK)
    assert [name for name, state in states().items() if state == "done"] == ["train", "compare", "tables", "report"]
    after = {name: (out / name).read_text() for name in results}
    assert [name for name in results if before[name] == after[name]] == []
    own_copy.change("gazekit/models/distribution.py", "", "# said otherwise")
    again = states()
    assert (again["train"], again["compare"], again["tables"]) == ("done", "unchanged", "unchanged")
    assert {name: (out / name).read_text() for name in results[:-1]} == {name: after[name] for name in results[:-1]}


def test_categories_that_are_gone_leave_the_tables(ava: Path) -> None:
    out, _ = run_study(ava)
    assert (out / "categories.csv").exists()
    (ava.parent / "AVA_dataset" / "tags.txt").unlink()
    run_study(ava)
    assert not (out / "categories.csv").exists()
    assert "landscape" not in (out / "tables" / "paper2-IV.csv").read_text().split("nima-narrow")[-1]


@pytest.fixture
def photonet(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A stand-in of Photo.net's layout: list of counts, pictures."""
    rows = []
    for i, name in enumerate(pictures(tmp_path / "images", 150), 1):
        given = counts(rng, 7)
        scores = np.repeat(np.arange(1, 8), given)
        rows.append(f"{i} {name} {len(scores)} {scores.mean():.4f} {scores.std():.4f} {' '.join(map(str, given))}")
    (tmp_path / "photonet_dataset.txt").write_text("\n".join(rows) + "\n")
    return study_file(tmp_path, "photonet", 'counts = "photonet_dataset.txt"')


def test_a_study_goes_on_with_the_networks_of_another(photonet: Path) -> None:
    """Pretrained on one set and trained on another, each seed from its own network: one file to run."""
    text = photonet.read_text().replace("seeds = 1", "seeds = 2")
    photonet.write_text(text)
    second = photonet.with_name("second.toml")
    weights = 'after = "photonet.toml"\n[training.weights]\nnima-narrow = "out"\n[training.options]'
    second.write_text(text.replace('out = "out"', 'out = "second"').replace("[training.options]", weights))
    said: list[str] = []
    assert {outcome.state for outcome in run_study(second, dry_run=True, tell=said.append)[1]} == {"would run"}
    assert "is known when photonet.toml is done" in said[-1]
    out, _ = run_study(second)
    for seed in (0, 1):
        run = "runs/nima-narrow/original/seed" + str(seed)
        made_with = json.loads((out / run / "machine.json").read_text())["weights"]
        first = photonet.parent / "out" / run / "best.pt"
        assert made_with["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
        losses = [
            json.loads((folder / run / "metrics.jsonl").read_text().splitlines()[0])
            for folder in (first.parents[4], out)
        ]
        assert losses[1]["train_loss"] < losses[0]["train_loss"]
    whole = second.read_text()
    second.write_text(whole.replace('nima-narrow = "out"', 'nima-wide = "out"'))
    with pytest.raises(ConfigError, match=r"training\.weights: nima-wide is not one of the models"):
        run_study(second)
    second.write_text(whole.replace("seeds = 2", "seeds = 3"))
    with pytest.raises(ConfigError, match=r"no runs/nima-narrow/original/seed2/best\.pt for nima-narrow with seed 2"):
        run_study(second)


@pytest.fixture
def lab(sample_data: Path, tmp_path: Path, rng: np.random.Generator) -> Path:
    """A lab's study: sessions of the sample data, 96 pictures, ratings one by one, a fixation table."""
    study = tmp_path / "study"
    shutil.copytree(sample_data / "sessions", study / "sessions", ignore=shutil.ignore_patterns(".explore"))
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
    return file


def test_a_lab_study_runs_from_ratings_to_report(lab: Path) -> None:
    out, _ = run_study(lab)
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


def test_the_command_plans_and_runs(ava: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = gazekit(capfd, "run", ava, "--dry-run")
    assert (code, said.count("would run")) == (0, 5)
    code, said = gazekit(capfd, "run", "no.toml")
    assert code == 1
    assert "no such study file" in said


def refusal(file: Path, error: type[Exception] = ConfigError) -> str:
    """What a study that cannot run says; nothing of it must have run."""
    with pytest.raises(error) as found:
        run_study(file)
    assert not (file.parent / "out").exists()
    return str(found.value)


def test_further_seeds_are_trained_beside_those_that_are_done(ava: Path) -> None:
    said: list[str] = []
    out, _ = run_study(ava)
    done = out / "runs/nima-narrow/original/seed0/done.json"
    first = done.stat().st_mtime_ns
    ava.write_text(ava.read_text().replace("seeds = 1", "seeds = 2"))
    _, outcomes = run_study(ava, tell=said.append)
    assert [o.state for o in outcomes] == ["unchanged", "done", "done", "done", "done"]
    assert "[2/5] train ..." in said
    assert done.stat().st_mtime_ns == first
    assert (out / "runs/nima-narrow/original/seed1/done.json").exists()
    second = out / "runs/nima-narrow/original/seed1/done.json"
    trained = second.stat().st_mtime_ns
    ava.write_text(ava.read_text().replace("seeds = 2", "seeds = [1]"))  # what is no longer asked for is taken out
    run_study(ava)
    assert not done.exists()
    assert second.stat().st_mtime_ns == trained
    assert json.loads((out / "config.json").read_text())["grid"]["seeds"] == [1]
    seeds = pd.read_csv(out / "comparison.csv").query("level == 'seed'")["seed"]
    assert seeds.tolist() == [1]


def test_wrong_training_is_refused_before_anything_runs(ava: Path) -> None:
    text = ava.read_text().replace("nima-narrow", "nima-narow")
    ava.write_text(text.replace("epochs = 2", 'epohs = 2\nfill = "red"'))
    message = refusal(ava)
    for words in ("epohs: unknown key; did you mean 'epochs'", "fill", "found 'red'", "did you mean nima-narrow"):
        assert words in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"original"', '"orignal"', "unknown condition 'orignal'; did you mean original?"),
        ('"original"', '"human"', "the study has no gaze"),
        ("seeds = 1", "seeds = 0", "1 or more"),
        ("seeds = 1", "seeds = [-1]", "each 0 to 4294967295"),
        ("seeds = 1", "seeds = []", "each 0 to 4294967295"),
        ("[training]", "[dataset]\nseed = -1\n[training]", "dataset.seed: should be greater than or equal to 0"),
        ("seeds = 1", 'scheduler = "here"', "a scheduler's address is tcp://host:port"),
        ("size = 32", "model_options = {dropout = 7.0}", "nima-narrow: dropout is 7.0; a number from 0"),
        ("size = 32", 'weights = "AVA_dataset/tags.txt"', "training.options: nima-narrow: "),
        ("size = 32", "crop = 0.8", "gpf-resnet18: chooses its own parts of pictures; leave crop out"),
        ("seeds = 1", 'scheme = "nope"', "unknown split scheme 'nope'; known: ava, ava1, ava2, default"),
        ('"nima-narrow"', '"nima-narrow", "nima-inception"', "nima-inception: needs pictures of 75 px or more"),
        ("size = 32", 'weights = "best.pt"', "no such file of weights: "),
        ("size = 32", 'device = "cuda:77"', "there is no device 'cuda:77'"),
        ("size = 32", "model_options = {dropuot = 0.5}", "'dropuot'; did you mean dropout?"),
        ("seeds = 1", "job = 2", "training.job: unknown key; did you mean 'jobs'?"),
        ('"ava"', '"avva"', "'gbr', 'ava' or 'photonet', found 'avva'"),
        ('out = "out"', 'out = "out"\ntables = ["paper2-V"]', "no table 'paper2-V'"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(ava: Path, old: str, new: str, words: str) -> None:
    text = ava.read_text()
    assert old in text
    text = text.replace("nima-narrow", "gpf-resnet18") if "crop" in new else text
    ava.write_text(text.replace(old, new))
    assert words in refusal(ava)


def test_the_published_split_is_asked_for_only_where_it_is(ava: Path) -> None:
    (ava.parent / "AVA_dataset" / "aesthetics_image_lists" / "generic_test.jpgl").unlink()
    message = refusal(ava)
    assert "unknown split scheme 'ava'" in message
    assert "generic_test.jpgl, which is not there" in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "", ""),
        ('"human"', '"humna"', "unknown condition 'humna'; did you mean human"),
        ('fixations = "fixations.csv"', "", "the study has no gaze"),
        ('ratings = "ratings.csv"', "", "[dataset] needs ratings"),
        ('ratings = "ratings.csv"', 'ratings = "rating.csv"', "no such file: "),
        ('"fixations.csv"', '"fixations.csv"\nsessions = ["sessions"]', "has both fixations and sessions"),
        ('fixations = "fixations.csv"', 'sessions = ["pictures"]', "no session file"),
        ("seed = 7", "seed = -7", "study.seed is -7; it must be 0 or more"),
        ("scale = 10", 'scale = 10\npartitions = ["ava3"]', "unknown partition 'ava3'; did you mean ava"),
        ("scale = 10", 'scale = 10\nconditions = ["center"]', "unknown condition 'center'; did you mean centre?"),
        ("seeds = 1", 'seeds = 1\nscheme = "fold2"', "unknown split scheme 'fold2'; known: default"),
        ('"human"', '"synthetic-masks"', "synthetic-masks needs Residual Attention Networks; nima-narrow is none"),
    ],
)
def test_what_is_wrong_with_a_lab_study_is_refused_before_anything_runs(
    lab: Path, old: str, new: str, words: str
) -> None:
    for file in (lab, lab.parent / "study" / "study.toml"):
        file.write_text(file.read_text().replace(old, new) if old else file.read_text())
    if words:
        error = InputError if words.startswith("no such file") else ConfigError
        assert words in refusal(lab, error)
    else:
        assert len(run_study(lab, dry_run=True)[1]) == 5


@pytest.mark.parametrize("kind", ["gbr", "ava", "photonet"])
def test_a_folder_for_a_file_is_named(tmp_path: Path, kind: str) -> None:
    places = {"gbr": ["study"], "ava": ["folder", "pictures"], "photonet": ["counts", "pictures"]}[kind]
    lines = [f'{name} = "{name}"' for name in places]
    for name in places:
        if name in ("study", "counts"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).touch()
    file = tmp_path / "x.toml"
    file.write_text("\n".join(["[pipeline]", f'kind = "{kind}"', *lines]) + TRAINING.format(conditions='"original"'))
    message = refusal(file, InputError)
    assert all(f"{name} ({tmp_path / name}) is a" in message for name in places)


def test_the_picture_list_is_part_of_the_dataset(lab: Path) -> None:
    study = lab.parent / "study"
    names = sorted(file.name for file in (study / "pictures").iterdir())
    listed = pd.DataFrame({"image": names, "file": [f"pictures/{name}" for name in names]})
    listed.to_csv(study / "list.csv", index=False)
    text = (study / "study.toml").read_text().replace('folder = "pictures"', 'list = "list.csv"')
    (study / "study.toml").write_text(text)
    config = read_pipeline(lab)
    run_stages(study_stages(config, lab.parent)[:1], lab.parent / config.pipeline.out)
    assert run_study(lab, dry_run=True)[1][0].state == "unchanged"
    listed["image"] = "new-" + listed["image"]  # the same files, in the same order
    listed.to_csv(study / "list.csv", index=False)
    assert run_study(lab, dry_run=True)[1][0].state == "would run"


def test_weights_lie_beside_the_file_and_are_part_of_the_training(ava: Path) -> None:
    ava.write_text(ava.read_text() + 'weights = "best.pt"\n')
    config = read_pipeline(ava)
    assert config.recipe_options(ava.parent)["weights"] == str(ava.parent / "best.pt")
    train = study_stages(config, ava.parent)[1]
    assert ava.parent / "best.pt" in train.inputs


@pytest.mark.parametrize("kind", ["gbr", "ava", "photonet"])
def test_the_example_of_a_study_runs_on_its_layout(
    kind: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = request.getfixturevalue("lab" if kind == "gbr" else kind).parent
    file = (folder / "study" if kind == "gbr" else folder) / "example.toml"
    assert gazekit(capfd, "run", file, "--new", kind)[0] == 0
    code, said = gazekit(capfd, "run", file, "--new", kind)
    assert (code, "never overwritten" in said) == (1, True)
    assert [o.state for o in run_study(file, dry_run=True)[1]] == ["would run"] * 5  # as it stands
    text = re.sub(r"models = \[.*\]", 'models = ["nima-narrow"]', file.read_text())
    text = re.sub(r"conditions = \[.*\]", 'conditions = ["original"]', text)
    text = text.replace("# size = 224", "size = 32").replace("epochs = 30", "epochs = 1").replace("workers = 4", "")
    file.write_text(text)
    out, _ = run_study(file)
    assert "nima-narrow" in (out / "report.html").read_text()
    assert (out / "tables").is_dir()
    if kind == "photonet":
        table = pd.read_csv(out / "tables" / "paper2-VII.csv")
        assert table.loc[table["network"] == "GPF-CNN(VGG16)", "lcc_published"].iloc[0] == 0.5464


def test_the_examples_of_the_documentation_run_on_their_layout(ava: Path, lab: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "how-to" / "whole-study.md").read_text(), re.DOTALL)
    files = {kind: block for block in blocks for kind in ("gbr", "ava") if f'kind = "{kind}"' in block}
    for folder, kind in ((ava.parent, "ava"), (lab.parent / "study", "gbr")):
        (folder / "shown.toml").write_text(files[kind])
        assert [o.state for o in run_study(folder / "shown.toml", dry_run=True)[1]] == ["would run"] * 5


def test_a_study_tests_every_picture_once_and_says_what_it_claims(ava: Path) -> None:
    text = ava.read_text().replace("seeds = 1", "seeds = 1\ncross_validate = 3")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("scheme"))
    ava.write_text(text + '\n[comparison]\nmetric = "emd2"\nmargin = 0.1\n')
    out, _ = run_study(ava)
    assert json.loads((out / "config.json").read_text())["cross_validation"] == {"folds": 3, "repeats": 1}
    words = json.loads((out / "conclusion.json").read_text())
    assert (words["primary"], words["margin"], words["folds"]) == ("emd2", 0.1, 3)
    states = {outcome.stage: outcome.state for outcome in run_study(ava)[1]}
    assert set(states.values()) == {"unchanged"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('cross_validate = 3\nscheme = "ava1"', "cross_validate tests on every picture"),
        ("repeats = 2", "repeats deals the folds of cross_validate anew"),
        ("cross_validate = 2", "greater than or equal to 3"),
    ],
)
def test_ways_of_splitting_that_do_not_go_together_are_refused(ava: Path, line: str, fault: str) -> None:
    text = "\n".join(one for one in ava.read_text().splitlines() if not one.startswith("scheme"))
    ava.write_text(text.replace("seeds = 1", f"seeds = 1\n{line}"))
    with pytest.raises(ConfigError, match=fault):
        run_study(ava)
