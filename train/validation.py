"""Validate a network during training on pictures that are held out from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError

from .data.pictures import Batch, Samples, Source
from .psnr import hole_psnr
from .step import Trainer

GRID = 8  # pictures per batch; TensorBoard shows those of the first batch
FIRST = 2**41  # first of the sample numbers that no training sample has


def split(sources: list[Source], settings: TrainSettings) -> tuple[list[Source], list[Source]]:
    """Split the pictures into those for training and those for validation; the seed decides which.

    :raises ConfigError: if there are too few pictures.
    """
    if len(sources) <= settings.validation:
        raise ConfigError(
            f"too few pictures: got {len(sources)}, expected more than the {settings.validation} for validation; "
            "lower [train] validation or add pictures"
        )
    order = np.random.default_rng(settings.seed).permutation(len(sources))
    chosen = [sources[index] for index in order]
    return chosen[settings.validation :], chosen[: settings.validation]


class Validation:
    """The validation pictures of a run, with the same crops and holes at every validation."""

    def __init__(self, held_out: list[Source], settings: TrainSettings) -> None:
        fixed = replace(settings, flip=False, scale_jitter=False, colour_jitter=0.0, mixed_scales=False, mixed_crops=False, hole_ramp=0)
        samples = Samples(held_out, fixed, FIRST, settings.validation)
        drawn = [samples[index] for index in range(settings.validation)]
        chunks = (drawn[start : start + GRID] for start in range(0, len(drawn), GRID))
        self._batches = [Batch(*(torch.stack(planes) for planes in zip(*chunk, strict=True))) for chunk in chunks]

    def run(self, trainer: Trainer) -> tuple[float, Tensor]:
        """Fill all holes with the averaged network.

        :return: the PSNR in the hole in dB, and pictures [3 * GRID, 3, H, W] in [0, 1]: inputs, results and originals of the first batch.
        """
        results = [(batch, trainer.complete(batch).completed.float().cpu()) for batch in self._batches]
        scores = [hole_psnr(*(part.numpy() for part in (completed, batch.image, batch.mask))) for batch, completed in results]
        batch, completed = results[0]
        return float(np.mean(scores)), torch.cat((batch.image * (1 - batch.mask), completed, batch.image)) / 2 + 0.5
