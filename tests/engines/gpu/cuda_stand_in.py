"""A GPU simulated in numpy: the parts of PyCUDA, the driver and TensorRT that `TensorRtEngine` uses.

As on a real GPU, work is queued and runs later. `Device`, `Buffers`, `Graph` and the engine are not replaced.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
UNWRITTEN = 0x41  # in every byte of new memory: 12.08 as float32, far outside every array as an index
Work = Callable[[], None]


class CudaError(Exception):
    """PyCUDA's error."""


class CudaMemoryError(CudaError):
    """PyCUDA's error if there is too little memory."""


class Gpu:
    """State of the simulated GPU, and settings that make it fail."""

    def __init__(self) -> None:
        self.memory: dict[int, npt.NDArray[Any]] = {}  # by address
        self.streams: WeakValueDictionary[int, Stream] = WeakValueDictionary()  # as in PyCUDA, one lives as long as its object
        self.graphs: dict[int, list[Work]] = {}
        self.contexts = self.allocations = self.running = self.most_running = 0
        self.alive: Counter[str] = Counter()  # TensorRT objects, streams and kernels that still exist
        self.deserialized: list[bytes] = []  # compiled kernels that were loaded
        self.pushed = threading.local()
        # the operation that fails: "capture", "instantiate", "context", "execute", "copy", "recorded copy", "memory", "plan", "device"
        self.fails = ""
        self.gate = threading.Event()  # a running engine waits for it
        self.gate.set()
        self._lock, self._next = threading.Lock(), 1 << 30

    def new(self, size: int = 1) -> int:
        """Make a new handle, or the address of `size` bytes."""
        with self._lock:
            handle, self._next = self._next, self._next + -(-size // 256) * 256
            return handle

    def at(self, address: int, size: int) -> npt.NDArray[Any]:
        """View memory from an address on, which may lie inside an allocation."""
        for start, memory in self.memory.items():
            if start <= address < start + len(memory):
                return memory[address - start : address - start + size]
        raise CudaError("an illegal memory access was encountered")

    def count(self, change: int) -> None:
        """Record that an engine starts (1) or ends (-1) a run."""
        with self._lock:
            self.running += change
            self.most_running = max(self.most_running, self.running)

    def need_memory(self) -> None:
        """Count an allocation of device memory, which may fail."""
        self.allocations += 1
        if self.fails == "memory":
            raise CudaMemoryError("cuMemAlloc failed: out of memory")

    def need_context(self) -> None:
        """Fail unless this thread has a current context, as every CUDA call does."""
        if getattr(self.pushed, "depth", 0) < 1:
            raise CudaError("invalid device context")


class Stream:
    """A stream, whose work runs when it is synchronised. While a graph is recorded, work only goes into the graph."""

    def __init__(self, gpu: Gpu, flags: int = 0) -> None:
        gpu.need_context()
        if flags != NON_BLOCKING:
            raise CudaError("the host's work on the default stream would wait for this stream")
        self.handle, self.queued = gpu.new(), list[Work]()
        self.recorded: list[Work] | None = None
        self._gpu = gpu
        gpu.streams[self.handle] = self
        gpu.alive["Stream"] += 1

    def __del__(self) -> None:
        """PyCUDA destroys a stream only while a context is current."""
        if hasattr(self, "_gpu") and getattr(self._gpu.pushed, "depth", 0):
            self._gpu.alive -= Counter(["Stream"])

    def add(self, work: Work) -> None:
        """Queue or record work."""
        (self.queued if self.recorded is None else self.recorded).append(work)

    def synchronize(self) -> None:
        """Run the queued work."""
        queued, self.queued = self.queued, []
        for work in queued:
            work()


class PrimaryContext:
    """PyCUDA's object for the primary context of a GPU."""

    def __init__(self, gpu: Gpu) -> None:
        if gpu.fails == "device":
            raise CudaError("cuDevicePrimaryCtxRetain failed: CUDA-capable device(s) is/are busy or unavailable")
        self._pushed = gpu.pushed

    def push(self) -> None:
        """Make it current in this thread."""
        self._pushed.depth = getattr(self._pushed, "depth", 0) + 1

    def pop(self) -> None:
        """Make the one before current."""
        self._pushed.depth -= 1

    def __del__(self) -> None:
        """PyCUDA pushes the context to release it, and leaves it current."""
        if hasattr(self, "_pushed"):
            self.push()


def pycuda(gpu: Gpu) -> SimpleNamespace:
    """Make the part of `pycuda.driver` that we use."""

    class Memory:
        def __init__(self, size: int) -> None:
            gpu.need_context()
            gpu.need_memory()
            self._address = gpu.new(size)
            gpu.memory[self._address] = np.full(size, UNWRITTEN, np.uint8)

        def __int__(self) -> int:
            return self._address

        def free(self) -> None:
            del gpu.memory[self._address]

    def copy(target: npt.NDArray[Any], source: npt.NDArray[Any], stream: Stream) -> None:
        gpu.need_context()
        if gpu.fails == "copy" or (gpu.fails == "recorded copy" and stream.recorded is not None):
            raise CudaError("an illegal memory access was encountered")
        stream.add(lambda: np.copyto(target, source))

    def flat(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array.reshape(-1).view(np.uint8)

    def pagelocked_empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        gpu.need_context()
        gpu.allocations += 1
        return np.empty(shape, dtype)

    return SimpleNamespace(
        Error=CudaError,
        MemoryError=CudaMemoryError,
        init=lambda: None,
        Device=lambda _number: SimpleNamespace(retain_primary_context=partial(PrimaryContext, gpu)),
        Stream=partial(Stream, gpu),
        pagelocked_empty=pagelocked_empty,
        mem_alloc=Memory,
        memcpy_htod_async=lambda device, host, stream: copy(gpu.at(int(device), host.nbytes), flat(host), stream),
        memcpy_dtoh_async=lambda host, device, stream: copy(flat(host), gpu.at(int(device), host.nbytes), stream),
    )


def driver(gpu: Gpu) -> SimpleNamespace:
    """Make the part of `cuda.bindings.driver` that graphs use. Every call returns (status, value...)."""

    def answer(fault: str, *values: object) -> tuple[object, ...]:
        failed = gpu.fails == fault
        return SimpleNamespace(value=int(failed), name="CUDA_ERROR_NOT_SUPPORTED"), *((None,) * len(values) if failed else values)

    def begin(stream: int, _mode: object) -> tuple[object, ...]:
        gpu.streams[stream].recorded = None if gpu.fails == "capture" else []
        return answer("capture")

    def end(stream: int) -> tuple[object, ...]:
        recorded, gpu.streams[stream].recorded = gpu.streams[stream].recorded, None
        return answer("end", recorded)

    def instantiate(graph: list[Work], _flags: int) -> tuple[object, ...]:
        handle = gpu.new()
        if gpu.fails != "instantiate":
            gpu.graphs[handle] = graph
        return answer("instantiate", handle)

    def launch(handle: int, stream: int) -> tuple[object, ...]:
        gpu.streams[stream].queued += gpu.graphs[handle]
        return answer("launch")

    return SimpleNamespace(
        CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1),
        cuStreamBeginCapture=begin,
        cuStreamEndCapture=end,
        cuGraphInstantiate=instantiate,
        cuGraphDestroy=lambda _graph: answer("destroy graph"),
        cuGraphLaunch=launch,
        cuGraphExecDestroy=lambda handle: answer("destroy", gpu.graphs.pop(handle)),
    )


class Counted:
    """A TensorRT object, which is destroyed with its last reference."""

    def __init__(self, gpu: Gpu) -> None:
        gpu.need_context()
        self.gpu = gpu
        gpu.alive[type(self).__name__] += 1

    def __del__(self) -> None:
        self.gpu.alive -= Counter([type(self).__name__])


class Context(Counted):
    """An execution context. The completed picture is the negated image, and every match is the size of the hole."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__(gpu)
        gpu.contexts += 1
        self._addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> None:
        """Set the address of a tensor."""
        self._addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        """Queue one run."""
        self.gpu.streams[stream].add(partial(_run, self.gpu, dict(self._addresses)))
        return self.gpu.fails != "execute"


def _run(gpu: Gpu, addresses: dict[str, int]) -> None:
    gpu.count(1)
    gpu.gate.wait(30)
    time.sleep(0.002)
    memory = {name: gpu.memory[address] for name, address in addresses.items()}
    memory["completed"].view(np.float32)[:] = -memory["image"].view(np.float32)
    memory["matches"].view(np.int64)[:] = np.count_nonzero(memory["mask"].view(np.float32))
    gpu.count(-1)


class Engine(Counted):
    """An engine with fixed shapes."""

    def __init__(self, gpu: Gpu, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__(gpu)
        self._shapes = shapes

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an input or output."""
        return self._shapes[name]

    def create_execution_context(self, _config: object = None) -> Context | None:
        """Create a context; None simulates a lack of memory."""
        return None if self.gpu.fails == "context" else Context(self.gpu)

    def create_runtime_config(self) -> SimpleNamespace:
        """Create TensorRT-RTX's runtime configuration, with its cache of compiled kernels."""

        def deserialize(blob: bytes) -> bool:
            self.gpu.deserialized.append(blob)
            return True

        kernels = SimpleNamespace(serialize=lambda: b"kernels", deserialize=deserialize)
        return SimpleNamespace(create_runtime_cache=lambda: kernels, set_runtime_cache=lambda _kernels: None)


def tensorrt(gpu: Gpu, window: int, batch: int) -> SimpleNamespace:
    """Make the part of `tensorrt` that runs engines."""
    picture, cells = (batch, 3, window, window), (window // 8) ** 2
    shapes = {"image": picture, "mask": (batch, 1, window, window), "completed": picture, "matches": (batch, cells)}

    class Logger:
        WARNING = 2

        def __init__(self, _level: int) -> None:
            pass

    class Runtime(Counted):
        def __init__(self, _logger: object) -> None:
            super().__init__(gpu)

        def deserialize_cuda_engine(self, _plan: bytes) -> Engine | None:
            return None if gpu.fails == "plan" else Engine(gpu, shapes)

    return SimpleNamespace(Logger=Logger, Runtime=Runtime)
