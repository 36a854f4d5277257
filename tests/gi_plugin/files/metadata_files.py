"""Helpers that write picture files with every kind of metadata, and read it back without our code."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import ExifTags, Image, PngImagePlugin

from gi_plugin.files.coding import png
from tests.gi_plugin.pictures import PROFILE, noise

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="a title"/></x:xmpmeta>'
GEO = ((33550, 12, 3, (1.0, 1.0, 0.0), True), (34735, 3, 4, (1, 1, 0, 0), True), (42113, 2, None, "-9999", True))  # GeoTIFF and no data
GAMMA, PRIMARIES = struct.pack(">I", 100_000), bytes([9, 16, 0, 1])


def thumbnail() -> bytes:
    """Return a small JPEG, which stands for a preview of the old picture."""
    data = io.BytesIO()
    Image.fromarray(noise(np.uint8, 3, (8, 8))).save(data, "JPEG")
    return data.getvalue()


def exif(*, preview: bytes = b"", order: str = "<", maker_note: bytes = b"") -> bytes:
    """Return Exif data with a copyright, a date, a place and a maker's note, and with a thumbnail if there is one."""
    inner = Image.Exif()
    inner.endian = order
    inner[ExifTags.Base.Copyright] = "somebody"
    inner[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2024:01:02 03:04:05", ExifTags.Base.MakerNote: maker_note or b"note"}
    inner[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    data = bytearray(inner.tobytes()[6:])
    if preview:
        (first,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, first)
        struct.pack_into(f"{order}I", data, first + 2 + 12 * count, len(data))
        entries = struct.pack(f"{order}HHHII", 2, 0x201, 4, 1, len(data) + 30) + struct.pack(f"{order}HHIII", 0x202, 4, 1, len(preview), 0)
        data += entries + preview
    return bytes(data)


def write(path: Path, pixels: Any, **contents: Any) -> None:
    """Write 8-bit pixels [H, W] or [H, W, 3] with the given contents: profile, exif, xmp, dpi, comment, colours, texts, tags."""
    image, kind = Image.fromarray(pixels), path.suffix[1:]
    if kind == "tif":
        _write_tiff(path, pixels, contents)
        return
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {"quality": 95} if kind in ("jpg", "avif") else {}
    names = {"profile": "icc_profile", "xmp": "xmp", "dpi": "dpi", "comment": "comment"}
    options |= {names[name]: value for name, value in contents.items() if name in names}
    if "exif" in contents:
        options["exif"] = b"Exif\0\0" + contents["exif"]
    if kind != "png":
        image.save(path, **options)
        return
    info = PngImagePlugin.PngInfo()
    if "colours" in contents:
        info.add(b"gAMA", GAMMA)
        info.add(b"cICP", PRIMARIES)
    if "texts" in contents:
        info.add_text("Author", "somebody")
    if "xmp" in contents:
        info.add_itxt("XML:com.adobe.xmp", contents["xmp"].decode())
        del options["xmp"]
    image.save(path, pnginfo=info, **options)


def found(path: Path, orientation: int = 1) -> set[str]:
    """Return which contents a file has, as Pillow and tifffile read them; check the orientation that they tell."""
    with Image.open(path) as image:
        image.load()
        info, data = dict(image.info), image.getexif()
        names = {"profile"} if info.get("icc_profile") == PROFILE else set()
        if data.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) == "2024:01:02 03:04:05":
            names.add("exif")
            assert data[ExifTags.Base.Copyright] == "somebody"
            assert data.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
            assert data.get(ExifTags.Base.Orientation, 1) in (1, orientation)
        if b"a title" in (info.get("xmp") or b""):
            names.add("xmp")
            assert orientation > 1 or b'Orientation="1"' in info["xmp"]
        if "dpi" in info and [round(float(value)) for value in info["dpi"]] == [300, 150]:
            names.add("dpi")
        if info.get("comment") == b"a comment":
            names.add("comment")
        names |= {"texts"} if info.get("Author") == "somebody" else set()
    if path.suffix == ".png":
        with path.open("rb") as file:
            chunks = dict(png.read_chunks(file))
        names |= {"colours"} if (chunks.get(b"gAMA"), chunks.get(b"cICP")) == (GAMMA, PRIMARIES) else set()
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as tiff:
            values = [tiff.pages.first.tags.valueof(code) for code, *_ in GEO]
            names |= {"tags"} if values == [value for _, _, _, value, _ in GEO] else set()
    return names


def _write_tiff(path: Path, pixels: Any, contents: dict[str, Any]) -> None:
    """Write a TIFF with Pillow, which knows Exif folders."""
    info = {code: value for code, _, _, value, _ in GEO} if "tags" in contents else {}
    types = {code: kind for code, kind, *_ in GEO}
    directory = Image.Exif()
    if "exif" in contents:
        directory.load(b"Exif\0\0" + contents["exif"])
    for code, value in info.items():
        directory[code] = value
    assert types
    names = {"profile": "icc_profile", "dpi": "dpi"}
    options = {names[name]: value for name, value in contents.items() if name in names}
    if "xmp" in contents:
        directory[700] = contents["xmp"]
    Image.fromarray(pixels).save(path, exif=directory, **options)
