"""The transfer: the guide decides the content of the hole, and the pixels come from the known part of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..box import Box, around
from ..config import usable_cores
from . import schedule
from .arrays import Bools, Field, Floats, go_on
from .composition import compose
from .depth import hole_depth
from .guide import Guide, no_sources
from .matching import Task, match
from .pyramid import pyramid

MIN_SOURCES = 30  # a reduced level with fewer valid sources is not searched, nor is any coarser one


@dataclass(frozen=True)
class Transferred:
    """A filled window, and the sources of its pixels.

    `pixels` is [H, W, 3] float32 in [-1, 1]; known pixels are unchanged. `sources` [H, W, 2] int32 holds the row and column of the centre
    of each missing pixel's best patch, and -1 at known pixels. It is None if there was no valid source; the pixels are then the guide's.
    """

    pixels: Floats
    sources: Field | None


class Transfer(Protocol):
    """A form of the transfer: `transfer` on the CPU, or another function with its arguments and result."""

    def __call__(
        self,
        image: Floats,
        hole: Bools,
        guide: Guide,
        *,
        sources: Bools | None = None,
        seed: int = 0,
        threads: int = 0,
        check: Callable[[], None] = go_on,
    ) -> Transferred:
        """Fill the hole of a window; see `transfer`."""


def transfer(
    image: Floats,
    hole: Bools,
    guide: Guide,
    *,
    sources: Bools | None = None,
    seed: int = 0,
    threads: int = 0,
    check: Callable[[], None] = go_on,
) -> Transferred:
    """Fill the hole of a window with pixels from its known part.

    :param image: [H, W, 3] float32 in [-1, 1]; values in the hole are ignored.
    :param hole: [H, W], True = missing.
    :param sources: [H, W], True = pixels may come from here; if None, from every known pixel.
    :param seed: another seed gives another result.
    :param threads: number of threads; 0 = one per core. It does not change the result.
    :param check: called between the steps and the rounds of the search; what it raises ends the transfer.
    """
    if not hole.any():
        return Transferred(image.copy(), no_sources(hole.shape))
    image, threads = np.ascontiguousarray(image, dtype=np.float32), threads or usable_cores()
    allowed = ~hole if sources is None else sources & ~hole
    coarsest, depth = schedule.coarsest(hole.shape), hole_depth(hole, threads)
    check()
    source = pyramid(image, allowed, coarsest, threads, check)
    context = source if sources is None else pyramid(image, ~hole, coarsest, threads, check)
    task = Task(guide, schedule.guide_sigma(depth), seed, threads, check)
    found = None
    for number in levels_to_search((ours.valid, theirs.missing) for ours, theirs in zip(source, context, strict=True)):
        step = schedule.step(coarsest - number, source[number].missing.shape, depth)
        found = match(task, step, source[number], context[number], found)
    if found is None:
        return Transferred(filled_by_guide(image, hole, guide), None)
    del context, source[1:]  # to free memory
    check()
    filled = compose(image, source[0], found, threads, check)
    del source
    check()
    return written_back(image, hole, found.box, filled, found.field, check)


def levels_to_search(levels: Iterable[tuple[Bools, Bools]]) -> list[int]:
    """Numbers of the levels to search, coarse to fine, without gaps; empty if there is no source at full size.

    :param levels: [h, w] valid sources and missing pixels of each level, full size first.
    """
    usable: list[int] = []
    for number, (valid, missing) in enumerate(levels):
        if np.count_nonzero(valid) < (MIN_SOURCES if number else 1) or not missing.any():
            break
        usable.insert(0, number)
    return usable


def filled_by_guide(image: Floats, hole: Bools, guide: Guide) -> Floats:
    """Fill the hole [H, W] of a copy of `image` [H, W, 3] with the guide's pixels."""
    box = around(hole)
    pixels = image.copy()
    pixels[box.slices] = np.where(hole[box.slices][..., None], guide.at(1, box.slices).clip(-1, 1), pixels[box.slices])
    return pixels


def written_back(image: Floats, hole: Bools, box: Box, filled: Floats, field: Field, check: Callable[[], None] = go_on) -> Transferred:
    """Write a filled box [h, w, 3] and the sources [h, w, 2] of its pixels into a copy of the window `image` [H, W, 3]."""
    inside = box.inside(hole.shape)
    place, missing = inside.within(box), hole[inside.slices]
    pixels, sources = image.copy(), no_sources(hole.shape)
    for whole, part in ((pixels, filled), (sources, field)):
        check()
        for channel in range(whole.shape[2]):  # numpy is several times slower if the last axis is short
            np.copyto(whole[inside.slices][..., channel], part[place][..., channel], where=missing)
    return Transferred(pixels, sources)
