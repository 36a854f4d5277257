"""A filled part of a hole."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Field, Matches
from ..planning import Window


@dataclass(frozen=True)
class Piece:
    """The filled hole inside `window.own`, and the sources of its pixels."""

    window: Window
    matches: Matches  # [S/8 * S/8] best background cell of every cell of the network's window
    # [h, w, 2] row and column in the picture of each pixel's source, -1 at known pixels; None: the pixels are the network's own
    sources: Field | None
