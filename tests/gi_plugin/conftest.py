"""A folder with pictures, masks and settings, good and bad, in which the command line runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gi_plugin.command import Cli

SHAPE = (40, 60)


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One engine cache for all, so that each window is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cli(tmp_path: Path, engine_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command, in a folder with pictures, masks and settings both good and bad."""
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
