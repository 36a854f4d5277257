"""The two critics of the paper (section 3.1): the global one sees the whole picture, the local one a crop around the hole."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

GLOBAL_WIDTHS = (64, 128, 256, 256)
LOCAL_WIDTHS = (64, 128, 256, 512)
SLOPE = 0.2  # of the leaky ReLU


class Verdict(NamedTuple):
    """What one critic makes of a batch of pictures."""

    scores: Tensor  # [N], or [N, 1, h, w] of patches
    weights: Tensor  # like the scores, 1 = counts
    features: tuple[Tensor, ...] = ()  # of its layers, if they are to be matched


class Critic(nn.Module):
    """A critic with four 5x5 convolutions of stride 2 and a linear head; it gives one unbounded score per picture."""

    def __init__(self, size: int, widths: tuple[int, ...], *, spectral: bool) -> None:
        """Build a critic for pictures of `size` x `size`, a multiple of 16.

        :param spectral: apply spectral normalisation to every layer (used with the hinge loss).
        """
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *widths), widths, strict=False):
            layers += [_constrained(nn.Conv2d(inputs, outputs, 5, stride=2, padding=2), spectral), nn.LeakyReLU(SLOPE)]
        self.features = nn.Sequential(*layers)
        self.head = _constrained(nn.Linear(widths[-1] * (size // 16) ** 2, 1), spectral)

    def forward(self, picture: Tensor) -> Tensor:
        """Score pictures: [N, 3, size, size] -> [N]."""
        score: Tensor = self.head(self.features(picture).flatten(1))
        return score[:, 0]


class Critics(nn.Module):
    """The global and the local critic. The local one sees a crop of half the side around the hole of each sample."""

    def __init__(self, size: int, *, spectral: bool = False) -> None:
        super().__init__()
        self.whole = Critic(size, GLOBAL_WIDTHS, spectral=spectral)
        self.local = Critic(size // 2, LOCAL_WIDTHS, spectral=spectral)
        self.size = size

    def forward(self, picture: Tensor, mask: Tensor) -> tuple[Verdict, Verdict]:
        """Score whole pictures, and their crops around the holes.

        :param picture: [N, 3, S, S].
        :param mask: [N, 1, S, S], 1 = hole.
        :return: scores [N] of the global critic and [N] of the local critic.
        """
        scores = self.whole(picture), self.local(local_crop(picture, mask, self.size // 2))
        whole, local = (Verdict(score, torch.ones_like(score)) for score in scores)
        return whole, local


def local_crop(picture: Tensor, mask: Tensor, side: int) -> Tensor:
    """Crop `side` x `side` pixels around the middle of each sample's hole.

    A crop that would leave the picture is shifted inside. A sample without a hole is cropped in the middle.

    :param picture: [N, C, H, W].
    :param mask: [N, 1, H, W], > 0 = hole.
    :return: [N, C, side, side].
    """
    count, channels, _, width = picture.shape
    hole = mask[:, 0] > 0
    rows, columns = (_lines(hole.any(dim=axis), side) for axis in (2, 1))
    band = picture.gather(2, rows[:, None, :, None].expand(count, channels, side, width))
    return band.gather(3, columns[:, None, None].expand(count, channels, side, side))


def _lines(touched: Tensor, side: int) -> Tensor:
    """Number the rows (columns) of each crop, [N, side] int64; `touched` [N, S] bool marks those that the hole touches."""
    size = touched.shape[1]
    first, after = touched.byte().argmax(dim=1), size - touched.flip(1).byte().argmax(dim=1)
    start = ((first + after) // 2 - side // 2).clamp(0, size - side)
    return start[:, None] + torch.arange(side, device=touched.device)


def _constrained(layer: nn.Conv2d | nn.Linear, spectral: bool) -> nn.Module:
    return spectral_norm(layer) if spectral else layer
