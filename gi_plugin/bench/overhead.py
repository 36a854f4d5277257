"""What a call costs beside the network: an engine that does nothing stands in for it. And what the first call of a process costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gi_plugin.engines import Engine

from ..arrays import CELL, Array, Floats, Matches
from ..config import Config
from ..inpainter import Inpainter
from .first_call import seconds_of_first_call
from .timing import in_fresh_process

SHAPES = ((256, 256, 3), (1024, 1024, 3), (3000, 4000, 3))
DTYPES = ("uint8", "float32")
HOLE = 16  # side of the hole in pixels
FRESH = 5  # most fresh processes


@dataclass(frozen=True)
class Overhead:
    """Processor time of a call without the network, or time of the first call of a process with it."""

    picture: str
    dtype: str
    milliseconds: float
    times_copy: float | None  # compared with copying the picture, which every call does; None for a first call


class IdleEngine:
    """An engine that returns its input."""

    backend, batch = "none", 1

    def __init__(self, window: int) -> None:
        self.window = window

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Return the windows as they are."""
        return image, np.zeros((len(mask), (self.window // CELL) ** 2), np.int64)

    def close(self) -> None:
        """Do nothing."""


def measure(runs: int, progress: Callable[[str], None]) -> list[Overhead]:
    """Measure calls with a small hole and the network's own pixels, and the first call of a process with the user's settings.

    :param runs: timed calls for each picture.
    :param progress: called with a description of each step.
    """
    inpainter, rows = Inpainter(Config(), _open), []
    np.ones(2**22, np.float32)  # as after opening a network: from now on the C library keeps freed memory of this size for the next call
    for shape in SHAPES:
        for dtype in DTYPES:
            progress(f"overhead: {shape[1]} x {shape[0]}, {dtype}")
            image, mask = _picture(shape, dtype)
            call, copy = (_milliseconds(work, runs) for work in (lambda: inpainter(image, mask, detail="network"), image.copy))  # noqa: B023  # called at once
            rows.append(Overhead(f"{shape[1]} x {shape[0]}", dtype, call, call / max(copy, 1e-6)))
    progress("first call of a process")
    return [*rows, Overhead("256 x 256, first call", "uint8", 1000 * _first_call(min(runs, FRESH)), None)]


def _first_call(processes: int) -> float:
    """Median of the seconds in fresh processes; one before them fills the engine cache."""
    return float(np.median([in_fresh_process(seconds_of_first_call, 256, HOLE).result for _ in range(1 + processes)][1:]))


def _open(_: Config, window: int) -> Engine:
    return IdleEngine(window)


def _picture(shape: tuple[int, int, int], dtype: str) -> tuple[Array, Array]:
    values = np.random.default_rng(0).random(shape, np.float32)
    mask = np.zeros(shape[:2], np.bool_)
    mask[100 : 100 + HOLE, 100 : 100 + HOLE] = True
    return values if dtype == "float32" else (255 * values).astype(dtype), mask


def _milliseconds(work: Callable[[], Array], runs: int) -> float:
    """Median processor time of a call."""
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))
