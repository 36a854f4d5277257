"""Compile the convolutions of a network: mirror padding, convolution and activation become few kernels instead of one each."""

from __future__ import annotations

import torch
import torch._dynamo

from .network import InpaintingNetwork

VARIANTS = 64  # compiled forms of one function; blocks of several shapes, with and without gradients, share one


def compile_blocks(network: InpaintingNetwork, backend: str = "inductor") -> None:
    """Compile the blocks of convolutions in place; the smooth base and the attention stay as they are.

    The first steps compile, which takes about a minute. Crops of another size are compiled again.
    """
    torch._dynamo.config.recompile_limit = VARIANTS  # noqa: SLF001  # torch's documented name of this setting
    refinement = network.refinement
    for block in (network.coarse, refinement.dilated, refinement.before, refinement.after, refinement.decoder):
        block.compile(backend=backend, dynamic=False)
