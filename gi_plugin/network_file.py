"""Reading network files: a trained network is stored and shipped as one ONNX model.

Inputs: `image` [N, 3, H, W] in [-1, 1] and `mask` [N, 1, H, W], 1 = hole. Outputs: `completed` [N, 3, H, W], equal to the input at known
pixels, and `matches` int64 [N, H/8 * W/8]. N, H and W are dynamic; H and W are multiples of 8. Parameters are fp16 and have the same names
as in training. The attention step is one node, `gi::ContextualAttentionWeights`; the file defines it with standard operators.
It also defines the functions that run only the region around the hole.

The tiny network for thin holes has a file of its own, with the same inputs (scaled tiles with a first fill, see `gi_plugin.thin`; H and W
even) and one output, `correction` [N, 3, H, W].
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arrays import Array
from .errors import ModelError, first_line

if TYPE_CHECKING:
    import onnx

DOMAIN = "gi"
ATTENTION = "ContextualAttentionWeights"
INPUTS, OUTPUTS = ("image", "mask"), ("completed", "matches")
SETTINGS_KEY = "network"  # metadata entry with the network's settings as JSON


@dataclass(frozen=True)
class Kind:
    """One of the two networks."""

    packaged: str  # name of the packaged file
    setting: str  # key in the table [model] that names another file
    outputs: tuple[str, ...]


LARGE = Kind("contextual_attention.onnx", "path", OUTPUTS)
THIN = Kind("thin_holes.onnx", "thin", ("correction",))


def network_path(path: str, kind: Kind = LARGE) -> Path:
    """Return the network file that a setting names, or the packaged one if the setting is empty.

    :raises ModelError: if the file does not exist.
    """
    file = Path(path).expanduser() if path else Path(__file__).with_name("models") / kind.packaged
    if not file.is_file():
        raise ModelError(f"{file}: there is no such network file; set [model] {kind.setting}, or leave it empty for the packaged network")
    return file


def fingerprint(path: Path) -> str:
    """Return the sha256 of a network file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(path: Path, kind: Kind = LARGE) -> onnx.ModelProto:
    """Read a network file and check its inputs, outputs and attention node.

    :raises ModelError: if the file is damaged, or is an ONNX model but not a gi-plugin network.
    """
    import onnx  # noqa: PLC0415  # heavy

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise many types
        raise ModelError(f"{path}: not a readable ONNX model ({first_line(error)}); export it again, or reinstall the package") from error
    names = tuple(value.name for value in model.graph.input), tuple(value.name for value in model.graph.output)
    attention = any(node.domain == DOMAIN and node.op_type == ATTENTION for node in model.graph.node)
    if names != (INPUTS, kind.outputs) or attention != (kind is LARGE):
        raise ModelError(
            f"{path}: an ONNX model, but not a gi-plugin network for [model] {kind.setting}: expected inputs {INPUTS}, outputs "
            f"{kind.outputs} and {'a' if kind is LARGE else 'no'} {DOMAIN}::{ATTENTION} node"
        )
    return model


def expanded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Inline the model's local functions, for backends that do not support ONNX functions."""
    import onnx.inliner  # noqa: PLC0415  # heavy

    inlined: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    return inlined


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """Return the metadata stored in the file: licence, training data, date and figures."""
    return {entry.key: entry.value for entry in model.metadata_props}


def settings(model: onnx.ModelProto) -> dict[str, Any]:
    """Return the network's settings: the arguments of `train.model.network.NetworkSettings`.

    :raises ModelError: if the file holds no settings.
    """
    try:
        values: dict[str, Any] = json.loads(metadata(model)[SETTINGS_KEY])
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelError(
            f"the network file holds no settings under the metadata key {SETTINGS_KEY!r}: it cannot be trained further"
        ) from error
    return values


def parameters(model: onnx.ModelProto) -> dict[str, Array]:
    """Return the trained parameters by the names they have in training."""
    from onnx import TensorProto, numpy_helper  # noqa: PLC0415  # heavy

    stored = (entry for entry in model.graph.initializer if entry.data_type == TensorProto.FLOAT16)
    return {entry.name: numpy_helper.to_array(entry) for entry in stored}
