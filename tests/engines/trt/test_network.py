"""The network for TensorRT's parser has fixed shapes and the chosen form of the attention step."""

from __future__ import annotations

from typing import get_args

import onnx
import pytest

from gi_plugin import network_file
from gi_plugin.engines.trt.network import Layer, for_parser

LAYERS: tuple[Layer, ...] = get_args(Layer)
PRECISIONS = ("fp32", "fp16", "bf16")


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    return network_file.load(network_file.network_path(""))


def _shapes(values: object) -> dict[str, list[int]]:
    return {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in values}  # type: ignore[attr-defined]


def _attention(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == network_file.ATTENTION]


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("window", "batch"), [(256, 1), (512, 3)])
def test_every_shape_is_fixed(network: onnx.ModelProto, layer: Layer, window: int, batch: int) -> None:
    """Inputs and outputs have the sizes of the batch of windows, no symbolic size is left, and shape inference finds no contradiction."""
    model = for_parser(network, window, batch, "fp16", layer)
    picture, cells = [batch, 3, window, window], (window // 8) ** 2
    assert _shapes(model.graph.input) == {"image": picture, "mask": [batch, 1, window, window]}
    assert _shapes(model.graph.output) == {"completed": picture, "matches": [batch, cells]}
    assert not any(size.dim_param for value in (*model.graph.input, *model.graph.output) for size in value.type.tensor_type.shape.dim)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)  # raises if the sizes contradict each other


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("layer", "extra"), [("plugin", {}), ("aot", {"aot": 1})])
def test_our_layer_replaces_the_function(network: onnx.ModelProto, layer: Layer, extra: dict[str, int], precision: str) -> None:
    """The function, which the parser would prefer, is removed; the node refers to our layer and keeps its name and scale."""
    model = for_parser(network, 256, 1, precision, layer)
    ((before,), (node,)) = _attention(network), _attention(model)
    assert len(model.functions) == 0
    assert (node.name, node.domain) == (before.name, network_file.DOMAIN)
    assert _attributes(node) == {"scale": 10.0, "plugin_namespace": network_file.DOMAIN, "plugin_version": "1", **extra}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_native_form_consists_of_standard_operators(network: onnx.ModelProto, precision: str) -> None:
    """The native form contains no operator or function of ours."""
    model = for_parser(network, 256, 1, precision, "native")
    assert len(model.functions) == 0
    assert {node.domain for node in model.graph.node} == {""}


@pytest.mark.parametrize("layer", LAYERS)
def test_the_network_given_is_not_changed(network: onnx.ModelProto, layer: Layer) -> None:
    """`for_parser` leaves its input unchanged, so that one loaded network can be used for every window and form."""
    before = network.SerializeToString(deterministic=True)
    for_parser(network, 512, 2, "fp16", layer)
    assert network.SerializeToString(deterministic=True) == before
