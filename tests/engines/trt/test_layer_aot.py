"""The ahead-of-time form of our layer against the real `tensorrt.plugin`, without a GPU and without TensorRT's own library.

`aot_session` runs where TensorRT's Python is loaded on top of TensorRT-RTX's library (`tensorrt_python`). TensorRT-RTX does not take such
layers into a network, so what is not shown is an engine with one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from gi_plugin.engines.attention.compile import compiled, launch_grid
from tests import product
from tests.engines.trt import layer_network, tensorrt_python
from tests.engines.trt.layer_network import HEIGHT, SAMPLES, SHAPES, WIDTH

pytestmark = pytest.mark.slow  # the kernel is compiled twice
SCALE = 7.5


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in a process with `tensorrt`."""
    folder = tmp_path_factory.mktemp("tensorrt")
    (folder / "network.onnx").write_bytes(layer_network.network(SCALE, "probe"))
    command = [sys.executable, "-m", "tests.engines.aot_session", str(folder / "network.onnx")]
    ended = subprocess.run(
        command, env=tensorrt_python.environment(folder), cwd=product.ROOT, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return report


def test_tensorrt_takes_the_definition(seen: dict[str, Any]) -> None:
    """The validators of `register`, `autotune` and `aot_impl` accept our functions, and TensorRT knows one creator with one attribute."""
    assert seen["creators"] == [["ContextualAttentionWeights", "1", ["scale"]]]
    assert seen["definition"] == "(TensorDesc gram, TensorDesc mask, <class 'float'> scale)"


def test_outputs_and_what_it_takes(seen: dict[str, Any]) -> None:
    """Weights are like the products, matches have a number per cell; one combination of types and layouts, the default tactic."""
    assert seen["walk"]["types"] == ["FLOAT", "INT64"]
    assert seen["walk"]["shapes"] == [list(SHAPES["weights"]), list(SHAPES["matches"])]
    assert seen["walk"]["combinations"] == [["FLOAT", "LINEAR"], ["FLOAT", "LINEAR"], ["FLOAT", "LINEAR"], ["INT64", "LINEAR"]]
    assert seen["walk"]["tactics"] == []


def test_the_launch_is_that_of_the_kernel(seen: dict[str, Any]) -> None:
    """TensorRT's symbolic sizes give the same launch as numbers do, and the code in the engine is the kernel compiled for its GPU."""
    code = compiled(89, "fp32", SCALE)
    grid = dict(zip(("grid_x", "grid_y", "grid_z"), launch_grid(SAMPLES, HEIGHT, WIDTH), strict=True))
    assert seen["walk"]["launch"] == {**grid, "block_x": code.threads, "block_y": 1, "block_z": 1, "shared_mem": code.shared_bytes}
    assert (seen["walk"]["kernel"], seen["walk"]["code"]) == (code.name, code.ptx)


def test_what_tensorrt_passes_fits_the_kernel(seen: dict[str, Any]) -> None:
    """TensorRT passes addresses of inputs, our int32 numbers, addresses of outputs: these are all of the kernel's parameters."""
    assert seen["walk"]["numbers"] == [["SymInt32", HEIGHT], ["SymInt32", WIDTH]]
    entry = re.search(rf"\.entry {seen['walk']['kernel']}\((.*?)\)", seen["walk"]["code"], re.DOTALL)
    assert entry is not None
    assert re.findall(r"\.param \.(\w+)", entry[1]) == ["u64", "u64", "u32", "u32", "u64", "u64"]


def test_the_other_form_works_with_the_classes_of_tensorrt(seen: dict[str, Any]) -> None:
    """One source serves both packages: the layer made of `tensorrt`'s classes was read into the network, attribute included."""
    assert seen["network"]["attention"] == [{"name": "here", "scale": SCALE}]
