"""Reading picture files without losing depth, colour profile or orientation, and writing them without changing known pixels."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..arrays import Array, Bools
from ..atomic import replacing
from ..errors import ImageError, first_line
from ..image import SCAN_ROWS
from . import deep, modes, png, registered
from .deep import DeepPicture, check_size
from .formats import LOSSY, MODES, check_output, format_of
from .quiet import ignored_warnings

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {"compress_level": 3},  # for modes that png.py does not write
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {
        "lossless": True,
        "quality": 0,
        "exact": True,
    },  # quality means effort: 0 takes a sixth of the time of 100, files are 0.4 % larger
}
FAST_PNG = ("L", "LA", "RGB", "RGBA")
SMOOTH_TIFF = (*FAST_PNG, "CMYK")  # modes that TIFF stores as differences of neighbours: half the time, files a quarter smaller
PREDICTOR = 317  # TIFF tag
FAILURES = (OSError, ValueError, KeyError, RuntimeError, MemoryError, struct.error)  # errors that encoders raise
_limit_lock = threading.Lock()  # Pillow has one pixel limit for all threads


@dataclass(frozen=True)
class PictureFile:
    """The pixels of a picture file for the inpainter (HxW, HxWx3 or HxWx4), and the picture that they were read from."""

    pixels: Array
    source: Image.Image | DeepPicture


def read_picture(path: Path, max_pixels: int, name: str = "") -> PictureFile:
    """Read a picture file and turn it upright according to its EXIF orientation.

    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: if the file is missing, damaged, not a picture, too large, or has several frames.
    """
    with _naming(name or str(path)):
        if (theirs := registered.of(path)) is not None:
            return _read_by_plugin(theirs, path, max_pixels)
        with path.open("rb") as file:
            header = file.read(26)
        if deep.is_tiff(header) and (found := deep.read_tiff(path, max_pixels)) is not None:
            return PictureFile(found.pixels, found)
        with _open(path) as opened:
            frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)  # MPO: a phone's JPEG, further frames are previews
            check_size(opened.width, opened.height, frames, max_pixels)
            if deep.is_deep_png(header):
                found = deep.read_png(path, opened)
                return PictureFile(found.pixels, found)
            return _read_by_pillow(opened)


def read_mask(path: Path, max_pixels: int) -> Array:
    """Read a mask file as an array HxW, HxWx3 or HxWx4; raises the errors of `read_picture`."""
    return read_picture(path, max_pixels).pixels


def value_range(pixels: Array, hole: Bools) -> tuple[float, float] | None:
    """Return the value range of a float picture: [0, 1], widened to include its known pixels; None for integer pictures."""
    if pixels.dtype.kind != "f":
        return None
    low, high = 0.0, 1.0
    for start in range(0, len(hole), SCAN_ROWS):
        known = pixels[start : start + SCAN_ROWS][~hole[start : start + SCAN_ROWS]]
        known = known[np.isfinite(known)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    return low, high


def write_picture(picture: PictureFile, filled: Array, hole: Bools, path: Path, name: str = "") -> None:
    """Write a filled picture with the mode and colour profile of its source; the file is written atomically.

    If the source is a Pillow picture, it is changed: the fill is pasted into it.

    :param filled: `picture.pixels`, filled by the inpainter.
    :param hole: [H, W], True at filled pixels.
    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: if the folder is not writable, or the format cannot hold the pixels.
    """
    with _replacing(path, name) as partial:
        if (theirs := registered.of(path)) is not None and theirs.write is not None:
            theirs.write(filled, partial)
        elif isinstance(picture.source, DeepPicture):
            deep.write(picture.source, filled, partial)
        else:
            modes.fill(picture.source, filled, hole)
            _save(picture.source, filled, partial)


def write_array(pixels: Array, path: Path, name: str = "") -> None:
    """Write an 8-bit array HxW or HxWx3 as a picture; the file is written atomically.

    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: if the folder is not writable, or the format cannot hold the pixels.
    """
    with _replacing(path, name) as partial:
        _save(Image.fromarray(pixels), pixels, partial)


def output_name(path: Path) -> str:
    """Return the file name of a result: the source's name, with suffix .png or .tif if the source's format would change pixels."""
    if (theirs := registered.of(path)) is not None and theirs.write is not None:
        return path.name
    try:
        with ignored_warnings(), _open(path) as opened:
            mode = opened.mode
    except Exception:  # noqa: BLE001  # Pillow cannot open it: a TIFF of float colours, or a damaged file, which is reported when it is read
        return path.name
    kind = format_of(path)
    if kind not in LOSSY and mode in MODES.get(kind, ()):
        return path.name
    return f"{path.stem}{'.png' if mode in MODES['PNG'] else '.tif'}"


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn every error of a decoder into an `ImageError` of one line that names the file."""
    try:
        with ignored_warnings():  # decoders warn about unusual metadata
            yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{name}: there is no such file") from error
    except MemoryError as error:
        raise ImageError(f"{name}: too large for the memory of this machine") from error
    except Exception as error:  # decoders raise many types
        raise ImageError(f"{name}: cannot be read as a picture: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "unknown format, or the file is damaged"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)


def _open(path: Path) -> Image.Image:
    with _limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # [hook] max_pixels replaces Pillow's own limit
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _read_by_pillow(opened: Image.Image) -> PictureFile:
    opened.load()
    is_tiff = opened.format == "TIFF"  # a copy drops the tags of the file's layout, which Pillow would otherwise write again
    image = opened.copy() if is_tiff or opened.readonly else opened  # read-only: mapped from the file, which may change
    if is_tiff:
        image.info["exif"] = _tiff_exif(opened)
    ImageOps.exif_transpose(image, in_place=True)
    image = modes.to_kept_mode(image)
    return PictureFile(modes.to_array(image), image)


def _read_by_plugin(theirs: registered.FileFormat, path: Path, max_pixels: int) -> PictureFile:
    """Read a file of a registered format. Its pixels can also be written as PNG (8 or 16 bits) or TIFF."""
    pixels = theirs.read(path)
    check_size(pixels.shape[1], pixels.shape[0], 1, max_pixels)
    return PictureFile(pixels, Image.fromarray(pixels) if pixels.dtype == np.uint8 else DeepPicture(pixels))


def _tiff_exif(opened: Image.Image) -> bytes:
    """Return the EXIF data of a TIFF without the tags that describe the file's layout."""
    exif, kept = opened.getexif(), Image.Exif()
    kept.update({tag: exif[tag] for tag in deep.DESCRIPTIVE if tag in exif})
    for folder in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if entries := exif.get_ifd(folder):
            kept[folder] = dict(entries)
    return kept.tobytes() if kept else b""


def _save(image: Image.Image, pixels: Array, file: Path) -> None:
    """Write a picture; if its mode is in `modes.DIRECT`, `pixels` is its array."""
    kind = format_of(file)
    if image.mode not in MODES[kind]:
        raise ImageError(f"cannot hold {image.mode} pixels without loss; use {'.png or ' if image.mode in MODES['PNG'] else ''}.tif")
    kept = {key: image.info[key] for key in ("icc_profile", "exif", "dpi", "transparency") if image.info.get(key)}
    if kind == "PNG" and image.mode in FAST_PNG and max(image.size) <= png.LONGEST and "transparency" not in image.info:
        direct = pixels if image.mode in modes.DIRECT else np.asarray(image)
        file.write_bytes(png.encode(direct, kept.get("icc_profile"), kept.get("exif"), kept.get("dpi")))
        return
    options = {**SAVE_OPTIONS.get(kind, {}), **kept}
    if kind == "TIFF" and "exif" in kept:
        del options["compression"]  # libtiff's encoder fails on EXIF folders
    elif kind == "TIFF" and image.mode in SMOOTH_TIFF:
        options |= {"compression": "tiff_lzw", "tiffinfo": {PREDICTOR: 2}}
    image.save(file, format=kind, **options)


@contextmanager
def _replacing(path: Path, name: str) -> Iterator[Path]:
    """Yield a temporary file that replaces `path` if the block succeeds; errors start with `name`, or with `path` if that is empty."""
    check_output(path, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            yield partial
    except ImageError as error:
        raise ImageError(f"{name or path}: {error}") from error
    except FAILURES as error:
        raise ImageError(f"{name or path}: cannot be written: {_reason(error)}") from error
