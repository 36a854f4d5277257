"""A loss on the low frequencies of a completion: the only colours that the transfer takes from the network."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE, SMALLEST, LARGEST = 1 / 15, 1.5, 8.0  # of `transfer.schedule.guide_sigma`: sigma / depth of the hole, its limits in pixels


def low_frequencies(completed: Tensor, target: Tensor, mask: Tensor, distance: Tensor) -> Tensor:
    """Compute the mean absolute difference, over the missing pixels, of two pictures after the blur that the transfer uses.

    :param completed: [N, 3, H, W], equal to `target` at known pixels.
    :param target: [N, 3, H, W].
    :param mask: [N, 1, H, W], 1 = hole.
    :param distance: [N, 1, H, W], pixels to the nearest known pixel.
    """
    sigma = blur_sigma(distance)
    rows, columns = (_gaussian(size, sigma) for size in completed.shape[2:])  # [N, 1, H, H], [N, 1, W, W]
    blurred = rows @ (completed - target) @ columns.transpose(-1, -2)
    return (blurred.abs().mean(dim=1, keepdim=True) * mask).sum() / mask.sum().clamp_min(1)


def blur_sigma(distance: Tensor) -> Tensor:
    """Compute the sigma of each sample's blur, [N], from the largest distance in its hole."""
    return (distance.amax(dim=(1, 2, 3)) * SHARE).clamp(SMALLEST, LARGEST)


def _gaussian(size: int, sigma: Tensor) -> Tensor:
    """Make the matrices [N, 1, size, size] that blur a line; at an end, the weights of the pixels inside add up to 1."""
    line = torch.arange(size, device=sigma.device, dtype=sigma.dtype)
    weights = torch.exp(-((line[:, None] - line) ** 2) / (2 * sigma[:, None, None] ** 2))
    return (weights / weights.sum(dim=2, keepdim=True))[:, None]
