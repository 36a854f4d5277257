"""CUDA driver calls through cuda-bindings: find the GPU, launch kernels on TensorRT's stream, record CUDA graphs.

PyCUDA, which manages context, stream and memory (`gpu.memory`), can neither launch on another library's stream nor record graphs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gi_plugin.errors import EngineError, EngineMissing, first_line, require

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"  # comes with the driver


@dataclass(frozen=True)
class Gpu:
    """The properties of a GPU and its driver that an engine depends on."""

    name: str
    capability: str  # such as "sm_90"
    driver: str  # the newest CUDA version that the driver supports, such as "13.0"

    def __str__(self) -> str:
        return f"{self.name}, {self.capability}, CUDA driver {self.driver}"


def find_gpu(number: int = 0) -> Gpu:
    """Find a CUDA GPU.

    :param number: of the GPU, counted as CUDA counts: from 0, without those that CUDA_VISIBLE_DEVICES hides.
    :raises EngineMissing: if there is no driver or no usable device; the message says which.
    :raises MissingDependency: if cuda-bindings is not installed.
    """
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EngineMissing(f"no CUDA GPU can be used: the NVIDIA driver's library {LIBRARY} was not found; install the driver") from error
    driver = _driver()
    try:
        _checked(driver.cuInit(0))
        count = _checked(driver.cuDeviceGetCount())
    except (RuntimeError, EngineError) as error:  # the driver is too old for the bindings, or found nothing
        raise EngineMissing(f"no CUDA GPU can be used: {first_line(error)}") from error
    if not count:
        raise EngineMissing("no CUDA GPU can be used: the driver finds no device; check nvidia-smi and CUDA_VISIBLE_DEVICES")
    if number >= count:
        raise EngineMissing(f"no CUDA GPU can be used: there is no gpu:{number}, the driver finds {count}; set [engine] device")
    device = _checked(driver.cuDeviceGet(number))
    attribute = driver.CUdevice_attribute
    major, minor = (
        _checked(driver.cuDeviceGetAttribute(kind, device))
        for kind in (attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
    )
    name = _checked(driver.cuDeviceGetName(128, device)).split(b"\0", 1)[0].decode()
    version = _checked(driver.cuDriverGetVersion())
    return Gpu(name, f"sm_{major}{minor}", f"{version // 1000}.{version % 1000 // 10}")


def current_gpu() -> Gpu:
    """Return the GPU of this thread's current context."""
    return find_gpu(int(_checked(_driver().cuCtxGetDevice())))


class Kernel:
    """A compiled kernel, loaded into the current context."""

    def __init__(self, cubin: bytes, name: str, threads: int, shared_bytes: int) -> None:
        driver = _driver()
        self._module = _checked(driver.cuModuleLoadData(cubin))
        self._function = _checked(driver.cuModuleGetFunction(self._module, name.encode()))
        self.threads, self.shared_bytes = threads, shared_bytes
        self._launch = driver.cuLaunchKernel

    def launch(self, grid: tuple[int, int, int], stream: int, arguments: list[tuple[Any, Any]]) -> None:
        """Queue one launch, without allocating memory and without waiting.

        :param arguments: values and their ctypes types, in the order of the kernel's parameters.
        """
        values, types = zip(*arguments, strict=True)
        self.relaunch(grid, stream, (tuple(values), tuple(types)))

    def relaunch(self, grid: tuple[int, int, int], stream: int, packed: Any) -> None:
        """Queue one launch with arguments that are packed already, which takes a fraction of the time.

        :param packed: address of an array of the arguments' addresses, or what the bindings take instead; it is read at once.
        """
        _checked(self._launch(self._function, *grid, self.threads, 1, 1, self.shared_bytes, stream, packed, 0))

    def close(self) -> None:
        """Unload the kernel from the current context, in which it must not run any more."""
        _checked(_driver().cuModuleUnload(self._module))


class Graph:
    """A CUDA graph: work on a stream that is recorded once and then launched as a whole."""

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        driver = _driver()
        self._stream, self._executable = stream, None
        _checked(driver.cuStreamBeginCapture(stream, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
        try:
            work()
        except BaseException:
            driver.cuStreamEndCapture(stream)  # report the first error, not one that follows from it
            raise
        graph = _checked(driver.cuStreamEndCapture(stream))
        try:
            self._executable = _checked(driver.cuGraphInstantiate(graph, 0))
        finally:
            driver.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the recorded work on the stream."""
        _checked(_driver().cuGraphLaunch(self._executable, self._stream))

    def close(self) -> None:
        """Release the graph."""
        if self._executable is not None:
            _checked(_driver().cuGraphExecDestroy(self._executable))
            self._executable = None


def pointer(address: int) -> tuple[int, Any]:
    """Wrap a device address as a kernel argument."""
    return address, ctypes.c_void_p


def integer(value: int) -> tuple[int, Any]:
    """Wrap an int32 as a kernel argument."""
    return value, ctypes.c_int32


def _driver() -> ModuleType:
    return require("cuda.bindings.driver", "tensorrt")


def _checked(result: Any) -> Any:
    """Return the value of a driver call, whose result is (status, value...).

    :raises EngineError: if the call failed; the message names the status.
    """
    status, *values = result
    if status.value:
        raise EngineError(f"the CUDA driver reported {status.name}")
    return values[0] if values else None
