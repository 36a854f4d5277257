"""A bank of hole masks on the device of the training: drawn once, varied by turning and mirroring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gi_plugin.config import TrainSettings

from . import masks

SIZE = 512  # masks in a bank; turned and mirrored, eight times as many
SYMMETRIES = 8  # of a square


class MaskBank:
    """Masks of one crop size, and the distances of their pixels to the nearest known pixel."""

    def __init__(self, settings: TrainSettings, device: torch.device) -> None:
        self.settings = settings
        random = np.random.default_rng((settings.seed, settings.crop, settings.hole_largest))
        drawn = np.stack([masks.draw(random, settings) for _ in range(SIZE)])
        distances = np.stack([masks.distance_to_known(mask) for mask in drawn]).astype(np.float16)
        self.missing = drawn.sum(axis=(1, 2))  # [SIZE] number of missing pixels, on the host
        self._planes = tuple(torch.from_numpy(planes).to(device) for planes in (drawn, distances))

    def planes(self, index: Tensor, symmetry: Tensor) -> tuple[Tensor, Tensor]:
        """Look up masks.

        :param index: [N] int64, number of each mask.
        :param symmetry: [N] int64, 0 to 7: its bits mirror rows, mirror columns and exchange both.
        :return: mask and distance, [N, 1, S, S] float32.
        """
        line = torch.arange(self._planes[0].shape[1], device=index.device)
        rows, columns = (torch.where((symmetry & bit > 0)[:, None], line.flip(0), line) for bit in (1, 2))  # [N, S]
        exchanged = (symmetry & 4 > 0)[:, None, None]
        row = torch.where(exchanged, columns[:, None, :], rows[:, :, None])  # [N, S, S]
        column = torch.where(exchanged, rows[:, :, None], columns[:, None, :])
        mask, distance = (plane[index[:, None, None], row, column].float()[:, None] for plane in self._planes)
        return mask, distance
