"""Triton model that fills whole pictures. `gi-plugin export-triton` copies this file into the model repository as model.py.

It runs in the server's Python backend, where gi-plugin must be installed. It plans the windows and writes the filled pixels back. The
network is another model of the same server, so that windows of several requests share its batches and its GPU.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # exists only inside the server

from gi_plugin.arrays import Array, Floats, Matches
from gi_plugin.engines.protocol import full_batch
from gi_plugin.errors import ConfigError, EngineError, GiError, ImageError
from gi_plugin.hooks.calling.session import PluggedInpainter
from gi_plugin.options import Options

PARAMETERS = ("detail", "seed")  # options that a request may name; others are ignored, since a server may forward headers as parameters


class ServedNetwork:
    """An `Engine` that sends its windows to the network model of the server.

    :param model: the name of the network model.
    :param batch: largest number of windows per request.
    :param full: True if the model accepts only full batches; smaller ones are padded.
    """

    backend = "triton"

    def __init__(self, window: int, model: str, batch: int, *, full: bool) -> None:
        self.window = window
        self.batch = batch
        self._model = model
        self._full = full

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
        """Do nothing: the server owns the model."""


class TritonPythonModel:
    """Interface to the server, which defines the names of the class and its methods."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the names of the network models from config.pbtxt."""
        networks = json.loads(json.loads(args["model_config"])["parameters"]["networks"]["string_value"])
        self._inpainter = PluggedInpainter(open_engine=lambda _, window: ServedNetwork(window, **networks[str(window)]))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request with the filled picture or an error."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        image, mask, sources = (_input(request, name) for name in ("image", "mask", "sources"))
        try:
            filled = self._inpainter.run(image, mask, _options(request, sources)).image
        except GiError as error:
            wrong_request = isinstance(error, (ImageError, ConfigError))
            code = pb_utils.TritonError.INVALID_ARG if wrong_request else pb_utils.TritonError.INTERNAL
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("filled", np.ascontiguousarray(filled))])


def _input(request: Any, name: str) -> Any:
    """An input of a request as an array; None if it was left out."""
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _options(request: Any, sources: Array | None) -> Options:
    """Options of a request.

    :raises ConfigError: if the value of a parameter is none that the option takes.
    """
    given = json.loads(request.parameters() or "{}")
    return Options.of({**{name: given[name] for name in PARAMETERS if name in given}, "sources": sources})
