"""Compile the convolutions of a network and of patch critics: padding, convolution and activation become few kernels, not one each."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import shorten
from typing import Any

import torch
import torch._dynamo
from torch import nn

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, first_line

from .attention import paste
from .network import InpaintingNetwork
from .patch_critics import PatchCritics

VARIANTS = 64  # compiled forms of one function; blocks of several shapes, with and without gradients, share one
Backend = str | Callable[..., Any]  # of torch.compile


def is_compiled(settings: TrainSettings, device: torch.device) -> bool:
    """Whether a training with these settings is compiled on a device."""
    return settings.compile == "on" or (settings.compile == "auto" and device.type == "cuda")


def check_compiler(device: torch.device, backend: Backend = "inductor") -> None:
    """Compile one tiny function: it takes seconds, and needs all that compiling a network needs on this machine.

    :raises ConfigError: if that fails, mostly because a C compiler, the headers of Python or triton is missing.
    """
    try:
        torch.compile(lambda plane: plane + 1, backend=backend)(torch.zeros(8, device=device))
    except Exception as error:  # of the compiler, the system or the driver, in many types
        cause = getattr(error, "inner_exception", error)  # the error itself begins with a line that says less
        reason = shorten(f"{type(cause).__name__}: {first_line(cause)}", 300)
        raise ConfigError(
            f"torch.compile does not work here ({reason}); it needs a C compiler, the headers of Python (python3-dev) and, on a GPU, "
            "triton; install them, or use --set compile=off"
        ) from error


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
