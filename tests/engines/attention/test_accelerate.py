"""A network takes the attention kernel only if it runs on this machine."""

from __future__ import annotations

import logging
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gi_plugin.engines.attention import autograd
from gi_plugin.engines.attention.autograd import accelerate
from gi_plugin.train.model.attention import ContextualAttention, attention_weights
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings


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
