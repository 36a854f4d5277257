"""The planes of a picture: colours, and texture channels so that the search does not prefer smooth patches."""

from __future__ import annotations

from collections.abc import Callable

from . import kernels
from .arrays import Bools, Floats, Shorts, go_on

GAIN = 5.0  # weight of the texture relative to the colours
SPREAD = 2.0  # sigma of the neighbourhood in which gradients are averaged, in pixels


def planes(image: Floats, known: Bools, threads: int, check: Callable[[], None] = go_on) -> Shorts:
    """Compute colour and texture [H, W, 5] of the known pixels of `image` [H, W, 3] in [-1, 1]; unknown pixels are ignored and become 0."""
    return kernels.planes(image, known, GAIN, SPREAD, threads, check)
