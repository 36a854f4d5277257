"""How far chunks of a picture must overlap so that each can be filled alone, e.g. by dask, with the result of the whole picture."""

from __future__ import annotations

from functools import reduce

from ..arrays import Array, Bools
from ..box import Box
from ..config import Detail
from ..thin import TILE
from .boxes import BLOCK
from .components import boxes_around
from .hole import PlannedHole, plan_hole
from .window import Window


def required_overlap(mask: Array, *, detail: Detail = "transfer", dilate: int = 0) -> int:
    """Return the overlap in pixels, a multiple of 32, with which chunks are filled as the whole picture is.

    Every chunk must start at a multiple of 32 pixels. A hole depends on what its windows show, and on holes that are filled in them before.
    A large hole therefore asks for a large overlap; with a hole as large as a chunk, chunks make no sense.

    :param mask: the mask of the whole picture, as for `gi_plugin.inpaint`; with detail and `dilate` as in the calls.
    :raises ImageError: if the mask cannot be used.
    """
    planned = plan_hole(mask, (mask.shape[0], mask.shape[1]), detail, dilate=dilate)
    thin = _thin(planned)
    groups = _groups(list(planned.windows), planned.hole)
    seen = [reduce(Box.union, (box for box in thin if _meet(box, group)), group) for group in groups]  # thin parts are filled first
    longest = max((box.longest for box in (*seen, *thin)), default=0)
    return 0 if longest == 0 else BLOCK * (-(-longest // BLOCK) + 1)


def _thin(planned: PlannedHole) -> list[Box]:
    """The boxes around the thin parts of a hole, with what their tiles show."""
    if not len(planned.squares):
        return []
    return [box.grown(TILE).inside(planned.hole.shape) for box in boxes_around(planned.hole & ~planned.thick)]


def _groups(windows: list[Window], hole: Bools) -> list[Box]:
    """The boxes around the windows that depend on each other, and the boxes of holes that could be joined with theirs."""
    join = max((window.size for window in windows), default=0) // 2
    groups: list[tuple[Box, Box]] = []  # everything that a group sees, and what it fills
    for window in windows:
        sees = Box(window.top, window.left, window.top + window.side, window.left + window.side).inside(hole.shape)
        sees, fills = sees.union(window.own.grown(join).inside(hole.shape)), window.own
        while (other := next((group for group in groups if _meet(group[0], fills) or _meet(group[1], sees)), None)) is not None:
            groups.remove(other)
            sees, fills = sees.union(other[0]), fills.union(other[1])
        groups.append((sees, fills))
    return [sees for sees, _ in groups]


def _meet(one: Box, other: Box) -> bool:
    return one.top < other.bottom and other.top < one.bottom and one.left < other.right and other.left < one.right
