"""The two critics of the paper (section 3.1): the global one sees the whole picture, the local one a crop around the hole."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

GLOBAL_WIDTHS = (64, 128, 256, 256)
LOCAL_WIDTHS = (64, 128, 256, 512)
SLOPE = 0.2  # of the leaky ReLU


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

    def forward(self, picture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Score whole pictures, and their crops around the holes.

        :param picture: [N, 3, S, S].
        :param mask: [N, 1, S, S], 1 = hole.
        :return: scores [N] of the global critic and [N] of the local critic.
        """
        return self.whole(picture), self.local(local_crop(picture, mask, self.size // 2))


def local_crop(picture: Tensor, mask: Tensor, side: int) -> Tensor:
    """Crop `side` x `side` pixels around the middle of each sample's hole.

    A crop that would leave the picture is shifted inside. A sample without a hole is cropped in the middle.

    :param picture: [N, C, H, W].
    :param mask: [N, 1, H, W], > 0 = hole.
    :return: [N, C, side, side].
    """
    crops = []
    for sample, hole in zip(picture, mask[:, 0] > 0, strict=True):
        top, left = (_start(hole.any(dim=1 - axis), side) for axis in (0, 1))
        crops.append(sample[:, top : top + side, left : left + side])
    return torch.stack(crops)


def _start(line: Tensor, side: int) -> int:
    """Compute the start of a crop along one axis; `line` [S] bool marks the rows (columns) that the hole touches."""
    touched = line.nonzero()[:, 0]
    middle = (int(touched[0]) + int(touched[-1]) + 1) // 2 if len(touched) else line.shape[0] // 2
    return max(0, min(middle - side // 2, line.shape[0] - side))


def _constrained(layer: nn.Conv2d | nn.Linear, spectral: bool) -> nn.Module:
    return spectral_norm(layer) if spectral else layer
