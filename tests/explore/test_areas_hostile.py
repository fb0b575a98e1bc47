"""Hostile requests to areas, maps and exclusions: no file outside the study is read or written, nothing breaks."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from gazekit.explore import Material, create_app
from gazekit.explore.areas_store import AreaStore

IMAGE = "rocket.jpg"
WORDS: tuple[Any, ...] = (
    "..", "../../etc/passwd", "%00", "\0", "areas/0123456789abcdef.png", "/etc/passwd", "nan", "1e999", "-1", "",
    "<script>", "\u202e", "💥", "{{7*7}}", "a" * 3000, "P01", "group=a", "everyone", "person", "region", "difference",
    IMAGE, "x.jpg", "0:1", "5:1", "0.3", "\ud800",
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    *WORDS, None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, [], {}, [[]], [{}], [[1, 2]] * 3,
)  # fmt: skip
ADDRESSES = (
    "/areas", "/areas/state.json", "/areas/history.json", "/areas/mask.png", "/areas/areas.csv", "/areas/areas.x",
    "/areas/areas.json", "/areas/picture", "/areas/agreement.json", "/areas/../x", "/maps", "/maps/level.bin",
    "/maps/facts.json", "/maps/shown.jpg", "/maps/map.csv", "/maps/..", "/maps/picture", "/exclude",
)  # fmt: skip
NAMES = (
    "image", "layer", "name", "window", "who", "view", "sigma_deg", "sigma_px", "share", "mask", "patches", "first",
    "patch_share", "weight", "fill", "soft_px", "remove", "alike", "versus", "permutations", "participant",
)  # fmt: skip
POSTS = (
    "/areas/save.json", "/areas/figures.json", "/areas/copy.json", "/areas/import.json", "/areas/mask.json",
    "/exclude", "/exclude/undo",
)  # fmt: skip
BODY = {
    "image": IMAGE, "base": 0, "layer": "", "names": ["box"], "to": [IMAGE], "window": "0:1000", "who": "me",
    "scaled": True, "number": 1, "reason": "x",
}  # fmt: skip
SHAPES: dict[str, Any] = {
    "box": {"rectangle": [1, 2, 30, 40], "colour": "#aabbcc", "group": "g"},
    "paint": {"brush": [{"points": [[1, 2], [3, 4]], "radius": 5, "erases": True}]},
    "corners": [[0, 0], [50, 0], [50, 50]],
    "mask": {"mask": "areas/0123456789abcdef.png"},
}


def mutated(draw: random.Random, value: Any) -> Any:
    """Return a value with something in it replaced."""
    if draw.random() < 0.12:
        return draw.choice(JUNK)
    if isinstance(value, dict):
        return {str(draw.choice(WORDS)) if draw.random() < 0.05 else k: mutated(draw, v) for k, v in value.items()}
    if isinstance(value, list):
        return [mutated(draw, part) for part in value]
    return value


def plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def attack(client: FlaskClient, count: int, seed: int) -> Counter[int]:
    draw, statuses = random.Random(seed), Counter[int]()
    for _ in range(count):
        if draw.random() < 0.5:
            query = {draw.choice(NAMES): draw.choice(WORDS) for _ in range(draw.randint(0, 3))}
            if draw.random() < 0.7:
                query["image"] = IMAGE
            query = {name: plain(value) for name, value in query.items()}
            address = f"{draw.choice(ADDRESSES)}?{urlencode(query)}"
            answer = client.get(address)
            asked: Any = address
        else:
            address = draw.choice(POSTS)
            body = mutated(draw, BODY | {"areas": SHAPES})
            origin = {"Origin": "http://localhost"}
            content = json.dumps(body)
            if address.startswith("/exclude") and isinstance(body, dict):
                form = {plain(str(name)): plain(str(value)) for name, value in body.items()}
                answer = client.post(address, data=form, headers=origin)
            else:
                answer = client.post(address, data=content, content_type="application/json", headers=origin)
            asked = (address, content[:300])
        assert answer.status_code < 500, (asked, answer.get_data(as_text=True)[:500])
        assert not re.search(rb"root:.*:0:0:", answer.data)
        statuses[answer.status_code] += 1
    return statuses


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("count", [160, pytest.param(2000, marks=pytest.mark.benchmark)])
def test_hostile_requests_read_and_write_nothing_elsewhere(material: Material, tmp_path: Path, count: int) -> None:
    (tmp_path / "study").mkdir()
    client = create_app(replace(material, folder=tmp_path / "study")).test_client()
    statuses = attack(client, count, seed=count)
    assert set(statuses) <= {200, 303, 308, 400, 404, 405}
    assert statuses[200] > count / 20
    assert all(name.startswith("study/") for name in files_of(tmp_path))
    allowed = (
        r"(\.?areas(\.[\w-]+)?\.(json|history\.jsonl(\.lock)?)|areas/[0-9a-f]{16}\.png|\.?exclusions\.toml(\.lock)?)"
    )
    assert [n for n in files_of(tmp_path / "study") if not re.fullmatch(allowed, n)] == []
    AreaStore(tmp_path / "study").areas()  # what was saved can be read
