"""Real pixels in the hole: the guide says what goes where, the pixels come from the known part of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..box import around
from . import kernels, schedule
from .arrays import Bools, Field, Floats
from .composition import compose
from .guide import Guide, nowhere
from .matching import Match, Task, match
from .pyramid import Level, pyramid, valid_sources

LEAST_SOURCES = 30  # the search starts no higher than at a level that has so many


@dataclass(frozen=True)
class Transferred:
    """A filled window, and where its pixels came from.

    `pixels` is [H, W, 3] float32 in [-1, 1], known pixels as given. `sources` [H, W, 2] int32 has the row and column of the centre of
    each missing pixel's best patch, -1 where known; it is None if there was no source to take pixels from: then they are the guide's.
    """

    pixels: Floats
    sources: Field | None


def transfer(image: Floats, hole: Bools, guide: Guide, *, sources: Bools | None = None, seed: int = 0, threads: int = 0) -> Transferred:
    """Fill the hole of a window with pixels of its known part.

    :param image: [H, W, 3] float32 in [-1, 1]; values in the hole are ignored.
    :param hole: [H, W], True = missing.
    :param sources: [H, W], True = pixels may come from here; everywhere that is known if not given.
    :param seed: another one gives another result.
    :param threads: how many to use; as many as there are cores if 0. It does not change the result.
    """
    if not hole.any():
        return Transferred(image.copy(), nowhere(hole.shape))
    image, threads = np.ascontiguousarray(image, dtype=np.float32), threads or kernels.cores()
    allowed = ~hole if sources is None else sources & ~hole
    depth = schedule.depth(hole.shape)
    source = pyramid(image, allowed, depth, threads)
    context = source if sources is None else pyramid(image, ~hole, depth, threads)
    task = Task(guide, schedule.trust(_thickness(hole, threads)), seed, threads)
    found = None
    for number in _usable(source, context):
        step = schedule.step(depth - number, source[number].missing.shape)
        found = match(task, step, source[number], context[number], found)
    if found is None:
        return Transferred(_guided(image, hole, guide), None)
    context, source = [], source[:1]  # room for the rest
    return _placed(image, hole, found, compose(image, source[0], found, threads))


def _usable(source: list[Level], context: list[Level]) -> list[int]:
    """Numbers of the levels to search, coarse to fine, none left out between; none at all if full size has no source."""
    usable: list[int] = []
    for number, level in enumerate(source):
        least = LEAST_SOURCES if number else 1
        if valid_sources(level.missing).sum() < least or not context[number].missing.any():
            break
        usable.insert(0, number)
    return usable


def _thickness(hole: Bools, threads: int) -> float:
    """Distance from the middle of the hole to its border; the picture's edge counts as one."""
    box = around(hole).grown(1)
    return float(kernels.distance(box.cut(hole), threads).max())


def _guided(image: Floats, hole: Bools, guide: Guide) -> Floats:
    box = around(hole)
    pixels = image.copy()
    pixels[box.slices] = np.where(hole[box.slices][..., None], guide.at(1, box.slices).clip(-1, 1), pixels[box.slices])
    return pixels


def _placed(image: Floats, hole: Bools, found: Match, filled: Floats) -> Transferred:
    inside = found.box.inside(hole.shape)
    place, missing = inside.within(found.box), hole[inside.slices][..., None]
    pixels, sources = image.copy(), nowhere(hole.shape)
    pixels[inside.slices] = np.where(missing, filled[place], image[inside.slices])
    sources[inside.slices] = np.where(missing, found.field[place], -1)
    return Transferred(pixels, sources)
