"""The inner loops of the transfer: compiled if the library is available, else in numpy, with the same results."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import native, numpy_kernels
from .arrays import CHANNELS, ONE, REACH, Bools, Counts, Estimate, Field, Floats, Shorts, Sources, go_on

PIXELS = 1 << 16  # targets per thread between two questions whether to stop: about 0.05 s


def costs(sources: Sources, estimate: Estimate, field: Field, threads: int) -> Floats:
    """Compute the cost [h, w] of each target's source; 0 where there is no target."""
    library = native.library()
    if library is None:
        return numpy_kernels.costs(sources, estimate, field)
    cost = np.zeros(field.shape[:2], np.float32)
    native.run(library, "gi_search", *_flat(sources, estimate), field, None, cost, 0, 0, threads)
    return cost


def search(
    sources: Sources, estimate: Estimate, field: Field, radius: int, seed: int, threads: int, check: Callable[[], None] = go_on
) -> tuple[Field, Floats]:
    """Improve the sources of all targets in one round of search.

    Each target tries the sources of its eight neighbours, shifted by the step to the neighbour. Then it tries random sources around its
    best one, within `radius`, `radius` / 2, `radius` / 4, …

    :param check: called between strips of rows; what it raises ends the work.
    :return: the new field [h, w, 2] and its costs [h, w].
    """
    library, found, cost = native.library(), np.full_like(field, -1), np.zeros(field.shape[:2], np.float32)
    for rows in _strips(field.shape, _share(library, threads)):
        check()
        goal = None if estimate.goal is None else estimate.goal[rows]
        strip = Estimate(estimate.planes[rows], estimate.weight[rows], goal)
        drawn = (seed + rows.start * field.shape[1]) % 2**32  # a target draws by the seed plus its number in the box
        if library is None:
            inner = slice(rows.start + REACH, rows.stop - REACH)
            found[inner], cost[inner] = (array[REACH:-REACH] for array in numpy_kernels.search(sources, strip, field[rows], radius, drawn))
        else:
            arrays = field[rows], found[rows], cost[rows]
            native.run(library, "gi_search", *_flat(sources, strip), *arrays, radius, drawn, threads)
    return found, cost


def vote(
    planes: Shorts, field: Field, weight: Floats, where: Bools, votes: Shorts, threads: int, check: Callable[[], None] = go_on
) -> None:
    """Write into `votes` [h, w, 5], for each pixel of `where`, the weighted mean of the source patches that cover it.

    :param check: called between strips of rows; what it raises ends the work.
    """
    library = native.library()
    for rows in _strips(field.shape, _share(library, threads)):
        check()
        if library is None:
            numpy_kernels.vote(planes, field[rows], weight[rows], where[rows], votes[rows])
        else:
            strip = field[rows], weight[rows], where[rows], *where[rows].shape, votes[rows]
            native.run(library, "gi_vote", planes, *planes.shape[:2], *strip, threads)


def best_source(field: Field, weight: Floats, window: Floats, where: Bools, threads: int) -> Field:
    """Find the source pixel of each pixel of `where`, taken from the covering patch of the largest weight.

    :param weight: [h, w] of each target's patch.
    :param window: [5, 5] weight of each pixel within a patch; it is multiplied by `weight`.
    :return: row and column [h, w, 2]; -1 elsewhere.
    """
    library = native.library()
    if library is None:
        return numpy_kernels.best_source(field, weight, window, where)
    pixel = np.full_like(field, -1)
    native.run(library, "gi_heaviest", field, weight, window, where, *where.shape, pixel, threads)
    return pixel


def blur(picture: Floats, known: Bools | None, sigma: float, threads: int, check: Callable[[], None] = go_on) -> Floats:
    """Blur the known pixels of `picture` [H, W, 3] by a Gaussian that ends at three sigma; unknown pixels weigh nothing.

    :param known: [H, W]; None: all pixels are known.
    :param check: called between strips of rows; what it raises ends the work.
    """
    library, kernel = native.library(), gaussian(sigma)
    if picture.shape[2] != 3:
        raise ValueError("expected three channels")  # an error in this package, not of the user; the compiled code reads three
    picture, known = np.ascontiguousarray(picture), None if known is None else np.ascontiguousarray(known)
    blurred, radius = np.empty_like(picture, np.float32), len(kernel) // 2
    for rows, near in _strips_of_blur(picture.shape, radius, _share(library, threads)):
        check()
        if library is None:
            blurred[rows] = numpy_kernels.blur(picture[near], None if known is None else known[near], kernel)[_part(rows, near)]
        else:
            span = rows.start, rows.stop
            native.run(library, "gi_blur", picture, known, *picture.shape[:2], *span, kernel, radius, blurred, threads)
    return blurred


