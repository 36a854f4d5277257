"""Compare the transfer on a GPU with that on the CPU."""

from __future__ import annotations

import numpy as np

from ..arrays import Bools, Floats
from ..transfer import Guide, Transfer, Transferred, transfer
from .sample import smooth_window


def case(window: int) -> tuple[Floats, Bools, Guide]:
    """Make a window [W, W, 3] with noise, a square hole of half its side, and a guide of a quarter of its size."""
    image, mask = smooth_window(window)
    noise = np.random.default_rng(0).normal(0, 0.05, (window, window, 3)).astype(np.float32)
    pixels = (image[0].transpose(1, 2, 0) + noise).clip(-1, 1)
    guide = Guide(pixels[2::4, 2::4], np.full((window // 32, window // 32), -1), 4)
    return pixels, mask[0, 0] > 0, guide


def differences(window: int, form: Transfer, threads: int) -> str:
    """Run a transfer on the CPU and by `form`, and describe how far the results differ; for comparison, those of two seeds on the CPU."""
    pixels, hole, guide = case(window)
    expected, found, other = (
        run(pixels, hole, guide, seed=seed, threads=threads) for run, seed in ((transfer, 0), (form, 0), (transfer, 1))
    )
    return f"from the CPU: {_difference(expected, found, hole)}; of two seeds: {_difference(expected, other, hole)}"


def _difference(first: Transferred, second: Transferred, hole: Bools) -> str:
    """Describe the difference of two fills of a hole, which both have sources."""
    if first.sources is None or second.sources is None:
        return "no sources"
    share = (first.sources != second.sources)[hole].any(axis=1).mean()
    return f"{share:.2%} of the sources differ, pixels by {127.5 * np.abs(first.pixels - second.pixels)[hole].mean():.2f} of 255"
