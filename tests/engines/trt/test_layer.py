"""Our layer with the real `tensorrt_rtx` classes: creator, attribute, shapes, types, kernel launch, and small engines with the layer.

Without a GPU `enqueue` cannot launch the kernel. Instead, the arguments of the launch are compared with the parameters of the compiled
kernel. TensorRT creates symbolic sizes only while it reads a network, so the shapes are read back from networks that it has read.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorrt_rtx as trt

from gi_plugin import network_file
from gi_plugin.engines.attention.compile import CompiledKernel, launch_grid
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import layer as attention_layer
from gi_plugin.engines.trt.package import TENSORRT_RTX
from tests import product
from tests.engines.kernels import Kernels
from tests.engines.trt.layer_network import HEIGHT, SAMPLES, SHAPES, WIDTH, network

GRAM, MASK, WEIGHTS, MATCHES = "gram", "mask", "weights", "matches"
TYPES = {GRAM: trt.float32, MASK: trt.float32, WEIGHTS: trt.float32, MATCHES: trt.int64}
POINTER, NUMBER = (".u64", ctypes.c_void_p), (".u32", ctypes.c_int32)  # in PTX, and as a kernel argument
PARAMETERS = {GRAM: POINTER, MASK: POINTER, "height": NUMBER, "width": NUMBER, WEIGHTS: POINTER, MATCHES: POINTER}
BUILD = """
import json, sys
import tensorrt_rtx as trt
from gi_plugin.engines.trt import layer as attention_layer
from gi_plugin.engines.trt.worker import describe
attention_layer.register(trt)
builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
assert parser.parse(open(sys.argv[1], "rb").read()), parser.get_error(0).desc()
outputs = [network.get_output(number) for number in range(network.num_outputs)]
plan = builder.build_serialized_network(network, builder.create_builder_config())
open(sys.argv[1], "wb").write(plan or b"")
report = {output.name: [list(output.shape), output.dtype.name] for output in outputs}
print(json.dumps({**describe(trt, network, "plugin"), "outputs": report}))
"""


def _fields(**values: float) -> Any:
    fields = [trt.PluginField(name, np.array([value], np.float32), trt.PluginFieldType.FLOAT32) for name, value in values.items()]
    return trt.PluginFieldCollection(fields)


def _layer(scale: float = 7.5) -> Any:
    return attention_layer.creator(trt).create_plugin("here", _fields(scale=scale), trt.TensorRTPhase.BUILD)


def _described(**kinds: Any) -> Any:
    """Make TensorRT's description of a tensor."""
    tensor = trt.DynamicPluginTensorDesc()
    inner = tensor.desc
    for name, value in kinds.items():
        setattr(inner, name, value)
    tensor.desc = inner
    return tensor


def _build(folder: Path, model: bytes) -> tuple[dict[str, Any], bytes]:
    """Build a network in a separate process; return a description of it and the plan, which is empty if TensorRT rejects it."""
    library = TENSORRT_RTX.shared_library()
    assert library is not None
    (folder / TENSORRT_RTX.library).symlink_to(library)
    (folder / "file").write_bytes(model)
    command, environment = [sys.executable, "-c", BUILD, str(folder / "file")], {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=product.ROOT)
    assert built.returncode == 0, built.stderr
    return json.loads(built.stdout.splitlines()[-1]), (folder / "file").read_bytes()


def test_the_creator_is_registered_once() -> None:
    """TensorRT finds the creator by name, version and namespace, and registering it again changes nothing."""
    attention_layer.register(trt)
    attention_layer.register(trt)
    registry = trt.get_plugin_registry()
    ours = [entry for entry in registry.all_creators if entry.plugin_namespace == network_file.DOMAIN]
    assert [(entry.name, entry.plugin_version) for entry in ours] == [(network_file.ATTENTION, "1")]
    found = registry.get_creator(network_file.ATTENTION, "1", network_file.DOMAIN)
    assert found is attention_layer.creator(trt)
    assert [(field.name, field.type) for field in found.field_names] == [("scale", trt.PluginFieldType.FLOAT32)]


def test_the_attribute_survives() -> None:
    """Clones of the layer, and the fields it stores in an engine, have the same scale as the field it was created from."""
    layer = _layer(7.5)
    for copy in (layer.clone(), layer.attach_to_context(None)):
        assert copy is not layer
        assert copy.scale == 7.5
    stored = layer.clone().get_fields_to_serialize()
    assert [(field.name, field.type, field.size, list(field.data)) for field in stored] == [
        ("scale", trt.PluginFieldType.FLOAT32, 1, [7.5])
    ]
    creator = attention_layer.creator(trt)
    assert creator.create_plugin("here", stored, trt.TensorRTPhase.RUNTIME).scale == 7.5
    assert creator.create_plugin("here", _fields(other=1.0), trt.TensorRTPhase.BUILD).scale == 10.0


