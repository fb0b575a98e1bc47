"""Sphinx's settings: ``python -m sphinx -W --keep-going docs docs/build`` builds the site, offline."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import reference

reference.write_all()

project = "gazekit"
copyright = "the authors of gazekit"
release = version = importlib.metadata.version("gazekit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_click"]
exclude_patterns = ["build", "_ext", "figures"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
default_role = "code"
smartquotes = False  # --out is two hyphens

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # signatures stay short; numpydoc's sections say the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "gazekit"
html_static_path = ["_static"]
html_css_files = ["gazekit.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def _plain(app, ctx, lines):
    """Keep a command's help from being read as markup: stars are stars, examples are literal."""
    made, literal = [], False
    for line in lines:
        is_literal = line.startswith("| ") or line == "|"
        if is_literal and not literal:
            made += ["", ".. code-block:: text", ""]
        elif literal and not is_literal:
            made.append("")
        if is_literal:
            made.append("   " + line[2:])
        else:
            made.append(line if "``" in line else re.sub(r"(?<![\\*])\*(?!\*)", r"\\*", line))
        literal = is_literal
    lines[:] = made


def setup(app):
    """Connect what is done to commands' help."""
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", _plain)
