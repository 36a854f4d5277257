"""Run TensorRT engines from the cache on a CUDA GPU. PyCUDA manages memory and streams; each call launches one CUDA graph."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gi_plugin.arrays import Floats, Matches
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, EngineMismatch, EngineMissing
from gi_plugin.network_file import INPUTS, OUTPUTS

from ..cache import EngineCache, engine_cache
from ..gpu.driver import Gpu, Graph, find_gpu
from ..gpu.memory import Buffers, Device
from ..overflow import Fp32Retry
from ..protocol import Engine, full_batch
from .build_request import Request
from .builder import RUNS_ON, build_command, cached_parts, request_of
from .package import TensorRtPackage
from .rtx_kernel_cache import CompiledKernels

WORKERS = 2  # calls that may run on the GPU at once: one computes while the other copies
log = logging.getLogger(__name__)


class TensorRtEngine:
    """A TensorRT engine with a pool of at most WORKERS execution contexts, which are created when first needed."""

    def __init__(
        self,
        network: Path,
        window: int,
        settings: EngineSettings,
        package: TensorRtPackage,
        open_fp32_engine: Callable[[], Engine],
        config_file: Path | None = None,
    ) -> None:
        """Load the engine from the cache.

        :param open_fp32_engine: opens an fp32 engine, for windows that overflow in this engine's precision.
        :param config_file: the file that the settings were read from, named in the command that builds a missing engine.
        :raises EngineMissing: if the package, the GPU or the engine is missing, or the package does not support the GPU.
        :raises EngineMismatch: if the cached engine cannot be used.
        """
        self.window, self.batch = window, settings.batch
        trt, gpu = package.load(), find_gpu(settings.gpu_number())
        package.check_capability(gpu.capability)
        request = request_of(network, window, settings, package, config_file=config_file)
        self.backend = f"{package.backend} {request.precision}"
        cache = engine_cache(settings)
        parts = cached_parts(cache, request, gpu)
        plan = cached_plan(cache, parts, request, gpu)
        self._device = Device(settings.gpu_number())
        with self._device.active():
            self._logger = trt.Logger(trt.Logger.WARNING)
            self._runtime = trt.Runtime(self._logger)
            self._engine = _deserialized(trt, self._runtime, plan, request)
            self._kernels = CompiledKernels(self._engine, cache, parts, gpu) if package.portable else None
        self._retry = Fp32Retry(open_fp32_engine)
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(WORKERS):
            self._idle.put(None)  # a worker that is created when needed
        self._lock, self._closed = threading.Lock(), False
        self._making = threading.Lock()  # of workers: allocating memory would spoil a graph that another thread records

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows; see `Engine`."""
        worker = self._idle.get()
        try:
            with self._device.active():
                if worker is None:
                    with self._making:
                        worker = self._worker()
                completed, matches = worker(full_batch(image, self.batch), full_batch(mask, self.batch))
            count = image.shape[0]
            if np.isfinite(completed[:count]).all():
                return completed[:count], matches[:count]
            return self._retry(self.backend, image, mask)  # still holds the worker, so that `close` waits for it
        except (self._device.cuda.Error, EngineError) as error:
            raise EngineError(f"{self.backend} failed on a {self.window} px window: {error}") from error
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Wait for running calls, then release all GPU objects."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        workers = [self._idle.get() for _ in range(WORKERS)]
        with self._device.active():
            for worker in workers:
                if worker is not None:
                    worker.close()
            del workers, self._kernels, self._engine, self._runtime
        for _ in range(WORKERS):
            self._idle.put(None)  # waiting calls continue and find the engine closed
        self._retry.close()

    def _worker(self) -> _Worker:
        if self._closed:
            raise EngineError("the engine was closed")
        context = self._kernels.context() if self._kernels else self._engine.create_execution_context()
        if context is None:
            raise EngineError("there is not enough GPU memory for another execution context")
        worker = _Worker(self._device, self._engine, context)
        if self._kernels:
            self._kernels.keep()
        return worker


class _Worker:
    """An execution context with its stream and memory. It runs one call at a time and allocates nothing per call."""

    def __init__(self, device: Device, engine: Any, context: Any) -> None:
        self._context, self._cuda_error = context, device.cuda.Error
        shapes = {name: tuple(engine.get_tensor_shape(name)) for name in (*INPUTS, *OUTPUTS)}
        arrays = {name: np.empty(shape, np.int64 if name == "matches" else np.float32) for name, shape in shapes.items()}
        self._buffers = Buffers(device, {name: arrays[name] for name in INPUTS}, {name: arrays[name] for name in OUTPUTS})
        for name, memory in self._buffers.device.items():
            self._context.set_tensor_address(name, int(memory))
        self._stream = int(self._buffers.stream.handle)
        self._queue()  # the first run loads every kernel; only then can the graph be recorded
        self._buffers.stream.synchronize()
        self._graph = self._recorded()

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        for name, array in zip(INPUTS, (image, mask), strict=True):
            np.copyto(self._buffers.host[name], array)
        self._graph.launch() if self._graph else self._queue()
        self._buffers.stream.synchronize()
        completed, matches = (self._buffers.host[name].copy() for name in OUTPUTS)
        return completed, matches

    def close(self) -> None:
        if self._graph is not None:
            self._graph.close()
        self._buffers.close()
        del self._context

    def _queue(self) -> None:
        self._buffers.upload()
        if not self._context.execute_async_v3(self._stream):
            raise EngineError("TensorRT could not queue the engine")
        self._buffers.download()

    def _recorded(self) -> Graph | None:
        try:
            return Graph(self._stream, self._queue)
        except (EngineError, self._cuda_error) as error:
            log.warning("no CUDA graph can be used (%s): every call queues its kernels one by one", error)
            return None


def _deserialized(trt: ModuleType, runtime: Any, plan: bytes, request: Request) -> Any:
    if request.layer == "plugin":
        from . import layer as attention_layer  # noqa: PLC0415  # needs triton

        attention_layer.register(trt)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineMismatch(f"{request.backend} cannot load the cached engine; build it again with: {build_command(request)}")
    return engine


def cached_plan(cache: EngineCache, parts: dict[str, str], request: Request, gpu: Gpu) -> bytes:
    """Read an engine from the cache and check it against its sidecar.

    :raises EngineMissing: if it was never built; the message contains the command that builds it.
    :raises EngineMismatch: if it was built for other GPUs, or its file was changed.
    """
    entry = cache.entry(parts)
    if entry is None:
        raise EngineMissing(f"no engine has been built for {request.window} px windows; build it with: {build_command(request)}")
    built_for = entry.notes.get(RUNS_ON, "")
    if gpu.capability not in built_for.split():
        raise EngineMismatch(
            f"{entry.folder}: built for {built_for}, this GPU is {gpu.capability} ({gpu.name}); "
            f"build it again with: {build_command(request)} --target current"
        )
    plan = cache.load(parts)
    if plan is None:
        raise EngineMissing(f"{entry.folder}: the engine was removed meanwhile; build it again with: {build_command(request)}")
    return plan
