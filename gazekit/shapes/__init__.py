"""Rectangle, patches and region: of a map, of an area, moved, packed and read."""

from __future__ import annotations
