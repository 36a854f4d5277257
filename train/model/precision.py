"""Where half precision may not reach (scores and fills are computed in at least float32), and where modules live."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is in float64."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """A region that an enclosing autocast does not touch (nothing at all where none is active, so exports see none)."""
    if torch.is_autocast_enabled(like.device.type):
        return torch.autocast(like.device.type, enabled=False)
    return nullcontext()


def placed(module: Module, device: torch.device, layout: torch.memory_format = torch.channels_last) -> Module:
    """The module, moved to a device and into a memory layout."""
    placed_module: Module = module.to(device, memory_format=layout)  # type: ignore[call-overload]  # torch's overloads lack it
    return placed_module
