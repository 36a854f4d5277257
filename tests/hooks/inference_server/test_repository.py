"""The model repository for Triton: its configurations, its network and its Python model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

import gi_plugin
from gi_plugin.arrays import Bytes
from gi_plugin.config import Config, EngineSettings
from gi_plugin.errors import ConfigError, MaskWarning
from gi_plugin.hooks.inference_server import model_config
from gi_plugin.hooks.inference_server.repository import Plan, export
from gi_plugin.network_file import network_path
from gi_plugin.openvino_core import CORE
from tests.hooks.inference_server.triton_stand_in import Parameters, Server, TritonError, listen, read_config
from tests.hooks.pictures import picture

NETWORK = network_path("")
REGION = np.repeat(np.arange(80)[None] < 40, 64, axis=0).astype(np.uint8)  # the left half of a test picture
CHOICES: dict[str, dict[str, Any]] = {
    "detail": {"detail": "network"},
    "seed": {"seed": 1},
    "sources": {"sources": REGION},
    "all": {"detail": "transfer", "seed": 2, "sources": REGION},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as `export` writes it by default."""
    folder = tmp_path_factory.mktemp("repository")
    assert export(folder, NETWORK) == ["gi_network", "gi_inpaint"]
    return folder


@pytest.fixture(scope="module")
def loaded_server(repository: Path) -> Iterator[Server]:
    """The exported repository, loaded once for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "triton_python_backend_utils", None)  # type: ignore[arg-type]  # restored afterwards
        yield Server(repository)


@pytest.fixture
def server(loaded_server: Server) -> Server:
    """The loaded repository with an empty list of calls."""
    loaded_server.calls.clear()
    return loaded_server


@pytest.fixture(scope="module")
def fp32_inpainter() -> gi_plugin.Inpainter:
    """An inpainter whose arithmetic is that of the served network."""
    return gi_plugin.Inpainter(Config(engine=EngineSettings(precision="fp32")))


def test_the_repository_is_laid_out_as_the_server_reads_it(repository: Path) -> None:
    """Each model has a folder of its name with config.pbtxt, and in version folder 1 the file that the configuration names."""
    files = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    assert files == {
        "gi_network/config.pbtxt",
        "gi_network/1/model.onnx",
        "gi_inpaint/config.pbtxt",
        "gi_inpaint/1/model.py",
    }
    for path in repository.glob("*/config.pbtxt"):
        config = read_config(path)
        assert config.name == path.parent.name
        assert (path.parent / "1" / config.default_model_filename).is_file()


def test_the_network_collects_windows_of_several_requests(repository: Path) -> None:
    """Dynamic batching up to the chosen batch is on, and no device is fixed."""
    config = read_config(repository / "gi_network" / "config.pbtxt")
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 4)
    assert config.HasField("dynamic_batching")
    assert len(config.instance_group) == 0  # the server then uses every GPU, or the CPU if it has none


@pytest.mark.parametrize(("backend", "batch", "planners"), [("onnxruntime", 4, 5), ("onnxruntime", 1, 2), ("openvino", 4, 2)])
def test_enough_processes_plan_windows(tmp_path: Path, backend: str, batch: int, planners: int) -> None:
    """There is one process more than a batch has windows, so that the others collect a batch while one waits; all run on the CPU."""
    export(tmp_path, NETWORK, backend, batch)
    (group,) = read_config(tmp_path / "gi_inpaint" / "config.pbtxt").instance_group
    assert (group.count, group.kind) == (planners, model_config_pb2.ModelInstanceGroup.KIND_CPU)


def test_every_value_survives_the_text_format() -> None:
    """The server's schema parses quotes, lists, empty and repeated messages to the values that were written."""
    written = {
        "name": 'a "quoted" name\n',
        "max_batch_size": 7,
        "input": [{"name": "x", "data_type": model_config.EnumValue("TYPE_FP16"), "dims": [-1, 2]}, {"name": "y", "dims": [3]}],
        "dynamic_batching": {"preferred_batch_size": [4, 8]},
        "parameters": [{"key": "k", "value": {"string_value": '{"a": 1}'}}],
    }
    config = text_format.Parse(model_config.as_text(written), model_config_pb2.ModelConfig())
    expected = model_config_pb2.ModelConfig(name='a "quoted" name\n', max_batch_size=7)
    expected.input.add(name="x", data_type=model_config_pb2.TYPE_FP16, dims=[-1, 2])
    expected.input.add(name="y", dims=[3])
    expected.dynamic_batching.preferred_batch_size.extend([4, 8])
    expected.parameters["k"].string_value = '{"a": 1}'
    assert config == expected


