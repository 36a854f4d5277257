"""The tiny network for thin holes: dilated 3x3 convolutions in residual pairs, which correct a first fill."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class ThinSettings:
    """Settings that determine the structure of the network; they are stored in the network file."""

    channels: int = 32
    dilations: tuple[int, ...] = (1, 1, 2, 4, 8, 4, 2, 1)  # of the convolutions between the first and the last one; an even number


class ThinNetwork(nn.Module):
    """Corrects the first fill of scaled tiles, see `gi_plugin.thin`. Tiles are padded with zeros, which is their mean."""

    def __init__(self, settings: ThinSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.channels
        self.first = nn.Conv2d(4, width, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(width, width, 3, padding=step, dilation=step) for step in settings.dilations)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)  # training starts from the first fill

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Compute the correction [N, 3, S, S].

        :param image: [N, 3, S, S] scaled values, with a first fill at missing pixels.
        :param mask: [N, 1, S, S], 1 = missing.
        """
        features = self.first(torch.cat((image, mask), dim=1))
        for one, two in zip(self.inner[::2], self.inner[1::2], strict=True):
            features = features + two(functional.relu(one(functional.relu(features))))
        correction: Tensor = self.last(functional.relu(features))
        return correction
