"""The l1 losses of the paper: in the hole, discounted by the distance to the known pixels, and outside of it."""

from __future__ import annotations

import math

from torch import Tensor

DISCOUNT = 0.99  # gamma, paper section 3.2


def discount_weights(distance: Tensor, gamma: float = DISCOUNT) -> Tensor:
    """Compute gamma ** distance, the weight of each missing pixel (paper, section 3.2).

    Pixels far inside a hole get small weights, because many contents would be right there.

    :param distance: [N, 1, H, W], pixels to the nearest known pixel; 0 for known pixels.
    :return: [N, 1, H, W].
    """
    return (distance * math.log(gamma)).exp()


def hole_l1(prediction: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted mean of |prediction - target| over the missing pixels of the batch.

    :param prediction: [N, 3, H, W].
    :param target: [N, 3, H, W].
    :param mask: [N, 1, H, W], 1 = hole.
    :param weights: [N, 1, H, W].
    """
    error = (prediction - target).abs().mean(dim=1, keepdim=True)
    return (error * weights * mask).sum() / mask.sum().clamp_min(1)


def known_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean of |prediction - target| over the known pixels of the batch; shapes as for `hole_l1`."""
    known = 1 - mask
    return hole_l1(prediction, target, known, known)
