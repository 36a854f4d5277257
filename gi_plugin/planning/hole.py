"""Checks and grows a hole, and plans its windows."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array, Bools
from ..config import Detail
from ..errors import ImageError
from ..image import check_mask, dilated, wrong_shape
from .network_windows import plan_network
from .transfer_windows import plan_transfer
from .window import Window

PLANS = {"transfer": plan_transfer, "network": plan_network}


@dataclass(frozen=True, eq=False)
class PlannedHole:
    """The hole of a picture, checked and grown, and the windows that fill it. It can be used for every picture of the same size."""

    hole: Bools  # [H, W], True = missing
    windows: tuple[Window, ...]
    detail: Detail

    def check_fits(self, shape: tuple[int, int]) -> None:
        """Check the size of a picture, (rows, columns).

        :raises ImageError: if the hole has another size.
        """
        if self.hole.shape != shape:
            raise ImageError(wrong_shape(self.hole.shape, shape))


def plan_hole(mask: Array, shape: tuple[int, int], detail: Detail, *, alpha: bool = False, dilate: int = 0) -> PlannedHole:
    """Check a mask, grow its hole, and plan the windows.

    :param mask: see `check_mask`, also for `shape` and `alpha`.
    :param dilate: pixels by which the hole grows in every direction.
    :raises ImageError: if the mask cannot be used, or its grown hole leaves no known pixel.
    """
    hole = grown_hole(mask, shape, alpha=alpha, dilate=dilate)
    return PlannedHole(hole, tuple(PLANS[detail](hole)), detail)


def grown_hole(mask: Array, shape: tuple[int, int], *, alpha: bool = False, dilate: int = 0) -> Bools:
    """Check a mask and grow its hole; arguments and errors as for `plan_hole`.

    :return: [H, W], True = missing.
    """
    hole = dilated(check_mask(mask, shape, alpha=alpha), dilate)
    if hole.all():
        raise ImageError("the hole covers the whole image once it is dilated: lower `dilate`")
    return hole
