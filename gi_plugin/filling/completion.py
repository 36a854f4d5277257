"""Runs the network on windows, one batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gi_plugin.engines import Engine

from ..arrays import Floats, Matches
from ..errors import EngineError
from ..image import Picture
from ..inputs.control import Control
from ..planning import Window

EngineOf = Callable[[int], Engine]  # returns the engine for windows of the given size


@dataclass(frozen=True)
class CompletedView:
    """The network's output for one view of a picture."""

    windows: list[Window]  # all with the same view
    pixels: Floats  # [S, S, 3] in [-1, 1]
    matches: Matches  # [S/8 * S/8] best background cell of each cell


def completions(picture: Picture, windows: Sequence[Window], engine_of: EngineOf, control: Control) -> Iterator[CompletedView]:
    """Run the network once on every view of `windows`, larger windows first.

    :raises EngineError: if an engine fails, or returns values that are not finite.
    :raises Cancelled: if `control` says so, which is asked before every run.
    """
    for size in sorted({window.size for window in windows}, reverse=True):
        engine = engine_of(size)
        views: dict[tuple[int, int, int, int], list[Window]] = {}  # holes of a small picture often share a view
        for window in windows:
            if window.size == size:
                views.setdefault(window.view, []).append(window)
        groups = list(views.values())
        for start in range(0, len(groups), engine.batch):
            control.check()
            yield from _batch(picture, groups[start : start + engine.batch], engine)


def _batch(picture: Picture, groups: list[list[Window]], engine: Engine) -> Iterator[CompletedView]:
    size = groups[0][0].size
    image, mask = np.empty((len(groups), 3, size, size), np.float32), np.empty((len(groups), 1, size, size), np.float32)
    for number, (first, *_) in enumerate(groups):
        picture.read_into(image[number].transpose(1, 2, 0), mask[number, 0], first.top, first.left, first.scale)
    completed, matches = engine(image, mask)
    if not np.isfinite(completed).all():
        raise EngineError(f"{engine.backend} returned values that are not numbers; try [engine] precision = 'fp32'")
    for windows, pixels, found in zip(groups, _grey_where(image, completed), matches, strict=True):
        yield CompletedView(windows, pixels.transpose(1, 2, 0), found)


def _grey_where(image: Floats, completed: Floats) -> Floats:
    """Make completions of grey views grey, because the network leaves a tint. Both arrays are [N, 3, S, S]."""
    grey = (image == image[:, :1]).all(axis=(1, 2, 3), keepdims=True)
    if not grey.any():
        return completed
    return np.where(grey, completed.mean(axis=1, keepdims=True), completed)
