"""File formats of plugins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin import files
from gi_plugin.arrays import Array
from gi_plugin.errors import ConfigError, ImageError
from gi_plugin.files import registered
from gi_plugin.hooks.spec import hookimpl, plugin_manager
from tests.gi_plugin.command import Cli


def _read(path: Path) -> Array:
    array: Array = np.load(path, allow_pickle=False)
    return array


def _write(pixels: Array, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, pixels)


@pytest.fixture(autouse=True)
def formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register two formats by a plugin: one is read and written, the other only read."""
    monkeypatch.setattr(registered, "_formats", {})

    class Numpy:
        @hookimpl
        def register_formats(self, register: object) -> None:
            register(".NPY", _read, _write)  # type: ignore[operator]  # a function
            register(".npr", _read)  # type: ignore[operator]  # a function

    plugin_manager().register(Numpy())


@pytest.mark.parametrize(
    ("dtype", "output"), [("uint8", "npy"), ("uint8", "png"), ("uint16", "npy"), ("uint16", "tif"), ("float32", "tif")]
)
def test_the_command_line_reads_and_writes_them(cli: Cli, dtype: str, output: str) -> None:
    """Known pixels of the result are those of the file, in the plugin's format and in ours."""
    pixels = (np.random.default_rng(0).random((40, 60, 3)) * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)
    _write(pixels, Path("photo.npy"))
    assert cli("inpaint", "photo.npy", "mask.png", "-o", f"out.{output}").code == 0
    filled = files.read_picture(Path(f"out.{output}"), 10**6).pixels
    hole = np.asarray(Image.open("mask.png")) > 0
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[~hole], pixels[~hole])
    assert (filled[hole] != pixels[hole]).any()


def test_a_folder_run_finds_them(cli: Cli) -> None:
    """Files of a registered format in a folder are filled, and results keep the format."""
    _write(np.full((40, 60, 3), 90, np.uint8), Path("folder/b.npy"))
    assert cli("inpaint", "folder", "mask.png", "-o", "out").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.npy"]


def test_a_format_that_is_only_read_cannot_be_written(cli: Cli) -> None:
    """The message says so and names formats to use."""
    result = cli("inpaint", "picture.png", "mask.png", "-o", "out.npr")
    assert result.code == 2
    assert "only reads them; use .png" in result.lines[0]


def test_a_file_that_the_plugin_cannot_read_is_named(cli: Cli) -> None:
    """The plugin's error becomes one line with the file's name."""
    Path("bad.npy").write_text("no array", encoding="utf-8")
    result = cli("inpaint", "bad.npy", "mask.png", "-o", "out.png")
    assert result.code == 2
    assert result.lines[0].startswith("error: bad.npy: cannot be read as a picture")


def test_a_suffix_has_one_plugin(tmp_path: Path) -> None:
    """A suffix needs a dot, and is not registered by two plugins."""
    with pytest.raises(ConfigError, match="expected a suffix"):
        registered.register("npy", _read)
    with pytest.raises(ConfigError, match=r"'\.npy'.*no other plugin"):
        registered.register(".npy", np.load)
    _write(np.zeros((20, 20), np.uint8), tmp_path / "large.npy")
    with pytest.raises(ImageError, match="limit"):
        files.read_picture(tmp_path / "large.npy", 100)
