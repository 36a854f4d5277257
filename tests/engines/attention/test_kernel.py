"""The attention kernel: its results in Triton's interpreter, and its code compiled for every supported GPU architecture."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st
from packaging.version import Version
from torch import Tensor

from gi_plugin.engines.attention import compile as ahead_of_time, kernel
from gi_plugin.engines.attention.compile import compiled, launch_grid, source_hash
from gi_plugin.engines.gpu.ahead_of_time import with_own_parameters
from gi_plugin.errors import EngineError
from gi_plugin.train.model.attention import ContextualAttention, attention_weights
from tests.engines.kernels import Kernels
from tests.product import ROOT
from tests.train.model.attention_reference import reference_weights

SCALE = 10.0
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
FLOOR = 1e-7  # smaller errors are ignored
CASES = [  # height, width, holes of the samples, dtypes of the products and of the weights
    (3, 3, ("none", "all"), "fp32", "fp32"),
    (1, 5, ("box",), "fp32", "fp32"),
    (5, 7, ("stroke", "corner"), "fp32", "fp32"),
    (8, 8, ("one key",), "fp32", "fp32"),
    (9, 6, ("box",), "fp32", "fp32"),
    (4, 33, ("corner",), "fp32", "fp32"),  # more keys than one step of the loop takes
    (5, 6, ("box",), "fp16", "fp32"),
    (5, 6, ("stroke",), "bf16", "fp32"),
    (6, 5, ("corner", "none"), "fp16", "fp16"),
    (5, 6, ("box",), "fp32", "fp16"),
]  # no weights in bf16: the interpreter truncates where GPUs round


def _hole(kind: str, height: int, width: int) -> Tensor:
    """Make a mask of the cells that touch the hole, [h, w] bool."""
    hole = torch.zeros(height, width, dtype=torch.bool)
    if kind == "box":
        hole[height // 2 :, 1:3] = True
    elif kind == "stroke":
        hole[1, : width // 2] = True
    elif kind == "corner":
        hole[-1, -2:] = True
    elif kind == "all":
        hole[:] = True
    elif kind == "one key":
        hole[:] = True
        hole[2:5, 3:6] = False
    return hole


def _near(hole: Tensor) -> Tensor:
    """Whether the pasted patch of each query reaches the hole, [L] bool."""
    return torch.nn.functional.max_pool2d(hole[None].float(), 3, stride=1, padding=1).flatten() > 0


def _cells(height: int, width: int, dtype: str, seed: int) -> Tensor:
    """Make features [C, h, w]. For half precision they are small integers, whose products are exact, so that all error is the kernel's."""
    cells = torch.randn(7, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).relu()
    return cells if dtype == "fp32" else (2 * cells).round().clamp(max=4)


