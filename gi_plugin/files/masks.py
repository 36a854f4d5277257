"""Reading mask files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import Array
from .formats import is_lossy
from .picture import PictureFile, read_picture
from .raster import Raster

NOISE = 16  # values up to this one, of 255, may be what a lossy format made of black


def read_mask(path: Path, max_pixels: int) -> Array:
    """Read a mask file as an array HxW, HxWx3 or HxWx4; raises the errors of `read_picture`.

    It has four channels if the file has any kind of transparency.
    """
    picture = read_picture(path, max_pixels)
    mask = _with_alpha(picture)
    if is_lossy(path):
        mask = np.where(mask > NOISE, mask, 0).astype(mask.dtype)
    return mask


def _with_alpha(picture: PictureFile) -> Array:
    source = picture.source
    if isinstance(source, Image.Image):
        return np.asarray(source.convert("RGBA")) if source.has_transparency_data else picture.pixels
    return _stored(source, picture.pixels)


def _stored(raster: Raster, pixels: Array) -> Array:
    """Return the pixels of a mask; integers as they are, since they may be labels."""
    if raster.kind != "grey" or raster.inverted:
        return pixels
    grey = raster.values[..., 0] if raster.values.dtype.kind == "i" or raster.values.dtype.itemsize > 2 else pixels
    return np.stack([grey] * 3 + [raster.values[..., 1]], axis=2) if raster.alpha and raster.values.dtype == grey.dtype else grey
