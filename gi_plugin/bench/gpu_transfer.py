"""Compare the transfer on a GPU with that on the CPU, round by round from equal states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Bools, Field, Floats
from ..transfer import Guide, Rounds, transfer
from ..transfer.arrays import KNOWN
from ..transfer.matching import Start, run_rounds
from .sample import smooth_window


def case(window: int) -> tuple[Floats, Bools, Guide]:
    """Make a window [W, W, 3] with noise, a square hole of half its side, and a guide of a quarter of its size."""
    image, mask = smooth_window(window)
    noise = np.random.default_rng(0).normal(0, 0.05, (window, window, 3)).astype(np.float32)
    pixels = (image[0].transpose(1, 2, 0) + noise).clip(-1, 1)
    guide = Guide(pixels[2::4, 2::4], np.full((window // 32, window // 32), -1), 4)
    return pixels, mask[0, 0] > 0, guide


def differences(window: int, rounds: Rounds, threads: int) -> str:
    """Run every level on the CPU, and its first round also by `rounds`; describe the largest differences."""
    worst = np.zeros(3)

    def compare(start: Start, seeds: Sequence[int]) -> tuple[Field, Floats]:
        estimates = [replace(start.estimate, planes=start.estimate.planes.copy()) for _ in range(2)]
        field, weight = rounds(replace(start, estimate=estimates[0]), seeds[:1])
        expected, expected_weight = run_rounds(replace(start, estimate=estimates[1]), seeds[:1], threads)
        relative = np.abs(weight - expected_weight) / np.maximum(expected_weight, np.float32(1e-30))
        votes = np.abs(estimates[0].planes.astype(int) - estimates[1].planes)[start.estimate.weight != KNOWN]
        np.maximum(worst, [(field != expected).any(axis=2).sum(), relative.max(), votes.max()], out=worst)
        return run_rounds(start, seeds, threads)

    pixels, hole, guide = case(window)
    transfer(pixels, hole, guide, threads=threads, rounds=compare)
    return f"first rounds: {worst[0]:.0f} sources differ, weights by {worst[1]:.1e}, votes by {worst[2]:.0f} of 1024"
