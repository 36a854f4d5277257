"""The array that is filled: a copy of the image, whose channels are seen in the network's order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Array
from ..image import SCAN_ROWS
from ..options import Options


def in_order(pixels: Array, options: Options) -> Array:
    """View pixels [H, W, C] with red first; alpha, which is never written, is left out if blue stood there."""
    return pixels[..., 2::-1] if options.channel_order == "bgr" and pixels.shape[2] > 1 else pixels


def copied(image: Array, check: Callable[[], None]) -> Array:
    """Copy an image or a mask in strips of rows.

    :param check: called between two strips; what it raises ends the work.
    """
    result = np.empty(image.shape, image.dtype)
    for start in range(0, len(image), SCAN_ROWS):
        check()
        result[start : start + SCAN_ROWS] = image[start : start + SCAN_ROWS]
    return result
