"""The OpenVINO engine, which runs the network on the CPU, or on an Intel GPU. It is always installed.

The GPU part was not run on a GPU.
"""

from __future__ import annotations

import io
import logging
import os
import platform
import queue
import threading
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gi_plugin import network_file
from gi_plugin.arrays import CELL, Floats, Matches
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, EngineMismatch, EngineMissing, first_line
from gi_plugin.openvino_core import CORE

from ..cache import EngineCache, engine_cache
from ..protocol import full_batch
from .hole_region import around_hole, in_window, region
from .int8_file import files, is_usable, load as load_int8

if TYPE_CHECKING:
    import openvino

DEVICE = "CPU"
KEPT = "1000"  # prepared layers in memory, one per size of region; OpenVINO's default, 5000, takes some hundred MiB more
PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}  # int8 runs its unquantised layers in the fastest of these
log = logging.getLogger(__name__)
_process: int | None = None  # id of the process that first used OpenVINO


class OpenVinoEngine:
    """The network compiled for one window size. Each stream runs one call at a time, on its share of the threads."""

    def __init__(self, network: Path, window: int, settings: EngineSettings) -> None:
        self.window = window
        self.batch = settings.batch
        _check_process()
        device = _device(settings)
        precision = _network_precision(network, settings.precision, device)
        self.backend = f"openvino {precision}" if device == DEVICE else f"openvino {device} {precision}"
        hint = PRECISIONS[_precision("auto", device) if precision == "int8" else precision]
        options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if device == DEVICE:
            options["CPU_RUNTIME_CACHE_CAPACITY"] = KEPT
        if settings.threads and device == DEVICE:
            options["INFERENCE_NUM_THREADS"] = str(settings.threads)
        if settings.streams > 1:
            options["NUM_STREAMS"] = str(settings.streams)
        parts = {
            "network": " ".join(network_file.fingerprint(path) for path in (network, *(files(network) if precision == "int8" else ()))),
            "backend": self.backend,
            "package": f"openvino {version('openvino')}, gi-plugin {version('gi-plugin')}",
            "device": f"{CORE.get_property(device, 'FULL_DEVICE_NAME')} {' '.join(sorted(_capabilities(device)))}",
            "system": f"{platform.system()} {platform.machine()}",
            "window": str(window),
            "batch": str(settings.batch),
            "options": str(sorted(options.items())),
        }
        compiled = _compiled(network, parts, options, engine_cache(settings), device)
        self._idle: queue.LifoQueue[openvino.InferRequest | None] = queue.LifoQueue()  # None once the engine is closed
        self._streams, self._closing = max(settings.streams, 1), threading.Lock()
        for _ in range(self._streams):
            self._idle.put(compiled.create_infer_request())

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows; see `Engine`."""
        count = image.shape[0]
        image, mask = full_batch(image, self.batch), full_batch(mask, self.batch)
        rows, columns = region(mask)
        _check_process()
        request = self._idle.get()
        try:
            if request is None:
                raise EngineError("the engine was closed")
            completed, found = request.infer([image, mask, rows, columns]).values()
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on a {self.window} px window: {error}") from error
        finally:
            self._idle.put(request)
        if completed.shape != image.shape or found.size != self.batch * len(rows) * len(columns):  # happens when memory is limited
            raise EngineError(
                f"{self.backend} returned no result for a {self.window} px window, probably for lack of memory; run fewer workers at once"
            )
        return completed[:count], in_window(found, rows, columns, self.window // CELL)[:count]

    def close(self) -> None:
        """Wait for running calls, then release the compiled network."""
        with self._closing:
            for _ in range(self._streams):
                self._idle.get()
            for _ in range(self._streams):
                self._idle.put(None)


def _check_process() -> None:
    """Raise an error in a forked child: OpenVINO's threads exist only in the parent, so a call would wait for ever."""
    global _process  # noqa: PLW0603  # OpenVINO's threads belong to the process as well
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise EngineError(
            "this process was forked after OpenVINO had been used: fork before the first call, or start workers by 'spawn' or 'forkserver'"
        )


def _device(settings: EngineSettings) -> str:
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


def _capabilities(device: str = DEVICE) -> list[str]:
    return [str(name) for name in CORE.get_property(device, "OPTIMIZATION_CAPABILITIES")]


def _network_precision(network: Path, setting: str, device: str) -> str:
    """Resolve the precision setting for a network: "auto" means int8 if the network has a usable int8 form, else as for `_precision`."""
    return "int8" if setting == "auto" and is_usable(network) else _precision(setting, device)


def _precision(setting: str, device: str = DEVICE) -> str:
    """Resolve the precision setting: "auto" means bf16 (on a GPU fp16) if the device has instructions for it, else fp32."""
    low = "bf16" if device == DEVICE else "fp16"
    supported = [low, "fp32"] if low.upper() in _capabilities(device) else ["fp32"]
    if setting == "auto":
        return supported[0]
    if setting not in (*supported, "int8"):
        raise EngineMissing(
            f"openvino on this {device} runs in {', '.join(supported)} or int8, not in {setting}; set [engine] precision = 'auto'"
        )
    return setting


def _compiled(
    network: Path, parts: dict[str, str], options: dict[str, str], cache: EngineCache, device: str = DEVICE
) -> openvino.CompiledModel:
    """Load the compiled network from the cache, or compile and store it. Without a usable cache it is compiled at every start."""
    try:
        with cache.locked(parts):
            return _cached(cache, parts, options, device) or _keep(cache, parts, _build(network, parts, options, device))
    except OSError as error:
        log.warning("engine cache %s cannot be used (%s): compiling without it", cache.directory, error)
        return _build(network, parts, options, device)


def _cached(cache: EngineCache, parts: dict[str, str], options: dict[str, str], device: str) -> openvino.CompiledModel | None:
    try:
        payload = cache.load(parts)
        return None if payload is None else CORE.import_model(io.BytesIO(payload), device, options)
    except (EngineMismatch, RuntimeError, OSError) as error:
        log.warning("cached engine not used, it is compiled again: %s", first_line(error))
        return None


def _build(network: Path, parts: dict[str, str], options: dict[str, str], device: str) -> openvino.CompiledModel:
    batch, window = int(parts["batch"]), int(parts["window"])
    try:
        model = _model(network, parts["backend"])
        model.reshape({"image": [batch, 3, window, window], "mask": [batch, 1, window, window], "rows": [-1], "columns": [-1]})
        return CORE.compile_model(model, device, options)
    except RuntimeError as error:
        raise EngineError(f"openvino cannot compile {network} for windows of {window} px: {error}") from error


def _model(network: Path, backend: str) -> openvino.Model:
    if backend.endswith("int8"):
        return load_int8(network)
    return CORE.read_model(network_file.expanded(around_hole(network_file.load(network))).SerializeToString())


def _keep(cache: EngineCache, parts: dict[str, str], compiled: openvino.CompiledModel) -> openvino.CompiledModel:
    try:
        cache.store(parts, compiled.export_model().getvalue())
    except OSError as error:
        log.warning("engine cache %s cannot be written (%s): the next start compiles again", cache.directory, error)
    return compiled
