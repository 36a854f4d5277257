"""Compile Triton kernels ahead of time, for any GPU architecture and also on machines without a GPU.

Triton adds two parameters for scratch memory, which our kernels do not use. They are removed from the PTX before it is assembled, so that
callers, such as TensorRT, do not have to pass them.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gi_plugin.errors import EngineError, first_line, require

PTX = dict.fromkeys((75, 80, 86, 87, 89, 90, 100, 120), 87) | {103: 88, 121: 88}  # architectures and their versions of PTX: of CUDA 12.8,
# whose drivers accept it, else of 12.9. For another architecture, or an older version, LLVM would end the process
PTX_TYPES = {"i32": "u32", "fp32": "f32"}  # of numbers; pointers are u64


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel compiled for one GPU architecture, and the resources it uses."""

    name: str
    cubin: bytes
    ptx: str
    threads: int
    shared_bytes: int  # dynamic shared memory per program
    registers: int  # per thread
    spilled_bytes: int  # per thread, written to and read from memory for lack of registers


def compiled_for(
    arch: int, kernel: Any, signature: Mapping[str, str], constants: Mapping[str, Any], options: Mapping[str, Any]
) -> CompiledKernel:
    """Compile a Triton kernel, which takes seconds.

    :param arch: compute capability, such as 89 for sm_89.
    :param signature: Triton's types of the parameters, such as "*fp32" and "i32".
    :param constants: values of the constant parameters.
    :param options: of the Triton compiler; "num_warps" among them.
    :raises EngineError: if the architecture is unknown, compiler or assembler fail, or TRITON_INTERPRET was set when Triton was imported.
    :raises MissingDependency: if triton is not installed.
    """
    if arch not in PTX:
        known = ", ".join(f"sm_{number}" for number in sorted(PTX))
        raise EngineError(f"kernels cannot be compiled for sm_{arch}, only for {known}: use [engine] device = 'cpu'")
    triton = require("triton", "tensorrt")
    if not isinstance(kernel, triton.JITFunction):
        raise EngineError("kernels cannot be compiled while TRITON_INTERPRET is set; unset it and start again")
    try:
        code = _compile(triton, kernel, signature, constants, arch, options)
    except Exception as error:  # of the compiler, which has no common class of errors
        raise EngineError(f"{kernel.fn.__name__} cannot be compiled for sm_{arch}: {first_line(error)}") from error
    ptx = with_own_parameters(code.asm["ptx"], code.metadata.name, [PTX_TYPES.get(kind, "u64") for kind in signature.values()])
    cubin, registers, spilled = _assemble(ptx)
    return CompiledKernel(code.metadata.name, cubin, ptx, 32 * options["num_warps"], code.metadata.shared, registers, spilled)


def with_own_parameters(ptx: str, name: str, expected: Sequence[str]) -> str:
    """Remove from PTX code the parameters that Triton appends.

    :param expected: PTX types of the kernel's own parameters.
    :raises EngineError: if the kernel does not begin with its own parameters, or uses one of the others.
    """
    head = re.search(rf"\.entry {name}\((.*?)\n\)", ptx, re.DOTALL)
    declared = head[1].split(",") if head else []
    types = re.findall(r"\.param \.(\w+)", ",".join(declared))
    surplus = [text.split()[-1] for text in declared[len(expected) :]]
    if head is None or types[: len(expected)] != [*expected] or any(ptx.count(parameter) > 1 for parameter in surplus):
        raise EngineError(
            f"this Triton gives the kernel {name} other parameters: expected {expected}, got {types}; use the tested version, 3.9"
        )
    return ptx[: head.start(1)] + ",".join(declared[: len(expected)]) + ptx[head.end(1) :]


def _compile(
    triton: ModuleType, kernel: Any, signature: Mapping[str, str], constants: Mapping[str, Any], arch: int, options: Mapping[str, Any]
) -> Any:
    """Compile with Triton, without leaving files in its cache or paths of this machine in the code."""
    source = triton.compiler.ASTSource(kernel, {**signature, **dict.fromkeys(constants, "constexpr")}, constexprs={**constants})
    target = triton.backends.compiler.GPUTarget("cuda", arch, 32)
    with tempfile.TemporaryDirectory() as folder, triton.knobs.cache.scope(), triton.knobs.compilation.scope():
        triton.knobs.cache.dir = folder
        triton.knobs.compilation.disable_line_info = True
        return triton.compile(source, target=target, options={**options, "ptx_version": PTX[arch]})


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
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a tool of the triton package
        except OSError as error:
            raise EngineError(f"Triton's assembler {assembler} cannot be started: {error}") from error
        if done.returncode:
            raise EngineError(f"a kernel cannot be assembled for {target}: {done.stderr.strip()}")
        cubin = result.read_bytes()
    spills = re.findall(r"(\d+) bytes spill", done.stderr)
    return cubin, int(re.findall(r"Used (\d+) registers", done.stderr)[0]), sum(map(int, spills))
