"""Context, streams and memory of TensorRT engines and of the transfer, through PyCUDA.

It uses the device's primary context, which PyTorch and TensorRT share. Each call pushes and pops it, so the calling thread keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from gi_plugin.arrays import Array
from gi_plugin.errors import EngineError, EngineMissing, MissingDependency, require

MOST_KEPT = 2**28  # bytes of a block on the device that is kept for the next use; a larger one is released
ALIGNED = 256  # bytes; arrays in a block begin at multiples of it
NON_BLOCKING = 1  # CUDA's flag for a stream that neither waits for the default stream, on which a host may work, nor makes it wait
_retained: list[Any] = []  # contexts. PyCUDA would leave one that it releases current in this thread, in place of the thread's own
Shape = tuple[tuple[int, ...], npt.DTypeLike]  # of an array, and its dtype


class Device:
    """A CUDA device. Its primary context is released when the process ends."""

    def __init__(self, number: int = 0) -> None:
        """Retain the primary context.

        :raises EngineMissing: if there is no such GPU, or it lets this process have no context.
        :raises MissingDependency: if PyCUDA is not installed.
        """
        self.cuda = _pycuda()
        try:
            self.cuda.init()
            self._context = self.cuda.Device(number).retain_primary_context()
        except self.cuda.Error as error:  # another process has the GPU for itself, or its memory
            raise EngineMissing(f"gpu:{number} cannot be used: {error}") from error
        _retained.append(self._context)

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
        self.stream = cuda.Stream(NON_BLOCKING)
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
    """One block of device memory, and one of page-locked host memory for arrays that travel together; both grow, and small ones are kept.

    Create, use and close it while the device is active.
    """

    def __init__(self, device: Device) -> None:
        self._cuda, self._size = device.cuda, 0
        self._stream: Any = device.cuda.Stream(NON_BLOCKING)
        self._received: dict[str, tuple[int, Shape]] = {}  # offset in the block, shape and dtype
        self._host: Array = np.empty(0, np.uint8)
        self._memory: Any = None

    @property
    def stream(self) -> int:
        """The stream on which copies are queued.

        :raises EngineError: if the block was closed.
        """
        if self._stream is None:
            raise EngineError("the engine was closed")
        return int(self._stream.handle)

    def upload(self, sent: Mapping[str, Array], received: Mapping[str, Shape], scratch: Mapping[str, Shape]) -> dict[str, int]:
        """Queue one copy of the arrays `sent` to the device, and return the addresses of all arrays there.

        :param received: shapes and dtypes of the arrays that `download` returns; `scratch` those of arrays that stay on the device.
        """
        self._stream.synchronize()  # a use that was given up may still be copying
        shapes = {name: (array.shape, array.dtype) for name, array in sent.items()}
        first, start = _places(shapes, 0)
        second, end = _places(received, start)
        others, size = _places(scratch, end)
        self._received = {name: (place, received[name]) for name, place in second.items()}
        self._grow(size, end)
        for name, array in sent.items():
            np.copyto(self._view(first[name], shapes[name]), array)
        self._cuda.memcpy_htod_async(self._memory, self._host[:start], self._stream)
        return {name: int(self._memory) + place for name, place in (first | second | others).items()}

    def download(self) -> dict[str, Array]:
        """Wait for the queued work, and return copies of the arrays `received` as they are on the device."""
        places = [(place, place + _size(shape)) for place, shape in self._received.values()]
        start, end = places[0][0], places[-1][1]
        self._cuda.memcpy_dtoh_async(self._host[start:end], int(self._memory) + start, self._stream)
        self._stream.synchronize()
        received = {name: self._view(place, shape).copy() for name, (place, shape) in self._received.items()}
        if self._size > MOST_KEPT:
            self._release()
        return received

    def close(self) -> None:
        """Release memory and stream."""
        if self._stream is not None:
            self._release()
            self._stream = None  # must happen while its context is current

    def _release(self) -> None:
        self._stream.synchronize()
        if self._memory is not None:
            self._memory.free()
        self._memory, self._host, self._size = None, np.empty(0, np.uint8), 0

    def _view(self, place: int, shape: Shape) -> Array:
        return self._host[place : place + _size(shape)].view(shape[1]).reshape(shape[0])

    def _grow(self, size: int, travelling: int) -> None:
        if size > self._size or travelling > len(self._host):
            self._release()
            self._memory, self._host = self._cuda.mem_alloc(size), self._cuda.pagelocked_empty(travelling, np.uint8)
            self._size = size


def _places(shapes: Mapping[str, Shape], start: int) -> tuple[dict[str, int], int]:
    """Lay out arrays one after the other: their offsets, and where they end."""
    places = {}
    for name, shape in shapes.items():
        places[name] = start
        start += -(-_size(shape) // ALIGNED) * ALIGNED
    return places, start


def _size(shape: Shape) -> int:
    """Bytes of an array."""
    return math.prod(shape[0]) * np.dtype(shape[1]).itemsize


def _pycuda() -> Any:
    try:
        return require("pycuda.driver", "tensorrt")
    except MissingDependency:
        raise
    except ImportError as error:  # built for another CUDA version, or the driver's library is missing
        raise EngineMissing(f"PyCUDA is installed, but cannot be loaded: {error}") from error
