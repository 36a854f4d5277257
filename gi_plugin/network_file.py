"""The network file: one ONNX model, the single form in which a trained network is stored, shipped and read.

Inputs `image` [N, 3, H, W] in [-1, 1] and `mask` [N, 1, H, W], 1 = hole; outputs `completed` [N, 3, H, W] (known pixels = input) and
`matches` int64 [N, H/8 * W/8]. N, H, W are dynamic, H and W multiples of 8. Parameters are fp16 and bear the names they have in training.
The attention step is one node, `gi::ContextualAttentionWeights`, whose body of standard operators the file itself defines.
So it does the functions with which an engine can run what stands behind the encoders around the hole only.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arrays import Array
from .errors import ModelError, first_line

if TYPE_CHECKING:
    import onnx

DOMAIN = "gi"
ATTENTION = "ContextualAttentionWeights"
INPUTS, OUTPUTS = ("image", "mask"), ("completed", "matches")
SETTINGS_KEY = "network"  # metadata: JSON of the network's settings
PACKAGED = "contextual_attention.onnx"


def network_path(path: str) -> Path:
    """The network file of the [model] setting `path`, or the packaged one if it is empty.

    :raises ModelError: if there is no such file.
    """
    file = Path(path).expanduser() if path else Path(str(resources.files("gi_plugin.models") / PACKAGED))
    if not file.is_file():
        raise ModelError(f"{file}: there is no such network file; set [model] path, or leave it empty for the packaged network")
    return file


def fingerprint(path: Path) -> str:
    """The sha256 of a network file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(path: Path) -> onnx.ModelProto:
    """Read a network file and check that it is one.

    :raises ModelError: if it is damaged, or an ONNX model of another kind.
    """
    import onnx  # noqa: PLC0415  # heavy

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise many kinds
        raise ModelError(f"{path}: not a readable ONNX model ({first_line(error)}); export it again, or reinstall the package") from error
    names = tuple(value.name for value in model.graph.input), tuple(value.name for value in model.graph.output)
    if names != (INPUTS, OUTPUTS) or not any(node.domain == DOMAIN and node.op_type == ATTENTION for node in model.graph.node):
        raise ModelError(
            f"{path}: an ONNX model, but not a network of gi-plugin: expected inputs {INPUTS}, outputs {OUTPUTS} "
            f"and a {DOMAIN}::{ATTENTION} node"
        )
    return model


def expanded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its local functions replaced by their bodies, for backends that know no functions."""
    import onnx.inliner  # noqa: PLC0415  # heavy

    inlined: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    return inlined


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """Licence, training data, date and figures, as stored in the file."""
    return {entry.key: entry.value for entry in model.metadata_props}


def settings(model: onnx.ModelProto) -> dict[str, Any]:
    """The network's settings, as `train.network.NetworkSettings` takes them.

    :raises ModelError: if the file names none.
    """
    try:
        values: dict[str, Any] = json.loads(metadata(model)[SETTINGS_KEY])
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelError(
            f"the network file holds no settings under the metadata key {SETTINGS_KEY!r}: it cannot be trained further"
        ) from error
    return values


def parameters(model: onnx.ModelProto) -> dict[str, Array]:
    """The trained parameters by their training names."""
    from onnx import TensorProto, numpy_helper  # noqa: PLC0415  # heavy

    stored = (entry for entry in model.graph.initializer if entry.data_type == TensorProto.FLOAT16)
    return {entry.name: numpy_helper.to_array(entry) for entry in stored}
