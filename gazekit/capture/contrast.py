"""How much a colour stands out from another (WCAG 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

DARK, LIGHT = (25, 25, 25), (235, 235, 235)
LEAST = 3.0  # for large letters


def contrast(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the contrast of two colours (red, green, blue, 0 to 255): 1 for the same, 21 for black and white.

    Examples
    --------
    >>> round(contrast((0, 0, 0), (255, 255, 255)), 1), contrast((9, 9, 9), (9, 9, 9))
    (21.0, 1.0)
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def ink_on(background: Sequence[int]) -> tuple[int, int, int]:
    """Return dark or light ink, whichever stands out more from a background."""
    return max((DARK, LIGHT), key=lambda colour: contrast(colour, background))


def _luminance(colour: Sequence[int]) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
