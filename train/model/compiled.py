"""Compile the convolutions of a network: mirror padding, convolution and activation become few kernels instead of one each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo
from torch import nn

from .network import InpaintingNetwork

VARIANTS = 64  # compiled forms of one function; blocks of several shapes, with and without gradients, share one
Backend = str | Callable[..., Any]  # of torch.compile


def compile_blocks(network: InpaintingNetwork, backend: Backend = "inductor") -> None:
    """Compile the blocks of convolutions in place; the smooth base and the attention stay as they are.

    The first steps compile, which takes a minute or two. Crops of another size are compiled again.
    """
    torch._dynamo.config.recompile_limit = VARIANTS  # noqa: SLF001  # torch's documented name of this setting
    refinement = network.refinement
    for block in (network.coarse, refinement.dilated, refinement.before, refinement.after, refinement.decoder):
        _compile(block, backend)


def _compile(block: nn.Module, backend: Backend) -> None:
    """Compile a block. `block.compile()` does nothing for a plain nn.Sequential, because torch.compile skips the frames of torch.nn."""
    plain = block.forward

    def forward(*planes: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = plain(*planes)
        return result

    block.forward = torch.compile(forward, backend=backend, dynamic=False)  # type: ignore[method-assign]
