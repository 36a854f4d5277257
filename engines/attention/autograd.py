"""The attention kernel as a PyTorch operation: the forward pass is one kernel launch, the backward pass uses the PyTorch formula."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from gi_plugin.errors import first_line
from gi_plugin.train.model.attention import SOFTMAX_SCALE, ContextualAttention, attention_weights
from gi_plugin.train.model.network import InpaintingNetwork

log = logging.getLogger(__name__)


class KernelWeights(torch.autograd.Function):
    """Compute `attention_weights` with the kernel. Rows of queries whose patch cannot reach the hole are zero."""

    @staticmethod
    def forward(ctx: Any, gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Compute weights and matches; see `train.model.attention.attention_weights`."""
        from . import kernel  # noqa: PLC0415  # needs triton

        weights, matches = kernel.attention_weights(gram, mask, scale)
        ctx.save_for_backward(gram, mask)
        ctx.scale = scale
        ctx.mark_non_differentiable(matches)
        return weights, matches

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient with respect to the products of cells."""
        gram, mask = ctx.saved_tensors
        with torch.enable_grad():
            leaf = gram.detach().requires_grad_()
            weights, _ = attention_weights(leaf, mask, ctx.scale)
            (gradient,) = torch.autograd.grad(weights, leaf, gradients[0])
        return gradient, None, None


def _kernel_step(gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    weights, matches = KernelWeights.apply(gram, mask, scale)  # type: ignore[no-untyped-call]
    return weights, matches


def accelerate(network: InpaintingNetwork) -> bool:
    """Make a network use the kernel, and return whether it does: it needs a network on a CUDA device, triton, and what that needs."""
    device = next(network.parameters()).device
    if find_spec("triton") is None or device.type != "cuda" or not _runs(device):
        return False
    for module in network.modules():
        if isinstance(module, ContextualAttention):
            module.step = _kernel_step
    return True


def _runs(device: torch.device) -> bool:
    """Run the kernel on one small grid. Triton compiles its launcher on the machine, with a C compiler and the headers of Python."""
    try:
        with torch.inference_mode():
            _kernel_step(torch.zeros(1, 9, 9, device=device), torch.zeros(1, 1, 3, 3, device=device), SOFTMAX_SCALE)
    except Exception as error:  # noqa: BLE001  # of a compiler, the system or the driver: PyTorch's formula gives the same result
        log.warning("the attention kernel cannot be used (%s): PyTorch's own operations take its place", first_line(error))
        return False
    return True
