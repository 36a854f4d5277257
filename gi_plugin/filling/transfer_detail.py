"""Pixels from the known part of the picture, guided by the network's completion."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import CELL, Bools, Matches
from ..image import Picture
from ..planning import Box, Window
from ..transfer import Guide, Transferred, transfer
from .completion import Completion
from .piece import Piece

CONTEXT = 0.65  # share of a part's longer side that is searched around it, at least; near the 0.64 of a hole of 224 px in a window of 512
LEAST_CONTEXT = 64  # pixels
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

    def fill(self, completion: Completion) -> Iterator[Piece]:
        """Fill what the windows of a view own."""
        own = _union(completion.windows)
        region = _region(own, completion.windows[0])
        first = completion.windows[0]
        guide = _guide(completion, first, region)
        pixels, missing = self._rest.read(region.top, region.left, region.bottom - region.top, region.right - region.left)
        targets = missing & _inside(region, own.grown(BESIDE, self._picture.hole.shape))
        pixels = np.where((missing & ~targets)[..., None], guide.at(1, _whole(region)), pixels)
        done = transfer(
            pixels, targets, guide, sources=self._sources(region, targets), seed=self._settings.seed, threads=self._settings.threads
        )
        for window in completion.windows:
            yield self._write(window, completion.matches, region, done)

    def _sources(self, region: Box, targets: Bools) -> Bools | None:
        """Where pixels may come from in a region; None if that is everything but its targets."""
        rows, columns = self._picture.hole.shape
        allowed = np.zeros(targets.shape, np.bool_)
        inside = Box(max(region.top, 0), max(region.left, 0), min(region.bottom, rows), min(region.right, columns))
        known = ~self._picture.hole[inside.slices]
        if self._settings.sources is not None:
            known &= self._settings.sources[inside.slices]
        allowed[inside.top - region.top : inside.bottom - region.top, inside.left - region.left : inside.right - region.left] = known
        return None if np.array_equal(allowed, ~targets) else allowed

    def _write(self, window: Window, matches: Matches, region: Box, done: Transferred) -> Piece:
        own = window.own
        place = np.s_[own.top - region.top : own.bottom - region.top, own.left - region.left : own.right - region.left]
        self._rest.write(own.top, own.left, done.pixels[place])
        self._rest.hole[own.slices] = False
        if done.sources is None:
            return Piece(window, matches, None)
        sources = done.sources[place]
        return Piece(window, matches, np.where(sources < 0, -1, sources + np.array([region.top, region.left], np.int32)))


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


def _guide(completion: Completion, window: Window, region: Box) -> Guide:
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


def _inside(region: Box, box: Box) -> Bools:
    """Which pixels of a region lie in a box [h, w]."""
    mask = np.zeros((region.bottom - region.top, region.right - region.left), np.bool_)
    mask[max(box.top - region.top, 0) : box.bottom - region.top, max(box.left - region.left, 0) : box.right - region.left] = True
    return mask


def _whole(region: Box) -> tuple[slice, slice]:
    return slice(0, region.bottom - region.top), slice(0, region.right - region.left)
