"""The report: one file, whole, from a comparison folder."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.report_ import command
from gazekit.core.errors import FormatError, GazekitError, InputError
from gazekit.core.tables import write_table
from gazekit.dataset import open_dataset
from gazekit.report import write_report
from gazekit.report.comparison_tables import excludes_zero
from gazekit.report.examples import own_attention
from gazekit.report.method import method_text
from gazekit.report.prediction_examples import histogram_shape
from gazekit.report.wording_of_metrics import interval, number, p_value
from gazekit.stats.comparison_folder import Comparison
from tests.fixtures.comparison_folder import CONDITIONS, METRICS, MODELS

VOID = {"meta", "img", "br", "link", "input", "hr", "rect", "line", "path", "use", "circle"}


class Page(HTMLParser):
    """What a page holds; unbalanced tags raise."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="session")
def page(whole: Path) -> Page:
    return Page((whole / "report.html").read_text(encoding="utf-8"))


def test_it_says_first_who_is_simulated_and_then_what_follows(page: Page) -> None:
    start = page.text[page.text.index("2 models") :]
    assert start.index("All people are simulated.") < start.index("No difference between human and centre")
    assert start.index("No difference between human and centre") < start.index("Results")
    assert "<b> is escaped & kept" in start


def test_the_question_of_the_study_is_answered_before_all_others(comparison: Path) -> None:
    pairs = [("human", "centre"), ("human", "original"), ("random", "original")]
    claims = [{"model": "m", "a": a, "b": b} for a, b in pairs]
    sentences = ["Sum of all.", *(f"Between {a} and {b}." for a, b in pairs)]
    (comparison / "conclusion.json").write_text(json.dumps({"sentences": sentences, "claims": claims}))
    text = Page(write_report(comparison).read_text(encoding="utf-8")).text
    order = [
        "Sum of all.",
        "Between human and original.",
        "Every other comparison in words (2)",
        "Between human and centre.",
    ]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


def test_every_number_of_the_table_stands_there_with_its_interval(page: Page, whole: Path) -> None:
    table = pd.read_csv(whole / "comparison.csv")
    for _, row in table[table["level"] == "condition"].iterrows():
        for name in METRICS:
            scale, digits = (100, 1) if name == "accuracy" else (1, 3)  # per cent
            value, low, high = (row[name + end] * scale for end in ("", "_low", "_high"))
            cell = f"{number(value, digits)} {interval(low, high, digits)}"
            assert cell in page.text
    for level in ("floor", "ceiling"):
        assert f" {level} " in page.text
    for word in (*MODELS, "Human attention − Centre", "floor: centre", "Detectable", "landscape", "By category"):
        assert word in page.text


def test_the_file_needs_nothing_else(page: Page) -> None:
    for tag, attributes in page.found:
        for key in ("src", "srcset", "poster"):
            assert (attributes.get(key) or "data:").startswith("data:"), (tag, attributes)
        href = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert href.startswith(("#", "report-tables/")), (tag, attributes)
    assert page.all("link") == []
    anchors = {a["href"] for a in page.all("a") if (a["href"] or "").startswith("#")}
    ids = [attributes["id"] for _, attributes in page.found if attributes.get("id")]
    assert {a[1:] for a in anchors if a} <= set(ids)
    assert len(ids) == len(set(ids))


def test_it_can_be_read_by_ear_and_by_keyboard(page: Page) -> None:
    assert all(image.get("alt") for image in page.all("img") if image["src"] != "data:,")
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in page.all("svg"))
    heads = page.all("th")
    assert heads
    assert {head.get("scope") for head in heads} == {"col", "row"}
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert all(cell.get("data-sort") is not None for cell in page.all("td"))


