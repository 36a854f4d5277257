"""Balance the terms of a loss: each pulls on the pixels of the hole as hard as its weight says, compared with the l1 terms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..distributed import averaged

EVERY = 25  # steps between two measurements
FLOOR = 1e-12  # smallest squared length of a gradient that divides


class Balance(nn.Module):
    """Factors of the terms; they are part of the state of a run."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Start with the factor 1 for each of the named terms."""
        super().__init__()
        self.names = names
        self.register_buffer("factors", torch.ones(len(names)))
        self.factors: Tensor

    def measure(self, reference: Tensor, terms: Mapping[str, Tensor], pixels: Tensor, mask: Tensor) -> None:
        """Set the factors so that every term's gradient is as long as that of the reference.

        A term that does not depend on the pixels, such as that of the attention, keeps the factor 1.

        :param reference: the weighted l1 terms.
        :param terms: the other terms, without their weights; the graph of all of them is kept.
        :param pixels: [N, 3, H, W], the output of the network from which they were computed.
        :param mask: [N, 1, H, W], 1 = hole; only its gradients count.
        """
        lengths = []
        for term in (reference, *(terms[name] for name in self.names)):
            (gradient,) = torch.autograd.grad(term, pixels, retain_graph=True, allow_unused=True)
            lengths.append(mask.new_zeros(()) if gradient is None else (gradient.float() * mask).square().sum())
        squared = averaged(torch.stack(lengths))
        ratio = (squared[0] / squared[1:].clamp_min(FLOOR)).sqrt()
        self.factors.copy_(torch.where(squared[1:] > FLOOR, ratio, torch.ones_like(ratio)))

    def weighted(self, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        """Add up the terms, each times its weight and its factor."""
        return torch.stack([weights[name] * factor * terms[name] for name, factor in zip(self.names, self.factors, strict=True)]).sum()
