"""Picture files: results keep the mode, known pixels, colour profile and EXIF data of their source."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from gi_plugin import files
from gi_plugin.arrays import Array
from gi_plugin.errors import ImageError
from gi_plugin.files import formats, modes, writing
from gi_plugin.files.metadata import Metadata, usable_dpi
from gi_plugin.files.raster import Raster
from tests.gi_plugin.pictures import HEIGHT, HOLE, LIMIT, PROFILE, WIDTH, Deep, fill, noise, picture

SHALLOW = [
    *(("png", mode) for mode in ("1", "L", "LA", "P", "P index", "P bytes", "RGB", "RGBA")),
    *(("tif", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")),
    *(("webp", mode) for mode in ("RGB", "RGBA")),
    *(("bmp", mode) for mode in ("1", "L", "P", "RGB")),
    *(("tga", mode) for mode in ("L", "LA", "P", "RGB", "RGBA")),
    *(("ppm", mode) for mode in ("1", "L", "RGB")),
]
DEEP = [
    *(Deep(".png", np.uint16, channels) for channels in (1, 3, 4)),
    *(Deep(".tif", dtype, channels) for dtype in (np.uint16, np.float16, np.float32, np.float64) for channels in (1, 3, 4)),
    *(Deep(".tif", np.uint16, channels, compression) for channels in (1, 3, 4) for compression in (None, "lzw")),
]
UPRIGHT: dict[int, Callable[[Array], Array]] = {  # by EXIF orientation; the standard says where row 0 and column 0 are
    1: np.asarray,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: np.rot90(pixels, 2),
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize(("suffix", "mode"), SHALLOW)
def test_a_picture_of_8_bits_comes_back(tmp_path: Path, suffix: str, mode: str) -> None:
    """Mode, size, known pixels and alpha equal those of the source; the hole holds the fill."""
    source, target = tmp_path / f"source.{suffix}", tmp_path / f"target.{suffix}"
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == "webp" else {}
    picture(mode).save(source, **options)
    filled = fill(source, target)
    with Image.open(source) as before, Image.open(target) as after:
        assert (after.mode, after.size, after.format) == (before.mode, before.size, before.format)
        known_before, known_after = (np.asarray(image.convert("RGBA"))[~HOLE] for image in (before, after))
        np.testing.assert_array_equal(known_after, known_before)
        np.testing.assert_array_equal(np.asarray(after.convert("RGBA"))[..., 3], np.asarray(before.convert("RGBA"))[..., 3])
    if mode not in ("P index", "P bytes"):  # a pixel of partial alpha has few colours of the palette to choose from
        np.testing.assert_array_equal(files.read_picture(target, LIMIT).pixels, filled)


def test_black_may_be_the_transparent_colour(tmp_path: Path) -> None:
    """A grey PNG whose transparent colour is 0 keeps it."""
    picture("L").save(tmp_path / "source.png", transparency=0)
    fill(tmp_path / "source.png", tmp_path / "target.png")
    with Image.open(tmp_path / "target.png") as after:
        assert after.info["transparency"] == 0


@pytest.mark.parametrize("deep", DEEP, ids=lambda deep: f"{deep.suffix}-{deep.dtype.__name__}-{deep.channels}-{deep.compression}")
def test_a_deep_picture_comes_back(tmp_path: Path, deep: Deep) -> None:
    """16-bit and float pictures keep their dtype, and every value equals that of the source or of the fill."""
    source, target = tmp_path / f"source{deep.suffix}", tmp_path / f"target{deep.suffix}"
    deep.write(source)
    filled = fill(source, target)
    read = deep.read(target)
    assert read.dtype == deep.dtype
    np.testing.assert_array_equal(read, filled)
    np.testing.assert_array_equal(read[~HOLE], deep.read(source)[~HOLE])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize(("dpi", "expected"), [((300.0, 72.0), (300, 72)), ((math.nan, 72.0), None), ((1e12, 1e12), None), (None, None)])
def test_the_resolution_of_a_png(tmp_path: Path, mode: str, dpi: tuple[float, float] | None, expected: tuple[int, int] | None) -> None:
    """The resolution is kept; a value that is no valid resolution is left out without an error."""
    source, target = picture(mode), tmp_path / "target.png"
    read = files.PictureFile(modes.to_array(source), source, Metadata(dpi=usable_dpi(dpi)))
    files.write_picture(read, modes.to_array(source), HOLE, target)
    with Image.open(target) as after:
        found = after.info.get("dpi")
        assert (found and tuple(round(value) for value in found)) == expected


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_is_read_and_written_lossless(tmp_path: Path, mode: str) -> None:
    """The result of a JPEG is written in a format that keeps its pixels, also for CMYK."""
    source = tmp_path / "source.jpg"
    picture(mode).save(source)
    target = tmp_path / files.output_name(source)
    assert target.suffix == (".tif" if mode == "CMYK" else ".png")
    fill(source, target)
    with Image.open(source) as before, Image.open(target) as after:
        assert after.mode == mode
        np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(before)[~HOLE])


@pytest.mark.parametrize("layout", ["planar", "white is zero", "big endian", "tiles", "named .png", "integers"])
def test_layouts_of_deep_tiffs(tmp_path: Path, layout: str) -> None:
    """Every layout of a TIFF gives the same picture."""
    pixels, source = noise(np.uint16, 1 if layout in ("white is zero", "integers") else 3), tmp_path / "source.tif"
    if layout == "planar":
        tifffile.imwrite(source, np.moveaxis(pixels, 2, 0), photometric="rgb", planarconfig="separate")
    elif layout == "white is zero":
        tifffile.imwrite(source, 65535 - pixels, photometric="miniswhite")
    elif layout == "integers":
        Image.fromarray(pixels.astype(np.int32)).save(source)
    else:
        tifffile.imwrite(
            source,
            pixels,
            photometric="rgb",
            byteorder=">" if layout == "big endian" else None,
            tile=(16, 16) if layout == "tiles" else None,
        )
    if layout == "named .png":
        source = source.rename(tmp_path / "source.png")
    np.testing.assert_array_equal(files.read_picture(source, LIMIT).pixels, pixels)
    filled = fill(source, tmp_path / "target.tif")
    stored = tifffile.imread(tmp_path / "target.tif")
    np.testing.assert_array_equal(65535 - stored if layout == "white is zero" else stored, filled)
    assert stored.dtype == (np.int32 if layout == "integers" else np.uint16)


def test_premultiplied_alpha_is_kept(tmp_path: Path) -> None:
    """Premultiplied alpha stays premultiplied in a TIFF, and is rejected for a PNG, which does not support it."""
    tifffile.imwrite(tmp_path / "source.tiff", noise(np.uint16, 4), photometric="rgb", extrasamples=["assocalpha"])
    fill(tmp_path / "source.tiff", tmp_path / "target.tiff")
    with tifffile.TiffFile(tmp_path / "target.tiff") as tiff:
        assert tiff.pages.first.extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)
    with pytest.raises(ImageError, match=r"cannot hold uint16 pixels without loss; use \.tif$"):
        fill(tmp_path / "source.tiff", tmp_path / "target.png")


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Copyright] = "somebody"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: 0.5}
    return exif


def _turned(path: Path, pixels: Array, orientation: int) -> None:
    """Write 8-bit RGB pixels [H, W, 3] (16-bit if the name says "deep") with an orientation, a colour profile and EXIF data."""
    exif, deep = _exif(orientation), pixels * np.uint16(257)
    if path.name.endswith("deep.tif"):
        tags = [(ExifTags.Base.Orientation, 3, 1, orientation, True), (ExifTags.Base.Copyright, 2, None, "somebody", True)]
        tifffile.imwrite(path, deep, photometric="rgb", iccprofile=PROFILE, extratags=tags)
    elif path.name.endswith("deep.png"):
        writing.write_picture(
            files.PictureFile(deep, Raster(deep, "RGB", white=65535), Metadata(PROFILE, exif.tobytes()[6:])), deep, HOLE, path
        )
    else:
        options: dict[str, Any] = {".webp": {"lossless": True}}.get(path.suffix, {})
        Image.fromarray(pixels).save(path, exif=exif.tobytes(), icc_profile=PROFILE, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["8.jpg", "8.png", "8.webp", "8.tif", "deep.png", "deep.tif"])
def test_orientation_is_applied_once(tmp_path: Path, kind: str, orientation: int) -> None:
    """The picture is turned upright and its orientation tag removed; colour profile and EXIF data are kept."""
    source, pixels = tmp_path / f"source {kind}", noise(np.uint8, 3)
    _turned(source, pixels, orientation)
    target = tmp_path / f"target{Path(files.output_name(source)).suffix}"
    if kind == "8.jpg":
        with Image.open(source) as decoded:
            pixels = np.asarray(decoded)
    read = files.read_picture(source, LIMIT)
    files.write_picture(read, read.pixels, np.zeros(read.pixels.shape[:2], bool), target)
    upright = UPRIGHT[orientation](pixels) * read.pixels.dtype.type(257 if kind.startswith("deep") else 1)
    np.testing.assert_array_equal(files.read_picture(target, LIMIT).pixels, upright)
    with Image.open(target) as after:
        exif = after.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert exif[ExifTags.Base.Copyright] == "somebody"
        assert kind == "deep.tif" or exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == 0.5
        assert after.info["icc_profile"] == PROFILE


def test_a_hole_takes_no_transparent_colour(tmp_path: Path) -> None:
    """An opaque pixel of a palette picture is filled opaque, even where the transparent entry has the very colour."""
    image = Image.new("P", (WIDTH, HEIGHT), 1)
    image.putpalette([0, 0, 0, 255, 255, 255, 9, 9, 9])
    image.save(tmp_path / "source.png", transparency=0)
    read = files.read_picture(tmp_path / "source.png", LIMIT)
    files.write_picture(read, np.where(HOLE[..., None], np.uint8(0), read.pixels), HOLE, tmp_path / "target.png")
    with Image.open(tmp_path / "target.png") as after:
        colours = np.unique(np.asarray(after.convert("RGBA"))[HOLE], axis=0)
        np.testing.assert_array_equal(colours, [(9, 9, 9, 255)])


def test_a_phone_picture_with_a_preview_is_one_picture(tmp_path: Path) -> None:
    """A JPEG that holds a second, smaller picture is read as the first picture."""
    data = io.BytesIO()
    picture("RGB").save(data, format="MPO", save_all=True, append_images=[picture("RGB").resize((8, 8))])
    (tmp_path / "source.jpg").write_bytes(data.getvalue())
    assert files.read_picture(tmp_path / "source.jpg", LIMIT).pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("a.JPG", "RGB", "a.png"),
        ("a.jpeg", "CMYK", "a.tif"),
        ("a.avif", "RGB", "a.png"),
        ("a.jp2", "RGB", "a.png"),
        ("a.gif", "P", "a.gif"),
        ("a.png", "RGBA", "a.png"),
        ("a.webp", "RGB", "a.webp"),
        ("a.tiff", "CMYK", "a.tiff"),
    ],
)
def test_the_name_of_a_result_names_a_lossless_format(tmp_path: Path, name: str, mode: str, expected: str) -> None:
    """A result has its source's name, with another suffix if the source's format would change pixels."""
    picture(mode).save(tmp_path / name)
    assert files.output_name(tmp_path / name) == expected
    assert not formats.is_lossy(Path(expected))
    fill(tmp_path / name, tmp_path / f"result {expected}")


def test_a_grey_map_of_16_bits_keeps_them(tmp_path: Path) -> None:
    """A 16-bit PGM, which Pillow opens as 32-bit integers, is written as 16-bit PGM or PNG."""
    pixels = noise(np.uint16, 1)
    Image.fromarray(pixels).save(tmp_path / "source.pgm")
    for name in ("target.pgm", "target.png"):
        filled = fill(tmp_path / "source.pgm", tmp_path / name)
        assert filled.dtype == np.uint16
        np.testing.assert_array_equal(files.read_picture(tmp_path / name, LIMIT).pixels, filled)
