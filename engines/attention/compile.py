"""Compile the attention kernel ahead of time, for any GPU architecture and also on machines without a GPU.

The compiled kernel has six parameters: the addresses of gram and mask, height and width (int32), the addresses of weights and matches.
Launch it with the grid `launch_grid(N, height, width)`, `threads` threads per program and `shared_bytes` bytes of dynamic shared memory.
Triton adds two parameters for scratch memory, which this kernel does not use. They are removed from the PTX before it is assembled, so
that TensorRT, or any other caller, does not have to pass them.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from gi_plugin.errors import EngineError, require

from .tile import KEYS, OPTIONS, QUERIES, WARPS, launch_grid

__all__ = ["CompiledKernel", "compiled", "launch_grid", "source_hash", "with_own_parameters"]

SOURCES = ("kernel", "compile", "tile")
PTX_VERSION = 87  # of CUDA 12.8, the first version with sm_120; drivers of CUDA 12.8 or later accept it
PARAMETERS = ("u64", "u64", "u32", "u32", "u64", "u64")


@dataclass(frozen=True)
class CompiledKernel:
    """The kernel compiled for one GPU architecture, and the resources it uses."""

    name: str
    cubin: bytes
    ptx: str
    threads: int
    shared_bytes: int  # dynamic shared memory per program
    registers: int  # per thread
    spilled_bytes: int  # per thread, written to and read from memory for lack of registers


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
    triton = require("triton", "tensorrt")
    from .kernel import contextual_attention_weights as kernel  # noqa: PLC0415  # needs triton

    if not isinstance(kernel, triton.JITFunction):
        raise EngineError("the attention kernel cannot be compiled while TRITON_INTERPRET is set; unset it and start again")
    code = _compile(triton, kernel, (dtype, weights), scale, arch)
    ptx = with_own_parameters(code.asm["ptx"], code.metadata.name)
    cubin, registers, spilled = _assemble(ptx)
    return CompiledKernel(code.metadata.name, cubin, ptx, 32 * WARPS, code.metadata.shared, registers, spilled)


def with_own_parameters(ptx: str, name: str) -> str:
    """Remove from PTX code the parameters that Triton appends.

    :raises EngineError: if the kernel does not begin with our six parameters, or uses one of the others.
    """
    head = re.search(rf"\.entry {name}\((.*?)\n\)", ptx, re.DOTALL)
    declared = head[1].split(",") if head else []
    types = tuple(re.findall(r"\.param \.(\w+)", ",".join(declared)))
    surplus = [text.split()[-1] for text in declared[len(PARAMETERS) :]]
    if head is None or types[: len(PARAMETERS)] != PARAMETERS or any(ptx.count(parameter) > 1 for parameter in surplus):
        raise EngineError(
            f"this Triton gives the attention kernel other parameters: expected {PARAMETERS}, got {types}; use the tested version, 3.9"
        )
    return ptx[: head.start(1)] + ",".join(declared[: len(PARAMETERS)]) + ptx[head.end(1) :]


def source_hash() -> str:
    """Hash the kernel's source files (sha256, hexadecimal). Engines with the kernel have it in their cache key."""
    package = resources.files("gi_plugin.engines.attention")
    return hashlib.sha256(b"".join(package.joinpath(f"{name}.py").read_bytes() for name in SOURCES)).hexdigest()


def _compile(triton: ModuleType, kernel: Any, dtypes: tuple[str, str], scale: float, arch: int) -> Any:
    """Compile with Triton, without leaving files in its cache or paths of this machine in the code."""
    gram, weights = dtypes
    signature = {"gram": f"*{gram}", "mask": "*fp32", "height": "i32", "width": "i32", "weights": f"*{weights}", "matches": "*i64"}
    constants = {"scale": scale, "queries": QUERIES, "keys": KEYS}
    source = triton.compiler.ASTSource(kernel, signature | dict.fromkeys(constants, "constexpr"), constexprs=constants)
    target = triton.backends.compiler.GPUTarget("cuda", arch, 32)
    with tempfile.TemporaryDirectory() as folder, triton.knobs.cache.scope(), triton.knobs.compilation.scope():
        triton.knobs.cache.dir = folder
        triton.knobs.compilation.disable_line_info = True
        return triton.compile(source, target=target, options=OPTIONS | {"ptx_version": PTX_VERSION})


def _assemble(ptx: str) -> tuple[bytes, int, int]:
    """Assemble PTX to binary code; return the code, and per thread the registers and the spilled bytes.

    The assembler is the one in the Triton package: drivers do not load code from a CUDA toolkit newer than themselves.

    :raises EngineError: if the assembler rejects the code.
    """
    assembler = require("triton", "tensorrt").knobs.nvidia.ptxas.path
    target = re.findall(r"^\.target (\w+)", ptx, re.MULTILINE)[0]  # such as sm_90a
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx, encoding="utf-8")
        command = [assembler, "-v", f"--gpu-name={target}", source, "-o", result]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a tool of the triton package
        if done.returncode:
            raise EngineError(f"the attention kernel cannot be assembled for {target}: {done.stderr.strip()}")
        cubin = result.read_bytes()
    spills = re.findall(r"(\d+) bytes spill", done.stderr)
    return cubin, int(re.findall(r"Used (\d+) registers", done.stderr)[0]), sum(map(int, spills))
