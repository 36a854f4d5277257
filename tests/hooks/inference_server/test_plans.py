"""TensorRT engines (plans) in a model repository for Triton. TensorRT is not installed, so an ONNX file takes the place of a plan."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gi_plugin.engines import EngineCache
from gi_plugin.errors import ConfigError, EngineMismatch
from gi_plugin.hooks.inference_server.repository import Plan, export, read_plan
from gi_plugin.network_file import expanded, load, network_path
from tests.hooks.inference_server.triton_stand_in import Server, read_config

NETWORK = network_path("")
PARTS = {"backend": "tensorrt fp16", "options": "layer aot, optimization 3", "window": "256", "batch": "3"}


def test_a_plan_serves_its_windows_and_the_onnx_network_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan's model gets full batches of its fixed shape, and a picture with windows of both sizes uses both models."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", None)  # type: ignore[arg-type]  # restored afterwards
    stand_in = expanded(load(NETWORK)).SerializeToString()
    assert export(tmp_path, NETWORK, plans=[Plan(stand_in, 256, 2)]) == ["gi_network", "gi_network_256", "gi_inpaint"]
    config = read_config(tmp_path / "gi_network_256" / "config.pbtxt")
    assert (config.backend, config.max_batch_size, config.default_model_filename) == ("tensorrt", 0, "model.plan")
    shapes = {"image": [2, 3, 256, 256], "mask": [2, 1, 256, 256], "completed": [2, 3, 256, 256], "matches": [2, 1024]}
    assert {tensor.name: list(tensor.dims) for tensor in (*config.input, *config.output)} == shapes
    server, image, mask = Server(tmp_path), np.full((520, 700, 3), 90, np.uint8), np.zeros((520, 700), np.uint8)
    mask[20:60, 20:60] = mask[200:320, 400:520] = 255  # the second hole is so thick that the network sees it at half of its size
    filled = server.infer("gi_inpaint", {"image": image, "mask": mask})["filled"]
    assert server.calls == ["gi_inpaint", "gi_network_256", "gi_network"]
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])


def test_a_plan_is_read_from_the_engine_cache(tmp_path: Path) -> None:
    """Window size and batch come from the cache entry beside the engine."""
    cache = EngineCache(tmp_path)
    cache.store(PARTS, b"a plan")
    (entry,) = cache.entries()
    assert read_plan(entry.folder / "engine.bin") == Plan(b"a plan", 256, 3)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"backend": "tensorrt-rtx fp16"}, "an engine for tensorrt-rtx fp16; the server runs only engines for tensorrt"),
        ({"backend": "openvino bf16"}, "an engine for openvino bf16"),
        ({"options": "layer plugin, optimization 3"}, "build it with --layer aot or native"),
    ],
)
def test_an_engine_that_the_server_cannot_run_is_refused(tmp_path: Path, change: dict[str, str], text: str) -> None:
    """Engines of other backends, and engines whose attention layer needs Python, are refused with the reason."""
    cache = EngineCache(tmp_path)
    cache.store(PARTS | change, b"a plan")
    (entry,) = cache.entries()
    with pytest.raises(ConfigError, match=text):
        read_plan(entry.folder / "engine.bin")


def test_a_file_that_is_no_unchanged_engine_of_the_cache_is_refused(tmp_path: Path) -> None:
    """A file outside the cache and a changed engine are refused."""
    (tmp_path / "other.plan").write_bytes(b"a plan")
    with pytest.raises(ConfigError, match="not an engine of the cache"):
        read_plan(tmp_path / "other.plan")
    cache = EngineCache(tmp_path)
    cache.store(PARTS, b"a plan")
    (entry,) = cache.entries()
    (entry.folder / "engine.bin").write_bytes(b"A plan")
    with pytest.raises(EngineMismatch, match="was changed"):
        read_plan(entry.folder / "engine.bin")