def test_the_layer_is_known_by_its_name_and_has_every_capability() -> None:
    """The layer and its clones have the name, namespace and version by which engines find it, and every capability."""
    layer = _layer()
    for copy in (layer, layer.clone()):
        names = (copy.plugin_name, copy.plugin_namespace, copy.plugin_version, copy.num_outputs)
        assert names == (network_file.ATTENTION, network_file.DOMAIN, "1", 2)
    for kind in ("CORE", "BUILD", "RUNTIME"):
        assert layer.get_capability_interface(getattr(trt.PluginCapabilityType, kind)) is layer
    assert layer.get_output_data_types([TYPES[GRAM], TYPES[MASK]]) == [TYPES[WEIGHTS], TYPES[MATCHES]]


@pytest.mark.parametrize("position", range(4), ids=TYPES)
def test_one_combination_of_types_and_formats_is_supported(position: int) -> None:
    """Of all types and layouts of TensorRT, each tensor accepts only linear fp32, or linear int64 for the matches."""
    layer, wanted = _layer(), [_described(type=kind, format=trt.TensorFormat.LINEAR) for kind in TYPES.values()]
    taken = []
    for kind in trt.DataType.__members__.values():
        for layout in trt.TensorFormat.__members__.values():
            tensors = [*wanted]
            tensors[position] = _described(type=kind, format=layout)
            if layer.supports_format_combination(position, tensors, 2):
                taken.append((kind, layout))
    assert taken == [(list(TYPES.values())[position], trt.TensorFormat.LINEAR)]


def _parameters(kernel: CompiledKernel) -> list[str]:
    """Read the types of a kernel's parameters from its PTX."""
    entry = re.search(r"\.entry [^(]*\((.*?)\)", kernel.ptx, re.DOTALL)
    assert entry is not None
    return re.findall(r"\.param (\.\w+)", entry[1])


def test_the_launch_matches_the_kernel(monkeypatch: pytest.MonkeyPatch, kernels: Kernels) -> None:
    """`enqueue` launches once on TensorRT's stream, with the compiled kernel's parameters; the kernel is loaded once."""
    launched: list[tuple[Any, ...]] = []
    loaded: list[float] = []

    class Recorder:
        def launch(self, *arguments: Any) -> None:
            launched.append(arguments)

    def load(scale: float) -> Recorder:
        loaded.append(scale)
        return Recorder()

    monkeypatch.setattr(attention_layer, "_loaded", load)
    layer = _layer().attach_to_context(None)
    tensors = [_described(dims=trt.Dims(SHAPES[name]), type=TYPES[name]).desc for name in TYPES]
    for _ in range(2):
        layer.enqueue(tensors[:2], tensors[2:], [0x10, 0x20], [0x30, 0x40], 0, 0x99)
    ((grid, stream, arguments), again) = launched
    assert (grid, stream) == (launch_grid(SAMPLES, HEIGHT, WIDTH), 0x99)
    values = {GRAM: 0x10, MASK: 0x20, "height": HEIGHT, "width": WIDTH, WEIGHTS: 0x30, MATCHES: 0x40}
    assert arguments == [(values[name], PARAMETERS[name][1]) for name in PARAMETERS]
    assert _parameters(kernels(89, "fp32", 7.5)) == [ptx for ptx, _ in PARAMETERS.values()]
    assert (again, loaded) == ((grid, stream, arguments), [7.5])


def test_the_kernel_is_compiled_for_the_gpu(monkeypatch: pytest.MonkeyPatch, kernels: Kernels) -> None:
    """Code, name, threads and memory of the launch are those of the kernel compiled for this GPU and scale."""
    monkeypatch.setattr(attention_layer, "current_gpu", lambda: Gpu("Stand-in", "sm_89", "13.0"))
    monkeypatch.setattr(attention_layer, "Kernel", lambda *arguments: arguments)
    monkeypatch.setattr(attention_layer, "compiled", kernels)
    code = kernels(89, "fp32", 7.5)
    assert attention_layer._loaded(7.5) == (code.cubin, code.name, code.threads, code.shared_bytes)  # type: ignore[comparison-overlap]  # noqa: SLF001
    assert f".entry {code.name}(" in code.ptx
    assert f".reqntid {code.threads}" in code.ptx


@pytest.mark.parametrize("scale", [10.0, 7.5])
def test_tensorrt_reads_shapes_types_and_attribute(tmp_path: Path, scale: float) -> None:
    """The network that TensorRT reads, and the plan that it builds, have the layer with the ONNX node's shapes, types and scale."""
    report, plan = _build(tmp_path, network(scale))
    assert report["attention"] == [{"name": "here", "scale": scale}]
    assert report["outputs"] == {WEIGHTS: [list(SHAPES[WEIGHTS]), "FLOAT"], MATCHES: [list(SHAPES[MATCHES]), "INT64"]}
    stored = plan.partition(b"scale")[2][:64]
    assert network_file.ATTENTION.encode() in plan
    assert struct.pack("<f", scale) in stored


def test_tensorrt_rejects_other_types(tmp_path: Path) -> None:
    """A network with products in fp16, which would give wrong matches, is rejected instead of converted."""
    _, plan = _build(tmp_path, network(10.0, gram=onnx.TensorProto.FLOAT16))
    assert plan == b""
