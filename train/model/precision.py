"""Control the precision, device and memory layout of tensors and modules."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert a tensor to float32; a float64 tensor stays as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast is off.

    If autocast is not active, the context does nothing, so that an export does not record it.
    """
    if torch.amp.is_autocast_available(like.device.type) and torch.is_autocast_enabled(like.device.type):
        return torch.autocast(like.device.type, enabled=False)
    return nullcontext()


def low_precision(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return a context in which convolutions run in "bf16"; for "fp32" it does nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def placed(module: Module, device: torch.device, layout: torch.memory_format = torch.channels_last) -> Module:
    """Move a module to a device and into a memory layout, and return it."""
    placed_module: Module = module.to(device, memory_format=layout)  # type: ignore[call-overload]  # torch's overloads lack it
    return placed_module


def device_name(device: torch.device) -> str:
    """Return the name of a device for reports, such as "NVIDIA H200" or "CPU"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
