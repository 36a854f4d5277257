"""Engines of the tiny network agree with each other, in every precision and batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

from gi_plugin.arrays import Floats
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.engines import ThinEngine, open_thin_engine
from gi_plugin.engines.cpu import compiled
from gi_plugin.engines.gpu import recorded
from gi_plugin.engines.thin import openvino_thin, torch_thin
from gi_plugin.errors import EngineError, EngineMissing, ModelError
from gi_plugin.thin import TILE, scaled

BASE = EngineSettings(backend="openvino", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def tiles() -> tuple[Floats, Floats]:
    """Inputs of thirty tiles of a photo."""
    photo = data.chelsea()
    pixels = np.stack([photo[top : top + TILE, 2 * top : 2 * top + TILE] for top in range(10, 190, 6)])
    return scaled(pixels, np.random.default_rng(0).random(pixels.shape[:3]) < 0.1).inputs()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThinEngine]:
    """OpenVINO in fp32."""
    engine = open_thin_engine(Config(engine=replace(BASE, cache=str(tmp_path_factory.mktemp("cache")))))
    yield engine
    engine.close()


def _all(engine: ThinEngine, tiles: tuple[Floats, Floats]) -> Floats:
    image, mask = tiles
    parts = [
        engine(image[start : start + engine.batch], mask[start : start + engine.batch]) for start in range(0, len(image), engine.batch)
    ]
    return np.concatenate(parts)


def test_a_tile_gives_the_same_alone_and_in_a_batch(reference: ThinEngine, tiles: tuple[Floats, Floats]) -> None:
    """The result of a tile does not depend on its batch."""
    image, mask = tiles
    alone = np.concatenate([reference(image[number : number + 1], mask[number : number + 1]) for number in range(len(image))])
    np.testing.assert_array_equal(_all(reference, tiles), alone)


@pytest.mark.parametrize(
    ("backend", "precision", "largest"), [("torch", "auto", 1e-4), ("openvino", "auto", 0.1), ("tensorrt", "fp16", 0.1)]
)
def test_engines_agree(
    reference: ThinEngine, tiles: tuple[Floats, Floats], tmp_path: Path, backend: str, precision: str, largest: float
) -> None:
    """Every backend gives the corrections of OpenVINO in fp32; bf16 differs a little. TensorRT leaves thin holes to OpenVINO."""
    engine = open_thin_engine(Config(engine=EngineSettings(backend=backend, precision=precision, cache=str(tmp_path))))
    assert engine.backend.startswith("torch" if backend == "torch" else "openvino")
    np.testing.assert_allclose(_all(engine, tiles), _all(reference, tiles), atol=largest)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine(tiles[0][:1], tiles[1][:1])


@pytest.mark.parametrize(("device", "reason"), [("gpu", "not gpu:0"), ("gpu:1", "not gpu:1")])
def test_the_device_of_the_settings_is_obeyed(monkeypatch: pytest.MonkeyPatch, device: str, reason: str) -> None:
    """In PyTorch a GPU that is not there is an error, and with "cpu" the CPU is used even if there is a GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(EngineMissing, match=reason):
        open_thin_engine(Config(engine=EngineSettings(backend="torch", device=device)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert open_thin_engine(Config(engine=EngineSettings(backend="torch", device="cpu"))).backend == "torch cpu fp32"


@pytest.mark.parametrize("backend", ["auto", "tensorrt", "tensorrt-rtx"])
def test_a_gpu_for_the_network_leaves_thin_holes_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch, reference: ThinEngine, tiles: tuple[Floats, Floats], tmp_path: Path, backend: str
) -> None:
    """With [engine] device = "gpu" OpenVINO, which runs no NVIDIA GPU, does not look for one."""
    monkeypatch.setattr(compiled, "device_of", lambda settings: compiled.DEVICE if settings.device == "cpu" else pytest.fail("a GPU"))
    monkeypatch.setattr(openvino_thin, "device_of", compiled.device_of)
    settings = EngineSettings(backend=backend, device="gpu", precision="fp32", threads=1, cache=str(tmp_path))
    engine = open_thin_engine(Config(engine=settings))
    np.testing.assert_array_equal(_all(engine, tiles), _all(reference, tiles))
    engine.close()


def test_on_a_gpu_batches_are_whole(monkeypatch: pytest.MonkeyPatch, reference: ThinEngine, tiles: tuple[Floats, Floats]) -> None:
    """The recorded call gets as many tiles as it was recorded for, and the engine returns those that were asked for."""
    shapes: list[tuple[int, ...]] = []

    class Recorded:
        def __init__(self, function: Callable[..., Any], sizes: list[tuple[int, ...]], _device: object) -> None:
            self._function = function
            shapes.extend(sizes)

        def __call__(self, *arrays: Floats) -> list[Floats]:
            assert [array.shape for array in arrays] == shapes
            return [tensor.numpy() for tensor in self._function(*map(torch.from_numpy, arrays))]

    monkeypatch.setattr(recorded, "RecordedCall", Recorded)
    monkeypatch.setattr(torch_thin, "torch_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch_thin, "placed", lambda network, *_: network)
    engine = open_thin_engine(Config(engine=EngineSettings(backend="torch")))
    assert engine.backend == "torch cuda fp32"
    np.testing.assert_allclose(_all(engine, tiles), _all(reference, tiles), atol=1e-4)


def test_a_wrong_file_is_named(tmp_path: Path, small_network_file: Path) -> None:
    """A missing file, or one of the large network, is an error that names the setting [model] thin."""
    for path in (tmp_path / "none.onnx", small_network_file):
        with pytest.raises(ModelError, match=r"\[model\] thin"):
            open_thin_engine(Config(model=ModelSettings(thin=str(path)), engine=replace(BASE, cache=str(tmp_path))))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenVINO, the error says how to install it."""
    monkeypatch.setattr("gi_plugin.engines.selection.find_spec", lambda _name: None)
    with pytest.raises(EngineMissing, match="pip install openvino"):
        open_thin_engine(Config())
