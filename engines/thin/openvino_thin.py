"""The tiny network in OpenVINO, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gi_plugin import network_file
from gi_plugin.arrays import Floats
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError
from gi_plugin.openvino_core import CORE
from gi_plugin.thin import TILE

from ..cpu.compiled import CompiledModel, device_of, reason_of, usable_precision
from ..protocol import full_batch

if TYPE_CHECKING:
    import openvino

BATCH = 8  # tiles per run: few, so that a single speck is not padded to many


class OpenVinoThin:
    """The tiny network compiled for batches of BATCH tiles; see `ThinEngine`."""

    def __init__(self, network: Path, settings: EngineSettings) -> None:
        self.batch = BATCH
        precision = usable_precision(settings.precision if settings.precision in ("fp32", "bf16") else "auto", device_of(settings))
        self.backend = f"openvino {precision}"
        parts = {"network": network_file.fingerprint(network), "backend": self.backend, "window": str(TILE), "batch": str(BATCH)}
        try:
            self._model = CompiledModel(lambda: _model(network), parts, precision, settings)
        except RuntimeError as error:
            raise EngineError(f"openvino cannot compile {network}: {reason_of(error)}") from error

    def __call__(self, image: Floats, mask: Floats) -> Floats:
        """Compute corrections of a first fill; see `ThinEngine`."""
        try:
            (correction,) = self._model([full_batch(image, BATCH), full_batch(mask, BATCH)])
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on tiles of {TILE} px: {reason_of(error)}") from error
        if correction.shape != (BATCH, *image.shape[1:]):  # happens when memory is limited
            raise EngineError(f"{self.backend} returned no result, probably for lack of memory; run fewer workers at once")
        return correction[: len(image)]

    def close(self) -> None:
        """Wait for running calls, then release the compiled network."""
        self._model.close()


def _model(network: Path) -> openvino.Model:
    model = CORE.read_model(network_file.load(network, network_file.THIN).SerializeToString())
    model.reshape({"image": [BATCH, 3, TILE, TILE], "mask": [BATCH, 1, TILE, TILE]})
    return model
