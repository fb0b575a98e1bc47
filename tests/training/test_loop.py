from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gazekit.core.errors import ConfigError, FormatError, InputError, TrainingError
from gazekit.dataset import open_dataset
from gazekit.models.input_spec import Look, aspects_of
from gazekit.training.checkpoints import load_checkpoint, save_checkpoint
from gazekit.training.loading import Draw, Reader, epoch_plan, in_order, mirrored, open_examples
from gazekit.training.loop import Saver, TrainingState, fit, predict, use_weights
from gazekit.training.recipe import make_recipe
from gazekit.training.schedule import finished, plateaus, rate_factor

Make = Callable[..., tuple[TrainingState, Saver]]


class Killed(BaseException):
    """As if the process had been killed."""


def trained(make: Make, **options: Any) -> dict[str, Any]:
    run, saver = make(**options)
    fit(run, saver)
    return load_checkpoint(saver.folder / "last.pt")


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="adam"),
        pytest.param({"optimizer": "sgd", "schedule": "plateau", "lr_step": 1}, id="sgd-plateau"),
        pytest.param({"ema": 0.9, "clip": 1.0, "accumulate": 2}, id="ema-clip-accumulate"),
        pytest.param({"precision": "bf16", "channels_last": True}, id="bf16-channels-last"),
        pytest.param({"model": "residual-attention-narrow", "epochs": 2}, id="residual-attention"),
    ],
)
def test_stopped_anywhere_it_ends_in_the_same_weights(
    make: Make, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Killed after random steps, checkpoints at every step; the final state is equal bit for bit."""
    whole = trained(make, **options)
    for path in tmp_path.glob("*.pt"):
        path.unlink()
    original = Saver.offer
    for _ in range(200):
        left = int(rng.integers(1, 6))

        def offer(self: Saver, run: TrainingState) -> None:
            nonlocal left
            left -= 1
            if rng.random() < 0.7 or left > 0:  # sometimes killed before the checkpoint, sometimes after
                original(self, run)
            if left <= 0:
                raise Killed

        monkeypatch.setattr(Saver, "offer", offer)
        try:
            again = trained(make, **options)
            break
        except Killed:
            continue
    assert same(again, whole)


def test_training_learns_what_there_is_to_learn(make: Make) -> None:
    run, saver = make(epochs=15, lr=3e-3)
    fit(run, saver)
    assert run.best is not None
    use_weights(run, run.best)
    predicted = predict(run, run.task.validation) @ np.arange(1, 11)
    truth = run.task.truth[run.task.validation.indices].numpy() @ np.arange(1, 11)
    assert np.corrcoef(predicted, truth)[0, 1] > 0.8


def test_an_epoch_holds_every_picture_once() -> None:
    indices = np.arange(100, 143)
    plan = epoch_plan(indices, 8, seed=1, epoch=2)
    assert sorted(np.concatenate(plan)) == list(indices)
    assert {len(batch) for batch in plan} <= {7, 8}
    assert all(map(np.array_equal, plan, epoch_plan(indices, 8, seed=1, epoch=2)))
    assert not np.array_equal(np.concatenate(plan), np.concatenate(epoch_plan(indices, 8, seed=1, epoch=3)))


def test_pictures_of_all_shapes_go_in_batches_of_one(rng: np.random.Generator) -> None:
    sizes = np.stack([rng.integers(200, 900, 200), rng.integers(200, 900, 200)], axis=1)
    look = Look("view", 224, aspects_of(sizes, 4))
    shapes = np.array([look.shape((h, w)) for h, w in sizes.tolist()])
    assert (shapes.max(axis=1) == 224).all()
    assert len(np.unique(shapes, axis=0)) == 4
    stretched = np.log(shapes[:, 0] / shapes[:, 1]) - np.log(sizes[:, 0] / sizes[:, 1])
    squared = np.log(sizes[:, 0] / sizes[:, 1])
    assert np.abs(stretched).mean() < 0.4 * np.abs(squared).mean()
    indices = np.arange(20, 200)
    plan = epoch_plan(indices, 16, 0, 0, shapes)
    assert sorted(np.concatenate(plan)) == list(indices)
    assert all((shapes[batch] == shapes[batch[0]]).all() for batch in plan)
    assert sorted(np.concatenate(in_order(indices, 16, shapes))) == list(indices)


def test_mirroring_depends_on_the_picture_and_not_on_its_batch(rng: np.random.Generator) -> None:
    images = torch.from_numpy(rng.integers(0, 255, (60, 3, 4, 4), dtype=np.uint8))
    (whole,) = mirrored((images,), np.arange(60), Draw(0, 3), 60)
    assert torch.equal(mirrored((images[40:],), np.arange(40, 60), Draw(0, 3), 60)[0], whole[40:])
    flipped = (whole != images).flatten(1).any(1)
    assert 15 < int(flipped.sum()) < 45
    assert torch.equal(whole[flipped], images[flipped].flip(-1))


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_processes_bring_what_memory_holds(dataset: Path, workers: int) -> None:
    data = open_dataset(dataset)
    indices = data.indices("train")
    plan = epoch_plan(indices, 16, 0, 0)
    reader = Reader(data, "human", Look("view", 32))
    memory, loader = (open_examples(reader, indices, memory_gb=gb, workers=workers, changing=False) for gb in (1, 0))
    assert type(memory) is not type(loader)
    for _ in range(2):  # two epochs of one loader
        for (held,), (brought,) in zip(memory.stream(plan), loader.stream(plan), strict=True):
            assert torch.equal(held, brought)


def test_a_loss_that_is_not_a_number_names_the_pictures(make: Make) -> None:
    run, saver = make()
    run.task.truth[int(run.task.train.indices[5])] = float("nan")
    with pytest.raises(TrainingError, match=rf"nan in epoch 1, step \d.*picture{run.task.train.indices[5]}\b") as told:
        fit(run, saver)
    assert "another --out" in str(told.value)  # the folder would refuse another --lr


def test_a_validation_loss_that_is_not_a_number_names_the_pictures(make: Make) -> None:
    run, saver = make()
    bad = int(run.task.validation.indices[2])
    run.task.truth[bad] = float("nan")
    with pytest.raises(TrainingError, match=rf"validation loss .* after epoch 1, on the pictures picture{bad}\. "):
        fit(run, saver)


def test_batch_normalisation_of_one_value_names_the_picture(make: Make) -> None:
    run, saver = make(model="nima-mobilenet", batch=1)
    with pytest.raises(
        TrainingError, match=r"more than one value in epoch 1, step 1, on the pictures picture\d+\. .*--size"
    ):
        fit(run, saver)


def test_two_learning_rates(make: Make) -> None:
    run, saver = make(lr=1e-3, lr_backbone=0.0, epochs=1)
    before = {name: value.clone() for name, value in run.model.named_parameters()}
    fit(run, saver)
    moved = {name.split(".")[0] for name, value in run.model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"head"}


def test_accumulation_is_the_same_step(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without batch statistics or dropout, a batch in parts is the batch."""
    ends = []
    for accumulate in (1, 3):
        run, _ = make(optimizer="sgd", lr=0.1, epochs=1, accumulate=accumulate)
        for module in run.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
                module.eval()
                monkeypatch.setattr(module, "train", lambda mode=True: None)
        fit(run, Saver(Path("/nowhere"), {}, leads=False))
        ends.append(torch.cat([p.detach().flatten() for p in run.model.parameters()]))
    assert torch.allclose(ends[0], ends[1], atol=1e-5)


def test_the_moving_average_is_what_is_tested(make: Make) -> None:
    run, saver = make(ema=0.999, epochs=2)
    start = {name: value.clone() for name, value in run.model.state_dict().items()}
    fit(run, saver)
    assert run.best is not None
    drift = [float((run.best[n] - start[n]).abs().max()) for n in start if start[n].is_floating_point()]
    own = [float((v - start[n]).abs().max()) for n, v in run.model.state_dict().items() if v.is_floating_point()]
    assert max(drift) < 0.1 * max(own)


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"),
    [
        pytest.param("constant", range(4), [1, 1, 1, 1], id="constant"),
        pytest.param("step", [0, 9, 10, 25], [1, 1, 0.1, 0.01], id="step"),
        pytest.param("cosine", [0, 15, 29], [1, 0.5, 0.00274], id="cosine"),
    ],
)
def test_schedules(schedule: str, epochs: list[int], expected: list[float]) -> None:
    recipe = make_recipe(schedule=schedule, epochs=30)
    assert [rate_factor(recipe, epoch, []) for epoch in epochs] == pytest.approx(expected, abs=1e-5)


