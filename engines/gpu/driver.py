"""Calls of the CUDA driver through cuda-bindings: the GPU that is there, kernels on a borrowed stream, graphs.

PyCUDA, which owns context, stream and memory (`cuda_memory`), can neither use a foreign stream nor record graphs.
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
    """What an engine depends on."""

    name: str
    capability: str  # such as "sm_90"
    driver: str  # the CUDA version that the driver serves, such as "13.0"

    def __str__(self) -> str:
        return f"{self.name}, {self.capability}, CUDA driver {self.driver}"


def find_gpu() -> Gpu:
    """The first CUDA GPU.

    :raises EngineMissing: saying why there is none to use: no driver, no device, or one that the driver cannot use.
    :raises MissingDependency: if cuda-bindings is not installed.
    """
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EngineMissing(f"no CUDA GPU can be used: the NVIDIA driver's library {LIBRARY} is not there") from error
    driver = _driver()
    try:
        _checked(driver.cuInit(0))
        count = _checked(driver.cuDeviceGetCount())
    except (RuntimeError, EngineError) as error:  # the driver is too old for the bindings, or found nothing
        raise EngineMissing(f"no CUDA GPU can be used: {first_line(error)}") from error
    if not count:
        raise EngineMissing("no CUDA GPU can be used: the driver finds no device; see nvidia-smi and CUDA_VISIBLE_DEVICES")
    device = _checked(driver.cuDeviceGet(0))
    attribute = driver.CUdevice_attribute
    major, minor = (
        _checked(driver.cuDeviceGetAttribute(which, device))
        for which in (attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
    )
    name = _checked(driver.cuDeviceGetName(128, device)).split(b"\0", 1)[0].decode()
    version = _checked(driver.cuDriverGetVersion())
    return Gpu(name, f"sm_{major}{minor}", f"{version // 1000}.{version % 1000 // 10}")


class Kernel:
    """A compiled kernel, loaded into the current context."""

    def __init__(self, cubin: bytes, name: str, threads: int, shared_bytes: int) -> None:
        driver = _driver()
        self._module = _checked(driver.cuModuleLoadData(cubin))
        self._function = _checked(driver.cuModuleGetFunction(self._module, name.encode()))
        self.threads, self.shared_bytes = threads, shared_bytes

    def launch(self, grid: tuple[int, int, int], stream: int, arguments: list[tuple[Any, Any]]) -> None:
        """Queue one launch; nothing is allocated and nothing is waited for.

        :param arguments: values and their ctypes types, in the kernel's order.
        """
        values, types = zip(*arguments, strict=True)
        packed = (tuple(values), tuple(types))
        _checked(_driver().cuLaunchKernel(self._function, *grid, self.threads, 1, 1, self.shared_bytes, stream, packed, 0))


class Graph:
    """Work on a stream, recorded once and launched as a whole."""

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        driver = _driver()
        self._stream, self._executable = stream, None
        _checked(driver.cuStreamBeginCapture(stream, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
        try:
            work()
        except BaseException:
            driver.cuStreamEndCapture(stream)  # the first error is the one to tell
            raise
        graph = _checked(driver.cuStreamEndCapture(stream))
        try:
            self._executable = _checked(driver.cuGraphInstantiate(graph, 0))
        finally:
            driver.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the recorded work."""
        _checked(_driver().cuGraphLaunch(self._executable, self._stream))

    def close(self) -> None:
        """Release the recorded work."""
        if self._executable is not None:
            _checked(_driver().cuGraphExecDestroy(self._executable))
            self._executable = None


def pointer(address: int) -> tuple[int, Any]:
    """A device address as a kernel argument."""
    return address, ctypes.c_void_p


def integer(value: int) -> tuple[int, Any]:
    """An int32 as a kernel argument."""
    return value, ctypes.c_int32


def _driver() -> ModuleType:
    return require("cuda.bindings.driver", "tensorrt")


def _checked(answer: Any) -> Any:
    """The value of a driver call, whose answer is (status, value...).

    :raises EngineError: naming the status.
    """
    status, *values = answer
    if status.value:
        raise EngineError(f"the CUDA driver answered {status.name}")
    return values[0] if values else None
