"""Limit the network behind its encoders to the cells around the hole. The result in the hole is the same as on the whole window.

Only the hole's pixels of the decoders' output are used. They depend on at most three cells (of 8 px) around them:
- decoders: four layers at a quarter of the size, two at half the size and three at full size reach 24 px in all;
- attention: the hole's features use the weights of neighbouring queries, and their scores use a 3x3 neighbourhood twice.
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import numpy as np

from gi_plugin import network_file
from gi_plugin.arrays import CELL
from gi_plugin.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

    from gi_plugin.arrays import Floats, Integers, Matches

HALO = 3  # cells
STEP = 4  # cells: sides of regions are multiples of it, because OpenVINO prepares each new size once
AROUND = "ContextualAttentionAround"


def region(mask: Floats) -> tuple[Integers, Integers]:
    """Return the rows and columns of cells, int64 [R] and [K], around the holes of masks [N, 1, W, W]."""
    return _span(mask.any(axis=(0, 1, 3))), _span(mask.any(axis=(0, 1, 2)))


def in_window(matches: Integers, rows: Integers, columns: Integers, cells: int) -> Matches:
    """Place the matches of a region's cells, N * R * K values, into the windows [N, cells * cells]; the other cells get 0."""
    whole = np.zeros((matches.size // (len(rows) * len(columns)), cells, cells), np.int64)
    whole[:, rows[:, None], columns] = matches.reshape(-1, len(rows), len(columns))
    return whole.reshape(len(whole), -1)


def _span(line: Any) -> Integers:
    """Return the cells within the halo of the pixels set in a line (bool [W]); the first cells if none is set."""
    cells = len(line) // CELL
    found = np.flatnonzero(line) // CELL if line.any() else np.zeros(1, int)
    start, end = max(0, found[0] - HALO), min(cells, found[-1] + 1 + HALO)
    length = min(cells, -(-(end - start) // STEP) * STEP)
    start = min(start, cells - length)
    return np.arange(start, start + length, dtype=np.int64)


def around_hole(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrite a network so that it runs only on the region around the hole behind its encoders.

    The result has two more inputs, `rows` [R] and `columns` [K], as `region` returns them. The output `completed` is as before;
    `matches` [N, R * K] are those of the region's cells.

    :raises ModelError: if the network file does not define the functions for the region.
    """
    import onnx  # noqa: PLC0415  # heavy
    from onnx import TensorProto, helper  # noqa: PLC0415  # heavy

    if AROUND not in {function.name for function in model.functions}:
        raise ModelError(
            f"the network file does not define {network_file.DOMAIN}::{AROUND}: it was exported by an older version; export it again"
        )
    result = onnx.ModelProto()
    result.CopyFrom(model)
    network = _GraphEditor(result)
    network.crop(network.padding("coarse.decoder.0.0"))
    network.place(network.convolution("coarse.decoder.3"))
    (features,) = [node.output[0] for node in result.graph.node if node.op_type == "Relu"]  # the only one: in front of the attention
    (attention,) = [node for node in result.graph.node if node.op_type == network_file.ATTENTION]
    network.padding("refinement.after.0").input[0] = "attended.region"
    network.call(AROUND, [features, network_file.INPUTS[1]], ["attended.region", "matches.region"], attention.attribute)
    joined = network.producer(network.padding("refinement.decoder.0.0").input[0])  # concatenates the dilated and the attention branch
    network.crop(joined)
    network.place(network.convolution("refinement.decoder.3"))
    del result.graph.output[1]
    result.graph.output.append(helper.make_tensor_value_info("matches.region", TensorProto.INT64, ["n", "region"]))
    for name in ("rows", "columns"):
        result.graph.input.append(helper.make_tensor_value_info(name, TensorProto.INT64, [name]))
    network.sort()
    return result


class _GraphEditor:
    """Finds nodes of a graph by the parameters they use, and inserts nodes between them."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._producers: dict[str, onnx.NodeProto] = {name: node for node in model.graph.node for name in node.output}

    def producer(self, name: str) -> onnx.NodeProto:
        """Return the node whose output is the tensor."""
        return self._producers[name]

    def convolution(self, layer: str) -> onnx.NodeProto:
        """Return the convolution of a layer; layers are named as in training."""
        (weight,) = [node.output[0] for node in self._graph.node if node.input and node.input[0] == f"{layer}.weight"]  # a cast
        found: onnx.NodeProto
        (found,) = [node for node in self._graph.node if node.op_type == "Conv" and node.input[1] == weight]
        return found

    def padding(self, layer: str) -> onnx.NodeProto:
        """Return the mirror padding in front of a layer's convolution."""
        return self._producers[self.convolution(layer).input[0]]

    def crop(self, node: onnx.NodeProto) -> None:
        """Crop the first input of a node to the region."""
        whole = node.input[0]
        node.input[0] = f"{whole}.region"
        self.call("Region", [whole], [node.input[0]])

    def place(self, node: onnx.NodeProto) -> None:
        """Insert a node's output, which covers only the region, into the whole window."""
        name = node.output[0]
        node.output[0] = f"{name}.region"
        self.call("Placed", [node.output[0], network_file.INPUTS[0]], [name])

    def call(self, function: str, inputs: list[str], outputs: list[str], attributes: Iterable[onnx.AttributeProto] = ()) -> None:
        """Add a node that calls one of the file's functions for the region."""
        from onnx import helper  # noqa: PLC0415  # heavy

        node = helper.make_node(function, [*inputs, "rows", "columns"], outputs, domain=network_file.DOMAIN)
        node.attribute.extend(attributes)
        self._graph.node.append(node)

    def sort(self) -> None:
        """Sort the nodes so that every node follows those that compute its inputs."""
        nodes = list(self._graph.node)
        producers = {name: number for number, node in enumerate(nodes) for name in node.output}
        dependencies = {
            number: {producers[name] for name in node.input if name in producers} for number, node in enumerate(nodes)
        }  # fmt: skip
        ordered = [nodes[number] for number in TopologicalSorter(dependencies).static_order()]
        del self._graph.node[:]
        self._graph.node.extend(ordered)
