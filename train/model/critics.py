"""The two critics of the paper (section 3.1): one looks at the whole picture, one at the neighbourhood of the hole."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

GLOBAL_WIDTHS = (64, 128, 256, 256)
LOCAL_WIDTHS = (64, 128, 256, 512)
SLOPE = 0.2  # of the leaky ReLU


class Critic(nn.Module):
    """Four 5x5 convolutions of stride 2 and a linear head: one unbounded score per picture."""

    def __init__(self, size: int, widths: tuple[int, ...], *, spectral: bool) -> None:
        """Build a critic for pictures of `size` x `size`, a multiple of 16.

        :param spectral: constrain every layer by its spectral norm (used with the hinge loss).
        """
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *widths), widths, strict=False):
            layers += [_constrained(nn.Conv2d(inputs, outputs, 5, stride=2, padding=2), spectral), nn.LeakyReLU(SLOPE)]
        self.features = nn.Sequential(*layers)
        self.head = _constrained(nn.Linear(widths[-1] * (size // 16) ** 2, 1), spectral)

    def forward(self, picture: Tensor) -> Tensor:
        """[N, 3, size, size] -> [N]."""
        score: Tensor = self.head(self.features(picture).flatten(1))
        return score[:, 0]


class Critics(nn.Module):
    """The global and the local critic; the local one sees a crop of half the size around each sample's own hole."""

    def __init__(self, size: int, *, spectral: bool = False) -> None:
        super().__init__()
        self.whole = Critic(size, GLOBAL_WIDTHS, spectral=spectral)
        self.local = Critic(size // 2, LOCAL_WIDTHS, spectral=spectral)
        self.size = size

    def forward(self, picture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [N] of whole pictures [N, 3, S, S] and of their crops around the holes [N, 1, S, S]."""
        return self.whole(picture), self.local(local_crop(picture, mask, self.size // 2))


def local_crop(picture: Tensor, mask: Tensor, side: int) -> Tensor:
    """Crop `side` x `side` around the middle of each sample's hole, shifted into the picture.

    :param picture: [N, C, H, W]; `mask` [N, 1, H, W].
    :return: [N, C, side, side].
    """
    crops = []
    for sample, hole in zip(picture, mask[:, 0] > 0, strict=True):
        top, left = (_start(hole.any(dim=1 - axis), side) for axis in (0, 1))
        crops.append(sample[:, top : top + side, left : left + side])
    return torch.stack(crops)


def _start(line: Tensor, side: int) -> int:
    """Where a crop along one axis starts; `line` [S] says which rows (columns) the hole touches."""
    touched = line.nonzero()[:, 0]
    middle = (int(touched[0]) + int(touched[-1]) + 1) // 2 if len(touched) else line.shape[0] // 2
    return max(0, min(middle - side // 2, line.shape[0] - side))


def _constrained(layer: nn.Conv2d | nn.Linear, spectral: bool) -> nn.Module:
    return spectral_norm(layer) if spectral else layer
