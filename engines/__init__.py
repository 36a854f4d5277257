"""Engines run the network on windows of a fixed size, on the CPU or on a GPU."""

from __future__ import annotations

from .cache import CachedEngine, EngineCache
from .protocol import BackendStatus, Engine, ThinEngine
from .registry import BACKENDS
from .selection import backend_status, open_engine, open_thin_engine, register_engines

__all__ = [
    "BACKENDS",
    "BackendStatus",
    "CachedEngine",
    "Engine",
    "EngineCache",
    "ThinEngine",
    "backend_status",
    "open_engine",
    "open_thin_engine",
    "register_engines",
]
