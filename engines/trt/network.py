"""Prepare the network file for TensorRT's parser: fix shapes, write the precision, choose the form of the attention layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gi_plugin import network_file
from gi_plugin.arrays import CELL

from .precision import typed

if TYPE_CHECKING:
    import onnx

Layer = Literal["plugin", "aot", "native"]
VERSION = "1"  # of our layer; TensorRT finds layers by name, namespace and version


def for_parser(model: onnx.ModelProto, window: int, batch: int, precision: str, layer: Layer) -> onnx.ModelProto:
    """Return the network for TensorRT's parser, for `batch` windows of `window` x `window` pixels.

    :param layer: "native" replaces the attention node by the operators of its function. "plugin" and "aot" (ahead-of-time form) refer to
        our layer; the function is removed, because the parser would prefer it to a layer of the same name.
    """
    from onnx import helper  # noqa: PLC0415  # heavy

    result = typed(model, precision)
    for value in result.graph.input:
        _fix(value.type.tensor_type.shape, (batch, 3 if value.name == "image" else 1, window, window))
    for value in result.graph.output:
        cells = (window // CELL) ** 2
        _fix(value.type.tensor_type.shape, (batch, 3, window, window) if value.name == "completed" else (batch, cells))
    if layer == "native":
        return network_file.expanded(result)  # the parser could do this as well, but gives all copies of a node the same name
    del result.functions[:]
    attributes: dict[str, str | int] = {"plugin_namespace": network_file.DOMAIN, "plugin_version": VERSION}
    if layer == "aot":
        attributes["aot"] = 1
    for node in result.graph.node:
        if node.op_type == network_file.ATTENTION:
            node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return result


def _fix(shape: onnx.TensorShapeProto, sizes: tuple[int, ...]) -> None:
    for dimension, size in zip(shape.dim, sizes, strict=True):
        dimension.dim_value = size
