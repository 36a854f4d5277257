"""What a picture file holds beside its pixels: each format carries what the table says, everything else is named, no preview stays."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gi_plugin import files
from gi_plugin.files.coding.exif import cleaned
from gi_plugin.files.formats import format_of
from gi_plugin.files.metadata import CARRIED
from tests.gi_plugin.files import metadata_files
from tests.gi_plugin.pictures import HOLE, LIMIT, PROFILE, noise

CONTENTS: dict[str, Any] = {
    "profile": PROFILE,
    "exif": metadata_files.exif(),
    "xmp": metadata_files.XMP,
    "dpi": (300, 150),
    "comment": b"a comment",
    "colours": True,
    "texts": True,
    "tags": True,
}
NAMES = {
    "profile": "ICC profile",
    "exif": "Exif",
    "xmp": "XMP",
    "dpi": "resolution",
    "comment": "comment",
    "colours": "PNG colour space",
    "texts": "PNG texts",
    "tags": "TIFF tags",
}
SUFFIXES = {"PNG": "png", "TIFF": "tif", "JPEG": "jpg", "WEBP": "webp", "AVIF": "avif", "BMP": "bmp", "PPM": "ppm", "TGA": "tga"}


def _fill(source: Path, target: Path) -> tuple[str, ...]:
    read = files.read_picture(source, LIMIT)
    return files.write_picture(read, read.pixels, np.zeros(read.pixels.shape[:2], bool), target)


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_contents_are_carried_or_named(tmp_path: Path, source: str, target: str) -> None:
    """From each format to each other: the result has what the table says; what it does not have is named, and nothing else."""
    path, result = tmp_path / f"source.{SUFFIXES[source]}", tmp_path / f"target.{SUFFIXES[target]}"
    contents = {name: CONTENTS[name] for name in CARRIED[source]}
    metadata_files.write(path, noise(np.uint8, 3), **contents)
    assert metadata_files.found(path, orientation=6) == contents.keys()
    lost = _fill(path, result)
    carried = contents.keys() & set(CARRIED[target])
    assert metadata_files.found(result) == carried
    assert set(lost) == {NAMES[name] for name in contents.keys() - carried}


def test_every_format_that_is_written_has_its_contents() -> None:
    """The table names every format that we write."""
    assert CARRIED.keys() == {*SUFFIXES, "GIF"}
    assert all(format_of(Path(f"a.{suffix}")) == kind for kind, suffix in SUFFIXES.items())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tif", "avif"])
def test_no_preview_of_the_old_picture_stays(tmp_path: Path, target: str, order: str) -> None:
    """The thumbnail, and a maker's note or an XMP with a preview, are gone; the rest of the Exif data stays."""
    preview = metadata_files.thumbnail()
    source = tmp_path / "source.jpg"
    for note, xmp in ((b"", metadata_files.XMP), (b"x" + preview, b"<xmpGImg:image>" + metadata_files.XMP)):
        data = metadata_files.exif(preview=preview, order=order, maker_note=note)
        metadata_files.write(source, noise(np.uint8, 3), exif=data, xmp=xmp)
        lost = _fill(source, tmp_path / f"target.{target}")
        assert preview not in (tmp_path / f"target.{target}").read_bytes()
        assert "exif" in metadata_files.found(tmp_path / f"target.{target}")
        assert any("preview of the old picture" in name for name in lost) == bool(note)


def test_cleaning_keeps_every_other_byte() -> None:
    """Exif data without a thumbnail is unchanged but for its orientation; with one, only the thumbnail and its folder go."""
    plain, preview = metadata_files.exif(), metadata_files.thumbnail()
    assert cleaned(b"Exif\0\0" + plain) == plain
    assert cleaned(metadata_files.exif(preview=preview)) == plain


@pytest.mark.parametrize("seed", range(20))
def test_damaged_exif_is_no_error(seed: int) -> None:
    """Exif data with changed or missing bytes is cleaned or dropped, without an error."""
    random, data = np.random.default_rng(seed), bytearray(metadata_files.exif(preview=metadata_files.thumbnail()))
    for place in random.integers(4, len(data), 6):
        data[place] = random.integers(256)
    assert b"\xff\xd8\xff" not in cleaned(bytes(data[: random.integers(len(data))]))


def test_further_pictures_and_blocks_of_a_jpeg_are_named(tmp_path: Path) -> None:
    """The second picture of a phone's photo and application data that we do not know are named as not kept."""
    image, path = Image.fromarray(noise(np.uint8, 3)), tmp_path / "source.jpg"
    with path.open("wb") as file:
        image.save(file, format="MPO", save_all=True, append_images=[image.resize((8, 8))])
    data = path.read_bytes()
    iptc = b"Photoshop 3.0\0" + bytes(20)
    path.write_bytes(data[:2] + b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc + b"\xff\xe7\0\x06what" + data[2:])
    assert set(_fill(path, tmp_path / "target.png")) == {"further pictures (MPO)", "IPTC and Photoshop data", "APP7 data"}


@pytest.mark.parametrize(("bits", "key"), [(1, 1), (2, 3), (4, 7), (8, 200)])
def test_the_fill_is_not_transparent(tmp_path: Path, bits: int, key: int) -> None:
    """A fill that happens to have the transparent colour of a PNG gets its neighbour's; transparent pixels stay transparent."""
    scale = 255 // (2**bits - 1)
    image = Image.fromarray(np.full((24, 30), ((key + 1) % 2**bits) * scale, np.uint8))
    image = image.convert("1") if bits == 1 else image
    image.putpixel((5, 7), key * scale)  # in the hole
    image.save(tmp_path / "source.png", transparency=key * scale)
    read = files.read_picture(tmp_path / "source.png", LIMIT)
    files.write_picture(read, np.where(HOLE, np.uint8(key * scale), read.pixels), HOLE, tmp_path / "target.png")
    with Image.open(tmp_path / "target.png") as after:
        alpha = np.asarray(after.convert("RGBA"))[..., 3]
    assert alpha[7, 5] == 0
    assert (alpha == 0).sum() == 1


def test_the_fill_of_a_colour_picture_is_not_transparent(tmp_path: Path) -> None:
    """The same for a colour: only pixels that have it in all channels change, and by one level."""
    pixels = noise(np.uint8, 3)
    Image.fromarray(pixels).save(tmp_path / "source.png", transparency=(255, 8, 9))
    read = files.read_picture(tmp_path / "source.png", LIMIT)
    filled = read.pixels.copy()
    filled[HOLE] = (255, 8, 10)
    filled[8, 8] = (255, 8, 9)
    files.write_picture(read, filled, HOLE, tmp_path / "target.png")
    with Image.open(tmp_path / "target.png") as after:
        result = np.asarray(after)
        assert after.info["transparency"] == (255, 8, 9)
    assert tuple(result[8, 8]) == (254, 8, 9)
    filled[8, 8] = (254, 8, 9)
    np.testing.assert_array_equal(result, filled)
