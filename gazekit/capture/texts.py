"""All texts that a participant of a study can meet, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

from gazekit.capture.fonts import font_faults
from gazekit.capture.settings import SessionSections
from gazekit.core.errors import InputError
from gazekit.core.messages import Text, catalogue, text_faults, text_in


def study_texts(sections: SessionSections) -> Iterator[tuple[str, Text]]:
    """Yield every text of the study file that is shown, with where it stands."""
    if sections.rating is not None:
        for name in ("question", "low_label", "high_label"):
            if name in sections.rating.model_fields_set or sections.study.languages == ["en"]:
                yield f"[rating] {name}", getattr(sections.rating, name)
    for section, items in (("answers", sections.answers), ("questions", sections.questions)):
        for item in items:
            where = f"[[{section}]] {item.name}"
            yield f"{where} text", item.text
            yield from ((f"{where} label {step}", words) for step, words in item.labels.items())
            yield from ((f"{where} choice {n + 1}", words) for n, words in enumerate(item.choices))
    for n, page in enumerate(sections.pages):
        if page.text is not None:
            yield f"[[pages]] {n + 1} ({page.place}) text", page.text
    for block in sections.blocks:
        if block.text is not None:
            yield f"[[blocks]] {block.name} text", block.text
    if sections.interview is not None and sections.interview.text is not None:
        yield "[interview] text", sections.interview.text


def faults_of_texts(sections: SessionSections) -> list[str]:
    """Return which texts are missing in a language of the study, and which cannot be drawn on this machine."""
    base, languages, faults = sections.file.parent, sections.study.languages, []
    font = base / sections.text.font if sections.text.font else None
    if font is not None and not font.is_file():
        faults.append(f"[text] font: no such file: {font}")
        font = None
    for where, text in study_texts(sections):
        faults += text_faults(text, languages, where)
    if sections.rating is not None and languages != ["en"]:
        english = {"question", "low_label", "high_label"} - sections.rating.model_fields_set
        faults += [f"[rating] {name}: is not given; the program's own is English alone" for name in sorted(english)]
    folder = base / sections.study.messages if sections.study.messages else None
    for language in languages:
        shown = [
            text_in(text, language) for _, text in study_texts(sections) if isinstance(text, str) or language in text
        ]
        try:
            shown += catalogue(language, folder).section("session").values()
        except InputError:  # said by the check of the languages
            continue
        faults += [f"[study] language {language!r}: {fault}" for fault in font_faults("".join(shown), font)]
    return faults