def _largest(values: Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0


def _launch(gram: Tensor, mask: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Run the kernel on buffers filled with NaN and -1, so that values it does not write are noticed."""
    weights = torch.full(gram.shape, torch.nan, dtype=dtype)
    matches = torch.full(gram.shape[:2], -1, dtype=torch.int64)
    kernel.launch(gram, mask, weights, matches, SCALE)
    return weights, matches


@pytest.fixture(scope="module", autouse=True)
def _compiling(kernels: Kernels) -> None:
    """Start all compilations, which then run at the same time as the tests with the interpreter."""
    for arch in ARCHITECTURES:
        kernels.start(arch, "fp32", SCALE)
    kernels.start(89, "bf16", SCALE, "fp16")


@pytest.fixture(scope="module")
def interpreter() -> Iterator[ProcessPoolExecutor]:
    """A process in which Triton interprets kernels. The setting must be made before Triton is imported, so this process cannot do it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TRITON_INTERPRET", "1")
            pool.submit(int).result()
        yield pool


@pytest.mark.parametrize(("height", "width", "kinds", "dtype", "weights_dtype"), CASES)
def test_equals_the_reference(
    interpreter: ProcessPoolExecutor, height: int, width: int, kinds: tuple[str, ...], dtype: str, weights_dtype: str
) -> None:
    """The error is at most twice PyTorch's, matches agree where one key is clearly the best, and skipped queries give zeros."""
    cells = [_cells(height, width, dtype, seed) for seed in range(len(kinds))]
    holes = [_hole(kind, height, width) for kind in kinds]
    flat = torch.stack(cells).flatten(2)
    gram, mask = (flat.transpose(1, 2) @ flat).to(TYPES[dtype]), torch.stack(holes)[:, None].float()
    weights, matches = interpreter.submit(_launch, gram, mask, TYPES[weights_dtype]).result()
    rounded = attention_weights(gram, mask, SCALE)[0].to(TYPES[weights_dtype])
    for index, hole in enumerate(holes):
        expected, best = reference_weights(cells[index], hole, SCALE)
        near = _near(hole)
        error, allowed = (_largest(found[index][near].double() - expected[near]) for found in (weights, rounded))
        assert error <= 2 * allowed + FLOOR
        assert not weights[index][~near].any()
        first, second = expected.log().topk(2, dim=1).values.T
        clear = near & ((first - second > 1e-3) | (first == -torch.inf))
        assert torch.equal(matches[index][clear], best[clear])
        assert not matches[index][~near].any()


def test_of_equal_keys_the_first_is_the_match(interpreter: ProcessPoolExecutor) -> None:
    """If several keys fit equally well, the match is the first one, as with argmax, even if they lie in different steps of the loop."""
    cells = torch.eye(4).view(4, 2, 2).repeat(1, 2, 18)  # period 2 x 2, grid 4 x 36
    flat = cells.flatten(1)
    mask = torch.zeros(1, 1, 4, 36)
    mask[..., 3, 20] = 1
    gram = (flat.T @ flat)[None]
    _, expected = attention_weights(gram, mask, SCALE)
    _, matches = interpreter.submit(_launch, gram, mask, torch.float32).result()
    near = _near(mask[0, 0] > 0)
    assert torch.equal(matches[0][near], expected[0][near])


def test_the_public_function_makes_its_buffers(interpreter: ProcessPoolExecutor) -> None:
    """`attention_weights` returns float32 weights and int64 matches for any memory layout of the products."""
    flat = _cells(4, 4, "fp32", 0).flatten(1)
    gram, mask = (flat.T @ flat)[None].float(), _hole("corner", 4, 4)[None, None].float()
    weights, matches = interpreter.submit(kernel.attention_weights, gram.mT, mask, SCALE).result()
    expected, expected_matches = interpreter.submit(_launch, gram, mask, torch.float32).result()
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    torch.testing.assert_close(matches, expected_matches)


@settings(max_examples=40, deadline=None, database=None)
@given(height=st.integers(3, 9), width=st.integers(3, 9), seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.001, 0.01, 0.2]))
def test_queries_that_are_skipped_do_not_matter(height: int, width: int, seed: int, share: float) -> None:
    """The result of the layer does not change if queries without a hole cell among their 3x3 neighbours get zero weights."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 3, 2 * height, 2 * width, generator=generator, dtype=torch.float64).relu()
    mask = (torch.rand(1, 1, 8 * height, 8 * width, generator=generator) < share).double()

    def skipping(gram: Tensor, cell_mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        weights, matches = attention_weights(gram, cell_mask, scale)
        return weights * _near(cell_mask[0, 0] > 0)[None, :, None], matches

    attention = ContextualAttention()
    expected, _ = attention(features, mask)
    attention.step = skipping
    torch.testing.assert_close(attention(features, mask)[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("gram", "mask", "named"),
    [
        (torch.zeros(1, 4, 4), torch.zeros(1, 1, 2, 2), "CUDA device, given cpu"),
        (torch.zeros(1, 4, 4), torch.zeros(1, 1, 2, 3), r"\(1, 6, 6\)"),
        (torch.zeros(2, 4, 4), torch.zeros(1, 1, 2, 2), r"given \(2, 4, 4\)"),
        (torch.zeros(1, 4, 4, dtype=torch.float64), torch.zeros(1, 1, 2, 2), "float64"),
    ],
)
def test_unsuitable_tensors_are_an_error(gram: Tensor, mask: Tensor, named: str) -> None:
    """Tensors of wrong shape, dtype or device are rejected before anything is launched."""
    with pytest.raises(EngineError, match=named):
        kernel.attention_weights(gram, mask, SCALE)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_compiles_for_every_architecture(kernels: Kernels, arch: int) -> None:
    """Without a GPU the kernel compiles for every architecture, spills no registers and uses little shared memory."""
    kernel = kernels(arch, "fp32", SCALE)
    print(f"sm_{arch}: {kernel.registers} registers, {kernel.spilled_bytes} bytes spilled, {kernel.shared_bytes} bytes shared")
    assert kernel.spilled_bytes == 0
    assert 0 < kernel.registers <= 65536 // kernel.threads
    assert kernel.shared_bytes <= 48 * 1024
    assert kernel.cubin.startswith(b"\x7fELF")
    assert kernel.name.encode() in kernel.cubin
    assert re.search(rf"^\.target sm_{arch}a?$", kernel.ptx, re.MULTILINE)
    assert f".reqntid {kernel.threads}\n" in kernel.ptx
    parameters = kernel.ptx.split(".entry")[1].split(")")[0]
    assert re.findall(r"\.param \.(\w+)", parameters) == ["u64", "u64", "u32", "u32", "u64", "u64"]


def test_half_precision_compiles(kernels: Kernels) -> None:
    """Products in bf16 and weights in fp16 spill no registers either; the Triton 3.7 of PyTorch's CUDA build spills a few bytes."""
    assert kernels(89, "bf16", SCALE, "fp16").spilled_bytes <= (0 if Version(version("triton")) >= Version("3.9") else 32)


