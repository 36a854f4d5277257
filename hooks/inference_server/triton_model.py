"""Whole pictures on NVIDIA Triton Inference Server: `gi-plugin export-triton` copies this file into the model repository as model.py.

It runs in the server's Python backend, where gi-plugin is installed. gi-plugin plans the windows and writes the holes' pixels back; the
network itself is another model of the same server, so that windows of several requests share its batches and its GPU.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # exists in the server only

from gi_plugin.arrays import Floats, Matches
from gi_plugin.engines.protocol import full_batch
from gi_plugin.errors import EngineError, GiError, ImageError
from gi_plugin.inpainter import Inpainter


class ServedNetwork:
    """The network behind the server: an `Engine` whose calls are requests to another model."""

    backend = "triton"

    def __init__(self, window: int, model: str, batch: int, *, full: bool) -> None:
        self.window = window
        self.batch = batch
        self._model = model
        self._full = full  # the model takes exactly `batch` windows

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Complete windows: see `Engine`."""
        count = len(image)
        inputs = {"image": image, "mask": mask}
        if self._full:
            inputs = {name: full_batch(windows, self.batch) for name, windows in inputs.items()}
        request = pb_utils.InferenceRequest(
            model_name=self._model,
            requested_output_names=["completed", "matches"],
            inputs=[pb_utils.Tensor(name, np.ascontiguousarray(windows)) for name, windows in inputs.items()],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = request.exec()
        if response.has_error():
            raise EngineError(f"model {self._model} failed on {count} windows of {self.window} px: {response.error().message()}")
        completed, matches = (np.array(pb_utils.get_output_tensor_by_name(response, name).as_numpy()) for name in ("completed", "matches"))
        return completed[:count], matches[:count]

    def close(self) -> None:
        """The server owns the model."""


class TritonPythonModel:
    """What the server calls; the names are its."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read from config.pbtxt which models hold the network."""
        networks = json.loads(json.loads(args["model_config"])["parameters"]["networks"]["string_value"])
        self._inpainter = Inpainter(open_engine=lambda _, window: ServedNetwork(window, **networks[str(window)]))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request with the filled picture, or with what was wrong."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        image, mask = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("image", "mask"))
        try:
            filled = self._inpainter(image, mask)
        except GiError as error:
            code = pb_utils.TritonError.INVALID_ARG if isinstance(error, ImageError) else pb_utils.TritonError.INTERNAL
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("filled", np.ascontiguousarray(filled))])
