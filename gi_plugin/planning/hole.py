"""Checks and grows a hole, and plans its windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Bools, Integers
from ..config import Detail
from ..errors import ImageError
from ..image import dilated, wrong_shape
from ..inputs.control import go_on
from ..inputs.masks import check_mask
from ..thin import CORE
from .network_windows import plan_network
from .thin_holes import split
from .transfer_windows import plan_transfer
from .window import Window


@dataclass(frozen=True, eq=False)
class PlannedHole:
    """The hole of a picture, checked and grown, and the windows that fill it. It can be used for every picture of the same size."""

    hole: Bools  # [H, W], True = missing
    windows: tuple[Window, ...]  # fill the thick parts of the hole
    detail: Detail
    thick: Bools  # [H, W], True = missing and not thin
    squares: Integers  # [N, 2] corners of the squares with thin pixels, see `SplitHole`

    def read(self) -> Integers:
        """The parts of the picture that filling reads, [N, 4]: top, left, bottom and right of every window, and around every square."""
        squares = np.concatenate([self.squares - 2 * CORE, self.squares + 2 * CORE], axis=1)  # tiles at the border reach so far
        windows = [(window.top, window.left, window.top + window.side, window.left + window.side) for window in self.windows]
        boxes = np.concatenate([np.array(windows, np.int64).reshape(-1, 4), squares])
        return np.asarray(boxes.clip(0, [*self.hole.shape, *self.hole.shape]))

    def check_fits(self, shape: tuple[int, int]) -> None:
        """Check the size of a picture, (rows, columns).

        :raises ImageError: if the hole has another size.
        """
        if self.hole.shape != shape:
            raise ImageError(wrong_shape(self.hole.shape, shape))


def plan_hole(
    mask: Array,
    shape: tuple[int, int],
    detail: Detail,
    *,
    alpha: bool = False,
    invert: bool = False,
    dilate: int = 0,
    check: Callable[[], None] = go_on,
) -> PlannedHole:
    """Check a mask, grow its hole, and plan the windows.

    :param mask: see `check_mask`, also for `shape`, `alpha` and `invert`.
    :param dilate: pixels by which the hole grows in every direction.
    :param check: called between the steps; what it raises ends the work.
    :raises ImageError: if the mask cannot be used, or its grown hole leaves no known pixel.
    """
    hole = grown_hole(mask, shape, alpha=alpha, invert=invert, dilate=dilate, check=check)
    check()
    if detail == "network":
        return PlannedHole(hole, tuple(plan_network(hole)), detail, hole, np.zeros((0, 2), np.int64))
    parts = split(hole, check)
    check()
    thick = np.zeros(hole.shape, np.bool_) if parts.thick is None else parts.thick  # untouched zeros take no memory
    return PlannedHole(hole, () if parts.thick is None else tuple(plan_transfer(thick)), detail, thick, parts.squares)


def grown_hole(
    mask: Array,
    shape: tuple[int, int],
    *,
    alpha: bool = False,
    invert: bool = False,
    dilate: int = 0,
    check: Callable[[], None] = go_on,
) -> Bools:
    """Check a mask and grow its hole; arguments and errors as for `plan_hole`.

    :return: [H, W], True = missing.
    """
    hole = dilated(check_mask(mask, shape, alpha=alpha, invert=invert, check=check), dilate)
    if hole.all():
        raise ImageError("the hole covers the whole image once it is dilated: lower `dilate`")
    return hole
