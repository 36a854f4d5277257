"""Exif data: folders (IFDs) of entries in the form of a TIFF file, read and written byte by byte so that no value changes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes of a value by its TIFF type
WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # bytes of a number, by type; 1 for the others
ORDERS = {b"II": "<", b"MM": ">"}  # byte order by the first bytes of a file
PREFIX = b"Exif\0\0"  # of Exif data in a JPEG
ORIENTATION, EXIF_FOLDER, GPS_FOLDER, MAKER_NOTE = 0x0112, 0x8769, 0x8825, 0x927C
THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))  # tags of the places and sizes of a thumbnail
JPEG_START = b"\xff\xd8\xff"
Folder = dict[int, tuple[int, bytes]]  # type and packed value by tag


@dataclass(frozen=True)
class _Entry:
    kind: int
    place: int  # of the value
    size: int  # of the value, in bytes


@dataclass(frozen=True)
class ExifFolders:
    """The folders of Exif data; `order` is the byte order of their values, "<" or ">"."""

    order: str
    main: Folder
    exif: Folder
    gps: Folder


def cleaned(data: bytes) -> bytes:
    """Return Exif data without the thumbnail, which shows the old picture, and with orientation 1; all other bytes keep their place.

    :param data: with or without the prefix of a JPEG.
    :return: without prefix; empty if the data is damaged, or still holds a picture.
    """
    changed = bytearray(data.removeprefix(PREFIX))
    try:
        order = ORDERS[bytes(changed[:2])]
        (first,) = struct.unpack_from(f"{order}I", changed, 4)
        main, following = _entries(changed, order, first)
        if ORIENTATION in main and main[ORIENTATION].kind == 3:
            struct.pack_into(f"{order}H", changed, main[ORIENTATION].place, 1)
        if following:
            _erase_thumbnail(changed, order, first, following)
        if JPEG_START in changed:
            _erase_maker_note(changed, order, main)
        result = bytes(changed)
        folders_of(result)  # a thumbnail of damaged data may overlap the folders
    except (KeyError, struct.error):
        return b""
    return b"" if JPEG_START in result else result


def read_folders(data: Any, order: str, first: int) -> ExifFolders:
    """Read the folders of Exif data or of a TIFF file, whose main folder stands at `first`; `data` is bytes or a mapped file.

    :raises struct.error: if the data is damaged.
    """
    main = _entries(data, order, first)[0]
    inner = [
        _values(data, _entries(data, order, _number(data, order, main[tag]))[0]) if tag in main else {} for tag in (EXIF_FOLDER, GPS_FOLDER)
    ]
    return ExifFolders(order, _values(data, main), *inner)


def folders_of(data: bytes) -> ExifFolders:
    """Read the folders of Exif data that `cleaned` returned."""
    order = ORDERS[data[:2]]
    return read_folders(data, order, struct.unpack_from(f"{order}I", data, 4)[0])


def little_endian(folder: Folder, order: str) -> Folder:
    """Return a folder with values in little-endian byte order; `order` is theirs."""
    if order == "<":
        return folder
    return {tag: (kind, np.frombuffer(value, f">u{WORDS.get(kind, 1)}").byteswap().tobytes()) for tag, (kind, value) in folder.items()}


def pack(folders: ExifFolders) -> bytes:
    """Write folders as Exif data, without the prefix of a JPEG."""
    inner = {tag: folder for tag, folder in ((EXIF_FOLDER, folders.exif), (GPS_FOLDER, folders.gps)) if folder}
    main = dict(folders.main) | dict.fromkeys(inner, (4, bytes(4)))
    offset, parts = 8 + len(pack_folder(main, folders.order, 8)), []
    for tag, folder in inner.items():
        parts.append(pack_folder(folder, folders.order, offset))
        main[tag] = 4, struct.pack(f"{folders.order}I", offset)
        offset += len(parts[-1])
    start = b"II*\0\x08\0\0\0" if folders.order == "<" else b"MM\0*\0\0\0\x08"
    return start + pack_folder(main, folders.order, 8) + b"".join(parts)


def pack_folder(folder: Mapping[int, tuple[int, bytes]], order: str, offset: int, following: int = 0) -> bytes:
    """Write one folder that will stand at `offset`, with its values behind it."""
    table, values = struct.pack(f"{order}H", len(folder)), b""
    end = offset + 2 + 12 * len(folder) + 4
    for tag, (kind, value) in sorted(folder.items()):
        table += struct.pack(f"{order}HHI", tag, kind, len(value) // SIZES[kind])
        table += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", end + len(values))
        values += value + bytes(len(value) % 2) if len(value) > 4 else b""
    return table + struct.pack(f"{order}I", following) + values


def _entries(data: Any, order: str, offset: int) -> tuple[dict[int, _Entry], int]:
    """Return the entries of a folder whose values are inside the data, and the place of the next folder."""
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    found, end = {}, offset + 2 + 12 * count
    for start in range(offset + 2, end, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, start)
        size = SIZES.get(kind, 0) * number
        place = start + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, start + 8)[0]
        if 0 < size <= len(data) - place:
            found[tag] = _Entry(kind, place, size)
    return found, struct.unpack_from(f"{order}I", data, end)[0]


def _values(data: Any, entries: Mapping[int, _Entry]) -> Folder:
    return {tag: (entry.kind, bytes(data[entry.place : entry.place + entry.size])) for tag, entry in entries.items()}


def _number(data: Any, order: str, entry: _Entry) -> int:
    return int(struct.unpack_from(order + {2: "H", 4: "I"}[entry.size], data, entry.place)[0]) if entry.size in (2, 4) else 0


def _erase_thumbnail(data: bytearray, order: str, first: int, following: int) -> None:
    """Overwrite the second folder and the picture that it names by zeros, and cut them off where they are the end of the data."""
    entries = _entries(data, order, following)[0]
    ranges = [(following, 6 + 12 * struct.unpack_from(f"{order}H", data, following)[0])]
    ranges += [(entry.place, entry.size) for entry in entries.values()]
    for places, sizes in THUMBNAILS:
        if places in entries and sizes in entries:
            ranges.append((_number(data, order, entries[places]), _number(data, order, entries[sizes])))
    _erase(data, ranges)
    struct.pack_into(f"{order}I", data, first + 2 + 12 * struct.unpack_from(f"{order}H", data, first)[0], 0)
    for place, size in sorted(ranges, reverse=True):
        if place + size >= len(data) > place > first:
            del data[place:]


def _erase_maker_note(data: bytearray, order: str, main: Mapping[int, _Entry]) -> None:
    """Overwrite the camera maker's note, which may hold a preview."""
    if EXIF_FOLDER in main:
        note = _entries(data, order, _number(data, order, main[EXIF_FOLDER]))[0].get(MAKER_NOTE)
        _erase(data, [(note.place, note.size)] if note else [])


def _erase(data: bytearray, ranges: Iterable[tuple[int, int]]) -> None:
    for place, size in ranges:
        end = min(place + size, len(data))
        data[place:end] = bytes(max(end - place, 0))
