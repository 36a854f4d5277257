"""Shared fixtures: one engine cache, small windows, and a command line in a folder of good and bad files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gi_plugin import windows
from tests.gi_plugin.command import Cli

SHAPE = (40, 60)


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the engine cache that all tests share, so that each window size is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def small_windows() -> Iterator[None]:
    """Plan with small windows in all tests of a module."""
    with windows.small_windows():
        yield


@pytest.fixture
def cli(tmp_path: Path, engine_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return the command line, in a folder with good and bad pictures, masks and settings."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(engine_cache))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("GI_PLUGIN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (*SHAPE, 4)).astype(np.uint8)
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:25, 20:40] = 255
    Image.fromarray(noise[..., :3]).save("picture.png")
    Image.fromarray(noise).save("alpha.png")
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(mask[:20, :30]).save("small.png")
    Image.new("L", SHAPE[::-1], 255).save("all.png")
    Image.fromarray(noise[..., :3]).save("photo.jpg")
    Image.fromarray((np.arange(SHAPE[0] * SHAPE[1]) % 100).astype(np.uint8).reshape(SHAPE)).save("faint.png")
    Image.fromarray(np.dstack([np.full((*SHAPE, 3), 255, np.uint8), mask])).save("drawn.png")
    Path("corrupt.png").write_bytes(Path("picture.png").read_bytes()[:3000])
    Path("text.png").write_text("not a picture", encoding="utf-8")
    Path("broken.toml").write_text("[engine\n", encoding="utf-8")
    Path("unknown.toml").write_text("[engine]\ncolour = 'red'\n", encoding="utf-8")
    Path("model.toml").write_text("[model]\npath = 'damaged.onnx'\n", encoding="utf-8")
    Path("damaged.onnx").write_bytes(b"damaged")
    Path("folder").mkdir()
    Path("empty").mkdir()
    Image.fromarray(noise[..., 0]).save("folder/a.png")
    return Cli(monkeypatch, capsys)
