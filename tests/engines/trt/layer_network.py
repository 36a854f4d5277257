"""A network that consists only of our layer, for two samples of 3 x 5 cells."""

from __future__ import annotations

from typing import Any

import onnx

from gi_plugin import network_file

SAMPLES, HEIGHT, WIDTH = 2, 3, 5
CELLS = HEIGHT * WIDTH
SHAPES = {  # inputs and outputs in the layer's order
    "gram": (SAMPLES, CELLS, CELLS),
    "mask": (SAMPLES, 1, HEIGHT, WIDTH),
    "weights": (SAMPLES, CELLS, CELLS),
    "matches": (SAMPLES, CELLS),
}


def network(scale: float, namespace: str = network_file.DOMAIN, gram: int = onnx.TensorProto.FLOAT) -> bytes:
    """Make an ONNX file with one node, named "here", that refers to our layer.

    :param namespace: namespace of the layer.
    :param gram: ONNX type of the products of cells.
    """
    helper, kinds = onnx.helper, {"gram": gram, "matches": onnx.TensorProto.INT64}
    values = [helper.make_tensor_value_info(name, kinds.get(name, onnx.TensorProto.FLOAT), shape) for name, shape in SHAPES.items()]
    names = list(SHAPES)
    attributes: dict[str, Any] = {"scale": scale, "plugin_namespace": namespace, "plugin_version": "1"}
    node = helper.make_node(network_file.ATTENTION, names[:2], names[2:], name="here", domain=network_file.DOMAIN, **attributes)
    graph = helper.make_graph([node], "test", values[:2], values[2:])
    versions = [helper.make_opsetid("", 18), helper.make_opsetid(network_file.DOMAIN, 1)]
    model: bytes = helper.make_model(graph, opset_imports=versions).SerializeToString()
    return model
