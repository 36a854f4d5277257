"""A model that OpenVINO compiled, kept in the engine cache, with one inference request per stream.

Models run on the CPU, or on an Intel GPU; the GPU part was not run on a GPU.
"""

from __future__ import annotations

import functools
import logging
import os
import platform
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gi_plugin.arrays import Array
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, EngineMismatch, EngineMissing, first_line
from gi_plugin.openvino_core import CORE, OPENVINO_VERSION
from gi_plugin.version import VERSION

from ..cache import EngineCache, engine_cache

if TYPE_CHECKING:
    import openvino

DEVICE = "CPU"
KEPT = "1000"  # prepared layers in memory, one per size of region; OpenVINO's default, 5000, takes some hundred MiB more
QUICK_START = {"SNIPPETS_MODE": "DISABLE"}  # no code is generated for chains of small layers: loading takes half the time, calls as long
PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}  # int8 runs its unquantised layers in the fastest of these
SHORTAGE = ("alloc", "memory", "Resource temporarily unavailable", "Broken promise")  # in messages of OpenVINO when memory is short
NO_MEMORY = "not enough memory: close other programs, raise the limit of this process (ulimit -v), or lower [engine] batch and streams"
log = logging.getLogger(__name__)
_process: int | None = None  # id of the process that first used OpenVINO


class CompiledModel:
    """A compiled model. Each stream runs one call at a time, on its share of the threads."""

    def __init__(self, read: Callable[[], openvino.Model], parts: Mapping[str, str], precision: str, settings: EngineSettings) -> None:
        """Load the compiled model from the cache, or compile and store it. Without a usable cache it is compiled at every start.

        :param read: reads the model, with the shapes that it will run with.
        :param parts: what the model depends on, for the key in the cache.
        :param precision: "fp32", "bf16", "fp16" or "int8".
        """
        check_process()
        device = device_of(settings)
        hint = PRECISIONS[usable_precision("auto", device) if precision == "int8" else precision]
        options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if device == DEVICE:
            options |= {"CPU_RUNTIME_CACHE_CAPACITY": KEPT, **QUICK_START}
        if settings.threads and device == DEVICE:
            options["INFERENCE_NUM_THREADS"] = str(settings.threads)
        if settings.streams > 1:
            options["NUM_STREAMS"] = str(settings.streams)
        parts = {
            **parts,
            "package": f"openvino {OPENVINO_VERSION}, gi-plugin {VERSION}",
            "device": f"{CORE.get_property(device, 'FULL_DEVICE_NAME')} {' '.join(sorted(_capabilities(device)))}",
            "system": f"{platform.system()} {platform.machine()}",
            "options": str(sorted(options.items())),
        }
        compiled = _compiled(read, settings, parts, options, device)
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


def device_of(settings: EngineSettings) -> str:
    """Return OpenVINO's name of the device in the settings.

    :raises EngineMissing: if there is no such GPU.
    """
    if not settings.device.startswith("gpu"):
        return DEVICE
    name = settings.device.upper().replace(":", ".")
    found = [str(device) for device in CORE.available_devices]
    if not {name, f"{name}.0"} & {*found}:
        raise EngineMissing(f"openvino finds no {name}, only {', '.join(found)}; it runs on Intel GPUs: set [engine] device = 'auto'")
    return name


def usable_precision(setting: str, device: str = DEVICE) -> str:
    """Resolve the precision setting: "auto" means bf16 (on a GPU fp16) if the device has instructions for it, else fp32.

    :raises EngineMissing: if this device does not run in that precision.
    """
    low = "bf16" if device == DEVICE else "fp16"
    supported = [low, "fp32"] if low.upper() in _capabilities(device) else ["fp32"]
    if setting == "auto":
        return supported[0]
    if setting not in (*supported, "int8"):
        raise EngineMissing(
            f"openvino on this {device} runs in {', '.join(supported)} or int8, not in {setting}; set [engine] precision = 'auto'"
        )
    return setting


def _capabilities(device: str) -> list[str]:
    return [str(name) for name in CORE.get_property(device, "OPTIMIZATION_CAPABILITIES")]


def reason_of(error: RuntimeError) -> str:
    """Return the reason of an error of OpenVINO in one line, without the places in its source code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from ")]
    reason = lines[0] if lines else first_line(error)
    return NO_MEMORY if any(word in reason for word in SHORTAGE) else reason


def _compiled(
    read: Callable[[], openvino.Model], settings: EngineSettings, parts: Mapping[str, str], options: dict[str, str], device: str
) -> openvino.CompiledModel:
    def compile_now() -> openvino.CompiledModel:
        return _with(options, lambda usable: CORE.compile_model(read(), device, usable))

    try:
        cache = engine_cache(settings)
        there = cache.has(parts)  # an entry is complete or not there, so reading it needs no lock
        if there and (found := _cached(cache, parts, options, device)):
            return found
        with cache.locked(parts):
            built = None if there else _cached(cache, parts, options, device)  # by another process
            return built or _keep(cache, parts, compile_now())
    except OSError as error:
        _warn_once(f"the engine cache cannot be used ({error}): compiling without it")
        return compile_now()


def _with(options: dict[str, str], call: Callable[[dict[str, str]], openvino.CompiledModel]) -> openvino.CompiledModel:
    """Call a function with options, and without those of `QUICK_START` if this version of OpenVINO does not know them."""
    try:
        return call(options)
    except RuntimeError as error:
        if not any(name in str(error) for name in QUICK_START):
            raise
        return call({name: value for name, value in options.items() if name not in QUICK_START})


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(message)


def _cached(cache: EngineCache, parts: Mapping[str, str], options: dict[str, str], device: str) -> openvino.CompiledModel | None:
    try:
        payload = cache.load(parts)
        return None if payload is None else _with(options, lambda usable: CORE.import_model(payload, device, usable))
    except RuntimeError as error:
        if (reason := reason_of(error)) == NO_MEMORY:
            raise EngineError(f"openvino cannot load the network: {reason}") from error
        log.warning("cached engine not used, it is compiled again: %s", reason)
        return None
    except (EngineMismatch, OSError) as error:
        log.warning("cached engine not used, it is compiled again: %s", first_line(error))
        return None


def _keep(cache: EngineCache, parts: Mapping[str, str], compiled: openvino.CompiledModel) -> openvino.CompiledModel:
    try:
        cache.store(parts, compiled.export_model().getvalue())
    except (RuntimeError, MemoryError, ValueError) as error:  # memory is short; OpenVINO may close the file. If calls fail, they say so
        log.info("the compiled network is not kept, so the next start compiles it again: %s", first_line(error))
    except OSError as error:
        log.warning("engine cache %s cannot be written (%s): the next start compiles again", cache.directory, error)
    return compiled