def test_openvino_reads_the_network_with_the_configured_shapes(tmp_path: Path) -> None:
    """The configured shapes equal those that OpenVINO infers, as its backend requires; it runs on the CPU without batching."""
    export(tmp_path, NETWORK, "openvino")
    config = read_config(tmp_path / "gi_network" / "config.pbtxt")
    model = CORE.read_model(tmp_path / "gi_network" / "1" / "model.onnx")
    for tensors, ports in ((config.input, model.inputs), (config.output, model.outputs)):
        shapes = {port.any_name: [-1 if length.is_dynamic else length.get_length() for length in port.partial_shape] for port in ports}
        assert {tensor.name: list(tensor.dims) for tensor in tensors} == shapes
    assert (config.max_batch_size, config.HasField("dynamic_batching")) == (0, False)
    assert [group.kind for group in config.instance_group] == [model_config_pb2.ModelInstanceGroup.KIND_CPU]


def test_the_network_is_plain_onnx_that_older_servers_read(repository: Path) -> None:
    """The file has no local functions, uses opset 18, and has an IR version of ONNX 1.16 or older."""
    model = onnx.load(repository / "gi_network" / "1" / "model.onnx")
    assert (len(model.functions), {node.domain for node in model.graph.node}) == (0, {""})
    assert {entry.version for entry in model.opset_import if entry.domain == ""} == {18}
    assert model.ir_version <= 10


@pytest.mark.parametrize("seed", range(3))
def test_the_served_model_fills_like_gi_plugin(server: Server, fp32_inpainter: gi_plugin.Inpainter, seed: int) -> None:
    """The served result equals that of an fp32 `Inpainter` within one step of 255; known pixels are equal."""
    image, mask = picture(seed)
    filled = server.infer("gi_inpaint", {"image": image, "mask": mask * np.uint8(255)})["filled"]
    np.testing.assert_allclose(filled.astype(int), fp32_inpainter(image, mask).astype(int), atol=1)
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    assert server.calls == ["gi_inpaint", "gi_network"]


@pytest.mark.parametrize("shape", [(64, 80, 1), (70, 61, 3), (64, 80, 4), (1, 9, 3), (300, 700, 3)])
def test_pictures_of_any_size_are_taken(server: Server, shape: tuple[int, ...]) -> None:
    """Grey, colour and alpha, odd sizes, a single row and holes of several sizes are filled; known pixels stay unchanged."""
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    mask = np.zeros(shape[:2], np.uint8)
    mask[: shape[0] // 2, : shape[1] // 4] = 255
    mask[-2:, -3:] = 255
    filled = server.infer("gi_inpaint", {"image": image, "mask": mask})["filled"]
    assert filled.shape == shape
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])


@pytest.mark.usefixtures("server")  # it restores sys.modules afterwards
def test_more_holes_than_a_batch_take_several_requests(tmp_path: Path) -> None:
    """Three separate holes exceed a batch of two, so that the network gets two requests."""
    export(tmp_path, NETWORK, batch=2)
    server = Server(tmp_path)
    image, mask = np.full((40, 900, 3), 90, np.uint8), np.zeros((40, 900), np.uint8)
    for left in range(40, 900, 290):
        mask[14:26, left : left + 12] = 255  # too thick for the network of thin holes
    filled = server.infer("gi_inpaint", {"image": np.where(mask[..., None], np.uint8(255), image), "mask": mask})["filled"]
    assert server.calls == ["gi_inpaint", "gi_network", "gi_network"]
    np.testing.assert_allclose(filled, image, atol=6)


def test_an_empty_mask_needs_no_network(server: Server) -> None:
    """The picture comes back unchanged, and the network is not called."""
    image, mask = picture()
    with pytest.warns(MaskWarning, match="marks nothing"):
        filled = server.infer("gi_inpaint", {"image": image, "mask": np.zeros(mask.shape, np.uint8)})["filled"]
    np.testing.assert_array_equal(filled, image)
    assert server.calls == ["gi_inpaint"]


def test_a_wrong_request_gets_an_error_with_the_reason(server: Server) -> None:
    """The error names the shapes and has the code INVALID_ARGUMENT; the next request succeeds."""
    image, mask = picture()
    with pytest.raises(TritonError, match=r"mask has shape \(64, 79\)") as caught:
        server.infer("gi_inpaint", {"image": image, "mask": mask[:, 1:].astype(np.uint8)})
    assert caught.value.code == TritonError.INVALID_ARG
    server.infer("gi_inpaint", {"image": image, "mask": mask.astype(np.uint8)})


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_a_request_may_choose_detail_seed_and_sources(server: Server, fp32_inpainter: gi_plugin.Inpainter, choices: dict[str, Any]) -> None:
    """The result equals that of an fp32 `Inpainter` with the same options within one step of 255, and differs from the default."""
    (image, mask), parameters = picture(), {name: value for name, value in choices.items() if name != "sources"}
    inputs = {"image": image, "mask": mask.astype(np.uint8), **({"sources": REGION} if "sources" in choices else {})}
    filled = server.infer("gi_inpaint", inputs, parameters)["filled"]
    np.testing.assert_allclose(filled.astype(int), fp32_inpainter(image, mask, **choices).astype(int), atol=1)
    assert not np.array_equal(filled, server.infer("gi_inpaint", {"image": image, "mask": mask.astype(np.uint8)})["filled"])


