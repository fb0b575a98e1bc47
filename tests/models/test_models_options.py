"""Options of models: what they may be, from Python and as text."""

from __future__ import annotations

from typing import Any

import pytest

from gazekit import models
from gazekit.core.errors import ConfigError, InputError
from gazekit.models.options import OPTIONS, read_options
from gazekit.models.registry import default_options


def test_every_option_of_every_model_is_known_and_has_a_default_that_fits() -> None:
    for name in models.names():
        for option, default in default_options(name).items():
            assert OPTIONS[option].fits(default), (name, option)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nima-narrow", {"buckets": "10"}, "buckets is '10'; a whole number, 2 or more"),
        ("nima-narrow", {"buckets": 2.5}, "buckets is 2.5"),
        ("nima-narrow", {"buckets": None}, "buckets is None"),
        ("nima-narrow", {"dropout": 2}, "dropout is 2; a number from 0 up to, but not, 1"),
        ("nima-narrow", {"dropout": "x"}, "dropout is 'x'"),
        ("nima-narrow", {"width": 0, "dropout": -1}, "width is 0; .*; dropout is -1"),
        ("mtrlcnn", {"subjects": 0}, "subjects is 0"),
        ("gpf-resnet18", {"fovea": 0}, "fovea is 0"),
        ("gpf-alexnet", {"fovea": 40}, "fovea is 40; alexnet takes pictures of 63 x 63"),
        ("residual-attention-narrow", {"naive": "false"}, "naive is 'false'; true or false"),
        ("dma-net", {"aggregate": 3}, "aggregate is 3"),
        ("mna-cnn", {"grids": (4, 0)}, r"grids is \(4, 0\)"),
        (None, {}, "unknown model 'None'"),
    ],
)
def test_values_that_an_option_cannot_have(name: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        models.create(name, **options)


def test_options_from_text() -> None:
    texts = ["naive=False", "dropout=0.5", "fovea=160", "aggregate=sorting", "grids=4,2"]
    expected = {"naive": False, "dropout": 0.5, "fovea": 160, "aggregate": "sorting", "grids": [4, 2]}
    assert read_options(texts) == expected
    assert read_options(["naive=true"]) == {"naive": True}
    assert models.create("residual-attention-narrow", **read_options(["naive=true"])).options["naive"] is True


def test_all_faults_of_texts_are_said_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read_options(["naif=1", "naive=no", "dropout", "width=1.5", "fovea=0", "buckets=3"])
    for fault in (
        "unknown option 'naif'; did you mean naive?",
        "naive is 'no'; true or false is needed",
        "'dropout' is not NAME=VALUE",
        "width is '1.5'; a whole number",
        "fovea is 0",
        "unknown option 'buckets'",
    ):
        assert fault in str(error.value)
