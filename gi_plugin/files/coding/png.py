"""PNG files: fast encoding by libpng with one fixed filter and run-length compression, and the chunks of metadata."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from ...arrays import Array

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST = 1_000_000  # longest side that libpng writes, in pixels
END_OF_HEADER = len(SIGNATURE) + 25
METRE = 1 / 0.0254  # inches per metre
XMP = b"XML:com.adobe.xmp"
COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # chunks that say what the colours mean
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
HANDLED = (*COLOURS, *TEXTS, b"iCCP", b"eXIf", b"pHYs", b"tRNS", b"sBIT", b"tIME")  # bit depth and time of writing are those of the result
Chunk = tuple[bytes, bytes]  # kind and content


def encode(pixels: Array) -> bytes:
    """Encode a picture as PNG, three times as fast as Pillow at similar file sizes.

    :param pixels: HxW, HxWx2 (grey and alpha), HxWx3 or HxWx4; uint8 or uint16; no side may be longer than `LONGEST`.
    """
    import imagecodecs  # noqa: PLC0415  # large

    kind = imagecodecs.PNG
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=1, strategy=kind.STRATEGY.RLE, filter=kind.FILTER.PAETH))


def with_metadata(data: bytes, contents: dict[str, Any]) -> bytes:
    """Add metadata to an encoded PNG; `contents` are those of `Metadata.carried`."""
    chunks = list(contents.get("colours", ()))
    if "profile" in contents:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(contents["profile"])))
    if "dpi" in contents:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(METRE * value) for value in contents["dpi"]), 1)))
    if "exif" in contents:
        chunks.append((b"eXIf", contents["exif"]))
    if "xmp" in contents:
        chunks.append((b"iTXt", XMP + b"\0\0\0\0\0" + contents["xmp"]))
    chunks += contents.get("texts", ())
    return data[:END_OF_HEADER] + _packed(chunks) + data[END_OF_HEADER:]


def read_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a PNG, except those that hold its pixels or palette, as far as the file is whole."""
    file.seek(len(SIGNATURE))
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind[:1].islower():  # chunks without which a picture can be shown
            yield kind, file.read(length)
            length = 0
        file.seek(length + 4, os.SEEK_CUR)


def is_text(chunk: Chunk) -> bool:
    """Return whether a chunk is a text that is kept as it is: not XMP, and no Exif data in disguise."""
    return chunk[0] in TEXTS and not chunk[1].startswith((XMP, b"Raw profile type"))


def is_unknown(kind: bytes) -> bool:
    """Return whether chunks of a kind are neither kept nor made anew."""
    return kind not in HANDLED and kind.isalpha()


def _packed(chunks: Iterable[Chunk]) -> bytes:
    return b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
