"""Context, stream and memory of a TensorRT engine, through PyCUDA.

It uses the device's primary context, which PyTorch and TensorRT share. Each call pushes and pops it, so the calling thread keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gi_plugin.arrays import Array
from gi_plugin.errors import EngineMissing, MissingDependency, require


class Device:
    """A CUDA device."""

    def __init__(self, number: int = 0) -> None:
        self.cuda = _pycuda()
        self.cuda.init()
        self._context = self.cuda.Device(number).retain_primary_context()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the primary context current in this thread."""
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()


class Buffers:
    """A stream, and for each tensor page-locked host memory and device memory; allocated once and used by every call.

    Create, use and close it while the device is active.
    """

    def __init__(self, device: Device, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        cuda = device.cuda
        self._cuda, self._inputs, self._outputs = cuda, tuple(inputs), tuple(outputs)
        self.stream = cuda.Stream()
        shapes = {name: (array.shape, array.dtype) for name, array in {**inputs, **outputs}.items()}
        self.host: dict[str, Array] = {name: cuda.pagelocked_empty(*shape) for name, shape in shapes.items()}
        self.device = {name: cuda.mem_alloc(array.nbytes) for name, array in self.host.items()}

    def upload(self) -> None:
        """Queue copying the inputs to the device."""
        for name in self._inputs:
            self._cuda.memcpy_htod_async(self.device[name], self.host[name], self.stream)

    def download(self) -> None:
        """Queue copying the outputs to the host."""
        for name in self._outputs:
            self._cuda.memcpy_dtoh_async(self.host[name], self.device[name], self.stream)

    def close(self) -> None:
        """Release the memory."""
        self.stream.synchronize()
        for memory in self.device.values():
            memory.free()
        self.device, self.host = {}, {}
        del self.stream  # must happen while its context is current


def _pycuda() -> Any:
    try:
        return require("pycuda.driver", "tensorrt")
    except MissingDependency:
        raise
    except ImportError as error:  # built for another CUDA version, or the driver's library is missing
        raise EngineMissing(f"PyCUDA is installed, but cannot be loaded: {error}") from error
