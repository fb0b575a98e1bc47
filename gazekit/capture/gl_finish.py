"""Waiting for the graphics driver: a swap that has returned may not have been carried out."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

_LIBRARIES = {  # library, and the function that tells which context is current
    "linux": (("libGL.so.1", "glXGetCurrentContext"), ("libEGL.so.1", "eglGetCurrentContext")),
    "win32": (("opengl32", "wglGetCurrentContext"),),
    "darwin": (("/System/Library/Frameworks/OpenGL.framework/OpenGL", "CGLGetCurrentContext"),),
}


def finisher() -> Callable[[], None] | None:
    """Return ``glFinish`` where this thread draws with OpenGL; None where something else draws.

    SDL's renderer leaves its context current after a flip. Other renderers (Direct3D, Metal, software) have no such
    call; for them the moment after the swap counts, as before.
    """
    for library, current in _LIBRARIES.get(sys.platform, ()):
        try:
            loaded = ctypes.CDLL(library)
            context = getattr(loaded, current)
            context.restype = ctypes.c_void_p
            if not context():
                continue
            finish = (ctypes.CDLL("libGLESv2.so.2") if current.startswith("egl") else loaded).glFinish
            finish.restype, finish.argtypes = None, ()
        except (OSError, AttributeError):  # not there, or without the function
            continue
        return lambda finish=finish: finish()  # type: ignore[misc]
    return None
