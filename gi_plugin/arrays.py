"""Type aliases for arrays, and the size of an attention cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.floating]  # of any precision
Indices = npt.NDArray[np.intp]
Integers = npt.NDArray[np.int64]
Field = npt.NDArray[np.int32]  # [H, W, 2] row and column of each pixel's source, -1 where there is none
Matches = Integers  # numbers of attention cells, counted row by row

CELL = 8  # side of an attention cell, in pixels of the network's input
