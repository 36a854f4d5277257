"""The attention kernel inside PyTorch: one launch forwards, the PyTorch formulation for the derivative."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from gi_plugin.train.model.attention import ContextualAttention, attention_weights
from gi_plugin.train.model.network import InpaintingNetwork


class KernelWeights(torch.autograd.Function):
    """`attention_weights` by the kernel; rows of queries whose paste cannot reach the hole are zero."""

    @staticmethod
    def forward(ctx: Any, gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """See `train.attention.attention_weights`."""
        from . import kernel  # noqa: PLC0415  # needs triton

        weights, matches = kernel.attention_weights(gram, mask, scale)
        ctx.save_for_backward(gram, mask)
        ctx.scale = scale
        ctx.mark_non_differentiable(matches)
        return weights, matches

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The derivative with respect to the products of cells."""
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
    """Let a network that is on a CUDA device use the kernel; returns whether it does (triton may be missing)."""
    if find_spec("triton") is None or next(network.parameters()).device.type != "cuda":
        return False
    for module in network.modules():
        if isinstance(module, ContextualAttention):
            module.step = _kernel_step
    return True
