"""The PyTorch engine. It runs on a CUDA GPU if there is one, else on the CPU; all other engines are compared with it."""

from __future__ import annotations

from pathlib import Path

import torch

from gi_plugin.arrays import Floats, Matches
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, EngineMissing
from gi_plugin.train.checkpoint import load_network
from gi_plugin.train.model.network import InpaintingNetwork
from gi_plugin.train.model.precision import placed

from .attention.autograd import accelerate

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """Runs the network in PyTorch's eager mode."""

    def __init__(self, network: Path, window: int, settings: EngineSettings) -> None:
        self.window = window
        self.batch = settings.batch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        precision = "fp32" if settings.precision == "auto" else settings.precision
        if precision == "fp16" and self._device.type == "cpu":
            raise EngineMissing("torch on a CPU runs in fp32 or bf16, not in fp16; set [engine] precision to one of these or to 'auto'")
        if precision not in DTYPES:
            raise EngineMissing(f"torch does not run in {precision}; set [engine] precision = 'auto'")
        self._dtype = DTYPES[precision]
        self.backend = f"torch {self._device.type} {precision}"
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self._network: InpaintingNetwork | None = placed(load_network(network).eval(), self._device)
        if accelerate(self._network):
            self.backend += " + kernel"

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows; see `Engine`."""
        if self._network is None:
            raise EngineError("the engine was closed")
        try:
            with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None):
                completion = self._network(*(torch.from_numpy(array).to(self._device) for array in (image, mask)))
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on a {self.window} px window: {error}") from error
        return completion.completed.float().cpu().numpy(), completion.matches.cpu().numpy()

    def close(self) -> None:
        """Release the network."""
        self._network = None
