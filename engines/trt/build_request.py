"""What a TensorRT builder is asked for, and the files that pass between it and its caller."""

from __future__ import annotations

from dataclasses import dataclass

from .network import Layer

REQUEST, PLAN, TIMINGS = "request.json", "engine.plan", "timing.cache"  # the last stands beside the folder, for all builds


@dataclass(frozen=True)
class Request:
    """What to build."""

    backend: str
    network: str  # path of the network file
    window: int
    batch: int
    precision: str
    layer: Layer
    targets: list[str]  # such as ["sm_89"], for packages that build for several; empty: the package's choice
    optimization: int
