"""The losses: the paper's spatially discounted l1, the adversarial terms of three kinds of GAN, and a texture term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Gan = Literal["wgan-gp", "hinge", "lsgan"]
DISCOUNT = 0.99  # gamma, paper section 3.2
PATCH, WAVES, SCALES = 11, 32, (1, 2)  # of the texture term: side of a patch in pixels, waves per step, shrinking factors
GRADIENT_FLOOR = 1e-12  # under the root of the gradient norm, whose derivative is infinite at 0


def discount_weights(distance: Tensor, gamma: float = DISCOUNT) -> Tensor:
    """Gamma ** distance to the nearest known pixel (paper, section 3.2): the middle of a hole has many right answers.

    :param distance: [N, 1, H, W] in pixels, 0 where known.
    """
    return torch.pow(torch.as_tensor(gamma, dtype=distance.dtype, device=distance.device), distance)


def hole_l1(prediction: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of |prediction - target| over the missing pixels of the batch.

    :param prediction: [N, 3, H, W]; `mask` and `weights` [N, 1, H, W].
    """
    error = (prediction - target).abs().mean(dim=1, keepdim=True)
    return (error * weights * mask).sum() / mask.sum().clamp_min(1)


def known_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean of |prediction - target| over the known pixels of the batch."""
    return hole_l1(prediction, target, 1 - mask, torch.ones_like(mask))


def critic_loss(real: Tensor, fake: Tensor, gan: Gan) -> Tensor:
    """What a critic minimises, from its scores [N] of real and of completed pictures."""
    match gan:
        case "wgan-gp":
            return fake.mean() - real.mean()
        case "hinge":
            return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        case "lsgan":
            return ((real - 1).square().mean() + fake.square().mean()) / 2


def generator_loss(fake: Tensor, gan: Gan) -> Tensor:
    """What the generator minimises, from a critic's scores [N] of completed pictures."""
    return (fake - 1).square().mean() / 2 if gan == "lsgan" else -fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mask: Tensor, mix: Tensor) -> Tensor:
    """Penalise gradients whose norm over the missing pixels is not 1 (paper, equation 3).

    :param critic: pictures to scores [N].
    :param real: [N, 3, H, W], `fake` likewise, `mask` [N, 1, H, W]; `mix` [N] in [0, 1) places each sample between them.
    """
    between = real + mix[:, None, None, None] * (fake - real)
    between = between.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = ((gradient.square() * mask).sum(dim=(1, 2, 3)) + GRADIENT_FLOOR).sqrt()
    return (norm - 1).square().mean()


def texture(completed: Tensor, target: Tensor, mask: Tensor, random: torch.Generator) -> Tensor:
    """Sliced Wasserstein distance between the patches in the hole of both pictures, at full and at half size.

    Per sample, all patches are projected onto random short waves and sorted; the mean absolute difference is taken (after Heitz et al.,
    "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021, which projects features). l1 alone ends in blur, which has none
    of the spread of real patches. Waves, unlike white noise, tell one frequency and orientation from another: a regular weave with the
    contrast of grass is not grass.

    :param completed: [N, 3, H, W]; `target` likewise; `mask` [N, 1, H, W].
    """
    directions = waves(random).to(completed)
    distances = [_sliced(_smaller(completed, scale), _smaller(target, scale), _smaller(mask, scale), directions) for scale in SCALES]
    return torch.stack(distances).mean()


def waves(random: torch.Generator) -> Tensor:
    """Random Gabor patches [WAVES, 3, PATCH, PATCH] of norm 1, each channel of mean 0: any orientation, frequency, phase and colour."""
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
        if hole.any()  # at half size a thin stroke may have no cell of its own
    ]
    return torch.stack(distances).mean() if distances else completed.sum() * 0


def _smaller(plane: Tensor, scale: int) -> Tensor:
    return functional.avg_pool2d(plane, scale) if scale > 1 else plane
