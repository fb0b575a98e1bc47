"""Builds that are killed and started again, here and on a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gazekit.core.errors import ConfigError, FormatError
from gazekit.dataset import open_dataset
from gazekit.dataset.shard_jobs import work_folder
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_fixations, made_up_ratings
from tests.fixtures.killing_builds import build_and_kill, content, run_kills, write_job
from tests.needs import need

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    pictures = cut_photographs(tmp_path_factory.mktemp("many"), 240, side=224)
    return Collection(pictures, made_up_fixations(pictures), made_up_ratings([p.image for p in pictures]))


@pytest.mark.skipif(os.name == "nt", reason="process groups are killed as POSIX does")
def test_a_killed_build_goes_on_to_the_same_file(many: Collection, tmp_path: Path) -> None:
    assert run_kills(many, tmp_path / "one", 1, seed=1) >= 1
    assert run_kills(many, tmp_path / "patches", 1, seed=2, mask="patches") >= 1
    assert run_kills(many, tmp_path / "regions", 2, seed=3, mask="region", shard=24) >= 2


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_processes_of_a_killed_build_do_not_outlive_it(many: Collection, tmp_path: Path) -> None:
    write_job(tmp_path, many, workers=2)
    command = [sys.executable, str(tmp_path / "build.py"), str(tmp_path / "job.pickle"), str(tmp_path / "d.h5")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        parent = psutil.Process(process.pid)
        deadline = time.monotonic() + 60
        while len(children := parent.children()) < 3 and time.monotonic() < deadline:  # two, and a resource tracker
            time.sleep(0.01)
        while not list(work_folder(tmp_path / "d.h5").glob("*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert len(children) == 3
    assert not psutil.wait_procs(children, timeout=600)[1]


def test_finished_parts_are_not_made_again(many: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gazekit.dataset.shard_jobs as work

    made: list[Path] = []
    make_part = work.make_part

    def counted(job: work.PartJob, target: Path) -> Path:
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(target)
        return make_part(job, target)

    monkeypatch.setattr(work, "make_part", counted)
    out = tmp_path / "d.dataset.h5"
    with pytest.raises(KeyboardInterrupt):
        many.build(out, shard=24)
    first = made.copy()
    made.clear()
    damaged = first[2]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(KeyboardInterrupt):
        many.build(out, shard=24)
    assert len(first) == 5
    assert made[0] == damaged, "a damaged part is made again, whole ones are kept"
    assert len(set(first + made)) == 9


def test_changed_input_is_noticed_after_a_kill(collection: Collection, tmp_path: Path) -> None:
    from gazekit.dataset.shards import PartJob, PartOptions
    from gazekit.pictures import Picture
    from gazekit.shapes.mask_spec import MaskSpec

    file = tmp_path / "a.jpg"
    shutil.copyfile(collection.pictures[0].file, file)
    job = PartJob((Picture("a", file),), {}, PartOptions())
    before = job.key()
    assert PartJob((Picture("a", file),), {}, PartOptions()).key() == before
    assert PartJob((Picture("a", file),), {}, PartOptions(MaskSpec(share=0.5))).key() != before
    shutil.copyfile(collection.pictures[1].file, file)
    assert job.key() != before


def test_an_older_dataset_stays_until_the_new_one_is_whole(many: Collection, tmp_path: Path) -> None:
    folder = tmp_path
    write_job(folder, many, seed=5, shard=24)
    out = folder / "d.dataset.h5"
    many.build(out, shard=24)
    old = open_dataset(out).sha256
    build_and_kill(folder, out, 0.3)
    found = open_dataset(out)
    assert found.sha256 == old or found.provenance["parameters"]["seed"] == 5
    many.build(out, shard=24, seed=5)
    assert open_dataset(out).provenance["parameters"]["seed"] == 5
    many.build(out, seed=5)
    assert not out.with_name(f"{out.name}.shards").exists(), "one file needs no shards"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and two workers, each a process of its own."""
    try:
        import distributed
    except ImportError:
        need(None, "Dask's distributed scheduler (pip install 'gazekit[cluster]')")
    folder = tmp_path_factory.mktemp("cluster")
    log = (folder / "log").open("wb")
    place = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    plain = {"stdout": log, "stderr": log, "cwd": folder}
    listen = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]
    processes = [subprocess.Popen([*dask, "scheduler", *listen], **plain)]
    serve = ["--scheduler-file", str(place), "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    processes += [subprocess.Popen([*dask, "worker", *serve], **plain) for _ in range(2)]
    client = distributed.Client(scheduler_file=str(place), timeout=600)
    with client:
        client.wait_for_workers(2, timeout=600)
        address = client.scheduler.address
    yield address, processes
    for process in processes:
        process.kill()
        process.wait()
    log.close()


def test_a_cluster_builds_the_same_file_though_a_worker_is_killed(
    many: Collection, cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, processes = cluster
    alone = many.build(tmp_path / "alone" / "d.dataset.h5", shard=12, mask="region")
    out = tmp_path / "together" / "d.dataset.h5"
    seen: list[int] = []

    def kill_one_on_the_way() -> None:
        while not (parts := list(work_folder(out).glob("[0-9]*.h5"))) and not out.exists():
            time.sleep(0.005)
        processes[1].kill()
        seen.append(len(parts))

    killer = threading.Thread(target=kill_one_on_the_way)
    killer.start()
    many.build(out, shard=12, mask="region", scheduler=address)
    killer.join()
    assert 0 < seen[0] < 20, "a worker died while there was work to do"
    assert processes[1].poll() is not None
    assert content(out) == content(alone)


def test_a_scheduler_that_does_not_answer_is_named(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("gazekit.core.parallel.TIMEOUT", "1s")
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        collection.build(tmp_path / "d.h5", scheduler="tcp://127.0.0.1:9")


def test_a_part_that_did_not_reach_the_disk_is_noticed(collection: Collection, tmp_path: Path) -> None:
    from gazekit.dataset.digests import check_pictures
    from gazekit.dataset.shards import whole_part

    path = collection.build(tmp_path / "d.dataset.h5")
    check_pictures(path)
    assert whole_part(path)
    data = bytearray(path.read_bytes())
    jpeg = collection.pictures[4].file.read_bytes()
    data[data.index(jpeg) + 99] ^= 255
    path.write_bytes(data)
    assert not whole_part(path)
    with pytest.raises(FormatError, match="picture 4 did not come back"):
        check_pictures(path)
