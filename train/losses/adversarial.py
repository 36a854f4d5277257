"""The adversarial losses of five kinds of GAN, the matching of critics' features, and the penalties on critics' gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Gan = Literal["wgan-gp", "hinge", "lsgan", "bce", "relativistic"]
GRADIENT_FLOOR = 1e-12  # added under the root of the gradient norm, because its derivative is infinite at 0


def critic_loss(real: Tensor, fake: Tensor, weights: Tensor, gan: Gan) -> Tensor:
    """Compute the loss of a critic from its scores of real and of completed pictures.

    "relativistic" compares each completed picture with its own original (the pairing of Jolicoeur-Martineau, 2018).

    :param weights: like the scores; scores of weight 0 do not count.
    """
    match gan:
        case "wgan-gp":
            return _mean(fake - real, weights)
        case "hinge":
            return _mean(functional.relu(1 - real) + functional.relu(1 + fake), weights)
        case "lsgan":
            return _mean(((real - 1).square() + fake.square()) / 2, weights)
        case "bce":
            return _mean(functional.softplus(-real) + functional.softplus(fake), weights)
        case "relativistic":
            return _mean(functional.softplus(fake - real), weights)


def generator_loss(real: Tensor, fake: Tensor, weights: Tensor, gan: Gan) -> Tensor:
    """Compute the adversarial loss of the generator from a critic's scores of completed pictures; weights as for `critic_loss`.

    :param real: scores of the originals; only "relativistic" uses them.
    """
    match gan:
        case "wgan-gp" | "hinge":
            return _mean(-fake, weights)
        case "lsgan":
            return _mean((fake - 1).square() / 2, weights)
        case "bce":
            return _mean(functional.softplus(-fake), weights)
        case "relativistic":
            return _mean(functional.softplus(real - fake), weights)


def feature_distance(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Compute the relative l1 distance between a critic's features of completed and of real pictures, averaged over its layers."""
    ratios = [(ours - theirs).abs().mean() / theirs.abs().mean().clamp_min(1e-6) for ours, theirs in zip(fake, real, strict=True)]
    return torch.stack(ratios).mean()


def r1_penalty(scores: Tensor, weights: Tensor, picture: Tensor) -> Tensor:
    """Compute the penalty R1 of Mescheder et al. (ICML 2018): the squared gradient of the scores of real pictures, per score.

    :param scores: of the real pictures; weights as for `critic_loss`.
    :param picture: [N, 3, H, W], the real pictures, from which the scores were computed.
    """
    (gradient,) = torch.autograd.grad((scores * weights).sum(), picture, create_graph=True)
    return gradient.square().sum() / weights.sum().clamp_min(1)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mask: Tensor, mix: Tensor) -> Tensor:
    """Compute the gradient penalty: (norm of the critic's gradient over the missing pixels - 1) ** 2 (paper, equation 3).

    :param critic: maps pictures [N, 3, H, W] to scores [N].
    :param real: [N, 3, H, W].
    :param fake: [N, 3, H, W].
    :param mask: [N, 1, H, W], 1 = hole.
    :param mix: [N] in [0, 1); the gradient is taken at real + mix * (fake - real).
    """
    between = real + mix[:, None, None, None] * (fake - real)
    between = between.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = ((gradient.square() * mask).sum(dim=(1, 2, 3)) + GRADIENT_FLOOR).sqrt()
    return (norm - 1).square().mean()
