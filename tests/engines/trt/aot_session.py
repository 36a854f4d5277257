"""Test the ahead-of-time layer in a separate process, with `tensorrt`'s real Python on TensorRT-RTX's library; print results as JSON.

There the ahead-of-time layer cannot be part of a network, but the plugin form of the layer can. While TensorRT asks the plugin for its
shapes, this program takes the ahead-of-time layer through all steps of a build, with the symbolic sizes of that network.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tensorrt as trt
from tensorrt import plugin as quick

from gi_plugin.engines.trt import layer as attention_layer, layer_aot as attention_layer_aot
from gi_plugin.engines.trt.worker import describe

NAME, NAMESPACE = "ContextualAttentionWeights", "gi"
LAUNCH = ("grid_x", "grid_y", "grid_z", "block_x", "block_y", "block_z", "shared_mem")
TYPES = (trt.float32, trt.float32, trt.float32, trt.int64)


class Numbers(dict[int, Any]):
    """Receives the numbers that a layer passes to its kernel. They cannot be read back, so `walk` reads them from `extra`."""

    nbSymExprs = 0  # noqa: N815  # TensorRT's name


def described(shape: tuple[int, ...], kind: Any) -> Any:
    """Make the builder's description of a tensor."""
    tensor = trt.DynamicPluginTensorDesc()
    inner = tensor.desc
    inner.dims, inner.type, inner.format = trt.Dims(shape), kind, trt.TensorFormat.LINEAR
    tensor.desc = inner
    return tensor


def value(symbol: Any) -> int:
    """Return the value of a symbolic number in a network with fixed shapes."""
    return int(symbol._expr.get_constant_value())  # noqa: SLF001  # the public way fails on a SymInt32


def walk(fields: Any, shapes: list[tuple[int, ...]], inputs: Any, builder: Any) -> dict[str, Any]:
    """Call an ahead-of-time layer as a builder does: types, shapes, combinations, launch, kernel."""
    creator = trt.get_plugin_registry().get_creator(NAME, "1", NAMESPACE)
    layer = creator.create_plugin(NAME, NAMESPACE, fields, trt.TensorRTPhase.BUILD, trt.QuickPluginCreationRequest.STRICT_AOT)
    types = layer.get_output_data_types([trt.float32, trt.float32], [3, 4])
    sizes = [[size.get_constant_value() for size in output] for output in layer.get_output_shapes(inputs, [], builder)]
    tensors = [described(shape, kind) for shape, kind in zip(shapes, TYPES, strict=True)]
    combinations = layer.get_supported_format_combinations(tensors, 2)
    layer.configure_plugin(tensors[:2], tensors[2:])
    tactics = layer.get_valid_tactics()
    layer.set_tactic(0)
    function, results, numbers = layer.aot_impl_function, list[Any](), Numbers()

    def recorded(*arguments: Any) -> Any:
        results.append(function(*arguments))
        return results[-1]

    layer.aot_impl_function = recorded
    layer.get_launch_params(inputs, tensors, 2, SimpleNamespace(), numbers, builder)
    ((_, _, launch, extra),) = results
    inner = [tensor.desc for tensor in tensors]
    name, code = layer.clone().get_kernel(inner[:2], inner[2:])
    return {
        "types": [kind.name for kind in types],
        "shapes": sizes,
        "combinations": [[entry.type.name, entry.format.name] for entry in combinations],
        "tactics": tactics,
        "launch": {key: value(getattr(launch, key)) for key in LAUNCH},
        "numbers": [[type(number).__name__, value(number)] for number in extra],
        "kernel": name,
        "code": code.decode(),
    }


def main() -> None:
    """Register both forms of the layer, read the network, and take the ahead-of-time form through a build."""
    for _ in range(2):  # the second time does nothing
        attention_layer_aot.register("sm_89")
    creators = [creator for creator in trt.get_plugin_registry().all_creators if creator.plugin_namespace == NAMESPACE]
    seen: dict[str, Any] = {
        "creators": [[creator.name, creator.plugin_version, [field.name for field in creator.field_names]] for creator in creators],
        "definition": quick.op.gi.ContextualAttentionWeights.input_arg_schema,
    }
    ours = attention_layer.creator(trt)
    layer_class = type(ours.create_plugin(NAME, trt.PluginFieldCollection(), trt.TensorRTPhase.BUILD))

    class Probe(layer_class):  # type: ignore[misc,valid-type]
        def get_output_shapes(self, inputs: Any, shapes: Any, builder: Any) -> Any:
            outputs = super().get_output_shapes(inputs, shapes, builder)
            sizes = [tuple(size.get_constant_value() for size in tensor) for tensor in (*inputs, *outputs)]
            seen["walk"] = walk(self.get_fields_to_serialize(), sizes, inputs, builder)
            return outputs

    class Creator(trt.IPluginCreatorV3One):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.name, self.plugin_namespace, self.plugin_version = NAME, "probe", "1"
            self.field_names = ours.field_names

        def create_plugin(self, _name: str, fields: Any, _phase: Any) -> Any:
            return Probe(float(fields[0].data[0]))

    creator = Creator()
    trt.get_plugin_registry().register_creator(creator, "probe")
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(Path(sys.argv[1]).read_bytes()):
        sys.exit(parser.get_error(0).desc())
    seen["network"] = describe(trt, network, "plugin")
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
