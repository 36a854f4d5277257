"""Picture files with more than 8 bits per channel, which Pillow would cut to 8: 16-bit PNG, 16-bit and float TIFF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from ..arrays import Array
from ..errors import ImageError
from . import png

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TIFF_SUFFIXES = (".tif", ".tiff")
ORIENTATION = 0x0112  # EXIF and TIFF tag
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)  # TIFF tags: description, make, model, software, date, artist, copyright
PHOTOMETRIC = ("MINISWHITE", "MINISBLACK", "RGB")  # tifffile's names


@dataclass(frozen=True)
class DeepPicture:
    """Upright pixels HxW, HxWx3 or HxWx4, and the file's metadata: EXIF of a PNG, descriptive tags of a TIFF."""

    pixels: Array
    profile: bytes | None = None
    exif: bytes | None = None
    alpha: str = "unassalpha"  # kind of the fourth channel, in tifffile's terms
    tags: tuple[Any, ...] = ()  # in the form of tifffile's `extratags`


def check_size(width: int, height: int, frames: int, max_pixels: int) -> None:
    """Check that a file holds one picture of at most `max_pixels` pixels.

    :raises ImageError: if it is larger, or has several frames or pages.
    """
    if width * height > max_pixels:
        raise ImageError(f"has {width} x {height} pixels, the limit is {max_pixels} in all: raise [hook] max_pixels to allow it")
    if frames > 1:
        raise ImageError(f"has {frames} frames or pages: expected one; split it first")


def is_deep_png(header: bytes) -> bool:
    """Return whether a file is a 16-bit PNG; `header` is its first 26 bytes."""
    return header.startswith(png.SIGNATURE) and header[24:25] == b"\x10"


def is_tiff(header: bytes) -> bool:
    """Return whether a file is a TIFF; `header` is its first 26 bytes."""
    return header.startswith(TIFF_SIGNATURES)


def read_png(path: Path, opened: Image.Image) -> DeepPicture:
    """Read a 16-bit PNG whose size was checked.

    :param opened: the same file, opened by Pillow, for its metadata.
    :raises ImageError: if it is grey with alpha.
    """
    exif = opened.getexif()
    pixels = _upright(_checked(imagecodecs.png_decode(path.read_bytes())), exif.pop(ORIENTATION, 1))
    return DeepPicture(pixels, opened.info.get("icc_profile"), exif.tobytes() if exif else None)


def read_tiff(path: Path, max_pixels: int) -> DeepPicture | None:
    """Read a TIFF with more than 8 bits per channel; return None if Pillow can read the file without loss.

    :raises ImageError: if it is too large, has several pages, or its colours are neither grey nor RGB.
    """
    import tifffile  # noqa: PLC0415  # heavy

    with tifffile.TiffFile(path) as tiff:
        if not len(tiff.pages):
            raise ImageError("is a TIFF file without a picture in it")
        page = tiff.pages.first
        if page.dtype is None or page.dtype.kind not in "uf" or page.dtype.itemsize == 1:
            return None
        check_size(page.imagewidth, page.imagelength, len(tiff.pages), max_pixels)
        photometric = tifffile.PHOTOMETRIC(page.photometric).name
        if photometric not in PHOTOMETRIC:
            raise ImageError(f"has {photometric} pixels of more than 8 bits: expected grey or RGB")
        pixels = page.asarray()
        if pixels.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            pixels = np.moveaxis(pixels, 0, 2)
        if photometric == "MINISWHITE":
            pixels = (np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1) - pixels
        alpha = tifffile.EXTRASAMPLE(page.extrasamples[0]).name.lower() if page.extrasamples else "unassalpha"
        tags = tuple((tag.code, tag.dtype, tag.count, tag.value, True) for tag in page.tags if tag.code in DESCRIPTIVE)
        orientation = page.tags.valueof(ORIENTATION, default=1)
        return DeepPicture(_upright(_checked(pixels), orientation), page.iccprofile, None, alpha, tags)


def write(source: DeepPicture, filled: Array, file: Path) -> None:
    """Write the pixels `filled` with the metadata of `source`, in the format of the file's suffix.

    :raises ImageError: if that format cannot hold the pixels without loss.
    """
    suffix, fits_png = file.suffix.lower(), filled.dtype == np.uint16 and source.alpha == "unassalpha"
    if suffix in TIFF_SUFFIXES:
        import tifffile  # noqa: PLC0415  # heavy

        layout: dict[str, Any] = {"photometric": "rgb" if filled.ndim == 3 else "minisblack", "extratags": source.tags, "software": False}
        layout["predictor"] = filled.dtype.kind == "u"  # some readers do not know the predictor for floats
        if filled.ndim == 3 and filled.shape[2] == 4:
            layout["extrasamples"] = [source.alpha]
        tifffile.imwrite(file, filled, compression="zlib", iccprofile=source.profile, metadata=None, **layout)
    elif suffix == ".png" and fits_png:
        file.write_bytes(png.encode(filled, source.profile, source.exif))
    else:
        raise ImageError(f"cannot hold {filled.dtype} pixels without loss; use .tif{' or .png' if fits_png else ''}")


def _checked(pixels: Array) -> Array:
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        raise ImageError("is grey with alpha, in more than 8 bits: drop the alpha channel, or use 8 bits")
    return pixels


def _upright(pixels: Array, orientation: int) -> Array:
    """Apply an EXIF orientation (1 to 8) to an array."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
