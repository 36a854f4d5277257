"""Precision written into the network: which tensors are low precision, which stay fp32, and the resulting error.

The error is measured with onnx's reference evaluator, which rounds every tensor to its type. OpenVINO and ONNX Runtime cannot be used for
this, because they compute fp16 networks on a CPU in fp32.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from skimage import data

from gi_plugin import network_file
from gi_plugin.engines.trt.precision import typed
from gi_plugin.openvino_core import CORE

Array = npt.NDArray[Any]
LOW = ("fp16", "bf16")
KINDS = {"fp32": onnx.TensorProto.FLOAT, "fp16": onnx.TensorProto.FLOAT16, "bf16": onnx.TensorProto.BFLOAT16}
BASE_CONVOLUTIONS = 24  # in the smooth base, whose kernels are constants
EACH_KIND = pytest.mark.parametrize("precision", KINDS)
LOW_KINDS = pytest.mark.parametrize("precision", LOW)


class Conv(OpRun):
    """Convolution as on a GPU: sums in fp32, the result rounded to the type of the inputs."""

    def _run(self, x: Array, w: Array, b: Array | None = None, **options: Any) -> tuple[Array]:
        image, kernel, bias = (None if part is None else torch.from_numpy(part.astype(np.float32)) for part in (x, w, b))
        pads = options["pads"] or (0, 0, 0, 0)
        assert tuple(pads[:2]) == tuple(pads[2:])
        settings = {"stride": options["strides"] or 1, "dilation": options["dilations"] or 1, "groups": options["group"] or 1}
        assert image is not None
        assert kernel is not None
        return (torch.nn.functional.conv2d(image, kernel, bias, padding=tuple(pads[:2]), **settings).numpy().astype(x.dtype),)


class MatMul(OpRun):
    """Matrix product with sums in fp32."""

    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return ((a.astype(np.float32) @ b.astype(np.float32)).astype(a.dtype),)


class Elu(OpRun):
    """ELU activation; the evaluator's own does not support bf16."""

    def _run(self, x: Array, **_: Any) -> tuple[Array]:
        wide = x.astype(np.float32)
        return (np.where(wide > 0, wide, np.expm1(wide)).astype(x.dtype),)


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    return network_file.load(network_file.network_path(""))


@pytest.fixture(scope="module")
def networks(network: onnx.ModelProto) -> dict[str, onnx.ModelProto]:
    return {precision: typed(network, precision) for precision in KINDS}


