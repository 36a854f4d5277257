"""Benchmark of thin holes: specks, a wire and dead pixels, with our plugin, other methods, and a plain copy of the picture.

Every time is also given as a ratio to our plugin's in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from ..arrays import Array, Bools
from ..config import Config
from ..inpainter import Inpainter
from .pictures import OPENCV, RUNS, installed, photo
from .timing import in_turns

COPY = "a copy of the picture"
SLOW = {"fsr": "OpenCV contrib FSR, fast"}  # called once; it fills a picture of 16 bits with zeros
WIRE = 3  # thickness from top to bottom, in pixels
SKY = (1000, 100, 10)  # counts of a frame of 16 bits: the darkest, its gradient from left to right, and the noise


@dataclass(frozen=True)
class ThinCase:
    """A 4:3 picture with thin holes."""

    holes: str  # what they are
    megapixels: float
    draw: Callable[[tuple[int, int]], Bools]  # shape of the picture -> hole [H, W]
    bits: int = 8  # per value; 16: a grey frame of a sensor

    def picture(self) -> Array:
        """The picture: [H, W, 3] uint8, or [H, W] uint16."""
        colours = photo(self.megapixels)
        return colours if self.bits == 8 else frame(colours.shape[:2])


@dataclass(frozen=True)
class ThinRow:
    """Result of one method on one picture; times are in seconds, of a warm call in a running process."""

    holes: str
    megapixels: float
    bits: int
    missing: int  # number of missing pixels
    method: str
    runs: int
    median: float
    least: float
    ratio: float  # median / median of our plugin


def measure(config: Config, cases: Sequence[ThinCase], runs: int, progress: Callable[[str], None]) -> list[ThinRow]:
    """Time our plugin and OpenCV's methods in turns on every case, and OpenCV contrib's FSR once where it is installed.

    :param progress: called with the name of what is measured.
    :raises EngineError: if no engine can be used, or one fails.
    """
    ours = Inpainter(config)
    rows: list[ThinRow] = []
    for case in cases:
        progress(f"{case.megapixels:g} megapixels, {case.holes}")
        rows += _rows(case, ours, min(runs, RUNS))
    ours.close()
    return rows


def specks(count: int, side: int, shape: tuple[int, int]) -> Bools:
    """Make a hole [H, W] of square specks at seeded places."""
    hole = np.zeros(shape, np.bool_)
    random = np.random.default_rng(0)
    for top, left in random.integers(0, np.array(shape) - side + 1, (count, 2)):
        hole[top : top + side, left : left + side] = True
    return hole


def wire(shape: tuple[int, int]) -> Bools:
    """Make a hole [H, W] with one straight wire from the left side to the right one, lower there."""
    hole = np.zeros(shape, np.bool_)
    height, width = shape
    rows = np.linspace(height // 4, 3 * height // 4, width).astype(np.intp)
    hole[rows[:, None] + np.arange(WIRE), np.arange(width)[:, None]] = True
    return hole


def dead_pixels(count: int, shape: tuple[int, int]) -> Bools:
    """Make a hole [H, W] of single pixels at seeded places, and one whole column."""
    hole = specks(count, 1, shape)
    hole[:, shape[1] // 3] = True
    return hole


def frame(shape: tuple[int, int]) -> Array:
    """Make a frame of a sensor [H, W] uint16: a sky that gets brighter to the right, with seeded noise."""
    darkest, gradient, noise = SKY
    random = np.random.default_rng(0)
    ramp = np.linspace(darkest, darkest + gradient, shape[1], dtype=np.float32)
    return np.asarray(np.rint(ramp + noise * random.standard_normal(shape, np.float32)), dtype=np.uint16)


def _rows(case: ThinCase, ours: Inpainter, runs: int) -> Iterator[ThinRow]:
    image = case.picture()
    hole = case.draw((image.shape[0], image.shape[1]))
    own = f"gi-plugin, {ours.thin_engine().backend}"
    axis = -1 if image.ndim == 3 else None
    calls: dict[str, Callable[[], object]] = {own: partial(ours, image, hole, channel_axis=axis, detail="transfer")}
    calls |= {name: partial(fill, image, hole) for name, fill in installed(OPENCV).items()}
    seconds = in_turns({**calls, COPY: image.copy}, runs, warm=1)
    if case.bits == 8:
        seconds |= in_turns({name: partial(fill, image, hole) for name, fill in installed(SLOW).items()}, 1)
    for name, times in seconds.items():
        yield ThinRow(
            holes=case.holes,
            megapixels=case.megapixels,
            bits=case.bits,
            missing=int(hole.sum()),
            method=name,
            runs=len(times),
            median=median(times),
            least=min(times),
            ratio=median(times) / median(seconds[own]),
        )


CASES = (
    ThinCase("2,000 specks of 2 px", 12, partial(specks, 2000, 2)),
    ThinCase("one speck of 2 px", 12, partial(specks, 1, 2)),
    ThinCase("a wire of 3 px", 12, wire),
    ThinCase("1,000 dead pixels and a column", 12, partial(dead_pixels, 1000), bits=16),
)
