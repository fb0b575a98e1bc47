"""A trial: read alone, detected as commands do, shown as it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from gazekit.events.sessions import session_events
from gazekit.explore import Material
from gazekit.explore.trial import DetectorChoice, bucket_edges, lowest_and_highest, trial_view
from gazekit.explore.trial_reading import read_trial
from gazekit.session import open_session

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
