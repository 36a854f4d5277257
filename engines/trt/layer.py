"""Our TensorRT layer `gi::ContextualAttentionWeights`: an IPluginV3 that launches the attention kernel once.

The same code works with `tensorrt` and `tensorrt_rtx`, because both Python modules have the same plugin classes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gi_plugin import network_file

from ..attention.compile import compiled, launch_grid
from ..gpu.driver import Kernel, current_gpu, integer, pointer
from .network import VERSION

SCALE = "scale"  # the layer's attribute: lambda of the softmax
GRAM, MASK, WEIGHTS, MATCHES = range(4)  # positions: two inputs, two outputs


def register(trt: Any) -> None:
    """Register the layer with a TensorRT module. This must happen before a network is parsed or an engine is loaded."""
    registry = trt.get_plugin_registry()
    if registry.get_creator(network_file.ATTENTION, VERSION, network_file.DOMAIN) is None:
        registry.register_creator(creator(trt), network_file.DOMAIN)


def attributes(trt: Any, layer: Any) -> dict[str, float]:
    """Read back, from the layer of a parsed network, the attributes that an engine will store with it."""
    layer.__class__ = trt.IPluginV3Layer  # the network hands out its layers as ILayer
    runtime = layer.plugin.get_capability_interface(trt.PluginCapabilityType.RUNTIME)
    return {field.name: float(field.data[0]) for field in runtime.get_fields_to_serialize()}


@cache
def creator(trt: Any) -> Any:
    """Return the layer's creator for a TensorRT module. TensorRT keeps no reference to it; the function's cache does."""
    layer_class = _layer_class(trt)

    class AttentionLayerCreator(trt.IPluginCreatorV3One):  # type: ignore[misc]  # the base class comes from a module chosen at run time
        """Creates the layer from the attributes of a node or from the fields stored in an engine."""

        def __init__(self) -> None:
            super().__init__()
            self.name, self.plugin_namespace, self.plugin_version = network_file.ATTENTION, network_file.DOMAIN, VERSION
            self.field_names = trt.PluginFieldCollection([trt.PluginField(SCALE, np.empty(0, np.float32), trt.PluginFieldType.FLOAT32)])

        def create_plugin(self, _name: str, fields: Any, _phase: Any) -> Any:
            scales = [float(field.data[0]) for field in fields if field.name == SCALE]
            return layer_class(scales[0] if scales else 10.0)

    return AttentionLayerCreator()


def _layer_class(trt: Any) -> type[Any]:
    types = {GRAM: trt.float32, MASK: trt.float32, WEIGHTS: trt.float32, MATCHES: trt.int64}
    bases = (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime)

    class AttentionLayer(_Launch, *bases):  # type: ignore[misc]  # the base classes come from a module chosen at run time
        """Computes weights [N, L, L] and matches [N, L] from gram [N, L, L] and the cell mask [N, 1, h, w]."""

        def __init__(self, scale: float) -> None:
            for base in bases:
                base.__init__(self)
            _Launch.__init__(self, scale)
            self.plugin_name, self.plugin_namespace, self.plugin_version = network_file.ATTENTION, network_file.DOMAIN, VERSION
            self.num_outputs = 2

        def get_output_data_types(self, _inputs: Any) -> list[Any]:
            return [types[WEIGHTS], types[MATCHES]]

        def get_output_shapes(self, inputs: Any, _shapes: Any, _builder: Any) -> list[Any]:
            return [trt.DimsExprs(inputs[GRAM]), trt.DimsExprs([inputs[GRAM][0], inputs[GRAM][1]])]

        def supports_format_combination(self, position: int, tensors: Any, _inputs: int) -> bool:
            described = tensors[position].desc
            return bool(described.format == trt.TensorFormat.LINEAR and described.type == types[position])

        def get_fields_to_serialize(self) -> Any:
            return trt.PluginFieldCollection([trt.PluginField(SCALE, np.array([self.scale], np.float32), trt.PluginFieldType.FLOAT32)])

    return AttentionLayer


class _Launch:
    """The part of the layer that does not depend on the TensorRT module. TensorRT calls these methods by name."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._kernel: Kernel | None = None

    def get_capability_interface(self, _kind: Any) -> Any:
        return self  # this object provides all capabilities

    def configure_plugin(self, _inputs: Any, _outputs: Any) -> None:
        pass  # the kernel accepts any shape

    def on_shape_change(self, _inputs: Any, _outputs: Any) -> None:
        pass

    def set_tactic(self, _tactic: int) -> None:
        pass  # there is only one

    def attach_to_context(self, _context: Any) -> Any:
        return self.clone()

    def clone(self) -> Any:
        return type(self)(self.scale)

    def enqueue(self, inputs: Any, _outputs: Any, sources: Any, results: Any, _workspace: int, stream: int) -> None:
        """Queue the kernel on TensorRT's stream. It neither allocates nor waits, so a CUDA graph can record it."""
        batch, _, rows, columns = inputs[MASK].dims
        self._kernel = self._kernel or _loaded(self.scale)
        gram, mask, weights, matches = (pointer(address) for address in (*sources, *results))
        self._kernel.launch(launch_grid(batch, rows, columns), stream, [gram, mask, integer(rows), integer(columns), weights, matches])


def _loaded(scale: float) -> Kernel:
    """Compile the kernel for the GPU of the current context and load it there."""
    code = compiled(int(current_gpu().capability.removeprefix("sm_")), "fp32", scale)
    return Kernel(code.cubin, code.name, code.threads, code.shared_bytes)
