"""The OpenVINO engine, which runs the network on the CPU. It is always installed."""

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

import numpy as np

from gi_plugin import network_file
from gi_plugin.arrays import CELL, Floats, Matches
from gi_plugin.config import EngineSettings, cache_directory
from gi_plugin.errors import EngineError, EngineMismatch, EngineMissing, first_line
from gi_plugin.openvino_core import CORE

from ..cache import EngineCache
from .hole_region import around_hole, region
from .int8_file import files, load as load_int8

if TYPE_CHECKING:
    import openvino

DEVICE = "CPU"
KEPT = "1000"  # prepared layers in memory, one per size of region; OpenVINO's default, 5000, takes some hundred MiB more
PRECISIONS = {"fp32": "f32", "bf16": "bf16"}  # int8 runs its unquantised layers in the faster of these
log = logging.getLogger(__name__)
_process: int | None = None  # id of the process that first used OpenVINO


class OpenVinoEngine:
    """The network compiled for one window size. Each stream runs one call at a time, on its share of the threads."""

    def __init__(self, network: Path, window: int, settings: EngineSettings) -> None:
        self.window = window
        self.batch = settings.batch
        _check_process()
        precision = _precision(settings.precision)
        self.backend = f"openvino {precision}"
        hint = PRECISIONS[_precision("auto") if precision == "int8" else precision]
        options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "CPU_RUNTIME_CACHE_CAPACITY": KEPT}
        if settings.threads:
            options["INFERENCE_NUM_THREADS"] = str(settings.threads)
        if settings.streams > 1:
            options["NUM_STREAMS"] = str(settings.streams)
        parts = {
            "network": " ".join(network_file.fingerprint(path) for path in (network, *(files(network) if precision == "int8" else ()))),
            "backend": self.backend,
            "package": f"openvino {version('openvino')}, gi-plugin {version('gi-plugin')}",
            "device": f"{CORE.get_property(DEVICE, 'FULL_DEVICE_NAME')} {' '.join(sorted(_capabilities()))}",
            "system": f"{platform.system()} {platform.machine()}",
            "window": str(window),
            "batch": str(settings.batch) if settings.batch == 1 else f"1 to {settings.batch}",
            "options": str(sorted(options.items())),
        }
        compiled = _compiled(network, parts, options, cache_directory(settings))
        self._idle: queue.LifoQueue[openvino.InferRequest | None] = queue.LifoQueue()  # None once the engine is closed
        self._streams, self._closing = max(settings.streams, 1), threading.Lock()
        for _ in range(self._streams):
            self._idle.put(compiled.create_infer_request())

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows; see `Engine`."""
        count = image.shape[0]
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
        if completed.shape != image.shape or found.size != count * len(rows) * len(columns):  # happens when memory is limited
            raise EngineError(
                f"{self.backend} returned no result for a {self.window} px window, probably for lack of memory; run fewer workers at once"
            )
        matches = np.zeros((count, self.window // CELL, self.window // CELL), np.int64)
        matches[:, rows[:, None], columns] = found.reshape(count, len(rows), len(columns))
        return completed, matches.reshape(count, -1)

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


def _capabilities() -> list[str]:
    return [str(name) for name in CORE.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")]


def _precision(setting: str) -> str:
    """Resolve the precision setting: "auto" means bf16 if the CPU has instructions for it, else fp32."""
    supported = ["bf16", "fp32"] if "BF16" in _capabilities() else ["fp32"]
    if setting == "auto":
        return supported[0]
    if setting not in (*supported, "int8"):
        raise EngineMissing(
            f"openvino on this CPU runs in {', '.join(supported)} or int8, not in {setting}; set [engine] precision = 'auto'"
        )
    return setting


def _compiled(network: Path, parts: dict[str, str], options: dict[str, str], directory: Path) -> openvino.CompiledModel:
    """Load the compiled network from the cache, or compile and store it. Without a usable cache it is compiled at every start."""
    cache = EngineCache(directory)
    try:
        with cache.locked(parts):
            return _cached(cache, parts, options) or _keep(cache, parts, _build(network, parts, options))
    except OSError as error:
        log.warning("engine cache %s cannot be used (%s): compiling without it", directory, error)
        return _build(network, parts, options)


def _cached(cache: EngineCache, parts: dict[str, str], options: dict[str, str]) -> openvino.CompiledModel | None:
    try:
        payload = cache.load(parts)
        return None if payload is None else CORE.import_model(io.BytesIO(payload), DEVICE, options)
    except (EngineMismatch, RuntimeError, OSError) as error:
        log.warning("cached engine not used, it is compiled again: %s", first_line(error))
        return None


def _build(network: Path, parts: dict[str, str], options: dict[str, str]) -> openvino.CompiledModel:
    batch, window = int(parts["batch"].split()[-1]), int(parts["window"])
    try:
        model = _model(network, parts["backend"])
        windows = batch if batch == 1 else (1, batch)  # fewer windows than the batch are not padded
        model.reshape({"image": [windows, 3, window, window], "mask": [windows, 1, window, window], "rows": [-1], "columns": [-1]})
        return CORE.compile_model(model, DEVICE, options)
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
