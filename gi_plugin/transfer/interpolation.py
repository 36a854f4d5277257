"""Smooth interpolation of scattered known values by push-pull: reduce by means of known values, then enlarge again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Bools, Floats, go_on


def smooth_fill(values: Floats, known: Bools, check: Callable[[], None] = go_on) -> Floats:
    """Keep `values` [H, W, C] where `known` [H, W] is True, and interpolate smoothly elsewhere; all 0 if nothing is known.

    :param check: called between the steps; what it raises ends the work.
    """
    if known.all() or known.size == 1:
        return np.where(known[..., None], values, np.float32(0))
    check()
    coarse = smooth_fill(*_half(values, known, check), check)
    check()
    return np.where(known[..., None], values, _double(coarse, known.shape, check))


def _half(values: Floats, known: Bools, check: Callable[[], None]) -> tuple[Floats, Bools]:
    """Reduce by two: means of the known values of 2 x 2 pixels, and whether at least one of the four is known."""
    even = ((0, known.shape[0] % 2), (0, known.shape[1] % 2))
    known, values = np.pad(known, even), np.pad(values, (*even, (0, 0)))
    total, count = (np.zeros_like(array[::2, ::2], np.float32) for array in (values, known[..., None]))
    for dy, dx in np.ndindex(2, 2):
        check()
        share = known[dy::2, dx::2, None]
        total += np.where(share, values[dy::2, dx::2], np.float32(0))
        count += share
    return np.asarray(total / np.maximum(count, np.float32(1)), dtype=np.float32), np.asarray(count[..., 0] > 0)


def _double(values: Floats, shape: tuple[int, ...], check: Callable[[], None]) -> Floats:
    """Enlarge by two to `shape`, linearly: 3/4 of the nearer pixel and 1/4 of the next one."""
    for axis in (0, 1):
        length = values.shape[axis]
        before = values.take([0, *range(length - 1)], axis)
        after = values.take([*range(1, length), length - 1], axis)
        size = [*values.shape]
        size[axis] *= 2
        check()
        wide = np.empty(size, np.float32)
        even, odd = (slice(0, None, 2), slice(1, None, 2)) if axis == 0 else (np.s_[:, ::2], np.s_[:, 1::2])
        wide[even] = np.float32(0.75) * values + np.float32(0.25) * before
        wide[odd] = np.float32(0.75) * values + np.float32(0.25) * after
        values = wide
    return values[: shape[0], : shape[1]]
