"""Compile the kernels of the transfer ahead of time, and keep them in the engine cache.

Sums and products of floats are not fused, so that they round as on the CPU.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import asdict
from importlib import import_module, resources

from gi_plugin.errors import EngineMismatch

from ..cache import EngineCache
from ..gpu.ahead_of_time import CompiledKernel, compiled_for
from .forms import BLOCKS, MODULES, WARPS, constants, kernel_name, module_of, signature

SOURCES = (*(f"transfer/kernels/{module}" for module in MODULES), "transfer/forms", "transfer/compile", "gpu/ahead_of_time")
log = logging.getLogger(__name__)


def compiled(form: str, arch: int) -> CompiledKernel:
    """Compile a kernel, which takes seconds.

    :param form: a key of BLOCKS.
    :param arch: compute capability, such as 89 for sm_89.
    :raises EngineError: if the assembler rejects the code, or TRITON_INTERPRET was set when Triton was imported.
    :raises MissingDependency: if triton is not installed.
    """
    kernel = getattr(import_module(f".kernels.{module_of(form)}", __package__), kernel_name(form))  # needs triton
    options = {"num_warps": WARPS.get(form, 4), "num_stages": 1, "enable_fp_fusion": False}
    return compiled_for(arch, kernel, signature(form), constants(form), options)


def compiled_kernels(arch: int, cache: EngineCache) -> dict[str, CompiledKernel]:
    """Return all kernels for an architecture, from the cache if it has them; else they are compiled and stored."""
    package = resources.files("gi_plugin.engines")
    digest = hashlib.sha256(b"".join(package.joinpath(f"{name}.py").read_bytes() for name in SOURCES)).hexdigest()
    parts = {"backend": "transfer kernels", "builder": digest, "device": f"sm_{arch}"}
    try:
        with cache.locked(parts):
            stored = cache.load(parts)
            if stored is not None:
                return _read(stored)
            made = {form: compiled(form, arch) for form in BLOCKS}
            cache.store(parts, _written(made))
            return made
    except (EngineMismatch, OSError) as error:
        log.warning("the kernels of the transfer are compiled without the engine cache: %s", error)
        return {form: compiled(form, arch) for form in BLOCKS}


def _written(kernels: dict[str, CompiledKernel]) -> bytes:
    return json.dumps({form: asdict(code) | {"cubin": base64.b64encode(code.cubin).decode()} for form, code in kernels.items()}).encode()


def _read(stored: bytes) -> dict[str, CompiledKernel]:
    entries = json.loads(stored)
    return {form: CompiledKernel(**{**entry, "cubin": base64.b64decode(entry["cubin"])}) for form, entry in entries.items()}
