"""Losses: the spatially discounted l1 of the paper, adversarial losses of three kinds of GAN, and a texture loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Gan = Literal["wgan-gp", "hinge", "lsgan"]
DISCOUNT = 0.99  # gamma, paper section 3.2
PATCH, WAVES, SCALES = 11, 32, (1, 2)  # of the texture loss: side of a patch in pixels, waves per step, downscaling factors
GRADIENT_FLOOR = 1e-12  # added under the root of the gradient norm, because its derivative is infinite at 0


def discount_weights(distance: Tensor, gamma: float = DISCOUNT) -> Tensor:
    """Compute gamma ** distance, the weight of each missing pixel (paper, section 3.2).

    Pixels far inside a hole get small weights, because many contents would be right there.

    :param distance: [N, 1, H, W], pixels to the nearest known pixel; 0 for known pixels.
    :return: [N, 1, H, W].
    """
    return torch.pow(torch.as_tensor(gamma, dtype=distance.dtype, device=distance.device), distance)


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
    return hole_l1(prediction, target, 1 - mask, torch.ones_like(mask))


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


def texture(completed: Tensor, target: Tensor, mask: Tensor, random: torch.Generator) -> Tensor:
    """Compute the sliced Wasserstein distance between the patches in the hole of two pictures, at full and at half size.

    For each sample, all patches are projected onto random short waves. The projections of both pictures are sorted and compared by
    their mean absolute difference (after Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021, who project
    features instead of pixels). This penalises blur, which l1 alone favours: blurred patches have a small spread of projections. Waves
    separate frequencies and orientations, which white noise does not: a regular weave with the contrast of grass gets a large distance.

    :param completed: [N, 3, H, W].
    :param target: [N, 3, H, W].
    :param mask: [N, 1, H, W], 1 = hole.
    :param random: generator of the waves.
    """
    directions = waves(random).to(completed)
    distances = [_sliced(_smaller(completed, scale), _smaller(target, scale), _smaller(mask, scale), directions) for scale in SCALES]
    return torch.stack(distances).mean()


def waves(random: torch.Generator) -> Tensor:
    """Draw Gabor patches [WAVES, 3, PATCH, PATCH] with random orientation, frequency, phase and colour.

    Each patch has norm 1, each channel mean 0.
    """
    angle, frequency, phase = torch.rand(3, WAVES, 1, 1, generator=random)
    line = torch.arange(PATCH) - PATCH // 2
    across = line * torch.cos(torch.pi * angle) + line[:, None] * torch.sin(torch.pi * angle)  # [WAVES, PATCH, PATCH]
    window = torch.exp(-(line.square() + line[:, None].square()) / (PATCH / 2.5) ** 2)
    wave = torch.cos(torch.pi * frequency * across + 2 * torch.pi * phase) * window  # up to half a cycle per pixel
    colour = torch.randn(WAVES, 3, 1, 1, generator=random)
    patches = colour * (wave - wave.mean((1, 2), keepdim=True))[:, None]
    normed: Tensor = patches / torch.linalg.vector_norm(patches, dim=(1, 2, 3), keepdim=True)
    return normed


def _sliced(completed: Tensor, target: Tensor, mask: Tensor, directions: Tensor) -> Tensor:
    first, second = (functional.conv2d(picture, directions, padding=PATCH // 2) for picture in (completed, target))  # [N, D, H, W]
    distances = [
        (ours[:, hole].sort(dim=1).values - theirs[:, hole].sort(dim=1).values).abs().mean()
        for ours, theirs, hole in zip(first, second, mask[:, 0] == 1, strict=True)
        if hole.any()  # at half size, a thin stroke may cover no pixel completely
    ]
    return torch.stack(distances).mean() if distances else completed.sum() * 0


def _smaller(plane: Tensor, scale: int) -> Tensor:
    return functional.avg_pool2d(plane, scale) if scale > 1 else plane
