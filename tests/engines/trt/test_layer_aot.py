"""The ahead-of-time form of our layer with the real `tensorrt.plugin`, without a GPU and without TensorRT's own library.

`aot_session` runs with TensorRT's Python package on TensorRT-RTX's library (see `tensorrt_python`). TensorRT-RTX does not accept such
layers in a network, so an engine with one is not tested.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from gi_plugin.engines.attention.compile import launch_grid
from tests import product
from tests.engines.kernels import Kernels
from tests.engines.trt import layer_network, tensorrt_python
from tests.engines.trt.layer_network import HEIGHT, SAMPLES, SHAPES, WIDTH

pytestmark = pytest.mark.slow  # the process compiles the kernel
SCALE = 7.5


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of `aot_session`, a process with `tensorrt`."""
    folder = tmp_path_factory.mktemp("tensorrt")
    (folder / "network.onnx").write_bytes(layer_network.network(SCALE, "probe"))
    command = [sys.executable, "-m", "tests.engines.trt.aot_session", str(folder / "network.onnx")]
    ended = subprocess.run(
        command, env=tensorrt_python.environment(folder), cwd=product.ROOT, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return report


def test_tensorrt_accepts_the_definition(seen: dict[str, Any]) -> None:
    """TensorRT's `register`, `autotune` and `aot_impl` accept our functions, and there is one creator with one attribute."""
    assert seen["creators"] == [["ContextualAttentionWeights", "1", ["scale"]]]
    assert seen["definition"] == "(TensorDesc gram, TensorDesc mask, <class 'float'> scale)"


def test_outputs_and_supported_inputs(seen: dict[str, Any]) -> None:
    """Weights have the shape of the products, there is one match per cell, and one combination of types and layouts is supported."""
    assert seen["walk"]["types"] == ["FLOAT", "INT64"]
    assert seen["walk"]["shapes"] == [list(SHAPES["weights"]), list(SHAPES["matches"])]
    assert seen["walk"]["combinations"] == [["FLOAT", "LINEAR"], ["FLOAT", "LINEAR"], ["FLOAT", "LINEAR"], ["INT64", "LINEAR"]]
    assert seen["walk"]["tactics"] == []


def test_the_launch_is_that_of_the_kernel(seen: dict[str, Any], kernels: Kernels) -> None:
    """Symbolic sizes give the same launch as numbers, and the code for the engine is the kernel compiled for the GPU."""
    code = kernels(89, "fp32", SCALE)
    grid = dict(zip(("grid_x", "grid_y", "grid_z"), launch_grid(SAMPLES, HEIGHT, WIDTH), strict=True))
    assert seen["walk"]["launch"] == {**grid, "block_x": code.threads, "block_y": 1, "block_z": 1, "shared_mem": code.shared_bytes}
    assert (seen["walk"]["kernel"], seen["walk"]["code"]) == (code.name, code.ptx)


def test_the_arguments_match_the_kernel(seen: dict[str, Any]) -> None:
    """The addresses of inputs, our int32 numbers and the addresses of outputs are exactly the kernel's parameters."""
    assert seen["walk"]["numbers"] == [["SymInt32", HEIGHT], ["SymInt32", WIDTH]]
    entry = re.search(rf"\.entry {seen['walk']['kernel']}\((.*?)\)", seen["walk"]["code"], re.DOTALL)
    assert entry is not None
    assert re.findall(r"\.param \.(\w+)", entry[1]) == ["u64", "u64", "u32", "u32", "u64", "u64"]


def test_the_other_form_works_with_the_classes_of_tensorrt(seen: dict[str, Any]) -> None:
    """The plugin form also works with the classes of `tensorrt`: the network that was read has the layer with its scale."""
    assert seen["network"]["attention"] == [{"name": "here", "scale": SCALE}]
