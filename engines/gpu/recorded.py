"""CUDA graphs of PyTorch calls: the kernels of a call are recorded once and then launched as a whole."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from gi_plugin.arrays import Array
from gi_plugin.errors import first_line

Result = TypeVar("Result")
WARM = 3  # calls before the recording: the first ones load kernels and choose algorithms
_recording = threading.Lock()  # a recording begins by waiting for the whole device, which would spoil another thread's recording
log = logging.getLogger(__name__)


def recorded(call: Callable[[], Result], stream: torch.cuda.Stream) -> Callable[[], Result]:
    """Record a call on a stream, and return a function that replays it on the current stream; every replay overwrites the same result.

    :param call: reads and writes only memory of the GPU, always the same.
    :raises RuntimeError: if the call cannot be recorded, for example because it waits for the GPU.
    """
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            call()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with _recording, torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        result = call()

    def replay() -> Result:
        graph.replay()
        return result

    return replay


class RecordedCall:
    """A function of tensors on a GPU as one CUDA graph between page-locked buffers, called with arrays; one call runs at a time."""

    def __init__(self, function: Callable[..., Sequence[Tensor]], shapes: Sequence[tuple[int, ...]], device: torch.device) -> None:
        """Record the function.

        :param shapes: of its inputs, which are float32.
        """
        self._device, self._stream, self._lock = device, torch.cuda.Stream(device), threading.Lock()
        self._stream.wait_stream(torch.cuda.current_stream(device))  # on which parameters may still be copied or converted
        with self._working(), torch.backends.cudnn.flags(enabled=True, benchmark=True):
            self._sent = [torch.zeros(shape, pin_memory=True) for shape in shapes]
            self._inputs = [torch.zeros(shape, device=device) for shape in shapes]
            self._replay = self._recorded(lambda: function(*self._inputs))
            self._received = [torch.empty(result.shape, dtype=result.dtype, pin_memory=True) for result in self._replay()]

    def __call__(self, *arrays: Array) -> list[Array]:
        """Call the function with arrays of the recorded shapes, and return copies of its results."""
        with self._lock, self._working():
            for sent, tensor, array in zip(self._sent, self._inputs, arrays, strict=True):
                np.copyto(sent.numpy(), array)
                tensor.copy_(sent, non_blocking=True)
            for received, result in zip(self._received, self._replay(), strict=True):
                received.copy_(result, non_blocking=True)
            self._stream.synchronize()
            return [received.numpy().copy() for received in self._received]

    @contextmanager
    def _working(self) -> Iterator[None]:
        with torch.inference_mode(), torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            yield

    def _recorded(self, call: Callable[[], Sequence[Tensor]]) -> Callable[[], Sequence[Tensor]]:
        try:
            return recorded(call, self._stream)
        except RuntimeError as error:
            log.warning("no CUDA graph can be used (%s): every call starts its kernels one by one", first_line(error))
            return call
