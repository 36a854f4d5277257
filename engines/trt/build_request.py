"""The request to a TensorRT builder, and the names of the files that builder and caller exchange."""

from __future__ import annotations

from dataclasses import dataclass

from .network import Layer

REQUEST, PLAN, TIMINGS = "request.json", "engine.plan", "timing.cache"  # the last lies beside the folder and is shared by all builds


@dataclass(frozen=True)
class Request:
    """The engine to build."""

    backend: str
    network: str  # path of the network file
    window: int
    batch: int
    precision: str
    layer: Layer
    targets: list[str]  # GPU architectures such as ["sm_89"]; empty: the package chooses
    optimization: int
    device: int = 0  # number of the GPU
    config_file: str = ""  # settings file for `gi-plugin build --config`; does not affect the engine
