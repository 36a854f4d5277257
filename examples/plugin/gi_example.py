"""A plugin to start from: a wrapper that adds grain to what was filled, and an engine that completes windows with their mean colour."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gi_plugin.config import Config
from gi_plugin.engines import BackendStatus, Engine
from gi_plugin.hooks.spec import Option, hookimpl

Array = npt.NDArray[Any]
NAME = "example"  # that of the entry point
spec_version = 2
CELL = 8  # side of an attention cell, in pixels


@hookimpl
def plugin_options() -> list[Option]:
    """Name the options: a user sets them under `[plugins.example]`, a caller passes `options={"example": {"sigma": 2.0}}`."""
    return [Option("sigma", 2.0, "standard deviation of the grain, in levels of 255"), Option("seed", 0, "another number, another grain")]


@hookimpl(wrapper=True)
def inpaint(mask: Array, options: Mapping[str, Any]) -> Generator[None, Array, Array]:
    """Add grain to the pixels that another plugin filled."""
    filled = yield
    own = options[NAME]
    if filled is None or filled.dtype != np.uint8:
        return filled
    noise = np.random.default_rng(own["seed"]).normal(0, own["sigma"], mask.shape)[..., None]
    grainy = (filled.reshape(*mask.shape, -1) + noise).round().clip(0, 255).astype(np.uint8)
    return np.where(mask[..., None], grainy, filled.reshape(*mask.shape, -1)).reshape(filled.shape)


class MeanEngine:
    """Completes windows with the mean colour of their known pixels."""

    backend, batch = "example mean", 1

    def __init__(self, window: int) -> None:
        self.window = window

    def __call__(self, image: Array, mask: Array) -> tuple[Array, Array]:
        """Complete windows [N, 3, W, W] in [-1, 1] whose hole is `mask` [N, 1, W, W]; see `gi_plugin.engines.Engine`."""
        known = 1 - mask
        mean = (image * known).sum(axis=(2, 3), keepdims=True) / known.sum(axis=(2, 3), keepdims=True).clip(1)
        return np.where(mask > 0, mean, image).astype(np.float32), np.zeros((len(image), (self.window // CELL) ** 2), np.int64)

    def close(self) -> None:
        """Do nothing."""


def open_mean(config: Config, window: int) -> Engine:
    """Open the engine for windows of `window` pixels."""
    return MeanEngine(window)


@hookimpl
def register_engines(register: Callable[..., None]) -> None:
    """Register the engine: `[engine] backend = "example-mean"` uses it."""
    register("example-mean", open_mean, status=lambda _: BackendStatus("example-mean", available=True, reason="needs nothing"))
