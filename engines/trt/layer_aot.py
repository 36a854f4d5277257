"""The ahead-of-time form of our TensorRT layer: a Quickly Deployable Plugin whose compiled kernel is stored in the engine.

Such an engine needs neither Python nor a plugin library; trtexec, C++ and Triton Inference Server can run it. Only `tensorrt` >= 10.9
supports this form. TensorRT launches the kernel itself, with input pointers, int32 numbers and output pointers. It does not store
attributes, so the scale is compiled into the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from gi_plugin import network_file
from gi_plugin.errors import require

from ..attention.compile import compiled, launch_grid

IDENTIFIER = f"{network_file.DOMAIN}::{network_file.ATTENTION}"


@cache  # a second registration raises
def register(capability: str) -> None:
    """Register the layer with `tensorrt`.

    :param capability: the GPU architecture that kernels are compiled for, such as "sm_89".
    """
    plugin = require("tensorrt.plugin", "tensorrt")
    described, combinations, kernel = definitions(require("tensorrt", "tensorrt"), plugin, capability)
    plugin.register(IDENTIFIER)(described)
    plugin.autotune(IDENTIFIER)(combinations)
    plugin.aot_impl(IDENTIFIER)(kernel)


def definitions(trt: Any, plugin: Any, capability: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Return the three functions that define the layer: its outputs, the supported types and layouts, and the kernel launch."""
    tensor, outputs_type = plugin.TensorDesc, tuple[plugin.TensorDesc, plugin.TensorDesc]

    def described(gram: Any, mask: Any, scale: float) -> Any:  # noqa: ARG001  # TensorRT requires these names
        weights, matches = gram.like(), gram.like()
        matches.dtype = trt.int64
        matches.shape_expr = plugin.ShapeExprs.from_tuple((gram.shape_expr[0], gram.shape_expr[1]))
        return weights, matches

    def combinations(gram: Any, mask: Any, outputs: Any) -> Any:  # noqa: ARG001
        return [plugin.AutoTuneCombination("FP32, FP32, FP32, INT64", "LINEAR")]

    def kernel(gram: Any, mask: Any, scale: float, outputs: Any, tactic: int) -> Any:  # noqa: ARG001
        batch, _, rows, columns = mask.shape_expr
        code = compiled(int(capability.removeprefix("sm_")), "fp32", scale)
        launch = plugin.KernelLaunchParams()
        launch.grid_x, launch.grid_y, launch.grid_z = launch_grid(batch, rows, columns)
        launch.block_x, launch.shared_mem = code.threads, code.shared_bytes
        numbers = plugin.SymIntExprs(2)
        numbers[0], numbers[1] = plugin.SymInt32(rows), plugin.SymInt32(columns)
        return code.name, code.ptx, launch, numbers

    # TensorRT reads the annotations as objects, and these types exist only after it is imported
    described.__annotations__ = {"gram": tensor, "mask": tensor, "scale": float, "return": outputs_type}
    combinations.__annotations__ = {"gram": tensor, "mask": tensor, "outputs": outputs_type, "return": list[plugin.AutoTuneCombination]}
    returned = tuple[str | bytes, str | bytes, plugin.KernelLaunchParams, plugin.SymIntExprs]
    kernel.__annotations__ = {"gram": tensor, "mask": tensor, "scale": float, "outputs": outputs_type, "tactic": int, "return": returned}
    return described, combinations, kernel
