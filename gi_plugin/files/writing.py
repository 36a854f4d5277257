"""Writing picture files without changing known pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..arrays import Array, Bools
from ..atomic import replacing
from ..errors import ImageError
from . import modes, registered
from .coding import exif, netpbm, png, tiff
from .formats import MODES, check_output, format_of
from .metadata import Metadata
from .picture import PictureFile, reason
from .raster import Raster, raster_of

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {"compress_level": 3},  # for modes that png.py does not write
    "WEBP": {
        "lossless": True,
        "quality": 0,
        "exact": True,
    },  # quality means effort: 0 takes a sixth of the time of 100, files are 0.4 % larger
}
NAMES = {"profile": "icc_profile", "exif": "exif", "xmp": "xmp", "dpi": "dpi", "comment": "comment"}  # Pillow's options for metadata
FAST_PNG = ("L", "LA", "RGB", "RGBA")
FAILURES = (OSError, ValueError, KeyError, RuntimeError, MemoryError, ImportError, struct.error)  # errors that encoders raise


def write_picture(picture: PictureFile, filled: Array, hole: Bools, path: Path, name: str = "") -> tuple[str, ...]:
    """Write a filled picture with the mode and metadata of its source; the file is written atomically.

    The source is changed: the fill is put into it.

    :param filled: [H, W] or [H, W, C], shape and dtype of `picture.pixels`.
    :param hole: [H, W], True at filled pixels.
    :param name: the file's name in error messages; its path if empty.
    :return: names of the contents of the source that this format does not carry.
    :raises ImageError: if the folder is not writable, or the format cannot hold the pixels.
    """
    theirs = registered.of(path)
    with _replacing(path, name) as partial:
        if theirs is not None and theirs.write is not None:
            theirs.write(filled, partial)
        elif isinstance(picture.source, Raster):
            picture.source.fill(filled, hole)
            _save_raster(picture.source, picture.metadata, partial)
        else:
            modes.fill(picture.source, filled, hole)
            _save(picture.source, filled, picture.metadata, partial)
    return picture.metadata.not_carried("" if theirs is not None else format_of(path))


def write_array(pixels: Array, path: Path, name: str = "") -> None:
    """Write an 8-bit array HxW or HxWx3 as a picture; the file is written atomically.

    :param name: the file's name in error messages; its path if empty.
    :raises ImageError: if the folder is not writable, or the format cannot hold the pixels.
    """
    with _replacing(path, name) as partial:
        _save(Image.fromarray(pixels), pixels, Metadata(), partial)


def _save_raster(raster: Raster, metadata: Metadata, file: Path) -> None:
    kind = format_of(file)
    if kind == "TIFF":
        tiff.write(raster, metadata, file)
    elif kind == "PPM" and netpbm.write(raster, file):
        pass
    elif (image := raster.to_image()) is not None:
        _save(image, np.asarray(image), metadata, file)
    elif kind == "PNG" and (pixels := raster.to_deep()) is not None:
        file.write_bytes(png.with_metadata(png.encode(pixels), metadata.carried(kind)))
    else:
        bands = f"{raster.values.shape[2]} bands of " if raster.unfilled else ""
        fits_png = raster.to_deep() is not None
        raise ImageError(f"cannot hold {bands}{raster.values.dtype} pixels without loss; use .tif{' or .png' if fits_png else ''}")


def _save(image: Image.Image, pixels: Array, metadata: Metadata, file: Path) -> None:
    """Write a picture; if its mode is in `modes.DIRECT`, `pixels` is its array."""
    kind = format_of(file)
    if image.mode not in MODES[kind]:
        raise ImageError(f"cannot hold {image.mode} pixels without loss; use {'.png or ' if image.mode in MODES['PNG'] else ''}.tif")
    if kind == "TIFF":
        tiff.write(raster_of(image), metadata, file)
    elif kind == "PNG":
        file.write_bytes(png.with_metadata(_encoded_png(image, pixels), metadata.carried(kind)))
    else:
        _save_by_pillow(image, metadata, kind, file)


def _encoded_png(image: Image.Image, pixels: Array) -> bytes:
    if image.mode in FAST_PNG and max(image.size) <= png.LONGEST and "transparency" not in image.info:
        return png.encode(pixels if image.mode in modes.DIRECT else np.asarray(image))
    data = io.BytesIO()
    image.save(data, format="PNG", **SAVE_OPTIONS["PNG"])
    return data.getvalue()


def _save_by_pillow(image: Image.Image, metadata: Metadata, kind: str, file: Path) -> None:
    contents = metadata.carried(kind)
    if "exif" in contents:
        contents["exif"] = exif.PREFIX + contents["exif"]
    options = {NAMES[name]: value for name, value in contents.items()}
    image.save(file, format=kind, **SAVE_OPTIONS.get(kind, {}), **options)


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
        raise ImageError(f"{name or path}: cannot be written: {reason(error)}") from error
