"""Smooth base: a low-pass version of the picture, continued into the hole. The network adds detail to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gi_plugin.arrays import CELL

from .precision import full_precision

DILATIONS = (8, 4, 2, 1)  # neighbour distances in cells; large ones first, because they carry colour across a hole in few steps
STEPS = 6  # per distance


class SmoothBase(nn.Module):
    """Reduce a picture to cells of 8 px, fill the hole by diffusion from its border, and scale the result up."""

    def __init__(self) -> None:
        super().__init__()
        cross = torch.tensor([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]]).repeat(3, 1, 1, 1)
        self.register_buffer("cross", cross, persistent=False)  # lies on the module's device: a call makes nothing on the host
        self.cross: Tensor

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Compute the smooth base.

        Cells with known pixels get the mean of these pixels. Cells in the hole get Jacobi steps of the heat equation, with neighbours 8,
        4, 2, then 1 cells away. All operations have ONNX equivalents, so that the base can be exported.

        :param image: [N, 3, H, W] float; the values inside the hole are ignored.
        :param mask: [N, 1, H, W] float, 1 = hole. H and W are multiples of 8.
        :return: [N, 3, H, W]; 0 for a sample without a known pixel.
        """
        known = functional.avg_pool2d(1 - mask, CELL)  # [N, 1, h, w], share of known pixels
        hole = known == 0
        average = functional.avg_pool2d(image * (1 - mask), CELL) / known.masked_fill(hole, 1.0)
        mean = (average * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1e-6)
        cells = torch.where(hole, mean, average)
        with full_precision(image):
            for dilation in DILATIONS:
                for _ in range(STEPS):
                    padded = functional.pad(cells, (dilation,) * 4, mode="replicate")
                    neighbours = functional.conv2d(padded, self.cross, dilation=dilation, groups=3)
                    cells = torch.where(hole, neighbours, average)
        return functional.interpolate(cells, scale_factor=float(CELL), mode="bilinear", align_corners=False)
