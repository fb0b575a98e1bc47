"""`gazekit serve`: the same scores over HTTP."""

from __future__ import annotations

import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from waitress import create_server

from gazekit.cli import gazekit
from gazekit.core.errors import InputError
from gazekit.training.load_model import load_trained
from gazekit.training.scoring import score
from gazekit.training.server import make_app


@pytest.fixture
def address(run: Path) -> Iterator[str]:
    """A real server on a free port."""
    server = create_server(make_app(load_trained(run)), host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(server.close)  # on its own thread: nothing is closed under what waits for it
    thread.join(60)
    assert not thread.is_alive()


def post(address: str, body: bytes, kind: str = "application/octet-stream") -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(f"{address}/score", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "application/x-www-form-urlencoded"])
def test_the_endpoint_gives_the_same_scores(kind: str, address: str, run: Path, pictures: Path, tmp_path: Path) -> None:
    path = sorted(pictures.glob("*.png"))[0]
    score(run, [str(path)], tmp_path / "s.jsonl", precision="float32")
    expected = json.loads((tmp_path / "s.jsonl").read_text())
    status, answer = post(address, path.read_bytes(), kind)  # the last is what curl --data-binary says of a body
    result = answer["results"][0]  # type: ignore[index]
    assert status == 200
    assert (result["mean"], result["std"]) == pytest.approx((expected["mean"], expected["std"]), abs=1e-5)
    assert result["histogram"] == pytest.approx(expected["histogram"], abs=1e-5)


def test_the_endpoint_takes_several_and_names_the_bad(run: Path, pictures: Path) -> None:
    client = make_app(load_trained(run)).test_client()
    good = sorted(pictures.glob("*.png"))[0].read_bytes()
    files = [(io.BytesIO(good), "a.png"), (io.BytesIO(b"rubbish"), "b.png"), (io.BytesIO(good), "c.png")]
    answer = client.post("/score", data={"pictures": files})
    results = answer.get_json()["results"]
    assert [row["image"] for row in results] == ["a.png", "b.png", "c.png"]
    assert "b.png is not a picture" in results[1]["error"]
    assert results[0]["mean"] == pytest.approx(results[2]["mean"], abs=1e-5)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param(b"", 400, "empty", id="empty"),
        pytest.param(b"rubbish", 400, "not a picture", id="not-a-picture"),
    ],
)
def test_the_endpoint_refuses(address: str, body: bytes, status: int, message: str) -> None:
    found, answer = post(address, body)
    assert found == status
    assert message in json.dumps(answer)


def test_a_host_that_is_none(run: Path) -> None:
    done = CliRunner().invoke(gazekit, ["serve", str(run), "--host", "no such host"])
    assert isinstance(done.exception, InputError)
    assert "cannot listen on no such host:8500" in str(done.exception)


def test_the_endpoint_says_which_model_it_is(run: Path) -> None:
    client = make_app(load_trained(run)).test_client()
    about = client.get("/").get_json()
    assert (about["model"], about["buckets"]) == ("nima-narrow", 7)
    assert client.get("/score").status_code == 405
    assert "error" in client.get("/nothing").get_json()
