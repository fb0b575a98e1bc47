"""A trial: read alone, detected as commands do, shown as it is."""

from __future__ import annotations

import io
import runpy
import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.capture.view import trial_figure
from gazekit.cli import gazekit
from gazekit.core.config import tomllib
from gazekit.events.sessions import session_events
from gazekit.events.settings import FixationSection
from gazekit.explore import Material, create_app, load_material, trial_pages
from gazekit.explore.trial import DetectorChoice, bucket_edges, lowest_and_highest, trial_view
from gazekit.explore.trial_out import study_lines, trial_recipe
from gazekit.explore.trial_reading import read_trial
from gazekit.session import open_session, write_session

CHOICES = [
    DetectorChoice("adaptive", {}),
    DetectorChoice("ivt", {"velocity_threshold_deg_s": 45, "eye": "left"}),
    DetectorChoice("idt", {"max_dispersion_deg": 0.7}),
]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_a_trial_shows_what_the_commands_compute(material: Material, choice: DetectorChoice) -> None:
    facts = material.sessions[1]
    whole = session_events(open_session(facts.file), choice.name, **choice.parameters)
    for number, expected in enumerate(whole, 1):
        gaze = read_trial(facts, number)
        shown = trial_view(facts, number, gaze, [choice])["detections"][0]
        for name in ("fixations", "saccades"):
            table, ours = getattr(expected, name), pd.DataFrame(shown[name])
            assert len(table) == len(ours)
            for column in table.columns.intersection(ours.columns):
                np.testing.assert_allclose(
                    ours[column].astype(float), table[column].astype(float), rtol=0, atol=1e-9, err_msg=column
                )


def test_only_the_rows_of_a_trial_are_read(material: Material) -> None:
    facts = material.sessions[0]
    for expected, number in zip(open_session(facts.file).trials(), range(1, 7), strict=True):
        trial = read_trial(facts, number).trial
        assert (trial.image, trial.picture, trial.placement) == (expected.image, expected.picture, expected.placement)
        np.testing.assert_array_equal(trial.recording.system_time_us, expected.recording.system_time_us)
        np.testing.assert_array_equal(trial.recording.right.gaze, expected.recording.right.gaze)


def test_the_legends_of_a_drawing_lie_on_nothing_that_is_drawn(material: Material) -> None:
    facts = material.sessions[0]
    gaze = read_trial(facts, 1)
    events = session_events(open_session(facts.file))[0]
    figure = trial_figure("P01", gaze.trial, events, np.zeros((9, 9, 3), np.uint8))
    figure.draw_without_rendering()
    legends = [axes.get_legend() for axes in figure.axes[1:]]
    drawn = [axes.bbox for axes in figure.axes]
    strips = [strip for axes in figure.axes[1:] for strip in axes.collections]
    drawn += [path.get_extents(strip.get_transform()) for strip in strips for path in strip.get_paths()]
    for legend in legends:
        assert legend is not None
        assert not any(legend.get_window_extent().overlaps(place) for place in drawn)


def test_traces_hold_the_extremes_of_every_piece() -> None:
    column = np.array([1.0, np.nan, 3.0, 2.0, np.nan, np.nan, 5.0, 4.0])
    edges = bucket_edges(0, 8, most=4)
    low, high = lowest_and_highest(column, edges)
    np.testing.assert_array_equal(low, [1, 2, np.nan, 4])
    np.testing.assert_array_equal(high, [1, 3, np.nan, 5])
    assert lowest_and_highest(column, bucket_edges(3, 3)) == [[], []]


def test_another_threshold_is_seen_at_once(client: FlaskClient, material: Material) -> None:
    at = f"/trial/{material.sessions[0].key}/2"
    usual = client.get(f"{at}/view.json?detector=ivt").get_json()
    other = client.get(f"{at}/view.json?detector=ivt&velocity_threshold_deg_s=8&beside.detector=idt").get_json()
    assert [found["detector"] for found in other["detections"]] == ["ivt", "idt"]
    assert other["detections"][0]["parameters"]["velocity_threshold_deg_s"] == 8
    assert other["detections"][0]["fixations"] != usual["detections"][0]["fixations"]
    part = client.get(f"{at}/view.json?from=500&to=900").get_json()
    assert part["traces"]["time"][0] >= 500
    assert part["traces"]["time"][-1] <= 900
    refused = client.get(f"{at}/view.json?detector=ivt&velocity_threshold_deg_s=-1")
    assert refused.status_code == 400
    assert "from 0 to" in refused.get_json()["error"]


def test_the_page_of_a_trial_offers_every_parameter(client: FlaskClient, material: Material) -> None:
    at = f"/trial/{material.sessions[0].key}/1"
    page = client.get(f"{at}?detector=idt&max_dispersion_deg=0.8").get_data(as_text=True)
    assert 'name="max_dispersion_deg" value="0.8"' in page
    assert client.get(f"{at}/picture").mimetype in ("image/png", "image/jpeg")
    assert client.get(f"/trial/{material.sessions[0].key}/99").status_code == 404


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_trial_is_drawn(client: FlaskClient, material: Material, kind: str, begins: bytes) -> None:
    assert client.get(f"/trial/{material.sessions[0].key}/3/trial.{kind}?detector=idt").data.startswith(begins)


