"""The kernels of the transfer: their results in Triton's interpreter equal numpy's, and their code rounds like the CPU's."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.gpu.ahead_of_time import CompiledKernel
from gi_plugin.engines.search import compile as search_compile
from gi_plugin.engines.search.compile import BLOCKS, MOST_COSTS, SIGNATURES, compiled, compiled_kernels
from gi_plugin.errors import EngineError
from gi_plugin.transfer import numpy_kernels
from gi_plugin.transfer.arrays import ONE, Estimate, Field, Floats, Sources
from gi_plugin.transfer.matching import QUANTILE, SAMPLE, vote_weights
from tests.engines.search.interpreted import launch
from tests.gi_plugin.transfer import scenes

ARCHITECTURES = (75, 80, 90, 120)
Arrays = npt.NDArray[Any]
Launch = Callable[..., list[Arrays]]
BLOCK = 64  # targets per program: the interpreter is slow per program


def _interpreting(form: str, count: int, arguments: list[Any], written: tuple[str, ...]) -> list[Arrays]:
    BLOCKS.update({"search": BLOCK, "search guided": BLOCK, "vote": BLOCK})
    return launch(form, count, arguments, written)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Launch]:
    """Launch kernels in a process in which Triton interprets them; the setting must be made before Triton is imported."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TRITON_INTERPRET", "1")
            pool.submit(int).result()
        yield lambda *arguments: pool.submit(_interpreting, *arguments).result()


def _targets(field: Field) -> npt.NDArray[np.int32]:
    return np.flatnonzero(field[..., 0] >= 0).astype(np.int32)


def _searched(launch: Launch, sources: Sources, estimate: Estimate, field: Field, radius: int, seed: int) -> tuple[Field, Floats]:
    guided, nothing, targets = sources.low is not None, np.zeros(1, np.int16), _targets(field)
    theirs = [sources.planes, sources.valid, sources.low if guided else nothing, *sources.valid.shape, sources.pull / ONE**2]
    ours = [estimate.planes, estimate.weight, estimate.goal if guided else nothing, field.shape[1], targets, len(targets)]
    results = [np.full_like(field, -1), np.zeros(field.shape[:2], np.float32)]
    signed = seed - 2**32 if seed >= 2**31 else seed
    found, cost = launch(
        "search guided" if guided else "search", len(targets), [*theirs, *ours, field, *results, radius, signed], ("found", "cost")
    )
    return found, cost


@pytest.mark.parametrize(("guided", "radius", "seed"), [(False, 0, 0), (False, 1, 2**32 - 1), (True, 9, 4_000_000_000), (True, 100, 12345)])
def test_a_round_of_search_equals_that_of_numpy(interpreter: Launch, *, guided: bool, radius: int, seed: int) -> None:
    """Sources and costs are equal bit by bit, with and without a guide, for any seed and radius; nothing else is written."""
    sources, estimate, field, _ = scenes.state(seed % 100, guided=guided)
    expected, expected_cost = numpy_kernels.search(sources, estimate, field, radius, seed)
    found, cost = _searched(interpreter, sources, estimate, field, radius, seed)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(cost.view(np.int32), expected_cost.view(np.int32))


def test_the_largest_difference_does_not_overflow(interpreter: Launch) -> None:
    """Planes at the ends of their ranges, with all pixels known, give the costs of numpy."""
    sources, estimate, field, _ = scenes.state(3, guided=False)
    low, high = np.array([-1024, -1024, -1024, 0, 0], np.int16), np.array([1024, 1024, 1024, 2048, 2048], np.int16)
    sources.planes[:], estimate.planes[:], estimate.weight[:, :21] = low, high, 2
    expected = numpy_kernels.costs(sources, estimate, field)
    _, cost = _searched(interpreter, sources, estimate, field, 0, 0)
    np.testing.assert_array_equal(cost, expected)
    assert expected.max() > 3.9


def test_votes_equal_those_of_numpy(interpreter: Launch) -> None:
    """For equal weights the votes are equal bit by bit, and pixels that no patch covers keep their value."""
    sources, estimate, field, hole = scenes.state(4)
    weight = np.where(field[..., 0] >= 0, np.random.default_rng(4).uniform(1e-6, 1, hole.shape), 0).astype(np.float32)
    weight[12:, :] = 0  # a part of the hole has no patch
    expected = estimate.planes.copy()
    numpy_kernels.vote(sources.planes, field, weight, hole, expected)
    pixels = np.flatnonzero(hole).astype(np.int32)
    arguments = [sources.planes, sources.planes.shape[1], field, weight, hole.shape[1], pixels, len(pixels), estimate.planes]
    (votes,) = interpreter("vote", len(pixels), arguments, ("votes",))
    np.testing.assert_array_equal(votes, expected)
    assert (expected[hole] != estimate.planes[hole]).any()
    assert (expected[hole] == estimate.planes[hole]).all(axis=1).any()


