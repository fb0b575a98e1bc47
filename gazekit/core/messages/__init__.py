"""Every text that a participant or a rater reads, by language: a file each beside this one.

A key is ``section.name``; English has them all. A study can bring a language that is not here, or other words, in a
folder of its own: ``[study] messages = "messages"`` with a file ``<language>.toml`` of the same shape.

>>> catalogue("de")("session.next")
'Weiter'
>>> catalogue("ar").direction
'rtl'
"""

from gazekit.core.messages.catalogue import SOURCE, Catalogue, catalogue, language_faults, languages
from gazekit.core.messages.study_texts import Text, text_faults, text_in

__all__ = [
    "SOURCE",
    "Catalogue",
    "Text",
    "catalogue",
    "language_faults",
    "languages",
    "text_faults",
    "text_in",
]
