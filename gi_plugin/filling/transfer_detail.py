"""Fills windows with pixels from the known part of the picture, guided by the network's completion."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..arrays import CELL, Bools, Field, Matches
from ..box import Box
from ..image import Picture
from ..planning import Window
from ..transfer import Guide, Transfer, transfer
from .completion import CompletedView
from .enlarging import Reduced, enlarge, enlarged
from .piece import Piece
from .result import copied

CONTEXT = 0.65  # width of the context on each side, as a share of the part's longer side; 224 px in a window of 512 px have 0.64
MIN_CONTEXT = 64  # smallest width of the context, in pixels
LARGEST = 3600  # longest side of a region that is searched at full size, in pixels; it takes about 0.7 GB
STRIP = 128  # rows of a reduced mask that are computed between two questions whether to stop
OVERLAP = 16  # pixels around a part in which the hole is filled too, so that parts meet without a seam


@dataclass(frozen=True)
class TransferSettings:
    """Settings of the transfer for all holes of a picture."""

    sources: Bools | None  # [H, W], True = pixels may come from here; None: from every known pixel
    seed: int
    threads: int
    transfer: Transfer = transfer  # on the CPU, or a form for a GPU


class TransferDetail:
    """Fills the parts of a picture's hole one after the other. Pixels that were filled earlier count as known, but are never sources."""

    def __init__(self, picture: Picture, windows: int, settings: TransferSettings, check: Callable[[], None]) -> None:
        """:param windows: number of windows of the hole.

        :param check: called between the steps of a transfer; what it raises ends the call.
        """
        self._check = check
        self._picture, self._settings, self._only_window = picture, settings, windows == 1
        # the same pixels, with a hole that shrinks as parts are filled
        self._current = picture if self._only_window else dataclasses.replace(picture, hole=copied(picture.hole, check))

    def fill(self, completion: CompletedView) -> Iterator[Piece]:
        """Fill the own boxes of all windows of a view."""
        first, own = completion.windows[0], _union(completion.windows)
        region = _region(own, first)
        factor = _factor(region, first.scale)
        guide = _guide(completion, first, region)
        reduced = self._transferred(region, own, dataclasses.replace(guide, scale=guide.scale // factor), factor)
        for window in completion.windows:
            self._check()
            yield self._write(window, completion.matches, reduced)

    def _transferred(self, region: Box, own: Box, guide: Guide, factor: int) -> Reduced:
        """Run the transfer on a region at 1/`factor` of its size."""
        pixels, missing = self._current.read(region.top, region.left, *region.shape, factor)
        part = own.grown(OVERLAP * factor).inside(self._current.hole.shape)
        targets = self._any_in_strips(region, factor, lambda strip: _cut(strip, self._current.hole, part))
        others = missing & ~targets
        if others.any():
            pixels[others] = guide.at(1, (slice(0, missing.shape[0]), slice(0, missing.shape[1])))[others]
        allowed = ~self._any_in_strips(region, factor, lambda strip: ~self._source_mask(strip))
        self._check()
        sources = None if np.array_equal(allowed, ~targets) else allowed
        options = self._settings
        done = options.transfer(pixels, targets, guide, sources=sources, seed=options.seed, threads=options.threads, check=self._check)
        return Reduced(region, factor, pixels, done)

    def _any_in_strips(self, region: Box, factor: int, mask_of: Callable[[Box], Bools]) -> Bools:
        """Reduce the mask of a region by `factor`, strip by strip: True where any pixel of the block is True."""
        result = np.empty((region.shape[0] // factor, region.shape[1] // factor), np.bool_)
        for top in range(0, len(result), STRIP):
            self._check()
            bottom = min(top + STRIP, len(result))
            strip = region._replace(top=region.top + top * factor, bottom=region.top + bottom * factor)
            result[top:bottom] = _reduced_any(mask_of(strip), factor)
        return result

    def _source_mask(self, region: Box) -> Bools:
        """Mark the pixels of a region [h, w] that may be sources: inside the picture, known, and in the caller's mask if there is one."""
        part = region.inside(self._picture.hole.shape)
        allowed = np.zeros(region.shape, np.bool_)
        allowed[part.within(region)] = ~self._picture.hole[part.slices]
        return allowed if self._settings.sources is None else allowed & region.cut(self._settings.sources)

    def _write(self, window: Window, matches: Matches, reduced: Reduced) -> Piece:
        """Write the own box of a window into the picture."""
        own, region, done = window.own, reduced.region, reduced.done
        sources: Field | None = None
        if done.sources is None:
            fill = enlarge(done.pixels, reduced.factor, own.top - region.top, own.left - region.left, *own.shape)
        elif reduced.factor > 1:
            fill, sources = enlarged(self._current, reduced, own)
        else:
            place = own.within(region)
            fill, sources = done.pixels[place], _in_picture(done.sources[place], region)
        self._current.write(own.top, own.left, fill)
        if not self._only_window:
            self._current.hole[own.slices] = False
        return Piece(window, matches, sources)


def _union(windows: list[Window]) -> Box:
    """The smallest box around the own boxes of all windows."""
    own = windows[0].own
    for window in windows[1:]:
        own = own.union(window.own)
    return own


def _region(own: Box, window: Window) -> Box:
    """The part of a window in which sources are searched: the own box and context on every side, in whole attention cells."""
    step, context = CELL * window.scale, max(MIN_CONTEXT, int(CONTEXT * own.longest))
    spans = []
    for start, end, origin in ((own.top, own.bottom, window.top), (own.left, own.right, window.left)):
        low = max((start - context - origin) // step, 0) * step
        high = min(-(-(end + context - origin) // step) * step, window.side)
        spans.append((origin + low, origin + high))
    (top, bottom), (left, right) = spans
    return Box(top, left, bottom, right)


def _guide(completion: CompletedView, window: Window, region: Box) -> Guide:
    """Cut the guide of a region out of the completion; matches outside the region become -1."""
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
    """Cut a region [h, w] out of `mask` [H, W]; the result is False outside `part`."""
    cut = np.zeros(region.shape, np.bool_)
    both = part.part_in(region)
    cut[both.within(region)] = mask[both.slices]
    return cut


def _in_picture(sources: Field, region: Box) -> Field:
    """Convert sources in a region to positions in the picture; -1 stays."""
    corner = np.array([region.top, region.left], np.int32)
    return np.where(sources < 0, np.int32(-1), sources + corner)


def _reduced_any(mask: Bools, factor: int) -> Bools:
    """Reduce a mask [h, w] by `factor`: True where any pixel of the block is True."""
    if factor == 1:
        return mask
    rows = reduce(np.logical_or, (mask[start::factor] for start in range(factor)))  # many times as fast as `any` over short axes
    return np.asarray(reduce(np.logical_or, (rows[:, start::factor] for start in range(factor))))


def _factor(region: Box, scale: int) -> int:
    """Choose the factor by which a region is reduced for the search, to limit memory: a power of two, at most the scale of the guide."""
    factor = 1
    while region.longest / factor > LARGEST and factor < scale:
        factor *= 2
    return factor
