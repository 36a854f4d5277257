"""Picture files that cannot be read or written: the error is one line that names the file, and no partial file is left."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from gi_plugin import files
from gi_plugin.errors import ImageError
from tests.gi_plugin.pictures import LIMIT, Deep, fill, noise, picture

IMAGEJ = "ImageJ=1.54f\nimages=5\nslices=5\n"  # says that five planes share one page
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "animated.gif": (lambda path: picture("RGB").save(path, save_all=True, append_images=[picture("L").convert("RGB")]), "2 frames"),
    "animated.png": (lambda path: picture("RGB").save(path, save_all=True, append_images=[picture("L").convert("RGB")]), "2 frames"),
    "pages.tif": (lambda path: picture("RGB").save(path, save_all=True, append_images=[picture("RGB")]), "2 frames or pages"),
    "deep pages.tif": (
        lambda path: tifffile.imwrite(path, noise(np.uint16, 3)[None].repeat(2, axis=0), photometric="rgb"),
        "2 frames or pages",
    ),
    "bomb.png": (lambda path: _bomb(path, 30_000), "30000 x 30000 pixels, the limit is 1000000"),
    "deep bomb.tif": (lambda path: tifffile.imwrite(path, np.zeros((1100, 1000), np.uint16), compression="zlib"), "1000 x 1100 pixels"),
    "truncated.png": (lambda path: _cut(path, picture("RGB")), "truncated"),
    "truncated.jpg": (lambda path: _cut(path, picture("RGB")), "truncated"),
    "truncated.webp": (lambda path: _cut(path, picture("RGB")), "cannot be read"),
    "truncated.tif": (lambda path: _cut(path, picture("RGB")), "truncated"),
    "deep truncated.png": (lambda path: _cut(path, Deep(".png", np.uint16, 3)), "cannot be read"),
    "deep truncated.tif": (lambda path: _cut(path, Deep(".tif", np.uint16, 3)), "cannot be read"),
    "text.png": (lambda path: path.write_text("not a picture", encoding="utf-8"), "unknown format"),
    "text.tif": (lambda path: path.write_text("not a picture", encoding="utf-8"), "unknown format"),
    "empty.png": (lambda path: path.write_bytes(b""), "unknown format"),
    "header.tif": (lambda path: path.write_bytes(b"II*\0\x08\0\0\0"), "without a picture"),
    "folder.png": (lambda path: path.mkdir(), "Is a directory"),
    "missing.png": (lambda _: None, "there is no such file"),
    "complex.tif": (lambda path: tifffile.imwrite(path, np.zeros((9, 9), np.complex64)), "complex64 pixels: expected"),
    "bands.tif": (
        lambda path: tifffile.imwrite(path, noise(np.uint16, 5), photometric="minisblack", planarconfig="contig"),
        "5 bands of unknown meaning",
    ),
    "planes.tif": (
        lambda path: tifffile.imwrite(
            path, noise(np.uint16, 1)[None].repeat(5, 0), photometric="minisblack", metadata=None, truncate=True, description=IMAGEJ
        ),
        "5 frames or pages",
    ),
    "photo.heic": (lambda path: path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "is a HEIC picture.*convert it"),
    "render.exr": (lambda path: path.write_bytes(b"\x76\x2f\x31\x01\x02\0\0\0"), "is an OpenEXR picture.*convert it"),
    "small white.ppm": (lambda path: path.write_bytes(b"P5 2 1 100\n\xff\0"), "larger than its white"),
    "truncated.pgm": (lambda path: path.write_bytes(b"P5 2 2 1000\n\0\0"), "truncated"),
    "cmyk.tif": (lambda path: tifffile.imwrite(path, noise(np.uint16, 4), photometric="separated"), "SEPARATED"),
}


def _bomb(path: Path, side: int) -> None:
    """Write a small PNG whose header says that it is a square of `side` pixels."""
    Image.new("1", (8, 8)).save(path)
    data = path.read_bytes()
    header = data[12:16] + struct.pack(">II", side, side) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])


def _cut(path: Path, picture: Image.Image | Deep) -> None:
    picture.write(path) if isinstance(picture, Deep) else picture.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    """A file that is not one picture of an allowed size raises an error of one line, which names the file and the reason."""
    make, reason = BROKEN[name]
    make(tmp_path / name)
    with pytest.raises(ImageError, match=reason) as caught:
        files.read_picture(tmp_path / name, LIMIT)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [
        ("RGB", "target.xyz", "cannot write files ending in '.xyz'"),
        ("RGB", "target", "the file name has no suffix"),
        ("RGB", "target.pdf", "cannot write files ending in '.pdf'"),
        ("RGBA", "target.jpg", "cannot hold RGBA pixels without loss; use .png or .tif"),
        ("RGBA", "target.bmp", "cannot hold RGBA pixels"),
        ("RGB", "target.gif", "cannot hold RGB pixels"),
        ("CMYK", "target.png", "cannot hold CMYK pixels without loss; use .tif"),
        ("deep", "target.webp", "cannot hold uint16 pixels without loss; use .tif or .png"),
        ("RGB", "folder.png", "Is a directory"),
        ("RGB", "source.tif/target.png", "Not a directory|File exists"),
    ],
)
def test_a_failed_write_leaves_nothing(tmp_path: Path, mode: str, name: str, reason: str) -> None:
    """A result that cannot be written raises an error that names the file, and no file is left, not even a partial one."""
    source = tmp_path / "source.tif"
    (tmp_path / "folder.png").mkdir()
    Deep(".tif", np.uint16, 3).write(source) if mode == "deep" else picture(mode).save(source)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ImageError, match=reason) as caught:
        fill(source, tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """A failed write keeps the previous file."""
    target = tmp_path / "target.webp"
    target.write_bytes(b"old")
    wide = Image.new("RGB", (20_000, 1))  # WebP ends at 16383 pixels
    with pytest.raises(ImageError, match="cannot be written"):
        files.write_array(np.asarray(wide), target)
    assert [path.name for path in tmp_path.iterdir()] == ["target.webp"]
    assert target.read_bytes() == b"old"
