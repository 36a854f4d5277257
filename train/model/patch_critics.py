"""Fully convolutional critics: they judge every patch of a picture instead of the whole, and know where the hole is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .critics import SLOPE, Verdict

WIDTHS = (64, 128, 256, 256)
GAIN = 3.0  # of the high frequencies, which are small beside the colours, but tell a completion from its original
NEAR = 5  # side in pixels of the square whose mean is subtracted from a pixel to get its high frequencies


class PatchCritic(nn.Module):
    """Five convolutions, three of them of stride 2; each score sees a patch of 44 px."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        first, *others = widths
        convolutions = [nn.Conv2d(7, first, 3, padding=1)]
        convolutions += [nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in zip(widths, others, strict=False)]
        self.layers = nn.ModuleList(convolutions)
        self.head = nn.Conv2d(widths[-1], 1, 3, padding=1)
        for layer in convolutions:
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)

    def forward(self, picture: Tensor, mask: Tensor) -> Verdict:
        """Score the patches of pictures [N, 3, H, W]; those that touch the hole (mask [N, 1, H, W]) count."""
        features, seen = torch.cat((picture, GAIN * _high_frequencies(picture), mask), dim=1), []
        for layer in self.layers:
            features = functional.leaky_relu(layer(features), SLOPE)
            seen.append(features)
        scores: Tensor = self.head(features)  # [N, 1, H / 8, W / 8]
        return Verdict(scores, functional.adaptive_max_pool2d(mask, scores.shape[2:]), tuple(seen))


def _high_frequencies(picture: Tensor) -> Tensor:
    return picture - functional.avg_pool2d(picture, NEAR, stride=1, padding=NEAR // 2, count_include_pad=False)


class PatchCritics(nn.Module):
    """Two patch critics: one sees the picture at full size, the other one at half size, where a patch covers 88 px."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = PatchCritic(WIDTHS), PatchCritic(WIDTHS)

    def forward(self, picture: Tensor, mask: Tensor) -> tuple[Verdict, Verdict]:
        """Score the patches of pictures [N, 3, H, W] with holes [N, 1, H, W]."""
        return self.fine(picture, mask), self.coarse(functional.avg_pool2d(picture, 2), functional.max_pool2d(mask, 2))
