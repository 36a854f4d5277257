"""Pixels from the known part of the picture, guided by the network's completion."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import CELL, Bools, Field, Matches
from ..box import Box
from ..image import Picture, enlarge
from ..planning import Window
from ..transfer import Guide, transfer
from .completion import CompletedView
from .enlarging import Reduced, enlarged
from .piece import Piece

CONTEXT = 0.65  # share of a part's longer side that is searched around it, at least; near the 0.64 of a hole of 224 px in a window of 512
LEAST_CONTEXT = 64  # pixels
LARGEST = 3600  # side of a region that is searched at full size, in pixels: takes about 0.7 GB
BESIDE = 16  # pixels beyond a part whose hole is filled along, so that parts meet without a seam


@dataclass(frozen=True)
class TransferSettings:
    """What is the same for all holes of a picture."""

    sources: Bools | None  # [H, W], True = pixels may come from here; None: from everywhere that is known
    seed: int
    threads: int


class TransferDetail:
    """Fills the parts of a picture's hole one after the other; a part takes what was filled before as known, but never as a source."""

    def __init__(self, picture: Picture, settings: TransferSettings) -> None:
        self._picture, self._settings = picture, settings
        self._rest = dataclasses.replace(picture, hole=picture.hole.copy())  # what is still missing

    def fill(self, completion: CompletedView) -> Iterator[Piece]:
        """Fill what the windows of a view own."""
        first, own = completion.windows[0], _union(completion.windows)
        region = _region(own, first)
        factor = _factor(region, first.scale)
        guide = _guide(completion, first, region)
        reduced = self._transferred(region, own, dataclasses.replace(guide, scale=guide.scale // factor), factor)
        for window in completion.windows:
            yield self._write(window, completion.matches, reduced)

    def _transferred(self, region: Box, own: Box, guide: Guide, factor: int) -> Reduced:
        """Run the transfer on a region at 1/`factor` of its size."""
        pixels, missing = self._rest.read(region.top, region.left, *region.shape, factor)
        near = _cut(region, self._rest.hole, own.grown(BESIDE * factor).inside(self._rest.hole.shape))
        targets = _any(near, factor)
        others = missing & ~targets
        if others.any():
            pixels[others] = guide.at(1, (slice(0, missing.shape[0]), slice(0, missing.shape[1])))[others]
        allowed = ~_any(~self._allowed(region), factor)
        sources = None if np.array_equal(allowed, ~targets) else allowed
        done = transfer(pixels, targets, guide, sources=sources, seed=self._settings.seed, threads=self._settings.threads)
        return Reduced(region, factor, pixels, done)

    def _allowed(self, region: Box) -> Bools:
        """Where in a region pixels may come from: inside of the picture, known, and in the region that the caller named."""
        part = region.inside(self._picture.hole.shape)
        allowed = np.zeros(region.shape, np.bool_)
        allowed[part.within(region)] = ~self._picture.hole[part.slices]
        return allowed if self._settings.sources is None else allowed & region.cut(self._settings.sources)

    def _write(self, window: Window, matches: Matches, reduced: Reduced) -> Piece:
        """Write what a window owns."""
        own, region, done = window.own, reduced.region, reduced.done
        sources: Field | None = None
        if done.sources is None:
            fill = enlarge(done.pixels, reduced.factor, own.top - region.top, own.left - region.left, *own.shape)
        elif reduced.factor > 1:
            fill, sources = enlarged(self._rest, reduced, own)
        else:
            place = own.within(region)
            fill, sources = done.pixels[place], _moved(done.sources[place], region)
        self._rest.write(own.top, own.left, fill)
        self._rest.hole[own.slices] = False
        return Piece(window, matches, sources)


def _union(windows: list[Window]) -> Box:
    own = windows[0].own
    for window in windows[1:]:
        own = own.union(window.own)
    return own


def _region(own: Box, window: Window) -> Box:
    """The part of a window in which sources are searched: whole attention cells, with context around the hole on every side."""
    step, context = CELL * window.scale, max(LEAST_CONTEXT, int(CONTEXT * own.longest))
    spans = []
    for start, end, origin in ((own.top, own.bottom, window.top), (own.left, own.right, window.left)):
        low = max((start - context - origin) // step, 0) * step
        high = min(-(-(end + context - origin) // step) * step, window.side)
        spans.append((origin + low, origin + high))
    (top, bottom), (left, right) = spans
    return Box(top, left, bottom, right)


def _guide(completion: CompletedView, window: Window, region: Box) -> Guide:
    """The completion of a region of a window; matches beyond the region are dropped."""
    scale, cells = window.scale, window.size // CELL
    top, left, bottom, right = (
        (end - origin) // scale for end, origin in zip(region, (window.top, window.left, window.top, window.left), strict=True)
    )
    row, column = np.divmod(completion.matches.reshape(cells, cells)[top // CELL : bottom // CELL, left // CELL : right // CELL], cells)
    row, column = row - top // CELL, column - left // CELL
    height, width = row.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return Guide(completion.pixels[top:bottom, left:right], np.where(inside, row * width + column, -1), scale)


def _cut(region: Box, mask: Bools, part: Box) -> Bools:
    """The pixels of `mask` [H, W] in a region [h, w]; False outside of `part`."""
    cut = np.zeros(region.shape, np.bool_)
    both = Box(*map(max, part[:2], region[:2]), *map(min, part[2:], region[2:]))
    cut[both.within(region)] = mask[both.slices]
    return cut


def _moved(sources: Field, region: Box) -> Field:
    """Sources in a region as places in the picture."""
    corner = np.array([region.top, region.left], np.int32)
    return np.where(sources < 0, np.int32(-1), sources + corner)


def _any(mask: Bools, factor: int) -> Bools:
    """A mask [h, w] at 1/`factor` of its size: True where any pixel is."""
    if factor == 1:
        return mask
    return np.asarray(mask.reshape(mask.shape[0] // factor, factor, mask.shape[1] // factor, factor).any(axis=(1, 3)))


def _factor(region: Box, scale: int) -> int:
    """By how much a region is reduced for the search, so that its memory stays bounded: a power of two, at most that of the guide."""
    factor = 1
    while region.longest / factor > LARGEST and factor < scale:
        factor *= 2
    return factor
