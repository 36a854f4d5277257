"""Pictures, holes and guides for the tests of the transfer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gi_plugin.transfer import Guide
from gi_plugin.transfer.arrays import Bools, Estimate, Field, Floats, Sources
from gi_plugin.transfer.pyramid import spread, valid_sources


def photo(seed: int, height: int, width: int) -> Floats:
    """Make a picture [height, width, 3] in [-1, 1] of large shapes, stripes and grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [np.sin(x / (5 + seed % 7)) * 0.3 + np.cos((y + shift * x) / 11) * 0.4 for shift in random.uniform(-1, 1, 3)]
    return (np.stack(planes, 2) + random.normal(0, 0.05, (height, width, 3))).clip(-1, 1).astype(np.float32)


def block(height: int, width: int, top: int, left: int, rows: int, columns: int) -> Bools:
    """Make a rectangular hole [height, width]."""
    hole = np.zeros((height, width), np.bool_)
    hole[top : top + rows, left : left + columns] = True
    return hole


def guide(image: Floats, hole: Bools, scale: int = 1, seed: int = 0) -> Guide:
    """Make a poor guide: the mean colour, and random matches of cells."""
    height, width = max(hole.shape[0] // scale, 1), max(hole.shape[1] // scale, 1)
    mean = image[~hole].mean(axis=0) if not hole.all() else np.zeros(3)
    cells = (height // 8, width // 8)
    matches = np.random.default_rng(seed).integers(-1, max(cells[0] * cells[1], 1), cells)
    return Guide(np.broadcast_to(mean, (height, width, 3)).astype(np.float32), matches, scale)


def state(seed: int, height: int = 30, width: int = 34, *, guided: bool = True) -> tuple[Sources, Estimate, Field, Bools]:
    """Make random sources, a random estimate of the same size, a valid field, and the hole."""
    random = np.random.default_rng(seed)
    hole = block(height, width, 10, 12, 7, 9)
    planes = random.integers(-1024, 1025, (height, width, 5)).astype(np.int16)
    valid, targets = valid_sources(hole), spread(hole)
    centres = np.argwhere(valid)
    field = np.full((height, width, 2), -1, np.int32)
    field[targets] = centres[random.integers(len(centres), size=int(targets.sum()))]
    low, goal = random.integers(-1024, 1025, (2, height, width, 3)).astype(np.int16) if guided else (None, None)
    weight = np.where(hole, 1, 2).astype(np.uint8)
    weight[:, 21:], field[:, 21:] = 0, -1  # as if the picture ended here
    return Sources(planes, valid, low, 0.5), Estimate(random.permutation(planes), weight, goal), field, hole


def noise(seed: int, *shape: int) -> npt.NDArray[np.float32]:
    """Uniform random numbers in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
