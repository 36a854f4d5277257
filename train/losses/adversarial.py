"""The adversarial losses of three kinds of GAN, and the gradient penalty of WGAN-GP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Gan = Literal["wgan-gp", "hinge", "lsgan"]
GRADIENT_FLOOR = 1e-12  # added under the root of the gradient norm, because its derivative is infinite at 0


def critic_loss(real: Tensor, fake: Tensor, gan: Gan) -> Tensor:
    """Compute the loss of a critic from its scores [N] of real pictures and [N] of completed pictures."""
    match gan:
        case "wgan-gp":
            return fake.mean() - real.mean()
        case "hinge":
            return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        case "lsgan":
            return ((real - 1).square().mean() + fake.square().mean()) / 2


def generator_loss(fake: Tensor, gan: Gan) -> Tensor:
    """Compute the adversarial loss of the generator from a critic's scores [N] of completed pictures."""
    return (fake - 1).square().mean() / 2 if gan == "lsgan" else -fake.mean()


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
