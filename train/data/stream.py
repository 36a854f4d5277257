"""The stream of training batches: from pictures on the device if they fit, else from worker processes."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gi_plugin.config import TrainSettings

from .pictures import Batch, Source, batches
from .resident import ResidentPictures, fit


def open_stream(
    sources: list[Source], settings: TrainSettings, device: torch.device, first: int, rank: int = 0, ranks: int = 1
) -> tuple[Iterator[Batch], int]:
    """Open the batches of a run, starting with sample number `first`; process `rank` of `ranks` gets its part of each.

    :return: the batches, and the number of pictures that were found to be unusable.
    :raises ConfigError: if no picture is usable.
    """
    keep = settings.pictures == "device" or (settings.pictures == "auto" and device.type == "cuda" and fit(sources, device))
    if keep:
        resident = ResidentPictures(sources, settings, device)
        return resident.batches(first, rank, ranks), resident.skipped
    return batches(sources, settings, first, rank, ranks, pinned=device.type == "cuda"), 0
