"""Run the kernels of the transfer in Triton's interpreter, on arrays or on the memory of the simulated GPU.

Nothing here works in a process that imported Triton without the environment variable TRITON_INTERPRET.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_float, c_int32, c_void_p
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.engines.gpu import memory as cuda_memory
from gi_plugin.engines.gpu.ahead_of_time import CompiledKernel
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.transfer import gpu_transfer
from gi_plugin.engines.transfer.forms import BLOCKS, constants, kernel_name, module_of, signature
from tests.engines.gpu import cuda_stand_in

DTYPES = {"*i16": np.int16, "*u8": np.uint8, "*u16": np.uint16, "*i32": np.int32, "*fp32": np.float32}
NUMBERS: dict[str, Any] = {"i32": c_int32, "fp32": c_float}
MOST_ITEMS = 8192  # per program; there should be few programs, because the interpreter is slow per program


def run(form: str, programs: int, arguments: list[Any]) -> None:
    """Run a kernel on its arguments, tensors and numbers; one program does the work of many."""
    items = programs * BLOCKS[form]
    fewer = {} if form == "cost_scale" else {"block": min(1 << (items - 1).bit_length(), MOST_ITEMS)}
    kernel = getattr(import_module(f"gi_plugin.engines.transfer.kernels.{module_of(form)}"), kernel_name(form))
    with np.errstate(over="ignore"):  # random numbers wrap around
        kernel[(-(-items // fewer.get("block", 1)), 1, 1)](*arguments, **{**constants(form), **fewer})


def launch(form: str, count: int, arguments: list[Any], written: tuple[str, ...]) -> list[Array]:
    """Run a kernel on copies of its arguments, arrays and numbers in the order of its signature.

    :param count: number of targets or pixels.
    :param written: the parameters whose arrays are returned as the kernel left them.
    """
    given = {parameter: _tensor(value) for parameter, value in zip(signature(form), arguments, strict=True)}
    run(form, -(-count // BLOCKS[form]), list(given.values()))
    return [given[parameter].numpy() for parameter in written]


def _tensor(value: Any) -> Any:
    """Copy an array to a tensor; numbers stay as they are."""
    import torch  # noqa: PLC0415  # heavy

    if not isinstance(value, np.ndarray):
        return value
    return torch.from_numpy((value.view(np.uint8) if value.dtype == np.bool_ else value).copy())


class InterpretedKernel:
    """A kernel of the simulated GPU. As on a GPU, it gets the addresses of its arguments, and runs when its stream is waited for."""

    gpu: cuda_stand_in.Gpu

    def __init__(self, _cubin: bytes, form: str, _threads: int, _shared_bytes: int) -> None:
        self._form = form
        self.gpu.alive["Kernel"] += 1

    def close(self) -> None:
        """Unload the kernel."""
        self.gpu.need_context()
        self.gpu.alive["Kernel"] -= 1

    def relaunch(self, grid: tuple[int, int, int], stream: int, packed: int) -> None:
        """Queue the kernel."""
        kinds = signature(self._form)
        addresses = (c_void_p * len(kinds)).from_address(packed)
        values = [NUMBERS.get(kind, c_void_p).from_address(at).value for kind, at in zip(kinds.values(), addresses, strict=True)]
        self.gpu.streams[stream].add(
            lambda: run(self._form, grid[0], [self._argument(value, kind) for value, kind in zip(values, kinds.values(), strict=True)])
        )

    def _argument(self, value: Any, kind: str) -> Any:
        """The memory from an address to the end of its allocation; numbers stay as they are."""
        import torch  # noqa: PLC0415  # heavy

        if kind in NUMBERS:
            return value
        memory, size = self.gpu.at(value, 1 << 40), np.dtype(DTYPES[kind]).itemsize
        return torch.from_numpy(memory[: len(memory) // size * size].view(DTYPES[kind]))


@contextmanager
def simulated() -> Iterator[cuda_stand_in.Gpu]:
    """Simulate a GPU that runs our kernels in the interpreter."""
    gpu = cuda_stand_in.Gpu()
    pycuda = cuda_stand_in.pycuda(gpu)
    code = {form: CompiledKernel(form, b"", "", 128, 0, 32, 0) for form in BLOCKS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InterpretedKernel, "gpu", gpu, raising=False)
        patch.setattr(cuda_memory, "_pycuda", lambda: pycuda)
        patch.setattr(gpu_transfer, "Kernel", InterpretedKernel)
        for name in ("current_gpu", "find_gpu"):
            patch.setattr(gpu_transfer, name, lambda *_: Gpu("Stand-in", "sm_89", "13.0"))
        patch.setattr(gpu_transfer, "compiled_kernels", lambda _arch, _cache: code)
        yield gpu
