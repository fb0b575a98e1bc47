"""The catalogue of messages, and texts of a study in several languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gazekit.core.errors import ConfigError, InputError
from gazekit.core.messages import catalogue, language_faults, languages, text_faults, text_in

PLACES = re.compile(r"\{\w+\}")


@pytest.mark.parametrize("language", languages())
def test_every_language_is_whole_where_it_is_begun_with_the_same_places(language: str) -> None:
    english, texts = catalogue("en").texts, catalogue(language).texts
    begun = {key.partition(".")[0] for key in texts}
    assert {"session", "survey", "operator"} <= begun
    assert language_faults([language], begun) == []
    for key, text in texts.items():
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(english[key])), key


def test_a_text_is_looked_up_with_its_values() -> None:
    assert catalogue("de")("session.number", low=3, high=20) == "Geben Sie eine Zahl von 3 bis 20 ein."
    assert catalogue("ar").direction == "rtl"
    assert catalogue("zh").section("session")["back"] == "返回"
    with pytest.raises(InputError, match=r"did you mean session\.next"):
        catalogue("en")("session.nxt")
    with pytest.raises(InputError, match="unknown language 'tlh'"):
        catalogue("tlh")


def test_a_study_brings_a_language_or_other_words(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('[session]\nnext = "Onward"\n')
    (tmp_path / "mer.toml").write_text('[language]\nname = "Meriam Mir"\n[session]\nnext = "Esili"\n')
    assert catalogue("en", tmp_path)("session.next") == "Onward"
    assert catalogue("en", tmp_path)("session.back") == "Back"
    meriam = catalogue("mer", tmp_path)
    assert (meriam.name, meriam("session.next")) == ("Meriam Mir", "Esili")
    with pytest.raises(ConfigError, match=r"'session\.back' is missing in the language 'mer'.*'Back'"):
        meriam("session.back")
    (fault,) = language_faults(["en", "mer"], ["session"], tmp_path)
    assert re.search(r"'mer' lacks \d+ texts of the program \(session\.back", fault)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[session]\nnext = 3\n", "must be a table of texts"),
        ('[session]\nnexxt = "x"\n', r"did you mean session\.next"),
        ('[language]\ndirection = "up"\n', "'ltr' or 'rtl'"),
        ("[session\n", "not a TOML file"),
    ],
    ids=["number", "unknown", "direction", "no toml"],
)
def test_a_file_of_messages_that_is_wrong_is_said(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "fr-CA.toml").write_text(content)
    with pytest.raises(InputError, match=fault):
        catalogue("fr-CA", tmp_path)
    assert language_faults(["fr-CA"], ["session"], tmp_path)


def test_texts_of_a_study_are_checked_against_its_languages() -> None:
    assert text_in({"en": "Why?", "zh": "为什么?"}, "zh") == "为什么?"
    with pytest.raises(ConfigError, match="'Why\\?' is missing in the language 'de'"):
        text_in({"en": "Why?"}, "de")
    assert text_faults("Why?", ["en"], "x") == []
    assert text_faults("1 - 10", ["en", "zh"], "x") == []
    assert "is in one language" in text_faults("Why?", ["en", "zh"], "x")[0]
    assert len(text_faults({"de": "Warum?"}, ["en", "zh"], "x")) == 3


def test_study_check_names_what_a_language_lacks(tmp_path: Path) -> None:
    from gazekit.study import check_study, read_study

    text = (Path(__file__).parents[1] / "sample_data" / "study.toml").read_text()
    (tmp_path / "study.toml").write_text(text.replace("[study]", '[study]\nlanguages = ["en", "qu"]'))
    with pytest.raises(ConfigError, match="unknown language 'qu'"):
        check_study(read_study(tmp_path / "study.toml"))
