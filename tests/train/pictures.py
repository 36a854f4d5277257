"""Make smooth random pictures for training and evaluation, the same in every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def smooth_pictures(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Make a folder of `count` pictures of `size` (width, height), named 0.png, 1.png and so on."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(count):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        small.resize(size, Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder
