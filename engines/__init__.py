"""Engines: what runs the network on one window at a time, on the CPU or on a GPU."""

from __future__ import annotations

from gi_plugin.engines.cache import CachedEngine, EngineCache
from gi_plugin.engines.protocol import BackendStatus, Engine
from gi_plugin.engines.selection import backend_status, open_engine

__all__ = ["BackendStatus", "CachedEngine", "Engine", "EngineCache", "backend_status", "open_engine"]