def _window(side: int) -> dict[str, Array]:
    """Make a photo whose hole is a third of its side wide."""
    photo = data.astronaut()[100 : 100 + side, 100 : 100 + side].astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    mask = np.zeros((1, 1, side, side), np.float32)
    mask[..., side // 3 : -side // 3, side // 3 : -side // 3] = 1
    return {"image": photo, "mask": mask}


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element types of all tensors, by strict inference."""
    checked = onnx.ModelProto()
    checked.CopyFrom(model)
    for entry in (checked, *checked.functions):  # ONNX has bf16 convolutions since operator set 22; TensorRT accepts them in any set
        for version in entry.opset_import:
            version.version = max(version.version, 22) if not version.domain else version.version
    graph = onnx.shape_inference.infer_shapes(checked, check_type=True, strict_mode=True, data_prop=True).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    return {value.name: value.type.tensor_type.elem_type for value in values} | {entry.name: entry.data_type for entry in graph.initializer}


def _producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def _in_hole(difference: Array, window: dict[str, Array]) -> Array:
    """Return the differences in the hole, scaled from [-1, 1] to levels of 255."""
    return difference[np.broadcast_to(window["mask"], difference.shape) > 0] * 127.5


@EACH_KIND
def test_the_network_is_valid_and_every_tensor_has_a_type(networks: dict[str, onnx.ModelProto], precision: str) -> None:
    """The network passes ONNX's checker and strict type inference, and no operator has inputs of two float types."""
    onnx.checker.check_model(networks[precision])
    types = _types(networks[precision])
    assert {name for node in networks[precision].graph.node for name in node.output} <= types.keys()
    for node in networks[precision].graph.node:
        if node.op_type not in {"Cast", "Pad", "Resize"}:
            assert len({types[name] for name in (*node.input, *node.output) if name and types[name] in KINDS.values()}) <= 1, node.name


@EACH_KIND
def test_inputs_and_outputs_keep_their_types(network: onnx.ModelProto, networks: dict[str, onnx.ModelProto], precision: str) -> None:
    """Inputs and outputs stay fp32 for every precision."""
    assert list(networks[precision].graph.input) == list(network.graph.input)
    assert list(networks[precision].graph.output) == list(network.graph.output)


def test_the_network_given_is_not_changed(network: onnx.ModelProto) -> None:
    """`typed` leaves its input unchanged, so that it can be used for another precision."""
    before = network.SerializeToString(deterministic=True)
    for precision in KINDS:
        typed(network, precision)
    assert network.SerializeToString(deterministic=True) == before


def test_fp32_is_the_unchanged_network(network: onnx.ModelProto, networks: dict[str, onnx.ModelProto]) -> None:
    """For fp32 the network is returned unchanged."""
    assert networks["fp32"] == network


@LOW_KINDS
def test_trained_convolutions_are_low_and_the_base_is_not(networks: dict[str, onnx.ModelProto], precision: str) -> None:
    """Convolutions with trained kernels are low precision; those of the smooth base, which process colours, stay fp32."""
    model, types = networks[precision], _types(networks[precision])
    producers, trained = _producers(model), set(network_file.parameters(model))
    kinds: Counter[tuple[bool, int]] = Counter()
    for node in model.graph.node:
        if node.op_type == "Conv":
            producer = producers.get(node.input[1])
            kinds[producer is not None and producer.op_type == "Cast" and producer.input[0] in trained, types[node.output[0]]] += 1
    assert kinds == {(True, KINDS[precision]): len([name for name in trained if name.endswith("weight")]), (False, 1): BASE_CONVOLUTIONS}


@LOW_KINDS
def test_inputs_and_outputs_of_the_attention_are_fp32(networks: dict[str, onnx.ModelProto], precision: str) -> None:
    """Products of cells, mask and weights of the attention are fp32; the pasting after it is low precision."""
    model, types = networks[precision], _types(networks[precision])
    producers = _producers(model)
    (attention,) = (node for node in model.graph.node if node.op_type == network_file.ATTENTION)
    assert [types[name] for name in (*attention.input, *attention.output)] == [1, 1, 1, onnx.TensorProto.INT64]
    gram = producers[attention.input[0]]
    assert gram.op_type == "MatMul"
    assert {types[name] for name in (*gram.input, *gram.output)} == {1}
    pasting = [node for node in model.graph.node if node.op_type == "MatMul" and node is not gram]
    assert [types[node.output[0]] for node in pasting] == [KINDS[precision]] * 4
    assert "matches" in attention.output


@LOW_KINDS
def test_colours_are_fp32(networks: dict[str, onnx.ModelProto], precision: str) -> None:
    """Clipped results and the composed picture are fp32."""
    model, types = networks[precision], _types(networks[precision])
    clips = [node for node in model.graph.node if node.op_type == "Clip"]
    assert clips
    assert {types[name] for node in clips for name in node.output} == {1}
    composed = _producers(model)["completed"]
    assert {types[name] for name in composed.input if types[name] != onnx.TensorProto.BOOL} == {1}


@LOW_KINDS
def test_nothing_is_cast_twice_or_for_nothing(networks: dict[str, onnx.ModelProto], precision: str) -> None:
    """A tensor is cast to a type at most once, never to its own type, and every cast is used."""
    model, types = networks[precision], _types(networks[precision])
    casts = [node for node in model.graph.node if node.op_type == "Cast" and types[node.input[0]] in KINDS.values()]
    pairs = [(node.input[0], node.attribute[0].i) for node in casts]
    assert max(Counter(pairs).values()) == 1
    parameters = network_file.parameters(model)
    assert [name for name, kind in pairs if types[name] == kind and name not in parameters] == []
    read = {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
    assert [node.output[0] for node in casts if node.output[0] not in read] == []


def test_rounding_errors_are_less_than_a_level(networks: dict[str, onnx.ModelProto]) -> None:
    """In the hole, fp16 changes the picture by less than 0.03 of 255 on average and 0.2 at most, bf16 by less than 8 times as much.

    Measured with the packaged network: fp16 0.004 and 0.022, bf16 0.027 and 0.117. bf16 has 3 bits less.
    """
    window = _window(72)
    pictures: dict[str, Any] = {}
    for precision, model in networks.items():
        evaluator = ReferenceEvaluator(network_file.expanded(model), new_ops=[Conv, MatMul, Elu])
        pictures[precision], matches = cast("list[Array]", evaluator.run(None, window))
        assert matches.shape == (1, 81)
    for precision, mean, largest in (("fp16", 0.03, 0.2), ("bf16", 0.24, 1.6)):
        difference = _in_hole(np.abs(pictures[precision] - pictures["fp32"]), window)
        assert 0 < difference.mean() < mean  # 0 would mean that nothing was rounded
        assert difference.max() < largest
        np.testing.assert_array_equal(pictures[precision] * (1 - window["mask"]), window["image"] * (1 - window["mask"]))


def test_another_runtime_accepts_the_network(networks: dict[str, onnx.ModelProto]) -> None:
    """OpenVINO runs the same networks. It computes fp16 in fp32, so the picture is the same; bf16 differs by its rounding errors.

    Measured: fp16 0 and bf16 0.57 of 255 on average.
    """
    window, core = _window(128), CORE
    pictures = {}
    for precision, model in networks.items():
        read = core.read_model(network_file.expanded(model).SerializeToString())
        read.reshape({name: list(array.shape) for name, array in window.items()})
        pictures[precision] = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(window)["completed"]
    assert _in_hole(np.abs(pictures["fp16"] - pictures["fp32"]), window).mean() < 0.01
    assert _in_hole(np.abs(pictures["bf16"] - pictures["fp32"]), window).mean() < 1.5
