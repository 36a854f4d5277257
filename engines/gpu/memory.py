"""Context, streams and memory of TensorRT engines and of the transfer, through PyCUDA.

It uses the device's primary context, which PyTorch and TensorRT share. Each call pushes and pops it, so the calling thread keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gi_plugin.arrays import Array
from gi_plugin.errors import EngineMissing, MissingDependency, require

ALIGNED = 256  # bytes; arrays in a block begin at multiples of it


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


class Block:
    """One block of device memory and one of page-locked host memory for arrays that travel together; it grows, and is kept between uses.

    Create, use and close it while the device is active.
    """

    def __init__(self, device: Device) -> None:
        self._cuda, self._size = device.cuda, 0
        self._stream = device.cuda.Stream()
        self._places: dict[str, tuple[int, Array]] = {}  # offset in the block, and an array of this shape and dtype
        self._host: Array = np.empty(0, np.uint8)
        self._memory: Any = None

    @property
    def stream(self) -> int:
        """The stream on which copies are queued."""
        return int(self._stream.handle)

    def upload(self, arrays: Mapping[str, Array]) -> dict[str, int]:
        """Queue one copy of all arrays to the device, and return their addresses there."""
        self._places, end = {}, 0
        for name, array in arrays.items():
            self._places[name] = end, array
            end += -(-array.nbytes // ALIGNED) * ALIGNED
        self._grow(end)
        for name, array in arrays.items():
            np.copyto(self._view(name), array)
        self._cuda.memcpy_htod_async(self._memory, self._host[:end], self._stream)
        return {name: int(self._memory) + start for name, (start, _) in self._places.items()}

    def download(self, names: Sequence[str]) -> dict[str, Array]:
        """Wait for the queued work, and return copies of arrays as they are on the device."""
        for name in names:
            start = self._places[name][0]
            self._cuda.memcpy_dtoh_async(self._view(name), int(self._memory) + start, self._stream)
        self._stream.synchronize()
        return {name: self._view(name).copy() for name in names}

    def close(self) -> None:
        """Release the memory."""
        self._stream.synchronize()
        if self._memory is not None:
            self._memory.free()
        self._memory, self._host, self._size = None, np.empty(0, np.uint8), 0

    def _view(self, name: str) -> Array:
        start, array = self._places[name]
        return self._host[start : start + array.nbytes].view(array.dtype).reshape(array.shape)

    def _grow(self, size: int) -> None:
        if size > self._size:
            self.close()
            self._memory, self._host, self._size = self._cuda.mem_alloc(size), self._cuda.pagelocked_empty(size, np.uint8), size


def _pycuda() -> Any:
    try:
        return require("pycuda.driver", "tensorrt")
    except MissingDependency:
        raise
    except ImportError as error:  # built for another CUDA version, or the driver's library is missing
        raise EngineMissing(f"PyCUDA is installed, but cannot be loaded: {error}") from error
