"""The guide for the GPU: its pixels at the size of a level, shares of the cubic interpolation, and the Gaussian of a blur.

`gi_plugin.transfer.guide` and `kernels` define them; the same float32 numbers come out.
"""

from __future__ import annotations

import math

import numpy as np

from gi_plugin.arrays import Array, Floats
from gi_plugin.box import Box
from gi_plugin.transfer import Guide


def guide_arrays(guide: Guide, factor: int, part: Box) -> dict[str, Array]:
    """Arrays by which the kernel `complete` finds the guide at 1/`factor` of the window's size.

    :param part: the box in which it is needed, in pixels of that size.
    :return: "guide" [h, w, 3], and for rows and columns the first of the four pixels to mix [n] and their shares [n, 4].
    """
    reduced, ratio = max(factor // guide.scale, 1), max(guide.scale // factor, 1)
    rows, columns = (-(-size // reduced) for size in guide.pixels.shape[:2])
    pixels = guide.at(factor, (slice(0, rows), slice(0, columns))) if reduced > 1 else guide.pixels
    row_first, row_shares = cubic_shares(part.top, part.bottom, ratio)
    column_first, column_shares = cubic_shares(part.left, part.right, ratio)
    tables = {"row_first": row_first, "row_shares": row_shares, "column_first": column_first, "column_shares": column_shares}
    return {"guide": pixels, **tables}


def cubic_shares(start: int, stop: int, ratio: int) -> tuple[Array, Floats]:
    """For the pixels of an axis enlarged by `ratio`: the first of four pixels [n], and their Catmull-Rom shares [n, 4]."""
    places = (np.arange(start, stop) + 0.5) / ratio - 0.5
    first = np.floor(places).astype(np.int32)
    t = (places - first).astype(np.float32)
    shares = ((-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2, (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2)
    return first - 1, np.stack(shares, 1)


def gaussian(sigma: float) -> Floats:
    """Weights [2 radius + 1] of a Gaussian that ends at three sigma, and sums to 1."""
    radius = max(math.ceil(3 * sigma), 1)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), dtype=np.float32)
