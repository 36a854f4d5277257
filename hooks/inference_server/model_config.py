"""Content of the `config.pbtxt` files of a Triton model repository: names, types and shapes of tensors, batching, instances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gi_plugin.arrays import CELL

Message = Mapping[str, Any]  # a protobuf message: maps a field to its value; a list is a repeated field, a mapping a nested message

NETWORK, PICTURES = "gi_network", "gi_inpaint"  # the two models of a repository
BACKENDS = ("onnxruntime", "openvino")  # the server's backends for the ONNX file
FILES = {"onnxruntime": "model.onnx", "openvino": "model.onnx", "tensorrt": "model.plan", "python": "model.py"}
ANY = -1  # a length that may differ between requests


class EnumValue(str):
    """A value of a protobuf enumeration: written without quotes."""

    __slots__ = ()


def network(backend: str, batch: int) -> Message:
    """Configuration of the network for windows of any size.

    With ONNX Runtime the server collects up to `batch` windows of several requests. The OpenVINO backend would pad every call to a fixed
    batch; on a CPU a batch is no faster than single windows, so it runs each request as it comes.
    """
    batched = backend == "onnxruntime"
    lead = [] if batched else [ANY]  # the server adds the batch dimension itself
    return {
        "name": NETWORK,
        "backend": backend,
        "default_model_filename": FILES[backend],
        "max_batch_size": batch if batched else 0,
        "input": [_tensor("image", "TYPE_FP32", [*lead, 3, ANY, ANY]), _tensor("mask", "TYPE_FP32", [*lead, 1, ANY, ANY])],
        "output": [_tensor("completed", "TYPE_FP32", [*lead, 3, ANY, ANY]), _tensor("matches", "TYPE_INT64", [*lead, ANY])],
        **({"dynamic_batching": {}} if batched else {"instance_group": [{"kind": EnumValue("KIND_CPU")}]}),
    }


def planned_network(window: int, batch: int) -> Message:
    """Configuration of the network as a TensorRT plan, which has a fixed shape."""
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
        "instance_group": [{"kind": EnumValue("KIND_GPU")}],
    }


def planned_name(window: int) -> str:
    """Name of the model with the plan for windows of `window` pixels."""
    return f"{NETWORK}_{window}"


def pictures(networks: Mapping[int, Message], planners: int) -> Message:
    """Configuration of the model that fills whole pictures, one per request.

    :param networks: by window size, the arguments of `ServedNetwork`: model, batch, and whether calls must have full batches.
    :param planners: number of processes that plan windows; each works on one picture at a time.
    """
    return {
        "name": PICTURES,
        "backend": "python",
        "default_model_filename": FILES["python"],
        "max_batch_size": 0,
        "input": [
            _tensor("image", "TYPE_UINT8", [ANY, ANY, ANY]),
            _tensor("mask", "TYPE_UINT8", [ANY, ANY]),
            {**_tensor("sources", "TYPE_UINT8", [ANY, ANY]), "optional": True},
        ],
        "output": [_tensor("filled", "TYPE_UINT8", [ANY, ANY, ANY])],
        "instance_group": [{"count": planners, "kind": EnumValue("KIND_CPU")}],
        "parameters": [{"key": "networks", "value": {"string_value": json.dumps(networks)}}],
    }


def as_text(message: Message, indent: str = "") -> str:
    """Write a message in protobuf's text format."""
    lines = []
    for key, value in message.items():
        for item in value if _is_list_of_messages(value) else [value]:
            if isinstance(item, Mapping):
                lines += [f"{indent}{key} {{\n", as_text(item, f"{indent}  "), f"{indent}}}\n"]
            else:
                lines.append(f"{indent}{key}: {_scalar_text(item)}\n")
    return "".join(lines)


def _tensor(name: str, data_type: str, dims: Sequence[int]) -> Message:
    return {"name": name, "data_type": EnumValue(data_type), "dims": list(dims)}


def _is_list_of_messages(value: object) -> bool:
    """Return True for a list of messages, which are written one by one; a list of numbers goes on one line."""
    return isinstance(value, list) and isinstance(value[0], Mapping)


def _scalar_text(value: object) -> str:
    return value if isinstance(value, EnumValue) else json.dumps(value)
