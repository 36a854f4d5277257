"""The int8 form of networks: made by NNCF, run by OpenVINO, refused where it does not belong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gi_plugin.bench.sample import smooth_window
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.engines import open_engine
from gi_plugin.engines.cpu.int8_file import int8_path
from gi_plugin.engines.cpu.openvino_engine import OpenVinoEngine
from gi_plugin.errors import EngineMissing, GiError, ModelError
from gi_plugin.network_file import network_path
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.onnx_export.export import export_network
from tests.gi_plugin.command import process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth noise, as pictures of 300 x 280."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (28, 30, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((300, 280), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, every parameter moved."""
    torch.manual_seed(1)
    made = InpaintingNetwork(NetworkSettings(width=8))
    for parameter in made.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    export_network(made, path, {})
    return path


@pytest.fixture(scope="module")
def quantized(network: Path, pictures: Path) -> Path:
    """By the command: NNCF changes the logging of the process it runs in."""
    done = process("quantize", str(network), "--data", str(pictures), "--pictures", "4", "--largest-drop", "1")
    assert f"wrote {int8_path(network)}; PSNR in the hole " in " ".join(done.stderr.split()), done.stderr
    return network


def _settings(folder: Path, precision: str = "int8") -> EngineSettings:
    return EngineSettings(backend="openvino", precision=precision, cache=str(folder))


def test_a_quantised_network_is_near_the_full_one(quantized: Path, tmp_path: Path) -> None:
    """Of a network of the user's own: known pixels are exact, the hole is close, and not just the same engine."""
    image, mask = smooth_window(128)
    full, _ = OpenVinoEngine(quantized, 128, _settings(tmp_path, "fp32"))(image, mask)
    completed, matches = OpenVinoEngine(quantized, 128, _settings(tmp_path))(image, mask)
    np.testing.assert_array_equal(completed * (1 - mask), image * (1 - mask))
    assert 0 < np.abs(completed - full).mean() < 0.02
    assert matches.shape == (1, 256)


@pytest.mark.parametrize("window", [72, 256])
def test_the_packaged_network_has_an_int8_form(tmp_path: Path, window: int) -> None:
    """It is there, belongs to the network, is smaller than it, and its fill is close to that in fp32."""
    path = network_path("")
    assert int8_path(path).with_suffix(".bin").stat().st_size < path.stat().st_size
    image, mask = smooth_window(window)
    full, _ = OpenVinoEngine(path, window, _settings(tmp_path, "fp32"))(image, mask)
    engine = open_engine(Config(engine=_settings(tmp_path)), window)
    assert engine.backend == "openvino int8"
    assert 0 < np.abs(engine(image, mask)[0] - full).mean() < 0.02


def test_a_second_start_takes_it_from_the_cache(quantized: Path, tmp_path: Path) -> None:
    """The compiled form is kept; one made from a changed int8 form is another."""
    first = OpenVinoEngine(quantized, 72, _settings(tmp_path))
    image, mask = smooth_window(72)
    np.testing.assert_array_equal(OpenVinoEngine(quantized, 72, _settings(tmp_path))(image, mask)[0], first(image, mask)[0])
    assert len(list((tmp_path / "engines").glob("*/engine.bin"))) == 1


def test_the_int8_form_of_another_network_is_refused(quantized: Path, tmp_path: Path) -> None:
    """After the network file changed, its int8 form must be made again; without one, the command is named."""
    shutil.copy(network_path(""), tmp_path / "network.onnx")
    with pytest.raises(EngineMissing, match=r"this network has no int8 form; make it with: gi-plugin quantize"):
        OpenVinoEngine(tmp_path / "network.onnx", 72, _settings(tmp_path))
    for path in (int8_path(quantized), int8_path(quantized).with_suffix(".bin")):
        shutil.copy(path, tmp_path)
    with pytest.raises(ModelError, match="was made from another network"):
        OpenVinoEngine(tmp_path / "network.onnx", 72, _settings(tmp_path))


def test_a_damaged_int8_form_is_refused(quantized: Path, tmp_path: Path) -> None:
    """A file that OpenVINO cannot read is named, and what to do."""
    shutil.copy(quantized, tmp_path)
    int8_path(tmp_path / "network.onnx").write_text("<net", encoding="utf-8")
    (tmp_path / "network.int8.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="not a readable int8 form"):
        OpenVinoEngine(tmp_path / "network.onnx", 72, _settings(tmp_path))


TOO_STRICT = """
import sys
from pathlib import Path
from gi_plugin.engines.quantization import quantize
from gi_plugin.errors import ModelError

try:
    quantize(Path(sys.argv[1]), Path(sys.argv[2]), 2, -100.0, lambda _: None)
except ModelError as error:
    print(error)
"""


def test_too_large_a_loss_writes_nothing(network: Path, pictures: Path, tmp_path: Path) -> None:
    """Where the allowed drop cannot be kept there is an error and no file."""
    shutil.copy(network, tmp_path)
    command = [sys.executable, "-c", TOO_STRICT, str(tmp_path / "network.onnx"), str(pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "nothing was written" in done.stdout
    assert not int8_path(tmp_path / "network.onnx").exists()


@pytest.mark.parametrize("backend", ["torch", "tensorrt-rtx"])
def test_other_backends_say_that_int8_is_not_theirs(backend: str, tmp_path: Path) -> None:
    """The setting is for openvino; the message says what to set."""
    config = Config(model=ModelSettings(), engine=EngineSettings(backend=backend, precision="int8", cache=str(tmp_path)))
    with pytest.raises(GiError, match=r"int8|CUDA|GPU|PyCUDA|pycuda"):
        open_engine(config, 256)
