"""A part of a hole, filled."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Field, Matches
from ..planning import Window


@dataclass(frozen=True)
class Piece:
    """The hole inside `window.own`, filled, and where its pixels came from."""

    window: Window
    matches: Matches  # the best background cell of every cell of the network's window [S/8 * S/8]
    sources: Field | None  # [h, w, 2] row and column in the picture for each pixel of `window.own`, -1 where it was known;
    # None: the pixels are the network's own
