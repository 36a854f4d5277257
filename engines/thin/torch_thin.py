"""The tiny network in PyTorch, on a CUDA GPU if there is one, else on the CPU."""

from __future__ import annotations

from pathlib import Path

import torch

from gi_plugin.arrays import Floats
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError
from gi_plugin.train.model.precision import placed
from gi_plugin.train.thin.network import ThinNetwork
from gi_plugin.train.thin.state import read_network

BATCH = 256  # tiles per run


class TorchThin:
    """Runs the tiny network in PyTorch's eager mode, in fp32 unless the settings name bf16; see `ThinEngine`."""

    def __init__(self, network: Path, settings: EngineSettings) -> None:
        self.batch = BATCH
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._half = settings.precision == "bf16"
        self.backend = f"torch {self._device.type} {'bf16' if self._half else 'fp32'}"
        self._network: ThinNetwork | None = placed(read_network(network)[0], self._device, torch.channels_last)

    def __call__(self, image: Floats, mask: Floats) -> Floats:
        """Compute corrections of a first fill; see `ThinEngine`."""
        if self._network is None:
            raise EngineError("the engine was closed")
        try:
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                correction = self._network(*(torch.from_numpy(part).to(self._device) for part in (image, mask)))
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on tiles: {error}") from error
        found: Floats = correction.float().cpu().numpy()
        return found

    def close(self) -> None:
        """Release the network."""
        self._network = None