def test_attention_is_of_the_first_seed_that_is_kept(comparison: Path, dataset: Path) -> None:
    """Trained with --seeds 5,10,9: the first is 5; what is of another dataset is passed over."""
    data = open_dataset(dataset)
    kept = comparison / "synthetic" / MODELS[0]
    maps = np.load(kept / "seed0.npz")["maps"]
    boxes = np.load(kept / "seed0.npz")["rectangles"]
    (kept / "seed0.npz").unlink()
    np.savez(kept / "seed2.npz", rectangles=boxes[:3], maps=maps[:3])
    for seed in (10, 9, 5):
        np.savez(kept / f"seed{seed}.npz", rectangles=boxes, maps=maps + seed)
    np.savez(kept / "seed10-gradcam.npz", rectangles=boxes, maps=maps)
    found = {one.model: one.maps for one in own_attention(comparison, data)}
    assert found.keys() == {*MODELS, f"{MODELS[0]} (gradcam)"}
    assert found[MODELS[0]] == pytest.approx(maps + 5)


def test_pictures_stand_side_by_side_in_all_their_forms(page: Page) -> None:
    alts = [image["alt"] or "" for image in page.all("img")]
    for begin in ("Scanpaths over", "Human attention to", *(f"Attention of {model} to" for model in MODELS)):
        assert sum(alt.startswith(begin) for alt in alts) == 6
    for words in ("the rest is kept", "another picture", "the middle is kept", "height and width anywhere"):
        assert sum(words in alt for alt in alts) == 6
    cards = [svg for svg in page.all("svg") if svg.get("class") == "bars"]
    assert len(cards) == 3 * 4
    assert "Failure cases" in page.text
    assert "by the shape of the true histogram" in page.text


def test_method_and_provenance_carry_parameters_and_hashes(page: Page, dataset: Path) -> None:
    for text in (
        "epochs 5",
        "lr 0.003",
        "share 0.7",
        "sigma_px 6",
        open_dataset(dataset).sha256,
        "comparison.csv",
        "4 conditions with 3 seeds",
        "Human attention keeps the smallest rectangle that holds 70% of the map.",
        "keeps the same area of the same picture",
        "1,234 resamples",
        "5,678 swaps",
        "at most 0.04",
        "above 4.5",
        "with seed 9",
    ):
        assert text in page.text
    assert "can come from that alone" not in page.text  # what lies outside human attention was not compared
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", page.text))) > 24


@pytest.mark.parametrize(
    ("parameters", "conditions", "said", "unsaid"),
    [
        (
            {"mask": "patches", "patches": 3, "patch_share": 0.2},
            "human centre",
            "keeps its 3 best patches",
            "rectangle",
        ),
        ({"mask": "region", "share": 0.1, "share_of": "area"}, "human", "covers 10% of the picture", "same area of"),
        ({}, "human human-removed", "can come from that alone", "same area of"),
        (
            {
                "excluded": [
                    {"participant": "P03", "image": f"{n}.jpg", "reason": "head moved", "trials": 1} for n in "ab"
                ]
            },
            "human",
            "Left out before any analysis: 2 trials of P03 excluded: head moved. Nothing was deleted.",
            "The dataset was made with",
        ),
    ],
)
def test_the_method_says_what_this_dataset_kept(
    parameters: dict[str, Any], conditions: str, said: str, unsaid: str
) -> None:
    rows = pd.DataFrame({"level": "condition", "model": "a", "condition": conditions.split(), "seed": "", "n": 9})
    empty = pd.DataFrame()
    comparison = Comparison(Path(), {}, rows, empty, empty, empty, empty, {}, empty, ())
    text = " ".join(method_text(comparison, {"parameters": parameters}))
    assert said in text
    assert unsaid not in text