def test_plateaus_are_as_torch_counts_them(rng: np.random.Generator) -> None:
    losses = list(rng.random(200) + np.linspace(1, 0.5, 200))
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=9, threshold=0)
    recipe = make_recipe(schedule="plateau", lr_step=10, lr_factor=0.5)
    for epoch, loss in enumerate(losses):
        peer.step(loss)
        assert rate_factor(recipe, epoch + 1, losses[: epoch + 1]) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert plateaus(losses, 10) > 2


def test_it_stops_after_ten_epochs_without_progress() -> None:
    recipe = make_recipe(epochs=100, patience=10)
    assert not finished(recipe, [1.0, 0.5, *[0.6] * 9])
    assert finished(recipe, [1.0, 0.5, *[0.6] * 10])
    assert finished(recipe, [1.0 / n for n in range(1, 101)])


def test_all_wrong_options_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"(?s)epochs.*lr.*optimizer.*colour") as caught:
        make_recipe(epochs=0, lr=-1, optimizer="sdg", colour="red")
    assert "the recipe of training has 4 faults" in str(caught.value)


# -- checkpoints ---------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_another_run_is_refused(make: Make) -> None:
    run, saver = make(epochs=1)
    fit(run, saver)
    other = Saver(saver.folder, {"cell": "vgg16"})
    with pytest.raises(InputError, match=r"belongs to another run .*'nima-narrow' there, 'vgg16' here"):
        other.restore(run)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a checkpoint", id="text"),
        pytest.param(b"PK\x03\x04" + b"\0" * 200, id="broken-zip"),
    ],
)
def test_a_damaged_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"last\.pt"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FormatError, match="damaged"):
        load_checkpoint(path)