def test_the_real_client_passes_parameters_and_sources(server: Server) -> None:
    """`parameters=` and the optional input of tritonclient reach the model by gRPC; a parameter that is not ours is ignored."""
    image, mask = picture()
    arrays, parameters = {"image": image, "mask": mask.astype(np.uint8), "sources": REGION}, {"detail": "transfer", "seed": 3}
    inputs = [triton.InferInput(name, list(values.shape), "UINT8") for name, values in arrays.items()]
    for tensor, values in zip(inputs, arrays.values(), strict=True):
        tensor.set_data_from_numpy(values)
    listener, address = listen(server)
    with triton.InferenceServerClient(address) as client:
        filled = client.infer("gi_inpaint", inputs, parameters={**parameters, "x-request-id": "7"}).as_numpy("filled")
        with pytest.raises(InferenceServerException, match="option seed = -1: expected a whole number") as caught:
            client.infer("gi_inpaint", inputs, parameters={"seed": -1})
    listener.stop(None).wait()
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    np.testing.assert_array_equal(filled, server.infer("gi_inpaint", arrays, parameters)["filled"])


@pytest.mark.parametrize(
    ("parameters", "sources", "text"),
    [
        ({"detail": "paint"}, REGION, "option detail = 'paint': expected 'transfer' or 'network'"),
        ({"seed": "1"}, REGION, "option seed = '1': expected a whole number"),
        ({"seed": 0.5}, REGION, "option seed = 0.5: expected a whole number"),
        ({"seed": 2**31}, REGION, "option seed = 2147483648: expected a whole number from 0 to"),
        ({}, REGION[:, 1:], r"sources: mask has shape \(64, 79\)"),
    ],
)
def test_a_wrong_option_is_an_error_of_the_request(server: Server, parameters: Parameters, sources: Bytes, text: str) -> None:
    """The error names the option, its value and what it takes, and has the code INVALID_ARGUMENT."""
    image, mask = picture()
    inputs = {"image": image, "mask": mask.astype(np.uint8), "sources": np.ascontiguousarray(sources)}
    with pytest.raises(TritonError, match=text) as caught:
        server.infer("gi_inpaint", inputs, parameters)
    assert caught.value.code == TritonError.INVALID_ARG


def test_an_error_of_the_network_is_passed_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gets the name of the failed model and the reason, with the code INTERNAL."""

    def fail(_inputs: object, _parameters: object) -> None:
        raise TritonError("out of memory")

    monkeypatch.setitem(server._models, "gi_network", fail)  # noqa: SLF001  # the stand-in is ours
    image, mask = picture()
    with pytest.raises(TritonError, match=r"gi_network failed on 1 windows of 128 px: out of memory") as caught:
        server.infer("gi_inpaint", {"image": image, "mask": mask.astype(np.uint8)})
    assert caught.value.code == TritonError.INTERNAL


def test_export_errors_come_before_anything_is_written(tmp_path: Path) -> None:
    """An unknown backend, two plans of one window size, an unused window size and an existing model are errors; no file is written."""
    with pytest.raises(ConfigError, match="backend 'torch': expected one of onnxruntime, openvino"):
        export(tmp_path, NETWORK, "torch")
    for windows in ([256, 256], [384]):
        with pytest.raises(ConfigError, match=f"{', '.join(map(str, windows))} px: expected at most one each for 128, 256, 512 px"):
            export(tmp_path, NETWORK, plans=[Plan(b"", window, 1) for window in windows])
    (tmp_path / "gi_inpaint").mkdir()
    with pytest.raises(ConfigError, match="gi_inpaint exists"):
        export(tmp_path, NETWORK)
    assert [path.name for path in tmp_path.iterdir()] == ["gi_inpaint"]


def test_the_command_writes_a_repository(tmp_path: Path) -> None:
    """`gi-plugin export-triton` writes the same files as the function; a second run is an error."""
    command = [sys.executable, "-m", "gi_plugin", "export-triton", str(tmp_path / "models"), "--backend", "openvino"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")
    assert "wrote gi_network, gi_inpaint to" in done.stderr
    export(tmp_path / "same", NETWORK, "openvino")
    files = [path.relative_to(tmp_path / "same") for path in (tmp_path / "same").rglob("*") if path.is_file()]
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "models" / file).read_bytes() == (tmp_path / "same" / file).read_bytes()
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (again.returncode, "exists: remove it" in again.stderr) == (2, True)
