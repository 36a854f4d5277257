"""The OpenVINO engine, which runs the network on the CPU, or on an Intel GPU. It is always installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gi_plugin import network_file
from gi_plugin.arrays import CELL, Floats, Matches
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError
from gi_plugin.openvino_core import CORE

from .compiled import DEVICE, CompiledModel, device_of, reason_of, usable_precision
from .hole_region import around_hole, in_window, region
from .int8_file import files, is_usable, load as load_int8

if TYPE_CHECKING:
    import openvino


class OpenVinoEngine:
    """The network compiled for one window size."""

    def __init__(self, network: Path, window: int, settings: EngineSettings) -> None:
        self.window = window
        self.batch = settings.batch
        device = device_of(settings)
        fingerprint = network_file.fingerprint(network)
        precision = usable_precision(settings.precision, device)
        if settings.precision == "auto" and precision == "fp32" and is_usable(network, fingerprint):
            precision = "int8"
        self.backend = f"openvino {precision}" if device == DEVICE else f"openvino {device} {precision}"
        parts = {
            "network": " ".join([fingerprint, *map(network_file.fingerprint, files(network) if precision == "int8" else ())]),
            "backend": self.backend,
            "window": str(window),
            "batch": str(settings.batch) if settings.batch == 1 else f"1 to {settings.batch}",
        }
        try:
            self._model = CompiledModel(lambda: _model(network, precision, self.batch, window), parts, precision, settings)
        except RuntimeError as error:
            raise EngineError(f"openvino cannot compile {network} for windows of {window} px: {reason_of(error)}") from error

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows; see `Engine`."""
        rows, columns = region(mask)
        try:
            completed, found = self._model([image, mask, rows, columns])
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on a {self.window} px window: {reason_of(error)}") from error
        if completed.shape != image.shape or found.size != len(image) * len(rows) * len(columns):  # happens when memory is limited
            raise EngineError(
                f"{self.backend} returned no result for a {self.window} px window, probably for lack of memory; run fewer workers at once"
            )
        return completed, in_window(found, rows, columns, self.window // CELL)

    def close(self) -> None:
        """Wait for running calls, then release the compiled network."""
        self._model.close()


def _model(network: Path, precision: str, batch: int, window: int) -> openvino.Model:
    if precision == "int8":
        model = load_int8(network)
    else:
        model = CORE.read_model(network_file.expanded(around_hole(network_file.load(network))).SerializeToString())
    windows = batch if batch == 1 else (1, batch)  # fewer windows than the batch are not padded
    model.reshape({"image": [windows, 3, window, window], "mask": [windows, 1, window, window], "rows": [-1], "columns": [-1]})
    return model
