"""The stamp after a swap waits for the driver, where OpenGL draws: on a real X server with Mesa."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from gazekit.capture.gl_finish import finisher
from tests.needs import need

CODE = """
import json, os, warnings
os.environ["SDL_VIDEODRIVER"] = "x11"
import pygame
from gazekit.capture.gl_finish import finisher
pygame.display.init()
before = finisher()
warnings.simplefilter("ignore")
pygame.display.set_mode((320, 240), pygame.SCALED, vsync=1)
pygame.display.flip()
finish = finisher()
pygame.display.flip()
finish and finish()
print(json.dumps([before is not None, finish is not None]))
"""


def test_opengl_is_made_to_finish() -> None:
    need(shutil.which("xvfb-run"), "xvfb-run")
    command = ["xvfb-run", "-a", "-s", "-screen 0 640x480x24", sys.executable, "-c", CODE]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == [False, True]


def test_without_opengl_there_is_nothing_to_finish() -> None:
    assert finisher() is None