def planes(image: Floats, known: Bools, gain: float, sigma: float, threads: int, check: Callable[[], None] = go_on) -> Shorts:
    """Compute the colours and texture [H, W, 5] of the known pixels of `image` [H, W, 3], in fixed point; unknown pixels become 0.

    The texture is `gain` times the mean absolute gradient of the grey values along x and along y, from pairs of known pixels.

    :param sigma: of the Gaussian that averages gradients, in pixels.
    :param check: called between strips of rows; what it raises ends the work.
    """
    library, kernel = native.library(), gaussian(sigma)
    image, known = np.ascontiguousarray(image), np.ascontiguousarray(known)
    result, radius = np.empty((*known.shape, CHANNELS), np.int16), len(kernel) // 2
    for rows, near in _strips_of_blur(image.shape, radius + 1, _share(library, threads)):  # a gradient also reads the row above
        check()
        if library is None:
            result[rows] = numpy_kernels.planes(image[near], known[near], kernel, gain)[_part(rows, near)]
        else:
            span = rows.start, rows.stop
            native.run(library, "gi_planes", image, known, *image.shape[:2], *span, kernel, radius, gain, result, threads)
    return result


def halve(planes: Shorts, count: Counts, threads: int, check: Callable[[], None] = go_on) -> tuple[Shorts, Counts]:
    """Reduce by two, rounding the size up.

    :param count: [H, W] number of known full-size pixels in each pixel.
    :param check: called between strips of rows; what it raises ends the work.
    :return: means of 2 x 2 pixels, weighted by `count`, and the sums of the counts.
    """
    height, width, channels = planes.shape
    half = np.empty(((height + 1) // 2, (width + 1) // 2, channels), np.int16)
    half_count = np.empty(half.shape[:2], np.uint16)
    library = native.library()
    step = max(_share(library, threads) // width, 1)
    for top in range(0, len(half), step):
        check()
        rows, done = slice(2 * top, 2 * (top + step)), slice(top, top + step)
        if library is None:
            half[done], half_count[done] = numpy_kernels.halve(planes[rows], count[rows])
        else:
            arrays = half[done], half_count[done]
            native.run(library, "gi_halve", planes[rows], count[rows], *count[rows].shape, *arrays, threads)
    return half, half_count


def smooth_fill(values: Floats, known: Bools, threads: int, check: Callable[[], None] = go_on) -> Floats:
    """Keep `values` [H, W, C] where `known` [H, W] is True, and interpolate smoothly elsewhere by push-pull; all 0 if nothing is known.

    :param check: called between the steps; what it raises ends the work.
    """
    check()
    library = native.library()
    if library is None:
        return numpy_kernels.smooth_fill(values, known, check)
    values, known = np.ascontiguousarray(values), np.ascontiguousarray(known)
    filled = np.empty_like(values)
    native.run(library, "gi_smooth_fill", values, known, *values.shape, filled, threads)
    return filled


def distance(inside: Bools, threads: int) -> Floats:
    """Compute the exact distance [H, W] in pixels to the nearest pixel that is not `inside`; about H + W if there is none."""
    library, furthest = native.library(), min(sum(inside.shape), 30000)
    if library is None:
        squared = numpy_kernels.squared_distance(inside, furthest)
    else:
        squared = np.empty(inside.shape, np.int32)
        native.run(library, "gi_distance", np.ascontiguousarray(inside), *inside.shape, furthest, squared, threads)
    return np.sqrt(squared, dtype=np.float32)


def _strips(shape: tuple[int, ...], share: int) -> Iterator[slice]:
    """Cut a box into strips of `share` pixels, each with the rows above and below that its patches cover. The outer rows hold no target."""
    step, last = max(share // shape[1], 1), shape[0] - 2 * REACH
    return (slice(top, min(top + step, last) + 2 * REACH) for top in range(0, last, step))


def _strips_of_blur(shape: tuple[int, ...], reach: int, share: int) -> Iterator[tuple[slice, slice]]:
    """Cut a picture into strips of about `share` pixels: each strip, and the rows that are read for it, `reach` more on either side."""
    step = max(share // shape[1], 8 * reach)
    for top in range(0, shape[0], step):
        bottom = min(top + step, shape[0])
        yield slice(top, bottom), slice(max(top - reach, 0), bottom + reach)


def _part(rows: slice, near: slice) -> slice:
    """The place of the rows of a strip among those that were read for it."""
    return slice(rows.start - near.start, rows.stop - near.start)


def gaussian(sigma: float) -> Floats:
    """The weights of a Gaussian that ends at three sigma; their sum is 1."""
    radius = max(math.ceil(3 * sigma), 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _share(library: ctypes.CDLL | None, threads: int) -> int:
    """Pixels that are computed between two questions whether to stop."""
    return PIXELS * max(threads, 1) if library is not None else PIXELS // native.SLOWER


def _flat(sources: Sources, estimate: Estimate) -> tuple[Any, ...]:
    """The first eleven arguments of `gi_search`."""
    pull = 0.0 if sources.low is None else sources.pull / (ONE * ONE)
    theirs = (sources.planes, sources.valid, sources.low, *sources.planes.shape[:2], pull)
    return (*theirs, estimate.planes, estimate.weight, estimate.goal, *estimate.planes.shape[:2])
