"""Only what the hole needs: behind its encoders the network runs on the cells around the hole, with the same result as on the whole window.

Of what the decoders make only the hole's pixels are used, and these depend on three cells of 8 px around them: four layers at a quarter of
the size, two at half and three at the whole size reach 24 px; and of the queries, the hole's features take the weights of their neighbours,
whose scores take those of their neighbours' neighbours, twice.
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

    from gi_plugin.arrays import Floats, Integers

HALO = 3  # cells
STEP = 4  # cells: the sides of regions are multiples of it, since each new size costs a backend some preparation
AROUND = "ContextualAttentionAround"


def region(mask: Floats) -> tuple[Integers, Integers]:
    """The cells of the rows and columns around the holes of windows [N, 1, W, W]."""
    return _span(mask.any(axis=(0, 1, 3))), _span(mask.any(axis=(0, 1, 2)))


def _span(line: Any) -> Integers:
    """The cells within the halo of what is set in a line of pixels (bool [W]); the first few if nothing is."""
    cells = len(line) // CELL
    found = np.flatnonzero(line) // CELL if line.any() else np.zeros(1, int)
    start, end = max(0, found[0] - HALO), min(cells, found[-1] + 1 + HALO)
    length = min(cells, -(-(end - start) // STEP) * STEP)
    start = min(start, cells - length)
    return np.arange(start, start + length, dtype=np.int64)


def around_hole(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with two more inputs, `rows` [R] and `columns` [K] of `region`, that runs on these cells behind its encoders.

    `completed` is as before, `matches` are those of the region's cells [N, R * K].

    :raises ModelError: if the network file does not define the region's functions.
    """
    import onnx  # noqa: PLC0415  # heavy
    from onnx import TensorProto, helper  # noqa: PLC0415  # heavy

    if AROUND not in {function.name for function in model.functions}:
        raise ModelError(f"the network file does not define {network_file.DOMAIN}::{AROUND}: it is of an older version; export it again")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    network = _Wiring(result)
    network.crop(network.entrance("coarse.decoder.0.0"))
    network.place(network.convolution("coarse.decoder.3"))
    (features,) = [node.output[0] for node in result.graph.node if node.op_type == "Relu"]  # the only one: in front of the attention
    (attention,) = [node for node in result.graph.node if node.op_type == network_file.ATTENTION]
    network.entrance("refinement.after.0").input[0] = "attended.region"
    network.call(AROUND, [features, network_file.INPUTS[1]], ["attended.region", "matches.region"], attention.attribute)
    joined = network.maker(network.entrance("refinement.decoder.0.0").input[0])  # of the dilated branch and the attention's
    network.crop(joined)
    network.place(network.convolution("refinement.decoder.3"))
    del result.graph.output[1]
    result.graph.output.append(helper.make_tensor_value_info("matches.region", TensorProto.INT64, ["n", "region"]))
    for name in ("rows", "columns"):
        result.graph.input.append(helper.make_tensor_value_info(name, TensorProto.INT64, [name]))
    network.sort()
    return result


class _Wiring:
    """A graph whose nodes are found by the parameters they use, and get others put in between."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._makers: dict[str, onnx.NodeProto] = {name: node for node in model.graph.node for name in node.output}

    def maker(self, name: str) -> onnx.NodeProto:
        """The node that makes a tensor."""
        return self._makers[name]

    def convolution(self, layer: str) -> onnx.NodeProto:
        """The convolution with the parameters of a layer, named as in training."""
        (weight,) = [node.output[0] for node in self._graph.node if node.input and node.input[0] == f"{layer}.weight"]  # a cast
        found: onnx.NodeProto
        (found,) = [node for node in self._graph.node if node.op_type == "Conv" and node.input[1] == weight]
        return found

    def entrance(self, layer: str) -> onnx.NodeProto:
        """What stands in front of a layer's convolution: its mirror padding."""
        return self._makers[self.convolution(layer).input[0]]

    def crop(self, node: onnx.NodeProto) -> None:
        """Give a node the region of its first input."""
        whole = node.input[0]
        node.input[0] = f"{whole}.region"
        self.call("Region", [whole], [node.input[0]])

    def place(self, node: onnx.NodeProto) -> None:
        """Put a node's result, a picture of the region, into its place in the window."""
        name = node.output[0]
        node.output[0] = f"{name}.region"
        self.call("Placed", [node.output[0], network_file.INPUTS[0]], [name])

    def call(self, function: str, inputs: list[str], outputs: list[str], attributes: Iterable[onnx.AttributeProto] = ()) -> None:
        """Add a node that calls a function of the file on the region."""
        from onnx import helper  # noqa: PLC0415  # heavy

        node = helper.make_node(function, [*inputs, "rows", "columns"], outputs, domain=network_file.DOMAIN)
        node.attribute.extend(attributes)
        self._graph.node.append(node)

    def sort(self) -> None:
        """Put every node behind those that make its inputs."""
        nodes = list(self._graph.node)
        makers = {name: number for number, node in enumerate(nodes) for name in node.output}
        order = TopologicalSorter({number: {makers[name] for name in node.input if name in makers} for number, node in enumerate(nodes)})
        ordered = [nodes[number] for number in order.static_order()]
        del self._graph.node[:]
        self._graph.node.extend(ordered)
