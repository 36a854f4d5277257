"""The tiny network in PyTorch, on the device of the settings: on a GPU as one CUDA graph between page-locked buffers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gi_plugin.arrays import Array, Floats
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, first_line
from gi_plugin.thin import TILE
from gi_plugin.train.model.precision import placed
from gi_plugin.train.thin.network import ThinNetwork
from gi_plugin.train.thin.state import read_network

from ..torch_engine import not_opened, on_arrays, torch_device

BATCH = 256  # tiles per run


class TorchThin:
    """Runs the tiny network in fp32, unless the settings name bf16; see `ThinEngine`."""

    def __init__(self, network: Path, settings: EngineSettings) -> None:
        self.batch = BATCH
        device, half = torch_device(settings), settings.precision == "bf16"
        self.backend = f"torch {device.type} {'bf16' if half else 'fp32'}"
        loaded = read_network(network)[0]
        shapes = [(BATCH, channels, TILE, TILE) for channels in (3, 1)]
        try:
            forward = partial(_correction, placed(loaded, device, torch.channels_last), half)
            self._run: Callable[..., list[Array]] | None = on_arrays(forward, shapes, device)
        except RuntimeError as error:
            raise not_opened(self.backend, "thin holes", device, error) from error

    def __call__(self, image: Floats, mask: Floats) -> Floats:
        """Compute corrections of a first fill; see `ThinEngine`."""
        run = self._run
        if run is None:
            raise EngineError("the engine was closed")
        try:
            (correction,) = run(image, mask)
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on tiles: {first_line(error)}") from error
        return correction[: len(image)]

    def close(self) -> None:
        """Release the network."""
        self._run = None


def _correction(network: ThinNetwork, half: bool, image: Tensor, mask: Tensor) -> tuple[Tensor]:
    with torch.inference_mode(), torch.autocast(image.device.type, torch.bfloat16, enabled=half):
        return (network(image, mask).float(),)
