"""Fills the thin parts of a hole: tiles around them, gathered from anywhere in the picture, go through the tiny network in batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gi_plugin.engines import ThinEngine

from ..arrays import Array, Bools, Floats, Indices, Integers, Reals
from ..errors import EngineError
from ..image import Picture
from ..inputs.control import Control
from ..planning import PlannedHole
from ..thin import CORE, MARGIN, TILE, scaled

NO_DATA = 4  # ranges of a picture outside its range from which on a float means that there are no data
TILES = 256  # tiles that are cut out at once: few enough to stay in the processor's cache


def chunks(planned: PlannedHole) -> int:
    """Return the number of chunks of tiles in which `fill_thin` works."""
    return -(-len(planned.squares) // TILES)


def fill_thin(picture: Picture, planned: PlannedHole, engine: ThinEngine, control: Control) -> Iterator[None]:
    """Write the thin pixels of the hole, and only those; yield after each chunk of tiles.

    :raises EngineError: if the engine fails, or returns values that are not finite.
    :raises Cancelled: if `control` says so, which is asked before every chunk.
    """
    for start in range(0, len(planned.squares), TILES):
        control.check()
        squares = planned.squares[start : start + TILES]
        (rows, own_rows), (columns, own_columns) = (_lines(squares[:, axis], picture.hole.shape[axis]) for axis in (0, 1))
        place = rows[:, :, None], columns[:, None, :]
        colours, missing = picture.pixels[place][..., :3], picture.hole[place]
        own = missing & ~planned.thick[place] & own_rows[:, :, None] & own_columns[:, None, :]
        number, row, column = own.nonzero()
        fill = _filled(colours, missing | _without_data(colours, picture), engine)[number, :, row, column]
        _write(picture, rows[number, row], columns[number, column], fill)
        yield


def _lines(starts: Integers, length: int) -> tuple[Integers, Bools]:
    """Rows or columns [N, TILE] of the tiles around squares that begin at `starts`, and which of them belong to the square.

    Tiles are shifted into the picture as far as it is large enough; a smaller picture repeats its last line.
    """
    lines = np.clip(starts - MARGIN, 0, max(length - TILE, 0))[:, None] + np.arange(TILE)
    own = (lines >= starts[:, None]) & (lines < np.minimum(starts + CORE, length)[:, None])
    return np.minimum(lines, length - 1), own


def _without_data(colours: Array, picture: Picture) -> Bools:
    """Mark pixels [N, S, S] of tiles that are not finite, or so far outside the range of a float picture that they mean "no data"."""
    if colours.dtype.kind != "f":
        return np.zeros(colours.shape[:3], np.bool_)
    margin = NO_DATA * (picture.high - picture.low)
    usable = (colours >= picture.low - margin) & (colours <= picture.high + margin)  # False for NaN
    return np.asarray(~usable.all(axis=3))


def _filled(colours: Array, missing: Bools, engine: ThinEngine) -> Reals:
    """Fill tiles [N, S, S, C] of a picture; the result [N, 3, S, S] has the values of the picture."""
    tiles = scaled(colours if colours.shape[3] == 3 else np.repeat(colours, 3, axis=3), missing)
    image, mask = tiles.inputs()
    fill = tiles.restored(np.concatenate([engine(*part) for part in _batches(image, mask, engine.batch)]))
    if not np.isfinite(fill).all():
        raise EngineError(f"{engine.backend} returned values that are not numbers; try [engine] precision = 'fp32'")
    grey = ((image == image[:, :1]) & (tiles.centre == tiles.centre[:, :1])).all(axis=(1, 2, 3))  # the network leaves a tint
    fill[grey] = fill[grey].mean(axis=1, keepdims=True)
    return fill


def _write(picture: Picture, rows: Indices, columns: Indices, fill: Reals) -> None:
    """Write colours [K, 3]; alpha is carried through."""
    pixels = picture.pixels[..., :3]
    if pixels.dtype.kind != "f":
        fill = np.rint(fill).clip(0, np.iinfo(pixels.dtype).max)
    elif (picture.low, picture.high) == (0, 1):
        fill = fill.clip(0, 1)
    pixels[rows, columns] = fill[:, : pixels.shape[2]]


def _batches(image: Floats, mask: Floats, size: int) -> list[tuple[Floats, Floats]]:
    return [(image[start : start + size], mask[start : start + size]) for start in range(0, len(image), size)]
