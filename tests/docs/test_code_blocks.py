"""What README and the documentation tell people to type works."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

from gazekit.cli import main
from gazekit.core.config import tomllib, validated
from gazekit.core.errors import MissingExtraError
from gazekit.study import Study
from pipelines.config import Pipeline
from pipelines.public_data import PublicSet
from tests.conftest import ROOT
from tests.docs.blocks import Block, blocks, pages, unknown_in
from tests.needs import need

PAGES = pages()
RUN = [page for page in PAGES if any(b.language in ("sh", "python") and not b.by_hand for b in blocks(page))]
ENTRY_POINTS = {f"gazekit.{kind}" for kind in ("detectors", "formats", "trackers", "conditions", "fills")}
SCREEN = {"width_px": 1920, "height_px": 1080, "width_mm": 527, "height_mm": 296, "distance_mm": 630}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    faults = [
        f"{block.place}: {fault}"
        for block in blocks(page)
        if block.language in ("sh", "console", "")
        for words in block.commands
        if words[0] == "gazekit" and (fault := unknown_in(words))
    ]
    assert faults == []


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_its_blocks_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.by_hand:
            continue
        if block.language == "sh":
            for words in block.commands:
                run_line(block, words)
        elif block.language == "python":
            exec(compile(block.code, block.place, "exec"), names)


def run_line(block: Block, words: list[str]) -> None:
    assert words[0] == "gazekit", f"{block.place}: {words} is no gazekit command; say why it is by hand"
    with pytest.raises(SystemExit) as end:
        main(words[1:])
    assert end.value.code in (0, None), f"{block.place}: {' '.join(words)} ended with {end.value.code}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_name_of_python_that_is_named_exists(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))  # blocks are run
    names = set(re.findall(r"`((?:gk|gazekit)(?:\.[A-Za-z_]\w*)+)", text)) - ENTRY_POINTS
    assert [name for name in sorted(names) if not resolves(re.sub(r"^gk\.", "gazekit.", name))] == []


def resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except MissingExtraError as error:
        need(None, str(error))
    except (ImportError, AttributeError):
        return False
    return True


def test_settings_that_are_shown_are_valid() -> None:
    shown = 0
    for page in PAGES:
        for block in blocks(page):
            if block.language == "toml" and not block.by_hand:
                content = tomllib.loads(block.code)
                if "pipeline" in content:
                    validated(Pipeline, content, block.place)
                elif "reef-2026" in content:
                    validated(PublicSet, {"title": "shown", "licence": "CC0", **content["reef-2026"]}, block.place)
                elif not {"project", "tool", "build-system"} & set(content):
                    validated(Study, {"study": {"name": "shown"}, "screen": SCREEN, **content}, block.place)
                shown += 1
    assert shown >= 4


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_reason_is_given_where_a_block_is_not_run(page: Path) -> None:
    text = page.read_text("utf-8")
    marks = re.findall(r"(?m)^<!-- by hand.*", text)
    assert len(marks) == len(re.findall(r"(?m)^<!-- by hand: \S.{8,} -->\n+```", text))
