"""Compile the convolutions of a network and of patch critics: padding, convolution and activation become few kernels, not one each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo
from torch import nn

from .attention import paste
from .network import InpaintingNetwork
from .patch_critics import PatchCritics

VARIANTS = 64  # compiled forms of one function; blocks of several shapes, with and without gradients, share one
Backend = str | Callable[..., Any]  # of torch.compile


def compile_blocks(network: InpaintingNetwork, backend: Backend = "inductor") -> None:
    """Compile the blocks of convolutions and the pasting of the attention in place; the smooth base stays as it is.

    The first steps compile, which takes a minute or two. Crops of another size are compiled again.
    """
    torch._dynamo.config.recompile_limit = VARIANTS  # noqa: SLF001  # torch's documented name of this setting
    refinement = network.refinement
    for block in (network.coarse, refinement.dilated, refinement.before, refinement.after, refinement.decoder):
        _compile(block, backend)
    if refinement.attention is not None:
        refinement.attention.paste = torch.compile(paste, backend=backend, dynamic=False)


def compile_critics(critics: PatchCritics, backend: Backend = "inductor") -> None:
    """Compile the calls of patch critics in place. They have no second derivatives; those of `critics.forward` stay as they are."""
    torch._dynamo.config.recompile_limit = VARIANTS  # noqa: SLF001
    critics.compile(backend=backend, dynamic=False)


def _compile(block: nn.Module, backend: Backend) -> None:
    """Compile a block. `block.compile()` does nothing for a plain nn.Sequential, because torch.compile skips the frames of torch.nn."""
    plain = block.forward

    def forward(*planes: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = plain(*planes)
        return result

    block.forward = torch.compile(forward, backend=backend, dynamic=False)
