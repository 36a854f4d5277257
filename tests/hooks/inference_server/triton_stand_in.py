"""A stand-in for NVIDIA Triton Inference Server, which pip cannot install: it serves a model repository.

It parses configurations with the server's own protobuf schema, and compares every tensor that enters or leaves a model with them. ONNX
Runtime runs the network. The Python model gets a `triton_python_backend_utils` with the part of the documented interface that it uses.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import onnxruntime
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import triton_to_np_dtype

Arrays = dict[str, npt.NDArray[Any]]
Parameters = Mapping[str, bool | int | float | str]


class TritonError(Exception):
    """The error class of the Python backend: a message and a code."""

    INTERNAL, INVALID_ARG = "INTERNAL", "INVALID_ARGUMENT"

    def __init__(self, message: str, code: str = INTERNAL) -> None:
        super().__init__(message)
        self.code = code

    def message(self) -> str:
        """Return the message."""
        return str(self)


class Tensor:
    """A named array. It must be contiguous, since the server reads its memory directly."""

    def __init__(self, name: str, values: npt.NDArray[Any]) -> None:
        assert values.flags.c_contiguous, name
        self.name, self._values = name, values

    def as_numpy(self) -> npt.NDArray[Any]:
        """Return the values."""
        return self._values


class Request:
    """Input tensors and parameters, as the Python backend hands them to a model."""

    def __init__(self, inputs: Arrays, parameters: Parameters) -> None:
        self.tensors, self._parameters = [Tensor(*item) for item in inputs.items()], parameters

    def parameters(self) -> str:
        """Return the parameters as JSON."""
        return json.dumps(self._parameters)


class InferenceResponse:
    """Output tensors, or an error."""

    def __init__(self, output_tensors: list[Tensor] | None = None, error: TritonError | None = None) -> None:
        self.tensors, self._error = output_tensors or [], error

    def has_error(self) -> bool:
        """Return True if the response is an error."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """Return the error, or None."""
        return self._error


class Server:
    """The loaded models of a repository."""

    def __init__(self, repository: Path) -> None:
        self.configs = {path.parent.name: read_config(path) for path in repository.glob("*/config.pbtxt")}
        self.calls: list[str] = []  # names of the models in the order of their calls
        sys.modules["triton_python_backend_utils"] = self._utilities()
        self._models = {name: self._load(repository / name / "1", config) for name, config in self.configs.items()}

    def infer(self, name: str, inputs: Arrays, parameters: Parameters | None = None) -> Arrays:
        """Run a model and check its inputs and outputs.

        :raises TritonError: if the model answers with an error.
        """
        self.calls.append(name)
        config = self.configs[name]
        _check(config, config.input, inputs)
        outputs = self._models[name](inputs, parameters or {})
        _check(config, config.output, outputs)
        return outputs

    def _load(self, folder: Path, config: Any) -> Any:
        file = folder / config.default_model_filename
        if config.backend == "python":
            return self._python_model(file, config)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        content = file.read_bytes()  # in these tests a plan is an ONNX file, since TensorRT is not installed
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        return lambda inputs, _: dict(zip(names, session.run(names, inputs), strict=True))

    def _python_model(self, file: Path, config: Any) -> Any:
        spec = importlib.util.spec_from_file_location("served_model", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.TritonPythonModel()
        model.initialize({"model_config": json.dumps(json_format.MessageToDict(config, preserving_proto_field_name=True))})

        def answer(inputs: Arrays, parameters: Parameters) -> Arrays:
            (response,) = model.execute([Request(inputs, parameters)])
            if response.has_error():
                raise response.error()
            return {tensor.name: tensor.as_numpy() for tensor in response.tensors}

        return answer

    def _utilities(self) -> ModuleType:
        """Create a `triton_python_backend_utils` whose requests go to this server."""

        class InferenceRequest:
            def __init__(self, model_name: str, requested_output_names: list[str], inputs: list[Tensor], **memory: object) -> None:
                self._name, self._wanted = model_name, requested_output_names
                assert memory.keys() <= {"preferred_memory"}
                self._inputs = {tensor.name: tensor.as_numpy() for tensor in inputs}

            def exec(self) -> InferenceResponse:
                try:
                    outputs = server.infer(self._name, self._inputs)
                except TritonError as error:
                    return InferenceResponse(error=error)
                return InferenceResponse([Tensor(name, outputs[name]) for name in self._wanted])

        def tensor_by_name(holder: Any, name: str) -> Tensor | None:
            return next((tensor for tensor in holder.tensors if tensor.name == name), None)

        server, module = self, ModuleType("triton_python_backend_utils")
        vars(module).update(
            TritonError=TritonError,
            Tensor=Tensor,
            InferenceRequest=InferenceRequest,
            InferenceResponse=InferenceResponse,
            PreferredMemory=lambda kind, device: (kind, device),
            TRITONSERVER_MEMORY_CPU=0,
            get_input_tensor_by_name=tensor_by_name,
            get_output_tensor_by_name=tensor_by_name,
        )
        return module


class Service(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # generated code carries no types
    """The server's gRPC protocol, for real clients."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # the protocol's name
        """Answer one request."""
        inputs = {}
        for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True):
            inputs[tensor.name] = np.frombuffer(content, triton_to_np_dtype(tensor.datatype)).reshape(tensor.shape)
        parameters = {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in request.parameters.items()}
        try:
            outputs = self._server.infer(request.model_name, inputs, parameters)
        except TritonError as error:
            context.abort(grpc.StatusCode[error.code], str(error))
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name, values in outputs.items():
            response.outputs.add(name=name, datatype=values.dtype.name.upper(), shape=values.shape)
            response.raw_output_contents.append(values.tobytes())
        return response


def listen(server: Server) -> tuple[grpc.Server, str]:
    """Serve on a free port of this machine.

    :return: the gRPC server, which the caller must stop, and its address.
    """
    listener = grpc.server(ThreadPoolExecutor(1))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(server), listener)
    port = listener.add_insecure_port("127.0.0.1:0")
    listener.start()
    return listener, f"127.0.0.1:{port}"


def read_config(path: Path) -> Any:
    """Parse a config.pbtxt with the server's schema; an unknown field is an error."""
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def _check(config: Any, tensors: Any, values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check that tensors have the configured names, types and shapes, and a batch that is not too large; optional inputs may be missing."""
    optional = {tensor.name for tensor in tensors if getattr(tensor, "optional", False)}
    assert {tensor.name for tensor in tensors} - optional <= values.keys() <= {tensor.name for tensor in tensors}
    for tensor in (tensor for tensor in tensors if tensor.name in values):
        value, dims = values[tensor.name], list(tensor.dims)
        if config.max_batch_size:
            assert 1 <= len(value) <= config.max_batch_size
            dims.insert(0, -1)
        kind = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
        assert value.dtype == triton_to_np_dtype(kind), tensor.name
        assert [length if wanted == -1 else wanted for wanted, length in zip(dims, value.shape, strict=True)] == list(value.shape)
