"""A network takes the attention kernel only if it runs on this machine."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gi_plugin.bench.sample import smooth_window
from gi_plugin.engines import torch_engine
from gi_plugin.engines.attention import autograd, kernel
from gi_plugin.engines.attention.autograd import accelerate
from gi_plugin.train.model.attention import ContextualAttention, attention_weights
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from tests.train.operations import waits_of


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> InpaintingNetwork:
    """A small network that says it is on a GPU; tensors that are made there stay on the CPU."""
    network, zeros = InpaintingNetwork(NetworkSettings(width=8)), torch.zeros
    monkeypatch.setattr(InpaintingNetwork, "parameters", lambda _: iter([SimpleNamespace(device=torch.device("cuda"))]))
    monkeypatch.setattr(torch, "zeros", lambda *sizes, device: zeros(*sizes, device=device if device.type == "meta" else None))
    return network


def _steps(network: InpaintingNetwork) -> set[Any]:
    return {module.step for module in network.modules() if isinstance(module, ContextualAttention)}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Failed to find C compiler. Please specify via CC\nmore"), "Failed to find C compiler. Please specify via CC"),
        (subprocess.CalledProcessError(1, ["gcc"]), "Command '['gcc']' returned non-zero exit status 1."),
    ],
)
def test_without_a_compiler_pytorch_computes_the_attention(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, network: InpaintingNetwork, error: Exception, reason: str
) -> None:
    """Triton needs a C compiler and the headers of Python when a kernel first runs; without them one warning says so."""

    def fail(*_: object) -> Any:
        raise error

    monkeypatch.setattr(autograd, "_kernel_step", fail)
    with caplog.at_level(logging.WARNING):
        assert not accelerate(network)
    assert _steps(network) == {attention_weights}
    assert caplog.messages == [f"the attention kernel cannot be used ({reason}): PyTorch's own operations take its place"]


def test_a_kernel_that_runs_is_taken(monkeypatch: pytest.MonkeyPatch, network: InpaintingNetwork) -> None:
    """It is run once, on tensors of one small grid, before the network gets it."""
    grids: list[tuple[torch.Size, torch.Size]] = []

    def step(gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        grids.append((gram.shape, mask.shape))
        return attention_weights(gram, mask, scale)

    monkeypatch.setattr(autograd, "_kernel_step", step)
    assert accelerate(network)
    assert _steps(network) == {step}
    assert grids == [((1, 9, 9), (1, 1, 3, 3))]


def test_on_the_cpu_nothing_is_tried() -> None:
    """A network on the CPU keeps PyTorch's formula."""
    network = InpaintingNetwork(NetworkSettings(width=8))
    assert not accelerate(network)
    assert _steps(network) == {attention_weights}


class Launched:
    """Stands for the kernel, and keeps the arguments of its launches; the buffers for its results become 0."""

    def __init__(self) -> None:
        self.arguments: list[tuple[Any, ...]] = []

    def __getitem__(self, _grid: tuple[int, int, int]) -> Callable[..., None]:
        def launch(*arguments: Any, **_options: Any) -> None:
            self.arguments.append(arguments)
            for result in arguments[4:6]:
                result.zero_()

        return launch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_what_an_engine_records_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """With the kernel, in every precision: no step reads a value back or brings one to the GPU, so a CUDA graph can record the call.

    The kernel is launched once, on contiguous buffers of the types that it was compiled for.
    """
    launched = Launched()
    monkeypatch.setattr(kernel, "contextual_attention_weights", launched)
    network = InpaintingNetwork(NetworkSettings(width=8)).eval().to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, ContextualAttention):
            module.step = autograd._kernel_step  # noqa: SLF001
    network = torch_engine._in_precision(network, dtype)  # noqa: SLF001
    planes = [torch.from_numpy(plane) for plane in smooth_window(72)]
    assert waits_of(lambda: torch_engine._completed(network, dtype, *planes)) == set()  # noqa: SLF001
    ((gram, mask, height, width, weights, matches, *_),) = launched.arguments
    assert (gram.shape, mask.shape, (height, width), weights.shape, matches.shape) == (
        (1, 81, 81),
        (1, 1, 9, 9),
        (9, 9),
        (1, 81, 81),
        (1, 81),
    )
    assert all(tensor.is_contiguous() for tensor in (gram, mask, weights, matches))
    assert (gram.dtype, mask.dtype, weights.dtype, matches.dtype) == (torch.float32, torch.float32, torch.float32, torch.int64)
