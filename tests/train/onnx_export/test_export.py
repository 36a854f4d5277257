"""Tests of the network file: export, execution and reading it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from gi_plugin import network_file
from gi_plugin.errors import ModelError
from gi_plugin.train.checkpoint import blend, load_network, read_network, save_network, write_tensors
from gi_plugin.train.model.attention import attention_weights
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.onnx_export import export, tracing
from gi_plugin.train.onnx_export.attention_function import ContextualAttentionWeights, DiagonalBoxSum, WeightsOfScores

SETTINGS = NetworkSettings(width=8)
NOTES = {"licence": "Apache-2.0", "training": "none"}


def _network(settings: NetworkSettings = SETTINGS) -> InpaintingNetwork:
    torch.manual_seed(1)
    network = InpaintingNetwork(settings)
    for parameter in network.parameters():
        parameter.data += 0.03 * torch.randn_like(parameter)
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "network.onnx"
    assert export.export_network(_network(), path, NOTES) <= tracing.TOLERANCE
    return path


def test_parameters_come_back_exact_to_fp16(exported: Path) -> None:
    """Loading the file gives every parameter, by name, rounded to fp16 and nothing else."""
    expected = {name: value.half().float() for name, value in _network().state_dict().items()}
    loaded = load_network(exported)
    assert loaded.settings == SETTINGS
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())


def test_the_file_holds_one_attention_node_and_its_definition(exported: Path) -> None:
    """The graph has one attention node, and the file contains its body for backends that have no own implementation."""
    model = network_file.load(exported)
    nodes = [node for node in model.graph.node if node.domain == network_file.DOMAIN]
    assert [node.op_type for node in nodes] == [network_file.ATTENTION]
    assert network_file.ATTENTION in {function.name for function in model.functions}
    assert not [node for node in network_file.expanded(model).graph.node if node.domain]


def test_the_file_does_not_name_the_exporters_machine(exported: Path) -> None:
    """Neither a new file nor the packaged one contains stack traces or paths of source files."""
    for path in (exported, network_file.network_path("")):
        content = path.read_bytes()
        assert b"stack_trace" not in content
        assert b".py" not in content


def test_metadata_and_dynamic_sizes(exported: Path) -> None:
    """The file contains the notes as metadata; batch, height and width are dynamic."""
    model = network_file.load(exported)
    assert NOTES.items() <= network_file.metadata(model).items()
    shape = [dimension.dim_param or dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["n", 3, "h", "w"]


def _gram(height: int, width: int, kind: str) -> tuple[Tensor, Tensor]:
    features = torch.randn(2, 6, height * width, generator=torch.Generator().manual_seed(2)).relu()
    mask = torch.full((2, 1, height, width), float(kind == "all"))
    if kind == "box":
        mask[0, :, 1:3, 2:4] = 1
    return features.transpose(1, 2) @ features, mask


@pytest.mark.parametrize("kind", ["none", "box", "all"])
@pytest.mark.parametrize(("height", "width"), [(5, 5), (6, 9), (7, 4)])
def test_onnx_function_equals_pytorch(kind: str, height: int, width: int) -> None:
    """The ONNX reference evaluator gives for the function body the weights and matches of `attention_weights`."""
    gram, mask = _gram(height, width, kind)
    parts = [function.to_function_proto() for function in (DiagonalBoxSum, WeightsOfScores)]
    evaluator = ReferenceEvaluator(ContextualAttentionWeights.to_function_proto(), functions=parts)
    results = evaluator.run(None, {"gram": gram.numpy(), "mask": mask.numpy()}, attributes={"scale": 10.0})
    expected = attention_weights(gram, mask)
    np.testing.assert_allclose(results[0], expected[0], atol=1e-5)
    np.testing.assert_array_equal(results[1], expected[1])


def test_parameters_of_equal_value_are_kept_apart(tmp_path: Path) -> None:
    """An untrained network, whose biases are all zero, is exported with all of its parameters."""
    untrained = InpaintingNetwork(SETTINGS)
    export.export_network(untrained, tmp_path / "network.onnx", NOTES)
    assert load_network(tmp_path / "network.onnx").state_dict().keys() == untrained.state_dict().keys()


def test_a_file_that_differs_from_pytorch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference above the tolerance raises ModelError, and no file is written."""
    monkeypatch.setattr(tracing, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="differs from PyTorch"):
        export.export_network(_network(), tmp_path / "network.onnx", NOTES)
    assert not list(tmp_path.iterdir())


def test_a_baseline_without_attention_is_not_exported(tmp_path: Path) -> None:
    """A network without attention raises ModelError that names the reason."""
    with pytest.raises(ModelError, match="without attention"):
        export.export_network(_network(replace(SETTINGS, attention=False)), tmp_path / "network.onnx", NOTES)


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    """Network, settings and notes of a checkpoint are read back exactly."""
    network = _network()
    save_network(network, tmp_path / "run.safetensors", NOTES)
    loaded, notes = read_network(tmp_path / "run.safetensors")
    assert notes == NOTES
    assert loaded.settings == SETTINGS
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_blended_parameters_lie_between(share: float) -> None:
    """Every parameter is the weighted mean of both; networks with different settings raise ModelError."""
    networks = [InpaintingNetwork(NetworkSettings(width=8)) for _ in range(3)]
    networks[2].load_state_dict(networks[0].state_dict())
    blend(networks[2], networks[1], share)
    for result, own, other in zip(*(network.parameters() for network in (networks[2], *networks[:2])), strict=True):
        assert torch.allclose(result, (1 - share) * own + share * other, atol=1e-6)
    with pytest.raises(ModelError, match="cannot blend"):
        blend(networks[0], InpaintingNetwork(NetworkSettings(width=16)), share)


def test_a_network_file_serves_as_checkpoint(exported: Path) -> None:
    """A network file can be read like a checkpoint, with its notes."""
    network, notes = read_network(exported)
    assert network.settings == SETTINGS
    assert notes == NOTES


@pytest.mark.parametrize(
    ("content", "suffix", "text"),
    [
        (None, ".safetensors", "no such checkpoint"),
        (b"not tensors", ".safetensors", "not a readable checkpoint"),
        (b"not a model", ".onnx", "not a readable ONNX model"),
    ],
)
def test_unreadable_checkpoints_are_errors(tmp_path: Path, content: bytes | None, suffix: str, text: str) -> None:
    """A missing file and a file of another kind raise ModelError with the path."""
    path = tmp_path / f"run{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=text) as caught:
        read_network(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        ({}, "contains no settings of the large network"),
        ({network_file.SETTINGS_KEY: '{"channels": 8, "dilations": [1]}'}, "contains no settings of the large network"),
        ({network_file.SETTINGS_KEY: '{"width": 8}'}, "the parameters do not fit"),
    ],
)
def test_checkpoints_of_other_networks_are_errors(tmp_path: Path, texts: dict[str, str], text: str) -> None:
    """A file of other tensors, of the tiny network, or of too few parameters raises ModelError of one line."""
    write_tensors({"other": torch.zeros(1)}, tmp_path / "run.safetensors", texts)
    with pytest.raises(ModelError, match=text) as caught:
        read_network(tmp_path / "run.safetensors")
    assert "\n" not in str(caught.value)


def test_a_foreign_onnx_model_is_refused(tmp_path: Path) -> None:
    """A valid ONNX model with another content has its own error message, different from that of a damaged file."""
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "other", [value], [other])
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), path)
    with pytest.raises(ModelError, match="not a gi-plugin network"):
        network_file.load(path)