def test_copied_lines_make_the_same_fixations(
    client: FlaskClient, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, query = f"/trial/{material.sessions[1].key}/4", "detector=ivt&eye=left&velocity_threshold_deg_s=45"
    shown = client.get(f"{at}/trial.csv?{query}").data
    recipe = trial_recipe(material, material.sessions[1], 4, CHOICES[1])
    page = client.get(f"{at}?{query}").get_data(as_text=True)
    assert recipe.command in unescape(page)
    assert recipe.command in unescape(client.get(f"{at}/recipe?{query}").get_data(as_text=True))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(gazekit, shlex.split(recipe.command)[1:])
    assert done.exit_code == 0, done.output
    assert Path("trial.csv").read_bytes() == shown
    Path("trial.csv").unlink()
    Path("lines.py").write_text(recipe.python)
    runpy.run_path("lines.py")
    assert Path("trial.csv").read_bytes() == shown
    view = client.get(f"{at}/view.json?{query}").get_json()["detections"][0]["fixations"]
    np.testing.assert_allclose(pd.read_csv("trial.csv")["x_px"], [row["x_px"] for row in view], rtol=0, atol=1e-9)


def write_pro_lab(path: Path) -> None:
    """Three fixations of 0.8 s with saccades of 0.2 s, as Pro Lab exports them with its own events."""
    steps = np.arange(3 * 300)
    within = steps % 300
    x = 700.0 + 200 * (steps // 300) + np.where(within >= 240, (within - 240) / 60 * 200, 0.0)
    table = pd.DataFrame({"Recording timestamp": steps * 3333, "Sensor": "Eye Tracker", "Participant name": "P07"})
    table["Recording name"], table["Recording date"] = "Recording1", "5/4/2026"
    table["Recording resolution width"], table["Recording resolution height"] = 1920, 1080
    for side in ("left", "right"):
        table[f"Gaze point {side} X"], table[f"Gaze point {side} Y"] = x, 540.0
        table[f"Validity {side}"] = "Valid"
    table["Presented Stimulus name"] = table["Presented Media name"] = "a.png"
    table["Presented Media width"], table["Presented Media height"] = 600, 400
    table["Presented Media position X (DACSpx)"], table["Presented Media position Y (DACSpx)"] = 660, 340
    table["Eye movement type"] = np.where(within >= 240, "Saccade", "Fixation")
    table["Eye movement type index"] = steps // 300 + 1
    table.to_csv(path, sep="\t", index=False)


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not-kept"])
def test_another_programs_file_shows_its_own_events_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    source = tmp_path / "P07.tsv"
    write_pro_lab(source)
    sizes = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
    material = load_material([source], screen=sizes, keep=keep)
    assert (tmp_path / ".explore").exists() == keep
    facts = material.sessions[0]
    page = create_app(material).test_client()
    at = f"/trial/{facts.key}/1"
    view = page.get(f"{at}/view.json?detector=ivt").get_json()
    assert view["makers"]["fixations"] == 3
    begins = [begin for begin, _, label in view["makers"]["labels"] if label == 2]
    np.testing.assert_allclose(begins, [800, 1800, 2800], atol=4)
    recipe = trial_recipe(material, facts, 1, DetectorChoice("ivt", {}))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(gazekit, shlex.split(recipe.command)[1:])
    assert done.exit_code == 0, done.output
    assert Path("trial.csv").read_bytes() == page.get(f"{at}/trial.csv?detector=ivt").data
    Path("trial.csv").unlink()
    exec(recipe.python, {})
    assert len(pd.read_csv("trial.csv")) == len(view["detections"][0]["fixations"])
    if keep:
        assert load_material([source], screen=sizes).sessions[0].digest == facts.digest


def test_of_a_long_trial_a_minute_is_read_and_the_events_are_of_all_of_it(
    client: FlaskClient, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = material.sessions[0]
    at = f"/trial/{facts.key}/2"
    whole = client.get(f"{at}/view.json?detector=ivt").get_json()
    monkeypatch.setattr(trial_pages, "LONG", 100)
    monkeypatch.setattr(trial_pages, "LONG_WINDOW_MS", 500.0)
    part = client.get(f"{at}/view.json?detector=ivt").get_json()
    assert part["pending"]
    assert part["detections"] == []
    assert part["window_ms"] == [0, 500]
    assert part["trial"] == whole["trial"]
    assert client.get(f"{at}/detections.json?detector=ivt").get_json()["detections"] == whole["detections"]
    window = client.get(f"{at}/view.json?from=1000&to=1500").get_json()
    expected = client.get(f"{at}/view.json?from=1000&to=1500&all=1").get_json()
    for name in ("x", "y", "velocity", "pupil_left"):
        np.testing.assert_allclose(
            np.array(window["traces"][name], float), np.array(expected["traces"][name], float), atol=1e-3
        )
    few = read_trial(facts, 2, (1000.0, 1001.0)).trial.recording
    assert 0 < len(few) < facts.trials["samples"].iloc[1]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_the_lines_for_the_study_file_choose_the_same_detector(choice: DetectorChoice) -> None:
    section = FixationSection.model_validate(tomllib.loads(study_lines(choice))["fixations"])
    assert (section.detector, section.parameters) == (choice.name, choice.parameters)


def test_a_participant_may_have_any_name(tmp_path: Path) -> None:
    session = open_session("sample_data/sessions/P01.gaze.h5")
    whole = session.stimuli.astype(dict.fromkeys(("x", "y", "width", "height"), "int64"))  # as some importers write it
    session = replace(session, participant='Zoë "α" <b>/../\u202e', stimuli=whole.iloc[:1])
    write_session(session, tmp_path / "a.gaze.h5")
    material = load_material([tmp_path], keep=False)
    page = create_app(material).test_client()
    at = f"/trial/{material.sessions[0].key}/1"
    for address in ("/", "/trials", at, f"{at}/recipe", f"{at}/view.json", f"{at}/view.json?from=0&to=inf"):
        answer = page.get(address)
        assert answer.status_code == 200
        assert "<b>" not in answer.get_data(as_text=True) or answer.is_json
    with page.get(f"{at}/trial.csv") as answer:
        assert answer.status_code == 200
        assert len(pd.read_csv(io.BytesIO(answer.data))) > 3
