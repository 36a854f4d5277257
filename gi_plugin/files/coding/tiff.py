"""TIFF files of every depth and number of bands: the stored values are read and written as they are, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import Array
from ...errors import ImageError
from ..metadata import Metadata
from ..opening import check_size
from ..raster import COLOURS, Raster, check_type, palette_of, rescaled, upright, white_of
from . import tiff_tags

if TYPE_CHECKING:
    import tifffile

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
KINDS = {"MINISWHITE": "grey", "MINISBLACK": "grey", "RGB": "RGB", "PALETTE": "P", "SEPARATED": "CMYK", "CIELAB": "LAB", "YCBCR": "RGB"}
PHOTOMETRIC = {"grey": "minisblack", "RGB": "rgb", "P": "palette", "CMYK": "separated", "LAB": "cielab"}  # in tifffile's terms
LOSSLESS = {"LZW": "lzw", "PACKBITS": "packbits", "ZSTD": "zstd", "LZMA": "lzma"}  # compressions that are kept; deflate for the others
SMOOTH = ("lzw", "zlib", "zstd")  # compressions that can store differences of neighbours
MOST_BANDS = 32
OLD_JPEG, JPEG = 6, 7  # compressions; Pillow knows the old one, and subsampled colours without JPEG
UNDECODED = (ValueError, NotImplementedError, KeyError, TypeError, RuntimeError)  # tifffile's errors for damaged data and unknown codings


def is_tiff(header: bytes) -> bool:
    """Return whether a file is a TIFF; `header` is the start of it."""
    return header.startswith(SIGNATURES)


def read(path: Path, max_pixels: int) -> tuple[Raster | None, Metadata]:
    """Read a TIFF file with one picture, and turn it upright.

    :return: the picture, or None if only Pillow may be able to decode it; and the metadata.
    :raises ImageError: if it is too large, has several pages, or bands of an unknown meaning.
    """
    import tifffile  # noqa: PLC0415  # heavy

    with tifffile.TiffFile(path) as tiff:
        if not len(tiff.pages):
            raise ImageError("is a TIFF file without a picture in it")
        page = tiff.pages.first
        check_size(page.imagewidth, page.imagelength, _frames(tiff, page), max_pixels)
        metadata = tiff_tags.read(tiff, page, path)
        return _raster(page), metadata


def write(raster: Raster, metadata: Metadata, file: Path) -> None:
    """Write a picture with its metadata."""
    import tifffile  # noqa: PLC0415  # heavy

    values, options = _layout(raster)
    contents = metadata.carried("TIFF")
    if "dpi" in contents:
        options |= {"resolution": contents["dpi"], "resolutionunit": "inch"}
    if "profile" in contents:
        options["iccprofile"] = contents["profile"]
    tags = tiff_tags.extra_tags(metadata)
    tifffile.imwrite(file, values, extratags=tags, byteorder="<", metadata=None, software=False, **options)
    tiff_tags.append_folders(file, metadata)


def _frames(tiff: tifffile.TiffFile, page: Any) -> int:
    """Count the pictures of a file: its pages that are no reduced copies, and the planes that share a page."""
    frames = sum(not getattr(other, "is_reduced", False) for other in tiff.pages)
    if tiff.is_imagej or tiff.is_shaped or tiff.is_stk:
        frames = max(frames, sum(series.size for series in tiff.series) // max(page.size, 1))
    return max(frames, int(page.imagedepth))


def _raster(page: Any) -> Raster | None:
    import tifffile  # noqa: PLC0415  # heavy

    photometric = tifffile.PHOTOMETRIC(page.photometric).name
    kind = KINDS.get(photometric, "")
    if page.dtype is not None:
        check_type(page.dtype)
        _check_bands(page, kind, photometric)
    try:
        values = page.asarray()
    except UNDECODED as error:
        if page.compression == OLD_JPEG or (photometric == "YCBCR" and page.compression != JPEG):
            return None
        raise ImageError("cannot be read as a picture: the file is truncated or damaged") from error
    values = _bands_last(page, values)
    extra = [tifffile.EXTRASAMPLE(value).name.lower() for value in page.extrasamples]
    count = values.shape[2] - COLOURS[kind]
    return Raster(
        upright(values.astype(values.dtype.newbyteorder("="), copy=False), tiff_tags.orientation(page)),
        kind,
        tuple((extra + ["unspecified"] * count)[:count]),
        white_of(values.dtype, page.bitspersample),
        photometric == "MINISWHITE",
        np.asarray(page.colormap).T if kind == "P" else None,
        LOSSLESS.get(tifffile.COMPRESSION(page.compression).name, "zlib"),
    )


def _check_bands(page: Any, kind: str, photometric: str) -> None:
    deep = page.dtype.itemsize > 1 and kind in ("P", "CMYK", "LAB")
    if not kind or deep or (kind == "CMYK" and page.tags.valueof(332, default=1) != 1):
        raise ImageError(f"has {photometric} pixels{' of more than 8 bits' if deep else ''}: expected grey or RGB")
    extra = page.samplesperpixel - COLOURS[kind]
    if extra < 0 or page.samplesperpixel > MOST_BANDS:
        raise ImageError(f"has {page.samplesperpixel} bands of {photometric}: expected {COLOURS[kind]} to {MOST_BANDS}")
    if kind == "grey" and extra and (extra > 1 or not page.extrasamples or page.extrasamples[0] == 0):
        raise ImageError(f"has {extra + 1} bands of unknown meaning: expected grey, grey and alpha, or RGB; split it first")


def _bands_last(page: Any, values: Array) -> Array:
    if page.samplesperpixel == 1:
        return values.reshape(page.imagelength, page.imagewidth, 1)
    return np.moveaxis(values, 0, 2) if page.planarconfig == 2 else values


def _layout(raster: Raster) -> tuple[Array, dict[str, Any]]:
    """Return the values to write, and tifffile's options for them."""
    values, white = raster.values, raster.white
    options: dict[str, Any] = {"photometric": PHOTOMETRIC[raster.kind], "planarconfig": "contig"}
    bits = white.bit_length() if white is not None else 0
    if white is not None and white != 2**bits - 1:  # e.g. 1000 in a PGM: TIFF has bits only
        values, bits = rescaled(values, white, 255 if values.dtype == np.uint8 else 65535), 8 * values.dtype.itemsize
    if raster.inverted:
        options["photometric"] = "miniswhite"
    if raster.kind == "P":
        options["colormap"] = palette_of(raster.palette).T
        bits = 8
    if values.dtype.kind == "u" and bits != 8 * values.dtype.itemsize:
        options["bitspersample"] = bits  # tifffile packs bits without compression only
    else:
        options["compression"] = raster.compression
        plain = raster.kind == "P" or values.dtype.kind not in "ui" or values.dtype.itemsize > 4
        options["predictor"] = not plain and raster.compression in SMOOTH  # some readers do not know the predictor for floats
    if raster.extra:
        options["extrasamples"] = raster.extra
    if values.shape[2] == 1:
        del options["planarconfig"]
    return values[..., 0] if values.shape[2] == 1 else values, options
