"""A model that OpenVINO compiled for the CPU, kept in the engine cache, with one inference request per stream."""

from __future__ import annotations

import io
import logging
import os
import platform
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from gi_plugin.arrays import Array
from gi_plugin.config import EngineSettings, cache_directory
from gi_plugin.errors import EngineError, EngineMismatch, EngineMissing, first_line
from gi_plugin.openvino_core import CORE

from ..cache import EngineCache

if TYPE_CHECKING:
    import openvino

DEVICE = "CPU"
KEPT = "1000"  # prepared layers in memory, one per size of region; OpenVINO's default, 5000, takes some hundred MiB more
PRECISIONS = {"fp32": "f32", "bf16": "bf16"}  # int8 runs its unquantised layers in the faster of these
log = logging.getLogger(__name__)
_process: int | None = None  # id of the process that first used OpenVINO


class CompiledModel:
    """A compiled model. Each stream runs one call at a time, on its share of the threads."""

    def __init__(self, read: Callable[[], openvino.Model], parts: Mapping[str, str], precision: str, settings: EngineSettings) -> None:
        """Load the compiled model from the cache, or compile and store it. Without a usable cache it is compiled at every start.

        :param read: reads the model, with fixed shapes.
        :param parts: what the model depends on, for the key in the cache.
        :param precision: "fp32", "bf16" or "int8".
        """
        check_process()
        hint = PRECISIONS[usable_precision("auto") if precision == "int8" else precision]
        options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "CPU_RUNTIME_CACHE_CAPACITY": KEPT}
        if settings.threads:
            options["INFERENCE_NUM_THREADS"] = str(settings.threads)
        if settings.streams > 1:
            options["NUM_STREAMS"] = str(settings.streams)
        parts = {
            **parts,
            "package": f"openvino {version('openvino')}, gi-plugin {version('gi-plugin')}",
            "device": f"{CORE.get_property(DEVICE, 'FULL_DEVICE_NAME')} {' '.join(sorted(_capabilities()))}",
            "system": f"{platform.system()} {platform.machine()}",
            "options": str(sorted(options.items())),
        }
        compiled = _compiled(read, EngineCache(cache_directory(settings)), parts, options)
        self._idle: queue.LifoQueue[openvino.InferRequest | None] = queue.LifoQueue()  # None once the model is closed
        self._streams, self._closing = max(settings.streams, 1), threading.Lock()
        for _ in range(self._streams):
            self._idle.put(compiled.create_infer_request())

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Run the model; several threads may call it at the same time.

        :raises EngineError: if the model was closed, or the process was forked.
        :raises RuntimeError: if the run fails.
        """
        check_process()
        request = self._idle.get()
        try:
            if request is None:
                raise EngineError("the engine was closed")
            return list(request.infer(inputs).values())
        finally:
            self._idle.put(request)

    def close(self) -> None:
        """Wait for running calls, then release the model."""
        with self._closing:
            for _ in range(self._streams):
                self._idle.get()
            for _ in range(self._streams):
                self._idle.put(None)


def check_process() -> None:
    """Raise an error in a forked child: OpenVINO's threads exist only in the parent, so a call would wait for ever."""
    global _process  # noqa: PLW0603  # OpenVINO's threads belong to the process as well
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise EngineError(
            "this process was forked after OpenVINO had been used: fork before the first call, or start workers by 'spawn' or 'forkserver'"
        )


def usable_precision(setting: str) -> str:
    """Resolve the precision setting: "auto" means bf16 if the CPU has instructions for it, else fp32.

    :raises EngineMissing: if this CPU does not run in that precision.
    """
    supported = ["bf16", "fp32"] if "BF16" in _capabilities() else ["fp32"]
    if setting == "auto":
        return supported[0]
    if setting not in (*supported, "int8"):
        raise EngineMissing(
            f"openvino on this CPU runs in {', '.join(supported)} or int8, not in {setting}; set [engine] precision = 'auto'"
        )
    return setting


def _capabilities() -> list[str]:
    return [str(name) for name in CORE.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")]


def _compiled(
    read: Callable[[], openvino.Model], cache: EngineCache, parts: Mapping[str, str], options: dict[str, str]
) -> openvino.CompiledModel:
    try:
        with cache.locked(parts):
            return _cached(cache, parts, options) or _keep(cache, parts, CORE.compile_model(read(), DEVICE, options))
    except OSError as error:
        log.warning("engine cache %s cannot be used (%s): compiling without it", cache.directory.parent, error)
        return CORE.compile_model(read(), DEVICE, options)


def _cached(cache: EngineCache, parts: Mapping[str, str], options: dict[str, str]) -> openvino.CompiledModel | None:
    try:
        payload = cache.load(parts)
        return None if payload is None else CORE.import_model(io.BytesIO(payload), DEVICE, options)
    except (EngineMismatch, RuntimeError, OSError) as error:
        log.warning("cached engine not used, it is compiled again: %s", first_line(error))
        return None


def _keep(cache: EngineCache, parts: Mapping[str, str], compiled: openvino.CompiledModel) -> openvino.CompiledModel:
    try:
        cache.store(parts, compiled.export_model().getvalue())
    except OSError as error:
        log.warning("engine cache %s cannot be written (%s): the next start compiles again", cache.directory, error)
    return compiled
