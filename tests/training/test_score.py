from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, FormatError, GazekitError, InputError, OutputError
from gazekit.core.files import sha256
from gazekit.dataset import open_dataset
from gazekit.training import evaluate
from gazekit.training.checkpoints import load_checkpoint, save_checkpoint
from gazekit.training.load_model import Trained, load_trained
from gazekit.training.scoring import list_pictures, score, score_block


def test_nothing_scored_is_a_failure(run: Path, tmp_path: Path) -> None:
    """A table given for a list of paths, say."""
    table = tmp_path / "ratings.csv"
    table.write_text("rater,image,score\n" + "a,b,5\n" * 3)
    done = CliRunner().invoke(gazekit, ["score", str(run), str(table), "--out", str(tmp_path / "scores.csv")])
    assert done.exit_code == 1
    assert "0 pictures scored; 4 could not be read: rater,image,score" in done.stderr


def test_a_network_of_masked_pictures_is_said_to_be_one(run: Path, pictures: Path, tmp_path: Path) -> None:
    content = load_checkpoint(run / "best.pt")
    content["identity"]["condition"] = "human"
    save_checkpoint(tmp_path / "best.pt", content)
    arguments = ["score", str(tmp_path / "best.pt"), str(pictures), "--out", str(tmp_path / "scores.csv")]
    assert "trained on masked pictures (human), and these are whole" in CliRunner().invoke(gazekit, arguments).stderr
    assert score(tmp_path / "best.pt", pictures, tmp_path / "again.csv").condition == "human"


def test_a_row_a_picture_and_the_unreadable_named(run: Path, pictures: Path, tmp_path: Path) -> None:
    summary = score(run, pictures, tmp_path / "scores.csv", precision="float32")
    table = pd.read_csv(tmp_path / "scores.csv")
    assert (summary.scored, summary.unreadable_count) == (20, 1)
    assert summary.unreadable == [str(pictures / "99.jpg")]
    expected = sorted(str(p) for p in [*pictures.rglob("*.png"), *pictures.rglob("*.jpg")])
    assert sorted(table["image"]) == expected
    bad = table[table["error"].notna()]
    assert list(bad["image"]) == [str(pictures / "99.jpg")]
    good = table[table["error"].isna()]
    shares = good[[f"p{k}" for k in range(1, 8)]].to_numpy()
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert good["mean"].to_numpy() == pytest.approx(shares @ np.arange(1, 8), abs=1e-5)
    assert not list(tmp_path.glob("*.part*"))


def test_scores_are_the_predictions_of_the_training(run: Path, dataset: Path, tmp_path: Path) -> None:
    """The same pictures through training's test and through score: the same mean scores."""
    data = open_dataset(dataset)
    test = data.indices("test")
    for i in test:
        (tmp_path / data.ids[i]).write_bytes(data.encoded(int(i)))
    score(run, [str(tmp_path / data.ids[i]) for i in test], tmp_path / "s.csv", precision="float32")
    scored = pd.read_csv(tmp_path / "s.csv").filter(regex="^p").to_numpy()
    predicted = pd.read_csv(run / "predictions.csv").filter(regex="^p").to_numpy()
    means = [evaluate(p, data.counts[test])["mae"] for p in (scored, predicted)]
    assert means[0] == pytest.approx(means[1], abs=0.02)  # resized by different, both antialiased, filters
    assert np.abs(scored - predicted).max() < 0.02


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_stopped_and_gone_on_with_there_is_no_row_twice_or_missing(
    suffix: str, run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gazekit.training.scoring.BLOCK", 4)
    monkeypatch.setattr("gazekit.training.resumable_table._SECONDS", 0.0)
    names = [str(path) for path in sorted(pictures.rglob("*")) if path.suffix in (".png", ".jpg")] * 3
    whole, killed = tmp_path / f"whole.{suffix}", tmp_path / f"killed.{suffix}"
    score(run, names, whole, precision="float32", batch=2, workers=1)

    class Killed(BaseException):
        pass

    def stopping(limit: int) -> Iterator[str]:
        for number, name in enumerate(names):
            if number >= limit:
                raise Killed
            yield name

    for limit in (20, 33, 58):  # what is read ahead and not yet written is lost
        with pytest.raises(Killed):
            score(run, stopping(limit), killed, precision="float32", batch=2, workers=1)
        with open(killed.with_name(f"{killed.name}.part"), "ab") as part:
            part.write(b"half a ro")  # what a kill in the middle of a write leaves
    summary = score(run, names, killed, precision="float32", batch=2, workers=1)
    assert summary.skipped == 52
    if suffix == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(killed), pd.read_parquet(whole))
        assert pd.read_parquet(whole)["mean"].isna().sum() == 3
    else:
        assert killed.read_bytes() == whole.read_bytes()
    assert len(list(tmp_path.glob("*.part*"))) == 0


