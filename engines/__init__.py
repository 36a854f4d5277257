"""Engines run the network on windows of a fixed size, on the CPU or on a GPU."""

from __future__ import annotations

from .cache import CachedEngine, EngineCache
from .protocol import BackendStatus, Engine, ThinEngine
from .selection import backend_status, open_engine, open_thin_engine

__all__ = ["BackendStatus", "CachedEngine", "Engine", "EngineCache", "ThinEngine", "backend_status", "open_engine", "open_thin_engine"]
