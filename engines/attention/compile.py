"""Compile the attention kernel ahead of time.

The compiled kernel has six parameters: the addresses of gram and mask, height and width (int32), the addresses of weights and matches.
Launch it with the grid `launch_grid(N, height, width)`, `threads` threads per program and `shared_bytes` bytes of dynamic shared memory.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from ..gpu.ahead_of_time import CompiledKernel, compiled_for
from .tile import KEYS, OPTIONS, QUERIES, launch_grid

__all__ = ["CompiledKernel", "compiled", "launch_grid", "source_hash"]

SOURCES = ("attention/kernel", "attention/compile", "attention/tile", "gpu/ahead_of_time")


@cache
def compiled(arch: int, dtype: str, scale: float, weights: str = "fp32") -> CompiledKernel:
    """Compile the kernel, which takes seconds. The mask is fp32, the matches are int64.

    :param arch: compute capability, such as 89 for sm_89.
    :param dtype: dtype of the products of cells: "fp32", "fp16" or "bf16".
    :param scale: lambda of the softmax.
    :param weights: dtype of the attention weights.
    :raises EngineError: if the assembler rejects the code, or TRITON_INTERPRET was set when Triton was imported.
    :raises MissingDependency: if triton is not installed.
    """
    from .kernel import contextual_attention_weights as kernel  # noqa: PLC0415  # needs triton

    signature = {"gram": f"*{dtype}", "mask": "*fp32", "height": "i32", "width": "i32", "weights": f"*{weights}", "matches": "*i64"}
    return compiled_for(arch, kernel, signature, {"scale": scale, "queries": QUERIES, "keys": KEYS}, OPTIONS)


def source_hash() -> str:
    """Hash the kernel's source files (sha256, hexadecimal). Engines with the kernel have it in their cache key."""
    package = resources.files("gi_plugin.engines")
    return hashlib.sha256(b"".join(package.joinpath(f"{name}.py").read_bytes() for name in SOURCES)).hexdigest()
