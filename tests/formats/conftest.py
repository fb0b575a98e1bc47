"""The command line, as the tests of foreign files call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gazekit.cli import gazekit
from gazekit.core.errors import GazekitError

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run the command line; the exit code of an error on purpose is 1, as at a terminal."""

    def call(*arguments: Any) -> Result:
        result = CliRunner().invoke(gazekit, [str(a) for a in arguments], standalone_mode=False)
        if isinstance(result.exception, GazekitError):
            result.exit_code = 1
        elif result.exception is not None:
            raise result.exception
        else:
            result.exit_code = result.return_value if isinstance(result.return_value, int) else 0
        return result

    return call