def test_a_checkpoint_with_wrong_bytes_is_named(tmp_path: Path, rng: np.random.Generator) -> None:
    """Whatever torch stumbles over; its advice to load without safety is not passed on."""
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"state_dict": {f"w{k}": torch.zeros(3, 4) for k in range(5)}})
    good = path.read_bytes()
    start = good.index(b"data.pkl")
    refused = []
    for _ in range(400):
        wrong = bytearray(good)
        for place in rng.integers(start, start + 900, 3):
            wrong[place] = rng.integers(256)
        path.write_bytes(wrong)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the unpickler, about what it stumbles over
                load_checkpoint(path)
        except FormatError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not [message for message in refused if "weights_only" in message or "Weights only" in message]


def test_a_checkpoint_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(FormatError, match=r"schema None, expected 'gazekit[.]checkpoint/1'"):
        load_checkpoint(path)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX's")
def test_when_the_disk_is_full_the_last_good_checkpoint_stays(tmp_path: Path) -> None:
    """A real refusal by the system: files of this process may not grow beyond 100 kB."""
    code = """
        import resource, sys, torch
        from pathlib import Path
        from gazekit.core.errors import OutputError
        from gazekit.training.checkpoints import save_checkpoint
        path = Path(sys.argv[1])
        save_checkpoint(path, {"weights": torch.zeros(100)})
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            save_checkpoint(path, {"weights": torch.zeros(1_000_000)})
        except OutputError as error:
            print(error)
    """
    path = tmp_path / "last.pt"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], capture_output=True, text=True, check=True
    )
    assert "cannot be written: File too large; the one before it stays" in done.stdout
    assert len(load_checkpoint(path)["weights"]) == 100
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_metrics_are_json_lines(make: Make) -> None:
    run, saver = make(epochs=2)
    fit(run, saver)
    rows = [json.loads(json.dumps(row)) for row in run.history]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0].keys() == {"epoch", "lr", "train_loss", "validation_loss"}


def test_what_was_read_is_written_in_the_same_bytes(make: Make) -> None:
    """Also best weights and history, whose texts are other objects then: a run that goes on ends in the same files."""
    state, saver = make(epochs=2)
    fit(state, saver)
    for name in ("best.pt", "last.pt"):
        path = saver.folder / name
        before = path.read_bytes()
        save_checkpoint(path, {key: value for key, value in load_checkpoint(path).items() if key != "schema"})
        assert path.read_bytes() == before, name
