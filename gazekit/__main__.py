"""``python -m gazekit`` is ``gazekit``."""

from gazekit.cli import main

main()
