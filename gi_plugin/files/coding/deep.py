"""Pictures with more than 8 bits per channel that Pillow would cut to 8: PNG, JPEG 2000 and AVIF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ...arrays import Array
from ...errors import ImageError
from ..raster import Raster, check_type, upright, white_of
from . import png

START = 4096  # bytes that hold the headers
CODESTREAM = b"\xff\x4f\xff\x51"  # start of the picture in a JPEG 2000 file: its size follows


def bits_of(header: bytes, kind: str) -> int:
    """Return the bits per channel of a file of Pillow's format `kind`, as far as its first `START` bytes tell; 8 if they do not."""
    if kind == "PNG":
        return header[24] if header.startswith(png.SIGNATURE) and len(header) > 24 else 8
    if kind == "JPEG2000":
        place = header.find(CODESTREAM)
        return (header[place + 42] & 0x7F) + 1 if 0 <= place < len(header) - 42 else 8
    if kind == "AVIF":
        place = header.find(b"av1C")
        flags = header[place + 6] if 0 <= place < len(header) - 6 else 0
        return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    return 8


def read(path: Path, kind: str, bits: int, orientation: int) -> Raster:
    """Read a picture of more than 8 bits whose size was checked.

    :param kind: Pillow's name of the format.
    :param orientation: of its Exif data.
    :raises ImageError: if it has an unknown number of channels.
    """
    import imagecodecs  # noqa: PLC0415  # large

    decoders: dict[str, Callable[[bytes], Array]] = {
        "PNG": imagecodecs.png_decode,
        "JPEG2000": imagecodecs.jpeg2k_decode,
        "AVIF": imagecodecs.avif_decode,
    }
    values = decoders[kind](path.read_bytes())
    values = values if values.ndim == 3 else values[..., None]
    if values.ndim != 3 or not 1 <= values.shape[2] <= 4:
        raise ImageError(f"has pixels of shape {values.shape}: expected grey or RGB, with or without alpha")
    check_type(values.dtype)
    alpha = ("unassalpha",) if values.shape[2] in (2, 4) else ()
    colours = "grey" if values.shape[2] < 3 else "RGB"
    return Raster(upright(values, orientation), colours, alpha, white_of(values.dtype, bits))


def orientation_of(opened: Image.Image) -> int:
    """Return the orientation of a file that Pillow has opened, 1 to 8."""
    found = opened.getexif().get(0x0112, 1)
    return found if found in range(1, 9) else 1
