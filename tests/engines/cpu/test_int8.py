"""The int8 version of a network: made by NNCF, run by OpenVINO, rejected if it belongs to another network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from gi_plugin.bench.sample import smooth_window
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.engines import open_engine, selection
from gi_plugin.engines.cpu.int8_file import GUIDE_DROP, LARGEST_DROP, int8_path, is_usable, load
from gi_plugin.engines.cpu.openvino_engine import OpenVinoEngine
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import engine as tensorrt_engine
from gi_plugin.engines.trt.package import TensorRtPackage
from gi_plugin.errors import EngineMissing, ModelError
from gi_plugin.network_file import fingerprint, network_path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of smooth noise, 300 x 280."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (28, 30, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((300, 280), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


QUANTIZE = """
import sys
from pathlib import Path
from gi_plugin.cli import main
from gi_plugin.engines.cpu.int8_file import int8_path
from gi_plugin.engines.cpu.quantization import quantize
from gi_plugin.errors import ModelError

network, pictures = sys.argv[1:]
try:
    quantize(Path(network), Path(pictures), 2, -100.0, lambda _: None)
except ModelError as error:
    print("refused:", error)
print("written:", int8_path(Path(network)).exists())
sys.argv[1:] = ["quantize", network, "--data", pictures, "--pictures", "4", "--largest-drop", "1"]
main()
"""


class Quantized(NamedTuple):
    """A quantised network, and the output of the process that made it."""

    network: Path
    output: list[str]
    messages: str


@pytest.fixture(scope="module")
def quantization(small_network_file: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    """Quantise a network: first with a limit that cannot be met, then by the command. NNCF changes the logging of its process."""
    network = Path(shutil.copy(small_network_file, tmp_path_factory.mktemp("network")))
    command = [sys.executable, "-c", QUANTIZE, str(network), str(pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return Quantized(network, done.stdout.splitlines(), " ".join(done.stderr.split()))


@pytest.fixture(scope="module")
def quantized(quantization: Quantized) -> Path:
    """The network file; its int8 version lies beside it."""
    return quantization.network


def _settings(folder: Path, precision: str = "int8") -> EngineSettings:
    return EngineSettings(backend="openvino", precision=precision, cache=str(folder))


def test_the_command_writes_the_int8_version(quantization: Quantized) -> None:
    """`gi-plugin quantize` names the file that it wrote and the PSNR."""
    assert f"wrote {int8_path(quantization.network)}; PSNR in the hole " in quantization.messages
    assert int8_path(quantization.network).is_file()


def test_the_int8_version_stores_its_loss_as_guide(quantization: Quantized) -> None:
    """The file has the drop that the command prints: of the PSNR of fills by the transfer that the network guides."""
    (printed,) = re.findall(r"of fills that it guides: (-?[\d.]+) dB lower", quantization.messages)
    stored = float(load(quantization.network).get_rt_info(GUIDE_DROP).value)
    assert abs(stored - float(printed)) <= 0.0051
    assert is_usable(quantization.network, fingerprint(quantization.network)) == (stored <= LARGEST_DROP)


def test_too_large_a_loss_writes_nothing(quantization: Quantized) -> None:
    """If the accepted drop cannot be met, there is an error and no file."""
    (refused,) = [line for line in quantization.output if line.startswith("refused: ")]
    assert refused.endswith("nothing was written")
    assert "written: False" in quantization.output


def test_a_quantised_network_is_near_the_full_one(quantized: Path, tmp_path: Path) -> None:
    """With a user's own network, known pixels are exact, and the hole is close to that of fp32 but not equal."""
    image, mask = smooth_window(128)
    full, _ = OpenVinoEngine(quantized, 128, _settings(tmp_path, "fp32"))(image, mask)
    completed, matches = OpenVinoEngine(quantized, 128, _settings(tmp_path))(image, mask)
    np.testing.assert_array_equal(completed * (1 - mask), image * (1 - mask))
    assert 0 < np.abs(completed - full).mean() < 0.02
    assert matches.shape == (1, 256)