@pytest.mark.parametrize("kind", ["uniform", "equal", "zero", "many"])
def test_weights_equal_those_of_numpy(interpreter: Launch, kind: str) -> None:
    """The scale is the same number of the order, also of many, equal or zero costs; the weights are equal within the stated bound."""
    shape = (150, 200) if kind == "many" else (12, 15)
    random = np.random.default_rng(5)
    cost = {
        "uniform": random.uniform(0, 3, shape),
        "many": random.exponential(1e-3, shape),
        "equal": np.full(shape, 0.25),
        "zero": np.where(random.uniform(size=shape) < 0.5, 0, 1e-7),
    }[kind].astype(np.float32)
    field = np.zeros((*shape, 2), np.int32)
    field[random.uniform(size=shape) < 0.2] = -1
    targets = _targets(field)
    costs = cost.ravel()[targets]
    step = max(len(targets) // SAMPLE, 1)
    length = -(-len(targets) // step)
    assert length <= MOST_COSTS
    rank = int(QUANTILE * (length - 1))
    (scale,) = interpreter("cost_scale", 1, [cost, targets, step, length, rank, np.zeros(1, np.float32)], ("scale",))
    assert scale[0] == np.sort(costs[::step])[rank]
    (weights,) = interpreter("vote_weights", len(targets), [cost, targets, len(targets), scale, np.zeros_like(cost)], ("weights",))
    np.testing.assert_allclose(weights, vote_weights(field, cost), rtol=2e-6)
    np.testing.assert_array_equal(weights == 0, field[..., 0] < 0)


def test_the_bound_of_the_weights() -> None:
    """A GPU computes exp(x) as 2 to the rounded product x log2(e), with an error of 2 units; all weights stay within 2e-6 of numpy's."""
    x = -np.concatenate([np.linspace(0, 110, 400_001), np.geomspace(1e-9, 1e9, 100_001)]).astype(np.float32)
    power = np.exp2((x * np.float32(np.log2(np.e))).astype(np.float64))
    expected = np.exp(x) + np.float32(1e-6)
    for error in (-(2**-22), 2**-22):  # of ex2.approx.f32, relative
        weights = (power * (1 + error)).astype(np.float32) + np.float32(1e-6)
        assert np.abs(weights / expected - 1).max() < 2e-6


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, CompiledKernel]]:
    """Every kernel, compiled for every architecture."""
    cache = EngineCache(tmp_path_factory.mktemp("cache"))
    return {arch: compiled_kernels(arch, cache) for arch in ARCHITECTURES}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_code_rounds_like_the_cpu(code: dict[int, dict[str, CompiledKernel]], arch: int) -> None:
    """No product is fused with a sum, products, sums and divisions are rounded to nearest, and only the weights use an approximation."""
    for form, kernel in code[arch].items():
        operations = set(re.findall(r"\b(?:fma|mad|mul|add|sub|div|rcp|ex2|lg2|sqrt|rsqrt)\.[\w.]*f32", kernel.ptx))
        approximate = {"ex2.approx.f32"} if form == "vote_weights" else set()
        assert operations <= {"mul.rn.f32", "add.rn.f32", "sub.rn.f32", "div.rn.f32"} | approximate
        assert (kernel.spilled_bytes, kernel.shared_bytes <= 48 * 1024) == (0, True)
        print(f"sm_{arch} {form}: {kernel.registers} registers, {kernel.shared_bytes} bytes shared")


def test_parameters_are_those_of_the_signature(code: dict[int, dict[str, CompiledKernel]]) -> None:
    """The compiled kernels take the pointers and numbers of SIGNATURES, and nothing else."""
    types = {"i32": "u32", "fp32": "f32"}
    for form, kernel in code[90].items():
        declared = re.findall(r"\.param \.(\w+)", kernel.ptx.split(".entry")[1].split(")")[0])
        kinds = [entry.split()[1] for entry in SIGNATURES[form.split()[0]].split(", ")]
        assert declared == [types.get(kind, "u64") for kind in kinds]


def test_kernels_come_from_the_cache(
    code: dict[int, dict[str, CompiledKernel]], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels are compiled once per architecture; a second start, which may lack Triton, reads equal ones."""
    cache = EngineCache(tmp_path_factory.mktemp("kept"))
    monkeypatch.setattr(search_compile, "compiled", lambda form, arch: code[arch][form])
    first = compiled_kernels(90, cache)
    monkeypatch.setattr(search_compile, "compiled", lambda *_: pytest.fail("compiled again"))
    assert compiled_kernels(90, cache) == first == code[90]
    assert [(entry.parts["backend"], entry.parts["device"]) for entry in cache.entries()] == [("transfer kernels", "sm_90")]


def test_an_interpreting_process_does_not_compile(interpreter: Launch) -> None:
    """With TRITON_INTERPRET set, compiling is an error that names the variable."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool, pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRITON_INTERPRET", "1")
        with pytest.raises(EngineError, match="TRITON_INTERPRET"):
            pool.submit(compiled, "vote", 90).result()
