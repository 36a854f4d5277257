"""Files of unusual layouts, re-made after the test pictures of Pillow, tifffile and imagecodecs: each comes back right, or is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from gi_plugin import files
from gi_plugin.arrays import Array
from gi_plugin.errors import ImageError
from tests.gi_plugin.pictures import HEIGHT, HOLE, LIMIT, WIDTH, fill, noise, picture

Maker = Callable[[Path], Any]
RGB, GREY, DEEP = noise(np.uint8, 3), noise(np.uint8, 1), noise(np.uint16, 3)


def _tiff(values: Array, **options: Any) -> Maker:
    options.setdefault("photometric", "rgb" if values.ndim == 3 else "minisblack")
    return lambda path: tifffile.imwrite(path, values, metadata=None, **options)


def _pillow(mode: str, **options: Any) -> Maker:
    return lambda path: picture(mode).save(path, **options)


def _bytes(content: bytes) -> Maker:
    return lambda path: path.write_bytes(content)


def _png(image: Image.Image, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG", **options)
    return data.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _overview(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(RGB, photometric="rgb", metadata=None)
        tiff.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)


def _small_png(bits: int) -> bytes:
    """Return a grey PNG of 2 or 4 bits."""
    rows = np.unpackbits((GREY >> (8 - bits))[..., None], axis=2)[..., -bits:].reshape(HEIGHT, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in np.packbits(rows, axis=1))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")


def _loop(path: Path) -> None:
    """Write a TIFF whose first folder names itself as the next one."""
    tifffile.imwrite(path, RGB, photometric="rgb", metadata=None)
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    path.write_bytes(data)


RIGHT: dict[str, Maker] = {
    "big-endian, in tiles.tif": _tiff(DEEP, byteorder=">", tile=(16, 16)),
    "BigTIFF.tif": _tiff(RGB, bigtiff=True),
    "planes, LZW.tif": _tiff(np.moveaxis(RGB, 2, 0), planarconfig="separate", compression="lzw"),
    "fax group 4.tif": _pillow("1", compression="group4"),
    "fax group 3.tif": _pillow("1", compression="group3"),
    "PackBits.tif": _tiff(GREY, compression="packbits"),
    "JPEG, subsampled.tif": _tiff(RGB, compression="jpeg", subsampling=(2, 2), tile=(16, 16)),
    "JPEG, grey.tif": _tiff(GREY, compression="jpeg"),
    "WebP.tif": _tiff(RGB, compression="webp"),
    "JPEG XL, 16 bits.tif": _tiff(DEEP, compression="jpegxl"),
    "LERC, float.tif": _tiff(noise(np.float32, 1), compression="lerc"),
    "float predictor.tif": _tiff(noise(np.float32, 3), compression="zlib", predictor=3),
    "uint32.tif": _tiff(noise(np.uint32, 1)),
    "int16, negative.tif": _tiff(noise(np.uint16, 1).astype(np.int16)),
    "int64.tif": _tiff(noise(np.uint32, 1).astype(np.int64) * 1000 - 10**12),
    "NaN in the hole.tif": _tiff(np.where(HOLE, np.nan, noise(np.float64, 1))),
    "premultiplied alpha.tif": _tiff(noise(np.uint8, 4), extrasamples=["assocalpha"]),
    "CMYK and spot.tif": _tiff(noise(np.uint8, 5), photometric="separated", extrasamples=["unspecified"], planarconfig="contig"),
    "near infrared.tif": _tiff(noise(np.uint16, 4), extrasamples=["unspecified"]),
    "4 bits.tif": _tiff(GREY >> 4, bitspersample=4),
    "2 bits, white is 0.tif": _tiff(GREY >> 6, bitspersample=2, photometric="miniswhite"),
    "8 bits, white is 0.tif": _tiff(GREY, photometric="miniswhite", compression="lzw"),
    "12 bits, colours.tif": _tiff(DEEP >> 4, bitspersample=12),
    "palette of 16 colours.tif": lambda path: Image.fromarray(RGB).quantize(16).save(path),
    "reduced copy.tif": _overview,
    "itself as next page.tif": _loop,
    "4 bits.png": _bytes(_small_png(4)),
    "2 bits.png": _bytes(_small_png(2)),
    "palette of 4 bits.png": lambda path: Image.fromarray(RGB).quantize(16).save(path, bits=4),
    "trailing bytes.png": _bytes(_png(Image.fromarray(RGB)) + b"trailing"),
    "unknown chunk.png": _bytes(_png(Image.fromarray(RGB))[:33] + _chunk(b"abCd", b"what") + _png(Image.fromarray(RGB))[33:]),
    "16 bits, transparent grey.png": _bytes(
        (deep := bytes(imagecodecs.png_encode(DEEP[..., 0].copy())))[:33]
        + _chunk(b"tRNS", struct.pack(">H", int(DEEP[0, 0, 0])))
        + deep[33:]
    ),
    "progressive.jpg": _pillow("RGB", progressive=True),
    "CMYK.jpg": _pillow("CMYK"),
    "lossy, alpha.webp": _pillow("RGBA"),
    "transparent.gif": _pillow("P index", transparency=0),
    "grey.gif": _pillow("L"),
    "RLE.tga": _pillow("RGBA", compression="tga_rle"),
    "palette.tga": _pillow("P"),
    "text.ppm": _bytes(b"P3 2 3 255\n" + b"1 2 3 4 5 6 " * 3),
    "float.pfm": lambda path: Image.fromarray(noise(np.float32, 1)).save(path),
    "palette.pcx": _pillow("P"),
    "colours.sgi": _pillow("RGB"),
    "colours.dds": _pillow("RGBA"),
    "16 bits.jp2": _bytes(bytes(imagecodecs.jpeg2k_encode(DEEP[..., 0].copy(), level=0))),
    "colours.qoi": _bytes(bytes(imagecodecs.qoi_encode(RGB))),
}
REFUSED: dict[str, tuple[Maker, str]] = {
    "animated.webp": (_pillow("RGB", save_all=True, append_images=[picture("L").convert("RGB")]), "2 frames or pages"),
    "16-bit CIELAB.tif": (_tiff(DEEP, photometric="cielab"), "CIELAB pixels of more than 8 bits"),
    "raw sensor.tif": (
        _tiff(DEEP[..., 0], photometric="cfa", extratags=[(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes(4), True)]),
        "CFA",
    ),
    "volume.tif": (_tiff(np.stack([GREY] * 16), photometric="minisblack", volumetric=True, tile=(16, 16, 16)), "16 frames or pages"),
    "described as a stack.tif": (
        _tiff(np.stack([GREY] * 3), photometric="minisblack", truncate=True, description='{"shape": [3, 24, 30]}'),
        "3 frames or pages",
    ),
    "colours of 1 bit.tif": (_tiff(RGB > 127), "3 bands of 1 bit"),
    "YCbCr without JPEG.tif": (lambda path: Image.fromarray(RGB).convert("YCbCr").save(path), "YCbCr pixels without JPEG"),
    "nothing in it.ppm": (_bytes(b"P6 0 0 255\n"), "cannot be read|0 x 0 pixels"),
    "white of 0.pgm": (_bytes(b"P5 2 2 0\n1234"), "header is damaged"),
    "negative.pgm": (_bytes(b"P2 2 1 9\n1 -1\n"), "cannot be read"),
}


def _reference(path: Path) -> Array:
    """Return the values of a file without our code: those that a TIFF stores, or those that Pillow or the codec shows."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as tiff:
            values = tiff.pages.first.asarray()
            return np.moveaxis(values, 0, 2) if tiff.pages.first.planarconfig == 2 else values
    data = path.read_bytes()
    if path.suffix == ".jp2" or (path.suffix == ".png" and data[24] == 16):
        return np.asarray(imagecodecs.png_decode(data) if path.suffix == ".png" else imagecodecs.jpeg2k_decode(data))
    with Image.open(path) as image:
        return np.asarray(image) if image.mode in ("F", "CMYK") else np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("name", RIGHT)
def test_it_comes_back_right(tmp_path: Path, name: str) -> None:
    """Known pixels are those of the source, by a reader that is not ours; the result is in a lossless format."""
    source = tmp_path / name
    RIGHT[name](source)
    before = _reference(source)
    target = tmp_path / f"result {files.output_name(source)}"
    if before.shape[:2] == HOLE.shape:
        fill(source, target)
        known = ~HOLE
    else:
        read, known = files.read_picture(source, LIMIT), np.ones(before.shape[:2], bool)
        files.write_picture(read, read.pixels, ~known, target)
    np.testing.assert_array_equal(_reference(target)[known], before[known])


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    """What cannot be read without loss is refused with a reason."""
    make, reason = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(ImageError, match=reason) as caught:
        files.read_picture(tmp_path / name, LIMIT)
    assert len(str(caught.value).splitlines()) == 1
