"""The metadata of TIFF files: tags as packed values, and the folders of Exif and GPS data."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from ..metadata import Metadata, cleaned_xmp, usable_dpi, xmp_orientation
from . import exif
from .exif import EXIF_FOLDER, GPS_FOLDER, ORIENTATION, ExifFolders

DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, date, artist, copyright: also tags of Exif data
XMP, PROFILE, RESOLUTION, UNIT = 700, 34675, (282, 283), 296
PER_INCH = {2: 1.0, 3: 2.54}  # by resolution unit
LAYOUT = {  # tags of the file's layout, which the result has of its own, and those that are handled one by one
    *range(254, 260),
    *(262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 288, 289, 292, 293, 297),
    *(*range(317, 326), *range(332, 344), 347, 400, 559, 32995, 32997, 32998, 40965),
    *range(512, 533),
    *(*DESCRIPTIVE, XMP, PROFILE, *RESOLUTION, UNIT, EXIF_FOLDER, GPS_FOLDER),
}
PICTURES = {330: "reduced copies", 34377: "Photoshop data", 37724: "Photoshop layers"}  # tags that hold copies of the old picture
LARGEST = 2**24  # bytes of a tag that is kept


def read(tiff: Any, page: Any, path: Path) -> Metadata:
    """Return the metadata of the first page of an open TIFF file."""
    left, tags = [], {}
    for tag in page.tags:
        value = _packed(tiff, tag) if tag.code not in LAYOUT else b""
        if tag.code in PICTURES or exif.JPEG_START in value:
            left.append(PICTURES.get(tag.code, f"TIFF tag {tag.code}"))
        elif value:
            tags[tag.code] = int(tag.dtype), value
    if len(tiff.pages) > 1:
        left.append("reduced copies")
    data, xmp = _exif(tiff, page, path), page.tags.valueof(XMP, default=b"")
    safe = cleaned_xmp(xmp if isinstance(xmp, (bytes, str)) else b"")
    left += ["XMP (with a preview of the old picture)"] if xmp and not safe else []
    left += ["Exif (damaged, or with a preview of the old picture)"] if not data and _has_folders(page) else []
    profile = page.iccprofile
    return Metadata(
        profile if isinstance(profile, bytes) else b"",
        data,
        safe,
        _dpi(page),
        tags=exif.little_endian(tags, tiff.byteorder),
        left=tuple(dict.fromkeys(left)),
    )


def orientation(page: Any) -> int:
    """Return the orientation of a page, 1 to 8."""
    found = page.tags.valueof(ORIENTATION)
    xmp = page.tags.valueof(XMP)
    found = xmp_orientation(xmp) if found is None and isinstance(xmp, bytes) else found
    return found if found in range(1, 9) else 1


def extra_tags(metadata: Metadata) -> list[tuple[Any, ...]]:
    """Return the tags of a little-endian file with this metadata, in the form of tifffile's `extratags`."""
    tags = dict(metadata.tags)
    if metadata.exif:
        folders = exif.folders_of(metadata.exif)
        main = exif.little_endian(folders.main, folders.order)
        tags |= {code: entry for code, entry in main.items() if code not in LAYOUT - set(DESCRIPTIVE)}
    if metadata.xmp:
        tags[XMP] = 1, metadata.xmp
    return [(code, kind, None, value, True) for code, (kind, value) in sorted(tags.items())]


def append_folders(file: Path, metadata: Metadata) -> None:
    """Add the Exif and GPS folders to a little-endian TIFF file: a new main folder at its end refers to them."""
    folders = exif.folders_of(metadata.exif) if metadata.exif else None
    found = {EXIF_FOLDER: folders.exif, GPS_FOLDER: folders.gps} if folders else {}
    inner = {tag: exif.little_endian(folder, folders.order) for tag, folder in found.items() if folders and folder}
    with file.open("r+b") as stream:
        form, first = struct.unpack("<4sI", stream.read(8))
        if not inner or form != b"II*\0":  # a file of more than 4 GB has another form
            return
        stream.seek(first)
        (count,) = struct.unpack("<H", stream.read(2))
        entries = [stream.read(12) for _ in range(count)]
        place = stream.seek(0, 2)
        place += stream.write(bytes(place % 2))
        for tag, folder in inner.items():
            entries.append(struct.pack("<HHII", tag, 4, 1, place))
            place += stream.write(exif.pack_folder(folder, "<", place))
        entries.sort(key=lambda entry: int.from_bytes(entry[:2], "little"))
        stream.write(struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))
        stream.seek(4)
        stream.write(struct.pack("<I", place))


def _packed(tiff: Any, tag: Any) -> bytes:
    """Return the value of a tag as it stands in the file; nothing if it is a reference, too large or outside the file."""
    size = tag.valuebytecount
    if int(tag.dtype) not in exif.SIZES or int(tag.dtype) == 13 or not 0 < size <= LARGEST:
        return b""
    tiff.filehandle.seek(tag.valueoffset)
    value: bytes = tiff.filehandle.read(size)
    return value if len(value) == size else b""


def _has_folders(page: Any) -> bool:
    return EXIF_FOLDER in page.tags or GPS_FOLDER in page.tags


def _exif(tiff: Any, page: Any, path: Path) -> bytes:
    """Return the descriptive tags, and the Exif and GPS folders, as Exif data."""
    if tiff.is_bigtiff:
        return b""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            folders = exif.read_folders(data, tiff.byteorder, page.offset)
        except (struct.error, KeyError):
            return b""
    main = {tag: entry for tag, entry in folders.main.items() if tag in DESCRIPTIVE}
    if not (main or folders.exif or folders.gps):
        return b""
    return exif.cleaned(exif.pack(ExifFolders(folders.order, main, folders.exif, folders.gps)))


def _dpi(page: Any) -> tuple[float, float] | None:
    factor = PER_INCH.get(int(page.tags.valueof(UNIT, default=2) or 2))
    values = [page.tags.valueof(tag) for tag in RESOLUTION]
    try:
        return usable_dpi([value[0] / value[1] * factor for value in values]) if factor else None
    except (TypeError, IndexError, ZeroDivisionError):
        return None
