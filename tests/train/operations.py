"""Record the operations of PyTorch that a piece of code runs: which make it wait for a device, and on which devices its tensors are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = {  # on a GPU, each of these needs a value on the host, or brings a constant of the host to the GPU
    "_local_scalar_dense": "reads a value (.item(), float())",
    "equal": "reads a value",
    "is_nonzero": "reads a value",
    "lift_fresh": "copies a constant of the host (torch.tensor, new_tensor)",
    "masked_select": "has a result whose size depends on values",
    "nonzero": "has a result whose size depends on values",
    "unique_dim": "has a result whose size depends on values",
    "_unique2": "has a result whose size depends on values",
}


class Operations(TorchDispatchMode):
    """Record what runs inside the `with` block."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: set[str] = set()  # of all results
        self.waits: set[str] = set()  # operations that would wait for a GPU

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and record it."""
        name = func.name().removeprefix("aten::").split(".")[0]
        indices = args[1] if name.startswith("index") and len(args) > 1 and isinstance(args[1], list | tuple) else ()
        if name in WAITS or any(isinstance(index, Tensor) and index.dtype == torch.bool for index in indices):
            self.waits.add(name)
        result = func(*args, **(kwargs or {}))
        self.devices |= {leaf.device.type for leaf in tree_leaves(result) if isinstance(leaf, Tensor)}
        return result


def waits_of(call: Callable[[], object]) -> set[str]:
    """Return the names of the operations in a call that would wait for a GPU."""
    with Operations() as operations:
        call()
    return operations.waits