@pytest.mark.parametrize("window", [72, 256])
def test_the_packaged_network_has_an_int8_version(tmp_path: Path, window: int) -> None:
    """The packaged int8 version belongs to the packaged network, is smaller, and fills a hole almost like fp32."""
    path = network_path("")
    assert int8_path(path).with_suffix(".bin").stat().st_size < path.stat().st_size
    image, mask = smooth_window(window)
    full, _ = OpenVinoEngine(path, window, _settings(tmp_path, "fp32"))(image, mask)
    engine = open_engine(Config(engine=_settings(tmp_path)), window)
    assert engine.backend == "openvino int8"
    assert 0 < np.abs(engine(image, mask)[0] - full).mean() < 0.02


def test_a_second_start_loads_it_from_the_cache(quantized: Path, tmp_path: Path) -> None:
    """The compiled engine is stored once, and loading it gives the same picture."""
    first = OpenVinoEngine(quantized, 72, _settings(tmp_path))
    image, mask = smooth_window(72)
    np.testing.assert_array_equal(OpenVinoEngine(quantized, 72, _settings(tmp_path))(image, mask)[0], first(image, mask)[0])
    assert len(list((tmp_path / "engines").glob("*/engine.bin"))) == 1


def test_the_int8_version_of_another_network_is_refused(quantized: Path, tmp_path: Path) -> None:
    """Without an int8 version the message has the command that makes it; a version made from another network is rejected."""
    shutil.copy(network_path(""), tmp_path / "network.onnx")
    with pytest.raises(EngineMissing, match=r"this network has no int8 version; make one with: gi-plugin quantize"):
        OpenVinoEngine(tmp_path / "network.onnx", 72, _settings(tmp_path))
    for path in (int8_path(quantized), int8_path(quantized).with_suffix(".bin")):
        shutil.copy(path, tmp_path)
    with pytest.raises(ModelError, match="was made from another network"):
        OpenVinoEngine(tmp_path / "network.onnx", 72, _settings(tmp_path))


def test_a_damaged_int8_version_is_refused(quantized: Path, tmp_path: Path) -> None:
    """For a file that OpenVINO cannot read, the message names the file and the command that makes it again."""
    shutil.copy(quantized, tmp_path)
    int8_path(tmp_path / "network.onnx").write_text("<net", encoding="utf-8")
    (tmp_path / "network.int8.bin").write_bytes(b"")
    with pytest.raises(
        ModelError, match=r"network.int8.xml: OpenVINO cannot read this int8 version .* make it again with: gi-plugin quantize"
    ):
        OpenVinoEngine(tmp_path / "network.onnx", 72, _settings(tmp_path))


@pytest.mark.parametrize(
    ("backend", "text"),
    [
        ("torch", "torch does not run in int8; set [engine] precision = 'auto'"),
        ("tensorrt", "tensorrt engines are built in fp32, fp16 or bf16; int8 is for openvino: set [engine] precision"),
        ("tensorrt-rtx", "tensorrt-rtx engines are built in fp32, fp16 or bf16; int8 is for openvino: set [engine] precision"),
    ],
)
def test_other_backends_reject_int8(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str, text: str) -> None:
    """Only openvino supports int8. The other backends say so, also on a machine where they can be used otherwise."""
    gpu = Gpu("Stand-in", "sm_89", "13.0")
    for module in (selection, tensorrt_engine):
        monkeypatch.setattr(module, "find_gpu", lambda _: gpu)
    for check in ("missing", "status"):
        monkeypatch.setattr(TensorRtPackage, check, lambda _: "")
    monkeypatch.setattr(TensorRtPackage, "load", lambda _: None)
    config = Config(model=ModelSettings(), engine=EngineSettings(backend=backend, precision="int8", cache=str(tmp_path)))
    with pytest.raises(EngineMissing) as caught:
        open_engine(config, 256)
    assert str(caught.value) == f"no engine can be used: {backend}: {text}"
