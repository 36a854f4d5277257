"""The range of values that the network sees as black to white: one per picture, taken from its known pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, Bools, Reals
from ..errors import ImageError

MOST = 2**14  # pixels of a sample
FEWEST = 64  # values of a sample; if there are fewer, all known pixels are taken
CONTEXT = 64  # least distance from the hole within which pixels count as its surroundings
SMALLEST_PART = 8  # the range around the hole is at least this part of the picture's, so that a flat sky is not stretched to full contrast
NO_DATA = 4  # one value that is so many times farther off than the others are apart marks pixels without data
Range = tuple[float, float]
UNIT: Range = (-0.01, 1.01)  # values of resized pictures may leave [0, 1] a little


def value_range(pixels: Array, hole: Bools, given: Range | None = None) -> Range:
    """Return the lowest and the highest value of a picture, as the network shall see them.

    The range of 8-bit pictures is 0 to 255. That of floats inside [0, 1] is [0, 1], and that of uint16 that use half of their type's range
    is 0 to 65535. For all others it is that of the known pixels around the hole: the middle 98 % of them, and what lies at most half as far
    beyond. Values that are not finite, and one that marks pixels without data, e.g. -9999, do not count.

    :param pixels: [H, W, C], C in 1, 3, 4; uint8, uint16 or float; alpha does not count.
    :param hole: [H, W], True = missing.
    :param given: the caller's range, which is checked.
    :raises ImageError: if the given range cannot be used or is not that of the picture, or the values are too far apart for their type.
    """
    colours = pixels[..., :3]
    if given is not None:
        return _fitting(_checked((float(given[0]), float(given[1])), pixels.dtype), colours, hole)
    if pixels.dtype == np.uint8 or (pixels.dtype.kind == "f" and _all_inside(colours, UNIT)):
        return _full(pixels.dtype)
    values = _known(colours, hole)
    if not values.size or (pixels.dtype.kind == "f" and _quantile(values, 0.01) >= UNIT[0] and _quantile(values, 0.99) <= UNIT[1]):
        return _full(pixels.dtype)
    whole = _robust(values)
    if pixels.dtype.kind == "u" and 2 * (whole[1] - whole[0]) >= np.iinfo(pixels.dtype).max:
        return _full(pixels.dtype)
    around = _surroundings(hole)
    near = _known(colours[around], hole[around])
    return _usable(_widened(_robust(near) if near.size >= FEWEST else whole, whole), pixels.dtype)


def _checked(given: Range, dtype: np.dtype[Any]) -> Range:
    """Check that values of this type can be scaled to a range and back.

    :raises ImageError: if they cannot.
    """
    kind = np.result_type(dtype, np.float32).type
    with np.errstate(all="ignore"):
        low, high = kind(given[0]), kind(given[1])
        usable = low < high and np.isfinite([low, high, high - low, 2 / (high - low)]).all()
    if not usable:
        raise ImageError(
            f"data_range=({given[0]:g}, {given[1]:g}): expected (lowest, highest), finite, in this order, and not too far apart for {dtype}"
        )
    limits = np.iinfo(dtype) if dtype.kind == "u" else np.finfo(dtype)
    if given[0] < float(limits.min) or given[1] > float(limits.max):  # the fill could not be stored
        raise ImageError(f"data_range=({given[0]:g}, {given[1]:g}): {dtype} holds values from {limits.min:g} to {limits.max:g} only")
    return given


def _full(dtype: np.dtype[Any]) -> Range:
    return (0.0, float(np.iinfo(dtype).max)) if dtype.kind == "u" else (0.0, 1.0)


def _fitting(given: Range, colours: Array, hole: Bools) -> Range:
    """Return the caller's range if it can be that of the picture; integers may have any.

    :raises ImageError: if most known values are far outside it.
    """
    margin = (given[1] - given[0]) / 2
    limits = given[0] - margin, given[1] + margin
    if colours.dtype.kind == "f" and not _all_inside(colours, limits):
        values = _known(colours, hole)
        if 2 * np.count_nonzero((values < limits[0]) | (values > limits[1])) > values.size:
            raise ImageError(
                f"most values of the image are far outside data_range=({given[0]:g}, {given[1]:g}): correct it or leave it out"
            )
    return given


def _step(colours: Array) -> int:
    """The distance at which pixels are taken into a sample."""
    return math.ceil(math.sqrt(colours.shape[0] * colours.shape[1] / MOST)) or 1


def _all_inside(colours: Array, limits: Range) -> bool:
    """Whether a sample of all values, also those in the hole, lies in a range; NaN does not count. Many times as fast as `_known`."""
    step = _step(colours)
    sample = colours[::step, ::step]
    return bool(np.fmin.reduce(sample, axis=None) >= limits[0] and np.fmax.reduce(sample, axis=None) <= limits[1])


def _known(colours: Array, hole: Bools) -> Reals:
    """Return a sample of the finite values of the known pixels, at even distances, in ascending order."""
    step = _step(colours)
    values = colours[::step, ::step][~hole[::step, ::step]]
    if values.size < FEWEST and step > 1:
        values = colours[~hole]
    values = np.sort(values.astype(np.result_type(values.dtype, np.float32)), axis=None)  # NaN last
    return np.asarray(values[np.searchsorted(values, -np.inf, "right") : np.searchsorted(values, np.inf, "left")])


def _quantile(values: Reals, share: float) -> float:
    """Return a quantile of ascending values, interpolated."""
    place = share * (values.size - 1)
    below, above = (float(values[round_off(place)]) for round_off in (math.floor, math.ceil))
    return below + (place - math.floor(place)) * (above - below)


def _robust(values: Reals) -> Range:
    """Return the range of the middle 98 % of ascending values, and of what lies at most half as far beyond."""
    values = -_without_no_data(-_without_no_data(values)[::-1])[::-1]
    low, high = _quantile(values, 0.01), _quantile(values, 0.99)
    margin = (high - low) / 2
    return max(float(values[0]), low - margin), min(float(values[-1]), high + margin)


def _without_no_data(values: Reals) -> Reals:
    """Leave out the lowest of ascending values if it stands alone, far below the others."""
    others = values[np.searchsorted(values, values[0], "right") :]
    if not others.size:
        return values
    spread = _quantile(others, 0.99) - _quantile(others, 0.01)
    return others if 0 < NO_DATA * spread < float(others[0]) - float(values[0]) else values


def _surroundings(hole: Bools) -> tuple[slice, slice]:
    """Return the box of the hole, grown by half of its longer side on each side."""
    lines = [np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0)]
    if not lines[0].size:
        return slice(None), slice(None)
    margin = max(CONTEXT, *(int(line[-1] - line[0]) // 2 for line in lines))
    rows, columns = (slice(max(int(line[0]) - margin, 0), int(line[-1]) + margin + 1) for line in lines)
    return rows, columns


def _widened(near: Range, whole: Range) -> Range:
    """Widen the range around the hole to the smallest part of the picture's range that it may be."""
    missing = max((whole[1] - whole[0]) / SMALLEST_PART - (near[1] - near[0]), 0.0)
    return near[0] - missing / 2, near[1] + missing / 2


def _usable(found: Range, dtype: np.dtype[Any]) -> Range:
    """Make a range that can be scaled: not empty, and inside the type."""
    low, high = found
    if dtype.kind == "u":
        limit = float(np.iinfo(dtype).max)
        low, high = max(low, 0.0), min(max(high, low + 1), limit)
        return (low, high) if low < high else (low - 1, high)
    kind = np.result_type(dtype, np.float32).type
    if not kind(low) < kind(high):
        high = low + max(1.0, abs(low) / 1024)
    return _checked((low, high), dtype)