def test_every_table_lies_beside_it_as_csv_and_latex(page: Page, whole: Path) -> None:
    folder = whole / "report-tables"
    names = {a["href"] for a in page.all("a") if (a["href"] or "").startswith("report-tables/")}
    assert names == {
        f"report-tables/{n}.{k}"
        for n in ("results", "paired", "paired-all", "agreement", "categories", "seeds")
        for k in ("csv", "tex")
    } | {"report-tables/gains.csv"}
    gains = pd.read_csv(folder / "gains.csv")
    missed = [(gains[side] - gains["true_mean"]).abs() for side in ("whole", "human")]
    assert gains["gain"].to_numpy() == pytest.approx((missed[0] - missed[1]).to_numpy())
    assert gains["gain"].is_monotonic_decreasing
    results = pd.read_csv(folder / "results.csv")
    assert len(results) == len(MODELS) * len(CONDITIONS) + 2
    text = (folder / "results.tex").read_text(encoding="utf-8")
    whole = text.replace(r"\hspace{0pt}", "")  # where a long name may be broken
    assert whole.count("residual-attention-narrow &") == 3 * len(CONDITIONS)  # blocks of three metrics
    assert r"\toprule" in text
    assert "#" not in text
    assert "−" not in text


def test_the_same_folder_gives_the_same_bytes(comparison: Path, whole: Path) -> None:
    path = write_report(comparison, title="Forty crops", notes=["All people are simulated."])
    assert path == comparison / "report.html"
    assert path.read_bytes() == (whole / "report.html").read_bytes()
    assert not list(comparison.glob(".*"))


def test_it_reports_what_is_there_and_says_what_is_not(comparison: Path) -> None:
    for name in ("paired.csv", "agreement.csv", "categories.csv", "conclusion.json", "truth.csv"):
        (comparison / name).unlink()
    config = json.loads((comparison / "config.json").read_text())
    config["dataset"]["path"] = "moved-away.h5"
    (comparison / "config.json").write_text(json.dumps(config))
    page = Page(write_report(comparison).read_text(encoding="utf-8"))
    assert "The pictures are not shown" in page.text
    assert "moved-away.h5" in page.text
    assert "No conclusion has been drawn yet" in page.text
    for heading in ("Paired differences", "Agreement of maps", "By category", "Failure cases"):
        assert heading not in page.text
    assert "Training" in page.text


def test_it_says_when_the_dataset_is_another(comparison: Path) -> None:
    config = json.loads((comparison / "config.json").read_text())
    config["dataset"]["sha256"] = "0" * 64
    (comparison / "config.json").write_text(json.dumps(config))
    page = Page(write_report(comparison).read_text(encoding="utf-8"))
    assert "is not the dataset that the models were trained on" in page.text


def test_own_gaze_and_own_ratings_have_a_table_and_a_sentence(comparison: Path, tmp_path: Path) -> None:
    row = {"measure": "looked_ms", "correlation": 0.31, "slope": 0.0021, "low": 0.001, "high": 0.003}
    table = pd.DataFrame([row | {"p": 0.001, "p_holm": 0.004, "people": 14, "pictures": 16}])
    write_table(
        table, tmp_path / "own-answers.csv", {"parameters": {"swaps": 1999, "says": "Own gaze tells & counts."}}
    )
    page = write_report(comparison, pictures=0, own_answers=tmp_path / "own-answers.csv").read_text("utf-8")
    section = page.split('id="own-answers"')[1].split("</section>")[0]
    assert "Own gaze tells &amp; counts." in section
    assert "looked_ms" in section
    assert "[0.001, 0.003]" in section
    assert pd.read_csv(comparison / "report-tables" / "own-answers.csv")["p"].tolist() == [0.004]
    assert 'id="own-answers"' not in write_report(comparison, pictures=0).read_text("utf-8")


def test_pictures_of_the_folder_are_shown_with_their_captions(comparison: Path, dataset: Path) -> None:
    extra = comparison / "pictures"
    extra.mkdir()
    (extra / "the-sheet.png").write_bytes((dataset.parent / "00.png").read_bytes())
    (extra / "captions.json").write_text('{"the-sheet.png": "Six pictures <side by side>"}')
    page = Page(write_report(comparison).read_text(encoding="utf-8"))
    assert "Six pictures <side by side>" in page.text
    (extra / "captions.json").write_text("[1]")
    with pytest.raises(InputError, match="file name and text"):
        write_report(comparison)


