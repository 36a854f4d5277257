"""Store the kernels that TensorRT-RTX compiles when an engine is opened (which takes seconds) in the engine cache, for the next process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gi_plugin.errors import EngineMismatch

from ..cache import EngineCache
from ..gpu.driver import Gpu

log = logging.getLogger(__name__)


class CompiledKernels:
    """The kernels compiled for one engine on one GPU."""

    def __init__(self, engine: Any, cache: EngineCache, parts: Mapping[str, str], gpu: Gpu) -> None:
        self._engine, self._cache = engine, cache
        self._parts = {**parts, "backend": f"{parts['backend']} kernels", "device": f"{gpu}, engine for {parts['device']}"}
        self._config = engine.create_runtime_config()
        self._kernels = self._config.create_runtime_cache()
        self._known = self._load()
        self._config.set_runtime_cache(self._kernels)

    def context(self) -> Any:
        """Create an execution context; None if there is not enough memory."""
        return self._engine.create_execution_context(self._config)

    def keep(self) -> None:
        """Store the compiled kernels. Call it after the first run; later calls do nothing."""
        if self._known:
            return
        self._known = True
        try:
            self._cache.store(self._parts, bytes(self._kernels.serialize()))
        except OSError as error:
            log.warning("engine cache %s cannot be written (%s): the next start compiles again", self._cache.directory, error)

    def _load(self) -> bool:
        try:
            blob = self._cache.load(self._parts)
        except (EngineMismatch, OSError) as error:
            log.warning("compiled kernels not used: %s", error)
            return False
        return blob is not None and bool(self._kernels.deserialize(blob))
