"""Transparent pixels of files as holes: which pixels they are, and pictures that are made opaque."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from gi_plugin.arrays import Array
from gi_plugin.errors import ImageError
from gi_plugin.files import read_picture
from gi_plugin.files.transparency import made_opaque, transparent_pixels

HOLE = np.zeros((6, 8), bool)
HOLE[1:3, 2:5] = True
COLOURS = np.random.default_rng(0).integers(0, 250, (6, 8, 3)).astype(np.uint8)
HALF = np.where(HOLE, np.uint8(100), np.uint8(255))


def _keyed() -> Array:
    return np.where(HOLE[..., None], np.uint8(255), COLOURS)


def _tiff(path: Path, pixels: Array, alpha: Array, kind: str = "unassalpha") -> None:
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(path, np.dstack([pixels, alpha]), photometric=photometric, extrasamples=[kind], metadata=None, planarconfig="contig")


def _save_palette(path: Path) -> None:
    image = Image.fromarray(np.where(HOLE, 7, COLOURS[..., 0] % 7).astype(np.uint8), "P")
    image.putpalette(np.arange(24).astype(np.uint8).tobytes())
    image.save(path, transparency=7)


KINDS = {
    "RGBA.png": lambda path: Image.fromarray(np.dstack([COLOURS, HALF])).save(path),
    "LA.png": lambda path: Image.fromarray(np.dstack([COLOURS[..., 0], HALF]), "LA").save(path),
    "palette.png": _save_palette,
    "key of colour.png": lambda path: Image.fromarray(_keyed()).save(path, transparency=(255, 255, 255)),
    "key of grey.png": lambda path: Image.fromarray(_keyed()[..., 0]).save(path, transparency=255),
    "8 bits.tif": lambda path: _tiff(path, COLOURS, HALF),
    "16 bits.tif": lambda path: _tiff(path, COLOURS.astype(np.uint16) * 257, HALF.astype(np.uint16) * 257),
    "grey float.tif": lambda path: _tiff(path, COLOURS[..., 0] / np.float32(255), HALF / np.float32(255)),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_opaque_is_missing(tmp_path: Path, name: str) -> None:
    """Every kind of transparency gives the hole; made opaque, a copy of the picture has none and the same known pixels."""
    KINDS[name](tmp_path / name)  # type: ignore[no-untyped-call]
    picture = read_picture(tmp_path / name, 10**6)
    np.testing.assert_array_equal(transparent_pixels(picture), HOLE)
    opaque = made_opaque(picture)
    with pytest.raises(ImageError, match="the picture has no transparent pixels"):
        transparent_pixels(opaque)
    assert (opaque.pixels.shape, opaque.pixels.dtype) == (picture.pixels.shape, picture.pixels.dtype)
    np.testing.assert_array_equal(opaque.pixels[~HOLE], picture.pixels[~HOLE])
    np.testing.assert_array_equal(transparent_pixels(picture), HOLE)


def test_a_picture_without_alpha_has_no_hole(tmp_path: Path) -> None:
    """The message says so, and leaves it to the host how its users name a mask."""
    Image.fromarray(COLOURS).save(tmp_path / "plain.png")
    with pytest.raises(ImageError, match=r"no transparent pixels$"):
        transparent_pixels(read_picture(tmp_path / "plain.png", 10**6))
