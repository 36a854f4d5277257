"""What a picture file holds beside its pixels, and which of it each format carries."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from PIL import Image

from .coding import exif, png

CARRIED: dict[str, tuple[str, ...]] = {  # by format: the fields of `Metadata` that its files carry; everything else is named
    "PNG": ("profile", "exif", "xmp", "dpi", "colours", "texts"),
    "TIFF": ("profile", "exif", "xmp", "dpi", "tags"),
    "JPEG": ("profile", "exif", "xmp", "dpi", "comment"),
    "WEBP": ("profile", "exif", "xmp"),
    "AVIF": ("profile", "exif", "xmp"),
    "GIF": ("comment",),
    "BMP": ("dpi",),
    "PPM": (),
    "TGA": (),
}
LIMITS = {("JPEG", "exif"): 65_527, ("JPEG", "xmp"): 65_504, ("JPEG", "comment"): 65_533, ("GIF", "comment"): 65_535}  # bytes
HIGHEST_DPI = 60_000.0
PREVIEWS = (b"xmpGImg", exif.JPEG_START)  # XMP with one of these holds a small copy of the old picture
TURNED = re.compile(rb"(tiff:Orientation(?:=[\"']|>))([2-8])")
JPEG_BLOCKS = {  # application data of JPEGs that we know: the start of its content, and what it is; the empty ones are carried
    ("COM", b""): "",
    ("APP0", b""): "",
    ("APP1", b"Exif\0"): "",
    ("APP1", b"http://ns.adobe.com/xap/1.0/"): "",
    ("APP1", b"http://ns.adobe.com/xmp/extension/"): "extended XMP",
    ("APP2", b"ICC_PROFILE"): "",
    ("APP2", b"MPF"): "further pictures (MPO)",
    ("APP2", b"urn:iso:std:iso:ts:21496"): "HDR gain map",
    ("APP11", b"JP"): "content credentials",
    ("APP13", b"Photoshop"): "IPTC and Photoshop data",
    ("APP14", b"Adobe"): "",
}


@dataclass(frozen=True)
class Metadata:
    """Metadata of an upright picture. No part of it holds a copy of the old picture."""

    profile: bytes = field(default=b"", metadata={"name": "ICC profile"})
    exif: bytes = field(default=b"", metadata={"name": "Exif"})  # without the prefix of a JPEG
    xmp: bytes = field(default=b"", metadata={"name": "XMP"})
    dpi: tuple[float, float] | None = field(default=None, metadata={"name": "resolution"})
    comment: bytes = field(default=b"", metadata={"name": "comment"})
    colours: tuple[png.Chunk, ...] = field(default=(), metadata={"name": "PNG colour space"})
    texts: tuple[png.Chunk, ...] = field(default=(), metadata={"name": "PNG texts"})
    tags: Mapping[int, tuple[int, bytes]] = field(default_factory=dict, metadata={"name": "TIFF tags"})  # type and little-endian value
    left: tuple[str, ...] = ()  # names of contents that no format carries

    def carried(self, kind: str) -> dict[str, Any]:
        """Return the contents that a file of the format `kind` carries, by the names of their fields."""
        contents = {name: getattr(self, name) for name in CARRIED.get(kind, ())}  # a format of a plugin carries none
        return {name: value for name, value in contents.items() if value and len(value) <= LIMITS.get((kind, name), math.inf)}

    def not_carried(self, kind: str) -> tuple[str, ...]:
        """Name the contents that a file of the format `kind` does not carry."""
        carried = self.carried(kind)
        lost = [
            entry.metadata["name"] for entry in fields(self) if entry.metadata and getattr(self, entry.name) and entry.name not in carried
        ]
        return (*lost, *self.left)


def metadata_of(opened: Image.Image, chunks: tuple[png.Chunk, ...] = ()) -> Metadata:
    """Return the metadata of a file that Pillow has opened; `chunks` are those of a PNG."""
    info, left = opened.info, list(_unknown_blocks(opened))
    data = {"exif": _exif_of(info), "xmp": info.get("xmp") or b"", "comment": info.get("comment") or b""}
    safe = {"exif": exif.cleaned(data["exif"]), "xmp": cleaned_xmp(data["xmp"]), "comment": _bytes(data["comment"])}
    names = {entry.name: entry.metadata["name"] for entry in fields(Metadata) if entry.metadata}
    left += [f"{names[name]} (damaged, or with a preview of the old picture)" for name in safe if data[name] and not safe[name]]
    if opened.format == "MPO" and "further pictures (MPO)" not in left:
        left.append("further pictures (MPO)")
    left += [f"PNG chunk {kind.decode()}" for kind, _ in chunks if png.is_unknown(kind)]
    return Metadata(
        _bytes(info.get("icc_profile") or b""),
        safe["exif"],
        safe["xmp"],
        usable_dpi(info.get("dpi")),
        safe["comment"],
        tuple(chunk for chunk in chunks if chunk[0] in png.COLOURS),
        tuple(chunk for chunk in chunks if png.is_text(chunk)),
        left=tuple(dict.fromkeys(left)),
    )


def cleaned_xmp(data: bytes | str) -> bytes:
    """Return XMP with orientation 1; nothing if it holds a preview of the old picture."""
    text = _bytes(data)
    return b"" if any(mark in text for mark in PREVIEWS) else TURNED.sub(rb"\g<1>1", text)


def xmp_orientation(data: bytes) -> int:
    """Return the orientation that XMP tells, 1 to 8."""
    found = TURNED.search(data)
    return int(found[2]) if found else 1


def usable_dpi(value: Any) -> tuple[float, float] | None:
    """Return a resolution in pixels per inch along x and y; None if a damaged file holds another value."""
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < HIGHEST_DPI and 0 < y < HIGHEST_DPI else None


def _exif_of(info: dict[Any, Any]) -> bytes:
    """Return the Exif data of a file; some PNGs hold it as a text of hexadecimal digits."""
    if "exif" in info:
        return _bytes(info["exif"] or b"")
    try:
        return bytes.fromhex("".join(str(info.get("Raw profile type exif", "")).split("\n")[3:]))
    except ValueError:
        return b"damaged"


def _unknown_blocks(opened: Image.Image) -> list[str]:
    found = []
    for name, content in getattr(opened, "applist", ()):
        known = [text for (block, start), text in JPEG_BLOCKS.items() if block == name and content.startswith(start)]
        found.append(known[0] if known else f"{name} data")
    return [name for name in found if name]


def _bytes(value: bytes | str) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
