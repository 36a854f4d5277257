"""What the `config.pbtxt` files of a Triton model repository say: names, types and shapes of tensors, batching, instances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gi_plugin.arrays import CELL

Message = Mapping[str, Any]  # one protobuf message: field to value; a list repeats its field, a mapping is a message

NETWORK, PICTURES = "gi_network", "gi_inpaint"  # the two models of a repository
BACKENDS = ("onnxruntime", "openvino")  # of the server, for the ONNX file
FILES = {"onnxruntime": "model.onnx", "openvino": "model.onnx", "tensorrt": "model.plan", "python": "model.py"}
ANY = -1  # a length that each request chooses


class Word(str):
    """The value of an enumeration: written without quotes."""

    __slots__ = ()


def network(backend: str, batch: int) -> Message:
    """The network on windows of any size.

    ONNX Runtime collects up to `batch` windows of several requests. The OpenVINO backend would pad every call to a fixed batch, and on a
    CPU a batch is no faster than its windows, so it takes them as they come.
    """
    shared = backend == "onnxruntime"
    lead = [] if shared else [ANY]
    return {
        "name": NETWORK,
        "backend": backend,
        "default_model_filename": FILES[backend],
        "max_batch_size": batch if shared else 0,
        "input": [_tensor("image", "TYPE_FP32", [*lead, 3, ANY, ANY]), _tensor("mask", "TYPE_FP32", [*lead, 1, ANY, ANY])],
        "output": [_tensor("completed", "TYPE_FP32", [*lead, 3, ANY, ANY]), _tensor("matches", "TYPE_INT64", [*lead, ANY])],
        **({"dynamic_batching": {}} if shared else {"instance_group": [{"kind": Word("KIND_CPU")}]}),
    }


def planned_network(window: int, batch: int) -> Message:
    """The network as a TensorRT plan, which has one shape."""
    return {
        "name": planned_name(window),
        "backend": "tensorrt",
        "default_model_filename": FILES["tensorrt"],
        "max_batch_size": 0,
        "input": [
            _tensor("image", "TYPE_FP32", [batch, 3, window, window]),
            _tensor("mask", "TYPE_FP32", [batch, 1, window, window]),
        ],
        "output": [
            _tensor("completed", "TYPE_FP32", [batch, 3, window, window]),
            _tensor("matches", "TYPE_INT64", [batch, (window // CELL) ** 2]),
        ],
        "instance_group": [{"kind": Word("KIND_GPU")}],
    }


def planned_name(window: int) -> str:
    """The model that holds the plan for windows of `window` pixels."""
    return f"{NETWORK}_{window}"


def pictures(networks: Mapping[int, Message], planners: int) -> Message:
    """Whole pictures, one per request.

    :param networks: by window size, which model completes windows, how many per call, and whether calls have to be full.
    :param planners: processes that plan windows, each for one picture at a time.
    """
    return {
        "name": PICTURES,
        "backend": "python",
        "default_model_filename": FILES["python"],
        "max_batch_size": 0,
        "input": [_tensor("image", "TYPE_UINT8", [ANY, ANY, ANY]), _tensor("mask", "TYPE_UINT8", [ANY, ANY])],
        "output": [_tensor("filled", "TYPE_UINT8", [ANY, ANY, ANY])],
        "instance_group": [{"count": planners, "kind": Word("KIND_CPU")}],
        "parameters": [{"key": "networks", "value": {"string_value": json.dumps(networks)}}],
    }


def as_text(message: Message, indent: str = "") -> str:
    """A message in protobuf's text format."""
    lines = []
    for key, value in message.items():
        for each in value if _repeats(value) else [value]:
            if isinstance(each, Mapping):
                lines += [f"{indent}{key} {{\n", as_text(each, f"{indent}  "), f"{indent}}}\n"]
            else:
                lines.append(f"{indent}{key}: {_scalar(each)}\n")
    return "".join(lines)


def _tensor(name: str, data_type: str, dims: Sequence[int]) -> Message:
    return {"name": name, "data_type": Word(data_type), "dims": list(dims)}


def _repeats(value: object) -> bool:
    """A list of messages is written one by one, a list of numbers on one line."""
    return isinstance(value, list) and isinstance(value[0], Mapping)


def _scalar(value: object) -> str:
    return value if isinstance(value, Word) else json.dumps(value)
