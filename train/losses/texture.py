"""The texture loss: a sliced Wasserstein distance between the patches in the hole of two pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

PATCH, WAVES, SCALES = 11, 32, (1, 2)  # side of a patch in pixels, waves per step, downscaling factors
FAR = 1e4  # stands for pixels outside the hole; after sorting, those of both pictures are at the end and cancel


def texture(completed: Tensor, target: Tensor, mask: Tensor, largest: int, random: torch.Generator) -> Tensor:
    """Compute the sliced Wasserstein distance between the patches in the hole of two pictures, at full and at half size.

    For each sample, all patches are projected onto random short waves. The projections of both pictures are sorted and compared by
    their mean absolute difference (after Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021, who project
    features instead of pixels). This penalises blur, which l1 alone favours: blurred patches have a small spread of projections. Waves
    separate frequencies and orientations, which white noise does not: a regular weave with the contrast of grass gets a large distance.

    :param completed: [N, 3, H, W].
    :param target: [N, 3, H, W].
    :param mask: [N, 1, H, W], 1 = hole.
    :param largest: number of missing pixels of the sample with the largest hole; known on the host, so that no value is read from a GPU.
    :param random: generator of the waves, on the device of the pictures.
    """
    directions = waves(random).to(completed)
    distances = []
    for scale in SCALES:
        ours, theirs, hole = (functional.avg_pool2d(plane, scale) if scale > 1 else plane for plane in (completed, target, mask))
        distances.append(_sliced(ours, theirs, hole, max(largest // scale**2, 1), directions))
    return torch.stack(distances).mean()


def waves(random: torch.Generator) -> Tensor:
    """Draw Gabor patches [WAVES, 3, PATCH, PATCH] with random orientation, frequency, phase and colour, on the generator's device.

    Each patch has norm 1, each channel mean 0.
    """
    angle, frequency, phase = torch.rand(3, WAVES, 1, 1, generator=random, device=random.device)
    line = torch.arange(PATCH, device=random.device) - PATCH // 2
    across = line * torch.cos(torch.pi * angle) + line[:, None] * torch.sin(torch.pi * angle)  # [WAVES, PATCH, PATCH]
    window = torch.exp(-(line.square() + line[:, None].square()) / (PATCH / 2.5) ** 2)
    wave = torch.cos(torch.pi * frequency * across + 2 * torch.pi * phase) * window  # up to half a cycle per pixel
    colour = torch.randn(WAVES, 3, 1, 1, generator=random, device=random.device)
    patches = colour * (wave - wave.mean((1, 2), keepdim=True))[:, None]
    normed: Tensor = patches / torch.linalg.vector_norm(patches, dim=(1, 2, 3), keepdim=True)
    return normed


def _sliced(completed: Tensor, target: Tensor, mask: Tensor, largest: int, directions: Tensor) -> Tensor:
    inside = mask.flatten(1) == 1  # [N, H * W]
    count = inside.sum(dim=1)  # [N]; at half size, a thin stroke may cover no pixel completely
    places = _places(inside, largest)
    outside = torch.arange(largest, device=mask.device) >= count[:, None]
    ours, theirs = (
        functional.conv2d(picture, directions, padding=PATCH // 2)
        .flatten(2)
        .gather(2, places[:, None].expand(-1, len(directions), -1))
        .masked_fill(outside[:, None], FAR)
        .sort(dim=2)
        .values
        for picture in (completed, target)
    )  # [N, WAVES, largest]
    distances = (ours - theirs).abs().sum(dim=(1, 2)) / (len(directions) * count.clamp_min(1))
    return distances.sum() / (count > 0).sum().clamp_min(1)


def _places(inside: Tensor, largest: int) -> Tensor:
    """Number the missing pixels of each sample: [N, P] bool -> [N, largest] int64, filled up with zeros."""
    slot = torch.where(inside, inside.cumsum(dim=1) - 1, largest).clamp_max(largest)  # known pixels share the last slot
    numbers = torch.arange(inside.shape[1], device=inside.device).expand(inside.shape)
    return slot.new_zeros(len(inside), largest + 1).scatter_(1, slot, numbers)[:, :largest]
