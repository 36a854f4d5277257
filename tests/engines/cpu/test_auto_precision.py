"""The precision that "auto" chooses in OpenVINO: bf16 where the CPU has it, else int8 if that version is good enough, else fp32."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gi_plugin.config import EngineSettings
from gi_plugin.engines.cpu import compiled
from gi_plugin.engines.cpu.compiled import usable_precision
from gi_plugin.engines.cpu.int8_file import LARGEST_DROP, int8_path, is_usable, load
from gi_plugin.engines.cpu.openvino_engine import OpenVinoEngine
from gi_plugin.network_file import fingerprint, network_path

NOTE = '<guide_drop value="{}" />'


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Copy the packaged network and its int8 version."""
    for file in (network_path(""), int8_path(network_path("")), int8_path(network_path("")).with_suffix(".bin")):
        shutil.copy(file, tmp_path)
    return tmp_path / network_path("").name


def _note(network: Path, text: str) -> None:
    """Replace the measured drop in an int8 version."""
    graph = int8_path(network)
    content, count = re.subn(r'<guide_drop value="[^"]*" ?/>', text, graph.read_text(encoding="utf-8"))
    assert count == 1
    graph.write_text(content, encoding="utf-8")


def test_the_packaged_network_runs_in_int8_without_bf16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults open the packaged network in bf16, or in int8 if the CPU has no bf16; a precision in the settings is obeyed."""
    settings = EngineSettings(cache=str(tmp_path))
    expected = {"fp32": "int8"}.get(usable_precision("auto"), usable_precision("auto"))
    assert OpenVinoEngine(network_path(""), 72, settings).backend == f"openvino {expected}"
    monkeypatch.setattr(compiled, "_capabilities", lambda _device: ["FP32", "INT8"])
    assert OpenVinoEngine(network_path(""), 72, settings).backend == "openvino int8"
    assert OpenVinoEngine(network_path(""), 72, EngineSettings(precision="fp32", cache=str(tmp_path))).backend == "openvino fp32"


def test_a_network_without_an_int8_version_is_no_error(small_network_file: Path, tmp_path: Path) -> None:
    """Without an int8 version the precision is bf16 or fp32, as the CPU has instructions for it."""
    engine = OpenVinoEngine(small_network_file, 72, EngineSettings(cache=str(tmp_path)))
    assert engine.backend == f"openvino {usable_precision('auto')}"
    assert not is_usable(small_network_file, fingerprint(small_network_file))


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        (NOTE.format(LARGEST_DROP), True),
        (NOTE.format("-0.020"), True),
        (NOTE.format("0.101"), False),
        ("", False),  # made before the drop was measured
    ],
)
def test_the_measured_drop_decides(network: Path, text: str, usable: bool) -> None:
    """int8 is chosen if fills that it guides lose at most LARGEST_DROP; what OpenVINO reads from the file agrees."""
    _note(network, text)
    assert is_usable(network, fingerprint(network)) == usable
    model = load(network)
    drop = float(model.get_rt_info(["gi_plugin", "guide_drop"]).value) if text else float("inf")
    assert (drop <= LARGEST_DROP) == usable


@pytest.mark.parametrize("drop", ["", "unknown", "nan"])
def test_a_drop_that_is_no_number_is_no_reason_to_choose_int8(network: Path, drop: str) -> None:
    """A damaged note is no error: the network runs without int8."""
    _note(network, NOTE.format(drop))
    assert not is_usable(network, fingerprint(network))


@pytest.mark.parametrize("missing", [".int8.xml", ".int8.bin"])
def test_half_an_int8_version_is_none(network: Path, missing: str) -> None:
    """If one of the two files is missing, the int8 version is not used."""
    network.with_suffix(missing).unlink()
    assert not is_usable(network, fingerprint(network))


def test_the_int8_version_of_another_network_is_not_chosen(network: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An int8 version that was made from another network is not chosen, and a warning says how to make a new one."""
    network.write_bytes(network.read_bytes() + b"\0")
    assert not is_usable(network, fingerprint(network))
    (message,) = caplog.messages
    assert message.endswith("was made from another network and is not used; make it again with: gi-plugin quantize")


@pytest.mark.parametrize(
    ("capabilities", "device", "expected"),
    [
        (["FP32", "INT8"], "CPU", "fp32"),
        (["BF16", "FP32", "INT8"], "CPU", "bf16"),
        (["FP32", "FP16", "INT8"], "CPU", "fp32"),
        (["FP32", "BF16", "FP16"], "GPU", "fp16"),
        (["FP32", "FP16", "INT8"], "GPU.1", "fp16"),
    ],
)
def test_without_int8_the_device_decides(monkeypatch: pytest.MonkeyPatch, capabilities: list[str], device: str, expected: str) -> None:
    """The precision is the first low one that the device has instructions for."""
    monkeypatch.setattr(compiled, "_capabilities", lambda _device: capabilities)
    assert usable_precision("auto", device) == expected
