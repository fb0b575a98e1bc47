"""Write ``docs/figures.md``: ``python -m tests.benchmarks``."""

from __future__ import annotations

from tests.benchmarks.figures import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
