"""Supervised attention: how far what the attention would paste is from the truth."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ..model.attention import Paste, paste
from .reconstruction import hole_l1


def pasted_l1(weights: Tensor, target: Tensor, mask: Tensor, pasting: Paste = paste) -> Tensor:
    """Compute the l1 in the hole between the original, at a quarter of its size, and what the attention weights paste of it.

    :param weights: [N, L, L] of `attention_weights`; only known cells are pasted.
    :param target: [N, 3, H, W].
    :param mask: [N, 1, H, W], 1 = hole.
    :param pasting: `paste`, or its compiled form.
    """
    small, hole = functional.avg_pool2d(target, 4), functional.max_pool2d(mask, 4)
    return hole_l1(pasting(small, weights.to(small.dtype)), small, hole, hole)
