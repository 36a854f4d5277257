"""The compiled kernels of the transfer: their code rounds like the CPU's, and is compiled once."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.gpu import ahead_of_time
from gi_plugin.engines.gpu.ahead_of_time import CompiledKernel
from gi_plugin.engines.transfer import compile as transfer_compile
from gi_plugin.engines.transfer.compile import compiled, compiled_kernels
from gi_plugin.engines.transfer.forms import BLOCKS, constants, kernel_name, module_of, signature
from gi_plugin.errors import EngineError

ARCHITECTURES = (75, 80, 90, 120)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, CompiledKernel]]:
    """Every kernel, compiled for every architecture."""
    cache = EngineCache(tmp_path_factory.mktemp("cache"))
    return {arch: compiled_kernels(arch, cache) for arch in ARCHITECTURES}


@pytest.mark.parametrize("arch", [86, 87, 89, 100, 103, 121])
def test_other_architectures(arch: int) -> None:
    """A kernel is also compiled for architectures that need a newer PTX."""
    assert f".target sm_{arch}" in compiled("lack", arch).ptx


@pytest.mark.parametrize("arch", [88, 110, 130])
def test_an_unknown_architecture_is_an_error(arch: int) -> None:
    """LLVM would end the process."""
    with pytest.raises(EngineError, match=rf"cannot be compiled for sm_{arch}, only for sm_75, .*sm_121: use \[engine\] device = 'cpu'"):
        compiled("lack", arch)


@pytest.mark.parametrize("error", [RuntimeError("PassManager::run failed\nmore"), AttributeError("no such thing"), OSError("disk full")])
def test_a_compiler_that_fails_is_an_error_of_the_engine(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever another version of Triton raises: the CPU can then run the transfer."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(ahead_of_time, "_compile", fail)
    with pytest.raises(EngineError, match=r"^lack cannot be compiled for sm_90: (PassManager::run failed|no such thing|disk full)$"):
        compiled("lack", 90)


def test_an_assembler_that_cannot_be_started_is_an_error_of_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For example one that lies on a disk without the right to run programs."""
    triton = SimpleNamespace(knobs=SimpleNamespace(nvidia=SimpleNamespace(ptxas=SimpleNamespace(path=str(tmp_path / "ptxas")))))
    monkeypatch.setattr(ahead_of_time, "require", lambda *_: triton)
    with pytest.raises(EngineError, match=r"assembler .*ptxas cannot be started"):
        ahead_of_time._assemble(".target sm_90a")  # noqa: SLF001


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_code_rounds_like_the_cpu(code: dict[int, dict[str, CompiledKernel]], arch: int) -> None:
    """No product is fused with a sum, products, sums and divisions are rounded to nearest, and only the weights use an approximation."""
    for form, kernel in code[arch].items():
        operations = set(re.findall(r"\b(?:fma|mad|mul|add|sub|div|rcp|ex2|lg2|sqrt|rsqrt)\.[\w.]*f32", kernel.ptx))
        approximate = {"ex2.approx.f32"} if form in {"vote_weights", "vote priced"} else set()
        assert operations <= {"mul.rn.f32", "add.rn.f32", "sub.rn.f32", "div.rn.f32"} | approximate
        assert (kernel.spilled_bytes, kernel.shared_bytes <= 48 * 1024) == (0, True)
        print(f"sm_{arch} {form}: {kernel.registers} registers, {kernel.shared_bytes} bytes shared")


def test_parameters_are_those_of_the_signature(code: dict[int, dict[str, CompiledKernel]]) -> None:
    """The compiled kernels take the pointers and numbers of their signatures, and nothing else."""
    types = {"i32": "u32", "fp32": "f32"}
    for form, kernel in code[90].items():
        declared = re.findall(r"\.param \.(\w+)", kernel.ptx.split(".entry")[1].split(")")[0])
        assert declared == [types.get(kind, "u64") for kind in signature(form).values()]


@pytest.mark.parametrize("form", BLOCKS)
def test_parameters_have_the_order_of_the_kernel(form: str) -> None:
    """A launch passes the parameters of the signature in its order; the compiled code takes them in the order of the source."""
    kernel = getattr(import_module(f"gi_plugin.engines.transfer.kernels.{module_of(form)}"), kernel_name(form))
    assert kernel.arg_names == [*signature(form), *constants(form)]


def test_kernels_come_from_the_cache(
    code: dict[int, dict[str, CompiledKernel]], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels are compiled once per architecture; a second start, which may lack Triton, reads equal ones."""
    cache = EngineCache(tmp_path_factory.mktemp("kept"))
    monkeypatch.setattr(transfer_compile, "compiled", lambda form, arch: code[arch][form])
    first = compiled_kernels(90, cache)
    monkeypatch.setattr(transfer_compile, "compiled", lambda *_: pytest.fail("compiled again"))
    assert compiled_kernels(90, cache) == first == code[90]
    assert [(entry.parts["backend"], entry.parts["device"]) for entry in cache.entries()] == [("transfer kernels", "sm_90")]


def test_an_interpreting_process_does_not_compile(interpreting: ProcessPoolExecutor) -> None:
    """With TRITON_INTERPRET set, compiling is an error that names the variable."""
    with pytest.raises(EngineError, match="TRITON_INTERPRET"):
        interpreting.submit(compiled, "vote", 90).result()