def test_another_fixation_table_draws_the_scanpaths(comparison: Path, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "fixations.csv"
    path.write_text("image,x_picture,y_picture,duration_ms\n01.png,5,5,100\n")
    after = Page(write_report(comparison, fixations=path).read_text(encoding="utf-8"))
    assert sum((i["alt"] or "").startswith("Scanpaths") for i in after.all("img")) < 6
    path.write_text("image,x\n01.png,5\n")
    with pytest.raises(FormatError, match="lacks the columns x_picture"):
        write_report(comparison, fixations=path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.rename(f.with_name("elsewhere")), "no such comparison folder"),
        (lambda f: (f / "comparison.csv").unlink(), "`gazekit train` and `gazekit compare` write it"),
        (lambda f: (f / "comparison.csv").write_text(""), "is empty"),
        (lambda f: (f / "comparison.csv").write_text("level,model\nseed,a\n"), "lacks the columns condition, seed, n"),
        (lambda f: (f / "comparison.csv").write_text("level,model,condition,seed,n\nrow,a,b,0,1\n"), "found row"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "conclusion.json").write_text("[]"), "should hold an object"),
        (lambda f: next(f.glob("runs/*/*/*/metrics.jsonl")).write_text("{nonsense"), "not a run that can be read"),
        (lambda f: (f / "paired.csv").write_text("model\na\n"), "lacks the columns condition_a"),
    ],
    ids=["folder", "absent", "empty", "columns", "level", "config", "conclusion", "run", "paired"],
)
def test_a_wrong_folder_gives_one_message_and_no_report(comparison: Path, damage, message: str) -> None:
    damage(comparison)
    with pytest.raises(GazekitError, match=message):
        write_report(comparison)
    assert not (comparison / "report.html").exists()


def test_the_command_writes_the_report_and_refuses_another_dataset(comparison: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        command, [str(comparison), "--title", "Reef", "--note", "Simulated."], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert result.output.strip() == str(comparison / "report.html")
    assert "<h1>Reef</h1>" in (comparison / "report.html").read_text()
    result = CliRunner().invoke(command, [str(comparison), "--json"], catch_exceptions=False)
    written = json.loads(result.output)
    assert Path(written["report"]).is_file()
    assert {Path(t).suffix for t in written["tables"]} == {".csv", ".tex"}
    with pytest.raises(InputError, match="no such"):
        CliRunner().invoke(command, [str(comparison), "--dataset", str(tmp_path / "no.h5")], catch_exceptions=False)


@pytest.mark.parametrize(
    ("counts", "shape"),
    [
        ([0, 1, 4, 9, 4, 1, 0, 0, 0, 0], ""),
        ([9, 5, 1, 0, 0, 0, 0, 1, 5, 9], "bimodal"),
        ([0, 0, 0, 0, 1, 0, 1, 2, 6, 20], "a tail of low scores"),
        ([20, 6, 2, 1, 0, 1, 0, 0, 0, 0], "a tail of high scores"),
        ([0, 0, 0, 7, 0, 0, 0, 0, 0, 0], "one score only"),
    ],
    ids=["plain", "bimodal", "low-tail", "high-tail", "one"],
)
def test_the_shape_of_a_histogram(counts: list[int], shape: str) -> None:
    share = np.array(counts, dtype=float)
    assert histogram_shape(share / share.sum()) == shape


def test_how_numbers_are_written() -> None:
    assert (number(-0.12345), number(float("nan")), number(2.5, 1, signed=True)) == ("−0.123", "–", "+2.5")
    assert (interval(0.1, 0.2, 2), interval(float("nan"), 1.0)) == ("[0.10, 0.20]", "")
    assert (p_value(0.0004), p_value(0.04)) == ("< 0.001", "0.040")
    assert [excludes_zero(*pair) for pair in ((0.1, 0.2), (-0.1, 0.2), (-2.0, -1.0), (0.0, 1.0))] == [
        True,
        False,
        True,
        False,
    ]
