"""Compile the kernels of the transfer ahead of time, and keep them in the engine cache.

`search` has two forms, with and without a guide. Sums and products of floats are not fused, so that they round as on the CPU.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import asdict
from importlib import resources

from gi_plugin.errors import EngineMismatch

from ..cache import EngineCache
from ..gpu.ahead_of_time import CompiledKernel, compiled_for

BLOCKS = {"search": 4, "search guided": 4, "cost_scale": 1, "vote_weights": 128, "vote": 16}  # targets or pixels per program
WARPS = {"cost_scale": 16}  # 4 for the others
MOST_COSTS = 16384  # costs that `cost_scale` reads: fewer than twice matching.SAMPLE
SOURCES = ("search/kernels", "search/compile", "gpu/ahead_of_time")
SIGNATURES = {
    "search": "planes *i16, valid *u8, low *i16, rows i32, columns i32, pull fp32, estimate *i16, weight *u8, goal *i16, width i32, "
    "targets *i32, count i32, field *i32, found *i32, cost *fp32, radius i32, seed i32",
    "cost_scale": "cost *fp32, targets *i32, step i32, length i32, rank i32, scale *fp32",
    "vote_weights": "cost *fp32, targets *i32, count i32, scale *fp32, weights *fp32",
    "vote": "planes *i16, columns i32, field *i32, weights *fp32, width i32, pixels *i32, count i32, votes *i16",
}
log = logging.getLogger(__name__)


def compiled(form: str, arch: int) -> CompiledKernel:
    """Compile a kernel, which takes seconds.

    :param form: a key of BLOCKS.
    :param arch: compute capability, such as 89 for sm_89.
    :raises EngineError: if the assembler rejects the code, or TRITON_INTERPRET was set when Triton was imported.
    :raises MissingDependency: if triton is not installed.
    """
    from . import kernels  # noqa: PLC0415  # needs triton

    name = form.partition(" ")[0]
    options = {"num_warps": WARPS.get(name, 4), "num_stages": 1, "enable_fp_fusion": False}
    return compiled_for(arch, getattr(kernels, name), signature(name), constants(form), options)


def signature(name: str) -> dict[str, str]:
    """Return the parameters of a kernel with Triton's types."""
    parameters = (entry.partition(" ") for entry in SIGNATURES[name].split(", "))
    return {parameter: kind for parameter, _, kind in parameters}


def constants(form: str) -> dict[str, int | bool]:
    """Return the constant parameters of a kernel."""
    if form == "cost_scale":
        return {"most": MOST_COSTS}
    guided = {"guided": form == "search guided"} if form.startswith("search") else {}
    return {**guided, "block": BLOCKS[form]}


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
