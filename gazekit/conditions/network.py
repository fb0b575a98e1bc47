"""A network's own attention."""

from __future__ import annotations

from collections.abc import Iterable

from gazekit.conditions.condition import Condition, Source


class Network(Condition):
    """The part that the network itself attends to: its soft masks where it has them, else excitation backprop.

    Attributes
    ----------
    method : str
        How attention is read; of `gazekit.models.attention.synthetic_attention`.
    models, models_are : str
        Part of the names of the only models that can be read so, and what they are called; empty for all.
    """

    name = "synthetic"
    label = "Network's own attention"
    keeps = "what the network itself looks at"
    sentence = "the part that the network itself attends to is kept, same area"
    source = Source.NETWORK
    rank = 6
    method: str = "auto"
    models: str = ""
    models_are: str = ""

    def faults(self, models: Iterable[str]) -> list[str]:
        """Say which of the models cannot be read so."""
        others = ", ".join(dict.fromkeys(name for name in models if self.models not in name))
        return [f"{self.name} needs {self.models_are}; {others} is none"] if others else []

    @classmethod
    def suffix(cls) -> str:
        """Return the end of the name of the file that its maps are kept in: empty, or ``-<method>``."""
        rest = cls.name.removeprefix("synthetic")
        return rest if rest.startswith("-") or not rest else f"-{rest}"
