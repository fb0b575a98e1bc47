"""Types of arrays, under one name each for the whole house."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]  # whole numbers: positions, counts, times in microseconds
Pixels = npt.NDArray[np.uint8]  # a picture, (height, width, 3), RGB
Map = npt.NDArray[np.float32]  # an attention map, (height, width), sums to 1
Mask = Bools  # of a picture, (height, width), True where it is kept
Labels = npt.NDArray[np.int8]  # a class for every sample, see `gazekit.events.labels`
Bits = npt.NDArray[np.uint8]  # masks packed, eight pixels a byte
