"""The study in a browser: `gazekit explore`."""

from gazekit.explore.board import Board, BoardChoice, make_board
from gazekit.explore.board_drawing import write_board
from gazekit.explore.material import Material, load_material
from gazekit.explore.server import create_app, serve
from gazekit.explore.summaries import SessionFacts

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
