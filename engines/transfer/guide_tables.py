"""The guide for the GPU: its pixels at the size of a level, and the shares of the cubic interpolation."""

from __future__ import annotations

import numpy as np

from gi_plugin.arrays import Array
from gi_plugin.box import Box
from gi_plugin.transfer import Guide
from gi_plugin.transfer.guide import cubic_shares


def guide_arrays(guide: Guide, factor: int, part: Box) -> dict[str, Array]:
    """Arrays by which the kernel `complete` finds the guide at 1/`factor` of the window's size.

    :param part: the box in which it is needed, in pixels of that size.
    :return: "guide" [h, w, 3], and for rows and columns the first of the four pixels to mix [n] and their shares [n, 4].
    """
    reduced, ratio = max(factor // guide.scale, 1), max(guide.scale // factor, 1)
    rows, columns = (-(-size // reduced) for size in guide.pixels.shape[:2])
    pixels = guide.at(factor, (slice(0, rows), slice(0, columns))) if reduced > 1 else guide.pixels
    tables: dict[str, Array] = {}
    for axis, span in (("row", slice(part.top, part.bottom)), ("column", slice(part.left, part.right))):
        first, shares = cubic_shares(span, ratio)
        tables |= {f"{axis}_first": first.astype(np.int32), f"{axis}_shares": shares.T}
    return {"guide": pixels, **tables}
