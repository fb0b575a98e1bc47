"""The study in a browser: `gazekit explore`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit.explore.board import Board, make_board
    from gazekit.explore.board_choice import BoardChoice
    from gazekit.explore.board_drawing import write_board
    from gazekit.explore.material import Material, load_material
    from gazekit.explore.server import create_app, serve
    from gazekit.explore.summaries import SessionFacts

_HOME = {  # loaded when first used: the command's help needs none of it
    "Board": "board",
    "BoardChoice": "board_choice",
    "Material": "material",
    "SessionFacts": "summaries",
    "create_app": "server",
    "load_material": "material",
    "make_board": "board",
    "serve": "server",
    "write_board": "board_drawing",
}
__all__ = [
    "Board",
    "BoardChoice",
    "Material",
    "SessionFacts",
    "create_app",
    "load_material",
    "make_board",
    "serve",
    "write_board",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
