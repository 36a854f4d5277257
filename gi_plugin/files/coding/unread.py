"""Formats that are known but not read: the error says what to do."""

from __future__ import annotations

from ...errors import ImageError

HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
OPENEXR = b"\x76\x2f\x31\x01"


def check(header: bytes) -> None:
    """Check that a file is not of a format that is known but not read; `header` is the start of it.

    :raises ImageError: if it is; the message names the format and what to do.
    """
    if header[4:8] == b"ftyp" and header[8:12] in HEIF_BRANDS and b"avif" not in header[8:64]:
        raise ImageError("is a HEIC picture, which is not read: convert it to 16-bit .png or .tif first")
    if header.startswith(OPENEXR):
        raise ImageError("is an OpenEXR picture, which is not read: convert it to a float .tif first")
