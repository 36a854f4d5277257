"""Netpbm files (PGM, PPM) whose white is not 255: Pillow would scale their values, or cut them to 8 bits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import ImageError
from ..opening import check_size
from ..raster import Raster

HEADER = re.compile(rb"P([2356])((?:\s|#[^\n]*\n)+)(\d+)((?:\s|#[^\n]*\n)+)(\d+)((?:\s|#[^\n]*\n)+)(\d+)(?:[ \t]*#[^\n]*\n|\s)")
START = 4096  # bytes that hold the header


def is_scaled(header: bytes) -> bool:
    """Return whether a file is a PGM or PPM with another white than 255; `header` is the start of it."""
    found = HEADER.match(header)
    return found is not None and int(found[7]) != 255


def read(path: Path, max_pixels: int) -> Raster:
    """Read a PGM or PPM, binary or as text.

    :raises ImageError: if it is damaged or too large.
    """
    data = path.read_bytes()
    found = HEADER.match(data)
    if found is None:
        raise ImageError("cannot be read as a picture: its header is damaged")
    form, width, height, white = (int(found[group]) for group in (1, 3, 5, 7))
    check_size(width, height, 1, max_pixels)
    bands, dtype = 3 if form in (3, 6) else 1, np.dtype(np.uint8 if white < 256 else np.uint16)
    count = width * height * bands
    if not 0 < white < 65536 or not count:
        raise ImageError("cannot be read as a picture: its header is damaged")
    if form < 4:
        values = np.array(re.sub(rb"#[^\n]*", b"", data[found.end() :]).split()[:count], np.uint32)
    else:
        values = np.frombuffer(
            data, dtype.newbyteorder(">"), offset=found.end(), count=min(count, (len(data) - found.end()) // dtype.itemsize)
        )
    if values.size < count or values.max() > white:
        raise ImageError("cannot be read as a picture: the file is truncated, or its values are larger than its white")
    return Raster(values.astype(dtype).reshape(height, width, bands), "RGB" if bands == 3 else "grey", white=white)


def write(raster: Raster, file: Path) -> bool:
    """Write a grey or RGB picture of unsigned integers; return False if it is none."""
    values, white = raster.values, raster.white
    if raster.extra or raster.inverted or raster.kind not in ("grey", "RGB") or values.dtype not in (np.uint8, np.uint16):
        return False
    form, (height, width, _) = 6 if raster.kind == "RGB" else 5, values.shape
    big = values.astype(">u2" if values.dtype == np.uint16 else np.uint8, copy=False)
    file.write_bytes(f"P{form}\n{width} {height}\n{white}\n".encode() + big.tobytes())
    return True
