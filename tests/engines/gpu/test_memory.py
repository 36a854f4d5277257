"""Contexts, streams and blocks of memory, on the simulated GPU, which has the pitfalls of PyCUDA."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from gi_plugin.engines.gpu import memory
from gi_plugin.engines.gpu.memory import Block, Device
from gi_plugin.errors import EngineError, EngineMissing
from tests.engines.gpu import cuda_stand_in


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> cuda_stand_in.Gpu:
    """A simulated GPU."""
    gpu = cuda_stand_in.Gpu()
    pycuda = cuda_stand_in.pycuda(gpu)
    monkeypatch.setattr(memory, "_pycuda", lambda: pycuda)
    return gpu


def _current(gpu: cuda_stand_in.Gpu) -> int:
    """How many contexts this thread has pushed."""
    return getattr(gpu.pushed, "depth", 0)


def test_a_thread_keeps_its_own_context(gpu: cuda_stand_in.Gpu) -> None:
    """It does after every use, and after the device is gone: PyCUDA would leave a released context current in the thread."""
    device = Device(1)
    with device.active():
        assert _current(gpu) == 1
    assert _current(gpu) == 0
    del device
    gc.collect()
    assert _current(gpu) == 0


def test_a_gpu_that_gives_no_context_is_missing(gpu: cuda_stand_in.Gpu) -> None:
    """A GPU that another process has for itself is no reason to fail: another engine or the CPU can take its place."""
    gpu.fails = "device"
    with pytest.raises(EngineMissing, match=r"gpu:1 cannot be used: .* busy or unavailable"):
        Device(1)


def test_a_closed_block_is_released_and_refuses_work(gpu: cuda_stand_in.Gpu) -> None:
    """Memory and stream are released while the context is current, and a call that comes late is an error of the engine."""
    device, sent = Device(), {"numbers": np.arange(5)}
    with device.active():
        block = Block(device)
        block.upload(sent, {"result": ((3,), np.int32)}, {"scratch": ((7,), np.float32)})
        assert (len(gpu.memory), gpu.alive["Stream"]) == (1, 1)
        block.close()
        assert (len(gpu.memory), gpu.alive["Stream"]) == (0, 0)
        with pytest.raises(EngineError, match="the engine was closed"):
            _ = block.stream
        block.close()  # once more does nothing
