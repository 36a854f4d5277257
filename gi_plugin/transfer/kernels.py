"""The inner loops of the transfer: compiled if the library is available, else in numpy, with the same results."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from . import native, numpy_kernels
from .arrays import ONE, Bools, Counts, Estimate, Field, Floats, Shorts, Sources


def costs(sources: Sources, estimate: Estimate, field: Field, threads: int) -> Floats:
    """Compute the cost [h, w] of each target's source; 0 where there is no target."""
    if native.library() is None:
        return numpy_kernels.costs(sources, estimate, field)
    cost = np.zeros(field.shape[:2], np.float32)
    _run("gi_search", *_flat(sources, estimate), field, None, cost, _i32(0), _u32(0), threads)
    return cost


def search(sources: Sources, estimate: Estimate, field: Field, radius: int, seed: int, threads: int) -> tuple[Field, Floats]:
    """Improve the sources of all targets in one round of search.

    Each target tries the sources of its eight neighbours, shifted by the step to the neighbour. Then it tries random sources around its
    best one, within `radius`, `radius` / 2, `radius` / 4, …

    :return: the new field [h, w, 2] and its costs [h, w].
    """
    if native.library() is None:
        return numpy_kernels.search(sources, estimate, field, radius, seed)
    found, cost = np.full_like(field, -1), np.zeros(field.shape[:2], np.float32)
    _run("gi_search", *_flat(sources, estimate), field, found, cost, _i32(radius), _u32(seed), threads)
    return found, cost


def vote(planes: Shorts, field: Field, weight: Floats, where: Bools, votes: Shorts, threads: int) -> None:
    """Write into `votes` [h, w, 5], for each pixel of `where`, the weighted mean of the source patches that cover it."""
    if native.library() is None:
        numpy_kernels.vote(planes, field, weight, where, votes)
    else:
        _run("gi_vote", planes, _i64(planes.shape[1]), field, weight, where, *_sizes(where), votes, threads)


def best_source(field: Field, weight: Floats, window: Floats, where: Bools, threads: int) -> Field:
    """Find the source pixel of each pixel of `where`, taken from the covering patch of the largest weight.

    :param weight: [h, w] of each target's patch.
    :param window: [5, 5] weight of each pixel within a patch; it is multiplied by `weight`.
    :return: row and column [h, w, 2]; -1 elsewhere.
    """
    if native.library() is None:
        return numpy_kernels.best_source(field, weight, window, where)
    pixel = np.full_like(field, -1)
    _run("gi_heaviest", field, weight, window, where, *_sizes(where), pixel, threads)
    return pixel


def blur(picture: Floats, known: Bools | None, sigma: float, threads: int) -> Floats:
    """Blur the known pixels of `picture` [H, W, C] by a Gaussian that ends at three sigma; unknown pixels weigh nothing.

    :param known: [H, W]; None: all pixels are known.
    """
    radius = max(math.ceil(3 * sigma), 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    if native.library() is None:
        return numpy_kernels.blur(picture, known, kernel)
    picture = np.ascontiguousarray(picture)
    blurred = np.empty_like(picture)
    _run("gi_blur", picture, known, *_sizes(picture), _i64(picture.shape[2]), kernel, _i64(radius), blurred, threads)
    return blurred


def halve(planes: Shorts, count: Counts, threads: int) -> tuple[Shorts, Counts]:
    """Reduce by two, rounding the size up.

    :param count: [H, W] number of known full-size pixels in each pixel.
    :return: means of 2 x 2 pixels, weighted by `count`, and the sums of the counts.
    """
    if native.library() is None:
        return numpy_kernels.halve(planes, count)
    height, width, channels = planes.shape
    half = np.empty(((height + 1) // 2, (width + 1) // 2, channels), np.int16)
    half_count = np.empty(half.shape[:2], np.uint16)
    _run("gi_halve", planes, count, *_sizes(planes), _i64(channels), half, half_count, threads)
    return half, half_count


def distance(inside: Bools, threads: int) -> Floats:
    """Compute the exact distance [H, W] in pixels to the nearest pixel that is not `inside`; about H + W if there is none."""
    furthest = min(sum(inside.shape), 30000)
    if native.library() is None:
        squared = numpy_kernels.squared_distance(inside, furthest)
    else:
        squared = np.empty(inside.shape, np.int32)
        _run("gi_distance", np.ascontiguousarray(inside), *_sizes(inside), _i32(furthest), squared, threads)
    return np.sqrt(squared, dtype=np.float32)


_i32, _u32, _i64, _f32 = ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_float


def _sizes(array: npt.NDArray[Any]) -> tuple[ctypes.c_int64, ctypes.c_int64]:
    return _i64(array.shape[0]), _i64(array.shape[1])


def _flat(sources: Sources, estimate: Estimate) -> tuple[Any, ...]:
    """The first eleven arguments of `gi_search`."""
    pull = 0.0 if sources.low is None else sources.pull / (ONE * ONE)
    theirs = (sources.planes, sources.valid, sources.low, *_sizes(sources.planes), _f32(pull))
    return (*theirs, estimate.planes, estimate.weight, estimate.goal, *_sizes(estimate.planes))


def _run(name: str, *arguments: Any) -> None:
    """Call a C function with arrays as pointers; they must be contiguous. The last argument is the number of threads.

    :raises MemoryError: if the function ran out of memory.
    """
    loaded = native.library()
    if loaded is None or getattr(loaded, name)(*(_pointer(argument) for argument in arguments)):
        raise MemoryError(f"{name}: not enough memory")


def _pointer(argument: Any) -> Any:
    if argument is None:
        return ctypes.c_void_p(None)
    if not isinstance(argument, np.ndarray):
        return argument
    if not argument.flags.c_contiguous:
        raise ValueError("expected a contiguous array")  # an error in this package, not of the user
    return ctypes.c_void_p(argument.ctypes.data)