def test_a_dry_run_says_what_is_to_be_scored_and_writes_nothing(run: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = ["score", str(run), str(pictures), "--out", str(tmp_path / "new" / "scores.csv"), "--dry-run"]
    assert CliRunner().invoke(gazekit, arguments).stderr == f"21 pictures to score: {tmp_path / 'new' / 'scores.csv'}\n"
    said = json.loads(CliRunner().invoke(gazekit, [*arguments, "--json"]).stdout)
    assert (said["left"], said["scored"], said["skipped"]) == (21, 0, 0)
    assert not (tmp_path / "new").exists()


def test_progress_is_shown_on_a_terminal(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    score(run, pictures, tmp_path / "scores.csv", precision="float32")
    assert "scoring" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_what_was_begun_with_other_pictures_is_not_gone_on_with(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gazekit.training.resumable_table._SECONDS", 0.0)
    names = [str(path) for path in sorted(pictures.rglob("*.png"))]
    out = tmp_path / "scores.csv"

    def broken() -> Iterator[str]:
        yield from names[:12]
        raise KeyboardInterrupt

    monkeypatch.setattr("gazekit.training.scoring.BLOCK", 2)
    with pytest.raises(KeyboardInterrupt):
        score(run, broken(), out, precision="float32", batch=1, workers=1)
    plan = score(run, names, out, precision="float32", batch=1, dry_run=True)
    assert (plan.skipped, plan.left) == (8, 12)
    for dry_run in (False, True):
        with pytest.raises(InputError, match="8 rows of other pictures"):
            score(run, names[::-1], out, precision="float32", batch=1, dry_run=dry_run)
    with pytest.raises(InputError, match="begun with another precision"):
        score(run, names, out, precision="bfloat16", batch=1)
    with pytest.raises(InputError, match="begun with another batch, format"):
        score(run, names, out, precision="float32", batch=8, format="jsonl")
    score(run, names[::-1], out, precision="float32", resume=False)
    assert list(pd.read_csv(out)["image"]) == names[::-1]


def test_what_was_begun_with_other_passes_is_not_gone_on_with(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more threads a pass has fewer pictures, and scores other last digits."""
    names = [str(path) for path in sorted(pictures.rglob("*.png"))] * 3
    out = begun(run, names, tmp_path, monkeypatch, batch=8, workers=1)
    with pytest.raises(InputError, match=r"begun with 8 pictures a forward pass, and here they are 4;.*--workers"):
        score(run, names, out, precision="float32", batch=8, workers=2)
    assert score(run, names, out, precision="float32", batch=8, workers=1).skipped >= 8


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="not a state"),
        pytest.param('{"bytes": 9000000, "rows": 4, "digest": ""}', id="more bytes than there are"),
    ],
)
def test_a_damaged_state_is_named(
    state: str, run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(path) for path in sorted(pictures.rglob("*.png"))] * 3
    out = begun(run, names, tmp_path, monkeypatch, batch=4, workers=1)
    out.with_name("s.csv.part.json").write_text(state)
    with pytest.raises(FormatError, match=r"s\.csv\.part\.json is damaged.*--no-resume"):
        score(run, names, out, precision="float32", batch=4, workers=1)


def begun(
    run: Path, names: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, *, batch: int, workers: int
) -> Path:
    """A table that was interrupted when 50 names were taken of it."""

    def stopping() -> Iterator[str]:
        yield from names[:50]
        raise KeyboardInterrupt

    out = folder / "s.csv"
    with monkeypatch.context() as patch:
        patch.setattr("gazekit.training.resumable_table._SECONDS", 0.0)
        patch.setattr("gazekit.training.scoring.BLOCK", batch)
        with pytest.raises(KeyboardInterrupt):
            score(run, stopping(), out, precision="float32", batch=batch, workers=workers)
    return out


def test_a_list_and_standard_input(run: Path, pictures: Path, tmp_path: Path) -> None:
    names = [str(path) for path in sorted(pictures.rglob("*.png"))][:3]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join([*names, "", "no-such.jpg"]))
    from_list = CliRunner().invoke(gazekit, ["score", str(run), str(listed), "--precision", "float32"])
    assert from_list.exit_code == 0, from_list.output
    from_stdin = CliRunner().invoke(
        gazekit, ["score", str(run), "-", "--precision", "float32", "--format", "jsonl"], input=listed.read_text()
    )
    table = pd.read_csv(io.StringIO(from_list.stdout))
    rows = [json.loads(line) for line in from_stdin.stdout.splitlines()]
    assert list(table["image"]) == [row["image"] for row in rows] == [*names, "no-such.jpg"]
    assert table["mean"].to_numpy()[:3] == pytest.approx([row["mean"] for row in rows[:3]])
    assert "no such picture" in rows[3]["error"]
    assert "1 could not be read: no-such.jpg" in from_list.stderr


def test_the_mark_before_a_list_is_no_part_of_a_path(run: Path, pictures: Path, tmp_path: Path) -> None:
    names = [str(path) for path in sorted(pictures.rglob("*.png"))][:2]
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(names).encode())
    assert list(list_pictures(listed)) == names


@pytest.mark.parametrize("text", ["", "\n \n"], ids=["empty", "blank lines"])
def test_nothing_on_standard_input(text: str, run: Path) -> None:
    done = CliRunner().invoke(gazekit, ["score", str(run), "-"], input=text)
    assert "standard input holds no path of a picture" in str(done.exception)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_a_name_that_is_no_text_is_spelt_out(run: Path, pictures: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd" / os.fsdecode(b"\xff.png")
    odd.parent.mkdir()
    odd.write_bytes(sorted(pictures.glob("*.png"))[0].read_bytes())
    assert score(run, odd.parent, tmp_path / "s.csv", precision="float32").scored == 1
    assert list(pd.read_csv(tmp_path / "s.csv")["image"]) == [f"{odd.parent}/\\udcff.png"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no device that is always full")
def test_a_full_standard_output_is_said_once(run: Path, pictures: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gazekit", "score", str(run), str(pictures)],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "gazekit: standard output cannot be written: No space left on device\n"


def test_explained_pictures_can_be_looked_at(run: Path, pictures: Path, tmp_path: Path) -> None:
    names = [str(path) for path in sorted(pictures.rglob("*.png"))][:2]
    score(run, names, tmp_path / "s.csv", explain=tmp_path / "why")
    overlays = sorted((tmp_path / "why").glob("*.jpg"))
    assert len(overlays) == 2
    assert cv2.imread(str(overlays[0])).shape == (40, 50, 3)


def test_pictures_of_one_name_are_explained_side_by_side(run: Path, pictures: Path, tmp_path: Path) -> None:
    """Twins score alike, so that neither name nor score tells them apart."""
    twins = [tmp_path / "twins" / folder / "x.png" for folder in ("a", "b")]
    for twin in twins:
        twin.parent.mkdir(parents=True)
        twin.write_bytes(sorted(pictures.glob("*.png"))[0].read_bytes())
    score(run, tmp_path / "twins", tmp_path / "s.csv", precision="float32", explain=tmp_path / "why")
    found = sorted(path.relative_to(tmp_path / "why") for path in (tmp_path / "why").rglob("*.jpg"))
    assert [path.parent.name for path in found] == ["a", "b"]
    assert len({path.name for path in found}) == 1
    score(run, map(str, twins), tmp_path / "s.csv", precision="float32", explain=tmp_path / "listed")
    assert [path.name[:12] for path in sorted((tmp_path / "listed").iterdir())] == ["000001.x.png", "000002.x.png"]


def test_what_is_kept_of_a_killed_run_is_explained(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while an overlay is written, at a place to go on from."""
    drawn: list[Path] = []

    def write(trained: Trained, picture: Path, place: Path, result: object) -> None:
        if len(drawn) == 8:
            raise KeyboardInterrupt
        drawn.append(picture)

    monkeypatch.setattr("gazekit.training.resumable_table._SECONDS", 0.0)
    monkeypatch.setattr("gazekit.training.scoring.BLOCK", 1)
    names = [str(path) for path in sorted(pictures.rglob("*.png"))]
    options = {"precision": "float32", "batch": 1, "workers": 1, "explain": tmp_path / "why"}
    monkeypatch.setattr("gazekit.training.scoring.write_overlay", write)
    with pytest.raises(KeyboardInterrupt):
        score(run, names, tmp_path / "s.csv", **options)  # type: ignore[arg-type]
    monkeypatch.setattr("gazekit.training.scoring.write_overlay", lambda _, picture, *__: drawn.append(picture))
    assert score(run, names, tmp_path / "s.csv", **options).skipped == 8  # type: ignore[arg-type]
    assert list(map(str, drawn)) == names


def test_explanations_do_not_go_among_the_pictures(run: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="whose pictures are scored"):
        score(run, pictures, tmp_path / "s.csv", explain=pictures / "why")


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        pytest.param("s.txt", {}, "format 'txt'", id="unknown-suffix"),
        pytest.param(None, {"format": "parquet"}, "standard output", id="parquet-to-stdout"),
        pytest.param("s.csv", {"scheduler": "tcp://127.0.0.1:1"}, "every worker must compute alike", id="cluster-auto"),
    ],
)
def test_wrong_options(out: str | None, options: dict[str, str], message: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        score(run, ["a.jpg"], None if out is None else tmp_path / out, **options)  # type: ignore[arg-type]


def test_a_worker_takes_only_the_file_that_was_named(run: Path, pictures: Path, tmp_path: Path) -> None:
    names = list(list_pictures(pictures))[:2]
    file = Path(shutil.copy(run / "best.pt", tmp_path))
    content = sha256(file)
    before = score_block(str(file), content, names, 4, "float32")
    with pytest.raises(InputError, match=r"best\.pt on .* is another file than where"):
        score_block(str(file), "0" * 64, names, 4, "float32")
    other = torch.load(file, weights_only=True)
    other["state_dict"] = {name: 0 * value for name, value in other["state_dict"].items()}
    torch.save(other, file)
    after = score_block(str(file), sha256(file), names, 4, "float32")  # no earlier network of the same name
    assert not np.allclose(before[0][1], after[0][1])  # type: ignore[arg-type]


def test_a_table_takes_the_place_of_files_only(run: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "s.csv").mkdir()
    with pytest.raises(OutputError, match=r"s\.csv is a folder"):
        score(run, pictures, tmp_path / "s.csv")


def test_nothing_to_score(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture to score"):
        score(run, tmp_path / "empty", tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    with pytest.raises(InputError, match="no such list of pictures or folder"):
        score(run, tmp_path / "nothing-here", tmp_path / "s.csv")


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_scheduler_that_is_not_there_leaves_nothing_behind(
    precision: str, run: Path, pictures: Path, tmp_path: Path
) -> None:
    names = [str(path) for path in sorted(pictures.glob("*.png"))]
    with pytest.raises(GazekitError, match="give --precision" if precision == "auto" else "scheduler"):
        score(run, names, tmp_path / "s.csv", scheduler="no such address", precision=precision)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("s.csv*"))


def test_a_checkpoint_of_another_model(run: Path, tmp_path: Path) -> None:
    content = load_checkpoint(run / "best.pt")
    content["identity"]["model"] = "residual-attention-narrow"
    save_checkpoint(tmp_path / "best.pt", content)
    with pytest.raises(InputError, match="weights of another model"):
        load_trained(tmp_path)


def test_a_checkpoint_of_another_number_of_buckets(run: Path, tmp_path: Path) -> None:
    content = load_checkpoint(run / "best.pt")
    content["identity"]["buckets"] = 10
    save_checkpoint(tmp_path / "best.pt", content)
    with pytest.raises(InputError, match=r"head\.\w+ is \(7.*expected \(10"):
        load_trained(tmp_path)


@pytest.mark.parametrize("fault", ["empty list", "empty folder", "no such folder"])
def test_a_wrong_source_leaves_nothing_behind(fault: str, run: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out" / "s.csv"
    if fault == "empty list":
        source.write_bytes(b"")
    elif fault == "empty folder":
        source.mkdir()
    with pytest.raises(InputError, match=r"source"):
        score(run, source, out)
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_something_that_is_not_a_trained_model(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no best\.pt"):
        load_trained(tmp_path)
    save_checkpoint(tmp_path / "last.pt", {"state_dict": {}})
    with pytest.raises(FormatError, match="does not say which model"):
        load_trained(tmp_path / "last.pt")
    with pytest.raises(InputError, match="give a checkpoint, or the folder of one run"):
        score(run.parents[3], ["a.png"])
    whole = load_checkpoint(run / "best.pt")
    save_checkpoint(tmp_path / "part.pt", {k: v for k, v in whole.items() if k != "state_dict"})
    with pytest.raises(FormatError, match="does not say which model"):
        load_trained(tmp_path / "part.pt")
    with pytest.raises(FormatError, match="not a checkpoint"):
        load_trained(run / "predictions.csv")


def test_a_narrow_network_keeps_its_weights(run: Path) -> None:
    trained = load_trained(run)
    stored = load_checkpoint(run / "best.pt")["state_dict"]
    assert all(torch.equal(value, stored[name]) for name, value in trained.network.state_dict().items())