def test_compiling_leaves_no_traces(kernels: Kernels) -> None:
    """After all compilations Triton's cache is empty, and the code contains no path of this machine."""
    code = [kernels(arch, "fp32", SCALE) for arch in ARCHITECTURES] + [kernels(89, "bf16", SCALE, "fp16")]
    assert list(kernels.triton_cache.iterdir()) == []
    assert not any(str(ROOT).encode() in kernel.cubin + kernel.ptx.encode() for kernel in code)


def test_an_interpreting_process_does_not_compile(interpreter: ProcessPoolExecutor) -> None:
    """With TRITON_INTERPRET set, compiling is an error that names the variable."""
    with pytest.raises(EngineError, match="TRITON_INTERPRET"):
        interpreter.submit(compiled, 89, "fp32", SCALE).result()


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        (".param .u64 k_0,.param .u64 k_1,.param .u32 k_2,.param .u32 k_3,.param .u64 k_4,.param .u64 k_5,.param .u64 k_6", "[k_6]"),
        (".param .u64 k_0,.param .u32 k_1,.param .u32 k_2,.param .u64 k_3,.param .u64 k_4", ""),
        ("", ""),
    ],
)
def test_other_parameters_are_refused(parameters: str, body: str) -> None:
    """Code that uses Triton's own parameters, or does not begin with ours, is rejected, because its launch would be wrong."""
    with pytest.raises(EngineError, match="other parameters"):
        with_own_parameters(f".entry k({parameters}\n) {{ {body} }}", "k", ["u64", "u64", "u32", "u32", "u64", "u64"])


@pytest.mark.parametrize(("size", "grid"), [((1, 1, 1), (1, 1, 1)), ((3, 5, 7), (18, 3, 1)), ((2, 8, 8), (32, 2, 1))])
def test_the_grid_covers_all_queries(size: tuple[int, int, int], grid: tuple[int, int, int]) -> None:
    """There is one program for every two queries of a sample, rounded up."""
    assert launch_grid(*size) == grid


@pytest.mark.parametrize("source", ahead_of_time.SOURCES)
def test_the_hash_covers_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """A change of any source file changes the hash in the cache key of engines."""
    package = shutil.copytree(ROOT / "engines", tmp_path / "engines")
    before = source_hash()
    assert len(before) == len(hashlib.sha256().hexdigest())
    monkeypatch.setattr("importlib.resources.files", lambda _: package)
    assert source_hash() == before
    with (package / f"{source}.py").open("a", encoding="utf-8") as file:
        file.write("#")
    assert source_hash() != before
