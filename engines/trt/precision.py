"""Write the precision into the network: convolutions and pasting in fp16 or bf16, colours and attention scores in fp32.

TensorRT builds strongly typed networks: an operator runs in the type of its inputs. So every change of type is a Cast in the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gi_plugin import network_file

if TYPE_CHECKING:
    import onnx

FEATURES = {"Conv", "Elu", "Relu", "Pad", "Resize", "Concat"}  # operators of the network's layers
FIRST_ONLY = {"Pad", "Resize"}  # their other inputs have fixed types


def typed(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """Return the network with `precision` ("fp32", "fp16" or "bf16") where it is safe, and fp32 elsewhere. Inputs and outputs stay fp32.

    The trained convolutions, the attention weights, and operators with only low-precision inputs run in low precision. Between the
    features and the attention scores everything else stays fp32, because products of cells decide which key wins.
    """
    import onnx  # noqa: PLC0415  # heavy

    result = onnx.ModelProto()
    result.CopyFrom(model)
    if precision == "fp32":
        return result
    kind = {"fp16": onnx.TensorProto.FLOAT16, "bf16": onnx.TensorProto.BFLOAT16}[precision]
    floats, low = _floats(model), _low(model)
    nodes: list[onnx.NodeProto] = []
    cast: set[str] = set()
    for node in result.graph.node:
        if _is_parameter(node, model):
            node.attribute[0].i = kind
        elif node.op_type == network_file.ATTENTION:
            nodes += [node, _cast(f"{node.output[0]}.fp32", node.output[0], kind)]
            node.output[0] += ".fp32"
            continue
        else:
            is_low = node.output[0] in low
            for position, name in _typed_inputs(node, floats):
                if (name in low) != is_low:
                    node.input[position] = f"{name}.{precision if is_low else 'fp32'}"
                    if node.input[position] not in cast:
                        nodes.append(_cast(name, node.input[position], kind if is_low else onnx.TensorProto.FLOAT))
                        cast.add(node.input[position])
        nodes.append(node)
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _low(model: onnx.ModelProto) -> set[str]:
    """Return the names of the tensors that are computed in low precision."""
    floats, constants, scores = _floats(model), {entry.name for entry in model.graph.initializer}, _before_attention(model)
    low: set[str] = set()
    for node in model.graph.node:
        inputs = [name for _, name in _typed_inputs(node, floats) if name not in constants]
        if _is_parameter(node, model) or node.op_type == network_file.ATTENTION:
            low.add(node.output[0])
        elif node.op_type == "Conv":
            low.update(node.output if node.input[1] in low else ())
        elif inputs and low.issuperset(inputs) and (node.op_type in FEATURES or node.output[0] not in scores):
            low.update(node.output)
    return low


def _before_attention(model: onnx.ModelProto) -> set[str]:
    """Return the names of all tensors from which the attention scores are computed."""
    before: set[str] = set()
    for node in reversed(model.graph.node):
        if node.op_type == network_file.ATTENTION or before.intersection(node.output):
            before.update(node.input)
    return before


def _floats(model: onnx.ModelProto) -> set[str]:
    """Return the names of the fp32 tensors, including constants."""
    import onnx  # noqa: PLC0415  # heavy

    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    float32 = onnx.TensorProto.FLOAT
    return {value.name for value in values if value.type.tensor_type.elem_type == float32} | {
        entry.name for entry in graph.initializer if entry.data_type == float32
    }


def _typed_inputs(node: onnx.NodeProto, floats: set[str]) -> list[tuple[int, str]]:
    inputs = list(enumerate(node.input))[: 1 if node.op_type in FIRST_ONLY else None]
    return [(position, name) for position, name in inputs if name in floats]


def _is_parameter(node: onnx.NodeProto, model: onnx.ModelProto) -> bool:
    """Whether a node casts a trained parameter, which the file stores in fp16."""
    import onnx  # noqa: PLC0415  # heavy

    return node.op_type == "Cast" and any(
        entry.name == node.input[0] and entry.data_type == onnx.TensorProto.FLOAT16 for entry in model.graph.initializer
    )


def _cast(source: str, result: str, kind: int) -> onnx.NodeProto:
    import onnx  # noqa: PLC0415  # heavy

    return onnx.helper.make_node("Cast", [source], [result], name=result, to=kind)
